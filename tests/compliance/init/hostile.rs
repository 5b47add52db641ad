//! Odd and hostile input: whatever comes over PID 1's sockets or lies in its folders, it answers the
//! next client, keeps no descriptor, and makes no mistake of its own.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guest::Guest;

const SHORT: Duration = Duration::from_secs(60);

fn skipped() -> bool {
    let reference = std::env::var("UNDER_TEST").is_ok_and(|what| what == "reference");
    if rustix::process::geteuid().is_root() && !reference {
        return false;
    }
    eprintln!("skipped: namespaces with several users need root, and this is about our PID 1");
    true
}

/// Numbers that look like dice and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| u8::try_from(self.roll(256)).unwrap())
            .collect()
    }
}

fn socket(guest: &Guest, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/{path}", guest.pid))
}

/// A connection that has shaken hands.
fn peer(guest: &Guest) -> UnixStream {
    let mut stream = UnixStream::connect(socket(guest, "run/systemd/private")).unwrap();
    stream.set_read_timeout(Some(SHORT)).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    stream.write_all(b"\0AUTH EXTERNAL 30\r\n").unwrap();
    let mut answer = [0; 64];
    let got = stream.read(&mut answer).unwrap();
    assert!(answer[..got].starts_with(b"OK "), "{:?}", &answer[..got]);
    stream.write_all(b"BEGIN\r\n").unwrap();
    stream
}

/// A call of the manager without arguments.
fn call(member: &str, serial: u32) -> Vec<u8> {
    let mut fields = Vec::new();
    for (code, kind, text) in [
        (1, b'o', "/org/freedesktop/systemd1"),
        (2, b's', "org.freedesktop.systemd1.Manager"),
        (3, b's', member),
    ] {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend([code, 1, kind, 0]);
        fields.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        fields.extend(text.as_bytes());
        fields.push(0);
    }
    let mut frame = vec![b'l', 1, 0, 1, 0, 0, 0, 0];
    frame.extend(serial.to_le_bytes());
    frame.extend(u32::try_from(fields.len()).unwrap().to_le_bytes());
    frame.extend(fields);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}

/// Reads one message: whether it answers a call.
fn next_is_answer(stream: &mut UnixStream) -> bool {
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    let number = |at: usize| {
        let bytes: [u8; 4] = head[at..at + 4].try_into().unwrap();
        usize::try_from(u32::from_le_bytes(bytes)).unwrap()
    };
    let mut rest = vec![0; number(12).next_multiple_of(8) + number(4)];
    stream.read_exact(&mut rest).unwrap();
    head[1] == 2
}

/// A notification that asks to keep descriptors, from nobody that it knows.
fn send_descriptors(path: &Path) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    if sender.connect(path).is_err() {
        return;
    }
    let fds = [sender.as_fd(); 16];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let text = [std::io::IoSlice::new(b"FDSTORE=1\nFDNAME=x")];
    let _ = sendmsg(&sender, &text, &mut control, SendFlags::NOSIGNAL);
}

/// What PID 1 has open, and its resident memory in KiB.
fn held(guest: &Guest) -> (usize, u64) {
    let fds = fs::read_dir(format!("/proc/{}/fd", guest.pid))
        .unwrap()
        .count();
    let status = fs::read_to_string(format!("/proc/{}/status", guest.pid)).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    (
        fds,
        line.split_whitespace().nth(1).unwrap().parse().unwrap(),
    )
}

/// It still starts and stops services, and has said nothing of a mistake.
fn assert_well(guest: &Guest, fds: usize) {
    let script = "systemctl is-active multi-user.target
        systemd-run -q --unit=c-well /bin/sleep 100; systemctl is-active c-well
        systemctl stop c-well; systemctl is-active c-well";
    assert_eq!(guest.run(script, SHORT).trim(), "active\nactive\ninactive");
    let now = held(guest).0;
    assert!(now <= fds + 2, "{now} descriptors, {fds} before");
    let console = fs::read_to_string(guest.share.join("console")).unwrap_or_default();
    for word in ["mistake", "was given up", "panicked"] {
        assert!(!console.contains(word), "{console}");
    }
}

