//! What the tutorial's user-data alone has made of three machines: etcd2 ready only with a leader, flanneld with a
//! subnet a machine and a way to the others, Docker on it, and a redis.service that nothing has left dead.

use std::collections::BTreeSet;

use qemu_harness::Cluster;

use crate::checks::Checks;
use crate::ok;

/// Looks at all services of all nodes.
pub(crate) fn services(cluster: &Cluster) {
    for node in &cluster.nodes() {
        let mut checks = Checks::new(node);
        etcd(&mut checks);
        flannel(&mut checks);
        redis(&mut checks);
        checks.finish();
    }
    subnets_reach_each_other(cluster);
    flanneld_fails_at_first(cluster);
}

fn etcd(checks: &mut Checks<'_>) {
    checks.soon("systemctl is-active etcd2", "active");
    // Ready is told once, after the leader is known, and only then has PID 1 started what comes after.
    checks.is(
        "journalctl -b -o cat _SYSTEMD_UNIT=etcd2.service + UNIT=etcd2.service | grep -oE 'ready to serve clients|^Started etcd2' | head -2",
        "ready to serve clients\nStarted etcd2",
    );
    checks.has(
        "journalctl -b -u etcd2 -o cat | grep 'ready to serve clients'",
        "leader=",
    );
    checks.is("systemctl show -P NRestarts etcd2", "0");
    checks.has("etcdctl member list", "isLeader=true");
    checks.is("etcdctl member list | grep -c isLeader=true", "1");
    for port in [2379, 4001] {
        checks.is(
            &format!("for n in 14 15 16; do curl -fsS -m 20 http://192.168.50.$n:{port}/health; echo; done | sort -u"),
            "{\"health\": \"true\"}",
        );
    }
}

fn flannel(checks: &mut Checks<'_>) {
    checks.soon("systemctl is-active flanneld", "active");
    checks.is(
        "etcdctl get /coreos.com/network/config",
        "{ \"Network\": \"10.1.0.0/16\" }",
    );
    // Its drop-in's ExecStartPre comes after the unit's own.
    checks.has(
        "systemctl show -p ExecStartPre flanneld",
        "/usr/bin/etcdctl set /coreos.com/network/config",
    );
    checks.has("cat /run/flannel/subnet.env", "FLANNEL_NETWORK=10.1.0.0/16");
    checks.has(
        "cat /run/flannel_docker_opts.env",
        "DOCKER_OPT_BIP=\"--bip=10.1.",
    );
    checks.has("ip -4 addr show flannel0", "inet 10.1.");
    checks.has("ip route", "10.1.0.0/16 dev flannel0");
}

/// Required by nothing and requiring flanneld, whose first start may well have failed.
fn redis(checks: &mut Checks<'_>) {
    checks.has(
        "systemctl status redis 2>&1 || true",
        "/usr/bin/docker run redis",
    );
    checks.soon("docker exec $(docker ps -q) redis-cli ping", "PONG");
    checks.soon("ip -4 addr show docker0", "inet 10.1.");
    checks.works(
        ". /run/flannel/subnet.env; ip -4 addr show docker0 | grep -qF \"inet $FLANNEL_SUBNET\"",
    );
}

/// From every machine to the bridge of every other.
fn subnets_reach_each_other(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let bridges: Vec<String> = nodes
        .iter()
        .map(|node| {
            let asked = ". /run/flannel/subnet.env; printf %s \"${FLANNEL_SUBNET%/*}\"";
            ok(node.ssh().check(asked))
        })
        .collect();
    let distinct: BTreeSet<&String> = bridges.iter().collect();
    assert_eq!(distinct.len(), nodes.len(), "{bridges:?}");
    for node in &nodes {
        let mut checks = Checks::new(node);
        checks.is("etcdctl ls /coreos.com/network/subnets | wc -l", "3");
        for bridge in &bridges {
            checks.soon(&format!("ping -c 1 -W 5 {bridge}"), " 0% packet loss");
        }
        checks.finish();
    }
}

/// Its drop-in cannot write while etcd2 is away: redis waits for the next try instead of being dead.
fn flanneld_fails_at_first(cluster: &Cluster) {
    let nodes = cluster.nodes();
    let mut checks = Checks::new(&nodes[1]);
    checks.soon("systemctl is-active redis", "active");
    checks.works("sudo systemctl stop etcd2");
    checks.works("sudo systemctl restart --no-block flanneld");
    checks.soon(
        "systemctl show -P NRestarts flanneld | sed 's/^[1-9][0-9]*$/tried/'",
        "tried",
    );
    checks.is(
        "systemctl list-jobs --no-legend | grep -c redis.service",
        "1",
    );
    checks.works("sudo systemctl start etcd2");
    checks.soon("systemctl is-active flanneld", "active");
    checks.soon("systemctl is-active redis", "active");
    checks.soon("docker exec $(docker ps -q) redis-cli ping", "PONG");
    checks.finish();
}
