//! The properties of every object, by interface, in the order in which `systemctl show` prints them.
//!
//! A [`Sheet`] is filled by one function per group of properties; asked for a single property it
//! computes only that one, so that a client that polls `ActiveState` costs nothing else.

mod cgroup;
mod exec;
mod kinds;
mod manager;
mod service;
mod unit;

use dbus::Value;
use init_api::{UnitType, bus as names};
use unit_engine::{Request, UnitView};

use super::manager_calls::check_name;
use super::refusal::Refusal;
use super::route::Object;
use crate::manager::Manager;

/// Our own interface: the command lines of Exec lists as the unit's files have them, which
/// `systemctl status` printed in 2016.
const WRITTEN: &str = "io.garboard.Commands";

/// Properties under collection.
#[derive(Debug, Default)]
pub(super) struct Sheet<'a> {
    only: Option<&'a str>,
    values: Vec<(String, Value)>,
}

impl Sheet<'_> {
    /// Adds a property, if it is wanted.
    fn put(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.only.is_none_or(|only| only == name) {
            self.values.push((name.to_owned(), value()));
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.put(name, || value.into());
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.put(name, || value.into());
    }

    fn wide(&mut self, name: &str, value: u64) {
        self.put(name, || value.into());
    }

    fn number(&mut self, name: &str, value: u32) {
        self.put(name, || value.into());
    }

    fn int(&mut self, name: &str, value: i32) {
        self.put(name, || value.into());
    }

    fn words(&mut self, name: &str, value: &[String]) {
        self.put(name, || Value::strings(value));
    }

    /// A point in time and its monotonic twin.
    fn stamp(&mut self, name: &str, stamp: unit_engine::Stamp) {
        self.wide(name, stamp.realtime);
        if self
            .only
            .is_none_or(|only| only.strip_prefix(name) == Some("Monotonic"))
        {
            self.wide(&format!("{name}Monotonic"), stamp.monotonic);
        }
    }
}

/// Answers `Get`, `GetAll` and `Set`.
pub(super) fn call(
    manager: &mut Manager,
    object: &Object,
    member: &str,
    body: &[Value],
) -> Result<Vec<Value>, Refusal> {
    let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
    let interface = text(0);
    match member {
        "Get" => {
            let mut found = sheet(manager, object, interface, Some(text(1)))?;
            match found.pop() {
                Some((_, value)) => Ok(vec![Value::variant(value)]),
                None => Err(Refusal::new(
                    "org.freedesktop.DBus.Error.UnknownProperty",
                    format!("Unknown interface {interface} or property {}.", text(1)),
                )),
            }
        }
        "GetAll" => Ok(vec![Value::dict(sheet(manager, object, interface, None)?)]),
        "Set" => set(object, text(1)),
        _ => Err(Refusal::unknown_method(member, names::PROPERTIES)),
    }
}

/// The interfaces by which an object has properties.
pub(super) fn interfaces(object: &Object) -> Vec<String> {
    match object {
        Object::Manager => vec![names::MANAGER.to_owned()],
        Object::LogControl => vec!["org.freedesktop.LogControl1".to_owned()],
        Object::Job(_) => vec![names::JOB.to_owned()],
        Object::Unit(name) => {
            let kind = name
                .rsplit_once('.')
                .and_then(|(_, suffix)| UnitType::from_suffix(suffix));
            let own = kind.map(type_interface);
            own.into_iter().chain([names::UNIT.to_owned()]).collect()
        }
    }
}

/// All properties of one of them.
pub(super) fn of(
    manager: &mut Manager,
    object: &Object,
    interface: &str,
) -> Result<Vec<(String, Value)>, Refusal> {
    sheet(manager, object, interface, None)
}

/// The few properties that may be set are accepted where setting them has no effect here; all
/// others are read-only.
fn set(object: &Object, name: &str) -> Result<Vec<Value>, Refusal> {
    match (object, name) {
        (Object::Manager | Object::LogControl, "LogLevel" | "LogTarget" | "ServiceWatchdogs") => {
            Ok(vec![])
        }
        _ => Err(Refusal::new(
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            format!("Property '{name}' is not writable."),
        )),
    }
}

fn sheet(
    manager: &mut Manager,
    object: &Object,
    interface: &str,
    only: Option<&str>,
) -> Result<Vec<(String, Value)>, Refusal> {
    let mut sheet = Sheet {
        only,
        values: Vec::new(),
    };
    let all = interface.is_empty();
    let mut known = all;
    match object {
        Object::Manager => {
            if all || interface == names::MANAGER {
                known = true;
                manager::fill(&mut sheet, manager);
            }
        }
        Object::LogControl => {
            known = true;
            sheet.text("LogLevel", "info");
            sheet.text("LogTarget", "journal");
            sheet.text("SyslogIdentifier", "systemd");
        }
        Object::Job(id) => {
            known = true;
            job(&mut sheet, manager, *id)?;
        }
        Object::Unit(name) => {
            load(manager, name)?;
            let Some(view) = manager.engine().unit(name) else {
                return Err(Refusal::unknown_object(&names::unit_path(name)));
            };
            if all || interface == type_interface(view.kind()) {
                known = true;
                of_type(&mut sheet, manager, view);
            }
            if all || interface == names::UNIT {
                known = true;
                unit::fill(&mut sheet, manager, view);
            }
            if interface == WRITTEN {
                known = true;
                exec::written(&mut sheet, view);
            }
        }
    }
    if known
        || matches!(
            interface,
            names::PEER | names::INTROSPECTABLE | names::PROPERTIES
        )
    {
        return Ok(sheet.values);
    }
    Err(Refusal::new(
        "org.freedesktop.DBus.Error.UnknownInterface",
        format!("Unknown interface {interface}."),
    ))
}