#[test]
fn garbage_on_the_bus_socket_costs_its_own_connection() {
    if skipped() {
        return;
    }
    let guest = Guest::start("bus-garbage");
    let (fds, _) = held(&guest);
    let mut dice = Dice(1);
    for path in ["run/systemd/private", "run/dbus/system_bus_socket"] {
        for round in 0..200 {
            let Ok(mut stream) = UnixStream::connect(socket(&guest, path)) else {
                panic!("{path} does not listen any more in round {round}");
            };
            let len = dice.roll(5000);
            let _ = stream.write_all(&dice.bytes(len));
        }
    }
    for member in [
        "ListUnits",
        "Reload",
        "GetUnit",
        "StartUnit",
        "StartTransientUnit",
    ] {
        for round in 0..100 {
            let mut frame = call(member, round + 1);
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(frame.len());
                frame[at] = u8::try_from(dice.roll(256)).unwrap();
            }
            let _ = peer(&guest).write_all(&frame);
        }
    }
    assert_well(&guest, fds);
}

#[test]
fn a_client_that_asks_and_never_reads_is_made_to_wait() {
    if skipped() {
        return;
    }
    let guest = Guest::start("bus-deaf");
    let (fds, before) = held(&guest);
    let mut deaf: Vec<UnixStream> = (0..20).map(|_| peer(&guest)).collect();
    let mut asked = 0;
    for stream in &mut deaf {
        stream.set_nonblocking(true).unwrap();
        // As many as the socket takes.
        asked = (1..2000)
            .take_while(|serial| stream.write_all(&call("ListUnits", *serial)).is_ok())
            .count();
    }
    assert_eq!(
        guest
            .run("systemctl is-active multi-user.target", SHORT)
            .trim(),
        "active"
    );
    let (_, after) = held(&guest);
    assert!(after < before + 20 * 1024, "{before} KiB, then {after}");
    // The last one reads after all, and gets all that it asked for.
    let mut late = deaf.pop().unwrap();
    drop(deaf);
    late.set_nonblocking(false).unwrap();
    let mut answers = 0;
    while answers < asked {
        answers += usize::from(next_is_answer(&mut late));
    }
    drop(late);
    assert_well(&guest, fds);
}

#[test]
fn a_flood_of_odd_notifications_holds_nothing_up() {
    if skipped() {
        return;
    }
    let guest = Guest::start("notify-flood");
    let (fds, _) = held(&guest);
    let path = socket(&guest, "run/systemd/notify");
    let mut dice = Dice(2);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let sender = UnixDatagram::unbound().unwrap();
            sender.set_nonblocking(true).unwrap();
            for round in 0..200_000 {
                let len = dice.roll(64);
                let _ = sender.send_to(&dice.bytes(len), &path);
                if round % 100 == 0 {
                    send_descriptors(&path);
                }
            }
        });
        let answer = guest.run(
            "for i in 1 2 3 4 5; do systemctl is-active multi-user.target; done",
            SHORT,
        );
        assert_eq!(
            answer.lines().filter(|line| *line == "active").count(),
            5,
            "{answer}"
        );
        flood.join().unwrap();
    });
    let script = r#"
systemctl stop c-n 2>/dev/null
cat >/etc/systemd/system/c-n.service <<X
[Service]
Type=notify
NotifyAccess=all
FileDescriptorStoreMax=2
TimeoutStartSec=5
ExecStart=/bin/sh -c 'for m in MAINPID=0 MAINPID=1 MAINPID=-5 MAINPID=99999999999999999999 WATCHDOG_USEC=-1 \
  WATCHDOG_USEC=18446744073709551615 EXTEND_TIMEOUT_USEC=18446744073709551615 ERRNO=x BUSERROR= FDSTORE=1 FDSTOREREMOVE=1 \
  FDNAME=:: MONOTONIC_USEC=9 RELOADING=1 BARRIER=1 STATUS=%%n%%s = =x X READY=0; do systemd-notify "$$m"; done; \
  systemd-notify --ready; exec sleep 1000'
