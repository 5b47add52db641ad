//! Calls to `org.freedesktop.systemd1.Manager`.

mod lookup;

use std::os::fd::OwnedFd;

use dbus::Value;
use init_api::{JobMode, bus as names};
use unit_engine::{KillWho, MachineAction, Reply, Request, Verb};
use unit_file::UnitName;

use super::Bus;
use super::refusal::Refusal;
use crate::manager::Manager;
pub(super) use lookup::unit_of_pid;
use lookup::{
    by_cgroup, by_invocation, by_names, by_pidfd, dump, jobs, list, loaded, path_of, processes_of,
};

type Answer = Result<Vec<Value>, Refusal>;

/// The engine's verb for the name of a method without `Unit`.
pub(super) fn verb(name: &str) -> Option<Verb> {
    Some(match name {
        "Start" => Verb::Start,
        "Stop" => Verb::Stop,
        "Reload" => Verb::Reload,
        "Restart" => Verb::Restart,
        "TryRestart" => Verb::TryRestart,
        "ReloadOrRestart" => Verb::ReloadOrRestart,
        "ReloadOrTryRestart" => Verb::ReloadOrTryRestart,
        _ => return None,
    })
}

/// Queues a job: its path.
pub(super) fn job(manager: &mut Manager, unit: &str, verb: Verb, mode: &str) -> Answer {
    let mode: JobMode = mode
        .parse()
        .map_err(|_| Refusal::invalid(format!("Job mode {mode} invalid")))?;
    check_name(unit)?;
    job_path(&manager.submit(Request::Job {
        unit: unit.to_owned(),
        verb,
        mode,
    })?)
}

pub(super) fn job_path(reply: &Reply) -> Answer {
    match reply {
        Reply::Job(id) => Ok(vec![Value::path(names::job_path(*id))]),
        Reply::Done => Ok(vec![Value::path("/")]),
    }
}

pub(super) fn check_name(unit: &str) -> Result<UnitName, Refusal> {
    UnitName::new(unit).map_err(|_| Refusal::invalid(format!("Unit name {unit} is not valid.")))
}

pub(super) fn kill(manager: &mut Manager, unit: &str, who: &str, signal: Option<&Value>) -> Answer {
    let who = match who {
        "" | "all" => KillWho::All,
        "main" => KillWho::Main,
        "control" => KillWho::Control,
        "main-fail" => KillWho::MainFail,
        "control-fail" => KillWho::ControlFail,
        "all-fail" => KillWho::AllFail,
        other => return Err(Refusal::invalid(format!("Invalid who argument: {other}"))),
    };
    let signal = signal
        .and_then(Value::as_i64)
        .and_then(|n| i32::try_from(n).ok());
    let signal = signal
        .filter(|n| (1..=64).contains(n))
        .ok_or_else(|| Refusal::invalid("Signal number out of range."))?;
    manager.submit(Request::Kill {
        unit: unit.to_owned(),
        who,
        signal,
    })?;
    Ok(vec![])
}

pub(super) fn attach(manager: &mut Manager, unit: &str, sub: &str, pids: Option<&Value>) -> Answer {
    let pids = pids
        .map(Value::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_u32)
        .collect();
    manager.submit(Request::AttachProcesses {
        unit: unit.to_owned(),
        sub: sub.to_owned(),
        pids,
    })?;
    Ok(vec![])
}

/// Freezing is the kernel's: one word into the unit's cgroup.
pub(super) fn freeze(manager: &mut Manager, unit: &str, on: bool) -> Answer {
    let group = loaded(manager, unit)?.control_group().to_owned();
    if group.is_empty() {
        return Err(Refusal::new(
            "org.freedesktop.systemd1.UnitInactive",
            "Unit is inactive",
        ));
    }
    manager
        .cgroups()
        .write(&group, "cgroup.freeze", if on { "1" } else { "0" })?;
    Ok(vec![])
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.map(Value::as_strings).unwrap_or_default()
}

