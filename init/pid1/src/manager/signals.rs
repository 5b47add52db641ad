//! What a signal to PID 1 asks for (systemd(1)), as a table.

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Children have ended.
    Children,
    /// Start this target, replacing what runs, irreversibly.
    Target(&'static str),
    /// Start this target in the ordinary way.
    Start(&'static str),
    /// Ctrl-Alt-Del.
    CtrlAltDel,
    /// End at once with this word for the shutdown program.
    Immediate(&'static str),
    Reload,
    Reexec,
    Dump,
    /// Console status lines on or off.
    Status(bool),
    /// Least important level that is logged.
    LogLevel(u8),
    Nothing,
}

/// The table. `rtmin` is `SIGRTMIN`.
pub(crate) fn asked(signal: i32, rtmin: i32) -> Asked {
    match signal {
        17 => Asked::Children,
        15 => Asked::Reexec,
        2 => Asked::CtrlAltDel,
        1 => Asked::Reload,
        12 => Asked::Dump,
        28 => Asked::Start("kbrequest.target"),
        30 => Asked::Start("sigpwr.target"),
        other => match other - rtmin {
            0 => Asked::Target("default.target"),
            1 => Asked::Target("rescue.target"),
            2 => Asked::Target("emergency.target"),
            3 => Asked::Target("halt.target"),
            4 => Asked::Target("poweroff.target"),
            5 => Asked::Target("reboot.target"),
            6 => Asked::Target("kexec.target"),
            7 => Asked::Target("soft-reboot.target"),
            13 => Asked::Immediate("halt"),
            14 => Asked::Immediate("poweroff"),
            15 => Asked::Immediate("reboot"),
            16 => Asked::Immediate("kexec"),
            20 => Asked::Status(true),
            21 => Asked::Status(false),
            22 => Asked::LogLevel(7),
            23 => Asked::LogLevel(6),
            25 => Asked::Reexec,
            _ => Asked::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn real_time_signals_start_targets_and_end_the_machine() {
        assert_eq!(asked(38, 34), Asked::Target("poweroff.target"));
        assert_eq!(asked(49, 34), Asked::Immediate("reboot"));
        assert_eq!(asked(17, 34), Asked::Children);
        assert_eq!(asked(62, 34), Asked::Nothing);
    }
}
