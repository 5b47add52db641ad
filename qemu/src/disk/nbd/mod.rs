//! The disk of one machine as an NBD server on a unix socket, so that a power cut really loses what was not flushed, and
//! so that the disk can fail while the machine runs. One thread per connection; QEMU keeps one.

mod protocol;
mod store;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::{Kind, Request};
use store::Store;

pub use store::PowerCut;

use crate::error::HarnessError;

const EIO: u32 = 5;
const EINVAL: u32 = 22;

/// What goes wrong on purpose, until it is switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fault, switched by itself"
)]
pub struct DiskFaults {
    /// Reads fail.
    pub read_error: bool,
    /// Writes fail.
    pub write_error: bool,
    /// Flushes fail.
    pub flush_error: bool,
    /// Each request takes that much longer.
    pub delay: Duration,
    /// Each flush takes that much longer; other requests go on meanwhile.
    pub flush_delay: Duration,
    /// A flush is answered and nothing is made safe.
    pub flush_lies: bool,
}

/// What a disk was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Reads.
    pub reads: u64,
    /// Writes, trims and zeroes.
    pub writes: u64,
    /// Flushes.
    pub flushes: u64,
    /// Answers that were errors.
    pub errors: u64,
    /// Writes that wait for a flush now.
    pub waiting: usize,
    /// Writes that power cuts have taken.
    pub lost: usize,
}

#[derive(Debug)]
struct State {
    store: Store,
    faults: DiskFaults,
    counts: DiskCounts,
    /// Which power-on this is: what belongs to an earlier one is not answered any more.
    power: u64,
}

/// A machine's disk.
#[derive(Debug)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    socket: std::path::PathBuf,
}

impl Disk {
    /// Serves a disk over an image on a unix socket. It listens before this returns.
    ///
    /// # Errors
    /// When the image cannot be read or the socket not be made.
    pub fn serve(
        image: &Path,
        private: &Path,
        size: Option<u64>,
        socket: &Path,
    ) -> Result<Disk, HarnessError> {
        let store = Store::create(image, private, size)?;
        let state = Arc::new(Mutex::new(State {
            store,
            faults: DiskFaults::default(),
            counts: DiskCounts::default(),
            power: 0,
        }));
        let listener =
            UnixListener::bind(socket).map_err(HarnessError::io("make a disk's socket"))?;
        let over = Arc::new(AtomicBool::new(false));
        let (ours, ended) = (Arc::clone(&state), Arc::clone(&over));
        let thread = std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let state = Arc::clone(&ours);
                    std::thread::spawn(move || {
                        // A client that goes away in any way has gone: its machine says why.
                        let _ = converse(stream, &state);
                    });
                }
            })
            .map_err(HarnessError::io("start a disk's thread"))?;
        Ok(Disk {
            state,
            over,
            thread: Some(thread),
            socket: socket.to_owned(),
        })
    }

    /// Changes what goes wrong.
    pub fn faults(&self, change: impl FnOnce(&mut DiskFaults)) {
        change(&mut lock(&self.state).faults);
    }

    /// What it was asked so far.
    #[must_use]
    pub fn counts(&self) -> DiskCounts {
        let state = lock(&self.state);
        DiskCounts {
            waiting: state.store.waiting(),
            ..state.counts
        }
    }

    /// Takes the power: nothing that is under way is answered any more, and what was not flushed is lost. Returns how
    /// many writes that were.
    ///
    /// # Errors
    /// When the private layer cannot be written.
    pub fn cut(&self, how: PowerCut) -> Result<usize, HarnessError> {
        let mut state = lock(&self.state);
        state.power += 1;
        let lost = state
            .store
            .cut(how)
            .map_err(HarnessError::io("write a disk's private layer"))?;
        state.counts.lost += lost;
        Ok(lost)
    }

    /// Has the server ended by itself? Then the machine's disk is gone, whatever its guest says.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread; when that fails it has ended.
        let _ = UnixStream::connect(&self.socket);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn converse(mut stream: UnixStream, state: &Arc<Mutex<State>>) -> std::io::Result<()> {
    let (size, power) = {
        let state = lock(state);
        (state.store.size(), state.power)
    };
    if !protocol::shake_hands(&mut stream, size)? {
        return Ok(());
    }
    let answers = Arc::new(Mutex::new(stream.try_clone()?));
    loop {
        let request = protocol::read(&mut stream)?;
        if request.kind == Kind::Disconnect {
            return Ok(());
        }
        let faults = lock(state).faults;
        if !faults.delay.is_zero() {
            crate::pause::pause(faults.delay);
        }
        if request.kind == Kind::Flush && !faults.flush_delay.is_zero() {
            let (state, answers) = (Arc::clone(state), Arc::clone(&answers));
            std::thread::spawn(move || {
                crate::pause::pause(faults.flush_delay);
                // As above: a client that is gone wants no answer.
                let _ = obey(request, &state, &answers, power);
            });
            continue;
        }
        obey(request, state, &answers, power)?;
    }
}

fn obey(
    request: Request,
    state: &Mutex<State>,
    answers: &Mutex<UnixStream>,
    power: u64,
) -> std::io::Result<()> {
    let handle = request.handle;
    let result = {
        let mut state = lock(state);
        if state.power != power {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        let result = perform(&mut state, request);
        state.counts.errors += u64::from(result.is_err());
        result
    };
    let mut stream = answers.lock().unwrap_or_else(PoisonError::into_inner);
    protocol::answer(
        &mut *stream,
        handle,
        result.as_deref().map_err(|error| *error),
    )
}

fn perform(state: &mut State, request: Request) -> Result<Vec<u8>, u32> {
    let (faults, at, length) = (state.faults, request.at, u64::from(request.length));
    let failed = |_| EIO;
    if request.kind != Kind::Flush && !state.store.holds(at, length) {
        return Err(EINVAL);
    }
    match request.kind {
        Kind::Read => state.counts.reads += 1,
        Kind::Flush => state.counts.flushes += 1,
        _ => state.counts.writes += 1,
    }
    let through = request.through && !faults.flush_lies;
    match request.kind {
        Kind::Read if faults.read_error => Err(EIO),
        Kind::Write | Kind::Trim | Kind::Zero if faults.write_error => Err(EIO),
        Kind::Flush if faults.flush_error => Err(EIO),
        Kind::Read => state
            .store
            .read(at, request.length.try_into().unwrap_or(0))
            .map_err(failed),
        Kind::Write => state
            .store
            .write(at, request.data, through)
            .map(|()| Vec::new())
            .map_err(failed),
        Kind::Trim | Kind::Zero => state
            .store
            .zero(at, length, through)
            .map(|()| Vec::new())
            .map_err(failed),
        Kind::Flush if faults.flush_lies => Ok(Vec::new()),
        Kind::Flush => state.store.flush().map(|()| Vec::new()).map_err(failed),
        Kind::Disconnect | Kind::Unknown => Err(EINVAL),
    }
}

#[cfg(test)]
mod tests;
