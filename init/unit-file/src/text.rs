//! The text of unit files: lines to sections and assignments, each with its place, and back.
//!
//! Knows the grammar only, not the directives: also what reads `[X-Fleet]` and `.network` files.

use std::fmt;

/// A file, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitText {
    /// In the order of the file; a section that comes twice is there twice.
    pub sections: Vec<Section>,
    /// What was not understood.
    pub problems: Vec<Problem>,
}

/// From one header to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Without brackets.
    pub name: String,
    /// Where the header is, from 1.
    pub line: u32,
    /// In the order of the file.
    pub assignments: Vec<Assignment>,
}

/// `key=value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Before the first `=`.
    pub key: String,
    /// After it, without blanks at its ends, continuation lines joined.
    pub value: String,
    /// Where the key is, from 1.
    pub line: u32,
    /// Where the key begins, in characters from 1.
    pub column: u32,
}

/// A line that is none of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// What is wrong.
    pub text: String,
    /// Whether the file must not be used (a broken section header).
    pub fatal: bool,
}

/// Longest line, continuation lines joined: systemd's `LONG_LINE_MAX`.
const LONGEST: usize = 1 << 20;

impl UnitText {
    /// Reads a file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut joined: Option<(u32, String)> = None;
        for (number, line) in (1_u32..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Ok(line) = std::str::from_utf8(line) else {
                text.problem(number, 1, "the line is not UTF-8; it is ignored", false);
                continue;
            };
            // Comment lines inside a continuation vanish and the continuation goes on.
            if line.trim_start().starts_with(['#', ';']) {
                continue;
            }
            let (start, mut whole) = joined.take().unwrap_or_else(|| (number, String::new()));
            whole.push_str(line);
            if whole.len() > LONGEST {
                text.problem(
                    start,
                    1,
                    "the line is longer than 1 MiB; it is ignored",
                    true,
                );
                continue;
            }
            if ends_in_escape(&whole) {
                whole.pop();
                whole.push(' ');
                joined = Some((start, whole));
            } else {
                text.line(start, &whole);
            }
        }
        if let Some((start, whole)) = joined {
            text.line(start, &whole);
        }
        text
    }

    fn problem(&mut self, line: u32, column: u32, text: &str, fatal: bool) {
        self.problems.push(Problem {
            line,
            column,
            text: text.to_owned(),
            fatal,
        });
    }

    fn line(&mut self, number: u32, line: &str) {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return;
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let column = u32::try_from(indent).unwrap_or(0) + 1;
        if let Some(header) = trimmed.strip_prefix('[') {
            match header.strip_suffix(']') {
                Some(name) => self.sections.push(Section {
                    name: name.to_owned(),
                    line: number,
                    assignments: Vec::new(),
                }),
                None => self.problem(number, column, "a section header ends with ]", true),
            }
            return;
        }
        let Some((key, value)) = trimmed.split_once('=') else {
            self.problem(number, column, "the line has no =; it is ignored", false);
            return;
        };
        let (key, value) = (key.trim_end().to_owned(), value.trim_start().to_owned());
        if key.is_empty() {
            self.problem(
                number,
                column,
                "there is no key before the =; the line is ignored",
                false,
            );
        } else if let Some(section) = self.sections.last_mut() {
            section.assignments.push(Assignment {
                key,
                value,
                line: number,
                column,
            });
        } else {
            let text = format!("{key}= stands before any section; it is ignored");
            self.problem(number, column, &text, false);
        }
    }

    /// Every value of a key in the sections of a name, in order.
    pub fn values<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.sections
            .iter()
            .filter(move |one| one.name == section)
            .flat_map(|one| &one.assignments)
            .filter(move |one| one.key == key)
            .map(|one| one.value.as_str())
    }

    /// Whether there is a section of this name.
    #[must_use]
    pub fn has_section(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    /// Adds an assignment at the end of the last section of a name, which is made if need be.
    pub fn push(&mut self, section: &str, key: &str, value: &str) {
        let assignment = Assignment {
            key: key.to_owned(),
            value: value.to_owned(),
            line: 0,
            column: 0,
        };
        match self
            .sections
            .iter_mut()
            .rev()
            .find(|one| one.name == section)
        {
            Some(section) => section.assignments.push(assignment),
            None => self.sections.push(Section {
                name: section.to_owned(),
                line: 0,
                assignments: vec![assignment],
            }),
        }
    }
}

fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The file again: without comments, one line for each assignment.
impl fmt::Display for UnitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "[{}]", section.name)?;
            for assignment in &section.assignments {
                writeln!(f, "{}={}", assignment.key, assignment.value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
