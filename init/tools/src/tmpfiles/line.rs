//! One line of tmpfiles.d(5): type, path, mode, user, group, age, argument.

use std::path::Path;

use init_api::TimeSpan;
use unit_file::words::{self, Escapes};

/// What specifiers stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    machine_id: String,
    boot_id: String,
    host: String,
    kernel: String,
    os_id: String,
}

/// A mode, with its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) bits: u32,
    /// `~`: keep what the file does not have already.
    pub(super) masked: bool,
    /// `:`: only for files that are made now.
    pub(super) only_new: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one mark each, as the lines have them"
)]
pub(super) struct Item {
    pub(super) kind: char,
    /// `+`
    pub(super) plus: bool,
    /// `!`
    pub(super) at_boot_only: bool,
    /// `-`
    pub(super) may_fail: bool,
    /// `=`: remove what is of another kind.
    pub(super) replace: bool,
    /// `?`
    pub(super) if_source: bool,
    pub(super) path: String,
    pub(super) mode: Option<Mode>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) age: Option<TimeSpan>,
    /// The age does not concern the folder's first level (`~`).
    pub(super) keep_first_level: bool,
    pub(super) argument: Option<String>,
}

const KINDS: &str = "fFdDevqQpLcbCxXrRzZmtThHaAw";

impl Item {
    /// One line; nothing for comments and blank lines.
    pub(super) fn parse(line: &str, facts: &Facts) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut rest = line;
        let mut fields: Vec<Option<String>> = Vec::new();
        while fields.len() < 6 {
            match words::next(rest, Escapes::C).map_err(|e| e.to_string())? {
                Some((word, after)) => {
                    fields.push((word.text != "-").then_some(word.text));
                    rest = after;
                }
                None => break,
            }
        }
        let mut fields = fields.into_iter();
        let mut field = || fields.next().flatten();
        let kind_text = field().ok_or("a type is missing")?;
        let path = field().ok_or("a path is missing")?;
        let path = facts.expand(&path)?;
        if !path.starts_with('/') {
            return Err(format!("the path {path:?} is not absolute"));
        }
        let mut item = Self {
            kind: ' ',
            plus: false,
            at_boot_only: false,
            may_fail: false,
            replace: false,
            if_source: false,
            path: if path == "/" {
                path
            } else {
                path.trim_end_matches('/').to_owned()
            },
            mode: field().map(|text| mode(&text)).transpose()?,
            user: field(),
            group: field(),
            age: None,
            keep_first_level: false,
            argument: None,
        };
        item.take_kind(&kind_text)?;
        if let Some(age) = field() {
            let text = age.trim_start_matches('~');
            item.keep_first_level = text.len() != age.len();
            let text = text.rsplit(':').next().unwrap_or_default();
            item.age = Some(TimeSpan::parse(text).map_err(|e| e.to_string())?);
        }
        let argument = rest.trim();
        if !argument.is_empty() && argument != "-" {
            let argument = match item.kind {
                'f' | 'F' | 'w' => unescape(argument),
                _ => argument.to_owned(),
            };
            item.argument = Some(facts.expand(&argument)?);
        }
        Ok(Some(item))
    }

    fn take_kind(&mut self, text: &str) -> Result<(), String> {
        let mut letters = text.chars();
        self.kind = letters.next().unwrap_or(' ');
        if !KINDS.contains(self.kind) {
            return Err(format!("unknown type {text:?}, expected one of {KINDS}"));
        }
        for mark in letters {
            match mark {
                '+' => self.plus = true,
                '!' => self.at_boot_only = true,
                '-' => self.may_fail = true,
                '=' => self.replace = true,
                '?' => self.if_source = true,
                '~' | '^' | '$' => {}
                _ => return Err(format!("unknown mark {mark:?} in {text:?}")),
            }
        }
        Ok(())
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    let digits = text.trim_start_matches(['~', ':']);
    let marks = text.get(..text.len() - digits.len()).unwrap_or_default();
    let bits = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|bits| *bits <= 0o7777);
    let bits =
        bits.ok_or_else(|| format!("{text:?} is no mode, expected octal digits such as 0755"))?;
    Ok(Mode {
        bits,
        masked: marks.contains('~'),
        only_new: marks.contains(':'),
    })
}

/// `\n`, `\t`, `\\` and `\xHH` in texts that are written to files.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('x') => {
                let code: String = letters.by_ref().take(2).collect();
                out.extend(u8::from_str_radix(&code, 16).ok().map(char::from));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

impl Facts {
    pub(super) fn read(root: &Path) -> Self {
        let line = |path: &str| {
            let text = std::fs::read_to_string(root.join(path.trim_start_matches('/')))
                .unwrap_or_default();
            text.trim().to_owned()
        };
        let release = line("/etc/os-release");
        let id = release
            .lines()
            .find_map(|l| l.strip_prefix("ID="))
            .unwrap_or("linux");
        let name = rustix::system::uname();
        Self {
            machine_id: line("/etc/machine-id"),
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .unwrap_or_default()
                .trim()
                .replace('-', ""),
            host: name.nodename().to_string_lossy().into_owned(),
            kernel: name.release().to_string_lossy().into_owned(),
            os_id: id.trim_matches('"').to_owned(),
        }
    }

    fn expand(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match letters.next() {
                Some('%') | None => out.push('%'),
                Some('m') => out.push_str(&self.machine_id),
                Some('b') => out.push_str(&self.boot_id),
                Some('H' | 'l' | 'q') => out.push_str(&self.host),
                Some('v') => out.push_str(&self.kernel),
                Some('o') => out.push_str(&self.os_id),
                Some('t') => out.push_str("/run"),
                Some('S') => out.push_str("/var/lib"),
                Some('C') => out.push_str("/var/cache"),
                Some('L') => out.push_str("/var/log"),
                Some('T') => out.push_str("/tmp"),
                Some('V') => out.push_str("/var/tmp"),
                Some('h') => out.push_str("/root"),
                Some('u' | 'g') => out.push_str("root"),
                Some('U' | 'G') => out.push('0'),
                Some(other) => return Err(format!("unknown specifier %{other}")),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Item {
        let facts = Facts {
            machine_id: "abc".into(),
            ..Facts::default()
        };
        Item::parse(line, &facts).unwrap().unwrap()
    }

    #[test]
    fn a_line_has_up_to_seven_fields() {
        let item = parse("d /run/sshd 0755 root root 10d -");
        assert_eq!(
            (item.kind, item.path.as_str(), item.mode.unwrap().bits),
            ('d', "/run/sshd", 0o755)
        );
        assert_eq!(item.age, Some(TimeSpan::from_secs(864_000)));
        let item = parse("L+! /etc/x - - - - ../usr/%m y");
        assert!(item.plus && item.at_boot_only);
        assert_eq!(item.argument.as_deref(), Some("../usr/abc y"));
        assert_eq!(
            parse("f /a - - - - one\\ntwo").argument.as_deref(),
            Some("one\ntwo")
        );
        assert_eq!(parse("r! /forcefsck").kind, 'r');
    }

    #[test]
    fn mistakes_are_named() {
        let problem = |line| Item::parse(line, &Facts::default()).unwrap_err();
        assert!(problem("y /a").contains("unknown type"));
        assert!(problem("d a").contains("not absolute"));
        assert!(problem("d /a 9").contains("no mode"));
        assert!(problem("d /a%y").contains("specifier"));
        assert_eq!(Item::parse("# d /a", &Facts::default()), Ok(None));
    }
}
