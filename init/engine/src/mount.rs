//! Mounts and swaps.
//!
//! # The machine
//!
//! *dead* → *mounting* (mount(8) runs) → *mounting-done* (it ended well, the kernel's table does not
//! show it yet) → *mounted* → (*remounting*) → *unmounting* → *dead*, or *failed*. A command that takes
//! too long is killed in two stages: *unmounting-sigterm*, *unmounting-sigkill*, and for remounts the
//! same. The kernel's table has the last word: what it lists is *mounted* whoever did it, what it does
//! not list any longer is *dead*. Swaps run swapon(8) and swapoff(8) and take a command's success for
//! the fact.

use std::sync::Arc;

use init_api::{ActiveState, JobResult, MountResult, MountState, ServiceResult, SwapState};
use serde::{Deserialize, Serialize};
use unit_file::{Command, CommandFlags, KindConfig, UnitConfig};

use crate::{
    Engine,
    action::{Action, ExecKind},
    change::Cause,
    event::{Exit, MountPoint, Pid, Token},
    kill::Stage,
    machine::Machine,
    queue::Outcome,
    record::{ExecStatus, Records},
    service::{Judge, Process, verdict},
    timers::TimerKey,
    units::UnitId,
    world::World,
};

/// What a mount or swap is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) state: MountState,
    pub(crate) result: MountResult,
    pub(crate) reload_failed: bool,
    pub(crate) control: Process,
    pub(crate) kind: Option<ExecKind>,
    pub(crate) records: Records,
}

impl Mount {
    pub(crate) fn new() -> Self {
        Mount {
            state: MountState::Dead,
            result: MountResult::Success,
            reload_failed: false,
            control: Process::None,
            kind: None,
            records: Records::default(),
        }
    }
}

/// The word that swaps have for a state.
pub(crate) fn swap_word(state: MountState) -> &'static str {
    match state {
        MountState::Dead => SwapState::Dead,
        MountState::Mounting => SwapState::Activating,
        MountState::MountingDone => SwapState::ActivatingDone,
        MountState::Mounted
        | MountState::Remounting
        | MountState::RemountingSigterm
        | MountState::RemountingSigkill => SwapState::Active,
        MountState::Unmounting => SwapState::Deactivating,
        MountState::UnmountingSigterm => SwapState::DeactivatingSigterm,
        MountState::UnmountingSigkill => SwapState::DeactivatingSigkill,
        MountState::Failed => SwapState::Failed,
    }
    .as_str()
}

fn command(words: Vec<String>) -> Command {
    Command {
        path: words.first().cloned().unwrap_or_default(),
        written: words.join(" "),
        argv: words,
        flags: CommandFlags {
            no_expansion: true,
            ..CommandFlags::default()
        },
    }
}

/// The command that a mount or swap stands for.
fn implied(config: &UnitConfig, kind: ExecKind) -> Option<Command> {
    let mut words: Vec<String> = Vec::new();
    match &config.kind {
        KindConfig::Mount(mount) if kind == ExecKind::Stop => {
            words.extend([
                "/bin/umount".to_owned(),
                mount.r#where.clone(),
                "-c".to_owned(),
            ]);
            words.extend(mount.lazy_unmount.then(|| "-l".to_owned()));
            words.extend(mount.force_unmount.then(|| "-f".to_owned()));
        }
        KindConfig::Mount(mount) => {
            words.extend([
                "/bin/mount".to_owned(),
                mount.what.clone(),
                mount.r#where.clone(),
            ]);
            words.extend(mount.sloppy_options.then(|| "-s".to_owned()));
            words.extend(mount.read_write_only.then(|| "-w".to_owned()));
            if !mount.fs_type.is_empty() {
                words.extend(["-t".to_owned(), mount.fs_type.clone()]);
            }
            let mut options = mount.options.clone();
            if kind == ExecKind::Reload {
                options = if options.is_empty() {
                    "remount".to_owned()
                } else {
                    format!("remount,{options}")
                };
            }
            if !options.is_empty() {
                words.extend(["-o".to_owned(), options]);
            }
        }
        KindConfig::Swap(swap) if kind == ExecKind::Stop => {
            words.extend(["/sbin/swapoff".to_owned(), swap.what.clone()]);
        }
        KindConfig::Swap(swap) => {
            words.extend(["/sbin/swapon".to_owned(), "--fixpgsz".to_owned()]);
            if let Some(priority) = swap.priority {
                words.extend(["-p".to_owned(), priority.to_string()]);
            }
            if !swap.options.is_empty() {
                words.extend(["-o".to_owned(), swap.options.clone()]);
            }
            words.push(swap.what.clone());
        }
        _ => return None,
    }
    Some(command(words))
}

