//! The table of implicit and default dependencies, and what case DEP shows of a plain service.

use crate::{
    DependencyKind, Facts, ManagerDefaults, UnitConfig, implicit_dependencies, parse_unit,
};

fn config(name: &str, text: &str) -> UnitConfig {
    let name = name.parse().unwrap();
    parse_unit(
        &name,
        "/u",
        text,
        &Facts::default(),
        &ManagerDefaults::default(),
    )
    .config
}

fn of(name: &str, text: &str, kind: &str) -> Vec<String> {
    let kind: DependencyKind = kind.parse().unwrap();
    let mut found: Vec<String> = implicit_dependencies(&config(name, text))
        .into_iter()
        .filter(|one| one.kind == kind)
        .map(|one| one.other.into())
        .collect();
    found.sort();
    found
}

#[test]
fn a_plain_service_has_what_systemctl_show_lists() {
    let text = "[Service]\nExecStart=/bin/true\n";
    assert_eq!(
        of("c-a.service", text, "Requires"),
        ["sysinit.target", "system.slice"]
    );
    assert_eq!(
        of("c-a.service", text, "After"),
        [
            "basic.target",
            "sysinit.target",
            "system.slice",
            "systemd-journald.socket"
        ]
    );
    assert_eq!(of("c-a.service", text, "Before"), ["shutdown.target"]);
    assert_eq!(of("c-a.service", text, "Conflicts"), ["shutdown.target"]);
}

#[test]
fn without_default_dependencies_only_implicit_ones_are_left() {
    let text =
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\nStandardOutput=null\n";
    assert_eq!(of("a.service", text, "Requires"), ["system.slice"]);
    assert_eq!(of("a.service", text, "After"), ["system.slice"]);
    assert_eq!(of("a.service", text, "Conflicts"), [""; 0]);
}

#[test]
fn sockets_timers_and_paths_come_early_and_before_what_they_start() {
    let socket = "[Socket]\nListenStream=80\n";
    assert_eq!(of("a.socket", socket, "Triggers"), ["a.service"]);
    assert_eq!(
        of("a.socket", socket, "Before"),
        ["a.service", "shutdown.target", "sockets.target"]
    );
    assert_eq!(
        of("a.socket", socket, "Requires"),
        ["sysinit.target", "system.slice"]
    );
    let timer = "[Timer]\nOnCalendar=daily\nUnit=b.service\n";
    assert_eq!(
        of("a.timer", timer, "Before"),
        ["b.service", "shutdown.target", "timers.target"]
    );
    assert_eq!(
        of("a.timer", timer, "After"),
        ["sysinit.target", "time-set.target", "time-sync.target"]
    );
    let path = "[Path]\nPathExists=/var/x\n";
    assert_eq!(
        of("a.path", path, "Before"),
        ["a.service", "paths.target", "shutdown.target"]
    );
    assert_eq!(
        of("a.path", path, "After"),
        ["-.mount", "sysinit.target", "var-x.mount", "var.mount"]
    );
}

#[test]
fn mounts_are_ordered_with_their_file_systems_and_devices() {
    let local = "[Mount]\nWhat=/dev/vdb\nWhere=/var/lib/docker\nType=ext4\n";
    let name = "var-lib-docker.mount";
    assert_eq!(
        of(name, local, "After"),
        [
            "-.mount",
            "dev-vdb.device",
            "local-fs-pre.target",
            "system.slice",
            "systemd-journald.socket",
            "var-lib.mount",
            "var.mount"
        ]
    );
    assert_eq!(
        of(name, local, "Before"),
        ["local-fs.target", "umount.target"]
    );
    assert_eq!(of(name, local, "Conflicts"), ["umount.target"]);
    let remote = "[Mount]\nWhat=nas:/x\nWhere=/mnt\nType=nfs\n";
    assert_eq!(
        of("mnt.mount", remote, "Before"),
        ["remote-fs.target", "umount.target"]
    );
    assert_eq!(
        of("mnt.mount", remote, "After"),
        [
            "-.mount",
            "network-online.target",
            "network.target",
            "remote-fs-pre.target",
            "system.slice",
            "systemd-journald.socket"
        ]
    );
}

#[test]
fn folders_and_private_tmp_need_their_file_systems() {
    let text = "[Unit]\nWantsMountsFor=/srv\n[Service]\nExecStart=/bin/true\nStateDirectory=x\nPrivateTmp=yes\nWorkingDirectory=-/opt\n";
    let requires = of("a.service", text, "Requires");
    for mount in ["-.mount", "tmp.mount", "var-tmp.mount", "var-lib-x.mount"] {
        assert!(requires.contains(&mount.to_owned()), "{mount}");
    }
    assert!(of("a.service", text, "Wants").contains(&"srv.mount".to_owned()));
}

#[test]
fn slices_nest_and_targets_end_at_shutdown() {
    assert_eq!(of("a-b.slice", "[Slice]\n", "Requires"), ["a.slice"]);
    assert_eq!(of("a.target", "[Unit]\n", "Conflicts"), ["shutdown.target"]);
    assert_eq!(of("-.slice", "[Slice]\n", "Conflicts"), [""; 0]);
    assert_eq!(of("shutdown.target", "[Unit]\n", "Before"), [""; 0]);
}

#[test]
fn a_service_of_the_bus_comes_after_its_socket_and_does_not_require_it() {
    let text = "[Service]\nBusName=a.b\nExecStart=/bin/true\n";
    assert!(of("a.service", text, "After").contains(&"dbus.socket".to_owned()));
    assert!(!of("a.service", text, "Requires").contains(&"dbus.socket".to_owned()));
}
