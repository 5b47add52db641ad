//! What a long life does to a machine: a thousand leases that come, change and go.

use std::time::Duration;

use system_tests::etcd::{Program, eventually};
use system_tests::flannel::{Lab, encode};

/// flanneld's resident memory, KiB: the original of 2016 has 9 MiB, those of today 28.
const MEMORY: u64 = 10 * 1024;

fn counts(lab: &mut Lab) -> [usize; 3] {
    let machine = lab.machine("a");
    [
        "ip route | grep -c onlink",
        "ip neigh show nud permanent | grep -c flannel",
        "bridge fdb | grep -c ' dst '",
    ]
    .map(|command| {
        machine
            .namespace
            .run(&format!("{command} || true"))
            .trim()
            .parse()
            .unwrap()
    })
}

fn record(number: usize, generation: usize) -> String {
    let (third, last) = (number / 256, number % 256);
    encode(&format!(
        r#"{{"PublicIP":"198.51.{generation}.{last}","BackendType":"vxlan","BackendData":{{"VtepMAC":"02:00:00:{generation:02x}:{third:02x}:{last:02x}"}}}}"#
    ))
}

/// Leases of a network with room for more than a thousand.
fn key(number: usize) -> String {
    format!(
        "/v2/keys/coreos.com/network/subnets/10.{}.{}.0-24",
        16 + number / 250,
        1 + number % 250
    )
}

#[test]
fn a_thousand_lease_changes_leave_no_route_neighbour_or_fdb_entry_behind() {
    if !super::is_possible(Program::Ours) {
        return;
    }
    let mut lab = Lab::new(Program::Ours);
    lab.configure(r#"{"Network":"10.0.0.0/8","SubnetMin":"10.1.1.0","SubnetMax":"10.1.255.0","Backend":{"Type":"vxlan"}}"#);
    lab.machine("a").start_and_wait();
    assert_eq!(counts(&mut lab), [0, 0, 0]);
    // Each of 250 comes, changes its address and hardware address, expires or is deleted.
    lab.talk(|http| {
        for number in 0..250 {
            for generation in 1..=3 {
                http.request(
                    "PUT",
                    &key(number),
                    &format!("value={}", record(number, generation)),
                )
                .unwrap();
            }
        }
    });
    let all = eventually(Duration::from_secs(20), || {
        counts(&mut lab) == [250, 250, 250]
    });
    assert!(all, "{:?}\n{}", counts(&mut lab), lab.machine("a").log());
    lab.talk(|http| {
        for number in 0..250 {
            if number % 2 == 0 {
                http.request("DELETE", &key(number), "").unwrap();
            } else {
                http.request(
                    "PUT",
                    &key(number),
                    &format!("ttl=1&value={}", record(number, 3)),
                )
                .unwrap();
            }
        }
    });
    let none = eventually(Duration::from_secs(30), || counts(&mut lab) == [0, 0, 0]);
    assert!(none, "{:?}\n{}", counts(&mut lab), lab.machine("a").log());
    assert!(lab.machine("a").is_alive());
    let resident = lab.machine("a").resident().unwrap();
    eprintln!("flanneld has {resident} KiB after 1,000 changes");
    // An unoptimised program is larger than the image's.
    let bound = if cfg!(debug_assertions) {
        2 * MEMORY
    } else {
        MEMORY
    };
    assert!(resident < bound, "{resident} KiB");
}
