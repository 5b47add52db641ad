//! Reading again: one unit, or all of them.

use crate::{Engine, action::Action, deps::Dep, units::UnitId, world::World};
use std::sync::Arc;

impl Engine {
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

    pub(super) fn apply_limits(&mut self, id: UnitId) {
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
            self.look_after_upheld(id);
            let unit = self.units[id].name.clone();
            self.actions.push(Action::UnitChanged { unit });
        }
        self.garbage = true;
    }

    /// Edges that no file knows: the services of connections come after their socket.
    pub(super) fn restore_links(&mut self) {
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
}
