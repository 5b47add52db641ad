//! What happens to frames on the way from one machine to another: cut, delayed, lost, or slowed down. A rule is for one
//! ordered pair, so that a way can be cut in one direction only. The dice have a seed: the same frames are lost again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rule for the frames of one ordered pair. The default lets everything pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rule {
    /// Nothing passes. The sender's carrier stays: a silent partition.
    pub cut: bool,
    /// Each frame comes that much later.
    pub delay: Duration,
    /// And up to this much later still; frames keep their order.
    pub jitter: Duration,
    /// Which part of the frames is lost, from 0 to 1.
    pub loss: f64,
    /// What the dice begin with.
    pub seed: u64,
    /// Bytes a second. What would wait longer than half a second is dropped, so that TCP sees loss and no endless delay.
    pub rate: Option<u64>,
}

/// What became of the frames of one ordered pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames that passed.
    pub passed: u64,
    /// Frames that a cut has taken.
    pub cut: u64,
    /// Frames that the dice have taken.
    pub lost: u64,
    /// Frames that found the queue full.
    pub overrun: u64,
}

/// The longest time that a rate limit lets a frame wait.
const QUEUE: Duration = Duration::from_millis(500);
/// What may wait on one way, in bytes, whatever the delay.
const WAITING: usize = 4 << 20;

/// Counters that the switch writes and tests read.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts(Arc<Mutex<HashMap<(usize, usize), Traffic>>>);

impl Counts {
    pub(super) fn of(&self, from: usize, to: usize) -> Traffic {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&(from, to)).copied().unwrap_or_default()
    }

    fn change(&self, pair: (usize, usize), change: impl FnOnce(&mut Traffic)) {
        change(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(pair)
                .or_default(),
        );
    }
}

/// All ways between ports.
#[derive(Debug)]
pub(super) struct Ways {
    ways: HashMap<(usize, usize), Way>,
    counts: Counts,
}

#[derive(Debug)]
struct Way {
    rule: Rule,
    dice: Dice,
    /// When the last byte that was let go will have left.
    free: Option<Instant>,
    /// When the last frame is due.
    last: Option<Instant>,
    waiting: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
}

impl Ways {
    pub(super) fn new(counts: Counts) -> Ways {
        Ways {
            ways: HashMap::new(),
            counts,
        }
    }

    /// Sets a pair's rule. Frames that wait already keep their time, and are gone with a cut.
    pub(super) fn set(&mut self, from: usize, to: usize, rule: Rule) {
        let waiting = self.ways.remove(&(from, to)).filter(|_| !rule.cut);
        let (waiting, bytes) = waiting
            .map(|way| (way.waiting, way.bytes))
            .unwrap_or_default();
        if rule == Rule::default() && waiting.is_empty() {
            return;
        }
        let last = waiting.back().map(|(due, _)| *due);
        let way = Way {
            rule,
            dice: Dice(rule.seed),
            free: None,
            last,
            waiting,
            bytes,
        };
        self.ways.insert((from, to), way);
    }

    /// Every rule is forgotten.
    pub(super) fn heal(&mut self) {
        let pairs: Vec<(usize, usize)> = self.ways.keys().copied().collect();
        for (from, to) in pairs {
            self.set(from, to, Rule::default());
        }
    }

    /// Does a frame pass now? One that is to come later is kept.
    pub(super) fn passes(&mut self, from: usize, to: usize, frame: &[u8], now: Instant) -> bool {
        let fate = match self.ways.get_mut(&(from, to)) {
            None => Fate::Passes,
            Some(way) => way.judge(frame, now),
        };
        self.counts.change((from, to), |traffic| match fate {
            Fate::Passes | Fate::Waits => traffic.passed += 1,
            Fate::Cut => traffic.cut += 1,
            Fate::Lost => traffic.lost += 1,
            Fate::Overrun => traffic.overrun += 1,
        });
        fate == Fate::Passes
    }

    /// Takes the frames whose time has come, with the port they go to.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        let mut due = Vec::new();
        for ((_, to), way) in &mut self.ways {
            while way.waiting.front().is_some_and(|(time, _)| *time <= now) {
                if let Some((_, frame)) = way.waiting.pop_front() {
                    way.bytes -= frame.len();
                    due.push((*to, frame));
                }
            }
        }
        due
    }

    /// How long until the next frame is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let times = self.ways.values().filter_map(|way| way.waiting.front());
        times
            .map(|(time, _)| time.saturating_duration_since(now))
            .min()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    Waits,
    Cut,
    Lost,
    Overrun,
}

