//! The harness itself, with guests of a few bytes: death, crashes, leftovers, the KVM probe. (H16, H17,
//! H25, H26)

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use qemu_harness::accel::{self, Accel, Cache, Facts};
use qemu_harness::disk::boot_files;
use qemu_harness::pause::pause;
use qemu_harness::{Ending, HarnessError, Lab, Machine, Patience};
use system_tests::vm;

use crate::ok;

/// `cli; hlt`, for ever.
const HALT: &[u8] = &[0xfa, 0xf4, 0xeb, 0xfd];
/// `lidt` of an empty table, then `int3`: a triple fault.
const TRIPLE_FAULT: &[u8] = &[0x31, 0xc0, 0x8e, 0xd8, 0x0f, 0x01, 0x1e, 0x20, 0x7c, 0xcc];

/// A machine whose whole software is a boot sector.
fn toy(lab: &Lab, name: &str, code: &[u8]) -> Result<Machine, HarnessError> {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(1 << 20, 0);
    let path = lab.folder().path().join(format!("{name}.raw"));
    fs::write(&path, sector).expect("written");
    lab.machine(name)
        .image(&path)
        .disk_size(None)
        .memory(64)
        .no_reboot()
        .start(lab)
}

/// Is the process gone, or dead and not yet buried?
fn is_gone(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn within(limit: Duration, what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < limit, "{what} within {limit:?}");
        pause(Duration::from_millis(20));
    }
}

