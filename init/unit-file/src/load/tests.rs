//! The PARSE, ENV, LOAD facts of the machine cases, without a machine.

use init_api::TimeSpan;

use super::*;
use crate::{
    Amount, CpuWeight, DependencyKind, MemoryTree, Resource, ResourceLimit, ServiceConfig,
};

const ETC: &str = "/etc/systemd/system";

fn load(tree: &MemoryTree, name: &str) -> LoadedUnit {
    UnitLoader::new(tree.clone()).load(&name.parse().unwrap())
}

fn unit(name: &str, text: &str) -> LoadedUnit {
    load(
        &MemoryTree::new().file(&format!("{ETC}/{name}"), text),
        name,
    )
}

fn service(text: &str) -> ServiceConfig {
    let unit = unit("c-1.service", text);
    assert_eq!(unit.state, LoadState::Loaded, "{:?}", unit.diagnostics);
    unit.config.service().unwrap().clone()
}

fn words(unit: &LoadedUnit) -> Vec<String> {
    let commands = &unit.config.service().unwrap().exec_start;
    commands
        .iter()
        .map(|command| command.argv[1..].join(" "))
        .collect()
}

fn texts(unit: &LoadedUnit) -> Vec<String> {
    unit.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn continuation_lines_reach_the_command_as_words() {
    let unit = unit(
        "c-p.service",
        "[Service]\nType=oneshot\nExecStart=/opt/t/args one\\\ntwo \\\n# comment\n; another\n  three\n",
    );
    assert_eq!(words(&unit), ["one two three"]);
}

#[test]
fn an_assignment_before_any_section_is_ignored_with_its_place() {
    let unit = unit(
        "c-p.service",
        "Description=lost\n[Service]\nExecStart=/bin/true\n",
    );
    assert_eq!(unit.state, LoadState::Loaded);
    assert_eq!(unit.description(), "c-p.service");
    assert_eq!(
        texts(&unit),
        [
            "/etc/systemd/system/c-p.service:1:1: Description= stands before any section; it is ignored"
        ]
    );
}

#[test]
fn services_that_cannot_work_are_bad_settings() {
    for text in [
        "[Service]\nType=simple\n",
        "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n",
        "[Service]\nType=oneshot\nRestart=always\nExecStart=/bin/a\n",
        "[Service]\nType=oneshot\nRestart=on-success\nExecStart=/bin/a\n",
        "[Service]\nExecStart=/bin/a 'b\n",
        "[Service]\nExecStart=/bin/a %Z\n",
        "[Service]\nExecStart=bin/a\n",
        "[Service]\nExecStop=/bin/a\n",
        "[Service]\nWorkingDirectory=here\nExecStart=/bin/a\n",
        "[Service]\nUser=a:b\nExecStart=/bin/a\n",
    ] {
        let unit = unit("c-p.service", text);
        assert_eq!(unit.state, LoadState::BadSetting, "{text}");
        assert!(unit.error.is_some());
    }
    for text in [
        "[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=/bin/b\n",
        "[Service]\nType=oneshot\nRestart=on-failure\nExecStart=/bin/a\n",
        "[Service]\nRemainAfterExit=yes\nExecStop=/bin/a\n",
        "[Service]\nExecStart=true\n",
        "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n",
    ] {
        assert_eq!(unit("c-p.service", text).state, LoadState::Loaded, "{text}");
    }
}

#[test]
fn a_broken_section_header_is_an_error_of_the_file() {
    assert_eq!(
        unit("c-p.service", "[Service\nExecStart=/bin/a\n").state,
        LoadState::Error
    );
}

#[test]
fn output_goes_where_a_terminal_or_socket_as_input_is_unless_the_unit_says_otherwise() {
    let output = |text: &str| {
        let unit = unit(
            "c-p.service",
            &format!("[Service]\nExecStart=/bin/a\n{text}\n"),
        );
        unit.config.exec.standard_output.to_string()
    };
    for (text, wanted) in [
        ("StandardInput=socket", "inherit"),
        ("StandardInput=tty", "inherit"),
        ("StandardInput=fd:x", "inherit"),
        ("StandardInput=data", "journal"),
        ("StandardInput=socket\nStandardOutput=journal", "journal"),
    ] {
        assert_eq!(output(text), wanted, "{text}");
    }
}

#[test]
fn an_empty_file_and_a_link_to_dev_null_are_masked() {
    let tree = MemoryTree::new()
        .file(&format!("{ETC}/c-p.service"), "")
        .link(&format!("{ETC}/c-q.service"), "/dev/null")
        .file(
            "/usr/lib/systemd/system/c-q.service",
            "[Service]\nExecStart=/bin/true\n",
        );
    assert_eq!(load(&tree, "c-p.service").state, LoadState::Masked);
    assert_eq!(load(&tree, "c-q.service").state, LoadState::Masked);
}

#[test]
fn time_spans_of_services_follow_their_keys() {
    let one = service(
        "[Service]\nTimeoutStartSec=0\nTimeoutStopSec=1min 30s\nRestartSec=100ms\nRuntimeMaxSec=2h\nWatchdogSec=20\nExecStart=/bin/true\n",
    );
    assert_eq!(one.timeout_start, TimeSpan::INFINITY);
    assert_eq!(one.timeout_stop.to_string(), "1min 30s");
    assert_eq!(one.runtime_max.to_string(), "2h");
    assert_eq!(one.watchdog, TimeSpan::from_secs(20));
    let two = service(
        "[Service]\nTimeoutSec=5m\nRestartSec=1.5\nRuntimeMaxSec=infinity\nTimeoutStopSec=junk\nExecStart=/bin/true\n",
    );
    assert_eq!(two.timeout_start.to_string(), "5min");
    assert_eq!(two.timeout_stop.to_string(), "5min");
    assert_eq!(two.restart_sec.to_string(), "1.500000s");
    let three = service("[Service]\nType=oneshot\nRestartSec=3us\nExecStart=/bin/true\n");
    assert_eq!(three.timeout_start, TimeSpan::INFINITY);
    assert_eq!(three.timeout_stop.to_string(), "1min 30s");
    assert_eq!(three.restart_sec.to_string(), "3us");
}

#[test]
fn sizes_limits_and_percentages_are_read() {
    let unit = unit(
        "c-1.service",
        "[Service]\nMemoryMax=1G\nMemoryHigh=512K\nTasksMax=infinity\nLimitNOFILE=1024:4096\nLimitNPROC=infinity\nLimitCORE=2M\nLimitCPU=1min\nCPUWeight=50\nCPUQuota=150%\nExecStart=/bin/true\n",
    );
    assert_eq!(texts(&unit), [""; 0]);
    let cgroup = &unit.config.cgroup;
    assert_eq!(cgroup.memory_max, Some(Amount::Absolute(1 << 30)));
    assert_eq!(cgroup.memory_high, Some(Amount::Absolute(524_288)));
    assert_eq!(cgroup.tasks_max, Some(Amount::Infinity));
    assert_eq!(cgroup.cpu_weight, Some(CpuWeight::Weight(50)));
    assert_eq!(cgroup.cpu_quota_per_sec.unwrap().to_string(), "1.500000s");
    let limit = |soft, hard| Some(ResourceLimit { soft, hard });
    let limits = &unit.config.exec.limits;
    assert_eq!(
        limits.get(&Resource::Nofile).copied(),
        limit(Some(1024), Some(4096))
    );
    assert_eq!(limits.get(&Resource::Nproc).copied(), limit(None, None));
    assert_eq!(
        limits.get(&Resource::Core).copied(),
        limit(Some(2 << 20), Some(2 << 20))
    );
    assert_eq!(
        limits.get(&Resource::Cpu).copied(),
        limit(Some(60), Some(60))
    );
}

#[test]
fn tasks_are_not_limited_unless_the_unit_says_so() {
    let unit = unit("c-1.service", "[Service]\nExecStart=/bin/true\n");
    assert_eq!(unit.config.cgroup.tasks_max, Some(Amount::Infinity));
}

#[test]
fn crlf_files_load_like_others() {
    let unit = unit(
        "c-1.service",
        "[Unit]\r\nDescription=dos\r\n[Service]\r\nType=oneshot\r\nExecStart=/opt/t/args a b\r\n",
    );
    assert_eq!(unit.description(), "dos");
    assert_eq!(words(&unit), ["a b"]);
}

#[test]
fn invalid_words_keep_the_default_and_warn() {
    let unit = unit(
        "c-1.service",
        "[Service]\nType=simple\nRestart=sometimes\nKillMode=gently\nNotifyAccess=7\nExecStart=/bin/sleep 1000\n",
    );
    assert_eq!(unit.state, LoadState::Loaded);
    let service = unit.config.service().unwrap();
    assert_eq!(service.restart.as_str(), "no");
    assert_eq!(unit.config.kill.mode.as_str(), "control-group");
    assert_eq!(service.notify_access.as_str(), "none");
    assert_eq!(unit.diagnostics.len(), 3);
    assert!(
        texts(&unit)[0].contains(":3:1: Restart= wants one of no, always"),
        "{:?}",
        texts(&unit)
    );
}

#[test]
fn names_and_places_of_2016_are_understood() {
    let unit = unit(
        "c-1.service",
        "[Unit]\nAfter=c-2.service   c-3.service\nBindTo=c-4.service\n[Service]\nStartLimitInterval=7\nStartLimitBurst=3\nMemoryLimit=10M\nCPUShares=512\nExecStart=/bin/true\n",
    );
    assert_eq!(texts(&unit), [""; 0]);
    assert_eq!(
        unit.config.unit.start_limit.interval,
        TimeSpan::from_secs(7)
    );
    assert_eq!(unit.config.unit.start_limit.burst, 3);
    assert_eq!(
        unit.config.cgroup.memory_max,
        Some(Amount::Absolute(10 << 20))
    );
    assert_eq!(unit.config.cgroup.cpu_weight, Some(CpuWeight::Weight(50)));
    let of = |kind| -> Vec<&str> {
        let all = &unit.config.unit.dependencies;
        all.iter()
            .filter(|one| one.kind == kind)
            .map(|one| one.other.as_str())
            .collect()
    };
    assert_eq!(of(DependencyKind::After), ["c-2.service", "c-3.service"]);
    assert_eq!(of(DependencyKind::BindsTo), ["c-4.service"]);
}

#[test]
fn unknown_keys_and_sections_warn_once_with_a_hint_and_x_ones_are_silent() {
    let unit = unit(
        "c-1.service",
        "[Unit]\nAuthor=me\nExecStart=/bin/x\nX-Note=1\n[Service]\nExecStart=/bin/true\nRestrat=no\n[Socket]\nListenStream=1\n[X-Fleet]\nGlobal=true\n",
    );
    assert_eq!(unit.state, LoadState::Loaded);
    assert_eq!(
        texts(&unit),
        [
            "/etc/systemd/system/c-1.service:2:1: Author= is no directive of [Unit]; it is ignored",
            "/etc/systemd/system/c-1.service:3:1: ExecStart= is no directive of [Unit]; it is ignored (it belongs in [Service])",
            "/etc/systemd/system/c-1.service:7:1: Restrat= is no directive of [Service]; it is ignored (did you mean Restart=?)",
            "/etc/systemd/system/c-1.service:8:1: [Socket] is no section of c-1.service; it is ignored",
        ]
    );
}

#[test]
fn environment_assignments_quote_override_and_expand_specifiers() {
    let unit = unit(
        "c-e.service",
        "[Service]\nEnvironment=\"A=b c\" D=e 'F=g  h' I=\"j k\"\nEnvironment=D=late P=50%% Q=$A\nEnvironment=1BAD=x GOOD=y novalue\nExecStart=/bin/true\n",
    );
    let pairs: Vec<String> = unit
        .config
        .exec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        pairs,
        [
            "A=b c", "D=late", "F=g  h", "I=j k", "P=50%", "Q=$A", "GOOD=y"
        ]
    );
    assert_eq!(unit.diagnostics.len(), 2);
}

