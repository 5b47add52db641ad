//! User-data as a person writes it, made to fit the harness: the key that it names by a placeholder, and the discovery
//! service, which is our etcd2 running on this host behind a port of the gateway.

mod append;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::error::HarnessError;
use crate::network::GATEWAY;
use crate::registry::REGISTRY_PORT;
use crate::run_dir::RunDir;
use crate::spawn;

pub use append::append;

/// The port of the gateway that leads to the discovery service.
pub const DISCOVERY_PORT: u16 = 8087;
/// The place of a key, as the tutorial writes it.
const KEY: &str = "[YOUR SSH PUBLIC KEY]";
const PUBLIC_DISCOVERY: &str = "https://discovery.etcd.io/";

/// Does the user-data name a token of the public discovery service, which no test machine reaches?
#[must_use]
pub fn wants_discovery(given: &[u8]) -> bool {
    String::from_utf8_lossy(given).contains(PUBLIC_DISCOVERY)
}

/// Puts the key in its place, and the harness's discovery URL in the place of the public one. User-data that is no text
/// (compressed, for instance) stays as it is.
#[must_use]
pub fn fill(given: &[u8], key: &str, discovery: Option<&str>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(given) else {
        return given.to_vec();
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let line = line.replace(KEY, key);
        match (line.find(PUBLIC_DISCOVERY), discovery) {
            (Some(at), Some(url)) => {
                let end = line[at..]
                    .find([' ', '"', '\'', '\r'])
                    .map_or(line.len(), |length| at + length);
                lines.push(format!("{}{url}{}", &line[..at], &line[end..]));
            }
            _ => lines.push(line),
        }
    }
    lines.join("\n").into_bytes()
}

/// Timeouts for emulated machines, which are many times slower than the real ones that the programs' defaults are for.
/// User-data that sets them itself wins: its drop-ins come later.
const SLOW: [(&str, &[&str]); 2] = [
    (
        "etcd2.service",
        &["ETCD_HEARTBEAT_INTERVAL=500", "ETCD_ELECTION_TIMEOUT=5000"],
    ),
    (
        "fleet.service",
        &["FLEET_ETCD_REQUEST_TIMEOUT=10", "FLEET_AGENT_TTL=60s"],
    ),
];

/// Adds the drop-ins `10-oem.conf` with longer timeouts, as an OEM's image would bring them.
#[must_use]
pub fn slow_timeouts(user_data: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(user_data) else {
        return user_data.to_vec();
    };
    let longer = SLOW
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (unit, variables)| {
            let name = format!("- name: {unit}");
            let variables: Vec<String> = variables
                .iter()
                .map(|variable| format!("        Environment={variable}"))
                .collect();
            let mut item = vec![
                name.as_str(),
                "  drop-ins:",
                "    - name: 10-oem.conf",
                "      content: |",
                "        [Service]",
            ];
            item.extend(variables.iter().map(String::as_str));
            append(&text, &["coreos", "units"], &item)
        });
    longer.into_bytes()
}

/// Tells Docker of the registry behind the gateway, by its own configuration file: whatever the image's unit says.
#[must_use]
pub fn registry_mirror(user_data: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(user_data) else {
        return user_data.to_vec();
    };
    let mirror = format!("    {{ \"registry-mirrors\": [\"http://{GATEWAY}:{REGISTRY_PORT}\"] }}");
    let item = ["- path: /etc/docker/daemon.json", "  content: |", &mirror];
    append(text, &["write_files"], &item).into_bytes()
}

/// Our etcd2 on this host, serving one token.
#[derive(Debug)]
pub struct Discovery {
    child: Child,
    address: SocketAddr,
    token: String,
}

