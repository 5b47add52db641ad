//! Whether and when a service starts itself again (systemd.service(5), Restart=).

use std::time::Duration;

use init_api::{JobMode, JobState, JobType, ServiceResult, ServiceState, Signal};
use unit_file::{ExitStatusSet, Restart, RestartMode, ServiceConfig};

use super::Service;
use crate::{Engine, config::UnitFormat, units::UnitId};

/// The table: does `Restart=` want another run after this result?
pub(crate) fn wanted(restart: Restart, result: ServiceResult) -> bool {
    if result == ServiceResult::ExecCondition {
        return false;
    }
    match restart {
        Restart::No => false,
        Restart::Always => true,
        Restart::OnSuccess => result == ServiceResult::Success,
        Restart::OnFailure => result != ServiceResult::Success,
        Restart::OnAbnormal => !matches!(result, ServiceResult::Success | ServiceResult::ExitCode),
        Restart::OnAbort => matches!(result, ServiceResult::Signal | ServiceResult::CoreDump),
        Restart::OnWatchdog => result == ServiceResult::Watchdog,
    }
}

fn listed(service: &Service, set: &ExitStatusSet) -> bool {
    let main = &service.main_status;
    match main.code {
        1 => u8::try_from(main.status).is_ok_and(|code| set.has_code(code)),
        2 | 3 => Signal::new(main.status).is_some_and(|signal| set.has_signal(signal)),
        _ => false,
    }
}

/// The pause before the run after `restarts` restarts: grows geometrically from `RestartSec=` to
/// `RestartMaxDelaySec=` in `RestartSteps=` steps.
pub(crate) fn pause(settings: &ServiceConfig, restarts: u32) -> u64 {
    let first = settings.restart_sec.as_micros();
    let Some(most) = settings.restart_max_delay.finite() else {
        return first;
    };
    let most_usec = settings.restart_max_delay.as_micros();
    if settings.restart_steps == 0 || first == 0 || most_usec <= first {
        return first;
    }
    if restarts >= settings.restart_steps {
        return most_usec;
    }
    let start = Duration::from_micros(first).as_secs_f64();
    let share = f64::from(restarts) / f64::from(settings.restart_steps);
    let pause = start * (most.as_secs_f64() / start).powf(share);
    Duration::try_from_secs_f64(pause)
        .ok()
        .and_then(|pause| u64::try_from(pause.as_micros()).ok())
        .unwrap_or(first)
}

impl Engine {
    pub(crate) fn service_shall_restart(&self, id: UnitId, settings: &ServiceConfig) -> bool {
        let Some(service) = self.service(id) else {
            return false;
        };
        let stopping = self.units[id]
            .job
            .and_then(|job| self.jobs.get(&job))
            .is_some_and(|job| crate::job::goes_down(job.kind));
        if service.forbid_restart || stopping {
            return false;
        }
        if listed(service, &settings.restart_prevent_exit_status) {
            return false;
        }
        listed(service, &settings.restart_force_exit_status)
            || wanted(settings.restart, service.result)
    }

    pub(crate) fn service_enter_auto_restart(&mut self, id: UnitId, settings: &ServiceConfig) {
        let restarts = self.service(id).map_or(0, |service| service.restarts);
        let at = self.now.monotonic.saturating_add(pause(settings, restarts));
        if let Some(service) = self.service_mut(id) {
            service.debug_invocation |= settings.restart_mode == RestartMode::Debug
                && service.result != ServiceResult::Success;
        }
        self.service_set_state(id, ServiceState::AutoRestart);
        self.timers
            .set_monotonic(crate::timers::TimerKey::State(id), at);
    }

    /// The pause is over.
    pub(crate) fn service_enter_restart(&mut self, id: UnitId) {
        let stop_queued = self.units[id]
            .job
            .and_then(|job| self.jobs.get(&job))
            .is_some_and(|job| job.kind == JobType::Stop);
        if stop_queued {
            // The stop job will find it; look again a little later in case it is cancelled.
            let at = self.now.monotonic.saturating_add(100_000);
            self.timers
                .set_monotonic(crate::timers::TimerKey::State(id), at);
            return;
        }
        let direct = self.units[id]
            .config
            .service()
            .is_some_and(|settings| settings.restart_mode == RestartMode::Direct);
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.restarts = service.restarts.saturating_add(1);
        service.restart_due = true;
        let restarts = service.restarts;
        let name = self.units[id].name.clone();
        let text = if self.config.unit_format == UnitFormat::Description {
            format!("{name}: Service hold-off time over, scheduling restart.")
        } else {
            format!("{name}: Scheduled restart job, restart counter is at {restarts}.")
        };
        let fields = vec![
            ("MESSAGE_ID", crate::announce::ID_RESTART.to_owned()),
            ("N_RESTARTS", restarts.to_string()),
        ];
        self.log_unit_with(6, id, text, fields);
        let kind = if direct {
            JobType::Start
        } else {
            JobType::Restart
        };
        if let Err(error) = self.enqueue(kind, id, JobMode::Replace) {
            self.log_unit(
                4,
                id,
                format!("{name}: Failed to schedule restart job: {error}"),
            );
            self.service_enter_dead(id, ServiceResult::Resources, false);
        } else {
            self.service_begin_job_again(id);
        }
    }

    /// The start job that the run before belonged to is still there when nobody was told of the
    /// failure (`RestartMode=direct`), and it thinks that it has done its part.
    fn service_begin_job_again(&mut self, id: UnitId) {
        let Some(job) = self.units[id].job.and_then(|job| self.jobs.get_mut(&job)) else {
            return;
        };
        if job.state == JobState::Running {
            job.state = JobState::Waiting;
            let job = job.id;
            self.schedule(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restart_table_is_that_of_the_manual() {
        use ServiceResult as R;
        let causes = [
            R::Success,
            R::ExitCode,
            R::Signal,
            R::CoreDump,
            R::Timeout,
            R::Watchdog,
        ];
        for (restart, want) in [
            (Restart::No, [false, false, false, false, false, false]),
            (Restart::Always, [true, true, true, true, true, true]),
            (
                Restart::OnSuccess,
                [true, false, false, false, false, false],
            ),
            (Restart::OnFailure, [false, true, true, true, true, true]),
            (Restart::OnAbnormal, [false, false, true, true, true, true]),
            (Restart::OnAbort, [false, false, true, true, false, false]),
            (
                Restart::OnWatchdog,
                [false, false, false, false, false, true],
            ),
        ] {
            for (cause, want) in causes.into_iter().zip(want) {
                assert_eq!(wanted(restart, cause), want, "{restart} after {cause}");
            }
            assert!(
                !wanted(restart, R::ExecCondition),
                "{restart} after exec-condition"
            );
        }
        for cause in [R::Protocol, R::Resources, R::OomKill, R::StartLimitHit] {
            for restart in [Restart::Always, Restart::OnFailure, Restart::OnAbnormal] {
                assert!(wanted(restart, cause), "{restart} after {cause}");
            }
            assert!(!wanted(Restart::OnAbort, cause), "on-abort after {cause}");
        }
    }
}
