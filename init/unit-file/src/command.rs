//! One command line of `ExecStart=` and its like: read at load, expanded at each exec.

use serde::{Deserialize, Serialize};

use crate::words::{self, Escapes, WordError};

mod expand;

pub use expand::{Lookup, expand_argv, expand_word};

/// A command of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program: an absolute path, or a name that is looked up in [`Command::SEARCH`].
    pub path: String,
    /// The words, `argv[0]` among them, specifiers expanded, variables not.
    pub argv: Vec<String>,
    /// What the prefix characters said.
    pub flags: CommandFlags,
    /// The words as the file has them, specifiers not expanded, joined by blanks: what 2016's
    /// `systemctl status` prints.
    pub written: String,
}

/// The prefix characters of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommandFlags {
    /// `-`: failure counts as success.
    pub ignore_failure: bool,
    /// `:`: variables are not expanded.
    pub no_expansion: bool,
    /// `+`, `!`, `!!`
    pub privileges: Privileges,
}

/// How much of the sandbox and of dropping privileges applies to a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Privileges {
    /// All of it.
    #[default]
    Dropped,
    /// `+`: none of it.
    Full,
    /// `!`: all but user, group and capabilities.
    KeepUser,
    /// `!!`: as `!` where the kernel lacks ambient capabilities; ours has them, so as none.
    Ambient,
}

/// Why a command line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Quotes.
    #[error(transparent)]
    Word(#[from] WordError),
    /// Specifiers.
    #[error(transparent)]
    Specifier(#[from] crate::SpecifierError),
    /// Only prefix characters.
    #[error("a program is missing after the prefix characters {0:?}")]
    NoProgram(String),
    /// Nothing but specifiers that stand for nothing here.
    #[error("the program's specifiers stand for nothing on this machine")]
    Empty,
    /// A path that is neither absolute nor a name.
    #[error("the program {0:?} is neither an absolute path nor a name without slashes")]
    Relative(String),
    /// A folder.
    #[error("the program {0:?} is a folder")]
    Folder(String),
    /// Control characters.
    #[error("the program {0:?} has characters that a path here must not have")]
    Characters(String),
    /// `@` without another word.
    #[error("after @{0} the word for argv[0] is missing")]
    NoArgv0(String),
}

/// The commands of one line, and findings that did not stop it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The commands, separated by `;` in the line.
    pub commands: Vec<Command>,
    /// Warnings: unknown escapes, commands left out because their `-` forgives everything.
    pub warnings: Vec<String>,
}

impl Command {
    /// Where a program without a slash is searched.
    pub const SEARCH: [&'static str; 6] = [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];

    /// Reads a line, expanding specifiers by `specifiers` in each word.
    ///
    /// # Errors
    /// When quotes do not match, a specifier does not exist, or a program's path cannot be one.
    pub fn parse_line(
        line: &str,
        specifiers: &dyn Fn(&str) -> Result<String, crate::SpecifierError>,
    ) -> Result<CommandLine, CommandError> {
        let mut parsed = CommandLine::default();
        let mut rest = line.trim();
        while !rest.is_empty() {
            let mut words = Words {
                rest,
                specifiers,
                written: Vec::new(),
                relaxed: false,
            };
            let Some(first) = words.raw()? else { break };
            let prefix = Prefix::of(&first);
            match words.command(&prefix) {
                Ok(command) => parsed.commands.push(command),
                Err(error) if prefix.flags.ignore_failure => {
                    parsed
                        .warnings
                        .push(format!("{error}; the command is left out"));
                    break;
                }
                Err(error) => return Err(error),
            }
            if words.relaxed {
                parsed
                    .warnings
                    .push("unknown escape sequences stay as they are written".to_owned());
            }
            rest = words.rest.trim_start();
        }
        Ok(parsed)
    }

    /// The prefix characters that the flags stand for, e.g. `-`.
    #[must_use]
    pub fn prefix(&self) -> String {
        let mut prefix = String::new();
        if self.flags.ignore_failure {
            prefix.push('-');
        }
        if self.argv.first() != Some(&self.path) {
            prefix.push('@');
        }
        if self.flags.no_expansion {
            prefix.push(':');
        }
        prefix.push_str(match self.flags.privileges {
            Privileges::Dropped => "",
            Privileges::Full => "+",
            Privileges::KeepUser => "!",
            Privileges::Ambient => "!!",
        });
        prefix
    }
}

/// The first word, taken apart.
struct Prefix {
    flags: CommandFlags,
    argv0: bool,
    program: String,
    text: String,
}

impl Prefix {
    fn of(word: &str) -> Self {
        let mut flags = CommandFlags::default();
        let mut argv0 = false;
        let mut rest = word;
        while let Some(character) = rest.chars().next() {
            match character {
                '-' if !flags.ignore_failure => flags.ignore_failure = true,
                '@' if !argv0 => argv0 = true,
                ':' if !flags.no_expansion => flags.no_expansion = true,
                '+' if flags.privileges == Privileges::Dropped => {
                    flags.privileges = Privileges::Full;
                }
                '!' if flags.privileges == Privileges::Dropped => {
                    flags.privileges = Privileges::KeepUser;
                }
                '!' if flags.privileges == Privileges::KeepUser => {
                    flags.privileges = Privileges::Ambient;
                }
                _ => break,
            }
            rest = &rest[character.len_utf8()..];
        }
        let text = word[..word.len() - rest.len()].to_owned();
        Self {
            flags,
            argv0,
            program: rest.to_owned(),
            text,
        }
    }
}

struct Words<'a> {
    rest: &'a str,
    specifiers: &'a dyn Fn(&str) -> Result<String, crate::SpecifierError>,
    written: Vec<String>,
    relaxed: bool,
}

