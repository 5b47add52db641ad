//! What comes from the network before anyone has logged in: DHCP packets; and `.network` files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use systemd_networkd::lease::Lease;
use systemd_networkd::message::{Message, datagram, payload};
use systemd_networkd::netdev::NetDev;
use systemd_networkd::network_file::NetworkFile;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => {
            let _ = payload(rest, 68).and_then(Message::decode);
        }
        1 => answer(rest),
        _ => {
            let text = String::from_utf8_lossy(rest);
            let texts: Vec<&str> = text.split('\0').collect();
            let _ = NetworkFile::parse("50-a.network", &texts);
            let _ = NetDev::parse(&text);
        }
    }
});

/// A server's answer: its kind's bytes are made sound, the rest is the input.
fn answer(rest: &[u8]) {
    let mut bytes = vec![0; 240];
    for (to, from) in bytes.iter_mut().zip(rest) {
        *to = *from;
    }
    bytes[..3].copy_from_slice(&[2, 1, 6]);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend(rest.get(64..).unwrap_or_default());
    let message = Message::decode(&bytes).expect("a sound head");
    let packet = datagram(
        ([10, 0, 0, 1].into(), 67),
        ([10, 0, 0, 2].into(), 68),
        &bytes,
    );
    assert_eq!(payload(&packet, 68), Some(&bytes[..]));
    let Some(lease) = Lease::from_message(&message) else {
        return;
    };
    assert!(lease.prefix <= 32 && lease.t1 <= lease.t2);
    assert!(lease.routes.iter().all(|route| route.prefix <= 32));
    let names = lease
        .domain
        .iter()
        .chain(&lease.search)
        .chain(&lease.host_name);
    for name in names {
        assert!(!name.contains(['\n', ' ', '=', '/']), "{name:?}");
    }
}
