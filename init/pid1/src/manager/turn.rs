//! One turn of the loop: what each ready descriptor means.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use init_api::{JobMode, notify::NotifyMessage};
use init_sys::process::{self, Ended};
use init_sys::signals::{read_signal, realtime_signal};
use unit_engine::{Event, Exit, MountPoint, Request, Verb};

use super::signals::{Asked, asked};
use super::{Finish, Manager, Source, paths, sockets};
use crate::devices::button::Pressed;
use crate::exec::context::Failure;
use crate::say::{self, Level};

/// Children that are taken away in one turn; more wait for the next one.
const MOST_CHILDREN: usize = 128;
/// Notifications read in one turn.
const MOST_MESSAGES: usize = 256;

impl Manager {
    /// Handles one source that is ready (all but the bus).
    pub(crate) fn turn(&mut self, source: &Source) {
        match source {
            Source::Notify => self.notifications(),
            Source::Exec(pid) => self.exec_report(*pid),
            Source::Signals => self.take_signals(),
            Source::Cgroups => {
                let (killed, emptied) = self.world.cgroups.changed();
                for unit in killed {
                    self.handle(Event::OutOfMemory { unit });
                }
                for unit in emptied {
                    self.handle(Event::CgroupEmpty { unit });
                }
            }
            Source::Monotonic => {
                self.timers.take_monotonic();
                self.handle(Event::Timer);
            }
            Source::Realtime => {
                let event = if self.timers.take_realtime() {
                    Event::ClockChanged
                } else {
                    Event::Timer
                };
                self.handle(event);
            }
            Source::Mounts => self.mounts_changed(),
            Source::Stored(fd) => self.handle(Event::StoredFdGone { fd: *fd }),
            Source::Socket { unit, fd } => self.socket_ready(unit, *fd),
            Source::Path(unit) => {
                let changed = self
                    .watchers
                    .get_mut(unit)
                    .map(super::paths::Watcher::changed)
                    .unwrap_or_default();
                for index in changed {
                    self.handle(Event::PathChanged {
                        unit: unit.clone(),
                        index,
                    });
                }
            }
            Source::PidFile(unit) => {
                if let Some(fd) = self.pid_files.get(unit) {
                    paths::drain(fd.as_fd());
                    self.handle(Event::PidFileChanged { unit: unit.clone() });
                }
            }
            Source::Uevents => {
                if self.devices.read_events(&mut self.poll) {
                    self.devices_changed();
                }
            }
            Source::Button(number) => match self.devices.pressed(*number) {
                Some(Pressed::Power) => self.start_target("poweroff.target"),
                Some(Pressed::Restart) => self.start_target("reboot.target"),
                None => {}
            },
            Source::Bus => {}
        }
    }

    /// What there is to do when nothing is ready: forget unneeded units, set the timers.
    pub(crate) fn rest(&mut self) {
        let actions = self.engine.collect(super::now());
        self.carry_out(actions);
        let deadline = self.engine.next_deadline();
        self.timers.arm(deadline.monotonic, deadline.realtime);
    }

    /// The messages that are there; a flood of them gets its turns like everything else.
    fn notifications(&mut self) {
        for _ in 0..MOST_MESSAGES {
            let received = match self.notify.next() {
                Ok(Some(received)) => received,
                Ok(None) => return,
                Err(e) => {
                    say::log(Level::Warning, &format!("cannot read notifications: {e}"));
                    return;
                }
            };
            let Ok(pid) = u32::try_from(received.pid) else {
                continue;
            };
            let unit = self.world.cgroups.unit_of(received.pid);
            let message = NotifyMessage::parse(&received.text);
            let fds: Vec<_> = received
                .fds
                .into_iter()
                .map(|fd| self.fds.add(fd))
                .collect();
            let new = fds.clone();
            self.handle(Event::Notify {
                pid,
                uid: received.uid,
                unit,
                message,
                fds,
            });
            new.into_iter().for_each(|handle| self.watch_stored(handle));
        }
    }

    /// Watches a descriptor that was kept for the end of its other side.
    pub(super) fn watch_stored(&mut self, handle: unit_engine::FdHandle) {
        if let Some(fd) = self.fds.get(handle) {
            // Files cannot be watched, and have no other side.
            let _ = self.poll.add(fd, Source::Stored(handle));
        }
    }

    fn exec_report(&mut self, pid: u32) {
        let Some(fd) = self.starting.remove(&pid) else {
            return;
        };
        self.poll.remove(fd.as_fd(), &Source::Exec(pid));
        let mut text = Vec::new();
        let _ = File::from(fd).take(64 * 1024).read_to_end(&mut text);
        if text.is_empty() {
            self.handle(Event::ExecDone { pid });
            return;
        }
        let failure = serde_json::from_slice(&text).unwrap_or_else(|_| Failure {
            status: 203,
            text: "start the process".to_owned(),
            errno: 0,
            cause: "unknown".to_owned(),
        });
        let text = format!("{}: {}", failure.text, failure.cause);
        self.handle(Event::ExecFailed {
            pid,
            status: failure.status,
            text,
            errno: failure.errno,
        });
    }

    fn take_signals(&mut self) {
        let mut children = false;
        while let Ok(Some(arrived)) = read_signal(self.signals.as_fd()) {
            match asked(arrived.signal, realtime_signal(0)) {
                Asked::Children => children = true,
                other => self.asked(other),
            }
        }
        if children {
            self.reap();
        }
    }

