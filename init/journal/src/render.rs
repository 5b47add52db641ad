//! Entries as text: the output formats of `journalctl`.

use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::entry::{Entry, hex};

/// `-o` of `journalctl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Short,
    ShortFull,
    ShortIso,
    ShortIsoPrecise,
    ShortPrecise,
    ShortMonotonic,
    ShortUnix,
    WithUnit,
    Verbose,
    Export,
    Json,
    JsonPretty,
    JsonSse,
    Cat,
}

/// Names of the formats, as typed.
pub const FORMATS: [(&str, Format); 14] = [
    ("short", Format::Short),
    ("short-full", Format::ShortFull),
    ("short-iso", Format::ShortIso),
    ("short-iso-precise", Format::ShortIsoPrecise),
    ("short-precise", Format::ShortPrecise),
    ("short-monotonic", Format::ShortMonotonic),
    ("short-unix", Format::ShortUnix),
    ("with-unit", Format::WithUnit),
    ("verbose", Format::Verbose),
    ("export", Format::Export),
    ("json", Format::Json),
    ("json-pretty", Format::JsonPretty),
    ("json-sse", Format::JsonSse),
    ("cat", Format::Cat),
];

/// How to print.
#[derive(Debug, Clone)]
pub struct Style {
    pub format: Format,
    pub zone: TimeZone,
    /// Colours by priority.
    pub colour: bool,
    /// Show unprintable and long values too.
    pub all: bool,
    pub hostname: bool,
    /// Only these fields, for the formats that show fields; empty for all.
    pub fields: Vec<String>,
}

impl Style {
    /// Plain text in the machine's own time zone.
    #[must_use]
    pub fn plain(format: Format) -> Self {
        Self {
            format,
            zone: TimeZone::system(),
            colour: false,
            all: false,
            hostname: true,
            fields: Vec::new(),
        }
    }
}

/// A moment as text by a strftime pattern.
#[must_use]
pub fn time(realtime: u64, zone: &TimeZone, pattern: &str) -> String {
    let micros = i64::try_from(realtime).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros)
        .map(|moment| {
            moment
                .to_zoned_datetime(zone.clone())
                .strftime(pattern)
                .to_string()
        })
        .unwrap_or_default()
}

/// Prints one entry.
///
/// # Errors
/// What writing says.
pub fn render(out: &mut impl Write, entry: &Entry, style: &Style) -> io::Result<()> {
    match style.format {
        Format::Cat => cat(out, entry, style),
        Format::Verbose => verbose(out, entry, style),
        Format::Export => export(out, entry, style),
        Format::Json => writeln!(out, "{}", Value::Object(json(entry, style))),
        Format::JsonPretty => writeln!(out, "{:#}", Value::Object(json(entry, style))),
        Format::JsonSse => writeln!(out, "data: {}\n", Value::Object(json(entry, style))),
        _ => short(out, entry, style),
    }
}

fn stamp(entry: &Entry, style: &Style) -> String {
    let at = |pattern| time(entry.realtime, &style.zone, pattern);
    let (seconds, micros) = (entry.realtime / 1_000_000, entry.realtime % 1_000_000);
    match style.format {
        Format::ShortFull | Format::WithUnit => at("%a %Y-%m-%d %H:%M:%S %Z"),
        Format::ShortIso => at("%Y-%m-%dT%H:%M:%S%z"),
        Format::ShortIsoPrecise => at("%Y-%m-%dT%H:%M:%S.%6f%z"),
        Format::ShortPrecise => at("%b %d %H:%M:%S.%6f"),
        Format::ShortUnix => format!("{seconds}.{micros:06}"),
        Format::ShortMonotonic => format!(
            "[{:5}.{:06}]",
            entry.monotonic / 1_000_000,
            entry.monotonic % 1_000_000
        ),
        _ => at("%b %d %H:%M:%S"),
    }
}

fn unprintable(text: &[u8]) -> bool {
    match std::str::from_utf8(text) {
        Ok(text) => text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t'),
        Err(_) => true,
    }
}

