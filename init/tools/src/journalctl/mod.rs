//! `journalctl`: selects entries of the journal and prints them.

mod housekeeping;
mod moment;
mod options;

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::tz::TimeZone;
use journal::entry::{Cursor, hex, parse_id};
use journal::journal::{Limit, Position, Query};
use journal::query::{Expression, of_priorities, of_unit, parse_matches};
use journal::render::{FORMATS, Format, Style, render};
use journal::{Entry, Journal, Source};
use regex_lite::Regex;

pub(crate) use options::Options;

/// Why nothing, or not all, was shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read {what} {text:?}: expected {expected}")]
    Argument {
        what: &'static str,
        text: String,
        expected: &'static str,
    },
    #[error("{0}")]
    Match(#[from] journal::query::MatchError),
    #[error("bad pattern {text:?}")]
    Pattern {
        text: String,
        source: regex_lite::Error,
    },
    #[error(
        "no journal could be read: {count} files are closed to you (members of systemd-journal may read them)"
    )]
    Closed { count: usize },
    #[error(
        "there is no boot {text:?} in the journal; `journalctl --list-boots` shows which there are"
    )]
    NoBoot { text: String },
    #[error("cannot {what}")]
    Io { what: String, source: io::Error },
    #[error("systemd-journald did not do it: {answer}")]
    Daemon { answer: String },
    #[error("{count} files are damaged")]
    Damaged { count: usize },
    #[error("cannot write")]
    Write(#[from] io::Error),
}

/// Runs `journalctl` with its arguments, the program's name first.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    let options = match Options::try_parse_from(options::joined(arguments.into_iter())) {
        Ok(options) => options,
        Err(e) => {
            let code = if e.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            };
            // A closed terminal leaves nobody to tell.
            let _ = e.print();
            return code;
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Write(e)) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            crate::complain(&e);
            ExitCode::FAILURE
        }
    }
}

fn source(options: &Options) -> Source {
    if !options.file.is_empty() {
        return Source::Files(options.file.clone());
    }
    match &options.directory {
        Some(folder) => Source::Directory(folder.clone()),
        None => Source::Machine {
            root: options.root.clone().unwrap_or_else(|| PathBuf::from("/")),
        },
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if options.version {
        return Ok(writeln!(out, "{}", crate::VERSION)?);
    }
    if housekeeping::asked(options, &mut out)? {
        return Ok(());
    }
    let mut journal = Journal::open(source(options));
    if journal.readers().next().is_none() && !journal.problems().is_empty() {
        return Err(Failure::Closed {
            count: journal.problems().len(),
        });
    }
    if housekeeping::lists(options, &journal, &mut out)? {
        return Ok(());
    }
    drop(out);
    show(options, &mut journal)
}

fn style(options: &Options) -> Result<Style, Failure> {
    let format = FORMATS
        .iter()
        .find(|(name, _)| *name == options.output)
        .map(|(_, format)| *format);
    let format = format.ok_or_else(|| Failure::Argument {
        what: "output format",
        text: options.output.clone(),
        expected: "short, short-iso, short-full, verbose, export, json, json-pretty, cat or another of --help",
    })?;
    Ok(Style {
        format,
        zone: zone(options),
        colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        all: options.all,
        hostname: !options.no_hostname,
        fields: options.output_fields.clone(),
    })
}

fn zone(options: &Options) -> TimeZone {
    if options.utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    }
}

