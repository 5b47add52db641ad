//! The text that services send to `$NOTIFY_SOCKET`: systemd.io's `sd_notify(3)` protocol.

/// One datagram, read. Unknown and malformed lines are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the protocol"
)]
pub struct NotifyMessage {
    /// `READY=1`
    pub ready: bool,
    /// `RELOADING=1`
    pub reloading: bool,
    /// `STOPPING=1`
    pub stopping: bool,
    /// `STATUS=text`
    pub status: Option<String>,
    /// `ERRNO=n`
    pub errno: Option<i32>,
    /// `BUSERROR=name`
    pub bus_error: Option<String>,
    /// `MAINPID=n`
    pub main_pid: Option<u32>,
    /// `WATCHDOG=…`
    pub watchdog: Option<Watchdog>,
    /// `WATCHDOG_USEC=n`
    pub watchdog_usec: Option<u64>,
    /// `EXTEND_TIMEOUT_USEC=n`
    pub extend_timeout_usec: Option<u64>,
    /// `FDSTORE=1`
    pub store_fds: bool,
    /// `FDSTOREREMOVE=1`
    pub remove_fds: bool,
    /// `FDNAME=name`
    pub fd_name: Option<String>,
    /// `FDPOLL=0`
    pub no_fd_poll: bool,
    /// `BARRIER=1`
    pub barrier: bool,
    /// `NOTIFYACCESS=word`
    pub notify_access: Option<String>,
    /// `EXIT_STATUS=n`
    pub exit_status: Option<u8>,
    /// `MONOTONIC_USEC=n`
    pub monotonic_usec: Option<u64>,
}

/// What a `WATCHDOG=` line asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchdog {
    /// `WATCHDOG=1`: still alive.
    Alive,
    /// `WATCHDOG=trigger`: act as if the deadline had passed.
    Trigger,
}

impl NotifyMessage {
    /// Reads a datagram.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut message = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            message.take(key, value);
        }
        message
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "READY" => self.ready |= value == "1",
            "RELOADING" => self.reloading |= value == "1",
            "STOPPING" => self.stopping |= value == "1",
            "STATUS" => self.status = Some(value.to_owned()),
            "ERRNO" => self.errno = value.parse().ok().or(self.errno),
            "BUSERROR" => self.bus_error = Some(value.to_owned()),
            "MAINPID" => {
                self.main_pid = value.parse().ok().filter(|pid| *pid > 1).or(self.main_pid);
            }
            "WATCHDOG" => match value {
                "1" => self.watchdog = Some(Watchdog::Alive),
                "trigger" => self.watchdog = Some(Watchdog::Trigger),
                _ => {}
            },
            "WATCHDOG_USEC" => self.watchdog_usec = value.parse().ok().or(self.watchdog_usec),
            "EXTEND_TIMEOUT_USEC" => {
                self.extend_timeout_usec = value.parse().ok().or(self.extend_timeout_usec);
            }
            "FDSTORE" => self.store_fds |= value == "1",
            "FDSTOREREMOVE" => self.remove_fds |= value == "1",
            "FDNAME" => self.fd_name = Some(value.to_owned()).filter(|name| is_fd_name(name)),
            "FDPOLL" => self.no_fd_poll |= value == "0",
            "BARRIER" => self.barrier |= value == "1",
            "NOTIFYACCESS" => self.notify_access = Some(value.to_owned()),
            "EXIT_STATUS" => self.exit_status = value.parse().ok().or(self.exit_status),
            "MONOTONIC_USEC" => self.monotonic_usec = value.parse().ok().or(self.monotonic_usec),
            _ => {}
        }
    }
}

/// Whether a name may stand in `LISTEN_FDNAMES`: printable ASCII without a colon, at most 255.
#[must_use]
pub fn is_fd_name(name: &str) -> bool {
    name.len() <= 255
        && name
            .bytes()
            .all(|byte| (b' '..0x7f).contains(&byte) && byte != b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_line_by_line() {
        let message = NotifyMessage::parse("READY=1\nSTATUS=at work=yes\nMAINPID=42\nX_OTHER=1\n");
        assert!(message.ready && !message.stopping);
        assert_eq!(message.status.as_deref(), Some("at work=yes"));
        assert_eq!(message.main_pid, Some(42));
    }

    #[test]
    fn malformed_values_change_nothing() {
        assert_eq!(
            NotifyMessage::parse(
                "READY=yes\nMAINPID=1\nMAINPID=-3\nWATCHDOG=2\nERRNO=x\n\n=\nREADY"
            ),
            NotifyMessage::default()
        );
        assert_eq!(NotifyMessage::parse(""), NotifyMessage::default());
    }
}