impl Words<'_> {
    /// The next word as written, whatever it is.
    fn raw(&mut self) -> Result<Option<String>, CommandError> {
        let Some((word, rest)) = words::next(self.rest, Escapes::C)? else {
            self.rest = "";
            return Ok(None);
        };
        self.rest = rest;
        self.relaxed |= word.relaxed;
        Ok(Some(word.text))
    }

    /// The next argument; `None` at the end of the line or after a `;` of its own.
    fn argument(&mut self) -> Result<Option<String>, CommandError> {
        self.rest = self.rest.trim_start();
        if let Some(after) = lone(self.rest, ";") {
            self.rest = after;
            return Ok(None);
        }
        let word = if let Some(after) = lone(self.rest, "\\;") {
            self.rest = after;
            ";".to_owned()
        } else {
            let Some(word) = self.raw()? else {
                return Ok(None);
            };
            word
        };
        let expanded = (self.specifiers)(&word)?;
        self.written.push(word);
        Ok(Some(expanded))
    }

    fn command(&mut self, prefix: &Prefix) -> Result<Command, CommandError> {
        if prefix.program.is_empty() {
            return Err(CommandError::NoProgram(prefix.text.clone()));
        }
        let path = program((self.specifiers)(&prefix.program)?)?;
        let mut argv = Vec::new();
        if !prefix.argv0 {
            argv.push(path.clone());
        }
        while let Some(word) = self.argument()? {
            argv.push(word);
        }
        if argv.is_empty() {
            return Err(CommandError::NoArgv0(path));
        }
        if !prefix.argv0 {
            self.written.insert(0, prefix.program.clone());
        }
        let written = self.written.join(" ");
        Ok(Command {
            path,
            argv,
            flags: prefix.flags,
            written,
        })
    }
}

/// What follows `token` when it stands alone as a word.
fn lone<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    let after = text.strip_prefix(token)?;
    (after.is_empty() || after.starts_with(char::is_whitespace)).then_some(after)
}

fn program(path: String) -> Result<String, CommandError> {
    if path.is_empty() {
        return Err(CommandError::Empty);
    }
    if path.chars().any(char::is_control) {
        return Err(CommandError::Characters(path));
    }
    if path.ends_with('/') || path.ends_with("/.") {
        return Err(CommandError::Folder(path));
    }
    if !path.contains('/') {
        return if path == "." || path == ".." {
            Err(CommandError::Relative(path))
        } else {
            Ok(path)
        };
    }
    if !path.starts_with('/') {
        return Err(CommandError::Relative(path));
    }
    Ok(simplify(&path))
}

/// A path without doubled slashes and `.` parts.
pub(crate) fn simplify(path: &str) -> String {
    let inner: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let joined = inner.join("/");
    if path.starts_with('/') {
        format!("/{joined}")
    } else {
        joined
    }
}

#[cfg(test)]
mod tests;
