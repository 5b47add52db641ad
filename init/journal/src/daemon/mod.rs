//! The daemon's loop: sockets in, entries out. Everything that arrives becomes an entry of trusted and untrusted
//! fields; nothing that a client sends can stop it or take its memory.

mod config;
mod control;
mod limit;
mod message;
mod room;
mod sender;
mod store;
mod stream;
mod watchdog;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use journal::entry::{hex, parse_id};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use control::{Client, Control};
use limit::{Limits, Verdict};
use message::Fields;
use sender::{Senders, field, invocation_of};
use store::Store;
use stream::Stream;
use watchdog::Watchdog;

const FOLDER: &str = "/run/systemd/journal";
/// More connections than this are refused: PID 1 keeps at most as many.
const STREAMS_MAX: usize = 4096;
/// The loop looks around at least this often.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// And of these, one user other than root may hold so many: the others are for services.
const STREAMS_OF_USER: usize = 512;
/// How long nobody is let in (microseconds) after there was no descriptor left for one.
const PAUSE: u64 = 1_000_000;
const DATAGRAM_MAX: usize = 1024 * 1024;
/// `FUSE_SUPER_MAGIC` of linux/magic.h.
const FUSE: rustix::fs::FsWord = 0x6573_5546;

/// Where messages come from.
#[derive(Debug)]
struct Sockets {
    native: UnixDatagram,
    syslog: UnixDatagram,
    stdout: OwnedFd,
    control: UnixListener,
    kmsg: Option<File>,
    signals: OwnedFd,
}

/// The daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    sockets: Sockets,
    streams: Vec<Stream>,
    clients: Vec<Client>,
    senders: Senders,
    limits: Limits,
    store: Store,
    host: Vec<u8>,
    machine: Vec<u8>,
    boot: Vec<u8>,
    kernel_sequence: u64,
    next_stream: u64,
    /// No connection is accepted before.
    accept_at: u64,
    sync_interval: u64,
    synced: u64,
    urgent: bool,
    dropped: u64,
    watchdog: Watchdog,
}

