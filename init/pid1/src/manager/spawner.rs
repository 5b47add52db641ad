//! Starting the processes that the engine asks for, by way of the exec helper.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use init_sys::folders;
use init_sys::spawn::{Spawn as Start, c_string, spawn};
use rustix::fs::MemfdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use unit_engine::{Spawn, SpawnError};
use unit_file::{EnvironmentFile, ExecConfig, Privileges, StandardInput, StandardOutput};

use super::fds::Fds;
use super::private::Given;
use super::world::RealWorld;
use crate::boot::Place;
use crate::exec::context::Context;

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    /// The exec helper's report: bytes on failure, the end of the pipe on success.
    pub(crate) report: OwnedFd,
    /// Our end of the idle pipe; closing it lets the process go on.
    pub(crate) idle: Option<OwnedFd>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot read the environment file {path}")]
    EnvironmentFile { path: String, source: io::Error },
    #[error("cannot prepare the process")]
    Prepare(#[source] io::Error),
    #[error("cannot start a process in cgroup {cgroup}")]
    Clone { cgroup: String, source: io::Error },
}

impl StartError {
    pub(crate) fn for_engine(&self) -> SpawnError {
        let source = match self {
            StartError::EnvironmentFile { source, .. }
            | StartError::Prepare(source)
            | StartError::Clone { source, .. } => source,
        };
        SpawnError {
            text: init_api::chain(self),
            errno: source.raw_os_error().unwrap_or(0),
        }
    }
}

type Variables = Vec<(String, String)>;

/// More cannot be passed to a process anyway.
const ENVIRONMENT_FILE: u64 = 4 << 20;

/// Variables of all environment files, in order; read at each start (systemd.exec(5)).
fn environment_files(files: &[EnvironmentFile]) -> Result<Variables, StartError> {
    let mut all = Vec::new();
    for file in files {
        let paths = if unit_file::is_glob(&file.path) {
            super::facts::glob(&file.path)
        } else {
            vec![file.path.clone()]
        };
        if paths.is_empty() && !file.optional {
            let source = io::Error::from_raw_os_error(2);
            return Err(StartError::EnvironmentFile {
                path: file.path.clone(),
                source,
            });
        }
        for path in paths {
            match init_sys::files::read(&path, ENVIRONMENT_FILE) {
                Ok(bytes) => all.extend(unit_file::parse_environment_file(
                    &String::from_utf8_lossy(&bytes),
                )),
                Err(_) if file.optional => {}
                Err(source) => return Err(StartError::EnvironmentFile { path, source }),
            }
        }
    }
    Ok(all)
}

/// `Environment=`, then `PassEnvironment=`, then the files; later ones win.
fn unit_environment(config: &ExecConfig, manager: &Variables) -> Result<Variables, StartError> {
    let mut all = config.environment.clone();
    for name in &config.pass_environment {
        let given = manager
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone());
        if let Some(value) = given.or_else(|| std::env::var(name).ok()) {
            all.push((name.clone(), value));
        }
    }
    all.extend(environment_files(&config.environment_files)?);
    Ok(all)
}

fn context(
    spawn: &Spawn,
    world: &RealWorld,
    manager: Variables,
    given: Given,
    fds: &Fds,
    stdio: [bool; 3],
) -> Result<Context, StartError> {
    let config = &spawn.config.exec;
    let unit_environment = unit_environment(config, &manager)?;
    let mut process_environment = spawn.environment.clone();
    if spawn.notify {
        process_environment.push(("NOTIFY_SOCKET".to_owned(), super::notify::PATH.to_owned()));
    }
    let client = spawn.client.and_then(|handle| fds.get(handle));
    process_environment.extend(client.map(super::sockets::remote).unwrap_or_default());
    let flags = spawn.command.flags;
    Ok(Context {
        unit: spawn.unit.to_string(),
        program: spawn.command.path.clone(),
        argv: spawn.command.argv.clone(),
        expand: !flags.no_expansion,
        full_privileges: flags.privileges == Privileges::Full,
        keep_identity: flags.privileges == Privileges::KeepUser,
        base_environment: manager,
        unit_environment,
        process_environment,
        fd_names: spawn.fds.iter().map(|(_, name)| name.clone()).collect(),
        connection: spawn
            .connection
            .is_some_and(|handle| fds.get(handle).is_some()),
        stdio,
        idle: spawn.idle,
        watchdog_usec: spawn.watchdog_usec.filter(|_| spawn.main),
        main: spawn.main,
        private_tmp: given.tmp,
        dynamic_uid: given.uid,
        container: world.machine.place == Place::Container,
        exec: config.clone(),
    })
}