fn show(options: &Options, journal: &mut Journal) -> Result<(), Failure> {
    let style = style(options)?;
    let query = query(options, journal)?;
    let pattern = match &options.grep {
        // As in the original: a pattern in lower case only does not care about case.
        Some(text) if text.chars().any(char::is_uppercase) => Some(compile(text, text)?),
        Some(text) => Some(compile(&format!("(?i){text}"), text)?),
        None => None,
    };
    let matches = |entry: &Entry| match &pattern {
        Some(pattern) => entry
            .text("MESSAGE")
            .is_some_and(|text| pattern.is_match(&text)),
        None => true,
    };
    let mut printer = Printer {
        style,
        last: None,
        shown: 0,
    };
    let mut pager =
        crate::pager::Pager::start(!options.no_pager && !options.follow, options.pager_end);
    if options.follow {
        // What comes while the first entries are printed is shown after them, and once.
        journal.skip_to_end();
    }
    {
        let out = pager.out();
        let found = |place: &Position| journal.entry(place).filter(&matches);
        let mut print = |place: Position| match found(&place) {
            Some(entry) => printer.print(out, &entry),
            None => Ok(()),
        };
        let counts = |place: &Position| pattern.is_none() || found(place).is_some();
        match query.limit {
            Limit::None => journal
                .walk(&query, options.reverse)
                .try_for_each(&mut print)?,
            Limit::Last(count) => {
                let last = journal.walk(&query, true).filter(counts).take(count);
                if options.reverse {
                    last.into_iter().try_for_each(&mut print)?;
                } else {
                    let places: Vec<Position> = last.collect();
                    places.into_iter().rev().try_for_each(&mut print)?;
                }
            }
            Limit::First(count) => {
                let first = journal.walk(&query, false).filter(counts).take(count);
                if options.reverse {
                    let places: Vec<Position> = first.collect();
                    places.into_iter().rev().try_for_each(&mut print)?;
                } else {
                    first.into_iter().try_for_each(&mut print)?;
                }
            }
        }
        let machine = matches!(
            printer.style.format,
            Format::Json | Format::JsonPretty | Format::JsonSse | Format::Export
        );
        if printer.shown == 0 && !options.follow && !options.quiet && !machine {
            writeln!(out, "-- No entries --")?;
        }
        if options.follow {
            out.flush()?;
            follow(journal, &query, &mut printer, out, &matches)?;
        }
        if let Some(last) = &printer.last {
            if options.show_cursor {
                writeln!(out, "-- cursor: {}", last.cursor())?;
            }
            if let Some(path) = &options.cursor_file {
                let what = || format!("write {}", path.display());
                fs::write(path, last.cursor()).map_err(|source| Failure::Io {
                    what: what(),
                    source,
                })?;
            }
        }
        out.flush()?;
    }
    pager.finish();
    Ok(())
}

fn compile(pattern: &str, text: &str) -> Result<Regex, Failure> {
    Regex::new(pattern).map_err(|source| Failure::Pattern {
        text: text.to_owned(),
        source,
    })
}

fn follow(
    journal: &mut Journal,
    query: &Query,
    printer: &mut Printer,
    out: &mut dyn Write,
    matches: &dyn Fn(&Entry) -> bool,
) -> Result<(), Failure> {
    loop {
        let entries = journal.poll();
        let wanted = |entry: &&Entry| {
            query.expression.selects(&entry.fields)
                && query.until.is_none_or(|until| entry.realtime <= until)
        };
        for entry in entries.iter().filter(wanted).filter(|entry| matches(entry)) {
            printer.print(out, entry)?;
        }
        out.flush()?;
        if entries.is_empty() {
            journal.wait(5_000).map_err(|source| Failure::Io {
                what: "watch the journal".into(),
                source,
            })?;
        }
    }
}

/// Prints entries, and a line where a boot ends and another begins.
struct Printer {
    style: Style,
    last: Option<Entry>,
    shown: usize,
}

impl Printer {
    fn print(&mut self, mut out: &mut dyn Write, entry: &Entry) -> Result<(), Failure> {
        let for_people = !matches!(
            self.style.format,
            Format::Cat | Format::Export | Format::Json | Format::JsonPretty | Format::JsonSse
        );
        if for_people
            && self
                .last
                .as_ref()
                .is_some_and(|last| last.boot_id != entry.boot_id)
        {
            writeln!(out, "-- Boot {} --", hex(&entry.boot_id))?;
        }
        render(&mut out, entry, &self.style)?;
        self.last = Some(entry.clone());
        self.shown += 1;
        Ok(())
    }
}

fn query(options: &Options, journal: &Journal) -> Result<Query, Failure> {
    let mut all = vec![parse_matches(&options.matches)?];
    if !options.unit.is_empty() {
        all.push(units(&options.unit, journal));
    }
    if !options.identifier.is_empty() {
        let any = options
            .identifier
            .iter()
            .map(|id| Expression::field("SYSLOG_IDENTIFIER", id));
        all.push(Expression::Any(any.collect()));
    }
    if let Some(priority) = &options.priority {
        all.push(priorities(priority)?);
    }
    if options.dmesg {
        all.push(Expression::field("_TRANSPORT", "kernel"));
    }
    if let Some(boot) = options
        .boot
        .as_deref()
        .or_else(|| options.dmesg.then_some("0"))
    {
        let id = boot_id(boot, journal).ok_or_else(|| Failure::NoBoot {
            text: boot.to_owned(),
        })?;
        all.push(Expression::field("_BOOT_ID", &hex(&id)));
    }
    let now = init_sys::clock::realtime();
    let moment = |text: &Option<String>| match text {
        Some(text) => moment::parse(text, now, &zone(options))
            .map(Some)
            .ok_or_else(|| Failure::Argument {
                what: "time",
                text: text.clone(),
                expected: "YYYY-MM-DD HH:MM:SS, HH:MM, today, yesterday, @seconds or -1h",
            }),
        None => Ok(None),
    };
    let mut query = Query::new(Expression::All(all));
    query.since = moment(&options.since)?;
    query.until = moment(&options.until)?;
    query.after = cursor(options)?;
    query.limit = limit(options)?;
    Ok(query)
}