#[test]
fn environment_files_may_be_optional_or_patterns_and_nothing_clears_them() {
    let unit = unit(
        "c-e.service",
        "[Service]\nEnvironmentFile=/lost\nEnvironmentFile=\nEnvironmentFile=/run/base.env\nEnvironmentFile=-/run/no.env\nEnvironmentFile=relative\nEnvironmentFile=/run/env.d/*\nExecStart=/bin/true\n",
    );
    let files: Vec<_> = unit
        .config
        .exec
        .environment_files
        .iter()
        .map(|f| (f.path.as_str(), f.optional))
        .collect();
    assert_eq!(
        files,
        [
            ("/run/base.env", false),
            ("/run/no.env", true),
            ("/run/env.d/*", false)
        ]
    );
}

#[test]
fn etc_shadows_run_shadows_usr() {
    let text = |from: &str| format!("[Unit]\nDescription={from}\n[Service]\nExecStart=/bin/true\n");
    let mut tree = MemoryTree::new()
        .file("/usr/lib/systemd/system/c-l.service", &text("usr"))
        .file("/run/systemd/system/c-l.service", &text("run"))
        .file("/etc/systemd/system/c-l.service", &text("etc"));
    for (from, path) in [
        ("etc", "/etc/systemd/system/c-l.service"),
        ("run", "/run/systemd/system/c-l.service"),
        ("usr", "/usr/lib/systemd/system/c-l.service"),
    ] {
        let unit = load(&tree, "c-l.service");
        assert_eq!(unit.description(), from);
        assert_eq!(unit.fragment.as_deref(), Some(path));
        crate::TreeMut::remove(&mut tree, path, false).unwrap();
    }
    assert_eq!(load(&tree, "c-l.service").state, LoadState::NotFound);
}

