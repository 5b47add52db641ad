//! `StartTransientUnit` and `SetUnitProperties`: typed properties to the text of unit files.
//!
//! A transient unit is a unit file like any other, below /run/systemd/transient; changed properties
//! are drop-ins. The engine reads both the usual way, so a value means the same from the wire and
//! from a file.

mod text;

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use dbus::Value;
use init_api::{JobMode, UnitType};
use unit_engine::Request;
use unit_file::UnitName;

use super::Bus;
use super::manager_calls::{check_name, job_path};
use super::refusal::Refusal;
use crate::manager::Manager;
use text::Line;

const TRANSIENT: &str = "/run/systemd/transient";

/// Name and value of each element of `a(sv)`.
fn pairs(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .map(Value::items)
        .unwrap_or_default()
        .iter()
        .filter_map(|pair| match pair.items() {
            [name, value] => Some((name.as_str()?, value.plain())),
            _ => None,
        })
}

impl Bus {
    pub(super) fn start_transient(
        &mut self,
        manager: &mut Manager,
        token: u64,
        body: &[Value],
        fds: Vec<OwnedFd>,
    ) -> Result<Vec<Value>, Refusal> {
        let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
        let name = check_name(text(0))?;
        let mode: JobMode = text(1)
            .parse()
            .map_err(|_| Refusal::invalid(format!("Job mode {} invalid", text(1))))?;
        let kinds = [
            UnitType::Service,
            UnitType::Scope,
            UnitType::Slice,
            UnitType::Timer,
            UnitType::Path,
            UnitType::Socket,
            UnitType::Mount,
        ];
        if !kinds.contains(&name.kind()) {
            return Err(Refusal::invalid(format!(
                "Unit type {} does not support transient units.",
                name.kind()
            )));
        }
        let mut others = Vec::new();
        for other in body.get(3).map(Value::items).unwrap_or_default() {
            let [unit, properties] = other.items() else {
                continue;
            };
            let unit = check_name(unit.as_str().unwrap_or_default())?;
            others.push((unit, properties));
        }
        manager.engine().can_be_transient(&name)?;
        for (unit, _) in &others {
            manager.engine().can_be_transient(unit)?;
        }
        let mut pids = Vec::new();
        for (key, value) in pairs(body.get(2)) {
            if key == "PIDs" {
                pids.extend(value.items().iter().filter_map(Value::as_u32));
            }
        }
        write_unit(&name, body.get(2), &fds)?;
        for (unit, properties) in &others {
            write_unit(unit, Some(properties), &fds)?;
        }
        if !fds.is_empty() {
            self.held.insert(name.as_str().to_owned(), fds);
        }
        let request = Request::StartTransient {
            unit: name.as_str().to_owned(),
            mode,
            pids,
            controller: None,
        };
        let keeps =
            pairs(body.get(2)).any(|(key, value)| key == "AddRef" && value.as_bool() == Some(true));
        match manager.submit(request) {
            Ok(reply) => {
                if keeps {
                    self.add_ref(manager, token, name.as_str())?;
                }
                job_path(&reply)
            }
            Err(error) => {
                self.held.remove(name.as_str());
                let _ = fs::remove_file(Path::new(TRANSIENT).join(name.as_str()));
                Err(error.into())
            }
        }
    }

    pub(super) fn set_unit_properties(
        &mut self,
        manager: &mut Manager,
        unit: &str,
        runtime: bool,
        properties: Option<&Value>,
    ) -> Result<Vec<Value>, Refusal> {
        let name = check_name(unit)?;
        manager.submit(Request::Load {
            unit: unit.to_owned(),
        })?;
        let view = manager.engine().unit(unit);
        let transient = view.as_ref().is_some_and(|v| v.transient());
        let id = view.map_or_else(|| unit.to_owned(), |v| v.name().to_owned());
        let folder = if transient {
            TRANSIENT
        } else if runtime {
            "/run/systemd/system.control"
        } else {
            "/etc/systemd/system.control"
        };
        let folder = PathBuf::from(folder).join(format!("{id}.d"));
        for (key, value) in pairs(properties) {
            let lines = lines(&name, key, value, &[])?;
            let Some(first) = lines.first() else { continue };
            let text = format!(
                "# Written by `systemctl set-property` or a program that does the same.\n{}",
                text::sections(&lines)
            );
            fs::create_dir_all(&folder)?;
            write_whole(&folder.join(format!("50-{}.conf", first.key)), &text)?;
        }
        manager.submit(Request::Refresh { unit: id })?;
        Ok(vec![])
    }
}

fn lines(name: &UnitName, key: &str, value: &Value, fds: &[OwnedFd]) -> Result<Vec<Line>, Refusal> {
    let number = |index: u32| {
        let at = usize::try_from(index).ok()?;
        fds.get(at).map(AsRawFd::as_raw_fd)
    };
    text::lines(name.kind(), key, value, number).ok_or_else(|| {
        Refusal::new(
            "org.freedesktop.DBus.Error.PropertyReadOnly",
            format!("Cannot set property {key}, or unknown property."),
        )
    })
}

fn write_unit(name: &UnitName, properties: Option<&Value>, fds: &[OwnedFd]) -> Result<(), Refusal> {
    let mut all = Vec::new();
    for (key, value) in pairs(properties) {
        all.extend(lines(name, key, value, fds)?);
    }
    fs::create_dir_all(TRANSIENT)?;
    let text = format!(
        "# This unit exists only while it runs.\n{}",
        text::sections(&all)
    );
    write_whole(&Path::new(TRANSIENT).join(name.as_str()), &text)?;
    Ok(())
}

/// So that nobody reads half a file.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)
}