impl Bus {
    pub(super) fn manager_call(
        &mut self,
        manager: &mut Manager,
        token: u64,
        member: &str,
        body: &[Value],
        fds: Vec<OwnedFd>,
    ) -> Answer {
        let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
        let number = |at: usize| body.get(at).and_then(Value::as_u32).unwrap_or(0);
        if let Some(name) = member.strip_suffix("Unit")
            && let Some(verb) = verb(name)
        {
            return job(manager, text(0), verb, text(1));
        }
        match member {
            "StartUnitWithFlags" => job(manager, text(0), Verb::Start, text(1)),
            "StartUnitReplace" => job(manager, text(1), Verb::Start, text(2)),
            "EnqueueUnitJob" => enqueue(manager, text(0), text(1), text(2)),
            "GetUnit" => path_of(loaded(manager, text(0))?.name()),
            "LoadUnit" => {
                check_name(text(0))?;
                manager.submit(Request::Load {
                    unit: text(0).to_owned(),
                })?;
                path_of(text(0))
            }
            "GetUnitByPID" => {
                let pid = if number(0) == 0 {
                    self.connections.get(&token).map_or(0, |c| c.pid)
                } else {
                    number(0)
                };
                path_of(&unit_of_pid(manager, pid)?)
            }
            "GetUnitByPIDFD" => by_pidfd(manager, &fds),
            "GetUnitByInvocationID" => by_invocation(manager, body.first()),
            "GetUnitByControlGroup" => by_cgroup(manager, text(0)),
            "GetUnitProcesses" => processes_of(manager, text(0)),
            "GetUnitFileState"
            | "GetDefaultTarget"
            | "GetUnitFileLinks"
            | "ListUnitFiles"
            | "ListUnitFilesByPatterns" => super::files::read(manager, member, body),
            "EnableUnitFiles"
            | "DisableUnitFiles"
            | "ReenableUnitFiles"
            | "LinkUnitFiles"
            | "PresetUnitFiles"
            | "PresetUnitFilesWithMode"
            | "PresetAllUnitFiles"
            | "MaskUnitFiles"
            | "UnmaskUnitFiles"
            | "RevertUnitFiles"
            | "SetDefaultTarget"
            | "AddDependencyUnitFiles"
            | "EnableUnitFilesWithFlags"
            | "DisableUnitFilesWithFlags"
            | "DisableUnitFilesWithFlagsAndInstallInfo" => {
                let answer = super::files::change(manager, member, body)?;
                self.tell_all(&super::signals::unit_files_changed());
                Ok(answer)
            }
            "KillUnit" | "QueueSignalUnit" => kill(manager, text(0), text(1), body.get(2)),
            "ResetFailed" => done(manager, Request::ResetFailed { unit: None }),
            "ResetFailedUnit" => done(
                manager,
                Request::ResetFailed {
                    unit: Some(text(0).to_owned()),
                },
            ),
            "RefUnit" => self.add_ref(manager, token, text(0)),
            "UnrefUnit" => self.drop_ref(manager, token, text(0)),
            "FreezeUnit" | "ThawUnit" => freeze(manager, text(0), member == "FreezeUnit"),
            "SetUnitProperties" => {
                let runtime = body.get(1).and_then(Value::as_bool).unwrap_or(false);
                self.set_unit_properties(manager, text(0), runtime, body.get(2))
            }
            "StartTransientUnit" => self.start_transient(manager, token, body, fds),
            "AttachProcessesToUnit" => attach(manager, text(0), text(1), body.get(2)),
            "AbandonScope" => done(
                manager,
                Request::AbandonScope {
                    unit: text(0).to_owned(),
                },
            ),
            "GetJob" => match manager.engine().job(number(0)) {
                Some(job) => Ok(vec![Value::path(names::job_path(job.id))]),
                None => Err(unit_engine::RequestError::NoSuchJob(number(0)).into()),
            },
            "CancelJob" => done(manager, Request::CancelJob { id: number(0) }),
            "ClearJobs" => done(manager, Request::ClearJobs),
            "ListUnits" => list(manager, &[], &[]),
            "ListUnitsFiltered" => list(manager, &strings(body.first()), &[]),
            "ListUnitsByPatterns" => list(manager, &strings(body.first()), &strings(body.get(1))),
            "ListUnitsByNames" => by_names(manager, &strings(body.first())),
            "ListJobs" => Ok(vec![jobs(manager)]),
            "Subscribe" => self.subscribe(token, true),
            "Unsubscribe" => self.subscribe(token, false),
            "Dump" | "DumpUnitsMatchingPatterns" => {
                Ok(vec![dump(manager, &strings(body.first())).into()])
            }
            "SetEnvironment" => environment(manager, strings(body.first()), Vec::new()),
            "UnsetEnvironment" => environment(manager, Vec::new(), strings(body.first())),
            "UnsetAndSetEnvironment" => {
                environment(manager, strings(body.get(1)), strings(body.first()))
            }
            "SetShowStatus" | "SetExitCode" => Ok(vec![]),
            "GetDynamicUsers" => Ok(vec![Value::array("(us)", vec![])]),
            _ => machine(manager, member),
        }
    }