#[test]
fn a_drop_in_empties_a_list_and_sets_it_anew() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-l.service"),
            "[Service]\nExecStart=/opt/t/args base\nType=oneshot\n",
        )
        .file(
            &format!("{ETC}/c-l.service.d/50-x.conf"),
            "[Service]\nExecStart=\nExecStart=/opt/t/args new\n",
        );
    let unit = load(&tree, "c-l.service");
    assert_eq!(words(&unit), ["new"]);
    assert_eq!(
        unit.drop_ins,
        ["/etc/systemd/system/c-l.service.d/50-x.conf"]
    );
    assert_eq!(unit.files.len(), 2);
}

#[test]
fn drop_in_levels_apply_sorted_by_file_name() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-x@.service"),
            "[Service]\nType=oneshot\nExecStart=/opt/t/args base\n",
        )
        .file(
            &format!("{ETC}/service.d/40-type.conf"),
            "[Service]\nEnvironment=L4=type\n",
        )
        .file(
            &format!("{ETC}/c-.service.d/30-pre.conf"),
            "[Service]\nExecStart=/opt/t/args prefix\n",
        )
        .file(
            &format!("{ETC}/c-x@.service.d/20-t.conf"),
            "[Service]\nExecStart=/opt/t/args template\n",
        )
        .file(
            &format!("{ETC}/c-x@i.service.d/10-i.conf"),
            "[Service]\nExecStart=/opt/t/args instance\n",
        );
    let unit = load(&tree, "c-x@i.service");
    assert_eq!(words(&unit), ["base", "instance", "template", "prefix"]);
    assert_eq!(
        unit.config.exec.environment,
        [("L4".to_owned(), "type".to_owned())]
    );
}

