//! `systemctl status UNIT` as a function from data to text.

mod words;

use std::fmt::Write as _;

use init_api::{TimeSpan, bytes::format_bytes, format_relative};
use init_client::Value;
use jiff::tz::TimeZone;

use super::super::{bullet, tree};
use crate::clock::stamp;
use crate::props::Props;
use crate::style::{self, Style};
pub(crate) use words::next_elapse;
use words::{exit_text, failed_condition, listen_text, memory_limits, past_processes};

/// What the text depends on besides the unit.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) style: Style,
    /// Microseconds since 1970.
    pub(crate) now: u64,
    /// Microseconds since boot.
    pub(crate) monotonic: u64,
    pub(crate) zone: TimeZone,
    /// Lines are cut to this; `None` for no limit.
    pub(crate) width: Option<usize>,
    pub(crate) color: bool,
}

/// One unit with everything that is shown of it.
#[derive(Debug, Default)]
pub(crate) struct UnitView {
    pub(crate) props: Props,
    pub(crate) processes: Vec<tree::Process>,
    /// Names of running processes by pid: what `Main PID: 1 (comm)` shows.
    pub(crate) comm: Vec<(u64, String)>,
    /// Units that trigger this one, with their active states.
    pub(crate) triggered_by: Vec<(String, String)>,
    /// Command lines by `Exec…` list and position as written in the unit's file, for the style
    /// that shows them unexpanded.
    pub(crate) written: Vec<(String, Vec<String>)>,
    /// Log lines, rendered.
    pub(crate) log: String,
}

struct Page<'a> {
    out: String,
    unit: &'a UnitView,
    look: &'a Look,
}

/// The whole text for one unit.
pub(crate) fn render(unit: &UnitView, look: &Look) -> String {
    let mut page = Page {
        out: String::new(),
        unit,
        look,
    };
    page.head();
    page.loaded();
    page.active();
    page.conditions();
    page.facts();
    page.processes();
    page.resources();
    if !unit.log.is_empty() {
        page.out.push('\n');
        page.out.push_str(&unit.log);
    }
    page.out
}

