//! The tutorial's transcripts and their modern forms, line by line.

use super::*;

fn look(style: Style) -> Look {
    Look {
        style,
        now: 1_466_409_585_000_000,
        monotonic: 1_000_000_000,
        zone: TimeZone::UTC,
        width: None,
        color: false,
    }
}

fn props(pairs: &[(&str, Value)]) -> Props {
    Props(
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
    )
}

fn docker() -> Vec<(&'static str, Value)> {
    vec![
        ("Id", "docker.service".into()),
        ("Description", "Docker Application Container Engine".into()),
        ("LoadState", "loaded".into()),
        (
            "FragmentPath",
            "/usr/lib64/systemd/system/docker.service".into(),
        ),
        ("UnitFileState", "disabled".into()),
        ("UnitFilePreset", "disabled".into()),
        ("Documentation", Value::strings(["http://docs.docker.com"])),
        ("Result", "success".into()),
    ]
}

fn command(argv: &[&str], pid: u32, status: i32) -> Value {
    Value::Struct(vec![
        argv[0].into(),
        Value::strings(argv.iter().copied()),
        false.into(),
        1_u64.into(),
        1_u64.into(),
        2_u64.into(),
        2_u64.into(),
        pid.into(),
        1_i32.into(),
        status.into(),
    ])
}

#[test]
fn a_service_that_was_never_started_takes_four_lines() {
    let mut pairs = docker();
    pairs.extend([
        ("ActiveState", "inactive".into()),
        ("SubState", "dead".into()),
    ]);
    let unit = UnitView {
        props: props(&pairs),
        ..UnitView::default()
    };
    assert_eq!(
        render(&unit, &look(Style::Era)),
        "\
● docker.service - Docker Application Container Engine
   Loaded: loaded (/usr/lib64/systemd/system/docker.service; disabled; vendor preset: disabled)
   Active: inactive (dead)
     Docs: http://docs.docker.com
"
    );
    assert_eq!(
        render(&unit, &look(Style::Modern)),
        "\
○ docker.service - Docker Application Container Engine
     Loaded: loaded (/usr/lib64/systemd/system/docker.service; disabled; preset: disabled)
     Active: inactive (dead)
       Docs: http://docs.docker.com
"
    );
}

#[test]
fn a_running_service_is_shown_as_in_the_tutorial() {
    let mut pairs = docker();
    pairs.extend([
        ("ActiveState", "active".into()),
        ("SubState", "running".into()),
        ("ActiveEnterTimestamp", 1_466_409_532_000_000_u64.into()),
        ("MainPID", 1082_u32.into()),
        ("MemoryCurrent", 43_765_000_u64.into()),
        ("CPUUsageNSec", 18_356_000_000_u64.into()),
        ("ControlGroup", "/system.slice/docker.service".into()),
    ]);
    let command =
        "docker daemon --host=fd:// --exec-opt native.cgroupdriver=systemd --selinux-enabled";
    let process = tree::Process {
        cgroup: "/system.slice/docker.service".into(),
        pid: 1082,
        command: command.into(),
    };
    let unit = UnitView {
        props: props(&pairs),
        processes: vec![process],
        comm: vec![(1082, "docker".into())],
        ..UnitView::default()
    };
    assert_eq!(
        render(&unit, &look(Style::Era)),
        "\
● docker.service - Docker Application Container Engine
   Loaded: loaded (/usr/lib64/systemd/system/docker.service; disabled; vendor preset: disabled)
   Active: active (running) since Mon 2016-06-20 07:58:52 UTC; 53s ago
     Docs: http://docs.docker.com
 Main PID: 1082 (docker)
   Memory: 41.7M
      CPU: 18.356s
   CGroup: /system.slice/docker.service
           └─1082 docker daemon --host=fd:// --exec-opt native.cgroupdriver=systemd --selinux-enabled
"
    );
}

