//! The tutorial's sessions, typed on machines and compared line by line. A document in this folder is a session: what
//! varies is written as a pattern, everything else must print as the tutorial shows it.
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

mod document;
mod pattern;
mod typist;

use std::path::Path;

use qemu_harness::{Cluster, ClusterSpec, HarnessError, Lab, Machine, Patience, registry};
use system_tests::{container, vm};

use document::Document;

/// Reads a document and types it on machines: A, B and C.
fn play(name: &str, machines: &[&Machine]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document =
        Document::parse(&text).unwrap_or_else(|error| panic!("{}:{error}", path.display()));
    let ways: Vec<_> = machines.iter().map(|machine| machine.ssh()).collect();
    let faults = typist::type_in(&ways, &document);
    assert!(
        faults.is_empty(),
        "{} differs from what the machines printed:\n\n{}",
        path.display(),
        faults.join("\n\n")
    );
}

/// Fails with what went wrong.
fn ok<T>(result: Result<T, HarnessError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until a service of the machine runs.
fn active(machine: &Machine, service: &str) {
    let asked = format!("systemctl is-active {service}");
    let wanted = format!("{service} to be active");
    ok(machine.wait(&wanted, Patience::BOOT, || {
        let said = machine.ssh().run(&asked);
        said.is_ok_and(|output| output.code == 0).then_some(())
    }));
}

/// Waits until the container of redis.service does.
fn redis_runs(machine: &Machine) {
    ok(machine.wait("redis to answer", Patience::BOOT, || {
        let said = machine
            .ssh()
            .run("docker exec $(docker ps -q) redis-cli ping");
        said.is_ok_and(|output| output.text() == "PONG\n")
            .then_some(())
    }));
}

#[test]
fn the_chapters_of_the_tutorial_as_typed_on_its_three_machines() {
    let spec = ClusterSpec {
        images: ok(registry::own_images()),
        ..vm::stage()
    };
    let cluster = ok(Cluster::start("transcript", spec));
    ok(cluster.wait_for_ssh(Patience::BOOT));
    let nodes = cluster.nodes();
    for node in &nodes {
        active(node, "etcd2");
        active(node, "flanneld");
        redis_runs(node);
    }
    let [first, last, second] = nodes.as_slice() else {
        panic!("the stage has three machines");
    };
    play("etcd-from-a-container.md", &[first, second, last]);
    play("etcd.md", &[first, second, last]);
    play("flannel.md", &[first, second, last]);
    play("systemd.md", &[second]);
}

#[test]
fn docker_as_the_tutorial_types_it_on_one_machine() {
    let lab = ok(Lab::new("transcript"));
    let machine = ok(vm::node(&lab, "node1")
        .hostname("coreos")
        .memory(1024)
        .start(&lab));
    ok(container::put_image(ok(
        machine.wait_for_ssh(Patience::BOOT)
    )));
    play("docker.md", &[&machine]);
}
