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

/// What the program that was here before has left.
#[derive(Debug)]
pub(crate) enum Handed {
    /// There was none: the machine starts.
    Nothing,
    /// Everything.
    All(Kept),
    /// The state of the units cannot be understood; the rest may be there.
    Damaged(Kept, io::Error),
}

/// The state, and what is wrong with it if only a part is of use.
fn decode(text: &str) -> (State, Option<io::Error>) {
    let error = match serde_json::from_str::<State>(text) {
        Ok(state) => return (state, None),
        Err(e) => e,
    };
    let rest = serde_json::from_str::<serde_json::Value>(text).and_then(|mut value| {
        // Their descriptors mean nothing without them.
        for part in ["engine", "handles", "sockets"] {
            if let Some(map) = value.as_object_mut() {
                map.remove(part);
            }
        }
        serde_json::from_value(value)
    });
    (rest.unwrap_or_default(), Some(io::Error::other(error)))
}

fn text_of(number: Option<&String>) -> io::Result<String> {
    let number = number
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{OPTION} without a number")))?;
    let fd = inherited(number).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let mut file = File::from(fd);
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

impl Kept {
    /// Takes over what the words of the command line point to.
    pub(crate) fn read(words: &[String]) -> Handed {
        let Some(at) = words.iter().position(|word| word == OPTION) else {
            return Handed::Nothing;
        };
        match text_of(words.get(at + 1)) {
            Err(e) => Handed::Damaged(Kept::default(), e),
            Ok(text) => match decode(&text) {
                (state, None) => Handed::All(Kept::take(state)),
                (state, Some(e)) => Handed::Damaged(Kept::take(state), e),
            },
        }
    }

    fn take(state: State) -> Kept {
        let take = |number: RawFd| {
            let fd = inherited(number)?;
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
            Some(fd)
        };
        Kept {
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
        }
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

#[cfg(test)]
mod tests {
    use super::{Handed, Kept, OPTION, decode};

    #[test]
    fn a_state_of_units_that_is_not_understood_loses_no_more_than_itself() {
        let text = r#"{"engine": {"units": 7}, "machine_id": "abc", "handles": [[1, 5]],
            "notify": 9, "bus": [["bus-private", 8]]}"#;
        let (state, error) = decode(text);
        assert!(error.is_some());
        assert_eq!((state.machine_id.as_str(), state.notify), ("abc", Some(9)));
        assert_eq!(state.bus.len(), 1);
        assert!(state.handles.is_empty());
        let (state, error) = decode("half a");
        assert!(error.is_some() && state.notify.is_none());
        assert!(decode("{}").1.is_none());
    }

    #[test]
    fn a_state_that_cannot_be_read_is_no_first_start() {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).into()).collect() };
        assert!(matches!(Kept::read(&words(&["init"])), Handed::Nothing));
        for broken in [
            &["init", OPTION][..],
            &["init", OPTION, "x"],
            &["init", OPTION, "9999"],
        ] {
            assert!(matches!(Kept::read(&words(broken)), Handed::Damaged(..)));
        }
    }
}
