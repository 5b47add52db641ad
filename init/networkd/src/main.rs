//! systemd-networkd: DHCP, static addresses, .network files, resolv.conf.

fn main() {}
