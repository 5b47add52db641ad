//! The way into a machine: the host's own `ssh`, through a port that the harness keeps open. Options are those that a
//! throw-away machine wants, and every call has a time limit.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::HarnessError;
use crate::spawn;

/// What a command in the guest said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 255 when ssh itself failed, -1 when it was ended by the time limit.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Both outputs as text.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.text(), String::from_utf8_lossy(&self.stderr))
    }
}

/// One machine's ssh.
#[derive(Debug)]
pub struct Ssh {
    machine: String,
    key: PathBuf,
    at: SocketAddr,
    control: PathBuf,
    master: Mutex<Option<Child>>,
}

impl Ssh {
    pub(crate) fn new(machine: &str, key: PathBuf, at: SocketAddr, control: PathBuf) -> Ssh {
        Ssh {
            machine: machine.to_owned(),
            key,
            at,
            control,
            master: Mutex::new(None),
        }
    }

    /// The way into a machine that another process holds: by its key and its port on this host.
    #[must_use]
    pub fn elsewhere(machine: &str, key: PathBuf, at: SocketAddr) -> Ssh {
        Ssh::new(machine, key, at, PathBuf::new())
    }

    /// Runs a command and returns what it said, however it ended.
    ///
    /// # Errors
    /// When the host has no ssh.
    pub fn run(&self, command: &str) -> Result<Output, HarnessError> {
        self.run_with(command, &[], Duration::from_secs(180))
    }

    /// Runs a command with bytes on its standard input and a time limit.
    ///
    /// # Errors
    /// When the host has no ssh.
    pub fn run_with(
        &self,
        command: &str,
        input: &[u8],
        limit: Duration,
    ) -> Result<Output, HarnessError> {
        self.call(&["-T"], command, input, limit)
    }

    /// Runs a command on a terminal of the given width; output and errors come together, as a user sees them.
    ///
    /// # Errors
    /// When the host has no ssh.
    pub fn run_on_terminal(&self, command: &str, columns: u16) -> Result<Output, HarnessError> {
        let sized = format!("stty cols {columns} rows 40 -echo 2>/dev/null; {command}");
        let mut output = self.call(&["-tt"], &sized, &[], Duration::from_secs(180))?;
        output.stdout.retain(|byte| *byte != b'\r');
        Ok(output)
    }

    /// Logs in as a person does, leaves at once, and returns everything that was shown.
    ///
    /// # Errors
    /// When the host has no ssh.
    pub fn greeting(&self) -> Result<String, HarnessError> {
        let mut ssh = self.command(&["-tt"]);
        ssh.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = spawn::spawn(ssh)
            .map_err(HarnessError::io("start ssh (apt install openssh-client)"))?;
        let output = collect(child, b"exit\n".to_vec(), Duration::from_secs(120), || {
            false
        });
        Ok(output
            .map_err(HarnessError::io("read from ssh"))?
            .all()
            .replace('\r', ""))
    }

    /// Runs a command that must succeed and returns its standard output.
    ///
    /// # Errors
    /// With everything that the command said when it failed.
    pub fn check(&self, command: &str) -> Result<String, HarnessError> {
        let output = self.run(command)?;
        if output.code == 0 {
            return Ok(output.text());
        }
        Err(HarnessError::Command {
            machine: self.machine.clone(),
            command: command.to_owned(),
            status: format!("code {}", output.code),
            output: output.all(),
        })
    }

    /// Puts a file into the guest.
    ///
    /// # Errors
    /// As [`Ssh::check`].
    pub fn put(&self, bytes: &[u8], path: &str) -> Result<(), HarnessError> {
        let command = format!("cat > {path}");
        let output = self.run_with(&command, bytes, Duration::from_secs(300))?;
        if output.code == 0 {
            return Ok(());
        }
        let status = format!("code {}", output.code);
        Err(HarnessError::Command {
            machine: self.machine.clone(),
            command,
            status,
            output: output.all(),
        })
    }

    /// Gets a file out of the guest.
    ///
    /// # Errors
    /// As [`Ssh::check`].
    pub fn get(&self, path: &str) -> Result<Vec<u8>, HarnessError> {
        let command = format!("cat {path}");
        let output = self.run_with(&command, &[], Duration::from_secs(300))?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        let status = format!("code {}", output.code);
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(HarnessError::Command {
            machine: self.machine.clone(),
            command,
            status,
            output,
        })
    }

    /// Does the machine greet on its ssh port? The whole line is read, so that the server sees an orderly end.
    #[must_use]
    pub fn has_banner(&self) -> bool {
        let mut banner = String::new();
        let stream = TcpStream::connect_timeout(&self.at, Duration::from_secs(1));
        stream
            .and_then(|stream| {
                stream.set_read_timeout(Some(Duration::from_secs(2)))?;
                BufReader::new(stream).take(256).read_line(&mut banner)
            })
            .is_ok_and(|_| banner.starts_with("SSH-"))
    }