impl Way {
    fn judge(&mut self, frame: &[u8], now: Instant) -> Fate {
        let rule = self.rule;
        if rule.cut {
            return Fate::Cut;
        }
        if rule.loss > 0.0 && self.dice.part() < rule.loss {
            return Fate::Lost;
        }
        let mut due = now;
        if let Some(rate) = rule.rate.map(|rate| rate.max(1)) {
            let begins = self.free.map_or(now, |free| free.max(now));
            if begins - now > QUEUE {
                return Fate::Overrun;
            }
            let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
            let ends = begins + Duration::from_nanos(length.saturating_mul(1_000_000_000) / rate);
            self.free = Some(ends);
            due = ends;
        }
        due += rule.delay
            + rule.jitter.mul_f64(if rule.jitter.is_zero() {
                0.0
            } else {
                self.dice.part()
            });
        if let Some(last) = self.last {
            due = due.max(last);
        }
        if due <= now && self.waiting.is_empty() {
            return Fate::Passes;
        }
        if self.bytes + frame.len() > WAITING {
            return Fate::Overrun;
        }
        self.last = Some(due);
        self.bytes += frame.len();
        self.waiting.push_back((due, frame.to_vec()));
        Fate::Waits
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same everywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to 1.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits fit in a fraction exactly"
    )]
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(rule: Rule) -> (Ways, Counts) {
        let counts = Counts::default();
        let mut ways = Ways::new(counts.clone());
        ways.set(0, 1, rule);
        (ways, counts)
    }

    #[test]
    fn a_cut_takes_one_direction_only_and_healing_gives_it_back() {
        let now = Instant::now();
        let (mut ways, counts) = ways(Rule {
            cut: true,
            ..Rule::default()
        });
        assert!(!ways.passes(0, 1, b"x", now));
        assert!(ways.passes(1, 0, b"x", now));
        ways.heal();
        assert!(ways.passes(0, 1, b"x", now));
        assert_eq!(
            counts.of(0, 1),
            Traffic {
                passed: 1,
                cut: 1,
                ..Traffic::default()
            }
        );
    }

    #[test]
    fn the_same_seed_loses_the_same_frames_and_about_as_many_as_asked() {
        let lost = |seed| {
            let (mut ways, _) = ways(Rule {
                loss: 0.1,
                seed,
                ..Rule::default()
            });
            let now = Instant::now();
            (0..5000)
                .filter(|_| !ways.passes(0, 1, b"x", now))
                .collect::<Vec<u32>>()
        };
        assert_eq!(lost(7), lost(7));
        assert_ne!(lost(7), lost(8));
        // Ten per cent of 5000, within five standard deviations of 21.
        assert!((394..=606).contains(&lost(7).len()), "{}", lost(7).len());
    }

    #[test]
    fn a_delayed_frame_comes_at_its_time_and_frames_keep_their_order() {
        let now = Instant::now();
        let (delay, jitter) = (Duration::from_millis(50), Duration::from_millis(20));
        let (mut ways, _) = ways(Rule {
            delay,
            jitter,
            seed: 3,
            ..Rule::default()
        });
        for number in 0..20_u8 {
            assert!(!ways.passes(0, 1, &[number], now));
        }
        assert!(ways.due(now + Duration::from_millis(49)).is_empty());
        assert!(ways.wait(now).is_some_and(|wait| wait >= delay));
        let all: Vec<u8> = ways
            .due(now + delay + jitter)
            .into_iter()
            .map(|(_, frame)| frame[0])
            .collect();
        assert_eq!(all, (0..20).collect::<Vec<u8>>());
    }

    #[test]
    fn a_rate_spreads_frames_and_its_queue_is_bounded() {
        let now = Instant::now();
        let (mut ways, counts) = ways(Rule {
            rate: Some(1_000_000),
            ..Rule::default()
        });
        for _ in 0..2000 {
            ways.passes(0, 1, &[0; 1000], now);
        }
        let kept = ways.due(now + Duration::from_secs(10)).len();
        assert!(
            (500..=502).contains(&kept),
            "half a second at one frame a millisecond: {kept}"
        );
        assert_eq!(counts.of(0, 1).overrun, 2000 - counts.of(0, 1).passed);
    }

    #[test]
    fn what_waits_is_bounded_whatever_the_delay() {
        let now = Instant::now();
        let (mut ways, counts) = ways(Rule {
            delay: Duration::from_secs(60),
            ..Rule::default()
        });
        for _ in 0..10_000 {
            ways.passes(0, 1, &[0; 1500], now);
        }
        assert!(counts.of(0, 1).passed * 1500 <= WAITING as u64);
    }
}