/// Where a mount unit's file system goes: by its settings, else by its name.
pub(crate) fn mount_place(config: &UnitConfig) -> Option<String> {
    let mount = config.mount()?;
    if mount.r#where.is_empty() {
        config.name.to_path()
    } else {
        Some(mount.r#where.clone())
    }
}

fn timeout(config: &UnitConfig) -> u64 {
    match &config.kind {
        KindConfig::Mount(mount) => mount.timeout.as_micros(),
        KindConfig::Swap(swap) => swap.timeout.as_micros(),
        _ => u64::MAX,
    }
}

impl Engine {
    fn mount(&self, id: UnitId) -> Option<&Mount> {
        match &self.units.get(id)?.machine {
            Machine::Mount(mount) | Machine::Swap(mount) => Some(mount),
            _ => None,
        }
    }

    fn mount_mut(&mut self, id: UnitId) -> Option<&mut Mount> {
        match &mut self.units[id].machine {
            Machine::Mount(mount) | Machine::Swap(mount) => Some(mount),
            _ => None,
        }
    }

    /// Whether the kernel's table lists the unit's place. Swaps are not in it.
    fn is_mounted(&self, id: UnitId) -> bool {
        mount_place(&self.units[id].config).is_some_and(|place| self.mounts.contains_key(&place))
    }

    fn mount_set_state(&mut self, id: UnitId, state: MountState) {
        let Some(mount) = self.mount_mut(id) else {
            return;
        };
        let old = mount.state.active();
        mount.state = state;
        let cause = Cause {
            will_restart: false,
            reload_failed: mount.reload_failed,
        };
        if matches!(
            state,
            MountState::Dead | MountState::Failed | MountState::Mounted
        ) {
            self.timers.cancel(TimerKey::State(id));
        }
        self.unit_changed(id, old, state.active(), cause);
    }

    fn mount_run(&mut self, id: UnitId, kind: ExecKind, state: MountState) {
        let config = Arc::clone(&self.units[id].config);
        let Some(command) = implied(&config, kind) else {
            return;
        };
        let at = self.now.monotonic.saturating_add(timeout(&config));
        self.timers.set_monotonic(TimerKey::State(id), at);
        let token = self.spawn(id, kind, command, false);
        if let Some(mount) = self.mount_mut(id) {
            mount.control = Process::Asked(token);
            mount.kind = Some(kind);
        }
        self.mount_set_state(id, state);
    }

