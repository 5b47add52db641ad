//! Signals to the processes of a unit, by `KillMode=` and stage (systemd.kill(5)).

use std::sync::Arc;

use init_api::Signal;
use unit_file::{KillConfig, KillMode};

use crate::{
    Engine,
    action::{Action, Target},
    event::Pid,
    request::{KillWho, RequestError},
    service::Process,
    units::UnitId,
    world::World,
};

/// How hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `KillSignal=`
    Terminate,
    /// `WatchdogSignal=`
    Watchdog,
    /// `FinalKillSignal=`
    Kill,
}

/// The signal of a stage, and those that follow it at once: SIGCONT wakes what is stopped, SIGHUP
/// is for shells.
fn signals(kill: &KillConfig, stage: Stage, restarting: bool) -> (i32, Vec<i32>) {
    let first = match stage {
        Stage::Terminate if restarting => kill.restart_signal.unwrap_or(kill.signal),
        Stage::Terminate => kill.signal,
        Stage::Watchdog => kill.watchdog_signal,
        Stage::Kill => kill.final_signal,
    };
    let mut then = Vec::new();
    if stage == Stage::Terminate && kill.send_sighup && first != Signal::HUP {
        then.push(Signal::HUP.number());
    }
    if stage != Stage::Kill && first != Signal::CONT && first != Signal::KILL {
        then.push(Signal::CONT.number());
    }
    (first.number(), then)
}

impl Engine {
    /// Signals what the mode says. True if there is somebody whose end is worth waiting for.
    pub(crate) fn kill_unit(
        &mut self,
        id: UnitId,
        stage: Stage,
        main: Process,
        control: Process,
        world: &dyn World,
    ) -> bool {
        let config = Arc::clone(&self.units[id].config);
        let kill = &config.kill;
        if kill.mode == KillMode::None {
            return false;
        }
        let restarting = self.units[id]
            .job
            .and_then(|job| self.jobs.get(&job))
            .is_some_and(|job| job.kind == init_api::JobType::Restart);
        let (signal, then) = signals(kill, stage, restarting);
        let named: Vec<Pid> = [main, control]
            .into_iter()
            .filter_map(Process::pid)
            .collect();
        for pid in &named {
            self.actions.push(Action::Kill {
                target: Target::Pid(*pid),
                signal,
                then: then.clone(),
            });
        }
        let mut wait = main.is_some() || control.is_some();
        let whole = kill.mode == KillMode::ControlGroup
            || (kill.mode == KillMode::Mixed && stage == Stage::Kill);
        let path = Arc::clone(&self.units[id].cgroup);
        if whole
            && !path.is_empty()
            && world
                .cgroup_pids(&path)
                .iter()
                .any(|pid| !named.contains(pid))
        {
            let target = Target::Cgroup {
                path,
                except: named,
            };
            self.actions.push(Action::Kill {
                target,
                signal,
                then,
            });
            wait = true;
        }
        wait
    }

    /// A process came into being after its service had been told to stop.
    pub(crate) fn kill_late(&mut self, id: UnitId, pid: Pid) {
        let config = Arc::clone(&self.units[id].config);
        if config.kill.mode != KillMode::None {
            let (signal, then) = signals(&config.kill, Stage::Terminate, false);
            self.actions.push(Action::Kill {
                target: Target::Pid(pid),
                signal,
                then,
            });
        }
    }

    /// A client asks for a signal (`KillUnit`).
    pub(crate) fn kill_by_request(
        &mut self,
        id: UnitId,
        who: KillWho,
        signal: i32,
        world: &dyn World,
    ) -> Result<(), RequestError> {
        let (main, control) = self.processes(id);
        let path = Arc::clone(&self.units[id].cgroup);
        let missing =
            |what: &str| RequestError::NoSuchProcess(format!("No {what} process to kill"));
        let mut named = Vec::new();
        match who {
            KillWho::Main | KillWho::MainFail => {
                named.extend(Some(main.ok_or_else(|| missing("main"))?));
            }
            KillWho::Control | KillWho::ControlFail => {
                named.extend(Some(control.ok_or_else(|| missing("control"))?));
            }
            KillWho::All | KillWho::AllFail => named.extend(main.into_iter().chain(control)),
        }
        let then = Vec::new();
        for pid in &named {
            self.actions.push(Action::Kill {
                target: Target::Pid(*pid),
                signal,
                then: then.clone(),
            });
        }
        let whole = matches!(who, KillWho::All | KillWho::AllFail);
        let others = whole
            && !path.is_empty()
            && world
                .cgroup_pids(&path)
                .iter()
                .any(|pid| !named.contains(pid));
        if who == KillWho::AllFail && named.is_empty() && !others {
            return Err(RequestError::NoProcess);
        }
        if others {
            self.actions.push(Action::Kill {
                target: Target::Cgroup {
                    path,
                    except: named,
                },
                signal,
                then,
            });
        }
        Ok(())
    }
}
