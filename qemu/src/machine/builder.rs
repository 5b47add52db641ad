//! The description of a machine, with `OpenStack`'s shape as the default: q35, virtio disk, one network card with a
//! reserved address, metadata service, BIOS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::accel::Accel;
use crate::drive::DriveForm;
use crate::error::HarnessError;
use crate::lab::Lab;
use crate::machine::Machine;
use crate::metadata::Identity;

/// The firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// `SeaBIOS`.
    Bios,
    /// OVMF.
    Uefi,
}

/// The board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chipset {
    /// PCI Express and SATA.
    Q35,
    /// The board that `OpenStack` takes by default.
    Pc,
}

/// How the disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskBus {
    /// `virtio-blk`.
    Virtio,
    /// `virtio-scsi`.
    Scsi,
    /// SATA on q35, IDE on pc.
    Ata,
    /// `NVMe`.
    Nvme,
}

/// What is started.
#[derive(Clone, Debug)]
pub enum Boot {
    /// The disk's own boot loader.
    Disk,
    /// A kernel and an initramfs, without any loader.
    Direct {
        /// The kernel.
        kernel: PathBuf,
        /// The initramfs.
        initrd: PathBuf,
        /// The kernel's command line.
        line: String,
    },
}

/// A machine that is not started yet.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of a machine, set by a method with its name"
)]
pub struct MachineBuilder {
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) boot: Boot,
    pub(crate) image: Option<PathBuf>,
    pub(crate) disk_size: Option<u64>,
    pub(crate) bus: DiskBus,
    pub(crate) memory: u32,
    pub(crate) firmware: Firmware,
    pub(crate) chipset: Chipset,
    pub(crate) smbios: bool,
    pub(crate) network: bool,
    pub(crate) mtu: u16,
    pub(crate) metadata: bool,
    pub(crate) config_drive: Option<DriveForm>,
    pub(crate) icount: bool,
    pub(crate) reboot: bool,
    pub(crate) accel: Accel,
    pub(crate) forwards: Vec<(u16, SocketAddr)>,
    pub(crate) extra: Vec<String>,
    pub(crate) mac: String,
    pub(crate) segments: Vec<u8>,
    pub(crate) isolated: bool,
    pub(crate) nbd: bool,
}

impl MachineBuilder {
    pub(crate) fn new(name: &str, index: u8, identity: Identity) -> MachineBuilder {
        MachineBuilder {
            name: name.to_owned(),
            mac: format!("fa:16:3e:00:00:{index:02x}"),
            identity,
            boot: Boot::Disk,
            image: None,
            disk_size: Some(10_000_000_000),
            bus: DiskBus::Virtio,
            memory: 768,
            firmware: Firmware::Bios,
            chipset: Chipset::Q35,
            smbios: true,
            network: true,
            mtu: 1500,
            metadata: true,
            config_drive: None,
            icount: false,
            reboot: true,
            accel: Accel::Tcg,
            forwards: Vec::new(),
            extra: Vec::new(),
            segments: Vec::new(),
            isolated: false,
            nbd: false,
        }
    }

    /// Boots from a throw-away layer over this image.
    #[must_use]
    pub fn image(mut self, image: &Path) -> MachineBuilder {
        self.image = Some(image.to_owned());
        self
    }

    /// Size of the disk; `None` leaves it as large as the image.
    #[must_use]
    pub fn disk_size(mut self, bytes: Option<u64>) -> MachineBuilder {
        self.disk_size = bytes;
        self
    }

    /// How the disk is attached.
    #[must_use]
    pub fn bus(mut self, bus: DiskBus) -> MachineBuilder {
        self.bus = bus;
        self
    }

