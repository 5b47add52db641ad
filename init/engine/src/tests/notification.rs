//! Messages from services, reloads and the watchdog (`sd_notify(3)`).

use super::bench::{BAD, Bench, OK, SECOND, TERM};
use crate::{Exit, Verb};
use init_api::JobMode;

#[test]
fn a_notify_service_is_active_after_ready_and_shows_its_status() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "STATUS=serving 3 users");
    assert_eq!(bench.state("a.service"), "activating (start)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    assert_eq!(
        bench
            .engine
            .unit("a.service")
            .unwrap()
            .service()
            .unwrap()
            .status_text,
        "serving 3 users"
    );
}

#[test]
fn an_end_before_ready_is_a_protocol_failure() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "protocol")
    );
    assert!(bench.has_happened("a.service failed"));
}

#[test]
fn a_start_that_takes_too_long_is_a_timeout_and_extend_timeout_puts_it_off() {
    let text = "=== a.service\n[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/a\n";
    let mut bench = Bench::new(text);
    bench.start("a.service");
    bench.pass(2 * SECOND);
    bench.main_ends("a.service", TERM);
    assert_eq!(bench.result("a.service"), "timeout");

    let mut bench = Bench::new(text);
    bench.start("a.service");
    bench.notify("a.service", "EXTEND_TIMEOUT_USEC=4000000");
    bench.pass(3 * SECOND);
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
}

#[test]
fn reloading_and_stopping_messages_show_in_the_state() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "READY=1");
    bench.notify("a.service", "RELOADING=1");
    assert_eq!(bench.state("a.service"), "reloading (reload)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.notify("a.service", "STOPPING=1");
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn notify_reload_sends_the_signal_and_waits_for_both_messages() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify-reload\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "READY=1");
    bench
        .job(Verb::Reload, "a.service", JobMode::Replace)
        .unwrap();
    assert!(bench.has_happened(&format!("HUP {}", bench.main_pid("a.service"))));
    assert_eq!(bench.state("a.service"), "reloading (reload-signal)");
    let later = bench.now.monotonic + 1;
    bench.notify("a.service", &format!("RELOADING=1\nMONOTONIC_USEC={later}"));
    assert_eq!(bench.state("a.service"), "reloading (reload-notify)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    assert!(bench.has_happened("a.service done"));
}

#[test]
fn a_failing_reload_leaves_the_service_running_and_fails_the_job() {
    let mut bench =
        Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\nExecReload=/bin/reload\n");
    bench.start("a.service");
    bench
        .job(Verb::Reload, "a.service", JobMode::Replace)
        .unwrap();
    assert_eq!(bench.state("a.service"), "reloading (reload)");
    bench.control_ends("a.service", BAD);
    assert_eq!(bench.state("a.service"), "active (running)");
    assert!(bench.has_happened("a.service failed"));
}

#[test]
fn a_missed_watchdog_aborts_the_service_with_that_result() {
    let mut bench = Bench::new("=== a.service\n[Service]\nWatchdogSec=1\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.pass(SECOND / 2);
    bench.notify("a.service", "WATCHDOG=1");
    bench.pass(SECOND * 9 / 10);
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.pass(SECOND / 5);
    assert!(bench.has_happened(&format!("ABRT {}", bench.main_pid("a.service"))));
    bench.main_ends("a.service", Exit::Dumped(6));
    assert_eq!(bench.result("a.service"), "watchdog");
}
