//! Dependencies that units have without saying so: implicit ones always, default ones unless
//! `DefaultDependencies=no`.
//!
//! A pure function of one unit. Two rules need more than one unit and are the engine's: a target
//! is After what it pulls in, and a `Requires` of implicit origin on a mount counts only if that
//! mount unit is loaded (this function names every mount that could be above a path).

use init_api::UnitType;

use crate::{
    Dependency, DependencyKind, DependencyOrigin, UnitName,
    config::{KindConfig, MountConfig, ServiceType, UnitConfig},
    name::known,
};

mod paths;

use DependencyKind::{After, Before, Conflicts, Requires, Triggers, Wants};

struct Rules<'a> {
    config: &'a UnitConfig,
    origin: DependencyOrigin,
    found: Vec<Dependency>,
}

/// The dependencies that a unit has beyond those it names: systemd.unit(5) and the manuals of the
/// kinds, "Implicit Dependencies" and "Default Dependencies".
#[must_use]
pub fn implicit_dependencies(config: &UnitConfig) -> Vec<Dependency> {
    let mut rules = Rules {
        config,
        origin: DependencyOrigin::Implicit,
        found: Vec::new(),
    };
    rules.implicit();
    // The units that are PID 1's own begin before everything and end after it.
    let own = ["-.slice", "-.mount", "init.scope"].contains(&config.name.as_str());
    if config.unit.default_dependencies && !own {
        rules.origin = DependencyOrigin::Default;
        rules.default();
    }
    rules.found
}

/// The mount units that could be at or above a path, the root's first.
#[must_use]
pub fn mounts_above(path: &str) -> Vec<UnitName> {
    let mut mounts = Vec::new();
    let mut prefix = String::from("/");
    for part in std::iter::once("").chain(path.split('/').filter(|part| !part.is_empty())) {
        if !part.is_empty() {
            if prefix.len() > 1 {
                prefix.push('/');
            }
            prefix.push_str(part);
        }
        mounts.extend(UnitName::from_path(&prefix, UnitType::Mount).ok());
    }
    mounts
}

impl Rules<'_> {
    fn add(&mut self, kinds: &[DependencyKind], other: &UnitName) {
        for kind in kinds {
            let dependency = Dependency {
                kind: *kind,
                other: other.clone(),
                origin: self.origin,
            };
            let is_new = !self
                .found
                .iter()
                .any(|one| one.kind == *kind && one.other == *other);
            if *other != self.config.name && is_new {
                self.found.push(dependency);
            }
        }
    }

    fn on(&mut self, kinds: &[DependencyKind], other: &str) {
        self.add(kinds, &known(other));
    }

    fn implicit(&mut self) {
        let config = self.config;
        if let Some(slice) = &config.cgroup.slice {
            self.add(&[Requires, After], slice);
        }
        if let Some(other) = config.triggers() {
            self.add(&[Triggers, Before], &other);
        }
        for path in paths::required(config) {
            for mount in mounts_above(&path) {
                self.add(&[Requires, After], &mount);
            }
        }
        for path in &config.unit.wants_mounts_for {
            for mount in mounts_above(path) {
                self.add(&[Wants, After], &mount);
            }
        }
        if config.name.kind().has_exec() {
            self.exec();
        }
        match &config.kind {
            KindConfig::Service(service) => {
                for socket in &service.sockets {
                    self.add(&[Wants, After, DependencyKind::TriggeredBy], socket);
                }
                if service.service_type == ServiceType::Dbus {
                    self.on(&[After], "dbus.socket");
                }
            }
            KindConfig::Mount(mount) => self.device(&mount.what),
            KindConfig::Swap(swap) => self.device(&swap.what),
            _ => {}
        }
    }

    fn exec(&mut self) {
        let exec = &self.config.exec;
        if exec.standard_output.needs_journal() || exec.standard_error.needs_journal() {
            self.on(&[After], "systemd-journald.socket");
        }
        if exec.private_tmp {
            self.on(&[After], "systemd-tmpfiles-setup.service");
        }
    }

    /// A file system on a device waits for the device.
    fn device(&mut self, what: &str) {
        let is_device = what.starts_with("/dev/") && !what.starts_with("/dev/loop");
        if is_device && let Ok(device) = UnitName::from_path(what, UnitType::Device) {
            self.add(&[Requires, After], &device);
        }
    }

    fn default(&mut self) {
        let config = self.config;
        match &config.kind {
            KindConfig::Service(_) => {
                self.on(&[Requires, After], "sysinit.target");
                self.on(&[After], "basic.target");
                self.ends_at("shutdown.target");
            }
            KindConfig::Socket(_) => self.early("sockets.target"),
            KindConfig::Path(_) => self.early("paths.target"),
            KindConfig::Timer(timer) => {
                self.early("timers.target");
                if timer.has_calendar() {
                    self.on(&[After], "time-sync.target");
                    self.on(&[After], "time-set.target");
                }
            }
            KindConfig::Mount(mount) => self.mount(mount),
            KindConfig::Automount(_) => {
                self.on(&[Before], "local-fs.target");
                self.on(&[After], "local-fs-pre.target");
                self.ends_at("umount.target");
            }
            KindConfig::Swap(_) => {
                self.on(&[Before], "swap.target");
                self.ends_at("umount.target");
            }
            KindConfig::Target | KindConfig::Slice | KindConfig::Scope(_) => {
                self.ends_at("shutdown.target");
            }
            KindConfig::Device => {}
        }
    }

    fn ends_at(&mut self, target: &str) {
        self.on(&[Conflicts, Before], target);
    }

    fn early(&mut self, target: &str) {
        self.on(&[Requires, After], "sysinit.target");
        self.on(&[Before], target);
        self.ends_at("shutdown.target");
    }

    fn mount(&mut self, mount: &MountConfig) {
        /// Mounted before PID 1 starts units, and never by a unit's order.
        const EARLY: [&str; 6] = ["/", "/usr", "/proc", "/sys", "/dev", "/run"];
        if EARLY.contains(&mount.r#where.as_str()) {
            return;
        }
        let (target, pre) = if mount.is_network() {
            self.on(&[After], "network.target");
            self.on(&[Wants, After], "network-online.target");
            ("remote-fs.target", "remote-fs-pre.target")
        } else {
            ("local-fs.target", "local-fs-pre.target")
        };
        if !mount.has_option("nofail") {
            self.on(&[Before], target);
        }
        self.on(&[After], pre);
        if mount.fs_type == "tmpfs" {
            self.on(&[After], "swap.target");
        }
        self.ends_at("umount.target");
    }
}

#[cfg(test)]
mod tests;
