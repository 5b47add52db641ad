//! `org.freedesktop.systemd1.Manager`.

use dbus::Value;
use unit_engine::Stamp;

use super::Sheet;
use crate::bus::files;
use crate::manager::Manager;

pub(super) fn fill(sheet: &mut Sheet<'_>, manager: &Manager) {
    let machine = manager.machine();
    let state = manager.engine().manager();
    // Programs read a number from the front: 252's interface is what is served.
    sheet.text(
        "Version",
        concat!("252 (garboard ", env!("CARGO_PKG_VERSION"), ")"),
    );
    sheet.text("Features", "default-hierarchy=unified");
    sheet.put("Virtualization", || {
        machine
            .virtualization
            .as_ref()
            .map_or(String::new(), |(id, _)| id.clone())
            .into()
    });
    sheet.text("Architecture", &machine.facts.architecture);
    sheet.text("Tainted", "");
    boot(sheet, manager, state.finished);
    sheet.text("LogLevel", "info");
    sheet.text("LogTarget", "journal");
    sheet.number("NNames", count(state.names));
    sheet.number("NFailedUnits", count(state.failed));
    sheet.number("NJobs", count(state.jobs));
    sheet.number("NInstalledJobs", state.installed_jobs);
    sheet.number("NFailedJobs", 0);
    sheet.put("Progress", || {
        if state.finished.is_set() {
            1.0_f64
        } else {
            0.5
        }
        .into()
    });
    sheet.put("Environment", || {
        Value::strings(manager.engine().environment())
    });
    sheet.flag("ConfirmSpawn", false);
    sheet.flag("ShowStatus", true);
    sheet.put("UnitPath", || Value::strings(files::search_path()));
    sheet.text("DefaultStandardOutput", "journal");
    sheet.text("DefaultStandardError", "inherit");
    sheet.wide("RuntimeWatchdogUSec", 0);
    sheet.flag("ServiceWatchdogs", true);
    sheet.text("ControlGroup", "");
    sheet.text("SystemState", state.state.as_str());
    sheet.put("ExitCode", || 0_u8.into());
    let settings = manager.engine().settings();
    sheet.wide("DefaultTimerAccuracyUSec", settings.timer_accuracy);
    sheet.wide("DefaultTimeoutStartUSec", settings.timeout_start);
    sheet.wide("DefaultTimeoutStopUSec", settings.timeout_stop);
    sheet.wide("DefaultDeviceTimeoutUSec", settings.device_timeout);
    sheet.wide("DefaultRestartUSec", settings.restart);
    sheet.wide(
        "DefaultStartLimitIntervalUSec",
        settings.start_limit_interval,
    );
    sheet.number("DefaultStartLimitBurst", settings.start_limit_burst);
    sheet.flag("DefaultCPUAccounting", true);
    sheet.flag("DefaultMemoryAccounting", true);
    sheet.flag("DefaultTasksAccounting", true);
    sheet.text("CtrlAltDelBurstAction", "reboot-force");
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn boot(sheet: &mut Sheet<'_>, manager: &Manager, finished: Stamp) {
    let times = &manager.times;
    let kernel = times
        .userspace_realtime
        .saturating_sub(times.userspace_monotonic);
    let none = Stamp::default();
    sheet.stamp("FirmwareTimestamp", none);
    sheet.stamp("LoaderTimestamp", none);
    sheet.stamp(
        "KernelTimestamp",
        Stamp {
            realtime: kernel,
            monotonic: 0,
        },
    );
    sheet.stamp("InitRDTimestamp", none);
    let userspace = Stamp {
        realtime: times.userspace_realtime,
        monotonic: times.userspace_monotonic,
    };
    sheet.stamp("UserspaceTimestamp", userspace);
    sheet.stamp("FinishTimestamp", finished);
    for name in [
        "SecurityStartTimestamp",
        "SecurityFinishTimestamp",
        "GeneratorsStartTimestamp",
        "GeneratorsFinishTimestamp",
        "UnitsLoadStartTimestamp",
        "UnitsLoadFinishTimestamp",
        "UnitsLoadTimestamp",
    ] {
        sheet.stamp(name, none);
    }
}
