//! Messages from services on the notify socket (`sd_notify(3)`).

use std::sync::Arc;

use init_api::{
    ServiceState,
    notify::{NotifyMessage, Watchdog},
};
use unit_file::{NotifyAccess, ServiceType};

use super::{Process, StoredFd};
use crate::{
    Engine,
    action::Action,
    event::{FdHandle, Pid},
    stamp::Stamp,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

impl Engine {
    /// A message arrived. Descriptors that are not kept are closed.
    pub(crate) fn service_notify(
        &mut self,
        id: UnitId,
        sender: (Pid, u32),
        message: &NotifyMessage,
        mut fds: Vec<FdHandle>,
        world: &dyn World,
    ) {
        if self.service_may_notify(id, sender.0) {
            self.service_take_message(id, sender, message, &mut fds, world);
        } else {
            let name = self.units[id].name.clone();
            let text = format!(
                "{name}: Got notification message from PID {}, but reception is not permitted for it",
                sender.0
            );
            self.log_unit(4, id, text);
        }
        self.actions.extend(fds.into_iter().map(Action::CloseFd));
    }

    fn service_may_notify(&self, id: UnitId, pid: Pid) -> bool {
        let Some(settings) = self.units[id].config.service() else {
            return false;
        };
        let Some(service) = self.service(id) else {
            return false;
        };
        let is_main = service.main == Process::Alive(pid);
        match service.notify_access.unwrap_or(settings.notify_access) {
            NotifyAccess::None => false,
            NotifyAccess::Main => is_main,
            NotifyAccess::Exec => is_main || service.control == Process::Alive(pid),
            NotifyAccess::All => true,
        }
    }

    fn service_take_message(
        &mut self,
        id: UnitId,
        (pid, uid): (Pid, u32),
        message: &NotifyMessage,
        fds: &mut Vec<FdHandle>,
        world: &dyn World,
    ) {
        if let Some(main) = message.main_pid {
            self.service_take_main_pid(id, main, uid, world);
        }
        self.service_take_texts(id, message);
        self.service_take_progress(id, message, world);
        if let Some(usec) = message.watchdog_usec
            && let Some(service) = self.service_mut(id)
        {
            service.watchdog_override = Some(usec);
            self.service_ping(id);
        }
        match message.watchdog {
            Some(Watchdog::Alive) => self.service_ping(id),
            Some(Watchdog::Trigger) => self.service_watchdog_expired(id, world),
            None => {}
        }
        if let Some(usec) = message.extend_timeout_usec {
            self.service_extend(id, usec);
        }
        if message.store_fds {
            self.service_store(id, message.fd_name.as_deref(), fds);
        }
        if message.remove_fds
            && let Some(name) = &message.fd_name
        {
            self.service_unstore(id, name);
        }
        let _ = pid;
        let unit = self.units[id].name.clone();
        self.actions.push(Action::UnitChanged { unit });
    }

    fn service_take_main_pid(&mut self, id: UnitId, pid: Pid, uid: u32, world: &dyn World) {
        let listens = self.service(id).is_some_and(|service| {
            let state = service.state;
            service.main != Process::Alive(pid)
                && (matches!(
                    state,
                    ServiceState::Start | ServiceState::StartPost | ServiceState::Running
                ) || state.active() == init_api::ActiveState::Reloading)
        });
        if !listens {
            return;
        }
        let ours = world
            .unit_of_pid(pid)
            .is_some_and(|unit| unit == *self.units[id].name);
        if world.pid_alive(pid) && (ours || uid == 0) {
            self.service_set_main(id, pid);
        } else {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: New main PID {pid} does not belong to service, refusing."),
            );
        }
    }

    fn service_take_texts(&mut self, id: UnitId, message: &NotifyMessage) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        if let Some(text) = &message.status {
            service.status_text = Some(text.clone()).filter(|text| !text.is_empty());
        }
        if let Some(errno) = message.errno {
            service.status_errno = errno;
        }
        if message.bus_error.is_some() {
            service.status_bus_error.clone_from(&message.bus_error);
        }
        if let Some(access) = message
            .notify_access
            .as_deref()
            .and_then(|word| word.parse().ok())
        {
            service.notify_access = Some(access);
        }
    }

    /// READY, RELOADING, STOPPING.
    fn service_take_progress(&mut self, id: UnitId, message: &NotifyMessage, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let waits_for_ready = matches!(
            settings.service_type,
            ServiceType::Notify | ServiceType::NotifyReload
        );
        let Some(service) = self.service_mut(id) else {
            return;
        };
        if message.stopping {
            service.said_stopping = true;
            service.said_reloading = false;
            if service.state == ServiceState::Running {
                self.service_enter_stop_by_notify(id);
            }
        } else if message.reloading {
            service.said_reloading = true;
            match service.state {
                ServiceState::Running => self.service_enter_reload_by_notify(id),
                ServiceState::ReloadSignal
                    if message
                        .monotonic_usec
                        .is_none_or(|at| at >= service.reload_begin) =>
                {
                    self.service_set_state(id, ServiceState::ReloadNotify);
                }
                _ => {}
            }
        }
        if message.ready {
            let Some(service) = self.service_mut(id) else {
                return;
            };
            if !message.reloading {
                service.said_reloading = false;
            }
            match service.state {
                ServiceState::Start if waits_for_ready => self.service_enter_start_post(id, world),
                ServiceState::Reload if !service.control.is_some() && !message.reloading => {
                    self.service_reloaded(id, init_api::ServiceResult::Success, world);
                }
                ServiceState::ReloadNotify if !message.reloading => {
                    self.service_reloaded(id, init_api::ServiceResult::Success, world);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn service_enter_stop_by_notify(&mut self, id: UnitId) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        self.arm(id, settings.timeout_stop);
        self.service_set_state(id, ServiceState::StopSigterm);
    }

    pub(crate) fn service_enter_reload_by_notify(&mut self, id: UnitId) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        self.arm(id, settings.timeout_start);
        self.service_set_state(id, ServiceState::Reload);
    }

    /// The deadline of the present step is at least so far away.
    fn service_extend(&mut self, id: UnitId, usec: u64) {
        let key = TimerKey::State(id);
        let until = self.now.monotonic.saturating_add(usec);
        if self.timers.get(key).is_some_and(|at| at < until) {
            self.timers.set_monotonic(key, until);
        }
    }

    /// The watchdog's interval: as the service asked, else as configured; none if zero or infinite.
    pub(crate) fn service_watchdog_usec(&self, id: UnitId) -> Option<u64> {
        let service = self.service(id)?;
        let configured = self.units[id].config.service()?.watchdog.as_micros();
        Some(service.watchdog_override.unwrap_or(configured))
            .filter(|usec| *usec != 0 && *usec != u64::MAX)
    }

    /// The service is alive.
    pub(crate) fn service_ping(&mut self, id: UnitId) {
        let now = Stamp::from(self.now);
        if let Some(service) = self.service_mut(id) {
            service.watchdog_ping = now;
            if service.is_watched() {
                self.service_arm_watchdog(id);
            }
        }
    }

    pub(crate) fn service_arm_watchdog(&mut self, id: UnitId) {
        let key = TimerKey::Watchdog(id);
        let Some(usec) = self.service_watchdog_usec(id) else {
            return self.timers.cancel(key);
        };
        let Some(service) = self.service(id) else {
            return;
        };
        let since = service.watchdog_ping.monotonic;
        self.timers.set_monotonic(key, since.saturating_add(usec));
    }

    fn service_store(&mut self, id: UnitId, name: Option<&str>, fds: &mut Vec<FdHandle>) {
        let config = Arc::clone(&self.units[id].config);
        let max = config.service().map_or(0, |settings| settings.fd_store_max);
        let name = name.unwrap_or("stored").to_owned();
        let Some(service) = self.service_mut(id) else {
            return;
        };
        while service.fds.len() < usize::try_from(max).unwrap_or(usize::MAX)
            && let Some(handle) = (!fds.is_empty()).then(|| fds.remove(0))
        {
            service.fds.push(StoredFd {
                handle,
                name: name.clone(),
            });
        }
    }

    /// A stored descriptor without another end is of no use to a restarted service.
    pub(crate) fn forget_stored_fd(&mut self, fd: FdHandle) {
        let holders: Vec<UnitId> = self.units.ids().collect();
        for id in holders {
            let Some(service) = self.service_mut(id) else {
                continue;
            };
            let before = service.fds.len();
            service.fds.retain(|stored| stored.handle != fd);
            if service.fds.len() != before {
                self.actions.push(Action::CloseFd(fd));
            }
        }
    }

    fn service_unstore(&mut self, id: UnitId, name: &str) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut service.fds)
            .into_iter()
            .partition(|stored| stored.name == name);
        service.fds = kept;
        self.actions.extend(
            gone.into_iter()
                .map(|stored| Action::CloseFd(stored.handle)),
        );
    }
}