X
systemctl daemon-reload; systemctl start c-n; systemctl is-active c-n; systemctl stop c-n; systemctl is-active c-n
"#;
    assert_eq!(guest.run(script, SHORT).trim(), "active\ninactive");
    assert_well(&guest, fds);
}

#[test]
fn odd_things_in_place_of_files_are_errors_and_no_waits() {
    if skipped() {
        return;
    }
    let guest = Guest::start("odd-files");
    let (fds, _) = held(&guest);
    let script = r"
cd /etc/systemd/system
mkfifo f.service; mkdir d.service; ln -s loop.service loop.service; ln -s /nowhere n.service
ln -s /dev/zero z.service; head -c 100000 /dev/urandom >r.service
(echo '[Service]'; printf 'ExecStart='; head -c 3000000 /dev/zero | tr '\0' x) >long.service
(echo '[Unit]'; yes 'After=a.service' | head -20000; echo '[Service]'; echo ExecStart=/bin/true) >many.service
mkdir e.service.d; mkfifo e.service.d/p.conf; mkdir e.service.d/x.conf
mkfifo /run/pipe
printf '[Service]\nExecStart=/bin/true\n' >e.service
printf '[Service]\nType=forking\nTimeoutStartSec=1\nPIDFile=/run/pipe\nExecStart=/bin/true\n' >pid.service
printf '[Service]\nType=oneshot\nEnvironmentFile=/run/pipe\nExecStart=/bin/true\n' >env.service
printf '[Service]\nType=oneshot\nEnvironmentFile=/dev/zero\nExecStart=/bin/true\n' >zero.service
systemctl daemon-reload
for u in f d loop n z r long many e pid env zero; do timeout 20 systemctl start $u >/dev/null 2>&1; echo $u $?; done
timeout 10 systemctl status '*' >/dev/null 2>&1; timeout 10 systemctl show '*' >/dev/null; timeout 10 systemctl preset-all >/dev/null 2>&1
rm -r f.service d.service loop.service n.service z.service r.service long.service many.service e.service* pid.service env.service zero.service
systemctl daemon-reload; systemctl reset-failed
";
    let said = guest.run(script, SHORT);
    let code = |unit: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(&format!("{unit} "))?.parse::<i32>().ok())
    };
    for unit in [
        "f", "d", "loop", "n", "z", "r", "long", "pid", "env", "zero",
    ] {
        assert!(matches!(code(unit), Some(1..=6)), "{unit}: {said}");
    }
    for unit in ["many", "e"] {
        assert_eq!(code(unit), Some(0), "{unit}: {said}");
    }
    assert_well(&guest, fds);
}

#[test]
fn without_descriptors_or_space_requests_fail_and_pid_1_goes_on() {
    if skipped() {
        return;
    }
    let guest = Guest::start("no-room");
    let (fds, _) = held(&guest);
    let script = r"
n=$(($(ls /proc/1/fd | wc -l) + 3))
printf '[Service]\nExecStart=/bin/sleep 1000\n' >/etc/systemd/system/c-s.service
printf '[Socket]\nListenStream=/run/c-a\nAccept=yes\n' >/etc/systemd/system/c-a.socket
printf '[Service]\nExecStart=/bin/cat\nStandardInput=socket\n' >/etc/systemd/system/c-a@.service
systemctl daemon-reload; systemctl start c-a.socket
prlimit --pid 1 --nofile=$n:1048576
for i in 1 2 3 4 5; do timeout 5 systemctl start c-s >/dev/null 2>&1; systemctl stop c-s >/dev/null 2>&1; done
prlimit --pid 1 --nofile=1048576:1048576
sleep 0.5
systemctl start c-s; systemctl is-active c-s; systemctl stop c-s c-a.socket
mkdir -p /run/systemd/transient; mount -t tmpfs -o size=4k small /run/systemd/transient
head -c 4096 /dev/zero >/run/systemd/transient/full
systemd-run -q --unit=c-full /bin/true 2>/dev/null; echo rc=$?
umount /run/systemd/transient
";
    assert_eq!(guest.run(script, SHORT).trim(), "active\nrc=1");
    assert_well(&guest, fds);
}
