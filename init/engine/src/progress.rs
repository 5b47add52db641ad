//! The console's lines about jobs that take long: `A start job is running for X (12s / 1min 30s)`.
//!
//! The first after five seconds, then one every ten, each about the next of the running jobs: few
//! enough for a serial line that is logged, and whoever waits sees what for.

use init_api::{JobState, JobType, TimeSpan};

use crate::{
    Engine,
    action::{Action, ConsoleStatus},
    job::Job,
    timers::TimerKey,
};

/// How long a job runs before anybody is told, microseconds.
const PATIENCE: u64 = 5_000_000;
/// From one line to the next.
const PAUSE: u64 = 10_000_000;

impl Engine {
    /// Jobs have come into an empty queue.
    pub(crate) fn watch_progress(&mut self) {
        let at = self.now.monotonic.saturating_add(PATIENCE);
        self.timers.set_monotonic(TimerKey::Progress, at);
    }

    /// Names one of the jobs that take long.
    pub(crate) fn tell_progress(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let now = self.now.monotonic;
        let long: Vec<&Job> = self
            .jobs
            .values()
            .filter(|job| job.state == JobState::Running)
            .filter(|job| job.began.monotonic.saturating_add(PATIENCE) <= now)
            .collect();
        let next = long
            .iter()
            .find(|job| job.id > self.progress)
            .or_else(|| long.first());
        let pause = match next {
            Some(job) => {
                let (id, text) = (job.id, self.progress_text(job, long.len()));
                self.progress = id;
                self.actions.push(Action::Console {
                    status: ConsoleStatus::Busy,
                    text,
                });
                PAUSE
            }
            None => PATIENCE,
        };
        self.timers
            .set_monotonic(TimerKey::Progress, now.saturating_add(pause));
    }

    fn progress_text(&self, job: &Job, of: usize) -> String {
        let what = match job.kind {
            JobType::Start => "A start",
            JobType::Stop => "A stop",
            JobType::Restart | JobType::TryRestart => "A restart",
            JobType::Reload | JobType::TryReload | JobType::ReloadOrStart => "A reload",
            JobType::VerifyActive => "A verification",
            JobType::Nop => "A",
        };
        let now = self.now.monotonic;
        // In whole seconds: nobody reads more of a job that takes long.
        let seconds = |usec: u64| TimeSpan::from_secs(usec.div_ceil(1_000_000)).to_string();
        let ran = seconds(now.saturating_sub(job.began.monotonic));
        let ends = [
            TimerKey::State(job.unit),
            TimerKey::JobRunning(job.id),
            TimerKey::Job(job.id),
        ];
        let limit = ends
            .into_iter()
            .filter_map(|key| self.timers.get(key))
            .min();
        let limit = limit.map_or_else(
            || "no limit".to_owned(),
            |at| seconds(at.saturating_sub(job.began.monotonic)),
        );
        let others = match of {
            0 | 1 => String::new(),
            _ => format!("({of} jobs) "),
        };
        let name = self.spoken_name(job.unit);
        format!("{others}{what} job is running for {name} ({ran} / {limit})")
    }
}
