//! The manager's memory across daemon-reexec: everything that no file can tell. Settings and edges
//! are read again on the other side; states, jobs, processes, descriptors and deadlines are here.

use std::{collections::BTreeSet, sync::Arc};

use init_api::{JobState, LoadState};
use serde::{Deserialize, Serialize};
use unit_file::{ManagerDefaults, UnitConfig, UnitName};

use crate::{
    Engine,
    action::Action,
    config::ManagerConfig,
    event::{MountPoint, Now, Pid},
    job::Job,
    machine::Machine,
    stamp::{RateLimit, Stamp},
    timers::TimerKey,
    unit::{CheckRecord, Files, Stamps, Unit},
    units::UnitId,
    world::World,
};

/// What [`Engine::snapshot`] gives and [`Engine::restore`] takes; a serde value, opaque otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    units: Vec<UnitSnapshot>,
    jobs: Vec<Job>,
    next_job: u32,
    next_token: u64,
    pids: Vec<(Pid, UnitId)>,
    timers: Vec<(TimerKey, u64)>,
    mounts: Vec<MountPoint>,
    devices: BTreeSet<String>,
    environment: Vec<String>,
    started_up: bool,
    busy: bool,
    finished_at: Stamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct UnitSnapshot {
    id: UnitId,
    name: String,
    aliases: Vec<String>,
    machine: Machine,
    job: Option<u32>,
    stamps: Stamps,
    #[serde(default)]
    conditions: CheckRecord,
    #[serde(default)]
    asserts: CheckRecord,
    start_limit: RateLimit,
    start_limit_hit: bool,
    /// Hexadecimal.
    invocation: String,
    cgroup: String,
    cgroup_made: bool,
    refs: u32,
    transient: bool,
    perpetual: bool,
}

impl UnitSnapshot {
    fn of(id: UnitId, unit: &Unit) -> Self {
        UnitSnapshot {
            id,
            name: unit.name.to_string(),
            aliases: unit.aliases.iter().map(ToString::to_string).collect(),
            machine: unit.machine.clone(),
            job: unit.job,
            stamps: unit.stamps,
            conditions: unit.conditions.clone(),
            asserts: unit.asserts.clone(),
            start_limit: unit.start_limit,
            start_limit_hit: unit.start_limit_hit,
            invocation: format!("{:x}", unit.invocation),
            cgroup: unit.cgroup.to_string(),
            cgroup_made: unit.cgroup_made,
            refs: unit.refs,
            transient: unit.transient,
            perpetual: unit.perpetual,
        }
    }

    /// The unit without its settings; none if the name is not one (a snapshot of another program).
    fn revive(self) -> Option<Unit> {
        let name = UnitName::new(self.name.clone()).ok()?;
        Some(Unit {
            kind: name.kind(),
            config: Arc::new(UnitConfig::new(name, &ManagerDefaults::default())),
            name: Arc::from(self.name),
            aliases: self.aliases.into_iter().map(Arc::from).collect(),
            load_state: LoadState::Stub,
            load_error: None,
            files: Files::default(),
            edges: Vec::new(),
            job: self.job,
            machine: self.machine,
            stamps: self.stamps,
            conditions: self.conditions,
            asserts: self.asserts,
            start_limit: self.start_limit,
            start_limit_hit: self.start_limit_hit,
            upheld_starts: crate::stamp::RateLimit::default(),
            invocation: u128::from_str_radix(&self.invocation, 16).unwrap_or(0),
            cgroup: Arc::from(self.cgroup),
            cgroup_made: self.cgroup_made,
            refs: self.refs,
            transient: self.transient,
            perpetual: self.perpetual,
        })
    }
}

impl Engine {
    /// Everything that has to outlive a re-execution. To be taken between events, when every spawn
    /// has been answered.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            units: self
                .units
                .ids()
                .map(|id| UnitSnapshot::of(id, &self.units[id]))
                .collect(),
            jobs: self.jobs.values().cloned().collect(),
            next_job: self.next_job,
            next_token: self.next_token,
            pids: self.pids.iter().map(|(pid, id)| (*pid, *id)).collect(),
            timers: self.timers.all(),
            mounts: self.mounts.values().cloned().collect(),
            devices: self.devices.clone(),
            environment: self.environment.clone(),
            started_up: self.started_up,
            busy: self.busy,
            finished_at: self.finished_at,
        }
    }

    /// The manager as it was, with settings as the files are now. The actions begin to watch again
    /// what the old process watched: sockets, paths, cgroups; descriptors keep their handles.
    pub fn restore(
        config: ManagerConfig,
        snapshot: Snapshot,
        now: Now,
        world: &dyn World,
    ) -> (Engine, Vec<Action>) {
        let mut engine = Engine::new(config);
        engine.now = now;
        engine.mounts = snapshot
            .mounts
            .into_iter()
            .map(|mount| (mount.place.clone(), mount))
            .collect();
        engine.devices = snapshot.devices;
        engine.environment = snapshot.environment;
        engine.next_job = snapshot.next_job;
        engine.next_token = snapshot.next_token;
        engine.started_up = snapshot.started_up;
        engine.busy = snapshot.busy;
        engine.finished_at = snapshot.finished_at;
        for unit in snapshot.units {
            let id = unit.id;
            if let Some(unit) = unit.revive() {
                engine.units.insert_at(id, unit);
            }
        }
        let alive = |engine: &Engine, id: UnitId| engine.units.get(id).is_some();
        engine.jobs = snapshot
            .jobs
            .into_iter()
            .filter(|job| alive(&engine, job.unit))
            .map(|job| (job.id, job))
            .collect();
        engine.pids = snapshot
            .pids
            .into_iter()
            .filter(|(_, id)| alive(&engine, *id))
            .collect();
        engine.reload_all(world);
        for (key, at) in snapshot.timers {
            engine.timers.set(key, at);
        }
        engine.watch_again();
        let waiting: Vec<u32> = engine
            .jobs
            .values()
            .filter(|job| job.state == JobState::Waiting)
            .map(|job| job.id)
            .collect();
        waiting.into_iter().for_each(|id| engine.schedule(id));
        engine.settle(world);
        let actions = std::mem::take(&mut engine.actions);
        (engine, actions)
    }

    /// The edge's watches are gone with the old process.
    fn watch_again(&mut self) {
        let ids: Vec<UnitId> = self.units.ids().collect();
        for id in ids {
            let unit = &self.units[id];
            let (name, config) = (Arc::clone(&unit.name), Arc::clone(&unit.config));
            match &unit.machine {
                Machine::Socket(socket) if socket.state == init_api::SocketState::Listening => {
                    self.actions.push(Action::WatchSockets {
                        unit: name,
                        on: true,
                    });
                }
                Machine::Path(path) if path.state == init_api::PathState::Waiting => {
                    self.actions.push(Action::WatchPaths { unit: name, config });
                }
                Machine::Service(service) => {
                    let waits = service.state == init_api::ServiceState::Start
                        && !service.main.is_some()
                        && !service.control.is_some();
                    if let Some(path) = config
                        .service()
                        .and_then(|settings| settings.pid_file.clone())
                        .filter(|_| waits)
                    {
                        self.actions.push(Action::WatchPidFile { unit: name, path });
                    }
                }
                _ => {}
            }
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
    }
}
