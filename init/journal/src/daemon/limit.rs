//! Rate limit: at most so many entries of one service in a window; what is dropped is counted and said.

use std::collections::HashMap;

#[derive(Debug, Default)]
struct Window {
    began: u64,
    taken: u32,
    dropped: u32,
}

/// Counters by service.
#[derive(Debug)]
pub(crate) struct Limits {
    /// How many entries in a window; zero for no limit.
    burst: u32,
    /// Microseconds.
    window: u64,
    windows: HashMap<String, Window>,
}

/// What to do with an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Take,
    /// Take it, and say first that so many were dropped.
    TakeAfter(u32),
    Drop,
}

impl Limits {
    pub(crate) fn new(burst: u32, window: u64) -> Self {
        Self {
            burst,
            window,
            windows: HashMap::new(),
        }
    }

    /// Decides about one entry of `service` at `now` (microseconds).
    pub(crate) fn check(&mut self, service: &str, now: u64) -> Verdict {
        let (length, burst) = (self.window, self.burst);
        if length == 0 || burst == 0 {
            return Verdict::Take;
        }
        if self.windows.len() > 4096 {
            self.windows
                .retain(|_, window| now.saturating_sub(window.began) < length);
        }
        let window = self.windows.entry(service.to_owned()).or_default();
        if now.saturating_sub(window.began) >= length || window.began == 0 {
            let dropped = std::mem::take(&mut window.dropped);
            window.began = now;
            window.taken = 1;
            return if dropped > 0 {
                Verdict::TakeAfter(dropped)
            } else {
                Verdict::Take
            };
        }
        if window.taken >= burst {
            window.dropped += 1;
            return Verdict::Drop;
        }
        window.taken += 1;
        Verdict::Take
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: u32 = 10_000;
    const WINDOW: u64 = 30_000_000;

    #[test]
    fn a_burst_is_cut_off_and_the_next_window_says_how_many_were_lost() {
        let mut limits = Limits::new(BURST, WINDOW);
        for _ in 0..BURST {
            assert_eq!(limits.check("a", 1), Verdict::Take);
        }
        assert_eq!(limits.check("a", 2), Verdict::Drop);
        assert_eq!(limits.check("b", 2), Verdict::Take);
        assert_eq!(limits.check("a", WINDOW + 2), Verdict::TakeAfter(1));
    }
}
