//! The conformance cases of PID 1, systemctl and journalctl, each group in a guest of its own.
//!
//! `UNDER_TEST=reference` runs them against the host's systemd in the same kind of guest; `UNDER_TEST=tools` runs
//! systemd's own systemctl, journalctl and busctl against our PID 1 and our journal; `GARBOARD_GUEST_USR=FOLDER`
//! takes systemd and all other programs of the guest from there (another Debian release) instead of the host's /usr;
//! `CASE=EXEC-04` runs only the cases whose id contains the text.

mod boot;
mod cases;
pub(crate) mod guest;
mod hostile;

macro_rules! groups {
    ($($test:ident $file:literal;)*) => {$(
        #[test]
        fn $test() {
            cases::run($file, include_str!(concat!("cases/", $file, ".yaml")));
        }
    )*};
}

groups! {
    unit_files_are_parsed_as_systemd_does "parse";
    commands_are_quoted_expanded_and_run_as_systemd_does "exec";
    processes_get_the_environment_of_their_unit "env";
    units_are_found_merged_and_forgotten_as_systemd_does "load";
    dependencies_start_stop_and_order_units "dep";
    services_live_and_end_as_their_type_says "svc";
    services_restart_as_their_policy_says "rst";
    stopping_kills_as_the_kill_mode_says "kill";
    conditions_decide_whether_a_unit_starts "cond";
    systemctl_prints_and_exits_as_systemds "ctl";
    enabling_and_masking_make_the_same_links "inst";
    sockets_activate_their_services "sock";
    timers_and_paths_activate_their_services "tim";
    processes_run_in_the_context_of_their_unit "ctx";
    notifications_change_the_state_of_their_unit "not";
    output_of_services_is_in_the_journal "jrn";
    transient_units_come_over_the_bus "bus";
    the_tutorials_units_work_as_written "tut";
    systemctl_speaks_as_in_2016_by_default "era";
    daemon_reexec_carries_everything_over "reexec";
    states_and_jobs_follow_from_each_other_as_in_systemd "state";
}
