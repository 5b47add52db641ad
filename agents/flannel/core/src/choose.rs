//! Which subnet this machine gets: its own lease again, then the subnet it had last, then one by dice.

use std::net::Ipv4Addr;

use crate::{Config, Leases, Subnet};

/// Of so many free subnets one is drawn (as flannel does): machines that start together rarely meet,
/// and a large network is not walked to its end.
const DRAWN_FROM: usize = 100;

/// A lease with more than this left of its life was renewed within the last minute.
const FRESH: u64 = crate::LEASE_TTL.as_secs() - 60;

/// What this machine knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// A machine is known by this address alone.
    pub public_ip: Ipv4Addr,
    /// The subnet in the file of the last run.
    pub previous: Option<Subnet>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Write this key of ours anew.
    Reuse { key: String, subnet: Subnet },
    /// Delete this key of ours, which the configuration no longer allows, and choose again.
    Delete { key: String },
    /// Create this key.
    Create(Subnet),
    /// Nothing is free.
    Full,
}

/// Chooses; `dice` is between 0 and 1.
#[must_use]
pub fn choose(config: &Config, leases: &Leases, own: &Own, dice: f64) -> Choice {
    let is_ours = |key: &str| {
        let record = leases.get(key).and_then(|lease| lease.record.as_ref());
        record.is_some_and(|record| record.public_ip == own.public_ip)
    };
    let ours: Vec<_> = leases.iter().filter(|(key, _)| is_ours(key)).collect();
    // Of several the one of the last run.
    let fitting = ours
        .iter()
        .filter(|(_, lease)| config.allows(&lease.subnet));
    let best = fitting.max_by_key(|(_, lease)| Some(lease.subnet) == own.previous);
    if let Some((key, lease)) = best {
        return Choice::Reuse {
            key: (*key).to_owned(),
            subnet: lease.subnet,
        };
    }
    if let Some((key, _)) = ours.first() {
        return Choice::Delete {
            key: (*key).to_owned(),
        };
    }
    let is_free = |subnet: &Subnet| {
        !leases
            .iter()
            .any(|(_, lease)| lease.subnet.overlaps(subnet))
    };
    if let Some(previous) = own
        .previous
        .filter(|previous| config.allows(previous) && is_free(previous))
    {
        return Choice::Create(previous);
    }
    let step = 1_usize << (32 - config.subnet_len);
    let bases = (u32::from(config.min)..=u32::from(config.max)).step_by(step);
    let free: Vec<Subnet> = bases
        .filter_map(|base| Subnet::new(base.into(), config.subnet_len))
        .filter(is_free)
        .take(DRAWN_FROM)
        .collect();
    draw(&free, dice).map_or(Choice::Full, Choice::Create)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most a hundred items, and dice between 0 and 1"
)]
fn draw(free: &[Subnet], dice: f64) -> Option<Subnet> {
    let at = (dice.clamp(0.0, 1.0) * free.len() as f64) as usize;
    free.get(at.min(free.len().saturating_sub(1))).copied()
}

