//! The exec helper: what happens between fork and exec of a service process (systemd.exec(5)).
//!
//! PID 1 starts this same executable as `garboard-exec`, already inside the unit's cgroup, with the
//! context on descriptor 3 and a pipe for bad news on 4. Here nothing is shared with PID 1 any more,
//! so ordinary Rust may run: users from /etc/passwd, limits, capabilities, sandbox mounts. A step
//! that fails says so on the pipe and ends the process with the step's own exit code (200–241); the
//! pipe that closes without a word means that execve succeeded.

pub(crate) mod capabilities;
pub(crate) mod context;
pub(crate) mod credentials;
pub(crate) mod directories;
mod environment;
mod limits;
mod namespaces;
mod sandbox;
mod stdio;
mod terminal;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use init_sys::accounts::Accounts;
use init_sys::{exec, process, signals};

use context::{Context, Failure};

/// Descriptor of the context.
const CONTEXT: i32 = 3;
/// Descriptor of the pipe for failures.
const PIPE: i32 = 4;
/// Descriptors after these: sockets, then the connection, then the pipe of `Type=idle`.
const PASSED: i32 = 5;

/// A step that failed: its exit code, what was attempted, and why.
#[derive(Debug)]
pub(crate) struct Failed {
    code: u8,
    what: String,
    source: io::Error,
}

/// Ties a failure to its step.
pub(crate) trait Step<T> {
    fn step(self, code: u8, what: impl FnOnce() -> String) -> Result<T, Failed>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, code: u8, what: impl FnOnce() -> String) -> Result<T, Failed> {
        self.map_err(|source| Failed {
            code,
            what: what(),
            source: source.into(),
        })
    }
}

/// Exit codes of the steps (systemd.exec(5), "Process Exit Codes").
pub(crate) mod code {
    pub(crate) const CHDIR: u8 = 200;
    pub(crate) const NICE: u8 = 201;
    pub(crate) const FDS: u8 = 202;
    pub(crate) const EXEC: u8 = 203;
    pub(crate) const LIMITS: u8 = 205;
    pub(crate) const OOM_ADJUST: u8 = 206;
    pub(crate) const SIGNAL_MASK: u8 = 207;
    pub(crate) const STDIN: u8 = 208;
    pub(crate) const STDOUT: u8 = 209;
    pub(crate) const CHROOT: u8 = 210;
    pub(crate) const IOPRIO: u8 = 211;
    pub(crate) const SECUREBITS: u8 = 213;
    pub(crate) const SETSCHEDULER: u8 = 214;
    pub(crate) const CPUAFFINITY: u8 = 215;
    pub(crate) const GROUP: u8 = 216;
    pub(crate) const USER: u8 = 217;
    pub(crate) const CAPABILITIES: u8 = 218;
    pub(crate) const SETSID: u8 = 220;
    pub(crate) const STDERR: u8 = 222;
    pub(crate) const NETWORK: u8 = 225;
    pub(crate) const NAMESPACE: u8 = 226;
    pub(crate) const NO_NEW_PRIVILEGES: u8 = 227;
    pub(crate) const RUNTIME_DIRECTORY: u8 = 233;
    pub(crate) const STATE_DIRECTORY: u8 = 238;
    pub(crate) const CACHE_DIRECTORY: u8 = 239;
    pub(crate) const LOGS_DIRECTORY: u8 = 240;
    pub(crate) const CONFIGURATION_DIRECTORY: u8 = 241;
}

/// Runs as the exec helper; returns the exit code of a step that failed.
pub(crate) fn run() -> u8 {
    let Some(pipe) = exec::inherited(PIPE) else {
        return code::FDS;
    };
    let ready = read_context()
        .step(code::FDS, || "read the context of the process".to_owned())
        .and_then(|context| prepare(&context));
    match ready {
        Ok(ready) => ready.become_program(pipe),
        Err(failed) => report(pipe, &failed),
    }
}

fn report(pipe: OwnedFd, failed: &Failed) -> u8 {
    let report = Failure {
        status: i32::from(failed.code),
        text: failed.what.clone(),
        errno: failed.source.raw_os_error().unwrap_or(0),
        cause: failed.source.to_string(),
    };
    let text = serde_json::to_vec(&report).unwrap_or_default();
    let _ = File::from(pipe).write_all(&text);
    failed.code
}

fn read_context() -> io::Result<Context> {
    let fd = exec::inherited(CONTEXT).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let mut text = Vec::new();
    File::from(fd).read_to_end(&mut text)?;
    Context::decode(&text)
}

/// Descriptors that PID 1 handed over, by what they are for.
pub(crate) struct Passed {
    pub(crate) sockets: Vec<OwnedFd>,
    pub(crate) connection: Option<OwnedFd>,
    pub(crate) stdio: [Option<OwnedFd>; 3],
    idle: Option<OwnedFd>,
}

fn take_passed(context: &Context) -> Result<Passed, Failed> {
    let mut next = PASSED;
    let mut take = |what: &str| {
        let fd = exec::inherited(next)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .step(code::FDS, || format!("take descriptor {next} ({what})"));
        next += 1;
        fd
    };
    let sockets = (0..context.fd_names.len())
        .map(|_| take("socket"))
        .collect::<Result<_, _>>()?;
    let connection = if context.connection {
        Some(take("connection")?)
    } else {
        None
    };
    let mut stdio = [None, None, None];
    for (slot, is_passed) in stdio.iter_mut().zip(context.stdio) {
        if is_passed {
            *slot = Some(take("standard descriptor")?);
        }
    }
    let idle = if context.idle {
        Some(take("idle pipe")?)
    } else {
        None
    };
    Ok(Passed {
        sockets,
        connection,
        stdio,
        idle,
    })
}

