//! The journal: a file that was damaged, or made by someone else, is read to its end or refused.
#![no_main]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use journal::query::{Expression, of_unit};
use journal::reader::Reader;
use journal::render::{Format, Style, render};
use journal::writer::{Sequence, Stamp, Writer};
use journal::{Journal, Source, tail_of_unit};
use libfuzzer_sys::fuzz_target;

const MACHINE: [u8; 16] = [7; 16];

/// A sound file, where its words are that mean something, and the copy that is damaged.
struct Ground {
    folder: PathBuf,
    sound: Vec<u8>,
    words: Vec<u64>,
    copy: File,
    styles: Vec<Style>,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fuzz-journal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("sound");
    let sequence = Sequence {
        id: [3; 16],
        last: 0,
    };
    let _ = std::fs::remove_file(&path);
    let mut writer = Writer::create(&path, MACHINE, [1; 16], sequence).expect("a file");
    for number in 0..12 {
        writer
            .append(stamp(number), &fields(number))
            .expect("an entry");
    }
    let used = usize::try_from(writer.used()).expect("a length");
    writer.close().expect("closed");
    let mut sound = std::fs::read(&path).expect("the file");
    sound.truncate(used + 64);
    let words = words(&sound);
    let damaged = folder.join("damaged.journal");
    std::fs::write(&damaged, &sound).expect("the copy");
    let copy = OpenOptions::new()
        .write(true)
        .open(&damaged)
        .expect("the copy");
    Ground {
        folder,
        sound,
        words,
        copy,
        // The time zone is looked up once.
        styles: [Format::Short, Format::Export, Format::Json, Format::Verbose]
            .map(Style::plain)
            .into(),
    }
});

fn stamp(number: u64) -> Stamp {
    Stamp {
        realtime: 1_700_000_000_000_000 + number * 1000,
        monotonic: number * 1000,
        boot_id: [9; 16],
    }
}

fn fields(number: u64) -> Vec<Vec<u8>> {
    vec![
        format!("MESSAGE=message {number}").into_bytes(),
        format!("PRIORITY={}", number % 3).into_bytes(),
        b"_SYSTEMD_UNIT=a.service".to_vec(),
        b"_BOOT_ID=09090909090909090909090909090909".to_vec(),
    ]
}

/// The header, and all that is not zero: empty buckets of hash tables say nothing.
fn words(sound: &[u8]) -> Vec<u64> {
    let all = sound.chunks_exact(8).enumerate();
    all.filter(|(at, word)| *at < 34 || word.iter().any(|byte| *byte != 0))
        .map(|(at, _)| at as u64 * 8)
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let ground = &*GROUND;
    // Each ten bytes change one word: which, how, and a value.
    let changes: Vec<(u64, [u8; 8])> = data
        .chunks_exact(10)
        .map(|piece| {
            let which = usize::from(u16::from_le_bytes([piece[0], piece[1] & 0x1f]));
            let at = ground.words[which % ground.words.len()];
            let value = u64::from_le_bytes(piece[2..].try_into().expect("eight bytes"));
            let old = &ground.sound[at as usize..at as usize + 8];
            let old = u64::from_le_bytes(old.try_into().expect("eight bytes"));
            let other = ground.words[(value % ground.words.len() as u64) as usize];
            let new = match piece[1] >> 5 {
                0 => value,
                1 => other,
                2 => old.wrapping_add(value),
                3 => u64::MAX - value % 256,
                4 => value % 256,
                5 => old ^ (1 << (value % 64)),
                6 => at,
                _ => ground.sound.len() as u64 - value % 256,
            };
            (at, new.to_le_bytes())
        })
        .collect();
    for (at, word) in &changes {
        ground.copy.write_all_at(word, *at).expect("a change");
    }
    let path = ground.folder.join("damaged.journal");
    read(&path, &ground.styles);
    if data.len() % 10 == 1 {
        let written = ground.folder.join("written.journal");
        std::fs::copy(&path, &written).expect("a copy");
        go_on(&written, &ground.styles);
    }
    for (at, _) in &changes {
        let old = &ground.sound[*at as usize..*at as usize + 8];
        ground.copy.write_all_at(old, *at).expect("mended");
    }
});

fn read(path: &Path, styles: &[Style]) {
    let Ok(reader) = Reader::open(path) else {
        return;
    };
    let _ = (
        reader.header(),
        reader.verify(),
        reader.field_names(),
        reader.entries_from(3),
    );
    for name in ["MESSAGE", "_BOOT_ID", "NONE"] {
        let _ = reader.values(name);
    }
    for expression in [Expression::Everything, of_unit("a.service")] {
        for offset in reader.select(&expression) {
            let Some(entry) = reader.entry(offset) else {
                continue;
            };
            let _ = (entry.cursor(), reader.moment_of(offset));
            for style in styles {
                render(&mut Vec::new(), &entry, style).expect("memory");
            }
        }
    }
    let mut journal = Journal::open(Source::Files(vec![path.to_owned()]));
    let _ = journal.boots();
    let _ = journal.poll();
    let _ = tail_of_unit(&journal, "a.service", None, 5);
}

/// Writing on a file that looks closed: it works or it is refused.
fn go_on(path: &Path, styles: &[Style]) {
    let Ok(mut writer) = Writer::resume(path, MACHINE) else {
        return;
    };
    for number in [3, 20] {
        let _ = writer.append(stamp(number), &fields(number));
    }
    let _ = writer.close();
    read(path, styles);
}
