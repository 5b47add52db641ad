//! Standard input, output and error of the process.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use unit_file::{ExecConfig, StandardInput, StandardOutput};

use super::context::Context;
use super::credentials::Who;
use super::{Failed, Passed, Step, code, terminal};

const JOURNAL: &str = "/run/systemd/journal/stdout";

/// The three descriptors, and what the environment says about them.
pub(crate) struct Stdio {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
    /// `device:inode` of the journal stream.
    pub(crate) journal_stream: Option<String>,
    /// `TERM`, when a terminal is used.
    pub(crate) term: Option<String>,
}

struct Opener<'a> {
    context: &'a Context,
    passed: &'a Passed,
    who: &'a Who,
    stream: Option<String>,
}

/// Opens all three.
pub(crate) fn open(context: &Context, passed: &Passed, who: &Who) -> Result<Stdio, Failed> {
    let config = &context.exec;
    let mut opener = Opener {
        context,
        passed,
        who,
        stream: None,
    };
    let input = opener.input().step(code::STDIN, || {
        format!("open StandardInput={}", config.standard_input)
    })?;
    let output = opener
        .output(&config.standard_output, &input)
        .step(code::STDOUT, || {
            format!("open StandardOutput={}", config.standard_output)
        })?;
    let error = opener
        .error(&config.standard_error, &output)
        .step(code::STDERR, || {
            format!("open StandardError={}", config.standard_error)
        })?;
    let term = uses_tty(config).then(|| terminal::term(terminal::path(config)).to_owned());
    Ok(Stdio {
        input,
        output,
        error,
        journal_stream: opener.stream,
        term,
    })
}

fn uses_tty(config: &ExecConfig) -> bool {
    matches!(
        config.standard_input,
        StandardInput::Tty | StandardInput::TtyForce | StandardInput::TtyFail
    ) || matches!(config.standard_output, StandardOutput::Tty)
        || matches!(config.standard_error, StandardOutput::Tty)
        || config.tty_path.is_some()
}

fn copy(fd: &OwnedFd) -> io::Result<OwnedFd> {
    fd.try_clone()
}

fn null(write: bool) -> io::Result<OwnedFd> {
    Ok(OpenOptions::new()
        .read(!write)
        .write(write)
        .open("/dev/null")?
        .into())
}