    /// A start job asks.
    pub(crate) fn mount_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(mount) = self.mount(id) else {
            return Outcome::Already;
        };
        match mount.state {
            MountState::Dead | MountState::Failed => {}
            MountState::Mounting | MountState::MountingDone => return Outcome::Begun,
            _ => return Outcome::Again,
        }
        self.units[id].invocation = world.random();
        if let Some(mount) = self.mount_mut(id) {
            mount.result = MountResult::Success;
            mount.reload_failed = false;
            mount.records.clear();
        }
        if let Some((path, mode)) = self.units[id]
            .config
            .mount()
            .map(|mount| (mount.r#where.clone(), mount.directory_mode))
        {
            self.actions.push(Action::MakeDirectory { path, mode });
        }
        self.mount_run(id, ExecKind::Start, MountState::Mounting);
        Outcome::Begun
    }

    /// A stop job asks.
    pub(crate) fn mount_stop(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        match self.mount(id).map(|mount| mount.state) {
            Some(MountState::Mounted | MountState::MountingDone) => {
                self.mount_run(id, ExecKind::Stop, MountState::Unmounting);
            }
            Some(MountState::Mounting | MountState::Remounting) => {
                self.mount_enter_signal(
                    id,
                    MountState::UnmountingSigterm,
                    MountResult::Success,
                    world,
                );
            }
            Some(MountState::Dead | MountState::Failed) | None => return Outcome::Already,
            Some(_) => {}
        }
        Outcome::Begun
    }

    /// A reload job asks: remount.
    pub(crate) fn mount_reload(&mut self, id: UnitId) -> Outcome {
        match self.mount(id).map(|mount| mount.state) {
            Some(MountState::Mounted) => {
                self.mount_run(id, ExecKind::Reload, MountState::Remounting);
                Outcome::Begun
            }
            Some(MountState::Remounting) => Outcome::Begun,
            _ => Outcome::Refused(JobResult::Invalid),
        }
    }

    fn mount_note(&mut self, id: UnitId, result: MountResult) {
        if let Some(mount) = self.mount_mut(id)
            && mount.result == MountResult::Success
        {
            mount.result = result;
        }
    }

    fn mount_enter_signal(
        &mut self,
        id: UnitId,
        state: MountState,
        result: MountResult,
        world: &dyn World,
    ) {
        self.mount_note(id, result);
        let config = Arc::clone(&self.units[id].config);
        let control = self.mount(id).map_or(Process::None, |mount| mount.control);
        let hard = matches!(
            state,
            MountState::UnmountingSigkill | MountState::RemountingSigkill
        );
        let stage = if hard { Stage::Kill } else { Stage::Terminate };
        if self.kill_unit(id, stage, Process::None, control, world) {
            let at = self.now.monotonic.saturating_add(timeout(&config));
            self.timers.set_monotonic(TimerKey::State(id), at);
            self.mount_set_state(id, state);
        } else {
            self.mount_settle(id);
        }
    }

    /// Nothing runs any longer: the table says what is.
    fn mount_settle(&mut self, id: UnitId) {
        let swap = matches!(self.units[id].machine, Machine::Swap(_));
        let Some(mount) = self.mount(id) else { return };
        let well = mount.result == MountResult::Success;
        if self.is_mounted(id)
            || (swap && !well && mount.state.active() == ActiveState::Deactivating)
        {
            self.mount_set_state(id, MountState::Mounted);
        } else {
            let result = mount.result;
            if !well {
                self.announce_result(id, well, result.as_str());
            }
            self.mount_set_state(
                id,
                if well {
                    MountState::Dead
                } else {
                    MountState::Failed
                },
            );
            self.drop_cgroup(id);
        }
    }

    pub(crate) fn mount_spawned(&mut self, id: UnitId, token: Token, pid: Pid) {
        let status = ExecStatus::begun(pid, self.now);
        let Some(mount) = self.mount_mut(id) else {
            return;
        };
        if mount.control == Process::Asked(token) {
            mount.control = Process::Alive(pid);
            if let Some(kind) = mount.kind {
                mount.records.set(kind, 0, status);
            }
        }
    }

    pub(crate) fn mount_spawn_failed(&mut self, id: UnitId, token: Token) {
        let Some(mount) = self.mount_mut(id) else {
            return;
        };
        if mount.control == Process::Asked(token) {
            mount.control = Process::None;
            self.mount_note(id, MountResult::Resources);
            self.mount_settle(id);
        }
    }

    pub(crate) fn mount_child_exited(&mut self, id: UnitId, pid: Pid, exit: Exit) {
        let now = self.now;
        let swap = matches!(self.units[id].machine, Machine::Swap(_));
        let Some(mount) = self.mount_mut(id) else {
            return;
        };
        if mount.control != Process::Alive(pid) {
            return;
        }
        mount.control = Process::None;
        if let Some(kind) = mount.kind.take() {
            mount.records.ended(kind, 0, exit, now);
        }
        let result = match verdict(exit, Judge::Command, None) {
            ServiceResult::Success => MountResult::Success,
            ServiceResult::ExitCode => MountResult::ExitCode,
            ServiceResult::CoreDump => MountResult::CoreDump,
            _ => MountResult::Signal,
        };
        let well = result == MountResult::Success;
        let state = mount.state;
        if !well {
            let name = self.units[id].name.clone();
            let what = if swap { "Swap" } else { "Mount" };
            let text = format!(
                "{name}: {what} process exited, {}",
                crate::service::describe(exit)
            );
            self.log_unit(5, id, text);
        }
        match state {
            MountState::Mounting if well && (swap || self.is_mounted(id)) => {
                self.mount_set_state(id, MountState::Mounted);
            }
            MountState::Mounting if well => self.mount_set_state(id, MountState::MountingDone),
            MountState::Remounting
            | MountState::RemountingSigterm
            | MountState::RemountingSigkill => {
                if let Some(mount) = self.mount_mut(id) {
                    mount.reload_failed = !well;
                }
                self.mount_set_state(id, MountState::Mounted);
            }
            MountState::Unmounting if well => {
                let place = self.units[id]
                    .config
                    .mount()
                    .map(|mount| mount.r#where.clone());
                if let Some(place) = place {
                    self.mounts.remove(&place);
                }
                self.mount_settle(id);
            }
            _ => {
                self.mount_note(id, result);
                self.mount_settle(id);
            }
        }
    }

    pub(crate) fn mount_timed_out(&mut self, id: UnitId, world: &dyn World) {
        let Some(mount) = self.mount(id) else { return };
        let state = mount.state;
        let name = self.units[id].name.clone();
        self.log_unit(4, id, format!("{name}: State '{state}' timed out."));
        let late = MountResult::Timeout;
        match state {
            MountState::Mounting | MountState::Unmounting => {
                self.mount_enter_signal(id, MountState::UnmountingSigterm, late, world);
            }
            MountState::UnmountingSigterm => {
                self.mount_enter_signal(id, MountState::UnmountingSigkill, late, world);
            }
            MountState::Remounting => {
                if let Some(mount) = self.mount_mut(id) {
                    mount.reload_failed = true;
                }
                self.mount_enter_signal(
                    id,
                    MountState::RemountingSigterm,
                    MountResult::Success,
                    world,
                );
            }
            MountState::RemountingSigterm => {
                self.mount_enter_signal(
                    id,
                    MountState::RemountingSigkill,
                    MountResult::Success,
                    world,
                );
            }
            MountState::MountingDone => {
                self.mount_note(id, MountResult::Protocol);
                self.mount_settle(id);
            }
            MountState::UnmountingSigkill | MountState::RemountingSigkill => {
                self.mount_note(id, late);
                self.mount_settle(id);
            }
            MountState::Dead | MountState::Failed | MountState::Mounted => {}
        }
    }

    /// The kernel's table, in full.
    pub(crate) fn mounts_changed(&mut self, mounts: Vec<MountPoint>) {
        self.mounts = mounts
            .into_iter()
            .map(|mount| (mount.place.clone(), mount))
            .collect();
        let units: Vec<UnitId> = self
            .units
            .ids()
            .filter(|id| matches!(self.units[*id].machine, Machine::Mount(_)))
            .collect();
        for id in units {
            self.mount_look(id);
        }
    }

    /// Brings one mount unit in step with the table.
    pub(crate) fn mount_look(&mut self, id: UnitId) {
        let Some(mount) = self.mount(id) else { return };
        // The root is there for as long as there is anybody to ask.
        let mounted = self.is_mounted(id) || self.units[id].perpetual;
        match mount.state {
            MountState::Dead | MountState::Failed if mounted => {
                if let Some(mount) = self.mount_mut(id) {
                    mount.result = MountResult::Success;
                }
                self.mount_set_state(id, MountState::Mounted);
            }
            MountState::MountingDone if mounted => self.mount_set_state(id, MountState::Mounted),
            MountState::Mounted if !mounted => self.mount_settle(id),
            _ => {}
        }
    }

    pub(crate) fn mount_reset_failed(&mut self, id: UnitId) {
        if self
            .mount(id)
            .is_some_and(|mount| mount.state == MountState::Failed)
        {
            if let Some(mount) = self.mount_mut(id) {
                mount.result = MountResult::Success;
            }
            self.mount_set_state(id, MountState::Dead);
        }
    }
}