    /// Starts a kernel and initramfs directly.
    #[must_use]
    pub fn direct(mut self, kernel: &Path, initrd: &Path, line: &str) -> MachineBuilder {
        self.boot = Boot::Direct {
            kernel: kernel.to_owned(),
            initrd: initrd.to_owned(),
            line: line.to_owned(),
        };
        self
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> MachineBuilder {
        self.memory = mib;
        self
    }

    /// The firmware.
    #[must_use]
    pub fn firmware(mut self, firmware: Firmware) -> MachineBuilder {
        self.firmware = firmware;
        self
    }

    /// The board.
    #[must_use]
    pub fn chipset(mut self, chipset: Chipset) -> MachineBuilder {
        self.chipset = chipset;
        self
    }

    /// The machine's id, which `OpenStack` gives by SMBIOS and metadata.
    #[must_use]
    pub fn uuid(mut self, uuid: &str) -> MachineBuilder {
        uuid.clone_into(&mut self.identity.uuid);
        self
    }

    /// The address that DHCP gives, of the lab's network 192.168.50.0/24.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> MachineBuilder {
        self.identity.address = address;
        self
    }

    /// Hardware address of the network card.
    #[must_use]
    pub fn mac(mut self, mac: &str) -> MachineBuilder {
        mac.clone_into(&mut self.mac);
        mac.clone_into(&mut self.identity.mac);
        self
    }

    /// The host name that the metadata tells, without a domain.
    #[must_use]
    pub fn hostname(mut self, name: &str) -> MachineBuilder {
        name.clone_into(&mut self.identity.name);
        self.identity.hostname = format!("{name}.novalocal");
        self
    }

    /// What the user gives at launch.
    #[must_use]
    pub fn user_data(mut self, user_data: impl Into<Vec<u8>>) -> MachineBuilder {
        self.identity.user_data = Some(user_data.into());
        self
    }

    /// A floating address, which only the metadata knows.
    #[must_use]
    pub fn public_address(mut self, address: Ipv4Addr) -> MachineBuilder {
        self.identity.public_address = Some(address);
        self
    }

    /// No SMBIOS strings of `OpenStack`: a machine of no known cloud.
    #[must_use]
    pub fn without_smbios(mut self) -> MachineBuilder {
        self.smbios = false;
        self
    }

    /// No network card at all.
    #[must_use]
    pub fn without_network(mut self) -> MachineBuilder {
        self.network = false;
        self
    }

    /// The metadata service refuses connections until the test says otherwise.
    #[must_use]
    pub fn without_metadata(mut self) -> MachineBuilder {
        self.metadata = false;
        self
    }

    /// The network's largest packet, as DHCP tells it.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> MachineBuilder {
        self.mtu = mtu;
        self
    }

    /// A config drive with what the metadata service would say.
    #[must_use]
    pub fn config_drive(mut self, form: DriveForm) -> MachineBuilder {
        self.config_drive = Some(form);
        self
    }

    /// Counts instructions instead of time: 10^9 of them are a virtual second, however busy the host is.
    #[must_use]
    pub fn icount(mut self) -> MachineBuilder {
        self.icount = true;
        self
    }

    /// A reboot ends QEMU.
    #[must_use]
    pub fn no_reboot(mut self) -> MachineBuilder {
        self.reboot = false;
        self
    }

    /// How the guest's instructions are executed.
    #[must_use]
    pub fn accel(mut self, accel: Accel) -> MachineBuilder {
        self.accel = accel;
        self
    }

    /// A port of the gateway that leads to a socket of the host, for a registry or a discovery service.
    #[must_use]
    pub fn forward(mut self, port: u16, host: SocketAddr) -> MachineBuilder {
        self.forwards.push((port, host));
        self
    }

    /// One more network card, on a segment (1 and on) without a way out: 192.168.51.0/24 and on.
    #[must_use]
    pub fn second_card(mut self, segment: u8) -> MachineBuilder {
        self.segments.push(segment);
        self
    }

    /// Reaches the gateway, and no other machine.
    #[must_use]
    pub fn isolated(mut self) -> MachineBuilder {
        self.isolated = true;
        self
    }

    /// The disk is served by the harness: its power can be cut, and it can fail while the machine runs.
    #[must_use]
    pub fn own_disk(mut self) -> MachineBuilder {
        self.nbd = true;
        self
    }

    /// More words for QEMU.
    #[must_use]
    pub fn qemu_args<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> MachineBuilder {
        self.extra.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// Starts the machine in a lab.
    ///
    /// # Errors
    /// When QEMU cannot be started; the error carries its own words.
    pub fn start(self, lab: &Lab) -> Result<Machine, HarnessError> {
        Machine::start(lab, self)
    }
}