    /// Keeps a unit loaded for a client until it lets go or leaves.
    pub(super) fn add_ref(&mut self, manager: &mut Manager, token: u64, unit: &str) -> Answer {
        manager.submit(Request::Ref {
            unit: unit.to_owned(),
        })?;
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.refs.push(unit.to_owned());
        }
        Ok(vec![])
    }

    pub(super) fn drop_ref(&mut self, manager: &mut Manager, token: u64, unit: &str) -> Answer {
        let refs = self.connections.get_mut(&token).map(|c| &mut c.refs);
        let at = refs
            .as_ref()
            .and_then(|refs| refs.iter().position(|held| held == unit));
        let (Some(refs), Some(at)) = (refs, at) else {
            return Err(Refusal::new(
                "org.freedesktop.systemd1.NotReferenced",
                "Unit has not been referenced yet.",
            ));
        };
        refs.swap_remove(at);
        done(
            manager,
            Request::Unref {
                unit: unit.to_owned(),
            },
        )
    }

    fn subscribe(&mut self, token: u64, on: bool) -> Answer {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Ok(vec![]);
        };
        if connection.side == super::Side::System && connection.subscribed == on {
            return Err(if on {
                Refusal::new(
                    "org.freedesktop.systemd1.AlreadySubscribed",
                    "Client is already subscribed.",
                )
            } else {
                Refusal::new(
                    "org.freedesktop.systemd1.NotSubscribed",
                    "Client is not subscribed.",
                )
            });
        }
        connection.subscribed = on;
        Ok(vec![])
    }

    fn tell_all(&mut self, message: &dbus::Message) {
        for connection in self.connections.values_mut().filter(|c| c.wants_signals()) {
            connection.send(message.clone());
        }
    }
}

fn done(manager: &mut Manager, request: Request) -> Answer {
    manager.submit(request)?;
    Ok(vec![])
}

/// `EnqueueUnitJob`: a job by its type's name, with the jobs that came of it.
fn enqueue(manager: &mut Manager, unit: &str, kind: &str, mode: &str) -> Answer {
    let verb = match kind {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "reload" => Verb::Reload,
        "restart" => Verb::Restart,
        "try-restart" => Verb::TryRestart,
        "reload-or-restart" | "reload-or-start" => Verb::ReloadOrRestart,
        "reload-or-try-restart" | "try-reload" => Verb::ReloadOrTryRestart,
        other => return Err(Refusal::invalid(format!("Job type {other} invalid"))),
    };
    let path = job(manager, unit, verb, mode)?.remove(0);
    let id = path.as_str().and_then(names::job_from_path).unwrap_or(0);
    let kind = manager
        .engine()
        .job(id)
        .map_or(kind, |job| job.kind.as_str());
    Ok(vec![
        id.into(),
        path,
        unit.into(),
        Value::path(names::unit_path(unit)),
        kind.into(),
        Value::array("(uosos)", vec![]),
    ])
}

fn environment(manager: &mut Manager, set: Vec<String>, unset: Vec<String>) -> Answer {
    let valid = |assignment: &String| {
        assignment.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    if !set.iter().all(valid) {
        return Err(Refusal::invalid("Invalid environment assignments"));
    }
    done(manager, Request::SetEnvironment { set, unset })
}

/// What concerns the manager itself or the whole machine.
fn machine(manager: &mut Manager, member: &str) -> Answer {
    let action = match member {
        "Reload" => {
            manager.reload();
            return Ok(vec![]);
        }
        "Reexecute" => {
            manager.reexec();
            return Ok(vec![]);
        }
        "Reboot" => MachineAction::Reboot,
        "PowerOff" => MachineAction::PowerOff,
        "Halt" => MachineAction::Halt,
        "KExec" => MachineAction::Kexec,
        "Exit" => MachineAction::Exit(0),
        _ => return Err(Refusal::unknown_method(member, names::MANAGER)),
    };
    manager.end_machine(&action);
    Ok(vec![])
}
