//! etcd servers as processes on loopback, ours or Debian's, and the plainest client there is.
//!
//! It shares no code with the servers: a test that imports what it tests agrees with its mistakes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whose program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// etcd2 of this workspace.
    Ours,
    /// Debian's etcd with the v2 API switched on.
    Reference,
}

impl Program {
    /// From `UNDER_TEST`: ours, if it does not say reference.
    #[must_use]
    pub fn under_test() -> Program {
        match std::env::var("UNDER_TEST").as_deref() {
            Ok("reference") => Program::Reference,
            _ => Program::Ours,
        }
    }

    /// The server's path, if it is there.
    #[must_use]
    pub fn server(self) -> Option<PathBuf> {
        let path = match self {
            Program::Ours => built("etcd2"),
            Program::Reference => PathBuf::from("/usr/bin/etcd"),
        };
        path.exists().then_some(path)
    }

    /// etcdctl's path, if it is there.
    #[must_use]
    pub fn ctl(self) -> Option<PathBuf> {
        let path = match self {
            Program::Ours => built("etcdctl"),
            Program::Reference => PathBuf::from("/usr/bin/etcdctl"),
        };
        path.exists().then_some(path)
    }
}

/// A program of this workspace, beside the running test or bench.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .unwrap_or_else(|| Path::new("."));
    folder.join(name)
}

/// A port of loopback that nobody has at the moment.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

/// A server that is killed when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    /// `None` after a kill.
    child: Option<Child>,
    program: Program,
    folder: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// Client port.
    pub port: u16,
    /// Peer port.
    pub peer_port: u16,
    /// Name of the member.
    pub name: String,
}

impl Server {
    /// A server with its data in a folder; [`Server::start`] starts it.
    #[must_use]
    pub fn new(program: Program, folder: &Path, name: &str) -> Server {
        Server {
            child: None,
            program,
            folder: folder.join(name),
            arguments: Vec::new(),
            environment: Vec::new(),
            port: free_port(),
            peer_port: free_port(),
            name: name.to_owned(),
        }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Server {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Server {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its client URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its peer URL.
    #[must_use]
    pub fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer_port)
    }

    /// The command that starts it.
    ///
    /// # Panics
    /// When the program is missing.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let program = self.program.server().unwrap_or_else(|| {
            panic!("{:?} is not there: cargo build -p etcd2 -p etcdctl, or apt-get install etcd-server", self.program)
        });
        let (client, peer) = (self.url(), self.peer_url());
        let mut words = vec![program.display().to_string()];
        let data = self.folder.join("data");
        for (flag, value) in [
            ("name", self.name.clone()),
            ("data-dir", data.display().to_string()),
            ("listen-client-urls", client.clone()),
            ("advertise-client-urls", client),
            ("listen-peer-urls", peer.clone()),
            ("initial-advertise-peer-urls", peer.clone()),
        ] {
            words.push(format!("--{flag}={value}"));
        }
        if !self.arguments.iter().any(|given| {
            given.starts_with("--initial-cluster=") || given.starts_with("--discovery")
        }) {
            words.push(format!("--initial-cluster={}={peer}", self.name));
        }
        if self.program == Program::Reference {
            words.push("--enable-v2=true".to_owned());
        }
        words.extend(self.arguments.iter().cloned());
        words
    }

    /// Starts it, without waiting for anything.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&mut self) {
        let words = self.command();
        self.spawn(&words);
    }

    /// Starts it by another command line, as under strace.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&mut self, words: &[String]) {
        std::fs::create_dir_all(&self.folder).expect("a folder for the data");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a file for the log");
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.child = Some(command.spawn().expect("the server starts"));
    }

    /// Starts it and waits until it is healthy.
    ///
    /// # Panics
    /// When it does not become healthy; with its log.
    pub fn start_and_wait(&mut self) {
        self.start();
        self.wait_healthy();
    }

    /// Waits until `/health` says so.
    ///
    /// # Panics
    /// When it does not in time; with its log.
    pub fn wait_healthy(&self) {
        let healthy = eventually(Duration::from_secs(30), || {
            self.get("/health").is_ok_and(|answer| answer.status == 200)
        });
        assert!(
            healthy,
            "{} is not healthy; its log:\n{}",
            self.name,
            self.log()
        );
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it at once, as by SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop, by SIGTERM, and waits; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)?;
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        child.wait().ok()?.code()
    }

    /// Waits for it to end by itself; its exit code.
    pub fn wait_end(&mut self, patience: Duration) -> Option<i32> {
        let mut child = self.child.take()?;
        let ended = eventually(patience, || {
            child.try_wait().is_ok_and(|status| status.is_some())
        });
        if !ended {
            let _ = child.kill();
        }
        child.wait().ok()?.code()
    }

    /// A GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> std::io::Result<Answer> {
        Http::connect(self.port)?.request("GET", path, "")
    }

    /// A PUT of a value.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn put(&self, key: &str, value: &str) -> std::io::Result<Answer> {
        Http::connect(self.port)?.request(
            "PUT",
            &format!("/v2/keys{key}"),
            &format!("value={value}"),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries until it is true or patience is over.
pub fn eventually(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begin.elapsed() > patience {
            return false;
        }
        pause(Duration::from_millis(50));
    }
}

/// A pause between two looks from outside at another process.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are only seen by looking again"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Answer {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One connection.
#[derive(Debug)]
pub struct Http {
    stream: BufReader<TcpStream>,
}

impl Http {
    /// Connects to a port of loopback.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(port: u16) -> std::io::Result<Http> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        Ok(Http {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
        let length = body.len();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/x-www-form-urlencoded\r\n"
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(text.as_bytes())?;
        self.read()
    }

    /// [`Http::request`] with a body of JSON.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub fn request_json(
        &mut self,
        method: &str,
        path: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(text.as_bytes())?;
        self.read()
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn read(&mut self) -> std::io::Result<Answer> {
        let bad = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let status = self
            .line()?
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(bad)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(bad)?;
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        let mut body = Vec::new();
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(|_| bad())?;
                let mut chunk = vec![0; size];
                self.stream.read_exact(&mut chunk)?;
                body.extend_from_slice(&chunk);
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = answer
                .header("content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        }
        Ok(Answer {
            body: String::from_utf8_lossy(&body).into_owned(),
            ..answer
        })
    }
}
