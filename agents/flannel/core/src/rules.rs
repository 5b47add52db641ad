//! Masquerading and forwarding as text for `iptables-restore --noflush`.
//!
//! The rules are in chains of our own that POSTROUTING and FORWARD jump to, as newer flannel has
//! them; whatever else is in the tables is not touched. An nftables table of our own could not undo a
//! DROP policy of the FORWARD chain, which Docker may set.

use crate::Subnet;

/// Our chains: table, built-in chain, own chain, comment of the jump.
const CHAINS: [(&str, &str, &str, &str); 2] = [
    ("nat", "POSTROUTING", "FLANNEL-POSTRTG", "flanneld masq"),
    ("filter", "FORWARD", "FLANNEL-FWD", "flanneld forward"),
];

/// Which rules are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub network: Subnet,
    pub subnet: Subnet,
    /// Packets that leave the overlay get the machine's address.
    pub masquerade: bool,
    /// Packets of the overlay are forwarded whatever the policy.
    pub forward: bool,
}

impl Rules {
    fn of_chain(&self, chain: &str) -> Vec<String> {
        let (network, subnet) = (self.network, self.subnet);
        match chain {
            "FLANNEL-POSTRTG" if self.masquerade => vec![
                // Within the overlay everybody sees everybody's own address.
                format!("-s {network} -d {network} -j RETURN"),
                format!("-s {network} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully"),
                // From outside to our own containers: the sender's address stays.
                format!("! -s {network} -d {subnet} -j RETURN"),
                format!("! -s {network} -d {network} -j MASQUERADE --random-fully"),
            ],
            "FLANNEL-FWD" if self.forward => {
                vec![
                    format!("-s {network} -j ACCEPT"),
                    format!("-d {network} -j ACCEPT"),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// What makes them so, when the tables are as `iptables-save` says; `None` when there is nothing
    /// to do at all.
    #[must_use]
    pub fn restore(&self, saved: &str) -> Option<String> {
        let mut text = String::new();
        for (table, from, chain, comment) in CHAINS {
            let rules = self.of_chain(chain);
            let jumps: Vec<&str> = lines(saved, table)
                .filter(|line| is_jump(line, from, chain))
                .collect();
            if rules.is_empty() && jumps.is_empty() {
                continue;
            }
            text.push_str(&format!("*{table}\n:{chain} - [0:0]\n"));
            for jump in jumps {
                text.push_str(&format!("-D{}\n", jump.trim_start_matches("-A")));
            }
            if !rules.is_empty() {
                text.push_str(&format!(
                    "-A {from} -m comment --comment \"{comment}\" -j {chain}\n"
                ));
            }
            for rule in rules {
                text.push_str(&format!("-A {chain} {rule}\n"));
            }
            text.push_str("COMMIT\n");
        }
        (!text.is_empty()).then_some(text)
    }
}

fn is_jump(line: &str, from: &str, chain: &str) -> bool {
    line.strip_prefix("-A ")
        .is_some_and(|rest| rest.starts_with(from))
        && line.ends_with(&format!("-j {chain}"))
}

/// The rules of one table.
fn lines<'a>(saved: &'a str, table: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("*{table}");
    saved
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('*'))
}

/// The lines that are ours, as the tool writes them: compared with those after the last change, they
/// tell whether somebody meddled.
#[must_use]
pub fn ours(saved: &str) -> Vec<String> {
    let is_ours = |line: &&str| {
        line.starts_with("-A ") && CHAINS.iter().any(|(_, _, chain, _)| line.contains(chain))
    };
    saved.lines().filter(is_ours).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Rules, ours};

    const SAVED: &str = "*filter\n:FORWARD DROP [0:0]\n:FLANNEL-FWD - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n\
        -A FLANNEL-FWD -s 10.1.0.0/16 -j ACCEPT\nCOMMIT\n*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n";

    fn rules() -> Rules {
        Rules {
            network: "10.1.0.0/16".parse().unwrap(),
            subnet: "10.1.5.0/24".parse().unwrap(),
            masquerade: true,
            forward: true,
        }
    }

    #[test]
    fn own_chains_are_written_anew_and_reached_by_one_jump_each() {
        let text = rules().restore(SAVED).unwrap();
        assert!(text.contains("*nat\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG\n"));
        assert!(text.contains("-A FLANNEL-POSTRTG ! -s 10.1.0.0/16 -d 10.1.5.0/24 -j RETURN\n"));
        let jump = "FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n";
        assert!(text.contains(&format!("-D {jump}-A {jump}")), "{text}");
        assert!(!text.contains("DOCKER"));
    }

    #[test]
    fn what_is_not_wanted_is_taken_away_only_where_it_was() {
        let none = Rules {
            masquerade: false,
            forward: false,
            ..rules()
        };
        assert_eq!(none.restore(""), None);
        let text = none.restore(SAVED).unwrap();
        assert!(
            text.contains("-D FORWARD") && !text.contains("-A ") && !text.contains("*nat"),
            "{text}"
        );
    }

    #[test]
    fn our_lines_are_told_from_others() {
        assert_eq!(ours(SAVED).len(), 2);
    }
}
