//! The same overlay made with `ip` and `bridge`: what vxlan gives when nobody is in the way.

use std::net::Ipv4Addr;

use system_tests::netns::{Namespace, Switch};

/// Two machines with a container each.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) containers: [(Namespace, Ipv4Addr); 2],
    _machines: [Namespace; 2],
    _switch: Switch,
}

/// Makes it.
pub(crate) fn make() -> ByHand {
    let switch = Switch::new();
    let [a, b] = [one(&switch, "a", 14, 15), one(&switch, "b", 15, 14)];
    ByHand {
        containers: [a.1, b.1],
        _machines: [a.0, b.0],
        _switch: switch,
    }
}

fn one(switch: &Switch, name: &str, own: u8, other: u8) -> (Namespace, (Namespace, Ipv4Addr)) {
    let address = |last: u8| Ipv4Addr::new(192, 168, 50, last);
    let machine = switch.machine(name, address(own));
    let container = Namespace::new("hand");
    let inside = &container.name;
    machine.run(&format!(
        "ip link add vx1 address 02:00:00:00:00:{own} mtu 1450 type vxlan id 1 local {} dev eth0 dstport 8472 nolearning && \
         ip addr add 10.2.{own}.0/32 dev vx1 && ip link set vx1 up && \
         ip neigh add 10.2.{other}.0 dev vx1 lladdr 02:00:00:00:00:{other} nud permanent && \
         bridge fdb add 02:00:00:00:00:{other} dev vx1 dst {} && \
         ip route add 10.2.{other}.0/24 via 10.2.{other}.0 dev vx1 onlink && \
         ip link add br1 type bridge && ip addr add 10.2.{own}.1/24 dev br1 && ip link set br1 mtu 1450 up && \
         ip link add vc type veth peer name eth0 netns {inside} && ip link set vc master br1 mtu 1450 up",
        address(own),
        address(other)
    ));
    container.run(&format!(
        "ip link set eth0 mtu 1450 up && ip addr add 10.2.{own}.2/24 dev eth0 && ip route add default via 10.2.{own}.1"
    ));
    (machine, (container, Ipv4Addr::new(10, 2, own, 2)))
}
