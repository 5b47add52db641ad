//! A journal file that we write is read by us, and by the reference where it is installed.

#![cfg(test)]

use std::process::Command;

use journal::journal::Query;
use journal::query::{Expression, of_unit};
use journal::writer::{ResumeError, Sequence, Stamp, Writer};
use journal::{Journal, Source, tail_of_unit};

const MACHINE: [u8; 16] = [7; 16];
const BOOT: [u8; 16] = [9; 16];

fn fields(number: u64) -> Vec<Vec<u8>> {
    vec![
        format!("MESSAGE=message {number}").into_bytes(),
        format!("PRIORITY={}", number % 8).into_bytes(),
        format!("_SYSTEMD_UNIT=unit-{}.service", number % 3).into_bytes(),
        b"SYSLOG_IDENTIFIER=test".to_vec(),
        b"_PID=42".to_vec(),
    ]
}

fn stamp(number: u64) -> Stamp {
    Stamp {
        realtime: 1_700_000_000_000_000 + number * 1000,
        monotonic: number * 1000,
        boot_id: BOOT,
    }
}

fn write(path: &std::path::Path, count: u64) -> Writer {
    let mut writer = Writer::create(
        path,
        MACHINE,
        [1; 16],
        Sequence {
            id: [3; 16],
            last: 0,
        },
    )
    .unwrap();
    for number in 0..count {
        writer.append(stamp(number), &fields(number)).unwrap();
    }
    writer
}

#[test]
fn entries_are_found_by_field_by_unit_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("system.journal"), 500)
        .close()
        .unwrap();
    let journal = Journal::open(Source::Directory(folder.path().to_owned()));
    let tail = tail_of_unit(&journal, "unit-1.service", None, 3);
    let texts: Vec<_> = tail
        .iter()
        .filter_map(|entry| entry.text("MESSAGE"))
        .collect();
    assert_eq!(texts, ["message 493", "message 496", "message 499"]);
    let reader = journal.readers().next().unwrap();
    assert_eq!(reader.select(&Expression::Everything).len(), 500);
    assert_eq!(reader.select(&of_unit("unit-0.service")).len(), 167);
    let both = Expression::All(vec![
        Expression::field("PRIORITY", "3"),
        Expression::field("_SYSTEMD_UNIT", "unit-0.service"),
    ]);
    assert!(
        reader
            .select(&both)
            .iter()
            .all(|o| both.selects(&reader.entry(*o).unwrap().fields))
    );
}

#[test]
fn a_file_closed_cleanly_is_resumed_and_one_that_was_not_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    write(&path, 10).close().unwrap();
    let mut again = Writer::resume(&path, MACHINE).unwrap();
    assert_eq!(again.append(stamp(10), &fields(10)).unwrap(), 11);
    drop(again);
    assert!(matches!(
        Writer::resume(&path, MACHINE),
        Err(ResumeError::Unfit { .. })
    ));
}

#[test]
fn a_follower_sees_what_is_appended_while_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = write(&folder.path().join("system.journal"), 5);
    let mut journal = Journal::open(Source::Directory(folder.path().to_owned()));
    journal.skip_to_end();
    assert!(journal.poll().is_empty());
    for number in 5..3000 {
        writer.append(stamp(number), &fields(number)).unwrap();
    }
    journal.wait(1000).unwrap();
    assert_eq!(journal.poll().len(), 2995);
}

