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

mod garbage;
mod reload;

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
        let mut loaded = world.load(name);
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
        loaded.config.share(&mut self.shelves);
        let unit = Unit {
            name: Arc::from(main.as_str()),
            aliases: Vec::new(),
            kind,
            load_state: LoadState::Stub,
            load_error: None,
            config: Arc::new(loaded.config.clone()),
            files: crate::unit::Files::default(),
            edges: Vec::new(),
            job: None,
            machine: Machine::new(kind),
            stamps: Stamps::default(),
            conditions: CheckRecord::default(),
            asserts: CheckRecord::default(),
            start_limit: RateLimit::default(),
            start_limit_hit: false,
            upheld_starts: RateLimit::default(),
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
    fn settle_files(&mut self, id: UnitId, mut loaded: LoadedUnit) {
        loaded.config.share(&mut self.shelves);
        for name in &loaded.names {
            self.units.add_name(id, name);
        }
        let mounted =
            mount_place(&loaded.config).is_some_and(|place| self.mounts.contains_key(&place));
        let unit = &mut self.units[id];
        unit.transient = loaded.is_transient();
        // Processes stay where they are: another Slice= counts from the next start.
        if !unit.cgroup_made {
            unit.cgroup = Arc::from(cgroup_path(&loaded.config).as_str());
        }
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
}
