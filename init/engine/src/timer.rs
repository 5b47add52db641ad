//! Timer units.
//!
//! # The machine
//!
//! *dead* → *waiting* (a deadline on one clock or on both) → *running* (the unit is up) → *waiting*
//! again, or *elapsed* when nothing is left to wait for; *failed* when the unit could not be asked to
//! start. `OnCalendar=` is a deadline on the wall clock and is computed anew when that is set; the
//! others count from an event on the monotonic clock. Deadlines are spread within `AccuracySec=` by
//! nothing here: each is met as early as the edge's timer allows, which the manual permits.

use std::sync::Arc;

use init_api::{JobMode, JobType, TimerResult, TimerState};
use serde::{Deserialize, Serialize};
use unit_file::{TimerBase, TimerTrigger};

use crate::{
    Engine, action::Action, change::Cause, deps::Dep, machine::Machine, queue::Outcome,
    stamp::Stamp, timers::TimerKey, units::UnitId, world::World,
};

/// What a timer is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TimerUnit {
    pub(crate) state: TimerState,
    pub(crate) result: TimerResult,
    /// When it last started its unit, in this boot or (wall clock only) before.
    pub(crate) last_trigger: Stamp,
    /// When it became active.
    pub(crate) since: u64,
    /// A random part of every deadline, chosen at start.
    pub(crate) delay: u64,
}

impl TimerUnit {
    pub(crate) fn new() -> Self {
        TimerUnit {
            state: TimerState::Dead,
            result: TimerResult::Success,
            last_trigger: Stamp::default(),
            since: 0,
            delay: 0,
        }
    }
}

/// Where the stamp of a persistent timer is.
pub(crate) fn stamp_path(name: &str) -> String {
    format!("/var/lib/systemd/timers/stamp-{name}")
}

impl Engine {
    fn timer(&self, id: UnitId) -> Option<&TimerUnit> {
        match &self.units.get(id)?.machine {
            Machine::Timer(timer) => Some(timer),
            _ => None,
        }
    }

    fn timer_mut(&mut self, id: UnitId) -> Option<&mut TimerUnit> {
        match &mut self.units[id].machine {
            Machine::Timer(timer) => Some(timer),
            _ => None,
        }
    }

    fn timer_target(&self, id: UnitId) -> Option<UnitId> {
        self.units[id]
            .edges
            .iter()
            .find(|edge| edge.kind == Dep::Triggers)
            .map(|edge| edge.other)
    }

    fn timer_set_state(&mut self, id: UnitId, state: TimerState) {
        if state != TimerState::Waiting {
            self.timers.cancel(TimerKey::Elapse(id));
            self.timers.cancel(TimerKey::Calendar(id));
        }
        let Some(timer) = self.timer_mut(id) else {
            return;
        };
        let old = timer.state.active();
        timer.state = state;
        self.unit_changed(id, old, state.active(), Cause::default());
    }

