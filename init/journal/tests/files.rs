//! A journal file that we write is read by us, and by the reference where it is installed.

#![cfg(test)]

use std::process::Command;

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
