//! A metadata service that is late, spoilt, or not there at all. (M7, H05, C-83, C-84)

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use qemu_harness::disk::boot_files;
use qemu_harness::{Lab, Patience};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

#[test]
fn a_late_and_stumbling_service_delays_only_what_needs_it() {
    let lab = ok(Lab::new("late"));
    let builder = vm::node(&lab, "node1")
        .user_data("#cloud-config\nhostname: late\n")
        .without_metadata();
    let machine = ok(builder.start(&lab));
    ok(machine.wait_for_console("login:", Patience::BOOT));
    assert!(machine.metadata().requests().is_empty());
    machine.metadata().faults(|faults| {
        faults.refuse = false;
        faults.unavailable = 3;
        faults.delay = Duration::from_millis(300);
    });
    ok(machine.wait_for_ssh(Patience::BOOT));
    let requests = machine.metadata().requests();
    assert!(
        requests
            .iter()
            .filter(|request| request.status == 503)
            .count()
            == 3,
        "{requests:?}"
    );
    let mut checks = Checks::new(&machine);
    checks.soon("hostname", "late");
    checks.finish();
}

#[test]
fn without_any_service_the_machine_comes_up_and_says_why_nobody_can_log_in() {
    let lab = ok(Lab::new("none"));
    let files = ok(boot_files(&vm::image()));
    let (kernel, initrd) = (
        lab.folder().path().join("kernel"),
        lab.folder().path().join("initrd"),
    );
    std::fs::write(&kernel, files.kernel).expect("written");
    std::fs::write(&initrd, files.initrd).expect("written");
    let line = format!("{} coreos.autologin=ttyS0", files.line);
    let machine = ok(vm::node(&lab, "node1")
        .direct(&kernel, &initrd, &line)
        .without_metadata()
        .start(&lab));
    ok(machine.wait_for_console("core@", Patience::BOOT));
    ok(machine.wait("an ssh banner", Patience::BOOT, || {
        let mut banner = [0; 8];
        let mut stream = TcpStream::connect(machine.port()?.ssh()).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        stream.read_exact(&mut banner).ok()?;
        (&banner == b"SSH-2.0-").then_some(())
    }));
    let mark = machine.console().mark();
    machine
        .console()
        .type_in("systemctl is-active sshd getty.target; echo 'do''ne'\n")
        .expect("typed");
    ok(machine.wait_for_console_after(mark, "done", Patience::SOON));
    let said = machine.console().since(mark);
    let active = said
        .lines()
        // The shell's own control sequences may stand before the first one.
        .filter(|line| line.trim().ends_with("active"))
        .count();
    assert_eq!(active, 2, "{said}");
    let text = machine.console().text();
    assert!(
        text.contains("waiting for a config drive or a metadata service"),
        "the login says why"
    );
}