/// Everything that execve needs.
struct Ready {
    program: String,
    argv: Vec<String>,
    environment: environment::Environment,
    stdio: stdio::Stdio,
    passed: Passed,
}

/// All steps up to execve, in order.
fn prepare(context: &Context) -> Result<Ready, Failed> {
    let config = &context.exec;
    let passed = take_passed(context)?;
    signals::default_all();
    signals::unblock_all().step(code::SIGNAL_MASK, || "unblock signals".to_owned())?;
    signals::set_ignored(
        rustix::process::Signal::PIPE.as_raw(),
        config.ignore_sigpipe,
    )
    .step(code::SIGNAL_MASK, || "set SIGPIPE".to_owned())?;
    rustix::process::setsid().step(code::SETSID, || "start a session".to_owned())?;
    wait_until_idle(passed.idle.as_ref());
    let accounts = Accounts::read(Path::new("/"))
        .step(code::USER, || "read /etc/passwd and /etc/group".to_owned())?;
    let who = credentials::resolve(context, &accounts)?;
    terminal::prepare(config);
    let stdio = stdio::open(context, &passed, &who)?;
    // Limits and priorities before the identity is dropped: raising them needs root.
    limits::oom(config)?;
    limits::priorities(config)?;
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(config.umask));
    let directories = directories::make(config, &who)?;
    let _ = process::new_session_keyring();
    namespaces::enter(context)?;
    sandbox::enter(context, &who, &directories)?;
    limits::resources(config)?;
    let final_environment = environment::build(context, &who, &directories, &stdio);
    let (program, argv) = environment::command(context, &final_environment)?;
    credentials::drop_groups(context, &who)?;
    capabilities::bounding(context)?;
    credentials::drop_user(context, &who)?;
    capabilities::after_user(context, &who)?;
    change_folder(context, &who)?;
    if config.no_new_privileges && !context.full_privileges {
        process::forbid_new_privileges()
            .step(code::NO_NEW_PRIVILEGES, || "set no_new_privs".to_owned())?;
    }
    Ok(Ready {
        program,
        argv,
        environment: final_environment,
        stdio,
        passed,
    })
}

impl Ready {
    /// Descriptors into their places, then execve; comes back only with the step that failed.
    fn become_program(self, pipe: OwnedFd) -> u8 {
        let pipe = match self.place_descriptors(&pipe) {
            Ok(parked) => {
                // Closed by number already: dropping the owner would close it twice.
                std::mem::forget(pipe);
                parked
            }
            Err(source) => {
                let what = "put descriptors in place".to_owned();
                return report(
                    pipe,
                    &Failed {
                        code: code::FDS,
                        what,
                        source,
                    },
                );
            }
        };
        let source = self.execute().unwrap_or_else(|e| e);
        let what = format!("execute {}", self.program);
        std::mem::forget(self.stdio);
        std::mem::forget(self.passed);
        report(
            pipe,
            &Failed {
                code: code::EXEC,
                what,
                source,
            },
        )
    }

    fn execute(&self) -> io::Result<io::Error> {
        let env = environment::assignments(&self.environment)?;
        let words = environment::c_strings(&self.argv)?;
        let path = init_sys::spawn::c_string(&self.program)?;
        Ok(exec::execute(&path, &words, &env))
    }

    /// 0 to 2, sockets from 3 on, nothing else but the pipe, which closes when execve succeeds.
    fn place_descriptors(&self, pipe: &OwnedFd) -> io::Result<OwnedFd> {
        let (stdio, passed) = (&self.stdio, &self.passed);
        let mut pairs = vec![
            (stdio.input.as_raw_fd(), 0),
            (stdio.output.as_raw_fd(), 1),
            (stdio.error.as_raw_fd(), 2),
        ];
        for (index, socket) in passed.sockets.iter().enumerate() {
            let at = 3 + i32::try_from(index).unwrap_or(0);
            pairs.push((socket.as_raw_fd(), at));
        }
        let first_free = 3 + i32::try_from(passed.sockets.len()).unwrap_or(0);
        // The pipe moves out of the way first: its number may be one of the targets.
        let parked = rustix::io::fcntl_dupfd_cloexec(pipe, first_free)?;
        exec::place(&pairs)?;
        exec::close_from(first_free, &[parked.as_raw_fd()]);
        Ok(parked)
    }
}

/// `Type=idle`: until PID 1 closes its end, at most five seconds.
fn wait_until_idle(pipe: Option<&OwnedFd>) {
    let Some(pipe) = pipe else { return };
    let patience = rustix::time::Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    let mut wait = [rustix::event::PollFd::new(
        pipe,
        rustix::event::PollFlags::IN,
    )];
    let _ = rustix::event::poll(&mut wait, Some(&patience));
}

fn change_folder(context: &Context, who: &credentials::Who) -> Result<(), Failed> {
    let config = &context.exec;
    let root = config
        .root_directory
        .as_deref()
        .filter(|_| !context.full_privileges);
    if let Some(root) = root.filter(|root| *root != "/") {
        rustix::process::chroot(root)
            .step(code::CHROOT, || format!("change the root to {root}"))?;
    }
    let Some(wanted) = &config.working_directory else {
        return rustix::process::chdir("/").step(code::CHDIR, || "change to /".to_owned());
    };
    let path = if wanted.path == "~" {
        who.home()
    } else {
        wanted.path.as_str()
    };
    match rustix::process::chdir(path) {
        Err(_) if wanted.optional => {
            rustix::process::chdir("/").step(code::CHDIR, || "change to /".to_owned())
        }
        other => other.step(code::CHDIR, || format!("change to {path}")),
    }
}
