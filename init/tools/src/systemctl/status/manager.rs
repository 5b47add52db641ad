//! `systemctl status` without a unit: the system as a whole.

use std::fmt::Write as _;

use init_api::format_relative;
use init_client::names as bus;

use super::super::{Context, Failure, bullet, tree};
use super::collect;
use crate::clock::stamp;
use crate::props::Props;

pub(super) fn text(cx: &mut Context) -> Result<String, Failure> {
    let props = Props(
        cx.manager()?
            .all_properties(bus::MANAGER_PATH, bus::MANAGER)?,
    );
    let processes = collect::processes(cx, "");
    let look = super::look(cx);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(render(&props, host.trim(), &processes, &look))
}

fn render(props: &Props, host: &str, processes: &[tree::Process], look: &super::Look) -> String {
    let state = props.text("SystemState");
    let bullet_state = match state {
        "running" => "active",
        "degraded" | "maintenance" => "failed",
        _ => "activating",
    };
    let dot = bullet::paint(
        "●",
        if bullet_state == "active" { "32" } else { "31" },
        look.color,
    );
    let mut out = format!("{dot} {host}\n");
    let plural = |n: i64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "    State: {}",
        bullet::state(state, bullet_state, look.color)
    );
    if look.style.shows_newer_lines() {
        let _ = writeln!(
            out,
            "    Units: {} loaded (incl. loaded aliases)",
            props.int("NNames")
        );
    }
    let _ = writeln!(out, "     Jobs: {} queued", props.int("NJobs"));
    let _ = writeln!(
        out,
        "   Failed: {}",
        plural(props.int("NFailedUnits"), "unit", "units")
    );
    if let Some(since) = props.time("UserspaceTimestamp") {
        let _ = writeln!(
            out,
            "    Since: {}; {}",
            stamp(since, &look.zone),
            format_relative(since, look.now)
        );
    }
    if look.style.shows_newer_lines() {
        let _ = writeln!(out, "  systemd: {}", props.text("Version"));
    }
    let group = props.text("ControlGroup");
    let _ = writeln!(
        out,
        "   CGroup: {}",
        if group.is_empty() { "/" } else { group }
    );
    out + &tree::render(group, processes, 11, look.width)
}
