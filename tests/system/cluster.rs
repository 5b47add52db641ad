//! Three machines on one network, from the tutorial's user-data alone. (H08, H09, H11, H31)

use qemu_harness::{Cluster, Patience};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;
use crate::stage;

#[test]
fn three_machines_of_the_tutorial_find_each_other() {
    let cluster = ok(Cluster::start("three", vm::stage()));
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
    one_writes_and_all_read(&cluster);
    one_is_killed_and_comes_back(&cluster);
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
