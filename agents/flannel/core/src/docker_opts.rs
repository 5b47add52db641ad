//! Docker's options from `subnet.env`, as `mk-docker-opts.sh` of the original writes them.

use crate::subnet_env::value;

/// What to write.
#[derive(Debug, Clone)]
pub struct Style {
    /// One variable per option.
    pub separate: bool,
    /// One variable with all of them.
    pub combined: bool,
    /// The name of that one.
    pub key: String,
    /// Whether Docker is told about masquerading.
    pub ip_masq: bool,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            separate: true,
            combined: true,
            key: "DOCKER_OPTS".to_owned(),
            ip_masq: true,
        }
    }
}

/// The text of the file; what `subnet.env` does not say is left out. Docker must not masquerade when
/// flannel does: it would hide the containers' addresses from each other.
#[must_use]
pub fn text(subnet_env: &str, style: &Style) -> String {
    let mut options = Vec::new();
    options.extend(value(subnet_env, "FLANNEL_SUBNET").map(|bip| ("BIP", format!("--bip={bip}"))));
    if style.ip_masq
        && let Some(masq) = value(subnet_env, "FLANNEL_IPMASQ")
    {
        options.push(("IPMASQ", format!("--ip-masq={}", masq != "true")));
    }
    options.extend(value(subnet_env, "FLANNEL_MTU").map(|mtu| ("MTU", format!("--mtu={mtu}"))));
    let mut text = String::new();
    if style.separate {
        for (name, option) in &options {
            text.push_str(&format!("DOCKER_OPT_{name}=\"{option}\"\n"));
        }
    }
    if style.combined {
        let all: String = options
            .iter()
            .map(|(_, option)| format!("{option} "))
            .collect();
        text.push_str(&format!("{}=\" {all}\"\n", style.key));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Style, text};

    const ENV: &str = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.61.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

    #[test]
    fn options_stand_alone_together_or_both_ways() {
        let both = text(ENV, &Style::default());
        let separate = "DOCKER_OPT_BIP=\"--bip=10.1.61.1/24\"\nDOCKER_OPT_IPMASQ=\"--ip-masq=false\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n";
        let combined = "DOCKER_OPTS=\" --bip=10.1.61.1/24 --ip-masq=false --mtu=1450 \"\n";
        assert_eq!(both, format!("{separate}{combined}"));
        assert_eq!(
            text(
                ENV,
                &Style {
                    combined: false,
                    ..Style::default()
                }
            ),
            separate
        );
        let renamed = Style {
            separate: false,
            key: "X".into(),
            ip_masq: false,
            ..Style::default()
        };
        assert_eq!(
            text(ENV, &renamed),
            "X=\" --bip=10.1.61.1/24 --mtu=1450 \"\n"
        );
    }

    #[test]
    fn docker_masquerades_when_flannel_does_not() {
        let env = ENV.replace("IPMASQ=true", "IPMASQ=false");
        assert!(text(&env, &Style::default()).contains("DOCKER_OPT_IPMASQ=\"--ip-masq=true\""));
    }
}