impl Page<'_> {
    fn props(&self) -> &Props {
        &self.unit.props
    }

    fn line(&mut self, label: &str, value: &str) {
        let width = self.look.style.label_width();
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{label:>width$}: {value}");
    }

    /// One label, then further values aligned below the first.
    fn lines(&mut self, label: &str, values: &[String]) {
        let width = self.look.style.label_width();
        for (at, value) in values.iter().enumerate() {
            let _ = if at == 0 {
                writeln!(self.out, "{label:>width$}: {value}")
            } else {
                writeln!(self.out, "{:>width$}  {value}", "")
            };
        }
    }

    fn indent(&self) -> usize {
        self.look.style.label_width() + 2
    }

    fn head(&mut self) {
        let (style, color) = (self.look.style, self.look.color);
        let (id, description) = (self.props().text("Id"), self.props().text("Description"));
        let mut head = format!(
            "{} {id}",
            bullet::bullet(self.props().text("ActiveState"), style, color)
        );
        if !description.is_empty() && description != id {
            let _ = write!(head, " - {description}");
        }
        self.out.push_str(&head);
        self.out.push('\n');
        let following = self.props().text("Following").to_owned();
        if !following.is_empty() {
            let label = if style.shows_newer_lines() {
                "Follows"
            } else {
                "Follow"
            };
            self.line(
                label,
                &format!("unit currently follows state of {following}"),
            );
        }
    }

    fn loaded(&mut self) {
        let style = self.look.style;
        let props = self.props();
        let (state, path) = (props.text("LoadState"), props.text("FragmentPath"));
        let path = if path.is_empty() {
            props.text("SourcePath")
        } else {
            path
        };
        let reason = props
            .items("LoadError")
            .get(1)
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = match state {
            "not-found" => style.say(style::NOT_FOUND, &[reason]),
            "masked" => style.say(style::MASKED, &[reason]),
            "bad-setting" => style.say(style::BAD_SETTING, &[reason]),
            _ if !reason.is_empty() => format!("{state} (Reason: {reason})"),
            _ if path.is_empty() => state.to_owned(),
            _ => {
                let file_state = props.text("UnitFileState");
                let preset = props.text("UnitFilePreset");
                let mut text = format!("{state} ({path}");
                if !file_state.is_empty() {
                    let _ = write!(text, "; {file_state}");
                    let has_preset =
                        !matches!(file_state, "static" | "generated" | "transient" | "alias");
                    if has_preset && !preset.is_empty() {
                        let _ = write!(text, "; {}: {preset}", style.raw(style::PRESET_LABEL));
                    }
                }
                text + ")"
            }
        };
        self.line("Loaded", &text);
        if self.props().yes("Transient") {
            self.line("Transient", "yes");
        }
        self.drop_ins();
    }

    fn drop_ins(&mut self) {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for path in self.props().list("DropInPaths") {
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
            match groups.last_mut() {
                Some((last, files)) if last == folder => files.push(file.to_owned()),
                _ => groups.push((folder.to_owned(), vec![file.to_owned()])),
            }
        }
        let mut values = Vec::new();
        for (folder, files) in groups {
            values.push(folder);
            values.push(format!("└─{}", files.join(", ")));
        }
        self.lines("Drop-In", &values);
    }

    fn active(&mut self) {
        let props = self.props();
        let (active, sub, result) = (
            props.text("ActiveState"),
            props.text("SubState"),
            props.text("Result"),
        );
        let state = if sub.is_empty() || sub == active {
            active.to_owned()
        } else {
            format!("{active} ({sub})")
        };
        let mut text = bullet::state(&state, active, self.look.color);
        if !result.is_empty() && result != "success" {
            let _ = write!(text, " (Result: {result})");
        }
        let key = match active {
            "active" | "reloading" => "ActiveEnterTimestamp",
            "inactive" | "failed" => "InactiveEnterTimestamp",
            "activating" => "InactiveExitTimestamp",
            _ => "ActiveExitTimestamp",
        };
        if let Some(time) = props.time(key) {
            let _ = write!(text, " since {}", self.when(time));
        }
        self.line("Active", &text);
        let props = self.props();
        let ended = props.time("ActiveExitTimestampMonotonic");
        if self.look.style.shows_newer_lines()
            && matches!(active_word(props), "inactive" | "failed")
            && let (Some(from), Some(to)) = (props.time("ActiveEnterTimestampMonotonic"), ended)
            && to >= from
        {
            let span = TimeSpan::from_micros(to - from).format(1000);
            self.line("Duration", &span);
        }
        self.triggers();
    }

    fn when(&self, time: u64) -> String {
        format!(
            "{}; {}",
            stamp(time, &self.look.zone),
            format_relative(time, self.look.now)
        )
    }

    fn triggers(&mut self) {
        if self.props().text("Id").ends_with(".timer") {
            let next = self.next_elapse();
            let text = next.map_or_else(|| "n/a".to_owned(), |time| self.when(time));
            self.line("Trigger", &text);
        }
        if !self.look.style.shows_newer_lines() {
            return;
        }
        let dot = |state: &str, name: &str| {
            format!(
                "{} {name}",
                bullet::bullet(state, self.look.style, self.look.color)
            )
        };
        let by: Vec<String> = self
            .unit
            .triggered_by
            .iter()
            .map(|(name, state)| dot(state, name))
            .collect();
        // systemctl puts this unit's own dot before what it triggers.
        let own = active_word(self.props());
        let those: Vec<String> = self
            .props()
            .list("Triggers")
            .iter()
            .map(|name| dot(own, name))
            .collect();
        self.lines("TriggeredBy", &by);
        self.lines("Triggers", &those);
    }

    fn next_elapse(&self) -> Option<u64> {
        let props = self.props();
        let wall = props.time("NextElapseUSecRealtime");
        let boot = props.time("NextElapseUSecMonotonic");
        next_elapse(wall, boot, self.look.now, self.look.monotonic)
    }

    fn conditions(&mut self) {
        let style = self.look.style;
        for (list, result, time, what) in [
            (
                "Conditions",
                "ConditionResult",
                "ConditionTimestamp",
                "Condition",
            ),
            ("Asserts", "AssertResult", "AssertTimestamp", "Assert"),
        ] {
            let Some(time) = self
                .props()
                .time(time)
                .filter(|_| !self.props().yes(result))
            else {
                continue;
            };
            let head = if what == "Assert" {
                format!("start assertion failed at {}", self.when(time))
            } else {
                style.say(style::CONDITION_FAILED, &[&self.when(time)])
            };
            self.line(what, &head);
            let failed: Vec<String> = self
                .props()
                .items(list)
                .iter()
                .filter_map(failed_condition)
                .collect();
            let indent = self.indent();
            for (at, text) in failed.iter().enumerate() {
                let last = at + 1 == failed.len();
                let branch = style.raw(if last {
                    style::CONDITION_LAST
                } else {
                    style::CONDITION_BRANCH
                });
                let _ = writeln!(self.out, "{:indent$}{branch}{text} was not met", "");
            }
        }
    }

    fn facts(&mut self) {
        let props = self.props();
        let (path, place, what) = (
            props.text("SysFSPath"),
            props.text("Where"),
            props.text("What"),
        );
        let (path, place, what) = (path.to_owned(), place.to_owned(), what.to_owned());
        let documentation = props.list("Documentation");
        let listen: Vec<String> = props.items("Listen").iter().map(listen_text).collect();
        let accepted = props.yes("Accept").then(|| {
            format!(
                "{}; Connected: {};",
                props.int("NAccepted"),
                props.int("NConnections")
            )
        });
        for (label, value) in [("Device", path), ("Where", place), ("What", what)] {
            if !value.is_empty() {
                self.line(label, &value);
            }
        }
        self.lines("Docs", &documentation);
        self.lines("Listen", &listen);
        if let Some(accepted) = accepted {
            self.line("Accepted", &accepted);
        }
    }

    fn processes(&mut self) {
        let mut past = past_processes(self.unit, self.look.style);
        if self.look.style.newest_process_first() {
            past.reverse();
        }
        for text in past {
            self.line("Process", &text);
        }
        let props = self.props();
        let (main, control) = (
            props.number("MainPID").unwrap_or(0),
            props.number("ControlPID").unwrap_or(0),
        );
        let ended = props.number("ExecMainPID").unwrap_or(0);
        if main > 0 {
            let text = format!("{main}{}", self.comm(main));
            self.line("Main PID", &text);
        } else if ended > 0 && props.time("ExecMainExitTimestamp").is_some() {
            let exit = exit_text(props.int("ExecMainCode"), props.int("ExecMainStatus"));
            self.line("Main PID", &format!("{ended} ({exit})"));
        }
        if control > 0 {
            let label = self.look.style.raw(style::CONTROL_PID_LABEL).trim_start();
            let text = format!("{control}{}", self.comm(control));
            self.line(label, &text);
        }
        let status = self.props().text("StatusText").to_owned();
        if !status.is_empty() {
            self.line("Status", &format!("\"{status}\""));
        }
        let errno = self.props().int("StatusErrno");
        if errno > 0 {
            let code = i32::try_from(errno).unwrap_or(0);
            self.line(
                "Error",
                &format!("{errno} ({})", std::io::Error::from_raw_os_error(code)),
            );
        }
    }

    fn comm(&self, pid: u64) -> String {
        let found = self.unit.comm.iter().find(|(known, _)| *known == pid);
        found
            .map(|(_, comm)| format!(" ({comm})"))
            .unwrap_or_default()
    }

    fn resources(&mut self) {
        let props = self.props();
        let (tasks, limit) = (props.number("TasksCurrent"), props.number("TasksMax"));
        let memory = props.number("MemoryCurrent");
        let cpu = props.number("CPUUsageNSec");
        let group = props.text("ControlGroup").to_owned();
        let limits = if self.look.style.shows_newer_lines() {
            memory_limits(props)
        } else {
            String::new()
        };
        // Nothing runs any more: its cgroup is only still there.
        let over = props.text("SubState") == "exited" && self.unit.processes.is_empty();
        if let Some(tasks) = tasks.filter(|_| !over) {
            let limit = limit.map(|l| format!(" (limit: {l})")).unwrap_or_default();
            self.line("Tasks", &format!("{tasks}{limit}"));
        }
        if let Some(memory) = memory.filter(|_| !over) {
            self.line("Memory", &format!("{}{limits}", format_bytes(memory)));
        }
        if let Some(cpu) = cpu {
            self.line("CPU", &TimeSpan::from_micros(cpu / 1000).format(1000));
        }
        let active = self.props().text("ActiveState").to_owned();
        let shown = !self.unit.processes.is_empty() || active == "active";
        if !group.is_empty() && shown && !over {
            self.line("CGroup", &group);
            let text = tree::render(&group, &self.unit.processes, self.indent(), self.look.width);
            self.out.push_str(&text);
        }
    }
}

fn active_word(props: &Props) -> &str {
    props.text("ActiveState")
}

#[cfg(test)]
mod tests;
