//! The image's own way up and down: loader, kernel, PID 1, login, power. (I01, I20, H21, M1, M2)

use std::fs;
use std::time::Duration;

use qemu_harness::{Chipset, Ending, Firmware, Lab, Patience};
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