#[test]
fn past_processes_run_backwards_in_2016_and_keep_their_specifiers() {
    let pairs = [
        ("Id", "myweb.service".into()),
        ("LoadState", "loaded".into()),
        ("ActiveState", "active".into()),
        (
            "ExecStartPre",
            Value::array(
                "(sasbttttuii)",
                vec![
                    command(&["/usr/bin/docker", "kill", "apache1"], 2369, 1),
                    command(&["/usr/bin/docker", "rm", "apache1"], 2379, 0),
                ],
            ),
        ),
        (
            "ExecStartPost",
            Value::array(
                "(sasbttttuii)",
                vec![command(
                    &["/usr/bin/etcdctl", "set", "/d/72bd", "running"],
                    2403,
                    0,
                )],
            ),
        ),
        ("MainPID", 2402_u32.into()),
    ];
    let written = vec![(
        "ExecStartPost".to_owned(),
        vec!["/usr/bin/etcdctl set /d/%m running".to_owned()],
    )];
    let unit = UnitView {
        props: props(&pairs),
        written,
        comm: vec![(2402, "docker".into())],
        ..UnitView::default()
    };
    let text = render(&unit, &look(Style::Era));
    let lines: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "  Process: 2403 ExecStartPost=/usr/bin/etcdctl set /d/%m running (code=exited, status=0/SUCCESS)",
            "  Process: 2379 ExecStartPre=/usr/bin/docker rm apache1 (code=exited, status=0/SUCCESS)",
            "  Process: 2369 ExecStartPre=/usr/bin/docker kill apache1 (code=exited, status=1/FAILURE)",
            " Main PID: 2402 (docker)",
        ]
    );
    let text = render(&unit, &look(Style::Modern));
    assert!(text.contains(
        "    Process: 2403 ExecStartPost=/usr/bin/etcdctl set /d/72bd running (code=exited"
    ));
    assert!(text.find("2369").unwrap() < text.find("2403").unwrap());
}

#[test]
fn drop_ins_are_grouped_by_folder() {
    let pairs = [
        ("Id", "flanneld.service".into()),
        ("LoadState", "loaded".into()),
        ("ActiveState", "inactive".into()),
        (
            "DropInPaths",
            Value::strings([
                "/etc/s/f.d/50-network-config.conf",
                "/etc/s/f.d/60-b.conf",
                "/run/s/f.d/70.conf",
            ]),
        ),
    ];
    let unit = UnitView {
        props: props(&pairs),
        ..UnitView::default()
    };
    let text = render(&unit, &look(Style::Era));
    let want = "  Drop-In: /etc/s/f.d\n           └─50-network-config.conf, 60-b.conf\n           /run/s/f.d\n           └─70.conf\n";
    assert!(text.contains(want), "{text}");
}

#[test]
fn a_failed_service_names_its_result_and_the_end_of_its_main_process() {
    let pairs = [
        ("Id", "x.service".into()),
        ("LoadState", "loaded".into()),
        ("ActiveState", "failed".into()),
        ("SubState", "failed".into()),
        ("Result", "exit-code".into()),
        ("InactiveEnterTimestamp", 1_466_409_373_000_000_u64.into()),
        ("ExecMainPID", 1132_u32.into()),
        ("ExecMainExitTimestamp", 1_u64.into()),
        ("ExecMainCode", 1_i32.into()),
        ("ExecMainStatus", 1_i32.into()),
    ];
    let unit = UnitView {
        props: props(&pairs),
        ..UnitView::default()
    };
    let text = render(&unit, &look(Style::Era));
    assert!(text.contains("   Active: failed (Result: exit-code) since Mon 2016-06-20 07:56:13 UTC; 3min 32s ago\n"), "{text}");
    assert!(
        text.contains(" Main PID: 1132 (code=exited, status=1/FAILURE)\n"),
        "{text}"
    );
}

#[test]
fn an_unknown_unit_is_shown_in_2016() {
    let pairs = [
        ("Id", "nope.service".into()),
        ("Description", "nope.service".into()),
        ("LoadState", "not-found".into()),
        ("ActiveState", "inactive".into()),
        ("SubState", "dead".into()),
    ];
    let unit = UnitView {
        props: props(&pairs),
        ..UnitView::default()
    };
    assert_eq!(
        render(&unit, &look(Style::Era)),
        "● nope.service\n   Loaded: not-found (Reason: No such file or directory)\n   Active: inactive (dead)\n"
    );
}
