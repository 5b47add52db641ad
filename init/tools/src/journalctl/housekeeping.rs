//! What `journalctl` does besides showing entries: lists, checks, room, and asking the daemon.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use init_api::TimeSpan;
use journal::Journal;
use journal::entry::hex;
use journal::reader::Reader;

use super::{Failure, Options, zone};

const CONTROL: &str = "/run/systemd/journal/io.systemd.journal";

/// Does what needs the daemon or the files alone; true when something was asked for.
pub(crate) fn asked(options: &Options, out: &mut impl Write) -> Result<bool, Failure> {
    let requests = [
        (options.sync, "Synchronize"),
        (options.flush, "FlushToVar"),
        (options.rotate, "Rotate"),
    ];
    let mut done = false;
    for (_, method) in requests.iter().filter(|(wanted, _)| *wanted) {
        call(&format!("io.systemd.Journal.{method}"))?;
        done = true;
    }
    if options.vacuum_size.is_some()
        || options.vacuum_time.is_some()
        || options.vacuum_files.is_some()
    {
        vacuum(options, out)?;
        done = true;
    }
    Ok(done)
}

/// Asks the daemon by Varlink and waits for its answer.
fn call(method: &str) -> Result<(), Failure> {
    let failed = |source| Failure::Io {
        what: format!("reach systemd-journald at {CONTROL}"),
        source,
    };
    let mut stream = UnixStream::connect(CONTROL).map_err(failed)?;
    let request = serde_json::json!({"method": method, "parameters": {}});
    stream
        .write_all(format!("{request}\0").as_bytes())
        .map_err(failed)?;
    let mut answer = Vec::new();
    BufReader::new(stream)
        .read_until(0, &mut answer)
        .map_err(failed)?;
    answer.pop();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
    match answer.get("error").and_then(serde_json::Value::as_str) {
        None => Ok(()),
        Some(error) => Err(Failure::Daemon {
            answer: format!("{error} {}", answer["parameters"]),
        }),
    }
}