    /// A start job asks.
    pub(crate) fn timer_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(timer) = self.timer(id) else {
            return Outcome::Already;
        };
        if !matches!(timer.state, TimerState::Dead | TimerState::Failed) {
            return Outcome::Already;
        }
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.timer() else {
            return Outcome::Already;
        };
        if self
            .timer_target(id)
            .is_none_or(|target| self.units[target].usable().is_err())
        {
            let name = self.units[id].name.clone();
            self.log_unit(
                3,
                id,
                format!("{name}: Refusing to start, unit to trigger not loaded."),
            );
            return Outcome::Refused(init_api::JobResult::Failed);
        }
        self.units[id].invocation = world.random();
        let now = self.now;
        let spread = settings.randomized_delay.as_micros();
        let dice = u64::try_from(world.random() & u128::from(u64::MAX)).unwrap_or(0);
        let stamp = settings
            .persistent
            .then(|| stamp_path(&self.units[id].name));
        let before = stamp.as_ref().and_then(|path| world.modified(path));
        if let Some(path) = stamp.filter(|_| before.is_none()) {
            self.actions.push(Action::Touch { path });
        }
        if let Some(timer) = self.timer_mut(id) {
            timer.result = TimerResult::Success;
            timer.since = now.monotonic;
            timer.delay = if spread == 0 { 0 } else { dice % spread };
            if let Some(before) = before.filter(|before| *before <= now.realtime) {
                timer.last_trigger = Stamp {
                    realtime: before,
                    monotonic: 0,
                };
            }
        }
        self.timer_enter_waiting(id, world, true);
        Outcome::Begun
    }

    /// Computes the deadlines. `initial`: the timer has just been started, so that spans which have
    /// passed already elapse at once rather than never.
    fn timer_enter_waiting(&mut self, id: UnitId, world: &dyn World, initial: bool) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.timer() else {
            return;
        };
        let Some(timer) = self.timer(id) else { return };
        let (last, since, delay) = (timer.last_trigger, timer.since, timer.delay);
        let target = self
            .timer_target(id)
            .map(|target| self.units[target].stamps);
        let now = self.now;
        let mut wall: Option<u64> = None;
        let mut mono: Option<u64> = None;
        let earliest = |known: Option<u64>, at: u64| Some(known.map_or(at, |known| known.min(at)));
        for trigger in &settings.triggers {
            match trigger {
                TimerTrigger::Calendar(calendar) => {
                    let from = if settings.persistent && last.realtime != 0 {
                        last.realtime
                    } else if last.monotonic != 0 {
                        last.realtime.max(now.realtime)
                    } else {
                        now.realtime
                    };
                    let at = calendar.next(from, &|zone, at| world.utc_offset(zone, at));
                    if let Some(at) = at {
                        wall = earliest(wall, at.saturating_add(delay));
                    }
                }
                TimerTrigger::Monotonic(base, span) => {
                    let from = match base {
                        TimerBase::Active => since,
                        TimerBase::Boot => 0,
                        TimerBase::Startup => self.config.userspace_began,
                        TimerBase::UnitActive => target.map_or(0, |stamps| {
                            stamps.inactive_exit.monotonic.max(last.monotonic)
                        }),
                        TimerBase::UnitInactive => target.map_or(0, |stamps| {
                            stamps.inactive_enter.monotonic.max(last.monotonic)
                        }),
                    };
                    let relative = matches!(base, TimerBase::UnitActive | TimerBase::UnitInactive);
                    if relative && from == 0 {
                        continue;
                    }
                    let at = from.saturating_add(span.as_micros()).saturating_add(delay);
                    // A fixed span counts once: what lies before the last run is over.
                    let over = !initial && !relative && at <= now.monotonic;
                    if !over {
                        mono = earliest(mono, at);
                    }
                }
            }
        }
        if wall.is_none() && mono.is_none() {
            self.timer_enter_elapsed(id, settings.remain_after_elapse);
            return;
        }
        match mono {
            Some(at) => self.timers.set(TimerKey::Elapse(id), at),
            None => self.timers.cancel(TimerKey::Elapse(id)),
        }
        match wall {
            Some(at) => self.timers.set(TimerKey::Calendar(id), at),
            None => self.timers.cancel(TimerKey::Calendar(id)),
        }
        self.timer_set_state(id, TimerState::Waiting);
    }

    fn timer_enter_elapsed(&mut self, id: UnitId, remain: bool) {
        if remain {
            self.timer_set_state(id, TimerState::Elapsed);
        } else {
            self.timer_enter_dead(id, TimerResult::Success);
        }
    }

    fn timer_enter_dead(&mut self, id: UnitId, result: TimerResult) {
        if let Some(timer) = self.timer_mut(id) {
            timer.result = result;
        }
        let well = result == TimerResult::Success;
        if !well {
            self.announce_result(id, well, result.as_str());
        }
        self.timer_set_state(
            id,
            if well {
                TimerState::Dead
            } else {
                TimerState::Failed
            },
        );
    }

    /// A deadline has come.
    pub(crate) fn timer_elapsed(&mut self, id: UnitId) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.timer() else {
            return;
        };
        if self
            .timer(id)
            .is_none_or(|timer| timer.state != TimerState::Waiting)
        {
            return;
        }
        let Some(target) = self.timer_target(id) else {
            return;
        };
        let now = Stamp::from(self.now);
        if let Err(error) = self.enqueue(JobType::Start, target, JobMode::Replace) {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Failed to queue unit startup job: {error}"),
            );
            self.timer_enter_dead(id, TimerResult::Resources);
            return;
        }
        if let Some(timer) = self.timer_mut(id) {
            timer.last_trigger = now;
        }
        if settings.persistent {
            let path = stamp_path(&self.units[id].name);
            self.actions.push(Action::Touch { path });
        }
        self.timer_set_state(id, TimerState::Running);
    }

    /// The unit behind the timer changed its state.
    pub(crate) fn timer_told(&mut self, id: UnitId, target: UnitId, world: &dyn World) {
        let Some(timer) = self.timer(id) else { return };
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.timer() else {
            return;
        };
        let state = self.units[target].active_state();
        let starting = self.units[target].job.is_some();
        match timer.state {
            TimerState::Waiting | TimerState::Elapsed => {
                // Spans that count from the unit's own changes have a new beginning.
                let counts = settings.triggers.iter().any(|trigger| {
                    matches!(
                        trigger,
                        TimerTrigger::Monotonic(TimerBase::UnitActive | TimerBase::UnitInactive, _)
                    )
                });
                if counts {
                    self.timer_enter_waiting(id, world, false);
                }
            }
            TimerState::Running if !starting && state.is_inactive() => {
                self.timer_enter_waiting(id, world, false);
            }
            _ => {}
        }
    }

    /// The wall clock was set: calendar deadlines are others now.
    pub(crate) fn timers_clock_changed(&mut self, world: &dyn World) {
        let waiting: Vec<UnitId> = self
            .units
            .ids()
            .filter(|id| {
                self.timer(*id)
                    .is_some_and(|timer| timer.state == TimerState::Waiting)
            })
            .filter(|id| {
                self.units[*id]
                    .config
                    .timer()
                    .is_some_and(unit_file::TimerConfig::has_calendar)
            })
            .collect();
        for id in waiting {
            self.timer_enter_waiting(id, world, true);
        }
    }

    /// A stop job asks.
    pub(crate) fn timer_stop(&mut self, id: UnitId) -> Outcome {
        match self.timer(id).map(|timer| timer.state) {
            Some(TimerState::Waiting | TimerState::Running | TimerState::Elapsed) => {
                self.timer_enter_dead(id, TimerResult::Success);
                Outcome::Begun
            }
            _ => Outcome::Already,
        }
    }

    pub(crate) fn timer_reset_failed(&mut self, id: UnitId) {
        if self
            .timer(id)
            .is_some_and(|timer| timer.state == TimerState::Failed)
        {
            self.timer_enter_dead(id, TimerResult::Success);
        }
    }

    /// After a reload or re-exec: the deadlines follow the settings of now.
    pub(crate) fn timer_refresh(&mut self, id: UnitId, world: &dyn World) {
        if self
            .timer(id)
            .is_some_and(|timer| timer.state == TimerState::Waiting)
        {
            self.timer_enter_waiting(id, world, false);
        }
    }
}
