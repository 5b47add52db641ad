//! The control process of a mount or swap, and its deadline.

use crate::{
    Engine,
    event::{Exit, Pid, Token},
    machine::Machine,
    record::ExecStatus,
    service::{Judge, Process, verdict},
    units::UnitId,
    world::World,
};
use init_api::{MountResult, MountState, ServiceResult};

impl Engine {
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
}