#[test]
fn the_reference_verifies_and_reads_our_files() {
    if Command::new("journalctl")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: there is no journalctl on this machine (package systemd)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    write(&path, 2000).close().unwrap();
    let run = |arguments: &[&str]| {
        let out = Command::new("journalctl")
            .arg("--file")
            .arg(&path)
            .arg("--no-pager")
            .args(arguments)
            .output()
            .unwrap();
        (
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let (_, verdict) = run(&["--verify"]);
    assert!(verdict.contains("PASS"), "{verdict}");
    let (text, _) = run(&["-u", "unit-2.service", "-n", "2", "-o", "cat"]);
    assert_eq!(
        text,
        "message 1997\nmessage 1994\n"
            .lines()
            .rev()
            .map(|l| format!("{l}\n"))
            .collect::<String>()
    );
    let (text, _) = run(&["-p", "err", "-o", "cat"]);
    assert_eq!(text.lines().count(), 1000);
}

/// What a plain look at every entry would select.
fn by_hand(journal: &Journal, expression: &Expression) -> Vec<u64> {
    let mut all: Vec<(u64, u64)> = journal
        .readers()
        .flat_map(|reader| {
            let offsets = reader.select(&Expression::Everything);
            offsets
                .into_iter()
                .filter_map(|offset| reader.entry(offset))
                .collect::<Vec<_>>()
        })
        .filter(|entry| expression.selects(&entry.fields))
        .map(|entry| (entry.realtime, entry.seqnum))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(realtime, _)| realtime).collect()
}

#[test]
fn walking_forwards_and_backwards_gives_what_a_look_at_every_entry_gives() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("system.journal"), 700)
        .close()
        .unwrap();
    let mut other = Writer::create(
        &folder.path().join("other.journal"),
        MACHINE,
        [2; 16],
        Sequence {
            id: [4; 16],
            last: 0,
        },
    )
    .unwrap();
    for number in (0..900).step_by(7) {
        let mut at = stamp(number);
        at.realtime += 1;
        at.boot_id = [5; 16];
        other.append(at, &fields(number)).unwrap();
    }
    let journal = Journal::open(Source::Directory(folder.path().to_owned()));
    let unit = |n: u64| Expression::field("_SYSTEMD_UNIT", &format!("unit-{n}.service"));
    let level = |n: u64| Expression::field("PRIORITY", &n.to_string());
    let expressions = [
        Expression::Everything,
        unit(1),
        Expression::Any(vec![unit(1), unit(2), level(3)]),
        Expression::All(vec![Expression::Any(vec![level(1), level(2)]), unit(2)]),
        Expression::All(vec![unit(1), unit(2)]),
        Expression::Any(vec![]),
        Expression::field("MESSAGE", "message 350"),
    ];
    let base = stamp(0).realtime;
    let ranges = [
        (None, None),
        (Some(base + 350_000), None),
        (None, Some(base + 100_001)),
        (Some(base + 200_000), Some(base + 300_000)),
        (Some(base + 9_000_000), None),
    ];
    for expression in expressions {
        let all = by_hand(&journal, &expression);
        for (since, until) in ranges {
            let query = Query {
                since,
                until,
                ..Query::new(expression.clone())
            };
            let inside =
                |at: &&u64| since.is_none_or(|s| **at >= s) && until.is_none_or(|u| **at <= u);
            let mut expected: Vec<u64> = all.iter().filter(inside).copied().collect();
            let time = |place| journal.entry(&place).unwrap().realtime;
            let forwards: Vec<u64> = journal.walk(&query, false).map(time).collect();
            assert_eq!(forwards, expected, "{expression:?} {since:?} {until:?}");
            expected.reverse();
            let backwards: Vec<u64> = journal.walk(&query, true).map(time).collect();
            assert_eq!(backwards, expected, "{expression:?} {since:?} {until:?}");
        }
    }
}

#[test]
fn a_follower_shows_what_came_while_it_looked_back_once_and_lets_removed_files_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    let mut writer = write(&path, 5);
    let mut journal = Journal::open(Source::Directory(folder.path().to_owned()));
    journal.skip_to_end();
    writer.append(stamp(5), &fields(5)).unwrap();
    let query = Query::new(Expression::Everything);
    assert_eq!(journal.walk(&query, false).count(), 5);
    assert_eq!(journal.walk(&query, true).count(), 5);
    writer.append(stamp(6), &fields(6)).unwrap();
    let (archived, _) = writer.archive().unwrap();
    std::fs::remove_file(archived).unwrap();
    assert_eq!(journal.poll().len(), 2);
    assert_eq!(journal.readers().count(), 0);
}

#[test]
fn no_damage_stops_a_reader_or_costs_it_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    write(&path, 300).close().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let mut dice = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(most).unwrap()).unwrap()
    };
    for round in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..=dice(30) {
            // The header and the objects behind the tables; the end of the file is empty.
            let at = if dice(2) == 0 {
                8 * dice(34)
            } else {
                136_000 + 8 * dice(12_000)
            };
            if at < 8 {
                continue;
            }
            let value: u64 = match dice(4) {
                0 => u64::MAX,
                1 => 0,
                2 => u64::try_from(136_000 + 8 * dice(12_000)).unwrap(),
                _ => u64::try_from(dice(1 << 40)).unwrap(),
            };
            bytes
                .get_mut(at..at + 8)
                .unwrap()
                .copy_from_slice(&value.to_le_bytes());
        }
        if round % 5 == 0 {
            bytes.truncate(dice(whole.len()));
        }
        std::fs::write(&path, bytes).unwrap();
        let journal = Journal::open(Source::Directory(folder.path().to_owned()));
        for expression in [Expression::Everything, of_unit("unit-1.service")] {
            let query = Query::new(expression);
            for backwards in [false, true] {
                let most = journal.walk(&query, backwards).take(100_000).count();
                assert!(most < 100_000, "round {round} goes round in circles");
            }
        }
        let _ = journal.boots();
        for reader in journal.readers() {
            let _ = (
                reader.verify(),
                reader.field_names(),
                reader.values("PRIORITY"),
            );
        }
        if let Ok(mut writer) = Writer::resume(&path, MACHINE) {
            // An error is fine; a loop, a panic or a file beyond all bounds is not.
            for number in 300..310 {
                let _ = writer.append(stamp(number), &fields(number));
            }
            assert!(writer.size() < 1 << 30, "round {round}");
        }
    }
}

