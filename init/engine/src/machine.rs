//! The state of a unit by its type. The larger machines live in files of their own; targets, slices
//! and devices are small enough to be a word.

use init_api::{ActiveState, DeviceState, SliceState, TargetState, UnitType};
use serde::{Deserialize, Serialize};
use unit_file::{ServiceType, UnitConfig};

use crate::{
    mount::Mount, path::PathUnit, scope::Scope, service::Service, socket::Socket, timer::TimerUnit,
};

/// What a unit is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Machine {
    Service(Box<Service>),
    Socket(Box<Socket>),
    Target(TargetState),
    Timer(Box<TimerUnit>),
    Path(Box<PathUnit>),
    Mount(Box<Mount>),
    Swap(Box<Mount>),
    Automount(Box<crate::automount::Automount>),
    Slice(SliceState),
    Scope(Box<Scope>),
    Device(DeviceState),
}

impl Machine {
    pub(crate) fn new(kind: UnitType) -> Machine {
        match kind {
            UnitType::Service => Machine::Service(Box::new(Service::new())),
            UnitType::Socket => Machine::Socket(Box::new(Socket::new())),
            UnitType::Target => Machine::Target(TargetState::Dead),
            UnitType::Timer => Machine::Timer(Box::new(TimerUnit::new())),
            UnitType::Path => Machine::Path(Box::new(PathUnit::new())),
            UnitType::Mount => Machine::Mount(Box::new(Mount::new())),
            UnitType::Swap => Machine::Swap(Box::new(Mount::new())),
            UnitType::Automount => Machine::Automount(Box::new(crate::automount::Automount::new())),
            UnitType::Slice => Machine::Slice(SliceState::Dead),
            UnitType::Scope => Machine::Scope(Box::new(Scope::new())),
            UnitType::Device => Machine::Device(DeviceState::Dead),
        }
    }

    pub(crate) fn active_state(&self) -> ActiveState {
        match self {
            Machine::Service(service) => service.state.active(),
            Machine::Socket(socket) => socket.state.active(),
            Machine::Target(state) => state.active(),
            Machine::Timer(timer) => timer.state.active(),
            Machine::Path(path) => path.state.active(),
            Machine::Mount(mount) | Machine::Swap(mount) => mount.state.active(),
            Machine::Automount(automount) => automount.state.active(),
            Machine::Slice(state) => state.active(),
            Machine::Scope(scope) => scope.state.active(),
            Machine::Device(state) => state.active(),
        }
    }

    pub(crate) fn sub_state(&self) -> &'static str {
        match self {
            Machine::Service(service) => service.state.as_str(),
            Machine::Socket(socket) => socket.state.as_str(),
            Machine::Target(state) => state.as_str(),
            Machine::Timer(timer) => timer.state.as_str(),
            Machine::Path(path) => path.state.as_str(),
            Machine::Mount(mount) => mount.state.as_str(),
            Machine::Swap(mount) => crate::mount::swap_word(mount.state),
            Machine::Automount(automount) => automount.state.as_str(),
            Machine::Slice(state) => state.as_str(),
            Machine::Scope(scope) => scope.state.as_str(),
            Machine::Device(state) => state.as_str(),
        }
    }

    pub(crate) fn service(&self) -> Option<&Service> {
        match self {
            Machine::Service(service) => Some(service),
            _ => None,
        }
    }

    /// Whether a start goes straight to active.
    pub(crate) fn begins_silently(&self, config: &UnitConfig) -> bool {
        match self {
            Machine::Service(service) => {
                let simple = config.service().is_some_and(|settings| {
                    matches!(
                        settings.service_type,
                        ServiceType::Simple | ServiceType::Idle
                    )
                });
                service.state == init_api::ServiceState::Start && simple
            }
            _ => false,
        }
    }
}
