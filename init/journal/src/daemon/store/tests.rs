//! Full disks, grown disks, clocks that step, broken files.

use std::path::Path;
use std::process::Command;

use super::*;

const MACHINE: Id = [7; 16];
const BOOT: Id = [9; 16];

fn open(root: &Path) -> Store {
    Store::open(root, MACHINE, BOOT, &Config::default()).unwrap()
}

fn folder(root: &Path, top: &str) -> PathBuf {
    root.join(top).join("log/journal").join(hex(&MACHINE))
}

fn line(number: usize) -> Vec<Vec<u8>> {
    vec![
        format!("MESSAGE=message {number} {}", "x".repeat(200)).into_bytes(),
        b"PRIORITY=6".to_vec(),
    ]
}

/// Every message of the journal below `root`, in order.
fn messages(root: &Path) -> Vec<usize> {
    let journal = journal::Journal::open(journal::Source::Machine {
        root: root.to_owned(),
    });
    let query = journal::journal::Query::new(Expression::Everything);
    let number = |text: String| text.split(' ').nth(1)?.parse().ok();
    journal
        .select(&query)
        .iter()
        .filter_map(|place| journal.entry(place)?.text("MESSAGE").and_then(number))
        .collect()
}

/// A small file system of its own for a test; without the right to mount one the test is skipped.
struct Small(PathBuf);

impl Small {
    fn new(root: &Path, megabytes: u32) -> Option<Self> {
        let place = root.join("var/log/journal");
        fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"])
            .arg(&place)
            .output()
            .is_ok_and(|done| done.status.success());
        if !mounted {
            eprintln!("skipped: this needs the right to mount a file system");
            return None;
        }
        Some(Self(place))
    }

    fn resize(&self, megabytes: u32) {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,size={megabytes}m")])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn the_limits_follow_a_file_system_that_grows() {
    let root = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(root.path(), 64) else {
        return;
    };
    let mut store = open(root.path());
    assert!(store.limits.total < 7 << 20);
    small.resize(1000);
    for number in 0..20_000 {
        store.append(&line(number)).unwrap();
    }
    assert_eq!(messages(root.path()).len(), 20_000, "nothing was removed");
    assert!(store.limits.total > 90 << 20);
}

#[test]
fn on_a_full_disk_entries_go_to_memory_and_come_back_in_order_when_there_is_room() {
    let root = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(root.path(), 100) else {
        return;
    };
    let mut store = open(root.path());
    store.append(&line(0)).unwrap();
    let filler = small.0.join("filler");
    // dd ends with an error when the disk is full, which is what is wanted.
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", filler.display()))
        .output();
    for number in 1..5000 {
        store.append(&line(number)).unwrap();
    }
    assert!(store.is_volatile());
    assert!(files(&folder(root.path(), "var")).len() <= 2, "no stumps");
    assert_eq!(store.notices().len(), 1, "said once");
    fs::remove_file(&filler).unwrap();
    store.return_at = Some(0);
    store.append(&line(5000)).unwrap();
    assert!(!store.is_volatile());
    assert!(files(&folder(root.path(), "run")).is_empty());
    let found = messages(root.path());
    assert!(found.is_sorted(), "in order");
    assert_eq!((found.len(), found.last()), (5001, Some(&5000)));
    store.close().unwrap();
}

#[test]
fn a_journal_that_starts_on_a_full_disk_leaves_nothing_behind_and_starts() {
    let root = tempfile::tempdir().unwrap();
    let Some(small) = Small::new(root.path(), 2) else {
        return;
    };
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k"])
        .arg(format!("of={}", small.0.join("filler").display()))
        .output();
    let mut store = open(root.path());
    for number in 0..100 {
        store.append(&line(number)).unwrap();
    }
    assert!(store.is_volatile());
    assert!(files(&folder(root.path(), "var")).is_empty());
}

#[test]
fn stumps_of_an_earlier_journal_are_removed() {
    let root = tempfile::tempdir().unwrap();
    let place = folder(root.path(), "var");
    fs::create_dir_all(&place).unwrap();
    for number in 0..50 {
        fs::write(place.join(format!("system@{number:016x}-0.journal~")), "").unwrap();
    }
    let mut store = open(root.path());
    store.append(&line(1)).unwrap();
    assert_eq!(files(&place).len(), 1);
}

#[test]
fn a_clock_that_steps_back_begins_a_file_and_one_that_jitters_does_not() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var/log/journal")).unwrap();
    let mut store = open(root.path());
    let at = |realtime: u64| Stamp {
        realtime: 1_700_000_000_000_000 + realtime,
        monotonic: 5,
        boot_id: BOOT,
    };
    store.append_at(at(10_000_000), &line(0)).unwrap();
    store.append_at(at(9_900_000), &line(1)).unwrap();
    assert_eq!(files(&store.folder).len(), 1);
    store.append_at(at(1_000_000), &line(2)).unwrap();
    assert_eq!(files(&store.folder).len(), 2);
    assert_eq!(messages(root.path()), [0, 1, 2]);
}

#[test]
fn the_oldest_files_go_first_whatever_their_times_say() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var/log/journal")).unwrap();
    let mut store = open(root.path());
    store.system.max_files = Some(2);
    for number in 0..5 {
        let at = Stamp {
            realtime: 1_700_000_000_000_000 - u64::try_from(number).unwrap() * 60_000_000,
            monotonic: 5,
            boot_id: BOOT,
        };
        store.append_at(at, &line(number)).unwrap();
    }
    assert_eq!(messages(root.path()), [2, 3, 4]);
}

#[test]
fn a_file_whose_chains_are_circles_is_closed_and_another_begun() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("var/log/journal")).unwrap();
    let mut store = open(root.path());
    for number in 0..100 {
        store.append(&line(number)).unwrap();
    }
    store.close().unwrap();
    let path = folder(root.path(), "var").join("system.journal");
    let mut bytes = fs::read(&path).unwrap();
    // Everything between the header and the last quarter of the objects is noise.
    for byte in bytes.iter_mut().skip(300).take(120_000) {
        *byte = 0x41;
    }
    fs::write(&path, bytes).unwrap();
    let mut store = open(root.path());
    for number in 100..200 {
        store.append(&line(number)).unwrap();
    }
    let found = messages(root.path());
    assert_eq!(found.last(), Some(&199));
    assert!(found.contains(&100));
}

#[test]
fn with_storage_none_nothing_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let config = Config {
        storage: Storage::None,
        ..Config::default()
    };
    let mut store = Store::open(root.path(), MACHINE, BOOT, &config).unwrap();
    store.append(&line(1)).unwrap();
    store.rotate().unwrap();
    store.close().unwrap();
    assert!(!root.path().join("run").exists());
}
