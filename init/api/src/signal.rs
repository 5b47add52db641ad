//! Signals by name and number, as Linux numbers them on x86-64 and arm64.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::UnknownWord;

/// A signal number between 1 and 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(i32);

/// Names in the order of their numbers, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// The first real-time signal that the C library leaves to programs.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGINT.
    pub const INT: Self = Self(2);
    /// SIGQUIT.
    pub const QUIT: Self = Self(3);
    /// SIGABRT.
    pub const ABRT: Self = Self(6);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGUSR1.
    pub const USR1: Self = Self(10);
    /// SIGUSR2.
    pub const USR2: Self = Self(12);
    /// SIGPIPE.
    pub const PIPE: Self = Self(13);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGCHLD.
    pub const CHLD: Self = Self(17);
    /// SIGCONT.
    pub const CONT: Self = Self(18);

    /// The signal of this number, if it is one.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number <= RTMAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number that kill(2) takes.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The name without `SIG`: `TERM`, `RTMIN+3`.
    #[must_use]
    pub fn name(self) -> String {
        let index = usize::try_from(self.0 - 1).unwrap_or(usize::MAX);
        match NAMES.get(index) {
            Some(name) => (*name).to_owned(),
            None if self.0 == RTMAX => "RTMAX".to_owned(),
            None if self.0 >= RTMIN => format!("RTMIN+{}", self.0 - RTMIN),
            None => self.0.to_string(),
        }
    }
}

/// The full name: `SIGTERM`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("SIG{}", self.name()))
    }
}

impl FromStr for Signal {
    type Err = UnknownWord;

    /// Reads `SIGTERM`, `TERM`, `15`, `RTMIN+4`, `RTMAX-1`.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        parse(text).ok_or_else(|| UnknownWord {
            what: "signal",
            text: text.to_owned(),
            possible: "SIGHUP … SIGSYS, RTMIN+n, RTMAX-n, 1–64".to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse() {
        return Signal::new(number);
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if let Some(index) = NAMES.iter().position(|known| *known == name) {
        return Signal::new(i32::try_from(index).ok()? + 1);
    }
    match name {
        "IOT" => return Some(Signal::ABRT),
        "POLL" => return Signal::new(29),
        "CLD" => return Some(Signal::CHLD),
        _ => {}
    }
    if let Some(rest) = name.strip_prefix("RTMIN") {
        let offset: i32 = if rest.is_empty() {
            0
        } else {
            rest.strip_prefix('+')?.parse().ok()?
        };
        return (0..=RTMAX - RTMIN)
            .contains(&offset)
            .then(|| Signal(RTMIN + offset));
    }
    let rest = name.strip_prefix("RTMAX")?;
    let offset: i32 = if rest.is_empty() {
        0
    } else {
        rest.strip_prefix('-')?.parse().ok()?
    };
    (0..=RTMAX - RTMIN)
        .contains(&offset)
        .then(|| Signal(RTMAX - offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_read_back_from_its_own_name_and_number() {
        for number in (1..=31).chain(34..=64) {
            let signal = Signal::new(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn realtime_signals_have_offsets_and_nonsense_has_no_signal() {
        assert_eq!("SIGRTMIN+4".parse(), Ok(Signal(38)));
        assert_eq!("RTMAX-1".parse(), Ok(Signal(63)));
        for text in ["", "0", "65", "-1", "SIG", "RTMIN+31", "TERMX"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