/// Whether somebody else seems to use our address: the lease has another hardware address than our
/// device and is hardly a minute old. A machine that has just been booted anew looks the same.
#[must_use]
pub fn is_shared(leases: &Leases, key: &str, mac: Option<crate::Mac>) -> bool {
    let Some(lease) = leases.get(key) else {
        return false;
    };
    let other = lease.record.as_ref().and_then(|record| record.mac);
    other.is_some() && other != mac && lease.ttl.is_some_and(|ttl| ttl > FRESH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Choice, Own, choose, is_shared};
    use crate::{Config, Leases};

    const OURS: &str = r#"{"PublicIP":"192.0.2.1"}"#;
    const THEIRS: &str = r#"{"PublicIP":"192.0.2.2"}"#;

    fn config(more: &str) -> Config {
        Config::parse(&format!(r#"{{"Network":"10.1.0.0/16"{more}}}"#)).unwrap()
    }

    fn leases(keys: &[(&str, &str)]) -> Leases {
        let mut leases = Leases::default();
        for (key, value) in keys {
            leases.put(key, value, Some(500), 1);
        }
        leases
    }

    fn own(previous: Option<&str>) -> Own {
        Own {
            public_ip: "192.0.2.1".parse().unwrap(),
            previous: previous.map(|text| text.parse().unwrap()),
        }
    }

    fn reuse(key: &str) -> Choice {
        Choice::Reuse {
            key: key.into(),
            subnet: crate::Subnet::from_key(key).unwrap(),
        }
    }

    #[test]
    fn the_own_lease_is_taken_again_and_of_two_the_one_of_the_last_run() {
        let table = leases(&[
            ("10.1.7.0-24", OURS),
            ("10.1.8.0-24", THEIRS),
            ("10.1.9.0-24", OURS),
        ]);
        assert_eq!(
            choose(&config(""), &table, &own(Some("10.1.7.0/24")), 0.0),
            reuse("10.1.7.0-24")
        );
        assert_eq!(
            choose(&config(""), &table, &own(Some("10.1.9.0/24")), 0.0),
            reuse("10.1.9.0-24")
        );
    }

    #[test]
    fn an_own_lease_outside_the_range_is_deleted_first() {
        let table = leases(&[("10.1.5.0-24", OURS)]);
        let config = config(r#","SubnetMin":"10.1.100.0""#);
        assert_eq!(
            choose(&config, &table, &own(None), 0.0),
            Choice::Delete {
                key: "10.1.5.0-24".into()
            }
        );
    }

    #[test]
    fn the_subnet_of_the_last_run_is_made_anew_but_never_taken_from_another() {
        let previous = own(Some("10.1.66.0/24"));
        let wanted = "10.1.66.0/24".parse().unwrap();
        assert_eq!(
            choose(&config(""), &leases(&[]), &previous, 0.0),
            Choice::Create(wanted)
        );
        let taken = leases(&[("10.1.66.0-24", THEIRS)]);
        assert_ne!(
            choose(&config(""), &taken, &previous, 0.65),
            Choice::Create(wanted)
        );
        let elsewhere = Config::parse(r#"{"Network":"10.9.0.0/16"}"#).unwrap();
        assert_eq!(
            choose(&elsewhere, &leases(&[]), &previous, 0.0),
            Choice::Create("10.9.1.0/24".parse().unwrap())
        );
    }

    #[test]
    fn a_lease_of_another_length_and_one_without_record_block_what_they_overlap() {
        let table = leases(&[("10.1.0.0-17", THEIRS), ("10.1.128.0-24", "nonsense")]);
        assert_eq!(
            choose(&config(""), &table, &own(None), 0.0),
            Choice::Create("10.1.129.0/24".parse().unwrap())
        );
    }

    #[test]
    fn when_all_is_taken_there_is_none() {
        let one = config(r#","SubnetMin":"10.1.10.0","SubnetMax":"10.1.10.0""#);
        assert_eq!(
            choose(&one, &leases(&[("10.1.10.0-24", THEIRS)]), &own(None), 0.5),
            Choice::Full
        );
        assert_eq!(
            choose(&one, &leases(&[]), &own(None), 1.0),
            Choice::Create("10.1.10.0/24".parse().unwrap())
        );
    }

    #[test]
    fn a_fresh_lease_with_another_device_is_suspicious() {
        let vxlan = r#"{"PublicIP":"192.0.2.1","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:05"}}"#;
        let mut table = Leases::default();
        table.put("10.1.5.0-24", vxlan, Some(86_399), 1);
        assert!(is_shared(
            &table,
            "10.1.5.0-24",
            "02:00:00:00:00:06".parse().ok()
        ));
        assert!(!is_shared(
            &table,
            "10.1.5.0-24",
            "02:00:00:00:00:05".parse().ok()
        ));
        table.put("10.1.5.0-24", vxlan, Some(80_000), 1);
        assert!(!is_shared(
            &table,
            "10.1.5.0-24",
            "02:00:00:00:00:06".parse().ok()
        ));
    }

    proptest! {
        #[test]
        fn what_is_created_is_allowed_and_overlaps_nothing(taken in proptest::collection::vec((any::<u8>(), 18_u8..=28), 0..40), dice in 0.0..=1.0) {
            let mut table = Leases::default();
            for (third, len) in taken {
                let subnet = crate::Subnet::new(std::net::Ipv4Addr::new(10, 1, third, 0), len).unwrap();
                table.put(&subnet.key(), THEIRS, None, 1);
            }
            let config = config("");
            if let Choice::Create(subnet) = choose(&config, &table, &own(None), dice) {
                proptest::prop_assert!(config.allows(&subnet) && config.network.contains(&subnet));
                proptest::prop_assert!(!table.iter().any(|(_, lease)| lease.subnet.overlaps(&subnet)));
            }
        }
    }
}