fn memory(text: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("context", MemfdFlags::CLOEXEC)?);
    file.write_all(text)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// Standard descriptors that came with a transient unit. Its file names them by their number here
/// (see `bus/transient/text.rs`); opening that name would give another open file, with a position
/// of its own, and fail for a socket.
fn clients_own(config: &ExecConfig) -> io::Result<Vec<Option<OwnedFd>>> {
    let input = match &config.standard_input {
        StandardInput::File(path) => Some(path),
        _ => None,
    };
    let append = |output: &'_ StandardOutput| match output {
        StandardOutput::Append(path) => Some(path.clone()),
        _ => None,
    };
    let paths = [
        input.cloned(),
        append(&config.standard_output),
        append(&config.standard_error),
    ];
    let own = |path: Option<String>| {
        let number = path?.strip_prefix("/proc/1/fd/")?.parse().ok()?;
        Some(init_sys::exec::duplicate(number))
    };
    paths
        .into_iter()
        .map(|path| own(path).transpose())
        .collect()
}

/// Starts the process.
pub(crate) fn start(
    wanted: &Spawn,
    world: &RealWorld,
    fds: &Fds,
    manager: Variables,
    given: io::Result<Given>,
) -> Result<Child, StartError> {
    let connection = wanted.connection.and_then(|handle| fds.get(handle));
    let prepare = StartError::Prepare;
    let private = given.map_err(prepare)?;
    let stdio = clients_own(&wanted.config.exec).map_err(prepare)?;
    let given = [0, 1, 2].map(|at| stdio.get(at).is_some_and(Option::is_some));
    let context = context(wanted, world, manager, private, fds, given)?;
    let context_fd = context
        .encode()
        .and_then(|text| memory(&text))
        .map_err(prepare)?;
    let (report, report_child) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| prepare(e.into()))?;
    // The helper may be stopped in the middle of its report.
    rustix::io::ioctl_fionbio(&report, true).map_err(|e| prepare(e.into()))?;
    let idle = if wanted.idle {
        Some(pipe_with(PipeFlags::CLOEXEC).map_err(|e| prepare(e.into()))?)
    } else {
        None
    };
    let mut passed = vec![context_fd.as_fd(), report_child.as_fd()];
    for (handle, name) in &wanted.fds {
        let missing = || {
            prepare(io::Error::new(
                io::ErrorKind::NotFound,
                format!("descriptor {name} is closed"),
            ))
        };
        passed.push(fds.get(*handle).ok_or_else(missing)?);
    }
    passed.extend(connection);
    passed.extend(stdio.iter().flatten().map(AsFd::as_fd));
    passed.extend(idle.as_ref().map(|(read, _)| read.as_fd()));
    let tree = world.cgroups.tree();
    let path = if wanted.control_cgroup {
        format!("{}/.control", wanted.cgroup)
    } else {
        wanted.cgroup.to_string()
    };
    let failed = |source| StartError::Clone {
        cgroup: path.clone(),
        source,
    };
    tree.create(&path).map_err(failed)?;
    let folder = tree.open(&path).map_err(failed)?;
    let started = spawn(&Start {
        program: c_string("/proc/self/exe").map_err(prepare)?,
        argv: vec![c_string("garboard-exec").map_err(prepare)?],
        env: Vec::new(),
        fds: passed,
        cgroup: Some(folder.as_fd()),
    })
    .map_err(failed)?;
    if !started.in_cgroup {
        let _ = tree.attach(&path, started.pid);
    }
    let pid = u32::try_from(started.pid).unwrap_or(0);
    Ok(Child {
        pid,
        report,
        idle: idle.map(|(_, write)| write),
    })
}

/// Removes the runtime directories of a unit.
pub(crate) fn clean_up(config: &ExecConfig) {
    let run = Path::new("/run");
    for name in &config.runtime_directory.names {
        let _ = folders::remove_below(run, Path::new(name));
    }
    for (_, link) in &config.runtime_directory.links {
        let _ = std::fs::remove_file(run.join(link));
    }
}
