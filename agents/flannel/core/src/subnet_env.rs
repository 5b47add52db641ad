//! `subnet.env`: what this machine got, for Docker and for the next run.

use std::net::Ipv4Addr;

use crate::Subnet;

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubnetEnv {
    pub network: Subnet,
    pub subnet: Subnet,
    pub mtu: u32,
    pub ip_masq: bool,
}

impl SubnetEnv {
    /// The text. The subnet stands with its first address, which is the bridge's.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "FLANNEL_NETWORK={}\nFLANNEL_SUBNET={}/{}\nFLANNEL_MTU={}\nFLANNEL_IPMASQ={}\n",
            self.network,
            self.subnet.first(),
            self.subnet.len(),
            self.mtu,
            self.ip_masq
        )
    }

    /// The network and the subnet of a text of whatever version.
    #[must_use]
    pub fn previous(text: &str) -> Option<(Subnet, Subnet)> {
        let network = value(text, "FLANNEL_NETWORK")?;
        // Newer versions write a list.
        let network = network.split(',').next()?.parse().ok()?;
        Some((network, value(text, "FLANNEL_SUBNET")?.parse().ok()?))
    }

    /// The address that the bridge has.
    #[must_use]
    pub fn bridge(&self) -> (Ipv4Addr, u8) {
        (self.subnet.first(), self.subnet.len())
    }
}

/// A variable of the file, without quotes.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::SubnetEnv;

    #[test]
    fn the_file_is_written_as_the_original_does_and_read_back() {
        let env = SubnetEnv {
            network: "10.1.0.0/16".parse().unwrap(),
            subnet: "10.1.61.0/24".parse().unwrap(),
            mtu: 1450,
            ip_masq: true,
        };
        let text = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.61.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        assert_eq!(env.to_text(), text);
        assert_eq!(SubnetEnv::previous(text), Some((env.network, env.subnet)));
        for bad in [
            "",
            "FLANNEL_SUBNET=10.1.61.1/24",
            "FLANNEL_NETWORK=x\nFLANNEL_SUBNET=10.1.61.1/24",
        ] {
            assert_eq!(SubnetEnv::previous(bad), None);
        }
    }
}
