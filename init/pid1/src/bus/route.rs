//! From a call to the function that answers it.

use dbus::{Message, Value};
use init_api::bus as names;

use super::connection::Side;
use super::refusal::Refusal;
use super::{Bus, access, driver, introspect, job, manager_calls, properties};
use crate::manager::Manager;

const DRIVER: &str = "org.freedesktop.DBus";
/// The unit that the caller runs in: how systemd-run of 257 learns the invocation of the scope it has made.
const OWN_UNIT: &str = "/org/freedesktop/systemd1/unit/self";

/// What an object path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Manager,
    Unit(String),
    Job(u32),
    LogControl,
}

/// The object at a path.
pub(super) fn object(path: &str) -> Option<Object> {
    if path == names::MANAGER_PATH {
        return Some(Object::Manager);
    }
    if path == "/org/freedesktop/LogControl1" {
        return Some(Object::LogControl);
    }
    if let Some(unit) = names::unit_from_path(path) {
        return Some(Object::Unit(unit));
    }
    names::job_from_path(path).map(Object::Job)
}

impl Bus {
    /// The answer to a call; none when the caller wants none.
    pub(super) fn answer(
        &mut self,
        manager: &mut Manager,
        token: u64,
        message: &Message,
    ) -> Option<Message> {
        let side = self.connections.get(&token)?.side;
        let to_driver = message.destination.as_deref() == Some(DRIVER) && side == Side::System;
        let result = if to_driver {
            let guid = self.guid.clone();
            driver::call(self.connections.get_mut(&token)?, &guid, message)
        } else {
            self.call_systemd(manager, token, message)
        };
        let mut answer = match result {
            Ok(body) => message.reply(body),
            Err(refusal) => message.error(&refusal.name, &refusal.text),
        };
        if to_driver {
            answer.sender = Some(DRIVER.into());
        }
        message.wants_reply().then_some(answer)
    }

    fn call_systemd(
        &mut self,
        manager: &mut Manager,
        token: u64,
        message: &Message,
    ) -> Result<Vec<Value>, Refusal> {
        let path = message.path.as_deref().unwrap_or_default();
        let member = message.member.as_deref().unwrap_or_default();
        let interface = message.interface.as_deref().unwrap_or_default();
        let connection = self
            .connections
            .get_mut(&token)
            .ok_or_else(|| Refusal::failed("the connection is gone"))?;
        if connection.side == Side::System {
            let to = message.destination.as_deref().unwrap_or(names::NAME);
            if to != names::NAME {
                return Err(driver::unknown_service(to));
            }
        }
        let (uid, pid, side) = (connection.uid, connection.pid, connection.side);
        let fds = connection.take_fds(message.unix_fds);
        access::check(uid, side, interface, member)?;
        match interface {
            "org.freedesktop.DBus.Peer" => return peer(manager, member),
            "org.freedesktop.DBus.Introspectable" => return introspect::call(manager, path),
            _ => {}
        }
        let object = if path == OWN_UNIT {
            Object::Unit(manager_calls::unit_of_pid(manager, pid)?)
        } else {
            object(path).ok_or_else(|| Refusal::unknown_object(path))?
        };
        if interface == names::PROPERTIES {
            return properties::call(manager, &object, member, &message.body);
        }
        match object {
            Object::Manager if interface.is_empty() || interface == names::MANAGER => {
                self.manager_call(manager, token, member, &message.body, fds)
            }
            Object::Unit(unit) => {
                self.unit_call(manager, token, &unit, interface, member, &message.body)
            }
            Object::Job(id) => job::call(manager, id, member),
            _ => Err(Refusal::unknown_method(member, interface)),
        }
    }
}

fn peer(manager: &Manager, member: &str) -> Result<Vec<Value>, Refusal> {
    match member {
        "Ping" => Ok(vec![]),
        "GetMachineId" => {
            let id = manager
                .machine()
                .facts
                .machine_id
                .clone()
                .unwrap_or_default();
            Ok(vec![id.into()])
        }
        _ => Err(Refusal::unknown_method(member, "org.freedesktop.DBus.Peer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stand_for_objects() {
        assert_eq!(object("/org/freedesktop/systemd1"), Some(Object::Manager));
        let unit = Object::Unit("a@1.service".into());
        assert_eq!(
            object("/org/freedesktop/systemd1/unit/a_401_2eservice"),
            Some(unit)
        );
        assert_eq!(
            object("/org/freedesktop/systemd1/job/17"),
            Some(Object::Job(17))
        );
        assert_eq!(object("/org/freedesktop/systemd1/job/x"), None);
        assert_eq!(object("/"), None);
    }
}
