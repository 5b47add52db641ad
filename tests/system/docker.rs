//! Docker on one machine: from the first `docker` that somebody types to a container that is back after a reboot.

use qemu_harness::{Lab, Machine, Patience};
use system_tests::container::{self, PAGE};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

#[test]
fn containers_run_stand_in_systemctl_survive_pid_1_and_come_back() {
    let lab = ok(Lab::new("docker"));
    let machine = ok(vm::node(&lab, "node1").hostname("coreos").start(&lab));
    let ssh = ok(machine.wait_for_ssh(Patience::BOOT));
    ok(container::put_image(ssh));
    let mut checks = Checks::new(&machine);
    first_use(&mut checks);
    a_web_server(&mut checks);
    limits(&mut checks);
    pid_1_begins_anew(&mut checks);
    ends(&mut checks);
    dockerd_crashes(&mut checks);
    after_a_reboot(&machine, &mut checks);
    checks.finish();
}

/// Nothing runs until somebody types `docker`. (I18, SYS-11)
fn first_use(checks: &mut Checks<'_>) {
    checks.fails(
        "systemctl status docker",
        3,
        "Active: inactive (dead)\n     Docs: http://docs.docker.com",
    );
    checks.is("systemctl is-active docker.socket", "active");
    checks.is(
        "systemctl is-enabled docker docker.socket docker-restart || true",
        "disabled\nenabled\nstatic",
    );
    checks.is("stat -c '%a %U:%G' /run/docker.sock", "660 root:docker");
    checks.is("cat /proc/sys/net/ipv4/ip_forward", "1");
    checks.has("docker version", "Server:");
    checks.is(
        "docker info -f '{{.CgroupDriver}} {{.CgroupVersion}} {{.Driver}} {{len .Warnings}}'",
        "systemd 2 overlay2 0",
    );
    checks.is(
        "docker load -q -i /tmp/busybox.tar",
        "Loaded image: busybox:latest",
    );
    checks.is("docker run busybox /bin/echo Hello CoreOS", "Hello CoreOS");
    let status = "systemctl status docker";
    checks.has(status, "Loaded: loaded (/usr/lib64/systemd/system/docker.service; disabled; vendor preset: disabled)");
    checks.has(status, "     Docs: http://docs.docker.com\n Main PID: ");
    checks.has(
        status,
        " /usr/sbin/dockerd --host=fd:// --exec-opt native.cgroupdriver=systemd\n",
    );
    checks.has(
        "journalctl -u docker -o cat",
        "API listen on /run/docker.sock",
    );
    checks.has("iptables --version", "nf_tables");
    // Docker drops what it does not know when it had to turn forwarding on itself.
    checks.has("sudo iptables -S FORWARD", "-P FORWARD ACCEPT");
}

fn a_web_server(checks: &mut Checks<'_>) {
    checks.works(
        "docker run -d --name web --init --restart=always -p 8081:80 busybox httpd -f -v -h /www",
    );
    checks.soon("curl -sS http://localhost:8081", PAGE);
    checks.has("docker ps", "0.0.0.0:8081->80/tcp");
    checks.has("sudo iptables -t nat -S DOCKER", "--dport 8081 -j DNAT");
    checks.soon("docker logs web 2>&1", "response:200");
    checks.is("docker exec web hostname -i", "172.17.0.2");
    // As the host sees it, and as the container does.
    let pid = "$(docker inspect -f '{{.State.Pid}}' web)";
    let id = "$(docker inspect -f '{{.Id}}' web)";
    checks.is(
        &format!(
            "test \"$(cat /proc/{pid}/cgroup)\" = 0::/system.slice/docker-{id}.scope && echo same"
        ),
        "same",
    );
    checks.is("docker exec web cat /proc/self/cgroup", "0::/");
    checks.has(
        &format!("systemctl status docker-{id}.scope"),
        "httpd -f -v -h /www",
    );
    checks.has("systemd-cgls", ".scope\n");
    checks.has("systemd-cgls", "httpd -f -v -h /www");
    checks.is(r"systemd-cgls | grep -c '\[kthreadd\]' || true", "0");
}

