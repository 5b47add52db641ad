//! PID 1: start, then the loop.
//!
//! One thread, one epoll set. Each ready descriptor gets its turn in the order of
//! `Source`; a mistake in one turn is caught, said and survived.

use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::boot::{self, Place, fsck, generators, identity, mounts, nodes, seed, settings};
use crate::bus::Bus;
use crate::cmdline::Cmdline;
use crate::devices::{coldplug, links, modules::Modules};
use crate::manager::{BootTimes, Finish, Handed, Kept, Machine, Manager, Source};
use crate::say::{self, Level};

/// Number of the limit of open descriptors.
const NOFILE: u32 = 7;

/// Everything that PID 1 has.
struct Init {
    manager: Manager,
    bus: Bus,
}

/// Runs as PID 1. Returns an exit code in a container only.
pub(crate) fn run(words: &[String]) -> u8 {
    let place = Place::find();
    let kept = Kept::read(words);
    let started = prepare_process(place);
    if let Err(e) = started {
        say::log(Level::Error, &format!("cannot prepare the process: {e}"));
    }
    let init = match kept {
        Handed::All(kept) => take_over(place, kept),
        Handed::Nothing => first_start(place),
        Handed::Damaged(kept, e) => {
            say::log(
                Level::Emergency,
                &format!(
                    "the state from before cannot be used, so all units are unknown: {e}; what runs goes on, \
                     nothing is started; reboot when it suits (systemctl reboot)"
                ),
            );
            say::console("garboard: the state from before cannot be used; please reboot");
            without_state(place, kept)
        }
    };
    match init {
        Ok(mut init) => init.serve(),
        Err(e) => {
            say::log(Level::Emergency, &format!("PID 1 cannot work: {e}"));
            say::console(&format!("garboard: PID 1 cannot work: {e}"));
            if place == Place::Machine {
                rescue_shell();
            }
            1
        }
    }
}

/// Standard descriptors, signals, limits: before anything else.
fn prepare_process(place: Place) -> std::io::Result<()> {
    say::open_kmsg();
    say::install_panic_hook();
    init_sys::memory::keep_heap_small();
    init_sys::signals::block_all()?;
    init_sys::crash::install()?;
    if place == Place::Machine {
        let _ = init_sys::process::catch_ctrl_alt_del();
    }
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    // Sockets, pipes, watches: PID 1 holds many more descriptors than a service.
    let _ = init_sys::process::set_limit(NOFILE, 1 << 20, 1 << 20);
    if let Ok(null) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
    {
        let number = null.as_raw_fd();
        init_sys::exec::place(&[(number, 0)])?;
        // A container's manager reads what its PID 1 prints; a machine's console is written by name.
        if place == Place::Machine {
            init_sys::exec::place(&[(number, 1), (number, 2)])?;
        }
    }
    init_sys::exec::cloexec_from(3);
    Ok(())
}

fn first_start(place: Place) -> std::io::Result<Init> {
    let times = BootTimes {
        userspace_realtime: init_sys::clock::realtime(),
        userspace_monotonic: init_sys::clock::boottime(),
        ..BootTimes::default()
    };
    mounts::mount_all(place);
    say::open_kmsg();
    let cmdline = Cmdline::read();
    say::log(
        Level::Notice,
        &format!("init {} on {}", env!("CARGO_PKG_VERSION"), os_name()),
    );
    let mut verdict = fsck::Verdict::Good;
    if place == Place::Machine {
        nodes::make();
        verdict = fsck::mend_root();
        if verdict == fsck::Verdict::Reboot {
            let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
        }
    }
    let first_boot = !std::fs::read_to_string("/etc/machine-id")
        .is_ok_and(|text| identity::valid_id(&text).is_some());
    let machine_id = identity::machine_id(&cmdline, place == Place::Machine);
    let name = identity::set_hostname(&cmdline);
    if let Err(e) = init_sys::namespaces::loopback_up() {
        say::log(Level::Warning, &format!("cannot bring up lo: {e}"));
    }
    if place == Place::Machine {
        seed::load();
        let mut modules = Modules::of_running_kernel();
        coldplug::first(&mut modules);
        settings::load_modules(&mut modules, &cmdline);
        settings::apply_sysctl();
        links::make_all();
    }
    say::log(Level::Info, &format!("host {name}, machine {machine_id}"));
    generators::run(&cmdline, place);
    let machine = Machine::read(place, machine_id, first_boot);
    let mut manager = Manager::new(machine, times, None)?;
    manager.settle();
    let bus = open_bus(&mut manager, Vec::new())?;
    manager.begin_devices();
    start_default(&mut manager, &cmdline, verdict);
    Ok(Init { manager, bus })
}

fn take_over(place: Place, kept: Kept) -> std::io::Result<Init> {
    let mut kept = kept;
    let machine = Machine::read(place, kept.machine_id.clone(), kept.first_boot);
    let listeners = std::mem::take(&mut kept.bus);
    let times = kept.times;
    let mut manager = Manager::new(machine, times, Some(kept))?;
    let bus = open_bus(&mut manager, listeners)?;
    say::log(Level::Info, "init executed anew");
    Ok(Init { manager, bus })
}

