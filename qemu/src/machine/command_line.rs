//! A machine's description as QEMU's command line. All names are relative: QEMU runs in the machine's folder.

use super::builder::{Boot, Chipset, DiskBus, Firmware, MachineBuilder};
use crate::accel::Accel;
use crate::drive::DriveForm;

/// QEMU's words for this machine.
pub(super) fn words(machine: &MachineBuilder) -> Vec<String> {
    let mut line = Line(Vec::new());
    line.add("-nodefaults", "");
    line.add("-name", &machine.name);
    line.add("-display", "none");
    line.add(
        "-machine",
        if machine.chipset == Chipset::Q35 {
            "q35"
        } else {
            "pc"
        },
    );
    accelerate(&mut line, machine);
    line.add("-smp", "1");
    line.add("-m", &machine.memory.to_string());
    // The option ROM is only for network boot, and its file may be missing.
    line.add("-device", "virtio-rng-pci");
    line.add("-device", "virtio-balloon-pci,free-page-reporting=on");
    line.add(
        "-chardev",
        "socket,id=con,path=console.sock,server=on,wait=off,logfile=console.log,logappend=on",
    );
    line.add("-serial", "chardev:con");
    line.add("-qmp", "unix:qmp.sock,server=on,wait=off");
    if machine.smbios {
        let uuid = &machine.identity.uuid;
        line.add(
            "-smbios",
            &format!(
                "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version=27.0.0,serial={uuid},\
                 uuid={uuid},family=Virtual Machine"
            ),
        );
    }
    if !machine.reboot {
        line.add("-no-reboot", "");
    }
    if machine.firmware == Firmware::Uefi {
        line.add(
            "-drive",
            "if=pflash,unit=0,format=raw,readonly=on,file=code.fd",
        );
        line.add("-drive", "if=pflash,unit=1,format=raw,file=vars.fd");
    }
    if machine.image.is_some() {
        disk(&mut line, machine);
    }
    if let Some(form) = machine.config_drive {
        config_drive(&mut line, form, machine.chipset);
    }
    if machine.network {
        line.add(
            "-netdev",
            "stream,id=net0,server=off,addr.type=unix,addr.path=net0.sock",
        );
        line.add(
            "-device",
            &format!("virtio-net-pci,netdev=net0,mac={},romfile=", machine.mac),
        );
        for number in 1..=machine.segments.len() {
            let mac = second_mac(&machine.mac, number);
            line.add(
                "-netdev",
                &format!(
                    "stream,id=net{number},server=off,addr.type=unix,addr.path=net{number}.sock"
                ),
            );
            line.add(
                "-device",
                &format!("virtio-net-pci,netdev=net{number},mac={mac},romfile="),
            );
        }
    }
    if machine.chipset == Chipset::Q35 {
        // q35 takes a device at run time only at a port that is there from the start.
        for port in PORTS {
            line.add(
                "-device",
                &format!("pcie-root-port,id={port},chassis={}", &port[2..]),
            );
        }
    }
    if let Boot::Direct {
        kernel,
        initrd,
        line: words,
    } = &machine.boot
    {
        line.add("-kernel", &kernel.to_string_lossy());
        line.add("-initrd", &initrd.to_string_lossy());
        line.add("-append", words);
    }
    line.0.extend(machine.extra.iter().cloned());
    line.0
}

/// Where devices can be plugged in while the machine runs.
pub(super) const PORTS: [&str; 2] = ["rp1", "rp2"];

/// The address of a further card: the first one's, with its number in the fourth place.
pub(super) fn second_mac(first: &str, number: usize) -> String {
    let mut parts: Vec<String> = first.split(':').map(str::to_owned).collect();
    if let Some(part) = parts.get_mut(3) {
        *part = format!("{number:02x}");
    }
    parts.join(":")
}

struct Line(Vec<String>);

impl Line {
    fn add(&mut self, option: &str, value: &str) {
        self.0.push(option.to_owned());
        if !value.is_empty() {
            self.0.push(value.to_owned());
        }
    }
}

fn accelerate(line: &mut Line, machine: &MachineBuilder) {
    match machine.accel {
        Accel::Kvm => {
            line.add("-accel", "kvm");
            line.add("-cpu", "host");
        }
        Accel::Tcg => {
            line.add(
                "-accel",
                if machine.icount {
                    "tcg,thread=single"
                } else {
                    "tcg"
                },
            );
            // QEMU 7.2's emulation of cmpxchg16b was seen to kill Linux 6.12, rarely.
            line.add("-cpu", "max,cx16=off");
        }
    }
    if machine.icount {
        line.add("-icount", "shift=0,sleep=on");
    }
}

fn disk(line: &mut Line, machine: &MachineBuilder) {
    line.add(
        "-blockdev",
        if machine.nbd { "driver=nbd,node-name=disk0,discard=unmap,server.type=unix,server.path=disk.sock" } else { "driver=qcow2,node-name=disk0,discard=unmap,file.driver=file,file.filename=disk.qcow2,file.discard=unmap" },
    );
    // A kernel that is started directly takes the first place itself.
    let boot = if matches!(machine.boot, Boot::Disk) {
        ",bootindex=0"
    } else {
        ""
    };
    match (machine.bus, machine.chipset) {
        (DiskBus::Virtio, _) => line.add("-device", &format!("virtio-blk-pci,drive=disk0{boot}")),
        (DiskBus::Scsi, _) => {
            line.add("-device", "virtio-scsi-pci,id=scsi0");
            line.add("-device", &format!("scsi-hd,drive=disk0,bus=scsi0.0{boot}"));
        }
        (DiskBus::Ata, Chipset::Q35) => {
            line.add("-device", &format!("ide-hd,drive=disk0,bus=ide.0{boot}"));
        }
        (DiskBus::Ata, Chipset::Pc) => line.add(
            "-device",
            &format!("ide-hd,drive=disk0,bus=ide.0,unit=0{boot}"),
        ),
        (DiskBus::Nvme, _) => line.add(
            "-device",
            &format!("nvme,drive=disk0,serial=garboard{boot}"),
        ),
    }
}

fn config_drive(line: &mut Line, form: DriveForm, chipset: Chipset) {
    line.add(
        "-blockdev",
        "driver=raw,node-name=cd0,read-only=on,file.driver=file,file.filename=config.img",
    );
    let bus = if chipset == Chipset::Q35 {
        "bus=ide.1"
    } else {
        "bus=ide.1,unit=0"
    };
    match form {
        DriveForm::Iso => line.add("-device", &format!("ide-cd,drive=cd0,id=cd0,{bus}")),
        DriveForm::Vfat => line.add("-device", "virtio-blk-pci,drive=cd0"),
    }
}
