//! The manager's own lines in the journal and on the console: `Starting …`, `Started …`,
//! `Failed to start …`, with the fields and message ids that journalctl and others look for.
//!
//! One table holds the words; the style (`StatusUnitFormat=`) decides how a unit is named and, in
//! four places, whether the words of 2016 or of today are used.

use init_api::{JobResult, JobType, UnitType};

use crate::{
    Engine,
    action::{Action, ConsoleStatus, LogEntry},
    config::UnitFormat,
    units::UnitId,
};

/// A start has begun.
pub const ID_STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
/// A start is done.
pub const ID_STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
/// A start failed.
pub const ID_FAILED: &str = "be02cf6855d2428ba40df7e9d022f03d";
/// A stop has begun.
pub const ID_STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
/// A stop is done.
pub const ID_STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
/// A reload has begun.
pub const ID_RELOADING: &str = "d34d037fff1847e6ae669a370e694725";
/// A reload is done.
pub const ID_RELOADED: &str = "7b05ebc668384222baa8881179cfda54";
/// A unit ended in failure.
pub const ID_UNIT_FAILED: &str = "d9b373ed55a64feb8242e02dbe79a49c";
/// A unit ended well.
pub const ID_UNIT_SUCCESS: &str = "7ad2d189f7e94e70a38c781354912448";
/// A process of a unit ended.
pub const ID_PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";
/// A restart was scheduled.
pub const ID_RESTART: &str = "5eb03494b6584870a536b337290809b3";
/// A condition kept a unit from starting.
pub const ID_SKIPPED: &str = "0e4284a0caca4bfc81c0bb6786972673";
/// The OOM killer took a process of the unit.
pub(crate) const ID_OUT_OF_MEMORY: &str = "fe6faa94e7774663a0da52717891d8ef";

/// Words for a type of unit; none: the event is not worth a line.
struct Words {
    starting: Option<&'static str>,
    started: &'static str,
    start_failed: &'static str,
    start_timeout: &'static str,
    stopping: Option<&'static str>,
    stopped: &'static str,
}

const DEFAULT: Words = Words {
    starting: Some("Starting"),
    started: "Started",
    start_failed: "Failed to start",
    start_timeout: "Timed out starting",
    stopping: Some("Stopping"),
    stopped: "Stopped",
};

fn words(kind: UnitType) -> Words {
    match kind {
        UnitType::Service => DEFAULT,
        UnitType::Socket => Words {
            started: "Listening on",
            start_failed: "Failed to listen on",
            start_timeout: "Timed out starting",
            stopped: "Closed",
            stopping: None,
            starting: None,
        },
        UnitType::Target => Words {
            starting: None,
            started: "Reached target",
            stopping: None,
            stopped: "Stopped target",
            ..DEFAULT
        },
        UnitType::Mount => Words {
            starting: Some("Mounting"),
            started: "Mounted",
            start_failed: "Failed to mount",
            start_timeout: "Timed out mounting",
            stopping: Some("Unmounting"),
            stopped: "Unmounted",
        },
        UnitType::Swap => Words {
            starting: Some("Activating swap"),
            started: "Activated swap",
            start_failed: "Failed to activate swap",
            start_timeout: "Timed out activating swap",
            stopping: Some("Deactivating swap"),
            stopped: "Deactivated swap",
        },
        UnitType::Automount => Words {
            starting: None,
            started: "Set up automount",
            stopping: None,
            stopped: "Unset automount",
            ..DEFAULT
        },
        UnitType::Slice => Words {
            starting: None,
            started: "Created slice",
            stopping: None,
            stopped: "Removed slice",
            ..DEFAULT
        },
        UnitType::Device => Words {
            starting: None,
            started: "Found device",
            start_timeout: "Timed out waiting for device",
            stopping: None,
            ..DEFAULT
        },
        UnitType::Timer | UnitType::Path | UnitType::Scope => Words {
            starting: None,
            stopping: None,
            ..DEFAULT
        },
    }
}

impl Engine {
    /// Writes a journal entry about a unit.
    pub(crate) fn log_unit(&mut self, priority: u8, unit: UnitId, message: String) {
        self.log_unit_with(priority, unit, message, Vec::new());
    }

