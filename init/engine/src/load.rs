//! Bringing units into memory: their settings from the world, their edges into the graph, and all
//! that they name along with them. Also reading again (daemon-reload) and forgetting (garbage).

use std::sync::Arc;

use init_api::{ActiveState, LoadState, UnitType};
use unit_file::{
    Dependency, DependencyKind, DependencyOrigin, LoadedUnit, UnitConfig, UnitName,
    implicit_dependencies,
};

use crate::{
    Engine,
    action::Action,
    deps::Dep,
    machine::Machine,
    mount::mount_place,
    stamp::RateLimit,
    unit::{CheckRecord, Stamps, Unit},
    units::UnitId,
    world::World,
};

/// The edge that a dependency makes, seen from the unit that declares it.
fn edge_kind(kind: DependencyKind) -> Dep {
    match kind {
        DependencyKind::Requires => Dep::Requires,
        DependencyKind::Requisite => Dep::Requisite,
        DependencyKind::Wants => Dep::Wants,
        DependencyKind::BindsTo => Dep::BindsTo,
        DependencyKind::PartOf => Dep::PartOf,
        DependencyKind::Upholds => Dep::Upholds,
        DependencyKind::RequiredBy => Dep::RequiredBy,
        DependencyKind::WantedBy => Dep::WantedBy,
        DependencyKind::Conflicts => Dep::Conflicts,
        DependencyKind::Before => Dep::Before,
        DependencyKind::After => Dep::After,
        DependencyKind::OnFailure => Dep::OnFailure,
        DependencyKind::OnSuccess => Dep::OnSuccess,
        DependencyKind::PropagatesReloadTo => Dep::PropagatesReloadTo,
        DependencyKind::ReloadPropagatedFrom => Dep::ReloadPropagatedFrom,
        DependencyKind::PropagatesStopTo => Dep::PropagatesStopTo,
        DependencyKind::StopPropagatedFrom => Dep::StopPropagatedFrom,
        DependencyKind::JoinsNamespaceOf => Dep::JoinsNamespaceOf,
        DependencyKind::Triggers => Dep::Triggers,
        DependencyKind::TriggeredBy => Dep::TriggeredBy,
    }
}

/// The cgroup of a slice below the root; the root slice's is empty.
fn slice_path(name: &UnitName) -> String {
    match name.parent_slice() {
        Some(parent) => format!("{}/{name}", slice_path(&parent)),
        None => String::new(),
    }
}

/// The cgroup of a unit below the root; empty if it has none of its own.
fn cgroup_path(config: &UnitConfig) -> String {
    let name = &config.name;
    if !name.kind().has_cgroup() {
        return String::new();
    }
    if name.kind() == UnitType::Slice {
        return slice_path(name);
    }
    let slice = config
        .cgroup
        .slice
        .as_ref()
        .map(slice_path)
        .unwrap_or_default();
    format!("{slice}/{name}")
}

fn is_perpetual(name: &str) -> bool {
    matches!(name, "-.slice" | "system.slice" | "init.scope" | "-.mount")
}

impl Engine {
    /// The unit of this (valid) name, loaded with everything it names if it was not yet.
    pub(crate) fn load(&mut self, name: &str, world: &dyn World) -> UnitId {
        if let Some(id) = self.units.find(name) {
            return id;
        }
        let mut fresh = Vec::new();
        let id = self.adopt(name, world, &mut fresh);
        self.connect_all(fresh, world);
        id
    }

    /// Takes one unit in, without its edges. Units that are new are added to `fresh`.
    fn adopt(&mut self, name: &str, world: &dyn World, fresh: &mut Vec<UnitId>) -> UnitId {
        if let Some(id) = self.units.find(name) {
            return id;
        }
        let loaded = world.load(name);
        if let Some(id) = self.units.find(&loaded.name) {
            self.units.add_name(id, name);
            return id;
        }
        let main = if self.units.find(&loaded.name).is_none() {
            loaded.name.as_str().to_owned()
        } else {
            name.to_owned()
        };
        let kind = loaded.config.name.kind();
        let unit = Unit {
            name: Arc::from(main.as_str()),
            aliases: Vec::new(),
            kind,
            load_state: LoadState::Stub,
            load_error: None,
            config: Arc::new(UnitConfig::new(
                loaded.config.name.clone(),
                &unit_file::ManagerDefaults::default(),
            )),
            files: crate::unit::Files::default(),
            edges: Vec::new(),
            job: None,
            machine: Machine::new(kind),
            stamps: Stamps::default(),
            conditions: CheckRecord::default(),
            asserts: CheckRecord::default(),
            start_limit: RateLimit::default(),
            start_limit_hit: false,
            invocation: 0,
            cgroup: Arc::from(""),
            cgroup_made: false,
            refs: 0,
            transient: false,
            perpetual: is_perpetual(&main),
        };
        let id = self.units.insert(unit);
        self.units.add_name(id, name);
        self.settle_files(id, loaded);
        fresh.push(id);
        let unit = self.units[id].name.clone();
        self.actions.push(Action::UnitNew { unit });
        self.garbage = true;
        id
    }

