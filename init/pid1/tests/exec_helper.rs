//! The exec helper from outside: a context in, a process in that context out.
#![cfg(test)]

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use init_sys::process::{Ended, wait_for};
use init_sys::spawn::{Spawn, c_string, spawn};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};
use unit_file::{
    CapabilitySet, ManagerDefaults, ProtectSystem, Resource, ResourceLimit, StandardOutput,
    UnitConfig, WorkingDirectory,
};

/// Runs a shell command with these settings: its exit code, its output, and the helper's complaint.
fn run(
    script: &str,
    change: impl FnOnce(&mut unit_file::ExecConfig, &mut Value),
) -> (i32, String, Value) {
    let mut config =
        UnitConfig::new("t.service".parse().unwrap(), &ManagerDefaults::default()).exec;
    let out = std::env::temp_dir().join(format!(
        "garboard-exec-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    config.standard_output = StandardOutput::Truncate(out.display().to_string());
    let mut context = json!({
        "unit": "t.service", "program": "/bin/sh", "argv": ["sh", "-c", script],
        "expand": false, "full_privileges": false, "keep_identity": false,
        "base_environment": [], "unit_environment": [], "process_environment": [],
        "fd_names": [], "connection": false, "idle": false, "watchdog_usec": null,
        "main": true, "private_tmp": null, "dynamic_uid": null, "container": true, "exec": null,
    });
    change(&mut config, &mut context);
    context["exec"] = serde_json::to_value(&config).unwrap();
    let mut memory =
        File::from(rustix::fs::memfd_create("context", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    memory.write_all(context.to_string().as_bytes()).unwrap();
    memory.rewind().unwrap();
    let (report, report_child): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let started = spawn(&Spawn {
        program: c_string(env!("CARGO_BIN_EXE_init")).unwrap(),
        argv: vec![c_string("garboard-exec").unwrap()],
        env: Vec::new(),
        fds: vec![memory.as_fd(), report_child.as_fd()],
        cgroup: None,
    })
    .unwrap();
    drop(report_child);
    let mut text = String::new();
    File::from(report).read_to_string(&mut text).unwrap();
    let ended = wait_for(started.pid).unwrap().unwrap();
    let Ended::Exited(code) = ended.how else {
        panic!("{ended:?} {text}")
    };
    let output = std::fs::read_to_string(&out).unwrap_or_default();
    let _ = std::fs::remove_file(out);
    (
        code,
        output,
        serde_json::from_str(&text).unwrap_or(Value::Null),
    )
}

/// Says so when not: a test that tested nothing is no success.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: this takes root");
    }
    root
}

#[test]
fn a_plain_process_has_a_session_the_root_folder_and_only_three_descriptors() {
    let (code, output, report) = run(
        "pwd; umask; ls /proc/self/fd | wc -l; grep SigIgn /proc/self/status",
        |_, _| {},
    );
    assert_eq!((code, report), (0, Value::Null));
    // ls itself has the folder open.
    assert_eq!(output, "/\n0022\n4\nSigIgn:\t0000000000001000\n");
}

#[test]
fn an_unknown_user_is_217_and_a_missing_folder_200_and_a_missing_program_203() {
    let code = |change: fn(&mut unit_file::ExecConfig, &mut Value)| run("true", change).0;
    assert_eq!(code(|c, _| c.user = Some("nosuchuser".into())), 217);
    assert_eq!(code(|c, _| c.group = Some("nosuchgroup".into())), 216);
    assert_eq!(
        code(|c, _| c.working_directory = Some(WorkingDirectory {
            path: "/no/such".into(),
            optional: false
        })),
        200
    );
    assert_eq!(
        code(|c, _| c.standard_output = StandardOutput::File("/no/such/file".into())),
        209
    );
    let (code, _, report) = run("true", |_, context| {
        context["program"] = json!("/no/such/binary");
    });
    assert_eq!((code, &report["status"]), (203, &json!(203)));
}

#[test]
fn limits_and_environment_arrive() {
    let (code, output, _) = run("ulimit -Sn; ulimit -Hn; echo $A $USER", |c, context| {
        c.limits.insert(
            Resource::Nofile,
            ResourceLimit {
                soft: Some(100),
                hard: Some(200),
            },
        );
        context["unit_environment"] = json!([["A", "b"]]);
        context["base_environment"] = json!([["A", "hidden"]]);
    });
    assert_eq!((code, output.as_str()), (0, "100\n200\nb\n"));
}

#[test]
fn a_user_with_an_ambient_capability_has_only_that() {
    if !is_root() {
        return;
    }
    let script = "id -u; grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status";
    let (code, output, report) = run(script, |c, _| {
        c.user = Some("daemon".into());
        c.capability_bounding_set = Some(CapabilitySet(1 << 10 | 1));
        c.ambient_capabilities = CapabilitySet(1 << 10);
        c.no_new_privileges = true;
    });
    assert_eq!((code, report), (0, Value::Null));
    assert_eq!(
        output,
        "1\nCapEff:\t0000000000000400\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000400\nNoNewPrivs:\t1\n"
    );
}

#[test]
fn the_sandbox_makes_the_usual_places_read_only() {
    if !is_root() {
        return;
    }
    let script = "touch /usr/x 2>/dev/null && echo usr-rw; touch /etc/x 2>/dev/null && echo etc-rw; \
                  ls /dev | grep -cE '^(null|zero|full|random|urandom|tty)$'; echo x >/dev/null && echo null-ok; \
                  [ -w /proc/sys/kernel/domainname ] && echo tunables-rw; touch /tmp/x && echo tmp-rw";
    let folder = std::env::temp_dir().join(format!("garboard-private-{}", std::process::id()));
    let (tmp, var_tmp) = (folder.join("tmp"), folder.join("var-tmp"));
    for path in [&tmp, &var_tmp] {
        std::fs::create_dir_all(path).unwrap();
    }
    let (code, output, report) = run(script, |c, context| {
        c.protect_system = ProtectSystem::Full;
        c.private_devices = true;
        c.protect_kernel_tunables = true;
        c.protect_control_groups = true;
        c.private_tmp = true;
        context["private_tmp"] = json!({ "tmp": tmp, "var_tmp": var_tmp });
    });
    assert_eq!((code, report), (0, Value::Null));
    assert_eq!(output, "6\nnull-ok\ntmp-rw\n");
    assert!(folder.join("tmp/x").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_private_tmp_that_is_a_link_or_somebody_elses_ends_the_start_with_226() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (link, others) = (folder.path().join("link"), folder.path().join("others"));
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    std::fs::create_dir(&others).unwrap();
    std::os::unix::fs::chown(&others, Some(1), Some(1)).unwrap();
    for planted in [link, others] {
        let (code, _, _) = run("true", |c, context| {
            c.private_tmp = true;
            context["private_tmp"] = json!({ "tmp": planted, "var_tmp": "/var/tmp" });
        });
        assert_eq!(code, 226, "{}", planted.display());
    }
}

#[test]
fn a_dynamic_user_has_the_number_that_it_was_given_and_the_name_of_its_unit() {
    if !is_root() {
        return;
    }
    let (code, output, _) = run("id -u; id -g; echo $USER", |c, context| {
        c.dynamic_user = true;
        context["dynamic_uid"] = json!(61200);
    });
    assert_eq!((code, output.as_str()), (0, "61200\n61200\nt\n"));
}

#[test]
fn directories_are_made_for_the_user_and_named_in_the_environment() {
    if !is_root() {
        return;
    }
    let name = format!("garboard-test-{}/sub", std::process::id());
    let (code, output, _) = run(
        "echo $RUNTIME_DIRECTORY; stat -c '%U %a' $RUNTIME_DIRECTORY",
        |c, _| {
            c.user = Some("daemon".into());
            c.runtime_directory.names = vec![name.clone()];
            c.runtime_directory.mode = 0o700;
        },
    );
    let _ = std::fs::remove_dir_all(format!("/run/garboard-test-{}", std::process::id()));
    assert_eq!(
        (code, output.as_str()),
        (0, format!("/run/{name}\ndaemon 700\n").as_str())
    );
}
