//! Three machines on one network, from the tutorial's user-data alone. (H08, H09, H11, H31)

use std::time::Duration;

use qemu_harness::pause::pause;
use qemu_harness::{Cluster, ClusterSpec, Patience, PowerCut, registry};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;
use crate::stage;

#[test]
fn three_machines_of_the_tutorial_find_each_other() {
    let spec = ClusterSpec {
        own_disks: true,
        images: ok(registry::own_images()),
        ..vm::stage()
    };
    let cluster = ok(Cluster::start("three", spec));
    ok(cluster.wait_for_ssh(Patience::BOOT));
    for (number, node) in cluster.nodes().iter().enumerate() {
        let mut checks = Checks::new(node);
        checks.soon("etcdctl cluster-health", "cluster is healthy");
        checks.is("etcdctl member list | wc -l", "3");
        checks.is("hostname", "coreos");
        checks.has(
            "systemctl cat etcd2",
            "Environment=ETCD_ELECTION_TIMEOUT=5000",
        );
        let ids = [
            "0682a8f25a5b4c1d9d3e8a4b5c6d7e8f",
            "90c1e40ca1e749abbc23fa8b2391ce27",
            "72bda15890c14ee89b15214c1b87d71f",
        ];
        checks.is("cat /etc/machine-id", ids[number]);
        for other in 14..17 {
            checks.has(
                &format!("ping -c 1 -W 5 192.168.50.{other}"),
                " 0% packet loss",
            );
        }
        checks.finish();
    }
    stage::services(&cluster);
    the_registry_answers(&cluster);
    one_writes_and_all_read(&cluster);
    one_is_cut_off_and_healed(&cluster);
    one_is_killed_and_comes_back(&cluster);
    all_lose_their_power_at_once(&cluster);
}

/// (H31)
fn the_registry_answers(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let mut checks = Checks::new(&nodes[0]);
    let served = registry::own_images().map(|images| images[1].digest());
    checks.is(
        "curl -fsS http://192.168.50.1:5000/v2/library/redis/manifests/latest | sha256sum | cut -c1-64",
        ok(served).trim_start_matches("sha256:"),
    );
    checks.has("cat /etc/docker/daemon.json", "http://192.168.50.1:5000");
    checks.fails("curl -sS -m 5 http://192.168.50.1:5001/", 7, "");
    checks.finish();
}

fn one_writes_and_all_read(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let mut first = Checks::new(&nodes[0]);
    first.is("etcdctl set /message 'Hello CoreOS'", "Hello CoreOS");
    first.finish();
    for node in &nodes {
        let mut checks = Checks::new(node);
        checks.soon("etcdctl get /message", "Hello CoreOS");
        checks.finish();
    }
}

/// The cut-off node writes nothing, the others go on, and a connection that was open survives ten seconds. (H09)
fn one_is_cut_off_and_healed(cluster: &Cluster) {
    let nodes = cluster.nodes();
    std::thread::scope(|scope| {
        let watch = "curl -sS -m 100 'http://192.168.50.16:2379/v2/keys/after?wait=true'";
        let waits = scope.spawn(|| ok(nodes[0].ssh().run(watch)).text());
        pause(Duration::from_secs(2));
        ok(cluster.isolate(&[&nodes[2]]));
        let mut checks = Checks::new(&nodes[2]);
        checks.is(
            "curl -sS -m 6 -X PUT http://127.0.0.1:2379/v2/keys/minority -d value=x 2>&1 | grep -c '\"action\":\"set\"' || true",
            "0",
        );
        checks.finish();
        let mut checks = Checks::new(&nodes[0]);
        checks.soon("etcdctl set /majority works", "works");
        checks.finish();
        pause(Duration::from_secs(4));
        // Followers may talk to their leader only, whichever of the two that is.
        let cut = |from: &[usize], to: &[usize]| -> u64 {
            let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
            pairs
                .map(|(a, b)| cluster.traffic(&nodes[a], &nodes[b]).cut)
                .sum()
        };
        assert!(cut(&[2], &[0, 1]) > 0 && cut(&[0, 1], &[2]) > 0);
        ok(cluster.heal());
        let mut checks = Checks::new(&nodes[2]);
        checks.soon("etcdctl get /majority", "works");
        checks.soon("etcdctl set /after 'the cut'", "the cut");
        checks.finish();
        let seen = waits.join().expect("the watch");
        assert!(seen.contains("the cut"), "{seen}");
    });
}

/// What was acknowledged before is there afterwards. (H15)
fn all_lose_their_power_at_once(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let mut checks = Checks::new(&nodes[1]);
    checks.is("etcdctl set /last acknowledged", "acknowledged");
    checks.finish();
    let begun = std::time::Instant::now();
    ok(cluster.power_cut(PowerCut::LoseAll));
    assert!(begun.elapsed() < Duration::from_secs(1), "at once");
    for node in &nodes {
        ok(node.start_again());
    }
    ok(cluster.wait_for_ssh(Patience::BOOT));
    for node in &nodes {
        let mut checks = Checks::new(node);
        checks.soon("etcdctl get /last", "acknowledged");
        checks.finish();
    }
}

/// (H11)
fn one_is_killed_and_comes_back(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let boot = |index: usize| {
        ok(nodes[index]
            .ssh()
            .check("cat /proc/sys/kernel/random/boot_id"))
    };
    let (one, two) = (boot(0), boot(1));
    nodes[2].kill();
    let mut checks = Checks::new(&nodes[0]);
    checks.soon("etcdctl set /message 'still here'", "still here");
    checks.finish();
    ok(nodes[2].start_again());
    ok(nodes[2].wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&nodes[2]);
    checks.soon("etcdctl get /message", "still here");
    checks.soon("etcdctl cluster-health", "cluster is healthy");
    checks.that(
        boot(0) == one && boot(1) == two,
        "the others have not noticed",
    );
    checks.finish();
}