#[test]
fn an_append_that_fails_leaves_a_file_that_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "none"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: this needs the right to mount a file system");
        return;
    }
    let path = folder.path().join("system.journal");
    let mut writer = write(&path, 100);
    let before = writer.used();
    let mut entry = fields(100);
    entry.push(b"A=new".to_vec());
    entry.push([b"BLOB=".as_slice(), &vec![b'x'; 2 << 20]].concat());
    writer.append(stamp(100), &entry).unwrap_err();
    assert_eq!(writer.used(), before);
    assert_eq!(writer.append(stamp(101), &fields(101)).unwrap(), 101);
    writer.close().unwrap();
    let verdict = journal::reader::Reader::open(&path).unwrap().verify();
    let reference = Command::new("journalctl")
        .args(["--verify", "--file"])
        .arg(&path)
        .output();
    let done = Command::new("umount").arg("-l").arg(folder.path()).status();
    assert!(done.unwrap().success());
    verdict.unwrap();
    if let Ok(reference) = reference {
        let text = String::from_utf8_lossy(&reference.stderr).into_owned();
        assert!(text.contains("PASS"), "{text}");
    }
}

/// The file's bytes after `damage` was put at the offset that `place` finds in them.
fn damaged(path: &std::path::Path, place: impl Fn(&[u8]) -> u64, damage: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = usize::try_from(place(&bytes)).unwrap();
    bytes[at..at + 8].copy_from_slice(&damage.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

fn word(bytes: &[u8], at: u64) -> u64 {
    let at = usize::try_from(at).unwrap();
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

type Damage = (&'static str, fn(&[u8]) -> u64, &'static [u64]);

#[test]
fn damaged_counts_sizes_and_circles_end_reading_and_writing() {
    // Words of the header: 104 the data table, 136 the last object, 152 the count of entries, 160 the
    // last number, 176 the array of entries.
    let places: [Damage; 6] = [
        ("count of entries", |_| 152, &[u64::MAX, 1 << 40]),
        (
            "place of the data table",
            |_| 104,
            &[u64::MAX, u64::MAX - 20],
        ),
        ("last number", |_| 160, &[u64::MAX]),
        (
            "size of the array",
            |b| word(b, 176) + 8,
            &[u64::MAX, u64::MAX - 7, 16, 24, 1 << 40],
        ),
        ("next array", |b| word(b, 176) + 16, &[u64::MAX, 8]),
        (
            "size of the last object",
            |b| word(b, 136) + 8,
            &[u64::MAX, u64::MAX - 7, 1 << 40],
        ),
    ];
    for (what, place, values) in places {
        for value in values {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("system.journal");
            write(&path, 20).close().unwrap();
            damaged(&path, place, *value);
            reads_to_its_end(&path, what);
        }
    }
    // A chain of arrays, a list of values and a chain of hashes that lead back to where they begin.
    for next in [16, 24, 32] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("system.journal");
        write(&path, 20).close().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let kind = if next == 16 { 6 } else { 1 };
        for object in objects(&bytes, kind) {
            damaged(&path, |_| object + next, object);
        }
        damaged(&path, |_| 152, u64::MAX);
        reads_to_its_end(&path, "a circle");
    }
}

fn objects(bytes: &[u8], kind: u8) -> Vec<u64> {
    let (mut at, last) = (word(bytes, 88), word(bytes, 136));
    let mut found = Vec::new();
    while at <= last {
        if bytes[usize::try_from(at).unwrap()] == kind {
            found.push(at);
        }
        at = (at + word(bytes, at + 8)).next_multiple_of(8);
    }
    found
}

fn reads_to_its_end(path: &std::path::Path, what: &str) {
    let journal = Journal::open(Source::Files(vec![path.to_owned()]));
    let reader = journal.readers().next().expect(what);
    let _ = (
        reader.verify(),
        reader.field_names(),
        reader.values("MESSAGE"),
    );
    let all = reader.select(&Expression::Everything);
    assert!(all.len() < 100_000, "{what}");
    for offset in all.into_iter().take(100) {
        let _ = reader.entry(offset);
    }
    if let Ok(mut writer) = Writer::resume(path, MACHINE) {
        for number in 20..23 {
            let _ = writer.append(stamp(number), &fields(number));
        }
        assert!(writer.used() < 1 << 20, "{what}");
    }
}
