//! A machine whose disk the harness serves: real power cuts, faults, and what is plugged in and out while it runs.
//! (H12, H13, H14, H20, H22, H26)

use std::fs;
use std::time::{Duration, Instant};

use qemu_harness::pause::pause;
use qemu_harness::{DiskFaults, Lab, Machine, Patience, PowerCut};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_devices_come_and_go() {
    let lab = ok(Lab::new("disk"));
    let medium = lab.folder().path().join("medium.img");
    fs::write(&medium, vec![7; 1 << 20]).expect("written");
    let cd = format!(
        "driver=raw,node-name=cd0,read-only=on,file.driver=file,file.filename={}",
        medium.display()
    );
    let machine = ok(vm::node(&lab, "node1")
        .own_disk()
        .qemu_args(["-blockdev", &cd])
        .qemu_args(["-device", "ide-cd,drive=cd0,id=cd0,bus=ide.1"])
        .memory(512)
        .start(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    devices_come_and_go(&lab, &machine);
    flushed_records_outlive_a_cut(&machine);
    lying_flushes_are_found_out(&machine);
    faults_reach_the_guest(&machine);
}

fn devices_come_and_go(lab: &Lab, machine: &Machine) {
    let mut checks = Checks::new(machine);
    ok(machine.set_link(0, false));
    pause(Duration::from_secs(2));
    ok(machine.set_link(0, true));
    checks.soon("journalctl -u systemd-networkd -o cat", "eth0: no carrier");
    ok(machine.plug_disk("extra", 64 << 20));
    checks.soon("cat /sys/block/vd*/serial", "extra");
    ok(machine.unplug("extra"));
    checks.is(
        "cat /sys/block/vd*/serial 2>/dev/null | grep -c extra || true",
        "0",
    );
    let port = ok(machine.plug_card(lab.network(), "card", "fa:16:3e:02:00:01", 2));
    checks.soon("cat /sys/class/net/*/address", "fa:16:3e:02:00:01");
    checks.soon("ip -4 -o addr", "192.168.52.14/24");
    checks.that(port.leases() > 0, "the new card has asked for its address");
    ok(machine.unplug("card"));
    let read = "sudo dd if=/dev/sr0 of=/dev/null bs=2048 count=1 2>&1";
    checks.works(read);
    ok(machine.eject());
    checks.fails(read, 1, "No medium found");
    fs::copy(
        lab.folder().path().join("medium.img"),
        machine.folder().join("config.img"),
    )
    .expect("copied");
    ok(machine.insert());
    checks.soon(read, "2048 bytes");
    ok(machine.stop());
    checks.that(
        machine.ending().is_none(),
        "a stopped machine has not ended",
    );
    ok(machine.cont());
    checks.works("true");
    checks.finish();
}

/// One record a line, each safe before the next; then an overwrite that nobody flushes.
fn flushed_records_outlive_a_cut(machine: &Machine) {
    let ssh = machine.ssh();
    ok(ssh.check(
        "cd /var/tmp; tr '\\0' A < /dev/zero | head -c 4194304 > a; tr '\\0' B < /dev/zero | head -c 4194304 > b; \
         for n in $(seq 50); do echo $n | dd of=records oflag=append conv=notrunc,fdatasync 2>/dev/null; done",
    ));
    // The file system or the journal may flush by itself in this moment: then once more.
    let overwrite = "cd /var/tmp; cp a file; sync; dd if=b of=file bs=64k oflag=direct conv=notrunc 2>/dev/null";
    let waits = (0..5).any(|_| {
        ok(ssh.check(overwrite));
        machine.disk().counts().waiting >= 64
    });
    let lost = ok(machine.power_cut(PowerCut::LoseAll));
    assert!(waits && lost >= 64, "{lost} writes lost");
    ok(machine.start_again());
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(machine);
    checks.is("wc -l < /var/tmp/records", "50");
    checks.is("tr -d A < /var/tmp/file | wc -c", "0");
    checks.has("wc -c < /var/tmp/file", "4194304");
    checks.finish();
}

/// The test of the test: a disk that promises and does not keep it must be seen to.
fn lying_flushes_are_found_out(machine: &Machine) {
    machine.disk().faults(|faults| faults.flush_lies = true);
    ok(machine.ssh().check(
        "cd /var/tmp; for n in $(seq 50); do echo $n | dd of=lies oflag=append conv=notrunc,fdatasync 2>/dev/null; done",
    ));
    let lost = ok(machine.power_cut(PowerCut::LoseAll));
    assert!(lost > 0);
    machine
        .disk()
        .faults(|faults| *faults = DiskFaults::default());
    ok(machine.start_again());
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(machine);
    checks.fails(
        "test $(cat /var/tmp/lies 2>/dev/null | wc -l) -eq 50",
        1,
        "",
    );
    checks.finish();
}

fn faults_reach_the_guest(machine: &Machine) {
    let disk = machine.disk();
    let mut checks = Checks::new(machine);
    let sync = "echo x | dd of=/var/tmp/slow conv=fsync 2>/dev/null";
    checks.works(sync);
    disk.faults(|faults| faults.flush_delay = Duration::from_secs(1));
    let begun = Instant::now();
    checks.works(sync);
    checks.that(
        begun.elapsed().as_secs_f64() >= 1.0,
        "a flush takes a second",
    );
    disk.faults(|faults| *faults = DiskFaults::default());
    let read =
        "sudo dd if=/dev/disk/by-partlabel/USR-A of=/dev/null bs=4k count=1 iflag=direct 2>&1";
    checks.works(read);
    disk.faults(|faults| faults.read_error = true);
    let failed = ok(machine.ssh().run(read));
    disk.faults(|faults| faults.read_error = false);
    checks.that(failed.all().contains("Input/output error"), &failed.all());
    checks.works(read);
    checks.that(disk.counts().errors > 0, "errors are counted");
    checks.finish();
}