impl Discovery {
    /// Starts the service and makes a token for a cluster of the given size.
    ///
    /// # Errors
    /// When the program cannot be started or does not answer.
    pub fn start(program: &Path, folder: &RunDir, size: usize) -> Result<Discovery, HarnessError> {
        let data = folder.path().join("discovery");
        let log = File::create(folder.path().join("discovery.log"))
            .map_err(HarnessError::io("write discovery.log"))?;
        // The program has to bind its port itself; two ports are picked and freed just before.
        let free = || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr())
        };
        let address = free().map_err(HarnessError::io("find a free port"))?;
        let peer = free().map_err(HarnessError::io("find a free port"))?;
        let mut command = spawn::mortal(program);
        command
            .args(["--name", "discovery", "--data-dir"])
            .arg(&data)
            .arg(format!("--listen-client-urls=http://{address}"))
            .arg(format!("--advertise-client-urls=http://{address}"))
            .arg(format!("--listen-peer-urls=http://{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://{peer}"))
            .arg(format!("--initial-cluster=discovery=http://{peer}"))
            .stdin(Stdio::null())
            .stdout(
                log.try_clone()
                    .map_err(HarnessError::io("write discovery.log"))?,
            )
            .stderr(log);
        let what = || format!("start {} as the discovery service", program.display());
        let child = spawn::spawn(command).map_err(HarnessError::io(what()))?;
        let token = "6a7b0001d15c04e24b0aa5d0000000aa".to_owned();
        let mut service = Discovery {
            child,
            address,
            token,
        };
        let begun = Instant::now();
        loop {
            let path = format!("/v2/keys/discovery/{}/_config/size", service.token);
            match put(address, &path, &format!("value={size}")) {
                Ok(answer) if answer.starts_with("HTTP/1.1 20") => return Ok(service),
                Ok(_) | Err(_) if begun.elapsed() < Duration::from_secs(20) => {}
                Ok(answer) => {
                    let line = answer.lines().next().unwrap_or_default().to_owned();
                    return Err(HarnessError::io(what())(std::io::Error::other(line)));
                }
                Err(error) => return Err(HarnessError::io(what())(error)),
            }
            if let Ok(Some(status)) = service.child.try_wait() {
                let said = std::fs::read_to_string(folder.path().join("discovery.log"))
                    .unwrap_or_default();
                let last = said.lines().last().unwrap_or_default();
                return Err(HarnessError::io(what())(std::io::Error::other(format!(
                    "{status}: {last}"
                ))));
            }
            crate::pause::pause(Duration::from_millis(100));
        }
    }

    /// Where the service listens on this host.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token's URL, as a machine sees it.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "http://{GATEWAY}:{DISCOVERY_PORT}/v2/keys/discovery/{}",
            self.token
        )
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(to: SocketAddr, path: &str, form: &str) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = form.len();
    write!(
        stream,
        "PUT {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_discovery_take_the_places_that_the_tutorial_leaves_for_them() {
        let given = b"ssh_authorized_keys:\n  - [YOUR SSH PUBLIC KEY]\n    discovery: https://discovery.etcd.io/abc\n";
        assert!(wants_discovery(given));
        let filled = fill(
            given,
            "ssh-ed25519 AAAA me",
            Some("http://192.168.50.1:8087/x"),
        );
        let wanted = "ssh_authorized_keys:\n  - ssh-ed25519 AAAA me\n    discovery: http://192.168.50.1:8087/x\n";
        assert_eq!(String::from_utf8_lossy(&filled), wanted);
    }

    #[test]
    fn slower_timeouts_are_added_to_the_tutorials_user_data_and_change_nothing_else() {
        let tutorial = include_bytes!("../../../tests/testdata/tutorial.yaml");
        let filled = fill(tutorial, "ssh-ed25519 AAAA me", None);
        let text = String::from_utf8(slow_timeouts(&filled)).expect("text");
        for wanted in [
            "    - name: etcd2.service\n      drop-ins:\n        - name: 10-oem.conf\n",
            "            Environment=ETCD_ELECTION_TIMEOUT=5000\n",
            "            Environment=FLEET_AGENT_TTL=60s\n",
        ] {
            assert!(text.contains(wanted), "{wanted:?} in {text}");
        }
        assert_eq!(slow_timeouts(b"#!/bin/sh\n"), b"#!/bin/sh\n");
        let text = String::from_utf8(registry_mirror(&filled)).expect("text");
        let daemon = "    { \"registry-mirrors\": [\"http://192.168.50.1:5000\"] }\n";
        let wanted = "write_files:\n  - path: /etc/docker/daemon.json\n    content: |\n  ";
        assert!(text.contains(&format!("{wanted}{daemon}")), "{text}");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        assert_eq!(fill(&[0x1f, 0x8b, 0xff], "key", None), [0x1f, 0x8b, 0xff]);
    }
}