fn size(bytes: usize) -> String {
    // Powers of 1024 with one decimal, as the original prints a blob's size.
    let steps = [("G", 30_u32), ("M", 20), ("K", 10)];
    for (unit, shift) in steps {
        if bytes >> shift > 0 {
            let tenths = (bytes * 10) >> shift;
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes}B")
}

/// Colours by priority: errors red, warnings yellow, notices bold, debug grey.
fn colours(entry: &Entry, style: &Style) -> (&'static str, &'static str) {
    if !style.colour {
        return ("", "");
    }
    match entry.text("PRIORITY").as_deref() {
        Some("0" | "1" | "2" | "3") => ("\x1b[0;1;31m", "\x1b[0m"),
        Some("4") => ("\x1b[0;1;38;5;185m", "\x1b[0m"),
        Some("5") => ("\x1b[0;1;39m", "\x1b[0m"),
        Some("7") => ("\x1b[0;38;5;245m", "\x1b[0m"),
        _ => ("", ""),
    }
}

fn short(out: &mut impl Write, entry: &Entry, style: &Style) -> io::Result<()> {
    let mut head = stamp(entry, style);
    if style.hostname
        && let Some(host) = entry.text("_HOSTNAME")
    {
        head.push(' ');
        head.push_str(&host);
    }
    let unit = (style.format == Format::WithUnit)
        .then(|| entry.text("_SYSTEMD_UNIT").or_else(|| entry.text("UNIT")));
    let name = unit
        .flatten()
        .or_else(|| entry.text("SYSLOG_IDENTIFIER"))
        .or_else(|| entry.text("_COMM"));
    head.push(' ');
    head.push_str(name.as_deref().unwrap_or("unknown"));
    if let Some(pid) = entry.text("_PID").or_else(|| entry.text("SYSLOG_PID")) {
        head.push('[');
        head.push_str(&pid);
        head.push(']');
    }
    head.push_str(": ");
    let message = entry.get("MESSAGE").unwrap_or_default();
    let (on, off) = colours(entry, style);
    if unprintable(message) && !style.all {
        return writeln!(out, "{head}[{} blob data]", size(message.len()));
    }
    let text = String::from_utf8_lossy(message);
    let indent = head.chars().count();
    for (number, line) in text.trim_end_matches('\n').split('\n').enumerate() {
        if number == 0 {
            writeln!(out, "{head}{on}{line}{off}")?;
        } else {
            writeln!(out, "{:indent$}{on}{line}{off}", "")?;
        }
    }
    Ok(())
}

fn cat(out: &mut impl Write, entry: &Entry, style: &Style) -> io::Result<()> {
    if style.fields.is_empty() {
        out.write_all(entry.get("MESSAGE").unwrap_or_default())?;
        return out.write_all(b"\n");
    }
    for name in &style.fields {
        if let Some(value) = entry.get(name) {
            out.write_all(value)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn shown(style: &Style, name: &str) -> bool {
    style.fields.is_empty() || style.fields.iter().any(|field| field == name)
}

fn verbose(out: &mut impl Write, entry: &Entry, style: &Style) -> io::Result<()> {
    let at = time(entry.realtime, &style.zone, "%a %Y-%m-%d %H:%M:%S.%6f %Z");
    writeln!(out, "{at} [{}]", entry.cursor())?;
    for (name, value) in entry.pairs().filter(|(name, _)| shown(style, name)) {
        if unprintable(value) && !style.all {
            writeln!(out, "    {name}=[{} blob data]", size(value.len()))?;
        } else {
            writeln!(out, "    {name}={}", String::from_utf8_lossy(value))?;
        }
    }
    Ok(())
}

fn export(out: &mut impl Write, entry: &Entry, style: &Style) -> io::Result<()> {
    writeln!(out, "__CURSOR={}", entry.cursor())?;
    writeln!(out, "__REALTIME_TIMESTAMP={}", entry.realtime)?;
    writeln!(out, "__MONOTONIC_TIMESTAMP={}", entry.monotonic)?;
    writeln!(out, "_BOOT_ID={}", hex(&entry.boot_id))?;
    for (name, value) in entry
        .pairs()
        .filter(|(name, _)| *name != "_BOOT_ID" && shown(style, name))
    {
        out.write_all(name.as_bytes())?;
        if std::str::from_utf8(value)
            .is_ok_and(|text| !text.chars().any(|c| c.is_control() && c != '\t'))
        {
            out.write_all(b"=")?;
        } else {
            out.write_all(b"\n")?;
            out.write_all(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes())?;
        }
        out.write_all(value)?;
        out.write_all(b"\n")?;
    }
    out.write_all(b"\n")
}

/// Values longer than this are printed as null unless `--all` is given.
const JSON_VALUE_MAX: usize = 4096;

fn json_value(value: &[u8], style: &Style) -> Value {
    if value.len() > JSON_VALUE_MAX && !style.all {
        return Value::Null;
    }
    match std::str::from_utf8(value) {
        Ok(text)
            if !text
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\t') =>
        {
            Value::from(text)
        }
        _ => Value::from(value.to_vec()),
    }
}

fn json(entry: &Entry, style: &Style) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("__CURSOR".into(), entry.cursor().into());
    object.insert(
        "__REALTIME_TIMESTAMP".into(),
        entry.realtime.to_string().into(),
    );
    object.insert(
        "__MONOTONIC_TIMESTAMP".into(),
        entry.monotonic.to_string().into(),
    );
    object.insert("_BOOT_ID".into(), hex(&entry.boot_id).into());
    for (name, value) in entry
        .pairs()
        .filter(|(name, _)| *name != "_BOOT_ID" && shown(style, name))
    {
        let value = json_value(value, style);
        match object.get_mut(name) {
            None => {
                object.insert(name.into(), value);
            }
            Some(Value::Array(several))
                if several.first().is_none_or(|first| !first.is_number()) =>
            {
                several.push(value);
            }
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[&[u8]]) -> Entry {
        Entry {
            seqnum_id: [0; 16],
            seqnum: 1,
            realtime: 1_466_412_763_250_000,
            monotonic: 5_000_001,
            boot_id: [2; 16],
            xor_hash: 0,
            fields: fields.iter().map(|f| f.to_vec()).collect(),
        }
    }

    fn print(entry: &Entry, format: Format) -> String {
        let mut out = Vec::new();
        let style = Style {
            zone: TimeZone::UTC,
            ..Style::plain(format)
        };
        render(&mut out, entry, &style).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_short_line_has_time_host_identifier_and_pid_and_indents_what_follows() {
        let fields: [&[u8]; 4] = [
            b"_HOSTNAME=coreos",
            b"SYSLOG_IDENTIFIER=docker",
            b"_PID=1355",
            b"MESSAGE=one\ntwo",
        ];
        let expected =
            "Jun 20 08:52:43 coreos docker[1355]: one\n                                     two\n";
        assert_eq!(print(&entry(&fields), Format::Short), expected);
    }

    #[test]
    fn what_cannot_be_printed_is_counted() {
        let line = print(
            &entry(&[b"_HOSTNAME=h", b"SYSLOG_IDENTIFIER=x", b"MESSAGE=\x01\x02"]),
            Format::Short,
        );
        assert!(line.ends_with(" h x: [2B blob data]\n"), "{line}");
    }

    #[test]
    fn json_gives_repeated_fields_as_lists_and_bytes_as_numbers() {
        let text = print(&entry(&[b"A=1", b"A=2", b"B=\xff"]), Format::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["A"], serde_json::json!(["1", "2"]));
        assert_eq!(value["B"], serde_json::json!([255]));
    }

    #[test]
    fn export_writes_values_with_line_ends_behind_their_length() {
        let text = print(&entry(&[b"MESSAGE=a\nb", b"X=y"]), Format::Export);
        assert!(
            text.contains("MESSAGE\n\u{3}\0\0\0\0\0\0\0a\nb\nX=y\n\n"),
            "{text:?}"
        );
    }
}