    /// Takes ended children away. Each stays a zombie until its notifications are read and the
    /// report of its exec helper has been seen: nothing that it said gets lost.
    fn reap(&mut self) {
        for _ in 0..MOST_CHILDREN {
            let child = match process::peek_ended() {
                Ok(Some(child)) => child,
                Ok(None) => return,
                Err(e) => {
                    say::log(Level::Error, &format!("cannot wait for children: {e}"));
                    return;
                }
            };
            let pid = u32::try_from(child.pid).unwrap_or(0);
            self.notifications();
            self.exec_report(pid);
            // Its cgroup is known only until it is reaped, and the kernel's word may come later.
            if matches!(child.how, Ended::Killed(9))
                && let Some(unit) = self.world.cgroups.out_of_memory(child.pid)
            {
                self.handle(Event::OutOfMemory { unit });
            }
            let _ = process::reap(child.pid);
            let exit = match child.how {
                Ended::Exited(code) => Exit::Exited(code),
                Ended::Killed(signal) => Exit::Killed(signal),
                Ended::Dumped(signal) => Exit::Dumped(signal),
            };
            self.devices.ended(child.pid, &mut self.poll);
            self.handle(Event::ChildExited { pid, exit });
        }
        // More than a turn's worth: ask for another one.
        let _ = init_sys::signals::kill(rustix::process::getpid().as_raw_nonzero().get(), 17);
    }

    fn asked(&mut self, what: Asked) {
        match what {
            Asked::Target(target) => self.start_target(target),
            Asked::Start(target) => self.start(target, JobMode::Replace),
            Asked::CtrlAltDel => self.ctrl_alt_del(),
            Asked::Immediate(word) => self.finish = Some(Finish::Shutdown(word.to_owned())),
            Asked::Reload => self.reload(),
            Asked::Reexec => self.reexec(),
            Asked::Dump => self.dump(),
            Asked::Status(on) => self.status.switch(on),
            Asked::LogLevel(level) => self.journal.set_level(level),
            Asked::Children | Asked::Nothing => {}
        }
    }

    /// Starts a target that ends or replaces everything.
    pub(crate) fn start_target(&mut self, target: &str) {
        let mode = match target {
            "rescue.target" | "emergency.target" | "default.target" => JobMode::Isolate,
            _ => JobMode::ReplaceIrreversibly,
        };
        self.start(target, mode);
    }

    pub(crate) fn start(&mut self, unit: &str, mode: JobMode) {
        let request = Request::Job {
            unit: unit.to_owned(),
            verb: Verb::Start,
            mode,
        };
        if let Err(e) = self.submit(request) {
            self.journal
                .note(3, Some(unit), format!("cannot start {unit}: {e}"));
        }
    }

    /// More than seven presses in two seconds restart the machine at once.
    fn ctrl_alt_del(&mut self) {
        let now = init_sys::clock::monotonic();
        self.ctrl_alt_del
            .retain(|at| now.saturating_sub(*at) < 2_000_000);
        self.ctrl_alt_del.push(now);
        if self.ctrl_alt_del.len() > 7 {
            say::log(
                Level::Notice,
                "Ctrl-Alt-Del was pressed more than seven times in two seconds, restarting at once",
            );
            self.finish = Some(Finish::Shutdown("reboot".to_owned()));
            return;
        }
        self.start_target("ctrl-alt-del.target");
    }

    fn dump(&mut self) {
        let lines: Vec<String> = self
            .engine
            .jobs()
            .map(|job| format!("job {} {} {}", job.id, job.unit, job.kind))
            .collect();
        for line in lines {
            self.journal.note(6, None, line);
        }
    }

    /// The mount table, in full.
    pub(crate) fn mounts_changed(&mut self) {
        let Ok(all) = init_sys::mountinfo::mounts() else {
            return;
        };
        let mounts = all
            .into_iter()
            .filter(|mount| !crate::boot::mounts::is_own(&mount.point))
            .map(|mount| MountPoint {
                place: mount.point.display().to_string(),
                what: mount.source,
                fstype: mount.fs_type,
                options: mount.options,
            })
            .collect();
        self.handle(Event::Mounts { mounts });
    }

    /// The names of all devices, in full.
    pub(crate) fn devices_changed(&mut self) {
        let units = super::devices::units();
        self.handle(Event::Devices { units });
    }

    fn socket_ready(&mut self, unit: &str, handle: unit_engine::FdHandle) {
        let Some(open) = self.sockets.get(unit) else {
            return;
        };
        if !open.accept {
            self.handle(Event::SocketReady {
                unit: unit.to_owned(),
            });
            return;
        }
        let Some(fd) = self.fds.get(handle) else {
            return;
        };
        match sockets::accept(fd) {
            Ok((connection, peer)) => {
                let fd = self.fds.add(connection);
                self.handle(Event::Connection {
                    unit: unit.to_owned(),
                    fd,
                    peer,
                });
            }
            // The client has gone away meanwhile.
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::ConnectionAborted
                ) => {}
            Err(e) => {
                self.spare.refuse(fd, &e);
                self.journal.note(
                    4,
                    Some(unit),
                    format!("{unit}: cannot take a connection: {e}"),
                );
            }
        }
    }
}