    /// Puts what was read into the unit.
    fn settle_files(&mut self, id: UnitId, loaded: LoadedUnit) {
        for name in &loaded.names {
            self.units.add_name(id, name);
        }
        let mounted =
            mount_place(&loaded.config).is_some_and(|place| self.mounts.contains_key(&place));
        let unit = &mut self.units[id];
        unit.transient = loaded.is_transient();
        unit.cgroup = Arc::from(cgroup_path(&loaded.config).as_str());
        let special = unit.perpetual || unit.kind == UnitType::Device || mounted;
        unit.load_state = match loaded.state {
            LoadState::NotFound if special => LoadState::Loaded,
            state => state,
        };
        unit.load_error = loaded.error;
        unit.files = crate::unit::Files {
            fragment: loaded.fragment,
            drop_ins: loaded.drop_ins,
            read: loaded.files,
        };
        if *unit.config != loaded.config {
            unit.config = Arc::new(loaded.config);
        }
    }

    /// Gives new units their edges, loading what they name, until nothing new turns up.
    fn connect_all(&mut self, fresh: Vec<UnitId>, world: &dyn World) {
        let mut done = Vec::new();
        let mut open = fresh;
        while let Some(id) = open.pop() {
            let mut more = Vec::new();
            self.connect_one(id, world, &mut more);
            open.extend(more);
            done.push(id);
        }
        for id in &done {
            self.order_target(*id);
        }
        for id in done {
            self.wake(id);
        }
    }

    fn connect_one(&mut self, id: UnitId, world: &dyn World, fresh: &mut Vec<UnitId>) {
        let config = Arc::clone(&self.units[id].config);
        if matches!(
            self.units[id].load_state,
            LoadState::Loaded | LoadState::NotFound
        ) {
            let implied = implicit_dependencies(&config);
            let own = if self.units[id].load_state == LoadState::Loaded {
                &config.unit.dependencies[..]
            } else {
                &[]
            };
            for dependency in own.iter().chain(&implied) {
                self.connect_dependency(id, dependency, world, fresh);
            }
        }
        if let Some(slice) = &config.cgroup.slice {
            let slice = self.adopt(slice, world, fresh);
            self.units.connect(id, Dep::InSlice, slice, true);
        }
    }

    fn connect_dependency(
        &mut self,
        id: UnitId,
        dependency: &Dependency,
        world: &dyn World,
        fresh: &mut Vec<UnitId>,
    ) {
        if dependency.other.is_template() {
            return;
        }
        let kind = edge_kind(dependency.kind);
        let other = self.adopt(&dependency.other, world, fresh);
        let optional_mount = dependency.origin == DependencyOrigin::Implicit
            && matches!(kind, Dep::Requires | Dep::Wants)
            && self.units[other].kind == UnitType::Mount
            && self.units[other].load_state != LoadState::Loaded;
        if !optional_mount {
            self.units.connect(id, kind, other, true);
        }
    }

    /// A target is reached after what it pulls in, unless either side declines or says otherwise.
    fn order_target(&mut self, id: UnitId) {
        if self.units[id].kind != UnitType::Target
            || !self.units[id].config.unit.default_dependencies
        {
            return;
        }
        let pulled: Vec<UnitId> = self.units[id]
            .edges
            .iter()
            .filter(|edge| edge.kind.pulls_in_start() || edge.kind == Dep::Wants)
            .map(|edge| edge.other)
            .filter(|other| {
                let other = &self.units[*other];
                other.load_state == LoadState::Loaded && other.config.unit.default_dependencies
            })
            .filter(|other| {
                !self.units[id]
                    .edges
                    .iter()
                    .any(|edge| edge.kind == Dep::Before && edge.other == *other)
            })
            .collect();
        for other in pulled {
            self.units.connect(id, Dep::After, other, true);
        }
    }

    /// What is so already when a unit is loaded: perpetual units, mounts, devices.
    fn wake(&mut self, id: UnitId) {
        let perpetual = self.units[id].perpetual;
        match self.units[id].machine {
            Machine::Slice(_) if perpetual => self.simple_set(id, true),
            Machine::Scope(_) if perpetual && self.units[id].active_state().is_inactive() => {
                if let Some(scope) = self.scope_mut(id) {
                    scope.state = init_api::ScopeState::Running;
                }
                self.units[id].cgroup_made = true;
                self.unit_changed(
                    id,
                    ActiveState::Inactive,
                    ActiveState::Active,
                    crate::change::Cause::default(),
                );
            }
            Machine::Mount(_) => self.mount_look(id),
            Machine::Device(_) => self.device_look(id),
            _ => {}
        }
    }