fn limits(checks: &mut Checks<'_>) {
    checks.works(
        "docker run -d --name limited --init --memory 64m --cpus 0.5 --pids-limit 50 --cpu-shares 512 busybox sleep 9999",
    );
    let scope = "docker-$(docker inspect -f '{{.Id}}' limited).scope";
    let group = format!("/sys/fs/cgroup/system.slice/{scope}");
    let values = format!("cd {group} && cat memory.max cpu.max pids.max");
    checks.is(&values, "67108864\n50000 100000\n50");
    checks.is(
        &format!("systemctl show -P Slice -P Delegate -P MemoryMax -P TasksMax -P CPUQuotaPerSecUSec {scope} | sort"),
        "50\n500ms\n67108864\nsystem.slice\nyes",
    );
    checks.works("docker update --memory 80m --memory-swap 160m --cpus 0.7 limited");
    checks.is(&values, "83886080\n70000 100000\n50");
    checks.is(&format!("systemctl show -P MemoryMax {scope}"), "83886080");
    // A reload reads the files of units anew; the limits must be the same after it.
    checks.works("sudo systemctl daemon-reload");
    checks.is(&values, "83886080\n70000 100000\n50");
    checks.has("docker stats --no-stream limited", "/ 80MiB");
    checks.has("docker top limited", "docker-init -- sleep 9999");
    // Devices are the kernel's to refuse, by the filter that runc attaches.
    checks.fails(
        "docker exec limited sh -c 'mknod /tmp/d b 254 0 && cat /tmp/d'",
        1,
        "not permitted",
    );
}

/// The one that is running, the socket, the containers: all as before. (SYS-09)
fn pid_1_begins_anew(checks: &mut Checks<'_>) {
    checks.works("docker inspect -f '{{.State.Pid}}' web limited > /tmp/pids; sudo stat -c %i /proc/$(systemctl show -P MainPID docker)/fd/3 > /tmp/inode; systemctl show -P MainPID docker > /tmp/main");
    checks.works("sudo systemctl daemon-reload && sudo systemctl daemon-reexec");
    checks.soon("systemctl is-active docker docker.socket", "active\nactive");
    checks.is(
        "docker inspect -f '{{.State.Pid}}' web limited | diff - /tmp/pids",
        "",
    );
    checks.is("systemctl show -P MainPID docker | diff - /tmp/main", "");
    checks.is(
        "systemctl list-units --no-legend 'docker-*.scope' | wc -l",
        "2",
    );
    checks.is("docker exec web echo still here", "still here");
    checks.is("docker run --rm busybox echo new ones too", "new ones too");
    checks.has("curl -sS http://localhost:8081", PAGE);
}

fn ends(checks: &mut Checks<'_>) {
    checks.works("docker stop -t 1 limited");
    checks.soon(
        "systemctl list-units --all --no-legend 'docker-*.scope' | wc -l",
        "1",
    );
    checks.is("ls -d /run/systemd/transient/docker-*.scope /sys/fs/cgroup/system.slice/docker-*.scope | wc -l", "2");
    checks.has("docker ps -a --filter name=limited", "Exited (143)");
    checks.works("docker rm limited");
    // Killed from outside, it comes back by its policy.
    checks.works("sudo kill -9 $(docker inspect -f '{{.State.Pid}}' web)");
    checks.soon(
        "docker inspect -f '{{.RestartCount}} {{.State.Status}}' web",
        "1 running",
    );
    checks.soon("curl -sS http://localhost:8081", PAGE);
}

/// PID 1 starts another one, whose containers start as their policies say.
fn dockerd_crashes(checks: &mut Checks<'_>) {
    checks.works("sudo kill -9 $(systemctl show -P MainPID docker)");
    checks.soon("curl -sS http://localhost:8081", PAGE);
    checks.is("systemctl show -P NRestarts docker", "1");
    checks.soon("docker ps --format '{{.Names}}'", "web");
    // What stops Docker stops its containers; who uses it next starts both.
    checks.has("sudo systemctl stop docker", "docker.socket");
    checks.is("systemctl is-active docker || true", "inactive");
    checks.is(
        "ls -d /sys/fs/cgroup/system.slice/docker-*.scope 2>/dev/null | wc -l",
        "0",
    );
    checks.is("docker ps --format '{{.Names}}'", "web");
    checks.soon("curl -sS http://localhost:8081", PAGE);
}

/// Nobody types `docker`: a container that restarts is reason enough to start it.
fn after_a_reboot(machine: &Machine, checks: &mut Checks<'_>) {
    let ssh = machine.ssh();
    let mark = machine.console().mark();
    ssh.forget_session();
    // The connection ends with the machine: its code says nothing.
    let _ = ssh.run("sudo reboot");
    ok(machine.wait_for_console_after(mark, "reboot: Restarting system", Patience::SOON));
    ok(machine.wait_for_console_after(mark, "Linux version", Patience::BOOT));
    ok(machine.wait_for_ssh(Patience::BOOT));
    checks.soon("curl -sS http://localhost:8081", PAGE);
    checks.has(
        "journalctl -b -u docker-restart -o cat",
        "Containers That Restart",
    );
    checks.is("docker ps --format '{{.Names}}'", "web");
    checks.is("systemctl --failed --no-legend", "");
}
