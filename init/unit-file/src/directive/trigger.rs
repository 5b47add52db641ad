//! `[Timer]` and `[Path]`: systemd.timer(5), systemd.path(5)

use init_api::TimeSpan;

use super::table;
use crate::{
    Calendar,
    config::{PathConfig, PathWatch, PathWatchKind, TimerBase, TimerConfig, TimerTrigger},
    value::{Input, Outcome, Refusal, absolute, boolean, mode, number, span, unit},
};

table! { TIMER: TimerConfig {
    "OnCalendar" => [triggers] calendar,
    "OnActiveSec" => [triggers] monotonic,
    "OnBootSec" => [triggers] monotonic,
    "OnStartupSec" => [triggers] monotonic,
    "OnUnitActiveSec" => [triggers] monotonic,
    "OnUnitInactiveSec" => [triggers] monotonic,
    "OnClockChange" => [on_clock_change] boolean,
    "OnTimezoneChange" => [on_timezone_change] boolean,
    "AccuracySec" => [accuracy] span,
    "RandomizedDelaySec" => [randomized_delay] span,
    "FixedRandomDelay" => [fixed_random_delay] boolean,
    "DeferReactivation" => [defer_reactivation] boolean,
    "Persistent" => [persistent] boolean,
    "WakeSystem" => [wake_system] boolean,
    "RemainAfterElapse" => [remain_after_elapse] boolean,
    "Unit" => [unit] unit,
} accepted { "RandomizedOffsetSec", } }

table! { PATH: PathConfig {
    "PathExists" => [watches] watch,
    "PathExistsGlob" => [watches] watch,
    "PathChanged" => [watches] watch,
    "PathModified" => [watches] watch,
    "DirectoryNotEmpty" => [watches] watch,
    "MakeDirectory" => [make_directory] boolean,
    "DirectoryMode" => [directory_mode] mode,
    "TriggerLimitIntervalSec" => [trigger_limit.interval] span,
    "TriggerLimitBurst" => [trigger_limit.burst] number,
    "Unit" => [unit] unit,
} accepted {} }

/// Nothing empties all triggers, whatever their kind.
fn calendar(field: &mut Vec<TimerTrigger>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let text = input.expand(input.text)?;
    let calendar: Calendar = text
        .parse()
        .map_err(|error| Refusal::Ignored(format!("{}= {error}; it is ignored", input.key)))?;
    field.push(TimerTrigger::Calendar(calendar));
    Ok(())
}

fn monotonic(field: &mut Vec<TimerTrigger>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let base: TimerBase = input.key.parse().map_err(|_| input.wants("a known base"))?;
    let mut after = TimeSpan::ZERO;
    span(&mut after, input)?;
    field.push(TimerTrigger::Monotonic(base, after));
    Ok(())
}

fn watch(field: &mut Vec<PathWatch>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let kind: PathWatchKind = input.key.parse().map_err(|_| input.wants("a known kind"))?;
    let path = absolute(input, input.text)?;
    field.push(PathWatch { kind, path });
    Ok(())
}