    /// Can core log in and run a command? A banner is not a login, but without one it need not be tried. Gives up when
    /// `stop` says so.
    #[must_use]
    pub fn answers(&self, stop: impl FnMut() -> bool) -> bool {
        if !self.has_banner() {
            return false;
        }
        let mut ssh = self.command(&["-T"]);
        ssh.arg("true");
        ssh.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let limit = Duration::from_secs(30);
        let output = spawn::spawn(ssh).and_then(|child| collect(child, Vec::new(), limit, stop));
        output.is_ok_and(|output| output.code == 0)
    }

    /// Gives the terminal to a shell on the machine, or to a command, and comes back when it ends.
    ///
    /// # Errors
    /// When ssh cannot be started.
    pub fn interactive(&self, command: &[String]) -> Result<ExitStatus, HarnessError> {
        let mut ssh = self.command(&[]);
        ssh.args(command);
        let mut child = spawn::spawn(ssh)
            .map_err(HarnessError::io("start ssh (apt install openssh-client)"))?;
        child.wait().map_err(HarnessError::io("wait for ssh"))
    }

    /// The command line that a person would type from elsewhere.
    #[must_use]
    pub fn command_line(&self) -> String {
        format!(
            "ssh -i {} -p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null core@127.0.0.1",
            self.key.display(),
            self.at.port()
        )
    }

    /// Keeps one connection open that later calls share: a handshake is dear under emulation.
    pub(crate) fn keep_session(&self) {
        if self.control.as_os_str().len() > 90 {
            return;
        }
        let mut command = spawn::mortal("ssh");
        command
            .args(self.options())
            .args(["-N", "-oControlMaster=yes", "-oControlPersist=no"]);
        command
            .arg(format!("-oControlPath={}", self.control.display()))
            .arg("core@127.0.0.1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let Ok(child) = spawn::spawn(command) else {
            return;
        };
        *self.master.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let begun = Instant::now();
        while !self.control.exists() && begun.elapsed() < Duration::from_secs(30) {
            crate::pause::pause(Duration::from_millis(50));
        }
    }

    /// Ends the shared connection: the machine is about to go down, or has.
    pub fn forget_session(&self) {
        if let Some(mut child) = self
            .master
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            // It may have ended with its machine.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_file(&self.control);
    }

    fn options(&self) -> Vec<String> {
        let mut options = vec!["-i".to_owned(), self.key.display().to_string()];
        options.push(format!("-p{}", self.at.port()));
        for option in [
            "-F/dev/null",
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oGlobalKnownHostsFile=/dev/null",
            "-oLogLevel=ERROR",
            "-oBatchMode=yes",
            "-oIdentitiesOnly=yes",
            "-oIdentityAgent=none",
            "-oConnectTimeout=30",
            "-oServerAliveInterval=15",
        ] {
            options.push(option.to_owned());
        }
        options
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = spawn::mortal("ssh");
        command.args(self.options()).args(more);
        if !self.control.as_os_str().is_empty() && self.control.exists() {
            command.arg(format!("-oControlPath={}", self.control.display()));
        }
        command.arg("core@127.0.0.1");
        command
    }

    fn call(
        &self,
        more: &[&str],
        command: &str,
        input: &[u8],
        limit: Duration,
    ) -> Result<Output, HarnessError> {
        let mut ssh = self.command(more);
        ssh.arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = spawn::spawn(ssh)
            .map_err(HarnessError::io("start ssh (apt install openssh-client)"))?;
        collect(child, input.to_vec(), limit, || false).map_err(HarnessError::io("read from ssh"))
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.forget_session();
    }
}

/// Feeds a child and reads both its outputs until it ends or the limit does.
fn collect(
    mut child: Child,
    input: Vec<u8>,
    limit: Duration,
    mut stop: impl FnMut() -> bool,
) -> io::Result<Output> {
    let stdin = child.stdin.take();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let feeder = std::thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            // A command that does not read all of its input ends the pipe early.
            let _ = stdin.write_all(&input);
        }
    });
    let out = std::thread::spawn(move || read_all(out));
    let err = std::thread::spawn(move || read_all(err));
    let begun = Instant::now();
    let mut looks = 0_u32;
    let code = loop {
        if let Some(status) = child.try_wait()? {
            break status.code().unwrap_or(-1);
        }
        looks += 1;
        if begun.elapsed() > limit || (looks.is_multiple_of(20) && stop()) {
            child.kill()?;
            child.wait()?;
            break -1;
        }
        crate::pause::pause(Duration::from_millis(10));
    };
    let gone = |_| io::Error::other("a thread that reads from ssh has ended");
    let stdout = out.join().map_err(gone)?;
    let stderr = err.join().map_err(gone)?;
    drop(feeder);
    Ok(Output {
        code,
        stdout,
        stderr,
    })
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What came before an error is worth having.
        let _ = stream.read_to_end(&mut bytes);
    }
    bytes
}