    /// The same with further fields.
    pub(crate) fn log_unit_with(
        &mut self,
        priority: u8,
        unit: UnitId,
        message: String,
        mut fields: Vec<(&'static str, String)>,
    ) {
        let unit = &self.units[unit];
        fields.push(("UNIT", unit.name.to_string()));
        if unit.invocation != 0 {
            fields.push(("INVOCATION_ID", format!("{:032x}", unit.invocation)));
        }
        self.actions.push(Action::Log(LogEntry {
            priority,
            message,
            fields,
        }));
    }

    /// How a unit is named in status lines.
    pub(crate) fn spoken_name(&self, unit: UnitId) -> String {
        let unit = &self.units[unit];
        let description = unit.description();
        match self.config.unit_format {
            UnitFormat::Name => unit.name.to_string(),
            UnitFormat::Description => description.to_owned(),
            UnitFormat::Combined if description == &*unit.name => unit.name.to_string(),
            UnitFormat::Combined => format!("{} - {description}", unit.name),
        }
    }

    /// A job is under way. `mark` is where its actions began: the line comes before what the
    /// processes write. Units that go straight from inactive to active are passed over.
    pub(crate) fn announce_begin(&mut self, unit: UnitId, kind: JobType, mark: usize) {
        if kind == JobType::Start && self.units[unit].begins_silently() {
            return;
        }
        let words = words(self.units[unit].kind);
        let (verb, id) = match kind {
            JobType::Start => (words.starting, ID_STARTING),
            JobType::Stop | JobType::Restart => (words.stopping, ID_STOPPING),
            JobType::Reload => (Some("Reloading"), ID_RELOADING),
            _ => return,
        };
        let Some(verb) = verb else { return };
        let message = format!("{verb} {}...", self.spoken_name(unit));
        let at = self.actions.len();
        self.log_job(6, unit, kind, message.clone(), id, None);
        self.actions.push(Action::Console {
            status: ConsoleStatus::Begin,
            text: message,
        });
        if let Some(tail) = self.actions.get_mut(mark..) {
            tail.rotate_right(tail.len() - (at - mark));
        }
    }

    fn log_job(
        &mut self,
        priority: u8,
        unit: UnitId,
        kind: JobType,
        message: String,
        id: &str,
        result: Option<JobResult>,
    ) {
        let mut fields = vec![("JOB_TYPE", kind.to_string())];
        if let Some(job) = self.units[unit].job {
            fields.push(("JOB_ID", job.to_string()));
        }
        if let Some(result) = result {
            fields.push(("JOB_RESULT", result.to_string()));
        }
        fields.push(("MESSAGE_ID", id.to_owned()));
        self.log_unit_with(priority, unit, message, fields);
    }

    /// A job has ended.
    pub(crate) fn announce_end(&mut self, unit: UnitId, id: u32, kind: JobType, result: JobResult) {
        let Some((priority, status, text, message_id)) = self.end_words(unit, kind, result) else {
            return;
        };
        let mut fields = vec![
            ("JOB_ID", id.to_string()),
            ("JOB_TYPE", kind.to_string()),
            ("JOB_RESULT", result.to_string()),
        ];
        fields.push(("MESSAGE_ID", message_id.to_owned()));
        self.log_unit_with(priority, unit, text.clone(), fields);
        self.actions.push(Action::Console { status, text });
        if result == JobResult::Failed && kind == JobType::Start {
            let name = &self.units[unit].name;
            let hint = format!("See 'systemctl status {name}' for details.");
            self.actions.push(Action::Console {
                status: ConsoleStatus::Begin,
                text: hint,
            });
        }
    }

    fn end_words(
        &self,
        unit: UnitId,
        kind: JobType,
        result: JobResult,
    ) -> Option<(u8, ConsoleStatus, String, &'static str)> {
        let name = self.spoken_name(unit);
        let words = words(self.units[unit].kind);
        let era = self.config.unit_format == UnitFormat::Description;
        Some(match (kind, result) {
            (JobType::Start, JobResult::Done) if self.units[unit].skipped_by_condition() => {
                return self.skip_words(unit, &name, era);
            }
            (JobType::Start | JobType::ReloadOrStart, JobResult::Done) => {
                let verb = if self.units[unit].is_oneshot() && !era {
                    "Finished"
                } else {
                    words.started
                };
                (6, ConsoleStatus::Ok, format!("{verb} {name}."), ID_STARTED)
            }
            (JobType::Start, JobResult::Timeout) => (
                3,
                ConsoleStatus::Time,
                format!("{} {name}.", words.start_timeout),
                ID_FAILED,
            ),
            (JobType::Start, JobResult::Dependency) => (
                4,
                ConsoleStatus::Depend,
                format!("Dependency failed for {name}."),
                ID_FAILED,
            ),
            (JobType::Start, JobResult::Assert) => (
                4,
                ConsoleStatus::Warn,
                format!("Assertion failed for {name}."),
                ID_FAILED,
            ),
            (JobType::Start, JobResult::Unsupported) => (
                4,
                ConsoleStatus::Warn,
                format!("Starting of {name} unsupported."),
                ID_FAILED,
            ),
            (JobType::Start, JobResult::Failed | JobResult::Invalid) => (
                3,
                ConsoleStatus::Failed,
                format!("{} {name}.", words.start_failed),
                ID_FAILED,
            ),
            (JobType::Stop | JobType::Restart, JobResult::Done) => (
                6,
                ConsoleStatus::Ok,
                format!("{} {name}.", words.stopped),
                ID_STOPPED,
            ),
            (JobType::Stop | JobType::Restart, JobResult::Failed) => (
                4,
                ConsoleStatus::Failed,
                format!("Stopped (with error) {name}."),
                ID_STOPPED,
            ),
            (JobType::Stop | JobType::Restart, JobResult::Timeout) => (
                4,
                ConsoleStatus::Time,
                format!("Timed out stopping {name}."),
                ID_STOPPED,
            ),
            (JobType::Reload, JobResult::Done) => (
                6,
                ConsoleStatus::Ok,
                format!("Reloaded {name}."),
                ID_RELOADED,
            ),
            (JobType::Reload, JobResult::Failed) => (
                4,
                ConsoleStatus::Failed,
                format!("Reload failed for {name}."),
                ID_RELOADED,
            ),
            (JobType::Reload, JobResult::Timeout) => (
                4,
                ConsoleStatus::Time,
                format!("Timed out reloading {name}."),
                ID_RELOADED,
            ),
            _ => return None,
        })
    }

    fn skip_words(
        &self,
        unit: UnitId,
        name: &str,
        era: bool,
    ) -> Option<(u8, ConsoleStatus, String, &'static str)> {
        let text = if era {
            format!("Condition check resulted in {name} being skipped.")
        } else {
            let cause = self.units[unit].unmet_condition()?;
            format!("{name} was skipped because of an unmet condition check ({cause}).")
        };
        Some((6, ConsoleStatus::Info, text, ID_SKIPPED))
    }

    /// The unit has just failed.
    pub(crate) fn announce_failed(&mut self, unit: UnitId) {
        if self.config.unit_format != UnitFormat::Description {
            return;
        }
        let name = self.units[unit].name.clone();
        self.log_unit(5, unit, format!("{name}: Unit entered failed state."));
    }

    /// The result with which a unit ended, as its own line.
    pub(crate) fn announce_result(&mut self, unit: UnitId, success: bool, result: &str) {
        let name = self.units[unit].name.clone();
        if !success {
            let fields = vec![
                ("MESSAGE_ID", ID_UNIT_FAILED.to_owned()),
                ("UNIT_RESULT", result.to_owned()),
            ];
            self.log_unit_with(
                4,
                unit,
                format!("{name}: Failed with result '{result}'."),
                fields,
            );
        } else if self.config.unit_format != UnitFormat::Description {
            let fields = vec![("MESSAGE_ID", ID_UNIT_SUCCESS.to_owned())];
            self.log_unit_with(
                6,
                unit,
                format!("{name}: Deactivated successfully."),
                fields,
            );
        }
    }
}