#[test]
fn of_equal_drop_in_names_the_earlier_folder_counts_and_in_it_the_more_specific_level() {
    let add = |text: &str| format!("[Service]\nExecStart=/opt/t/args {text}\n");
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-x@.service"),
            "[Service]\nType=oneshot\nExecStart=/opt/t/args base\n",
        )
        .file(&format!("{ETC}/c-x@i.service.d/10.conf"), &add("instance"))
        .file(
            "/usr/lib/systemd/system/c-x@.service.d/10.conf",
            &add("template"),
        )
        .file("/run/systemd/system/c-.service.d/10.conf", &add("prefix"));
    assert_eq!(words(&load(&tree, "c-x@i.service")), ["base", "instance"]);
    let tree = tree
        .file(
            "/usr/lib/systemd/system/c-x@i.service.d/20.conf",
            &add("vendor's instance"),
        )
        .file(
            &format!("{ETC}/c-x@.service.d/20.conf"),
            &add("own template"),
        );
    assert_eq!(
        words(&load(&tree, "c-x@i.service")),
        ["base", "instance", "own template"]
    );
}

#[test]
fn a_drop_in_linked_to_dev_null_switches_off_the_later_one() {
    let tree = MemoryTree::new()
        .file(
            "/usr/lib/systemd/system/c-l.service",
            "[Service]\nType=oneshot\nExecStart=/opt/t/args base\n",
        )
        .file(
            "/usr/lib/systemd/system/c-l.service.d/10.conf",
            "[Service]\nExecStart=/opt/t/args vendor\n",
        )
        .link(&format!("{ETC}/c-l.service.d/10.conf"), "/dev/null");
    let unit = load(&tree, "c-l.service");
    assert_eq!(words(&unit), ["base"]);
    assert_eq!(unit.drop_ins, [""; 0]);
}

