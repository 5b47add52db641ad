//! Executing this program anew without losing a service: state as text in a memfd, descriptors by
//! number.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use init_sys::exec::inherited;
use init_sys::process::keep_across_exec;
use init_sys::spawn::c_string;
use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};
use unit_engine::{FdHandle, Snapshot};

use super::private::Private;
use super::{BootTimes, Manager};

/// The word in front of the number of the state's descriptor.
pub(crate) const OPTION: &str = "--deserialize";

/// What is handed over, as text. Unknown keys are ignored, missing ones have defaults, so that an
/// older or newer program understands it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    engine: Option<Snapshot>,
    times: BootTimes,
    machine_id: String,
    first_boot: bool,
    handles: Vec<(u64, RawFd)>,
    sockets: Vec<(String, Vec<u64>)>,
    private: Private,
    notify: Option<RawFd>,
    bus: Vec<(String, RawFd)>,
}

/// What came from before, with its descriptors.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(super) engine: Option<Snapshot>,
    pub(crate) times: BootTimes,
    pub(crate) machine_id: String,
    pub(crate) first_boot: bool,
    handles: Vec<(u64, OwnedFd)>,
    sockets: Vec<(String, Vec<u64>)>,
    private: Private,
    pub(super) notify: Option<OwnedFd>,
    /// Listening sockets of the bus, by name.
    pub(crate) bus: Vec<(String, OwnedFd)>,
}

impl Kept {
    /// Takes over what the words of the command line point to.
    pub(crate) fn read(words: &[String]) -> Option<Kept> {
        let at = words.iter().position(|word| word == OPTION)?;
        let number: RawFd = words.get(at + 1)?.parse().ok()?;
        let mut text = String::new();
        let mut file = File::from(inherited(number)?);
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        let state: State = serde_json::from_str(&text).ok()?;
        let take = |number: RawFd| {
            let fd = inherited(number)?;
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
            Some(fd)
        };
        Some(Kept {
            engine: state.engine,
            times: state.times,
            machine_id: state.machine_id,
            first_boot: state.first_boot,
            handles: state
                .handles
                .iter()
                .filter_map(|(handle, number)| Some((*handle, take(*number)?)))
                .collect(),
            sockets: state.sockets,
            private: state.private,
            notify: state.notify.and_then(take),
            bus: state
                .bus
                .into_iter()
                .filter_map(|(name, number)| Some((name, take(number)?)))
                .collect(),
        })
    }
}

impl Manager {
    /// Puts back what is not the engine's.
    pub(super) fn take_over(&mut self, kept: Kept) {
        self.private = kept.private;
        for (handle, fd) in kept.handles {
            self.fds.restore(FdHandle(handle), fd);
        }
        for (unit, handles) in kept.sockets {
            let Some(config) = self.engine.unit(&unit).map(|view| view.config().clone()) else {
                continue;
            };
            let accept = config.socket().is_some_and(|settings| settings.accept);
            let handles = handles.into_iter().map(FdHandle).collect();
            self.sockets.insert(
                unit,
                super::OpenSockets {
                    handles,
                    accept,
                    config,
                },
            );
        }
        let listening: Vec<FdHandle> = self
            .sockets
            .values()
            .flat_map(|open| open.handles.iter().copied())
            .collect();
        let stored: Vec<FdHandle> = self
            .fds
            .iter()
            .map(|(handle, _)| handle)
            .filter(|handle| !listening.contains(handle))
            .collect();
        stored
            .into_iter()
            .for_each(|handle| self.watch_stored(handle));
    }

    /// Executes the program that is installed now; returns only if that failed.
    pub(crate) fn execute_anew(&mut self, bus: &[(String, BorrowedFd<'_>)]) -> io::Error {
        match self.prepare(bus) {
            Ok((state, number)) => {
                let error = execute(number);
                drop(state);
                error
            }
            Err(e) => e,
        }
    }

    fn prepare(&mut self, bus: &[(String, BorrowedFd<'_>)]) -> io::Result<(File, RawFd)> {
        let keep = |fd: BorrowedFd<'_>| -> io::Result<RawFd> {
            keep_across_exec(fd)?;
            Ok(fd.as_raw_fd())
        };
        let mut handles = Vec::new();
        for (handle, fd) in self.fds.iter() {
            handles.push((handle.0, keep(fd)?));
        }
        let mut listeners = Vec::new();
        for (name, fd) in bus {
            listeners.push((name.clone(), keep(*fd)?));
        }
        let sockets = self
            .sockets
            .iter()
            .map(|(unit, open)| {
                (
                    unit.clone(),
                    open.handles.iter().map(|handle| handle.0).collect(),
                )
            })
            .collect();
        let state = State {
            engine: Some(self.engine.snapshot()),
            times: self.times,
            machine_id: self
                .world
                .machine
                .facts
                .machine_id
                .clone()
                .unwrap_or_default(),
            first_boot: self.world.machine.first_boot,
            handles,
            sockets,
            private: self.private.clone(),
            notify: Some(keep(self.notify.as_fd())?),
            bus: listeners,
        };
        let text = serde_json::to_vec(&state).map_err(io::Error::other)?;
        let mut file = File::from(rustix::fs::memfd_create("state", MemfdFlags::CLOEXEC)?);
        file.write_all(&text)?;
        let number = keep(file.as_fd())?;
        Ok((file, number))
    }
}

fn execute(state: RawFd) -> io::Error {
    let run = || -> io::Result<io::Error> {
        // The installed program, so that an update takes effect; else the one that runs.
        let installed = std::env::args_os()
            .next()
            .filter(|word| std::path::Path::new(word).is_absolute());
        let name = installed.unwrap_or_else(|| "/proc/self/exe".into());
        let argv = [
            c_string(&name)?,
            c_string(OPTION)?,
            c_string(state.to_string())?,
        ];
        let env: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| {
                let mut word = name;
                word.push("=");
                word.push(value);
                c_string(word).ok()
            })
            .collect();
        let first = init_sys::exec::execute(&c_string(&name)?, &argv, &env);
        let _ = init_sys::exec::execute(&c_string("/proc/self/exe")?, &argv, &env);
        Ok(first)
    };
    run().unwrap_or_else(|e| e)
}
