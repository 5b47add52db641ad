//! What became of one command: the figures behind `Process:` and `Main PID:` in a status.

use serde::{Deserialize, Serialize};

use crate::{
    action::ExecKind,
    event::{Exit, Now, Pid},
    stamp::Stamp,
};

/// One run of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExecStatus {
    /// The process, 0 if it has not run.
    pub pid: Pid,
    /// When it began.
    pub start: Stamp,
    /// When it ended; unset while it runs.
    pub exit: Stamp,
    /// 1 exited, 2 killed, 3 dumped core, 0 not ended (`CLD_*`).
    pub code: i32,
    /// Exit status or signal number.
    pub status: i32,
}

impl ExecStatus {
    /// A process that has just begun.
    pub(crate) fn begun(pid: Pid, now: Now) -> Self {
        ExecStatus {
            pid,
            start: now.into(),
            ..ExecStatus::default()
        }
    }

    /// Notes how it ended.
    pub(crate) fn ended(&mut self, exit: Exit, now: Now) {
        self.exit = now.into();
        (self.code, self.status) = match exit {
            Exit::Exited(status) => (1, status),
            Exit::Killed(signal) => (2, signal),
            Exit::Dumped(signal) => (3, signal),
        };
    }
}

/// The runs of a unit's commands, by list and position. Only the latest run of each is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Records(Vec<(ExecKind, usize, ExecStatus)>);

impl Records {
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(crate) fn get(&self, kind: ExecKind, index: usize) -> Option<ExecStatus> {
        self.0
            .iter()
            .find(|(k, i, _)| *k == kind && *i == index)
            .map(|(_, _, status)| *status)
    }

    pub(crate) fn set(&mut self, kind: ExecKind, index: usize, status: ExecStatus) {
        match self
            .0
            .iter_mut()
            .find(|(k, i, _)| *k == kind && *i == index)
        {
            Some((_, _, known)) => *known = status,
            None => self.0.push((kind, index, status)),
        }
    }

    pub(crate) fn ended(&mut self, kind: ExecKind, index: usize, exit: Exit, now: Now) {
        if let Some((_, _, status)) = self
            .0
            .iter_mut()
            .find(|(k, i, _)| *k == kind && *i == index)
        {
            status.ended(exit, now);
        }
    }
}
