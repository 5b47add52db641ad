//! What is done to a machine while it runs: cables, clocks, media, and devices plugged in and out.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Machine;
use super::command_line::PORTS;
use crate::error::HarnessError;
use crate::network::{Network, Port, PortConfig};

impl Machine {
    /// Stops the guest's clock and CPU: it is there, and does nothing.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn stop(&self) -> Result<(), HarnessError> {
        self.qmp("stop", &json!({})).map(drop)
    }

    /// Lets a stopped guest go on.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn cont(&self) -> Result<(), HarnessError> {
        self.qmp("cont", &json!({})).map(drop)
    }

    /// Pulls the cable of a card (0 is the first), or plugs it in: the guest sees its carrier go and come.
    ///
    /// # Errors
    /// When there is no such card.
    pub fn set_link(&self, card: usize, up: bool) -> Result<(), HarnessError> {
        let name = format!("net{card}");
        self.qmp("set_link", &json!({ "name": name, "up": up }))
            .map(drop)
    }

    /// Takes the config drive out of its CD-ROM drive.
    ///
    /// # Errors
    /// When there is none.
    pub fn eject(&self) -> Result<(), HarnessError> {
        self.qmp("eject", &json!({ "id": "cd0", "force": true }))
            .map(drop)
    }

    /// Puts the config drive back.
    ///
    /// # Errors
    /// When there is no CD-ROM drive.
    pub fn insert(&self) -> Result<(), HarnessError> {
        let medium = json!({ "id": "cd0", "filename": "config.img", "format": "raw", "read-only-mode": "read-only" });
        self.qmp("blockdev-change-medium", &medium).map(drop)
    }

    /// Plugs in an empty disk; its serial number is the name.
    ///
    /// # Errors
    /// When the name is taken or no port is free.
    pub fn plug_disk(&self, name: &str, bytes: u64) -> Result<(), HarnessError> {
        let file = format!("{name}.raw");
        fs::File::create(self.folder().join(&file))
            .and_then(|disk| disk.set_len(bytes))
            .map_err(HarnessError::io(format!("make {file}")))?;
        let node = json!({ "driver": "raw", "node-name": format!("{name}-node"),
            "file": { "driver": "file", "filename": file } });
        self.qmp("blockdev-add", &node)?;
        self.plug(
            name,
            &json!({ "driver": "virtio-blk-pci", "drive": format!("{name}-node"), "serial": name }),
        )
    }

    /// Plugs in a network card on a segment.
    ///
    /// # Errors
    /// When the name is taken or no port is free.
    pub fn plug_card(
        &self,
        network: &Network,
        name: &str,
        mac: &str,
        segment: u8,
    ) -> Result<Port, HarnessError> {
        let config = PortConfig::second(name, segment, self.address());
        let socket = format!("{name}.sock");
        let port = network
            .attach(&self.short(&socket), config)
            .map_err(HarnessError::io("make a port of the network"))?;
        let cable = json!({ "type": "stream", "id": format!("{name}-cable"), "server": false,
            "addr": { "type": "unix", "path": socket } });
        self.qmp("netdev_add", &cable)?;
        self.plug(name, &json!({ "driver": "virtio-net-pci", "netdev": format!("{name}-cable"), "mac": mac, "romfile": "" }))?;
        Ok(port)
    }

    fn plug(&self, name: &str, device: &serde_json::Value) -> Result<(), HarnessError> {
        let mut taken = self.plugged();
        let port = PORTS
            .iter()
            .zip(taken.iter_mut())
            .find(|(_, holder)| holder.is_none());
        let (port, holder) = port.ok_or_else(|| HarnessError::Node {
            text: format!("{}: no port is free", self.name()),
        })?;
        let mut device = device.clone();
        device["id"] = name.into();
        device["bus"] = (*port).into();
        self.qmp("device_add", &device)?;
        *holder = Some(name.to_owned());
        Ok(())
    }

    /// Takes a device out again that was plugged in, and waits until the guest has let it go.
    ///
    /// # Errors
    /// When there is no such device, or the guest keeps it.
    pub fn unplug(&self, name: &str) -> Result<(), HarnessError> {
        let gone = |machine: &Machine| {
            let events = machine.events();
            events
                .iter()
                .filter(|event| event.name == "DEVICE_DELETED" && event.data["device"] == name)
                .count()
        };
        let before = gone(self);
        self.qmp("device_del", &json!({ "id": name }))?;
        let begun = Instant::now();
        while gone(self) == before {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(HarnessError::Node {
                    text: format!("{}: the guest keeps {name}", self.name()),
                });
            }
            crate::pause::pause(Duration::from_millis(20));
        }
        for holder in self
            .plugged()
            .iter_mut()
            .filter(|holder| holder.as_deref() == Some(name))
        {
            *holder = None;
        }
        // Only one of the two was behind it.
        let _ = self.qmp(
            "blockdev-del",
            &json!({ "node-name": format!("{name}-node") }),
        );
        let _ = self.qmp("netdev_del", &json!({ "id": format!("{name}-cable") }));
        Ok(())
    }
}
