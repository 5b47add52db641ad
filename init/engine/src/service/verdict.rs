//! How the end of a process is judged, and described.

use crate::event::Exit;
use init_api::{ServiceResult, Signal};
use unit_file::ExitStatusSet;

/// How strictly an end is judged: daemons may end by four signals, commands may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    Daemon,
    Command,
}

/// The result that an end stands for.
pub(crate) fn verdict(
    exit: Exit,
    judge: Judge,
    also_clean: Option<&ExitStatusSet>,
) -> ServiceResult {
    match exit {
        Exit::Exited(0) => ServiceResult::Success,
        Exit::Exited(status) => {
            let clean = u8::try_from(status)
                .is_ok_and(|code| also_clean.is_some_and(|set| set.has_code(code)));
            if clean {
                ServiceResult::Success
            } else {
                ServiceResult::ExitCode
            }
        }
        Exit::Killed(number) => {
            let signal = Signal::new(number);
            let daemon = judge == Judge::Daemon
                && signal.is_some_and(|s| {
                    [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].contains(&s)
                });
            let listed = signal.is_some_and(|s| also_clean.is_some_and(|set| set.has_signal(s)));
            if daemon || listed {
                ServiceResult::Success
            } else {
                ServiceResult::Signal
            }
        }
        Exit::Dumped(number) => {
            let listed = Signal::new(number)
                .is_some_and(|s| also_clean.is_some_and(|set| set.has_signal(s)));
            if listed {
                ServiceResult::Success
            } else {
                ServiceResult::CoreDump
            }
        }
    }
}

/// `code=exited, status=1/FAILURE`
pub(crate) fn describe(exit: Exit) -> String {
    match exit {
        Exit::Exited(status) => {
            let name = u8::try_from(status)
                .ok()
                .and_then(init_api::exit::status_name)
                .unwrap_or("n/a");
            format!("code=exited, status={status}/{name}")
        }
        Exit::Killed(number) => format!("code=killed, status={number}/{}", signal_name(number)),
        Exit::Dumped(number) => format!("code=dumped, status={number}/{}", signal_name(number)),
    }
}

/// The name of a signal without SIG.
pub(crate) fn signal_name(number: i32) -> String {
    Signal::new(number).map_or_else(|| number.to_string(), Signal::name)
}