fn unused(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn bind_datagram(name: &str) -> io::Result<UnixDatagram> {
    let path = Path::new(FOLDER).join(name);
    unused(&path)?;
    let socket = UnixDatagram::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    Ok(socket)
}

fn bind_listener(name: &str, mode: u32) -> io::Result<UnixListener> {
    let path = Path::new(FOLDER).join(name);
    unused(&path)?;
    let socket = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    Ok(socket)
}

/// The path that a passed socket is bound to.
fn bound_to(fd: &OwnedFd) -> Option<String> {
    let address = rustix::net::getsockname(fd).ok()?;
    let address = rustix::net::SocketAddrUnix::try_from(address).ok()?;
    Some(String::from_utf8_lossy(address.path_bytes()?).into_owned())
}

impl Sockets {
    /// Takes what PID 1 passes, and makes the rest itself. Kept streams are returned beside.
    fn open() -> io::Result<(Self, Vec<OwnedFd>)> {
        fs::create_dir_all(FOLDER)?;
        let (mut native, mut syslog, mut stdout, mut kept) = (None, None, None, Vec::new());
        for passed in init_client::activation::listen_fds() {
            match bound_to(&passed.fd).as_deref() {
                Some(path) if path.ends_with("/journal/socket") => {
                    native = Some(UnixDatagram::from(passed.fd));
                }
                Some(path) if path.ends_with("dev-log") || path == "/dev/log" => {
                    syslog = Some(UnixDatagram::from(passed.fd));
                }
                Some(path) if path.ends_with("/journal/stdout") && passed.name != "stream" => {
                    stdout = Some(passed.fd);
                }
                _ => kept.push(passed.fd),
            }
        }
        let sockets = Self {
            native: native.map_or_else(|| bind_datagram("socket"), Ok)?,
            syslog: syslog.map_or_else(|| bind_datagram("dev-log"), Ok)?,
            stdout: stdout.map_or_else(|| bind_listener("stdout", 0o666).map(Into::into), Ok)?,
            control: bind_listener("io.systemd.journal", 0o600)?,
            kmsg: kmsg(),
            signals: {
                init_sys::signals::block_all()?;
                init_sys::signals::open_signalfd()?
            },
        };
        for socket in [&sockets.native, &sockets.syslog] {
            socket.set_nonblocking(true)?;
            init_sys::message::want_credentials(socket.as_fd())?;
        }
        rustix::io::ioctl_fionbio(&sockets.stdout, true)?;
        sockets.control.set_nonblocking(true)?;
        if !Path::new("/dev/log").exists() {
            // Programs that know only syslog(3) find us; a read-only /dev is no reason not to start.
            let _ = symlink(Path::new(FOLDER).join("dev-log"), "/dev/log");
        }
        Ok((sockets, kept))
    }
}

/// The kernel's own messages; not in a container, where they are the host's.
fn kmsg() -> Option<File> {
    if Path::new("/run/systemd/container").exists() {
        return None;
    }
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open("/dev/kmsg")
        .ok()
}

fn id_of(path: &str) -> Option<[u8; 16]> {
    parse_id(&fs::read_to_string(path).ok()?)
}

fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

impl Daemon {
    /// Opens everything.
    pub(crate) fn start() -> io::Result<Self> {
        let (sockets, kept) = Sockets::open()?;
        let machine = id_of("/etc/machine-id")
            .or_else(|| id_of("/run/machine-id"))
            .unwrap_or_default();
        let boot = id_of("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let config = config::Config::read(Path::new("/"));
        let store = Store::open(Path::new("/"), machine, boot, &config)?;
        let mut daemon = Self {
            sockets,
            streams: Vec::new(),
            clients: Vec::new(),
            senders: Senders::default(),
            limits: Limits::new(config.rate_burst, config.rate_interval),
            store,
            host: host_name(),
            machine: field("_MACHINE_ID", hex(&machine).as_bytes()),
            boot: field("_BOOT_ID", hex(&boot).as_bytes()),
            kernel_sequence: fs::read_to_string(kernel_mark())
                .ok()
                .and_then(|t| t.trim().parse().ok())
                .unwrap_or(0),
            next_stream: 1,
            accept_at: 0,
            sync_interval: config.sync_interval,
            synced: init_sys::clock::monotonic(),
            urgent: false,
            dropped: 0,
            watchdog: Watchdog::new(init_client::watchdog::interval()),
        };
        for fd in kept {
            let id = daemon.stream_id();
            daemon.streams.extend(Stream::restored(fd, id));
        }
        for problem in config.problems {
            daemon.say(4, &problem);
        }
        Ok(daemon)
    }

    /// Serves until a signal says stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            if self.watchdog.is_due(Instant::now()) {
                // PID 1 out of reach is no reason to stop writing.
                let _ = init_client::notify::notify("WATCHDOG=1");
            }
            let ready = self.wait()?;
            if ready.signals && self.signals()? {
                return self.stop();
            }
            self.receive(&ready);
            self.serve(&ready);
            self.keep_durable();
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let s = &self.sockets;
        let now = init_sys::clock::monotonic();
        let connections = if now < self.accept_at {
            PollFlags::empty()
        } else {
            PollFlags::IN
        };
        let mut fds = vec![
            PollFd::new(&s.signals, PollFlags::IN),
            PollFd::new(&s.native, PollFlags::IN),
            PollFd::new(&s.syslog, PollFlags::IN),
            PollFd::new(&s.stdout, connections),
            PollFd::new(&s.control, connections),
        ];
        fds.extend(s.kmsg.iter().map(|kmsg| PollFd::new(kmsg, PollFlags::IN)));
        let first_stream = fds.len();
        fds.extend(
            self.streams
                .iter()
                .map(|stream| PollFd::new(&stream.fd, PollFlags::IN)),
        );
        let first_client = fds.len();
        fds.extend(
            self.clients
                .iter()
                .map(|client| PollFd::new(&client.stream, PollFlags::IN)),
        );
        let most = if now < self.accept_at {
            Duration::from_micros(PAUSE)
        } else {
            SLEEP_MAX
        };
        let patience = self.watchdog.patience(Instant::now(), most);
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let set = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ok(Ready {
            signals: set(0),
            native: set(1),
            syslog: set(2),
            stdout: set(3),
            control: set(4),
            kmsg: s.kmsg.is_some() && set(5),
            streams: (first_stream..first_client).map(set).collect(),
            clients: (first_client..fds.len()).map(set).collect(),
        })
    }

    /// Takes signals; true means stop. USR1 flushes, USR2 rotates, RTMIN+1 syncs, as in systemd.
    fn signals(&mut self) -> io::Result<bool> {
        while let Some(arrived) = init_sys::signals::read_signal(self.sockets.signals.as_fd())? {
            let control = match arrived.signal {
                10 => Control::Flush,
                12 => Control::Rotate,
                2 | 15 => return Ok(true),
                other if other == init_sys::signals::realtime_signal(1) => Control::Sync,
                _ => continue,
            };
            let result = self.control(control);
            self.complain(&result);
        }
        Ok(false)
    }

    fn receive(&mut self, ready: &Ready) {
        if ready.kmsg {
            self.read_kernel();
        }
        if ready.native {
            self.read_native();
        }
        if ready.syslog {
            self.read_syslog();
        }
        if ready.stdout {
            self.accept_streams();
        }
        self.read_streams(Some(&ready.streams));
    }

    /// Reads until nothing is left anywhere, so that what was sent before a sync is in the file after it.
    fn drain(&mut self) {
        self.read_kernel();
        self.read_native();
        self.read_syslog();
        self.accept_streams();
        self.read_streams(None);
    }

    fn read_kernel(&mut self) {
        let mut record = [0; 16 * 1024];
        let before = self.kernel_sequence;
        for _ in 0..4096 {
            let Some(kmsg) = self.sockets.kmsg.as_mut() else {
                return;
            };
            let got = match kmsg.read(&mut record) {
                Ok(n) => n,
                // Records were overwritten before they were read: go on with the oldest there is.
                Err(e) if e.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {
                    continue;
                }
                Err(_) => break,
            };
            let Some(kernel) = record.get(..got).and_then(message::kernel) else {
                continue;
            };
            if kernel.sequence < self.kernel_sequence {
                continue;
            }
            self.kernel_sequence = kernel.sequence + 1;
            let mut fields = kernel.fields;
            fields.push(field("_TRANSPORT", b"kernel"));
            self.store(fields);
        }
        if self.kernel_sequence != before {
            // Losing the mark repeats messages after a restart; it is no reason to stop.
            let _ = fs::write(kernel_mark(), self.kernel_sequence.to_string());
        }
    }

    fn read_native(&mut self) {
        for _ in 0..1024 {
            let Ok(Some(mut arrived)) =
                init_sys::message::receive(self.sockets.native.as_fd(), DATAGRAM_MAX)
            else {
                return;
            };
            if arrived.bytes.is_empty()
                && let Some(fd) = arrived.fds.pop()
            {
                arrived.bytes = passed_file(fd);
            }
            let mut fields = message::native(&arrived.bytes);
            if fields.is_empty() {
                continue;
            }
            fields.push(field("_TRANSPORT", b"journal"));
            self.trusted(fields, arrived.pid, arrived.uid, arrived.gid, None, None);
        }
    }

    fn read_syslog(&mut self) {
        for _ in 0..1024 {
            let Ok(Some(arrived)) =
                init_sys::message::receive(self.sockets.syslog.as_fd(), DATAGRAM_MAX)
            else {
                return;
            };
            let mut fields = message::syslog(&arrived.bytes);
            fields.push(field("_TRANSPORT", b"syslog"));
            self.trusted(fields, arrived.pid, arrived.uid, arrived.gid, None, None);
        }
    }

    fn stream_id(&mut self) -> String {
        let number = self.next_stream;
        self.next_stream += 1;
        format!("{:016x}{number:016x}", init_sys::clock::realtime())
    }

    fn accept_streams(&mut self) {
        loop {
            match stream::accept(&self.sockets.stdout) {
                Ok(fd) => {
                    let id = self.stream_id();
                    let stream = Stream::new(fd, id);
                    let same = |other: &&Stream| other.owner() == stream.owner();
                    let held = self.streams.iter().filter(same).count();
                    if self.streams.len() < STREAMS_MAX
                        && (stream.owner() == Some(0) || held < STREAMS_OF_USER)
                    {
                        self.streams.push(stream);
                    }
                }
                Err(e) if is_exhausted(&e) => {
                    self.accept_at = init_sys::clock::monotonic() + PAUSE;
                    return;
                }
                // Who gave up while waiting is no reason not to look at the next.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    fn read_streams(&mut self, ready: Option<&[bool]>) {
        let streams = std::mem::take(&mut self.streams);
        for (index, mut stream) in streams.into_iter().enumerate() {
            if ready.is_some_and(|ready| ready.get(index) == Some(&false)) {
                self.streams.push(stream);
                continue;
            }
            let (lines, open) = stream.read();
            stream.learn_run();
            for line in lines {
                self.stream_line(&stream, &line);
            }
            if open {
                self.streams.push(stream);
            }
        }
    }

    fn stream_line(&mut self, stream: &Stream, line: &stream::Line) {
        let Some(head) = &stream.head else { return };
        if line.text.is_empty() {
            return;
        }
        let (priority, facility, text) = head.line(&line.text);
        let mut fields = vec![
            field("_TRANSPORT", b"stdout"),
            field("_STREAM_ID", stream.id.as_bytes()),
            field("PRIORITY", priority.to_string().as_bytes()),
            field("SYSLOG_FACILITY", facility.to_string().as_bytes()),
            field("MESSAGE", text),
        ];
        if !head.identifier.is_empty() {
            fields.push(field("SYSLOG_IDENTIFIER", head.identifier.as_bytes()));
        }
        fields.extend(line.broken.map(|why| field("_LINE_BREAK", why.as_bytes())));
        let said = format!(
            "{}[{}]: {}\n",
            head.identifier,
            line.pid.unwrap_or_default(),
            String::from_utf8_lossy(text)
        );
        for (wanted, path) in [
            (head.to_console, "/dev/console"),
            (head.to_kmsg, "/dev/kmsg"),
        ] {
            if wanted
                && let Ok(mut file) = OpenOptions::new()
                    .write(true)
                    .custom_flags(waits_for_nobody())
                    .open(path)
            {
                // A console that cannot be written is no reason to lose the entry.
                let _ = file.write_all(said.as_bytes());
            }
        }
        self.trusted(
            fields,
            line.pid,
            line.uid,
            line.gid,
            Some(&head.unit).filter(|unit| !unit.is_empty()).cloned(),
            stream.run.clone(),
        );
    }

    /// Adds what is known of the sender, and stores.
    fn trusted(
        &mut self,
        mut fields: Fields,
        pid: Option<i32>,
        uid: Option<u32>,
        gid: Option<u32>,
        unit: Option<String>,
        run: Option<Vec<u8>>,
    ) {
        let now = init_sys::clock::monotonic();
        let pid = pid.filter(|pid| *pid > 0);
        let sender = pid
            .map(|pid| self.senders.get(pid, now))
            .unwrap_or_default();
        let unit = unit.or_else(|| sender.unit.clone());
        let key = unit
            .as_deref()
            .or(sender.comm.as_deref())
            .unwrap_or("unknown")
            .to_owned();
        match self.limits.check(&key, now) {
            Verdict::Take => {}
            Verdict::Drop => return,
            Verdict::TakeAfter(dropped) => {
                self.say(4, &format!("Suppressed {dropped} messages from {key}"));
            }
        }
        for (name, value) in [
            ("_PID", pid.map(|p| p.to_string())),
            ("_UID", uid.map(|u| u.to_string())),
            ("_GID", gid.map(|g| g.to_string())),
        ] {
            fields.extend(value.map(|value| field(name, value.as_bytes())));
        }
        fields.extend(sender.fields);
        if let Some(unit) = unit {
            fields.extend(run.or_else(|| invocation_of(&unit)));
            fields.push(field("_SYSTEMD_UNIT", unit.as_bytes()));
        }
        self.store(fields);
    }

    /// Stores one entry, with what all entries have.
    fn store(&mut self, mut fields: Fields) {
        fields.push(self.boot.clone());
        fields.push(self.machine.clone());
        fields.push(field("_HOSTNAME", &self.host));
        fields.push(field("_RUNTIME_SCOPE", b"system"));
        self.urgent |= fields.iter().any(|field| {
            // As journald.conf(5) says of SyncIntervalSec=: crit, alert and emerg.
            matches!(field.strip_prefix(b"PRIORITY="), Some([b'0'..=b'2']))
        });
        match self.store.append(&fields) {
            Ok(()) if self.dropped > 0 => {
                let dropped = std::mem::take(&mut self.dropped);
                self.say(
                    4,
                    &format!("{dropped} messages were lost: there was no room for the journal"),
                );
            }
            Ok(()) => {}
            Err(e) => {
                if self.dropped == 0 {
                    to_kernel(&format!(
                        "cannot write the journal: {e}; messages are lost until there is room"
                    ));
                }
                self.dropped += 1;
            }
        }
        for notice in self.store.notices() {
            self.say(4, &notice);
        }
    }

    /// An entry of our own.
    fn say(&mut self, priority: u8, text: &str) {
        let mut fields = vec![
            field("MESSAGE", text.as_bytes()),
            field("PRIORITY", priority.to_string().as_bytes()),
            field("SYSLOG_IDENTIFIER", b"systemd-journald"),
            field("SYSLOG_FACILITY", b"5"),
            field("_TRANSPORT", b"driver"),
            field("_PID", std::process::id().to_string().as_bytes()),
            field("_UID", b"0"),
            field("_SYSTEMD_UNIT", b"systemd-journald.service"),
        ];
        fields.extend(invocation_of("systemd-journald.service"));
        self.store(fields);
    }

    fn serve(&mut self, ready: &Ready) {
        if ready.control {
            loop {
                match self.sockets.control.accept() {
                    Ok((stream, _)) => self.clients.extend(Client::new(stream)),
                    Err(e) if is_exhausted(&e) => {
                        self.accept_at = init_sys::clock::monotonic() + PAUSE;
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        let clients = std::mem::take(&mut self.clients);
        for (index, mut client) in clients.into_iter().enumerate() {
            if ready.clients.get(index) == Some(&false) {
                self.clients.push(client);
                continue;
            }
            let Some(requests) = client.read() else {
                continue;
            };
            for request in requests {
                let result = self.control(request);
                self.complain(&result);
                client.done(&result);
            }
            self.clients.push(client);
        }
    }

    fn control(&mut self, control: Control) -> io::Result<()> {
        match control {
            Control::Sync => {
                self.drain();
                self.sync()
            }
            Control::Rotate => self.store.rotate(),
            Control::Flush => {
                self.store.flush()?;
                fs::write(Path::new(FOLDER).join("flushed"), "")
            }
            // The file system below /var stays mounted until the very end; there is nothing to let go of before.
            Control::Relinquish => self.sync(),
        }
    }

    fn complain(&mut self, result: &io::Result<()>) {
        if let Err(e) = result {
            self.say(3, &format!("cannot do what was asked: {e}"));
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.synced = init_sys::clock::monotonic();
        self.urgent = false;
        self.store.sync()
    }

    fn keep_durable(&mut self) {
        let host = host_name();
        if host != self.host {
            self.host = host;
        }
        let now = init_sys::clock::monotonic();
        self.store.tick();
        if self.urgent || now.saturating_sub(self.synced) > self.sync_interval {
            let result = self.sync();
            if let Err(e) = result {
                to_kernel(&format!("cannot make the journal durable: {e}"));
            }
        }
    }

    fn stop(mut self) -> io::Result<()> {
        self.drain();
        self.say(6, "Journal stopped");
        for stream in std::mem::take(&mut self.streams) {
            stream.leave();
        }
        self.store.close()
    }

    /// Says where entries go and how much room there is.
    pub(crate) fn greet(&mut self) {
        let place = if self.store.is_volatile() {
            "in memory below /run/log/journal"
        } else {
            "below /var/log/journal"
        };
        self.say(6, &format!("Journal started, entries go {place}"));
    }
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each descriptor that poll was asked about"
)]
struct Ready {
    signals: bool,
    native: bool,
    syslog: bool,
    stdout: bool,
    control: bool,
    kmsg: bool,
    streams: Vec<bool>,
    clients: Vec<bool>,
}

fn kernel_mark() -> PathBuf {
    Path::new(FOLDER).join("kernel-seqnum")
}

/// No descriptor, or no memory for one, is left.
fn is_exhausted(e: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| e.raw_os_error() == Some(errno.raw_os_error()))
}

/// A console that is stopped must not stop us.
fn waits_for_nobody() -> i32 {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    flags.bits().cast_signed()
}

/// A message too large for a datagram comes as a file: a sealed one in memory, or one in a folder for temporary
/// files. Others are not read, since a file system of the sender's own could keep us waiting for ever.
fn passed_file(fd: OwnedFd) -> Vec<u8> {
    const PLACES: [&str; 4] = ["/dev/shm/", "/tmp/", "/var/tmp/", "/memfd:"];
    let file = File::from(fd);
    let named = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let path = fs::read_link(named).unwrap_or_default();
    let metadata = file.metadata();
    let ours = rustix::fs::fstatfs(&file).is_ok_and(|fs| fs.f_type != FUSE);
    let fits = PLACES
        .iter()
        .any(|place| path.to_string_lossy().starts_with(place));
    let length = match metadata {
        Ok(metadata) if metadata.is_file() && fits && ours => metadata.len(),
        _ => return Vec::new(),
    };
    let mut bytes = vec![
        0;
        usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(64 * DATAGRAM_MAX)
    ];
    let got = file.read_at(&mut bytes, 0).unwrap_or_default();
    bytes.truncate(got);
    bytes
}

/// A last resort: the kernel's log.
pub(crate) fn to_kernel(text: &str) {
    if let Ok(mut kmsg) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // Nobody is left to tell if this fails.
        let _ = kmsg
            .write_all(format!("<3>systemd-journald[{}]: {text}\n", std::process::id()).as_bytes());
    }
}