    /// Reads one unit again (set-property, a unit that was not found before).
    pub(crate) fn refresh(&mut self, id: UnitId, world: &dyn World) {
        let name = self.units[id].name.clone();
        let loaded = world.load(&name);
        self.units.disconnect_declared(id);
        self.settle_files(id, loaded);
        self.connect_all(vec![id], world);
        self.apply_limits(id);
        self.actions.push(Action::UnitChanged { unit: name });
    }

    fn apply_limits(&mut self, id: UnitId) {
        let unit = &self.units[id];
        if unit.cgroup_made && !unit.cgroup.is_empty() {
            let action = Action::RealizeCgroup {
                unit: Arc::clone(&unit.name),
                path: Arc::clone(&unit.cgroup),
                config: Arc::clone(&unit.config),
            };
            self.actions.push(action);
        }
    }

    /// Reads every unit again. Jobs, states, processes and descriptors stay.
    pub(crate) fn reload_all(&mut self, world: &dyn World) {
        let ids: Vec<UnitId> = self.units.ids().collect();
        self.units.disconnect_all();
        for id in &ids {
            self.units.drop_aliases(*id);
        }
        for id in &ids {
            let name = self.units[*id].name.clone();
            let old = Arc::clone(&self.units[*id].config);
            let loaded = world.load(&name);
            self.settle_files(*id, loaded);
            if self.units[*id].config != old {
                self.apply_limits(*id);
            }
        }
        self.connect_all(ids.clone(), world);
        self.restore_links();
        for id in ids {
            self.timer_refresh(id, world);
            let unit = self.units[id].name.clone();
            self.actions.push(Action::UnitChanged { unit });
        }
        self.garbage = true;
    }

    /// Edges that no file knows: the services of connections come after their socket.
    fn restore_links(&mut self) {
        let links: Vec<(UnitId, UnitId)> = self
            .units
            .ids()
            .filter_map(|id| {
                let socket = self.service(id)?.socket.clone()?;
                Some((id, self.units.find(&socket)?))
            })
            .collect();
        for (service, socket) in links {
            self.units.connect(service, Dep::After, socket, true);
        }
    }

    /// Forgets units that are inactive, have no job and are named by none that stays.
    pub(crate) fn sweep(&mut self) {
        if !std::mem::take(&mut self.garbage) {
            return;
        }
        let mut kept = std::collections::BTreeSet::new();
        let mut open: Vec<UnitId> = self.units.ids().filter(|id| self.stays(*id)).collect();
        while let Some(id) = open.pop() {
            if kept.insert(id) {
                open.extend(
                    self.units[id]
                        .edges
                        .iter()
                        .filter(|edge| edge.declared)
                        .map(|edge| edge.other),
                );
            }
        }
        let doomed: Vec<UnitId> = self.units.ids().filter(|id| !kept.contains(id)).collect();
        for id in doomed {
            self.forget(id);
        }
    }

    /// Whether a unit stays in memory for its own sake.
    fn stays(&self, id: UnitId) -> bool {
        let unit = &self.units[id];
        let state = unit.active_state();
        let collect_failed =
            unit.config.unit.collect_mode == unit_file::CollectMode::InactiveOrFailed;
        let at_rest =
            state == ActiveState::Inactive || (state == ActiveState::Failed && collect_failed);
        let holds_fds = unit
            .machine
            .service()
            .is_some_and(|service| !service.fds.is_empty());
        unit.perpetual || unit.job.is_some() || unit.refs > 0 || !at_rest || holds_fds
    }

    fn forget(&mut self, id: UnitId) {
        use crate::timers::TimerKey;
        for key in [
            TimerKey::State(id),
            TimerKey::Watchdog(id),
            TimerKey::Elapse(id),
            TimerKey::Calendar(id),
        ] {
            self.timers.cancel(key);
        }
        self.tokens.retain(|_, unit| *unit != id);
        self.pids.retain(|_, unit| *unit != id);
        self.checks.retain(|check| !check.is_about(id));
        self.drop_cgroup(id);
        let Some(unit) = self.units.remove(id) else {
            return;
        };
        if let Machine::Service(service) = &unit.machine {
            let handles = service
                .fds
                .iter()
                .map(|stored| stored.handle)
                .chain(service.connection);
            self.actions.extend(handles.map(Action::CloseFd));
        }
        if unit.transient {
            self.actions.push(Action::RemoveTransient {
                unit: Arc::clone(&unit.name),
            });
        }
        self.actions.push(Action::UnitRemoved { unit: unit.name });
    }
}