impl Opener<'_> {
    fn input(&self) -> io::Result<OwnedFd> {
        if let [Some(fd), _, _] = &self.passed.stdio {
            return copy(fd);
        }
        let config = &self.context.exec;
        match &config.standard_input {
            StandardInput::Null => null(false),
            // Control commands do not take the terminal away from anybody.
            StandardInput::Tty | StandardInput::TtyForce | StandardInput::TtyFail => {
                terminal::acquire(config)
            }
            StandardInput::Data => {
                let memory = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?;
                let mut file = File::from(memory);
                file.write_all(&config.standard_input_data)?;
                file.rewind()?;
                Ok(file.into())
            }
            StandardInput::File(path) => Ok(OpenOptions::new().read(true).open(path)?.into()),
            StandardInput::Socket => self.connection(),
            StandardInput::Fd(name) => self.named(name),
        }
    }

    /// The connection, or the one socket of a unit with `Accept=no`.
    fn connection(&self) -> io::Result<OwnedFd> {
        match (&self.passed.connection, self.passed.sockets.first()) {
            (Some(fd), _) | (None, Some(fd)) => copy(fd),
            (None, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no socket was passed",
            )),
        }
    }

    fn named(&self, name: &str) -> io::Result<OwnedFd> {
        let names = &self.context.fd_names;
        names
            .iter()
            .zip(&self.passed.sockets)
            .find(|(given, _)| *given == name)
            .map_or_else(
                || {
                    Err(io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("no descriptor is named {name}"),
                    ))
                },
                |(_, fd)| copy(fd),
            )
    }

    fn output(&mut self, wanted: &StandardOutput, input: &OwnedFd) -> io::Result<OwnedFd> {
        if let [_, Some(fd), _] = &self.passed.stdio {
            return copy(fd);
        }
        match wanted {
            // With nothing to inherit from, output is thrown away.
            StandardOutput::Inherit
                if matches!(self.context.exec.standard_input, StandardInput::Null) =>
            {
                null(true)
            }
            StandardOutput::Inherit => copy(input),
            other => self.open_output(other),
        }
    }

    fn error(&mut self, wanted: &StandardOutput, output: &OwnedFd) -> io::Result<OwnedFd> {
        if let [_, _, Some(fd)] = &self.passed.stdio {
            return copy(fd);
        }
        let same = *wanted == self.context.exec.standard_output;
        match wanted {
            StandardOutput::Inherit => copy(output),
            // One stream keeps the order of both.
            other if same && !matches!(other, StandardOutput::File(_)) => copy(output),
            other => self.open_output(other),
        }
    }

    fn open_output(&mut self, wanted: &StandardOutput) -> io::Result<OwnedFd> {
        let file = |path: &str, append: bool, truncate: bool| -> io::Result<OwnedFd> {
            // The mode of a new file is the usual one, whatever PID 1's umask is.
            let old = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            let opened = OpenOptions::new()
                .create(true)
                .write(true)
                .append(append)
                .truncate(truncate)
                .mode(0o666)
                .open(path);
            let _ = rustix::process::umask(old);
            Ok(opened?.into())
        };
        match wanted {
            StandardOutput::Inherit | StandardOutput::Null => null(true),
            StandardOutput::Tty => terminal::for_output(&self.context.exec),
            StandardOutput::Journal => self.journal(false, false),
            StandardOutput::JournalAndConsole => self.journal(false, true),
            StandardOutput::Kmsg => self.journal(true, false),
            StandardOutput::KmsgAndConsole => self.journal(true, true),
            StandardOutput::File(path) => file(path, false, false),
            StandardOutput::Append(path) => file(path, true, false),
            StandardOutput::Truncate(path) => file(path, false, true),
            StandardOutput::Socket => self.connection(),
            StandardOutput::Fd(name) => self.named(name),
        }
    }

    /// A stream to the journal with its seven lines of head; the kernel log while no
    /// journal listens.
    fn journal(&mut self, kmsg: bool, console: bool) -> io::Result<OwnedFd> {
        let config = &self.context.exec;
        let Ok(mut stream) = UnixStream::connect(JOURNAL) else {
            let kmsg = OpenOptions::new().write(true).open("/dev/kmsg");
            return kmsg.map(OwnedFd::from).or_else(|_| null(true));
        };
        let program = self.context.argv.first().unwrap_or(&self.context.program);
        let program = program.rsplit('/').next().unwrap_or(program);
        let identifier = config.syslog_identifier.as_deref().unwrap_or(program);
        let priority =
            u32::from(config.syslog_facility) * 8 + u32::from(config.syslog_level.number());
        let digit = u8::from;
        let head = format!(
            "{identifier}\n{}\n{priority}\n{}\n0\n{}\n{}\n",
            self.context.unit,
            digit(config.syslog_level_prefix),
            digit(kmsg),
            digit(console),
        );
        stream.write_all(head.as_bytes())?;
        let _ = stream.shutdown(std::net::Shutdown::Read);
        let stat = rustix::fs::fstat(stream.as_fd())?;
        if self.stream.is_none() {
            self.stream = Some(format!("{}:{}", stat.st_dev, stat.st_ino));
        }
        // The user may open /proc/self/fd/1 again (shells do for /dev/stdout).
        let _ = rustix::fs::fchown(
            &stream,
            rustix::fs::Uid::from_raw(self.who.uid()).into(),
            rustix::fs::Gid::from_raw(self.who.gid).into(),
        );
        Ok(stream.into())
    }
}
