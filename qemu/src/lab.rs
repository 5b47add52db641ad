//! A lab: the run folder, the network, and the key that opens its machines. One per test, or per `qemu-cluster run`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::HarnessError;
use crate::machine::MachineBuilder;
use crate::metadata::Identity;
use crate::network::Network;
use crate::places::Places;
use crate::run_dir::RunDir;
use crate::ssh::Ssh;

/// What the machines of one test share. Dropping it removes everything.
#[derive(Debug)]
pub struct Lab {
    network: Arc<Network>,
    public_key: String,
    key: PathBuf,
    count: AtomicU8,
    folder: RunDir,
    places: Option<Places>,
}

impl Lab {
    /// A lab for one machine: waits until the host has a place for it.
    ///
    /// # Errors
    /// When the host lacks something.
    pub fn new(name: &str) -> Result<Lab, HarnessError> {
        Lab::with_places(name, 1)
    }

    /// A lab for so many machines: waits until the host has places for all of them.
    ///
    /// # Errors
    /// When the host lacks something.
    pub fn with_places(name: &str, machines: usize) -> Result<Lab, HarnessError> {
        let places = Places::take(machines)?;
        let mut lab = Lab::in_folder(RunDir::create(name)?)?;
        lab.places = Some(places);
        Ok(lab)
    }

    /// A lab in a given folder, without waiting for a place.
    ///
    /// # Errors
    /// When the host lacks something.
    pub fn in_folder(folder: RunDir) -> Result<Lab, HarnessError> {
        let key = folder.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "garboard-test", "-f"])
            .arg(&key)
            .stdin(Stdio::null())
            .output()
            .map_err(HarnessError::io(
                "start ssh-keygen (apt install openssh-client)",
            ))?;
        let public_key =
            fs::read_to_string(key.with_extension("pub")).map_err(HarnessError::io(format!(
                "make an ssh key ({})",
                String::from_utf8_lossy(&made.stderr).trim()
            )))?;
        let network =
            Arc::new(Network::start().map_err(HarnessError::io("start the harness's network"))?);
        Ok(Lab {
            network,
            public_key,
            key,
            count: AtomicU8::new(0),
            folder,
            places: None,
        })
    }

    /// Describes the lab's next machine: 192.168.50.14 and on, with the lab's key in its metadata.
    #[must_use]
    pub fn machine(&self, name: &str) -> MachineBuilder {
        let index = self.count.fetch_add(1, Ordering::Relaxed);
        let identity = Identity {
            name: name.to_owned(),
            hostname: format!("{name}.novalocal"),
            uuid: format!("0682a8f2-0000-4000-8000-0000000000{index:02x}"),
            address: Ipv4Addr::new(192, 168, 50, 14_u8.saturating_add(index)),
            mac: format!("fa:16:3e:00:00:{:02x}", index + 1),
            keys: vec![("garboard".into(), self.public_key.trim().to_owned())],
            ..Identity::example()
        };
        MachineBuilder::new(name, index + 1, identity)
    }

    /// The run folder.
    #[must_use]
    pub fn folder(&self) -> &RunDir {
        &self.folder
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The key that the machines let in.
    #[must_use]
    pub fn public_key(&self) -> &str {
        self.public_key.trim()
    }

    /// The file with the key that opens the machines.
    #[must_use]
    pub fn key(&self) -> &std::path::Path {
        &self.key
    }

    pub(crate) fn ssh(&self, machine: &str, at: SocketAddr) -> Ssh {
        let control = self.folder.path().join(machine).join("ssh.sock");
        Ssh::new(machine, self.key.clone(), at, control)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.keep();
        }
    }
}