/// Carries on where nothing is known: the machine is up, so nothing is mounted, generated or started
/// a second time. An operator can look around, start what is missing and reboot.
fn without_state(place: Place, kept: Kept) -> std::io::Result<Init> {
    let mut kept = kept;
    if kept.machine_id.is_empty() {
        let text = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        kept.machine_id = identity::valid_id(&text).unwrap_or_default();
    }
    let machine = Machine::read(place, kept.machine_id.clone(), false);
    let listeners = std::mem::take(&mut kept.bus);
    let times = kept.times;
    let mut manager = Manager::new(machine, times, Some(kept))?;
    manager.settle();
    let bus = open_bus(&mut manager, listeners)?;
    Ok(Init { manager, bus })
}

fn open_bus(
    manager: &mut Manager,
    listeners: Vec<(String, std::os::fd::OwnedFd)>,
) -> std::io::Result<Bus> {
    let bus = Bus::open(listeners)?;
    manager.poll.add(bus.poll_fd(), Source::Bus)?;
    Ok(bus)
}

fn os_name() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// The target of the boot; rescue and emergency when it cannot be had.
fn start_default(manager: &mut Manager, cmdline: &Cmdline, verdict: fsck::Verdict) {
    let mut wanted =
        generators::default_target(cmdline).unwrap_or_else(|| "default.target".to_owned());
    if verdict == fsck::Verdict::Emergency {
        wanted = "emergency.target".to_owned();
    }
    for target in [wanted.as_str(), "rescue.target", "emergency.target"] {
        match manager.start_first(target) {
            Ok(()) => return,
            Err(e) => say::log(Level::Error, &format!("cannot start {target}: {e}")),
        }
    }
    say::log(Level::Emergency, "no target can be started");
    if manager.machine().place == Place::Machine {
        rescue_shell();
    }
}

/// The last resort of a machine whose units cannot be started at all.
fn rescue_shell() {
    let _ = init_sys::spawn::fork_work(|| {
        let console = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/console");
        let Ok(console) = console else { return 1 };
        let number = console.as_raw_fd();
        let _ = rustix::process::setsid();
        let _ = init_sys::exec::place(&[(number, 0), (number, 1), (number, 2)]);
        init_sys::signals::default_all();
        let _ = init_sys::signals::unblock_all();
        let words = |word: &str| init_sys::spawn::c_string(word);
        let (Ok(program), Ok(name), Ok(path)) = (
            words("/bin/sh"),
            words("-sh"),
            words("PATH=/usr/sbin:/usr/bin"),
        ) else {
            return 1;
        };
        let _ = init_sys::exec::execute(&program, &[name], &[path]);
        1
    });
    loop {
        while let Ok(Some(child)) = init_sys::process::peek_ended() {
            let _ = init_sys::process::reap(child.pid);
        }
        let second = rustix::time::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let _ = rustix::event::poll(&mut [], Some(&second));
    }
}

impl Init {
    fn serve(&mut self) -> u8 {
        loop {
            self.guarded("resting", |init| {
                init.manager.rest();
                init.deliver();
                init.manager.tidy();
            });
            let ready = match self.manager.poll.ready(true) {
                Ok(ready) => ready,
                Err(e) => {
                    say::log(Level::Error, &format!("cannot wait for events: {e}"));
                    continue;
                }
            };
            for source in ready {
                self.guarded("an event", |init| {
                    if source == Source::Bus {
                        init.bus.dispatch(&mut init.manager);
                    } else {
                        init.manager.turn(&source);
                    }
                    init.deliver();
                });
            }
            if let Some(finish) = self.manager.take_finish()
                && let Some(code) = self.finish(finish)
            {
                return code;
            }
        }
    }

    /// A panic is said by the hook and survived here.
    fn guarded(&mut self, what: &str, work: impl FnOnce(&mut Init)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            say::log(Level::Error, &format!("{what} was given up"));
        }
    }

    fn deliver(&mut self) {
        while let Some(what) = self.manager.next_outgoing() {
            self.bus.deliver(&mut self.manager, &what);
        }
    }

    fn finish(&mut self, finish: Finish) -> Option<u8> {
        match finish {
            Finish::Reexec => {
                let listeners = self.bus.listeners();
                let e = self.manager.execute_anew(&listeners);
                say::log(Level::Error, &format!("cannot execute anew: {e}"));
                None
            }
            Finish::Shutdown(word) => Some(self.become_shutdown(&word)),
        }
    }

    fn become_shutdown(&mut self, word: &str) -> u8 {
        let container = self.manager.machine().place == Place::Container;
        if !container {
            boot::note("cannot store a random seed", seed::save());
        }
        let run = || -> std::io::Result<std::io::Error> {
            let program = init_sys::spawn::c_string("/proc/self/exe")?;
            let name = if container {
                "garboard-shutdown-container"
            } else {
                "garboard-shutdown"
            };
            let argv = [
                init_sys::spawn::c_string(name)?,
                init_sys::spawn::c_string(word)?,
            ];
            Ok(init_sys::exec::execute(&program, &argv, &[]))
        };
        let e = run().unwrap_or_else(|e| e);
        say::log(
            Level::Error,
            &format!("cannot execute the shutdown program, ending from here: {e}"),
        );
        crate::shutdown::run(word, container)
    }
}
