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

use init_api::{ActiveState, JobResult, MountResult, MountState, SwapState};
use serde::{Deserialize, Serialize};
use unit_file::UnitConfig;

use crate::{
    Engine,
    action::{Action, ExecKind},
    change::Cause,
    kill::Stage,
    machine::Machine,
    queue::Outcome,
    record::Records,
    service::Process,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

mod command;
mod process;
mod table;

use command::{implied, timeout};

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

/// Where a mount unit's file system goes: by its settings, else by its name.
pub(crate) fn mount_place(config: &UnitConfig) -> Option<String> {
    let mount = config.mount()?;
    if mount.r#where.is_empty() {
        config.name.to_path()
    } else {
        Some(mount.r#where.clone())
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
