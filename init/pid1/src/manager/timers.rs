//! The next point in time that the engine waits for, as one timer per clock.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Both timers.
#[derive(Debug)]
pub(crate) struct Timers {
    monotonic: OwnedFd,
    realtime: OwnedFd,
    set: (Option<u64>, Option<u64>),
}

/// Far enough that it never comes: the timer is there to be cancelled when the clock is set.
const FAR: u64 = 4_000_000_000_000_000;

fn at(micros: u64) -> Itimerspec {
    // A value of zero would switch the timer off.
    let micros = micros.clamp(1, FAR);
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let nanos = i64::try_from(micros % 1_000_000 * 1000).unwrap_or(0);
    Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: seconds,
            tv_nsec: nanos,
        },
    }
}

impl Timers {
    pub(crate) fn new() -> io::Result<Timers> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timers = Timers {
            monotonic: timerfd_create(TimerfdClockId::Boottime, flags)?,
            realtime: timerfd_create(TimerfdClockId::Realtime, flags)?,
            set: (None, None),
        };
        timers.arm_realtime(FAR)?;
        Ok(timers)
    }

    pub(crate) fn monotonic(&self) -> BorrowedFd<'_> {
        self.monotonic.as_fd()
    }

    pub(crate) fn realtime(&self) -> BorrowedFd<'_> {
        self.realtime.as_fd()
    }

    fn arm_realtime(&self, micros: u64) -> io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(&self.realtime, flags, &at(micros))?;
        Ok(())
    }

    /// Sets both, if they changed.
    pub(crate) fn arm(&mut self, monotonic: Option<u64>, realtime: Option<u64>) {
        if self.set == (monotonic, realtime) {
            return;
        }
        let spec = at(monotonic.unwrap_or(FAR));
        let first = timerfd_settime(&self.monotonic, TimerfdTimerFlags::ABSTIME, &spec).is_ok();
        let second = self.arm_realtime(realtime.unwrap_or(FAR)).is_ok();
        if first && second {
            self.set = (monotonic, realtime);
        }
    }

    /// Takes the expiry of the monotonic timer away.
    pub(crate) fn take_monotonic(&mut self) {
        let mut count = [0u8; 8];
        let _ = rustix::io::read(&self.monotonic, &mut count);
        self.set = (None, None);
    }

    /// Takes the expiry of the other away; true when the clock was set instead.
    pub(crate) fn take_realtime(&mut self) -> bool {
        let mut count = [0u8; 8];
        let got = rustix::io::read(&self.realtime, &mut count);
        self.set = (None, None);
        let clock_was_set = matches!(got, Err(rustix::io::Errno::CANCELED));
        if clock_was_set {
            let _ = self.arm_realtime(FAR);
        }
        clock_was_set
    }
}
