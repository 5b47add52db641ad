//! What happened, as the signals that clients wait for.

use dbus::{Message, Value};
use init_api::bus as names;
use unit_engine::Action;

use super::properties;
use crate::manager::{Manager, Outgoing};

/// The signals of one event.
pub(super) fn messages(manager: &Manager, what: &Outgoing) -> Vec<Message> {
    let action = match what {
        Outgoing::Reloading(begins) => return vec![signal("Reloading", vec![(*begins).into()])],
        Outgoing::Engine(action) => action,
    };
    let unit_and_path = |unit: &str| vec![unit.into(), Value::path(names::unit_path(unit))];
    match action {
        Action::UnitNew { unit } => vec![signal("UnitNew", unit_and_path(unit))],
        Action::UnitRemoved { unit } => vec![signal("UnitRemoved", unit_and_path(unit))],
        Action::JobNew { id, unit } => {
            let body = vec![
                (*id).into(),
                Value::path(names::job_path(*id)),
                (&**unit).into(),
            ];
            vec![signal("JobNew", body)]
        }
        Action::JobRemoved { id, unit, result } => {
            let body = vec![
                (*id).into(),
                Value::path(names::job_path(*id)),
                (&**unit).into(),
                result.as_str().into(),
            ];
            vec![signal("JobRemoved", body)]
        }
        Action::UnitChanged { unit } => changed(manager, unit),
        Action::StartupFinished => {
            let times = &manager.times;
            let userspace = times
                .finish_monotonic
                .saturating_sub(times.userspace_monotonic);
            let kernel = times.userspace_monotonic;
            let numbers = [0, 0, kernel, 0, userspace, kernel + userspace];
            vec![signal("StartupFinished", numbers.map(Value::from).to_vec())]
        }
        _ => Vec::new(),
    }
}

/// `UnitFilesChanged`.
pub(super) fn unit_files_changed() -> Message {
    signal("UnitFilesChanged", vec![])
}

fn signal(member: &str, body: Vec<Value>) -> Message {
    Message::signal(names::MANAGER_PATH, names::MANAGER, member).with(body)
}

/// One `PropertiesChanged` for the unit's own interface and one for its type's.
fn changed(manager: &Manager, unit: &str) -> Vec<Message> {
    let Some(view) = manager.engine().unit(unit) else {
        return Vec::new();
    };
    let path = names::unit_path(unit);
    properties::volatile(manager, view)
        .into_iter()
        .map(|(interface, values)| {
            let body = vec![
                interface.into(),
                Value::dict(values),
                Value::strings(Vec::<String>::new()),
            ];
            Message::signal(&path, names::PROPERTIES, "PropertiesChanged").with(body)
        })
        .collect()
}