#[test]
fn an_instance_file_wins_over_the_template_and_specifiers_know_the_instance() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-x@.service"),
            "[Service]\nType=oneshot\nExecStart=/opt/t/args t %i\n",
        )
        .file(
            &format!("{ETC}/c-x@b.service"),
            "[Service]\nType=oneshot\nExecStart=/opt/t/args own %i\n",
        );
    let a = load(&tree, "c-x@a.service");
    assert_eq!(words(&a), ["t a"]);
    assert_eq!(
        a.fragment.as_deref(),
        Some("/etc/systemd/system/c-x@.service")
    );
    assert_eq!(a.name, "c-x@a.service");
    assert_eq!(words(&load(&tree, "c-x@b.service")), ["own b"]);
    assert_eq!(
        a.config.cgroup.slice.as_ref().unwrap(),
        &"system-c\\x2dx.slice"
    );
}

#[test]
fn an_alias_gives_a_unit_two_names_and_drop_ins_of_both() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-real.service"),
            "[Service]\nExecStart=/bin/sleep 1000\n",
        )
        .link(&format!("{ETC}/c-alias.service"), "c-real.service")
        .file(
            &format!("{ETC}/c-alias.service.d/a.conf"),
            "[Unit]\nDescription=by alias\n",
        );
    for name in ["c-alias.service", "c-real.service"] {
        let unit = load(&tree, name);
        assert_eq!(unit.name, "c-real.service");
        assert_eq!(unit.names, ["c-alias.service", "c-real.service"]);
        assert_eq!(unit.description(), "by alias");
    }
}

#[test]
fn a_template_alias_carries_the_instance_over() {
    let tree = MemoryTree::new()
        .file(
            "/usr/lib/systemd/system/real@.service",
            "[Service]\nExecStart=/bin/x %i\n",
        )
        .link(
            &format!("{ETC}/alias@.service"),
            "/usr/lib/systemd/system/real@.service",
        );
    let unit = load(&tree, "alias@7.service");
    assert_eq!(unit.name, "real@7.service");
    assert_eq!(unit.names, ["alias@7.service", "real@7.service"]);
    assert_eq!(words(&unit), ["7"]);
}

#[test]
fn a_linked_unit_is_shown_at_its_link() {
    let tree = MemoryTree::new()
        .file(
            "/run/fleet/units/hello.service",
            "[Unit]\nDescription=My Service\n[Service]\nExecStart=/bin/sleep 1\n",
        )
        .link(
            "/run/systemd/system/hello.service",
            "/run/fleet/units/hello.service",
        );
    let unit = load(&tree, "hello.service");
    assert_eq!(
        unit.fragment.as_deref(),
        Some("/run/systemd/system/hello.service")
    );
    assert_eq!(unit.description(), "My Service");
}

