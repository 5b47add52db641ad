//! `org.freedesktop.systemd1.Unit`: what all units have.

use dbus::Value;
use init_api::bus as names;
use unit_engine::{CheckRecord, Dep, UnitView};
use unit_file::Condition;

use super::Sheet;
use crate::bus::files;
use crate::manager::Manager;

pub(super) fn fill(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let settings = &view.config().unit;
    sheet.text("Id", view.name());
    sheet.put("Names", || Value::strings(view.names()));
    sheet.text("Following", "");
    for kind in Dep::PROPERTIES {
        sheet.put(kind.property(), || Value::strings(view.dependencies(kind)));
    }
    sheet.words("RequiresMountsFor", &settings.requires_mounts_for);
    sheet.words("Documentation", &settings.documentation);
    sheet.text("Description", view.description());
    sheet.text("LoadState", view.load_state().as_str());
    sheet.text("ActiveState", view.active_state().as_str());
    sheet.put("FreezerState", || freezer(manager, view).into());
    sheet.text("SubState", view.sub_state());
    sheet.text("FragmentPath", view.fragment());
    sheet.text("SourcePath", &settings.source_path);
    sheet.words("DropInPaths", view.drop_ins());
    sheet.put("UnitFileState", || files::state_of(manager, view).into());
    sheet.put("UnitFilePreset", || files::preset_of(manager, view).into());
    times(sheet, view);
    sheet.flag(
        "CanStart",
        view.can_start() && !settings.refuse_manual_start,
    );
    sheet.flag("CanStop", view.can_stop() && !settings.refuse_manual_stop);
    sheet.flag("CanReload", view.can_reload());
    sheet.flag("CanIsolate", settings.allow_isolate);
    sheet.put("CanClean", || Value::strings(Vec::<String>::new()));
    sheet.put("CanFreeze", || (!view.control_group().is_empty()).into());
    job(sheet, view);
    switches(sheet, manager, view);
    checks(sheet, view);
    limits(sheet, view);
}

/// What changes while the unit lives.
pub(super) fn state(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    sheet.text("ActiveState", view.active_state().as_str());
    sheet.text("SubState", view.sub_state());
    times(sheet, view);
    job(sheet, view);
    sheet.flag(
        "ConditionResult",
        !view.conditions().when.is_set() || view.conditions().passed,
    );
    sheet.flag(
        "AssertResult",
        !view.asserts().when.is_set() || view.asserts().passed,
    );
    sheet.stamp("ConditionTimestamp", view.conditions().when);
    sheet.stamp("AssertTimestamp", view.asserts().when);
    sheet.put("InvocationID", || invocation(view));
}

fn freezer(manager: &Manager, view: UnitView<'_>) -> &'static str {
    let group = view.control_group();
    let frozen = !group.is_empty()
        && manager
            .cgroups()
            .read(group, "cgroup.freeze")
            .is_ok_and(|text| text.trim() == "1");
    if frozen { "frozen" } else { "running" }
}

fn times(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let stamps = view.stamps();
    sheet.stamp("StateChangeTimestamp", stamps.state_change);
    sheet.stamp("InactiveExitTimestamp", stamps.inactive_exit);
    sheet.stamp("ActiveEnterTimestamp", stamps.active_enter);
    sheet.stamp("ActiveExitTimestamp", stamps.active_exit);
    sheet.stamp("InactiveEnterTimestamp", stamps.inactive_enter);
}

fn job(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    sheet.put("Job", || match view.job() {
        Some(job) => Value::Struct(vec![job.id.into(), Value::path(names::job_path(job.id))]),
        None => Value::Struct(vec![0_u32.into(), Value::path("/")]),
    });
}

fn switches(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let settings = &view.config().unit;
    sheet.flag("StopWhenUnneeded", settings.stop_when_unneeded);
    sheet.flag("RefuseManualStart", settings.refuse_manual_start);
    sheet.flag("RefuseManualStop", settings.refuse_manual_stop);
    sheet.flag("AllowIsolate", settings.allow_isolate);
    sheet.flag("DefaultDependencies", settings.default_dependencies);
    sheet.text("OnSuccessJobMode", settings.on_success_job_mode.as_str());
    sheet.text("OnFailureJobMode", settings.on_failure_job_mode.as_str());
    sheet.flag("IgnoreOnIsolate", settings.ignore_on_isolate);
    sheet.put("NeedDaemonReload", || {
        files::changed_on_disk(manager, view).into()
    });
    sheet.put("Markers", || Value::strings(Vec::<String>::new()));
    sheet.wide("JobTimeoutUSec", settings.job_timeout.as_micros());
    sheet.wide(
        "JobRunningTimeoutUSec",
        settings.job_running_timeout.as_micros(),
    );
    sheet.text("JobTimeoutAction", settings.job_timeout_action.as_str());
    sheet.text(
        "JobTimeoutRebootArgument",
        &settings.job_timeout_reboot_argument,
    );
}

fn checks(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let settings = &view.config().unit;
    let (conditions, asserts) = (view.conditions(), view.asserts());
    let result = |record: &CheckRecord| record.when.is_set() && record.passed;
    sheet.flag("ConditionResult", result(conditions));
    sheet.flag("AssertResult", result(asserts));
    sheet.stamp("ConditionTimestamp", conditions.when);
    sheet.stamp("AssertTimestamp", asserts.when);
    sheet.put("Conditions", || {
        list(&settings.conditions, conditions, "Condition")
    });
    sheet.put("Asserts", || list(&settings.asserts, asserts, "Assert"));
    sheet.put("LoadError", || {
        let (name, text) = view.load_error().unwrap_or_default();
        Value::Struct(vec![name.into(), text.into()])
    });
    sheet.flag("Transient", view.transient());
    sheet.flag("Perpetual", view.perpetual());
}

fn list(conditions: &[Condition], record: &CheckRecord, word: &str) -> Value {
    let row = |(at, condition): (usize, &Condition)| {
        let state = record.each.get(at).copied().unwrap_or(0);
        Value::Struct(vec![
            format!("{word}{}", condition.kind.as_str()).into(),
            condition.trigger.into(),
            condition.negate.into(),
            condition.parameter.as_str().into(),
            i32::from(state).into(),
        ])
    };
    Value::array("(sbbsi)", conditions.iter().enumerate().map(row).collect())
}

fn limits(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let settings = &view.config().unit;
    let status = |code: Option<u8>| code.map_or(-1, i32::from);
    sheet.wide(
        "StartLimitIntervalUSec",
        settings.start_limit.interval.as_micros(),
    );
    sheet.number("StartLimitBurst", settings.start_limit.burst);
    sheet.text("StartLimitAction", settings.start_limit_action.as_str());
    sheet.text("FailureAction", settings.failure_action.as_str());
    sheet.int(
        "FailureActionExitStatus",
        status(settings.failure_action_exit_status),
    );
    sheet.text("SuccessAction", settings.success_action.as_str());
    sheet.int(
        "SuccessActionExitStatus",
        status(settings.success_action_exit_status),
    );
    sheet.text("RebootArgument", &settings.reboot_argument);
    sheet.put("InvocationID", || invocation(view));
    sheet.text("CollectMode", settings.collect_mode.as_str());
    sheet.put("Refs", || Value::strings(Vec::<String>::new()));
    sheet.put("ActivationDetails", || Value::array("(ss)", vec![]));
}

fn invocation(view: UnitView<'_>) -> Value {
    let id = view.invocation();
    Value::Bytes(if id == 0 {
        Vec::new()
    } else {
        id.to_be_bytes().to_vec()
    })
}