fn cursor(options: &Options) -> Result<Option<Cursor>, Failure> {
    let from_file = options
        .cursor_file
        .as_ref()
        .and_then(|path| fs::read_to_string(path).ok());
    let Some(text) = options
        .after_cursor
        .clone()
        .or_else(|| options.cursor.clone())
        .or(from_file)
    else {
        return Ok(None);
    };
    let mut cursor = Cursor::parse(text.trim()).ok_or_else(|| Failure::Argument {
        what: "cursor",
        text: text.clone(),
        expected: "what --show-cursor prints",
    })?;
    if options.cursor.is_some() && options.after_cursor.is_none() {
        // The entry itself is wanted too.
        cursor.seqnum = cursor.seqnum.saturating_sub(1);
        cursor.realtime = cursor.realtime.saturating_sub(1);
    }
    Ok(Some(cursor))
}

fn limit(options: &Options) -> Result<Limit, Failure> {
    let Some(text) = &options.lines else {
        return Ok(
            match (options.follow && !options.no_tail, options.pager_end) {
                (true, _) => Limit::Last(10),
                (_, true) => Limit::Last(1000),
                _ => Limit::None,
            },
        );
    };
    if text == "all" {
        return Ok(Limit::None);
    }
    let wrong = || Failure::Argument {
        what: "number of lines",
        text: text.clone(),
        expected: "N, +N or all",
    };
    let first = text.starts_with('+');
    let count = text.trim_start_matches('+').parse().map_err(|_| wrong())?;
    Ok(if first {
        Limit::First(count)
    } else {
        Limit::Last(count)
    })
}

/// Units as typed: `.service` is added, patterns are compared with the units that the journal knows.
fn units(names: &[String], journal: &Journal) -> Expression {
    let mut wanted = Vec::new();
    for name in names {
        if !name.contains(['*', '?', '[']) {
            wanted.push(crate::unit_name(name));
            continue;
        }
        let known = ["_SYSTEMD_UNIT", "UNIT"]
            .iter()
            .flat_map(|field| journal.values(field));
        let known = known.map(|value| String::from_utf8_lossy(&value).into_owned());
        wanted.extend(known.filter(|unit| crate::glob_matches(name, unit)));
    }
    wanted.sort();
    wanted.dedup();
    Expression::Any(wanted.iter().map(|unit| of_unit(unit)).collect())
}

const LEVELS: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

fn priorities(text: &str) -> Result<Expression, Failure> {
    let level = |name: &str| {
        let by_name = LEVELS
            .iter()
            .position(|level| *level == name)
            .and_then(|at| u8::try_from(at).ok());
        by_name.or_else(|| name.parse().ok().filter(|level| *level < 8)).ok_or_else(|| Failure::Argument {
            what: "priority",
            text: text.to_owned(),
            expected: "emerg, alert, crit, err, warning, notice, info, debug, 0 to 7, or a range A..B",
        })
    };
    let (from, to) = match text.split_once("..") {
        Some((a, b)) => (level(a)?, level(b)?),
        None => (0, level(text)?),
    };
    Ok(of_priorities(from.min(to), from.max(to)))
}

/// A boot as typed: an id, an offset, or both.
fn boot_id(text: &str, journal: &Journal) -> Option<[u8; 16]> {
    let current = parse_id(&fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)?;
    let (id, offset) = match text.split_at_checked(32) {
        Some((id, offset)) => (parse_id(id)?, offset),
        None => (current, text),
    };
    let offset: i64 = if offset.is_empty() {
        0
    } else {
        offset.parse().ok()?
    };
    if offset == 0 {
        return Some(id);
    }
    let boots = journal.boots();
    let at = if offset > 0 && text.len() < 32 {
        // A positive offset alone counts from the oldest boot.
        usize::try_from(offset - 1).ok()?
    } else {
        let here = boots
            .iter()
            .position(|boot| boot.id == id)
            .unwrap_or_else(|| boots.len().saturating_sub(1));
        here.checked_add_signed(isize::try_from(offset).ok()?)?
    };
    boots.get(at).map(|boot| boot.id)
}