#[test]
fn a_link_to_nowhere_hides_the_file_of_a_later_folder() {
    let tree = MemoryTree::new()
        .file(
            "/run/systemd/system/d.service",
            "[Service]\nExecStart=/bin/true\n",
        )
        .link(&format!("{ETC}/d.service"), "/nowhere/d.service");
    let unit = load(&tree, "d.service");
    assert_eq!((unit.state, unit.fragment), (LoadState::NotFound, None));
}

#[test]
fn a_new_file_is_found_without_forgetting() {
    let loader = UnitLoader::new(MemoryTree::new().directory(ETC));
    let name: UnitName = "c-n.service".parse().unwrap();
    assert_eq!(loader.load(&name).state, LoadState::NotFound);
    let mut loader = loader;
    crate::TreeMut::write(
        &mut loader.tree,
        "/etc/systemd/system/c-n.service",
        "[Service]\nExecStart=/bin/true\n",
    )
    .unwrap();
    assert_eq!(loader.load(&name).state, LoadState::Loaded);
}

#[test]
fn a_drop_in_folder_alone_is_no_service_but_may_be_a_slice() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/c-l.service.d/10.conf"),
            "[Service]\nExecStart=/bin/true\n",
        )
        .file(
            &format!("{ETC}/c-l.slice.d/10.conf"),
            "[Slice]\nMemoryMax=1G\n",
        );
    assert_eq!(load(&tree, "c-l.service").state, LoadState::NotFound);
    let slice = load(&tree, "c-l.slice");
    assert_eq!(slice.state, LoadState::Loaded);
    assert_eq!(
        slice.config.cgroup.memory_max,
        Some(Amount::Absolute(1 << 30))
    );
    assert_eq!(slice.config.cgroup.slice.as_ref().unwrap(), "c.slice");
}

#[test]
fn folders_of_wants_and_requires_add_dependencies_by_their_entries_names() {
    let tree = MemoryTree::new()
        .file(
            "/usr/lib/systemd/system/m.target",
            "[Unit]\nDescription=M\n",
        )
        .link(
            "/usr/lib/systemd/system/m.target.wants/a.service",
            "../a.service",
        )
        .link(
            "/usr/lib/systemd/system/m.target.wants/off.service",
            "../off.service",
        )
        .link(&format!("{ETC}/m.target.wants/off.service"), "/dev/null")
        .link(
            &format!("{ETC}/m.target.wants/t@1.service"),
            "/usr/lib/systemd/system/t@.service",
        )
        .file(&format!("{ETC}/m.target.wants/file.service"), "text")
        .link(&format!("{ETC}/m.target.requires/b.service"), "/nowhere");
    let unit = load(&tree, "m.target");
    let found: Vec<_> = unit
        .config
        .unit
        .dependencies
        .iter()
        .map(|one| (one.kind, one.other.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (DependencyKind::Wants, "t@1.service"),
            (DependencyKind::Wants, "a.service"),
            (DependencyKind::Requires, "b.service"),
        ]
    );
}

#[test]
fn units_of_other_kinds_check_their_own_settings() {
    for (name, text, state) in [
        ("a.socket", "[Socket]\nListenStream=80\n", LoadState::Loaded),
        ("a.socket", "[Socket]\nAccept=no\n", LoadState::BadSetting),
        ("a.timer", "[Timer]\nOnCalendar=daily\n", LoadState::Loaded),
        (
            "a.timer",
            "[Timer]\nOnCalendar=never ever\n",
            LoadState::BadSetting,
        ),
        ("a.path", "[Path]\nPathExists=/x\n", LoadState::Loaded),
        (
            "a.path",
            "[Path]\nMakeDirectory=yes\n",
            LoadState::BadSetting,
        ),
        (
            "var-lib.mount",
            "[Mount]\nWhat=/dev/sda\nWhere=/var/lib\n",
            LoadState::Loaded,
        ),
        (
            "var-lib.mount",
            "[Mount]\nWhat=/dev/sda\nWhere=/var\n",
            LoadState::BadSetting,
        ),
        (
            "var-lib.mount",
            "[Mount]\nWhere=/var/lib\n",
            LoadState::BadSetting,
        ),
        (
            "a--b.slice",
            "[Slice]\nMemoryMax=1G\n",
            LoadState::BadSetting,
        ),
        ("a.target", "[Unit]\nDescription=x\n", LoadState::Loaded),
    ] {
        let unit = unit(name, text);
        assert_eq!(unit.state, state, "{name} {text} {:?}", unit.diagnostics);
    }
}

