//! The kernel's mount table has the last word.

use crate::{Engine, event::MountPoint, machine::Machine, units::UnitId};
use init_api::{MountResult, MountState};

impl Engine {
    /// The kernel's table, in full.
    pub(crate) fn mounts_changed(&mut self, mounts: Vec<MountPoint>) {
        self.mounts = mounts
            .into_iter()
            .map(|mount| (mount.place.clone(), mount))
            .collect();
        let units: Vec<UnitId> = self
            .units
            .ids()
            .filter(|id| matches!(self.units[*id].machine, Machine::Mount(_)))
            .collect();
        for id in units {
            self.mount_look(id);
        }
    }

    /// Brings one mount unit in step with the table.
    pub(crate) fn mount_look(&mut self, id: UnitId) {
        let Some(mount) = self.mount(id) else { return };
        // The root is there for as long as there is anybody to ask.
        let mounted = self.is_mounted(id) || self.units[id].perpetual;
        match mount.state {
            MountState::Dead | MountState::Failed if mounted => {
                if let Some(mount) = self.mount_mut(id) {
                    mount.result = MountResult::Success;
                }
                self.mount_set_state(id, MountState::Mounted);
            }
            MountState::MountingDone if mounted => self.mount_set_state(id, MountState::Mounted),
            MountState::Mounted if !mounted => self.mount_settle(id),
            _ => {}
        }
    }
}