#[test]
fn a_guest_that_faults_three_times_is_reported_as_that() {
    let lab = ok(Lab::new("triple"));
    let machine = ok(toy(&lab, "node1", TRIPLE_FAULT));
    let error = machine
        .wait_for_console("never", Patience::SOON)
        .expect_err("it dies");
    assert!(
        matches!(
            error,
            HarnessError::Ended {
                ending: Ending::TripleFault,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_crash_of_qemu_is_reported_as_that_and_never_as_a_late_guest() {
    let lab = ok(Lab::new("crash"));
    let machine = ok(toy(&lab, "node1", HALT));
    let pid = rustix::process::Pid::from_raw(i32::try_from(machine.pid()).expect("small"))
        .expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::SEGV).expect("killed");
    let begun = Instant::now();
    let error = machine
        .wait_for_console("never", Patience::SOON)
        .expect_err("it is gone");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(
        matches!(
            error,
            HarnessError::Ended {
                ending: Ending::Crash { signal: 11, .. },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_qemu_that_refuses_to_start_is_reported_with_its_own_words() {
    let lab = ok(Lab::new("refuse"));
    let error = lab
        .machine("node1")
        .qemu_args(["-device", "no-such-device"])
        .start(&lab)
        .expect_err("no such device");
    assert!(
        error
            .to_string()
            .contains("'no-such-device' is not a valid device model name"),
        "{error}"
    );
}

#[test]
fn a_panic_of_the_kernel_is_reported_while_qemu_still_runs_and_no_image_was_written() {
    let image = vm::image();
    let before = hash(&image);
    let lab = ok(Lab::new("panic"));
    let files = ok(boot_files(&image));
    let (kernel, initrd) = (
        lab.folder().path().join("kernel"),
        lab.folder().path().join("initrd"),
    );
    fs::write(&kernel, files.kernel).expect("written");
    fs::write(&initrd, b"this is no archive").expect("written");
    let line = "console=ttyS0 panic=0";
    let machine = ok(lab
        .machine("node1")
        .image(&image)
        .memory(256)
        .direct(&kernel, &initrd, line)
        .start(&lab));
    let error = machine
        .wait_for_console("never", Patience::SOON)
        .expect_err("it panics");
    assert!(
        matches!(
            &error,
            HarnessError::Ended {
                ending: Ending::Panic(_),
                ..
            }
        ),
        "{error}"
    );
    let said = fs::metadata(machine.console().path())
        .and_then(|facts| facts.modified())
        .expect("a console");
    assert!(
        said.elapsed().expect("in the past") < Duration::from_secs(3),
        "told soon after it happened"
    );
    machine.kill();
    assert_eq!(
        hash(&image),
        before,
        "the image is only read, also when QEMU is killed"
    );
}

fn hash(path: &Path) -> String {
    let output = Command::new("sha256sum")
        .arg(path)
        .output()
        .expect("sha256sum");
    String::from_utf8_lossy(&output.stdout)
        .split(' ')
        .next()
        .expect("a hash")
        .to_owned()
}

#[test]
fn kvm_is_believed_only_after_the_probe_and_the_answer_is_kept_for_this_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::in_folder(folder.path());
    let kernel = || boot_files(&vm::image()).map(|files| files.kernel);
    let begun = Instant::now();
    let first = accel::choose(&cache, kernel);
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "an answer in time, reading the kernel included"
    );
    assert!(!first.reason.is_empty());
    if accel::usable(Path::new("/dev/kvm")).is_ok() && std::env::var_os("QEMU_ACCEL").is_none() {
        assert!(cache.look_up(&Facts::of_this_host()).is_some());
    }
    let begun = Instant::now();
    let again = accel::choose(&cache, || panic!("the kernel is not read again"));
    assert!(begun.elapsed() < Duration::from_millis(50));
    assert_eq!(again.accel, first.accel);
}

#[test]
fn the_probes_guest_runs_to_its_end_under_emulation() {
    let kernel = ok(boot_files(&vm::image())).kernel;
    let seconds = accel::probe(&kernel, Accel::Tcg).expect("emulation is sound");
    assert!(seconds > 0.0);
}

#[test]
fn a_machine_survives_the_end_of_the_thread_that_asked_for_it() {
    let lab = ok(Lab::new("thread"));
    let machine = std::thread::scope(|scope| {
        scope
            .spawn(|| toy(&lab, "node1", HALT))
            .join()
            .expect("joined")
    });
    let machine = ok(machine);
    pause(Duration::from_millis(500));
    assert_eq!(machine.ending(), None);
}

/// Holds a machine until it is killed; run by the tests below in a process of its own.
#[test]
#[ignore = "the other half of the tests that kill it"]
fn holder_of_a_machine() {
    let Some(report) = std::env::var_os("GARBOARD_HOLDER") else {
        return;
    };
    let lab = ok(Lab::new("holder"));
    let machine = ok(toy(&lab, "node1", HALT));
    let port = machine.port().expect("a network card").ssh().port();
    let text = format!(
        "{} {} {}",
        lab.folder().path().display(),
        machine.pid(),
        port
    );
    let draft = PathBuf::from(&report).with_extension("draft");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, &report))
        .expect("written");
    pause(Duration::from_secs(120));
}

struct Held {
    holder: Child,
    folder: PathBuf,
    qemu: u32,
    port: u16,
}

fn hold(folder: &Path) -> Held {
    let report = folder.join("report");
    let own = std::env::current_exe().expect("this program");
    let mut holder = Command::new(own)
        .args([
            "--exact",
            "harness::holder_of_a_machine",
            "--ignored",
            "--nocapture",
        ])
        .env("GARBOARD_HOLDER", &report)
        .env("GARBOARD_MACHINES", "8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    within(Duration::from_secs(60), "the holder's report", || {
        assert!(
            holder.try_wait().expect("asked").is_none(),
            "the holder lives"
        );
        report.exists()
    });
    let text = fs::read_to_string(&report).expect("written");
    let words: Vec<&str> = text.split(' ').collect();
    Held {
        holder,
        folder: PathBuf::from(words[0]),
        qemu: words[1].parse().expect("a number"),
        port: words[2].parse().expect("a number"),
    }
}

#[test]
fn nothing_is_left_two_seconds_after_a_holder_is_killed_or_interrupted_and_others_are_spared() {
    let lab = ok(Lab::new("bystander"));
    let bystander = ok(toy(&lab, "node1", HALT));
    for (signal, number) in [
        (rustix::process::Signal::KILL, 9),
        (rustix::process::Signal::INT, 2),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut held = hold(folder.path());
        assert!(held.folder.exists() && !is_gone(held.qemu));
        let pid = rustix::process::Pid::from_child(&held.holder);
        rustix::process::kill_process(pid, signal).expect("killed");
        assert_eq!(held.holder.wait().expect("ended").signal(), Some(number));
        within(Duration::from_secs(2), "QEMU's end", || is_gone(held.qemu));
        within(Duration::from_secs(2), "the folder's end", || {
            !held.folder.exists()
        });
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", held.port)).is_err(),
            "no listener is left"
        );
        assert_eq!(bystander.ending(), None);
    }
}