#[test]
fn a_hardened_unit_of_a_distribution_loads_without_complaint() {
    let unit = unit(
        "h.service",
        "[Unit]\nDescription=H\nDocumentation=man:h(8) https://example.com\nConditionCapability=CAP_SYS_TIME\nAfter=network.target\n\n\
         [Service]\nType=notify\nEnvironmentFile=-/etc/default/h\nExecStartPre=-/sbin/modprobe overlay\nExecStart=/usr/sbin/h $H_OPTS -H fd://\nExecReload=/bin/kill -s HUP $MAINPID\n\
         TimeoutStartSec=0\nRestart=on-failure\nStartLimitBurst=3\nStartLimitInterval=60s\nLimitNPROC=infinity\nLimitCORE=infinity\nTasksMax=infinity\nDelegate=yes\nKillMode=process\nOOMScoreAdjust=-500\n\
         ProtectSystem=strict\nProtectHome=yes\nProtectKernelTunables=yes\nProtectProc=invisible\nPrivateTmp=yes\nNoNewPrivileges=yes\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged\nRestrictAddressFamilies=AF_UNIX AF_INET\nCapabilityBoundingSet=CAP_SYS_TIME CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_SYS_TIME\nRuntimeDirectory=h h/sub\nRuntimeDirectoryMode=0700\nStateDirectory=h\nMountFlags=slave\nDeviceAllow=char-rtc r\nReadWritePaths=-/var/h /run/h\nPersonality=x86-64\nRestrictNamespaces=yes\nMemoryDenyWriteExecute=true\n\
         [Install]\nWantedBy=multi-user.target\nAlias=h2.service\n",
    );
    assert_eq!(texts(&unit), [""; 0]);
    let exec = &unit.config.exec;
    assert_eq!(
        exec.capability_bounding_set.unwrap().names(),
        ["cap_net_bind_service", "cap_sys_time"]
    );
    assert_eq!(
        exec.system_call_filter.as_ref().unwrap().names,
        ["@system-service"]
    );
    assert_eq!(exec.runtime_directory.names, ["h", "h/sub"]);
    assert_eq!(
        unit.config.service().unwrap().oom_policy,
        crate::OomPolicy::Continue
    );
    assert_eq!(
        unit.config.service().unwrap().notify_access,
        crate::NotifyAccess::Main
    );
}

#[test]
fn a_configuration_survives_serialising() {
    let unit = unit(
        "s.service",
        "[Unit]\nConditionPathExists=|!/x\n[Service]\nExecStart=-/bin/a b\nLimitNOFILE=5\nStandardOutput=append:/x\nRestartForceExitStatus=SIGTERM 3\n",
    );
    let text = serde_json::to_string(&unit).unwrap();
    assert_eq!(serde_json::from_str::<LoadedUnit>(&text).unwrap(), unit);
    let timer = parse_unit(
        &"t.timer".parse().unwrap(),
        "/t.timer",
        "[Timer]\nOnCalendar=Mon 10:00\nOnBootSec=5\n",
        &Facts::default(),
        &ManagerDefaults::default(),
    );
    let text = serde_json::to_string(&timer).unwrap();
    assert_eq!(serde_json::from_str::<LoadedUnit>(&text).unwrap(), timer);
}
