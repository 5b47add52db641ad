//! Devices that come and go while the machine runs, and the power buttons among them.

use std::fs::{self, File};
use std::os::fd::AsFd;

use init_sys::accounts::Accounts;
use init_sys::uevent::{Listener, Uevent};

use super::{Poll, Source};
use crate::boot::{Place, nodes};
use crate::devices::button::{self, Pressed};
use crate::devices::links;
use crate::devices::modules::Modules;
use crate::say::{self, Level};

/// Everything about devices.
pub(crate) struct Devices {
    events: Option<Listener>,
    buttons: Vec<File>,
    /// The child that loads the modules of what is there at boot.
    coldplug: Option<i32>,
    modules: Option<Modules>,
}

impl Devices {
    pub(crate) fn new(place: Place) -> Devices {
        let events = match place {
            Place::Machine => Listener::open()
                .inspect_err(|e| say::log(Level::Error, &format!("no device events: {e}")))
                .ok(),
            Place::Container => None,
        };
        Devices {
            events,
            buttons: Vec::new(),
            coldplug: None,
            modules: None,
        }
    }

    /// Watches events, and the buttons that are there already.
    pub(crate) fn watch(&mut self, poll: &mut Poll) {
        if let Some(events) = &self.events {
            let _ = poll.add(events.as_fd(), Source::Uevents);
            for button in button::open_all() {
                self.add_button(button, poll);
            }
        }
    }

    fn add_button(&mut self, button: File, poll: &mut Poll) {
        if poll
            .add(button.as_fd(), Source::Button(self.buttons.len()))
            .is_ok()
        {
            self.buttons.push(button);
        }
    }

    /// Loads the remaining modules in a child, so that nobody waits for them.
    pub(crate) fn start_coldplug(&mut self) {
        if self.events.is_none() {
            return;
        }
        let child = init_sys::spawn::fork_work(|| {
            let mut modules = Modules::of_running_kernel();
            crate::devices::coldplug::rest(&mut modules);
            0
        });
        match child {
            Ok(pid) => self.coldplug = Some(pid),
            Err(e) => {
                say::log(
                    Level::Warning,
                    &format!("cannot load modules of devices: {e}"),
                );
                settled();
            }
        }
    }

    /// A child ended; if it was the one that loads modules, look for buttons once more.
    pub(crate) fn ended(&mut self, pid: i32, poll: &mut Poll) {
        if self.coldplug == Some(pid) {
            self.coldplug = None;
            settled();
            if self.buttons.is_empty() {
                for button in button::open_all() {
                    self.add_button(button, poll);
                }
            }
        }
    }

    /// Reads all device events; true if the set of devices changed.
    pub(crate) fn read_events(&mut self, poll: &mut Poll) -> bool {
        let mut changed = false;
        // The listener is taken out for the loop, because events change the rest of this struct.
        let Some(events) = self.events.take() else {
            return false;
        };
        while let Ok(Some(event)) = events.next() {
            changed |= self.event(&event, poll);
        }
        self.events = Some(events);
        changed
    }

    fn event(&mut self, event: &Uevent, poll: &mut Poll) -> bool {
        let name = event
            .get("DEVNAME")
            .map(|name| name.trim_start_matches("/dev/").to_owned());
        if event.action == "add"
            && self.coldplug.is_none()
            && let Some(alias) = event.get("MODALIAS")
        {
            let alias = alias.to_owned();
            let modules = self.modules.get_or_insert_with(Modules::of_running_kernel);
            modules.load_for(&[alias], |_| true);
        }
        let Some(name) = name else {
            return event.get("SUBSYSTEM") == Some("net");
        };
        match (event.action.as_str(), event.get("SUBSYSTEM")) {
            ("remove", Some("block")) => links::remove(&name),
            ("add" | "change", Some("block")) => {
                let _ = links::make(&name);
            }
            ("add", Some("input")) => {
                if let Some(button) = name.strip_prefix("input/").and_then(button::open) {
                    self.add_button(button, poll);
                }
            }
            _ => {}
        }
        if event.action == "add" {
            nodes::set_mode(
                &name,
                &Accounts::read(std::path::Path::new("/")).unwrap_or_default(),
            );
        }
        matches!(event.action.as_str(), "add" | "remove" | "change")
    }

    /// What was pressed on a button.
    pub(crate) fn pressed(&mut self, number: usize) -> Option<Pressed> {
        self.buttons.get_mut(number).and_then(button::read)
    }
}

/// Names of device units for everything in /dev that is a device or a link to one, for network
/// interfaces, and for the folders of block devices and terminals in /sys.
pub(crate) fn units() -> Vec<String> {
    let mut found = Vec::new();
    walk("/dev", 0, &mut found);
    for class in ["net", "block", "tty"] {
        let Ok(entries) = fs::read_dir(format!("/sys/class/{class}")) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if class == "net" {
                found.push(format!("/sys/subsystem/net/devices/{name}"));
            }
            if let Ok(real) = fs::canonicalize(entry.path()) {
                found.push(real.display().to_string());
            }
        }
    }
    let mut units: Vec<String> = found
        .iter()
        .filter_map(|path| Some(format!("{}.device", unit_file::escape::escape_path(path)?)))
        .collect();
    units.sort();
    units.dedup();
    units
}

fn walk(folder: &str, depth: usize, found: &mut Vec<String>) {
    use std::os::unix::fs::FileTypeExt;
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let skipped = [
            "/dev/fd",
            "/dev/shm",
            "/dev/mqueue",
            "/dev/pts",
            "/dev/hugepages",
            "/dev/bus",
        ];
        if kind.is_dir() && depth < 3 && !skipped.contains(&path.as_str()) {
            walk(&path, depth + 1, found);
        } else if kind.is_block_device()
            || kind.is_char_device()
            || kind.is_symlink()
                && fs::metadata(&path).is_ok_and(|m| m.file_type().is_block_device())
        {
            found.push(path);
        }
    }
}

/// Says that every device that was there at boot has its driver: coreos-cloudinit must not take the
/// metadata service for the only source while a config drive is still being probed.
fn settled() {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

    let _ = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create("/run/garboard");
    let _ = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open("/run/garboard/devices-settled");
}