/// Prints what is asked for besides entries; true when something was.
pub(crate) fn lists(
    options: &Options,
    journal: &Journal,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    if let Some(field) = &options.field {
        for value in journal.values(field) {
            out.write_all(&value)?;
            out.write_all(b"\n")?;
        }
    } else if options.fields {
        let mut names: Vec<String> = journal.readers().flat_map(Reader::field_names).collect();
        names.sort();
        names.dedup();
        for name in names {
            writeln!(out, "{name}")?;
        }
    } else if options.list_boots {
        boots(options, journal, out)?;
    } else if options.disk_usage {
        let taken: u64 = journal
            .readers()
            .filter_map(|r| fs::metadata(r.path()).ok())
            .map(|m| m.blocks() * 512)
            .sum();
        let size = init_api::bytes::format_bytes(taken);
        writeln!(
            out,
            "Archived and active journals take up {size} in the file system."
        )?;
    } else if options.header {
        for reader in journal.readers() {
            header(reader, out)?;
        }
    } else if options.verify {
        verify(journal, out)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn boots(options: &Options, journal: &Journal, out: &mut impl Write) -> Result<(), Failure> {
    let boots = journal.boots();
    let time = |at| journal::render::time(at, &zone(options), "%a %Y-%m-%d %H:%M:%S %Z");
    writeln!(
        out,
        "IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY"
    )?;
    for (number, boot) in boots.iter().enumerate() {
        let before = boots.len() - 1 - number;
        let index = if before == 0 {
            "0".to_owned()
        } else {
            format!("-{before}")
        };
        writeln!(
            out,
            "{index:>3} {} {} {}",
            hex(&boot.id),
            time(boot.first),
            time(boot.last)
        )?;
    }
    Ok(())
}

fn header(reader: &Reader, out: &mut impl Write) -> Result<(), Failure> {
    let Some(header) = reader.header() else {
        return Ok(());
    };
    let state = match header.state {
        0 => "OFFLINE",
        1 => "ONLINE",
        2 => "ARCHIVED",
        _ => "UNKNOWN",
    };
    writeln!(out, "File path: {}", reader.path().display())?;
    writeln!(out, "File ID: {}", hex(&header.file_id))?;
    writeln!(out, "Machine ID: {}", hex(&header.machine_id))?;
    writeln!(out, "Boot ID: {}", hex(&header.tail_boot_id))?;
    writeln!(out, "Sequential number ID: {}", hex(&header.seqnum_id))?;
    writeln!(out, "State: {state}")?;
    writeln!(out, "Head sequential number: {}", header.head_seqnum)?;
    writeln!(out, "Tail sequential number: {}", header.tail_seqnum)?;
    writeln!(out, "Objects: {}", header.objects)?;
    writeln!(out, "Entry objects: {}\n", header.entries)?;
    Ok(())
}

fn verify(journal: &Journal, out: &mut impl Write) -> Result<(), Failure> {
    let mut damaged = journal.problems().len();
    for problem in journal.problems() {
        writeln!(out, "FAIL: {problem}")?;
    }
    for reader in journal.readers() {
        match reader.verify() {
            Ok(()) => writeln!(out, "PASS: {}", reader.path().display())?,
            Err(what) => {
                damaged += 1;
                writeln!(out, "FAIL: {} ({what})", reader.path().display())?;
            }
        }
    }
    if damaged > 0 {
        Err(Failure::Damaged { count: damaged })
    } else {
        Ok(())
    }
}

/// A closed file: when it was last written, its size, where.
type Closed = (i64, u64, PathBuf);

fn vacuum(options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let wrong = |what, text: &str, expected| Failure::Argument {
        what,
        text: text.to_owned(),
        expected,
    };
    let size = match &options.vacuum_size {
        Some(text) => Some(
            init_api::bytes::parse_bytes(text)
                .ok_or_else(|| wrong("size", text, "bytes, with K, M, G or T"))?,
        ),
        None => None,
    };
    let age = match &options.vacuum_time {
        Some(text) => Some(
            TimeSpan::parse(text).map_err(|_| wrong("time span", text, "a span such as 2weeks"))?,
        ),
        None => None,
    };
    let root = options.root.clone().unwrap_or_else(|| PathBuf::from("/"));
    for top in ["run/log/journal", "var/log/journal"] {
        for folder in fs::read_dir(root.join(top))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
        {
            let freed = vacuum_folder(&folder, size, age, options.vacuum_files);
            let freed = init_api::bytes::format_bytes(freed);
            writeln!(
                out,
                "Vacuuming done, freed {freed} of archived journals from {}.",
                folder.display()
            )?;
        }
    }
    Ok(())
}

fn vacuum_folder(
    folder: &Path,
    size: Option<u64>,
    age: Option<TimeSpan>,
    files: Option<usize>,
) -> u64 {
    let mut closed: Vec<Closed> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains('@'))
        .filter_map(|entry| {
            entry
                .metadata()
                .ok()
                .map(|m| (m.mtime(), m.blocks() * 512, entry.path()))
        })
        .collect();
    closed.sort();
    let oldest =
        age.map(|age| init_sys::clock::realtime().saturating_sub(age.as_micros()) / 1_000_000);
    let (mut total, mut count) = (
        closed.iter().map(|(_, size, _)| size).sum::<u64>(),
        closed.len(),
    );
    let mut freed = 0;
    for (time, bytes, path) in closed {
        let too_much = size.is_some_and(|size| total > size);
        let too_old = oldest.is_some_and(|oldest| u64::try_from(time).unwrap_or(0) < oldest);
        let too_many = files.is_some_and(|files| count > files);
        if (too_much || too_old || too_many) && fs::remove_file(&path).is_ok() {
            total -= bytes;
            count -= 1;
            freed += bytes;
        }
    }
    freed
}