/// Reading a unit loads it: an unknown one answers that it is not found.
fn load(manager: &mut Manager, name: &str) -> Result<(), Refusal> {
    if manager.engine().unit(name).is_some() {
        return Ok(());
    }
    check_name(name)?;
    manager.submit(Request::Load {
        unit: name.to_owned(),
    })?;
    Ok(())
}

/// `org.freedesktop.systemd1.Service` and its like.
fn type_interface(kind: UnitType) -> String {
    let word = kind.to_string();
    let mut letters = word.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    format!(
        "{}.{}",
        names::NAME,
        first.into_iter().chain(letters).collect::<String>()
    )
}

fn of_type(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    match view.kind() {
        UnitType::Service => service::fill(sheet, manager, view),
        UnitType::Socket => kinds::socket(sheet, manager, view),
        UnitType::Timer => kinds::timer(sheet, view),
        UnitType::Path => kinds::path(sheet, view),
        UnitType::Mount => kinds::mount(sheet, manager, view),
        UnitType::Swap => kinds::swap(sheet, manager, view),
        UnitType::Automount => kinds::automount(sheet, view),
        UnitType::Scope => kinds::scope(sheet, manager, view),
        UnitType::Slice => {
            let group = view
                .config()
                .cgroup
                .slice
                .as_ref()
                .map_or("", |s| s.as_str());
            cgroup::fill(sheet, manager, view, group);
        }
        UnitType::Device => sheet.text("SysFSPath", ""),
        UnitType::Target => {}
    }
}

fn job(sheet: &mut Sheet<'_>, manager: &Manager, id: u32) -> Result<(), Refusal> {
    let job = manager
        .engine()
        .job(id)
        .ok_or_else(|| Refusal::unknown_object(&names::job_path(id)))?;
    sheet.number("Id", job.id);
    sheet.put("Unit", || {
        Value::Struct(vec![
            job.unit.into(),
            Value::path(names::unit_path(job.unit)),
        ])
    });
    sheet.text("JobType", job.kind.as_str());
    sheet.text("State", job.state.as_str());
    sheet.put("ActivationDetails", || Value::array("(ss)", vec![]));
    Ok(())
}

/// The properties that change while a unit lives, by interface, for `PropertiesChanged`.
pub(super) fn volatile(
    manager: &Manager,
    view: UnitView<'_>,
) -> Vec<(String, Vec<(String, Value)>)> {
    let mut own = Sheet::default();
    if let Some(service) = view.service() {
        service::state(&mut own, view, service);
    } else if !matches!(
        view.kind(),
        UnitType::Target | UnitType::Device | UnitType::Slice
    ) {
        own.text("Result", view.result());
        if let Some(timer) = view.timer() {
            kinds::timer_state(&mut own, timer);
        }
        if let Some(socket) = view.socket() {
            kinds::socket_state(&mut own, socket);
        }
    }
    let mut common = Sheet::default();
    unit::state(&mut common, view);
    let _ = manager;
    vec![
        (type_interface(view.kind()), own.values),
        (names::UNIT.to_owned(), common.values),
    ]
}

/// An amount, all ones for "no limit".
fn or_max(value: Option<u64>) -> u64 {
    value.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_asked_for_one_property_computes_only_that() {
        let mut sheet = Sheet {
            only: Some("B"),
            values: Vec::new(),
        };
        sheet.put("A", || unreachable!("not wanted"));
        sheet.text("B", "x");
        assert_eq!(sheet.values, [("B".to_owned(), Value::from("x"))]);
        let stamp = unit_engine::Stamp {
            realtime: 1,
            monotonic: 2,
        };
        let mut sheet = Sheet {
            only: Some("TMonotonic"),
            values: Vec::new(),
        };
        sheet.stamp("T", stamp);
        assert_eq!(
            sheet.values,
            [("TMonotonic".to_owned(), Value::from(2_u64))]
        );
    }

    #[test]
    fn interfaces_are_named_by_type() {
        assert_eq!(
            type_interface(UnitType::Service),
            "org.freedesktop.systemd1.Service"
        );
        assert_eq!(
            type_interface(UnitType::Automount),
            "org.freedesktop.systemd1.Automount"
        );
    }
}
