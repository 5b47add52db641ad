//! The image's own way up and down: loader, kernel, PID 1, login, power. (I01, I02, I04, I20, I21, H21, M1, M2)

use std::fs;
use std::time::Duration;

use qemu_harness::disk::boot_files;
use qemu_harness::{Chipset, DiskBus, Ending, Firmware, Lab, Patience};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

#[test]
fn openstacks_usual_board_boots_by_bios_to_a_login_on_the_serial_port_and_obeys_the_power_button() {
    let lab = ok(Lab::new("pc"));
    let machine = ok(vm::node(&lab, "node1").chipset(Chipset::Pc).start(&lab));
    ok(machine.wait_for_console(" on Garboard", Patience::BOOT));
    ok(machine.wait_for_console("node1 login:", Patience::BOOT));
    let text = machine.console().text();
    let first = text.lines().position(|line| line.contains("Linux version"));
    assert!(
        first.is_some_and(|line| line < 30),
        "the serial log begins with the kernel's first line"
    );
    ok(machine.wait_for_ssh(Patience::SOON));
    let mut checks = Checks::new(&machine);
    checks.has("cat /proc/cmdline", "console=ttyS0");
    checks.has("systemctl is-active serial-getty@ttyS0.service", "active");
    checks.has("bash -lic true 2>/dev/null | grep -c ^Garboard", "1");
    checks.finish();
    machine.ssh().forget_session();
    ok(machine.power_button());
    assert_eq!(
        ok(machine.wait_for_end(Duration::from_secs(60))),
        Ending::Exit(0)
    );
}

#[test]
fn uefi_boots_the_same_file_and_its_variables_stay_over_a_restart() {
    let lab = ok(Lab::new("uefi"));
    let machine = ok(vm::node(&lab, "node1").firmware(Firmware::Uefi).start(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    checks.works("test -d /sys/firmware/efi");
    // Before that sshd is reloaded once for the later host keys and may refuse a connection.
    checks.soon("systemctl is-active multi-user.target", "active");
    checks.finish();
    machine.ssh().forget_session();
    // The connection ends with the machine: its code says nothing.
    let _ = machine.ssh().run("sudo poweroff");
    assert_eq!(
        ok(machine.wait_for_end(Duration::from_secs(60))),
        Ending::Exit(0)
    );
    let vars = fs::read(machine.folder().join("vars.fd")).expect("the variables");
    let mark = machine.console().mark();
    ok(machine.start_again());
    ok(machine.wait_for_console_after(mark, "Linux version", Patience::BOOT));
    machine.kill();
    let later = fs::read(machine.folder().join("vars.fd")).expect("the variables");
    assert_eq!(vars.len(), later.len());
}

#[test]
fn a_disk_of_exactly_the_images_size_boots_without_growth_and_without_an_error() {
    let lab = ok(Lab::new("exact"));
    let machine = ok(vm::node(&lab, "node1").disk_size(None).start(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    checks.soon("systemctl is-active multi-user.target", "active");
    checks.is("systemctl --failed --no-legend", "");
    checks.finish();
    let text = machine.console().text();
    for word in [
        "grew to the end",
        "resizing filesystem",
        "Alternate GPT header",
    ] {
        assert!(
            !text.contains(word),
            "{word:?} stands in the console's text"
        );
    }
}

#[test]
fn a_missing_slot_is_named_on_the_console_and_the_machine_starts_anew() {
    let lab = ok(Lab::new("noslot"));
    let files = ok(boot_files(&vm::image()));
    let kernel = lab.folder().path().join("kernel");
    let initrd = lab.folder().path().join("initrd");
    fs::write(&kernel, files.kernel).expect("written");
    fs::write(&initrd, files.initrd).expect("written");
    let line = files.line.replace("gb.usr=USR-A", "gb.usr=USR-X");
    assert_ne!(line, files.line, "the kernel's parameters name the slot");
    let machine = ok(vm::node(&lab, "node1")
        .direct(&kernel, &initrd, &line.replace("panic=10", "panic=-1"))
        .no_reboot()
        .start(&lab));
    ok(machine.wait_for_console("no partition labelled USR-X appeared", Patience::BOOT));
    ok(machine.wait_for_end(Duration::from_secs(60)));
}

#[test]
#[ignore = "minutes: one boot for each way to attach a disk (make full)"]
fn every_usual_bus_of_a_disk_boots() {
    let ways = [
        (Chipset::Q35, DiskBus::Scsi),
        (Chipset::Q35, DiskBus::Ata),
        (Chipset::Q35, DiskBus::Nvme),
        (Chipset::Pc, DiskBus::Ata),
        (Chipset::Pc, DiskBus::Virtio),
    ];
    for (chipset, bus) in ways {
        let lab = ok(Lab::new("bus"));
        let machine = ok(vm::node(&lab, "node1")
            .chipset(chipset)
            .bus(bus)
            .start(&lab));
        ok(machine.wait_for_ssh(Patience::BOOT));
        let mut checks = Checks::new(&machine);
        checks.works("test -e /dev/disk/by-partlabel/ROOT");
        checks.finish();
    }
}
