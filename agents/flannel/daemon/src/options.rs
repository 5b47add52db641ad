//! The options of flannel 0.5.5, some newer ones, and `FLANNELD_*`; the command line wins.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// The options.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "flanneld",
    version,
    args_override_self = true,
    about = "Gets a subnet for this machine from etcd and makes the way to the subnets of all others",
    after_help = "Every option can be given as a variable: --etcd-prefix as FLANNELD_ETCD_PREFIX.\n\n\
        Examples:\n  \
        etcdctl set /coreos.com/network/config '{\"Network\": \"10.1.0.0/16\", \"Backend\": {\"Type\": \"vxlan\"}}'\n  \
        flanneld --ip-masq\n  \
        flanneld --etcd-endpoints=http://10.0.0.5:2379 --iface=eth1\n  \
        flanneld --etcd-prefix=/other/network --subnet-file=/run/flannel/other.env"
)]
pub(crate) struct Options {
    /// Where etcd is, a list with commas
    #[arg(
        long,
        env = "FLANNELD_ETCD_ENDPOINTS",
        default_value = "http://127.0.0.1:4001,http://127.0.0.1:2379"
    )]
    pub(crate) etcd_endpoints: String,
    /// Where flannel's keys are
    #[arg(long, env = "FLANNELD_ETCD_PREFIX", default_value = flannel_core::PREFIX)]
    pub(crate) etcd_prefix: String,
    /// Key of a TLS certificate (TLS is not supported: an https endpoint is refused)
    #[arg(long, env = "FLANNELD_ETCD_KEYFILE", default_value = "")]
    pub(crate) etcd_keyfile: String,
    /// TLS certificate
    #[arg(long, env = "FLANNELD_ETCD_CERTFILE", default_value = "")]
    pub(crate) etcd_certfile: String,
    /// TLS authority
    #[arg(long, env = "FLANNELD_ETCD_CAFILE", default_value = "")]
    pub(crate) etcd_cafile: String,
    /// User of etcd
    #[arg(long, env = "FLANNELD_ETCD_USERNAME", default_value = "")]
    pub(crate) etcd_username: String,
    /// Password of that user
    #[arg(
        long,
        env = "FLANNELD_ETCD_PASSWORD",
        default_value = "",
        hide_env_values = true
    )]
    pub(crate) etcd_password: String,
    /// Interface or IPv4 address for traffic between machines; the default route's when not given
    #[arg(long, env = "FLANNELD_IFACE", default_value = "")]
    pub(crate) iface: String,
    /// IPv4 address that others reach this machine by, when it is not the interface's
    #[arg(long, env = "FLANNELD_PUBLIC_IP", default_value = "")]
    pub(crate) public_ip: String,
    /// File for what this machine got
    #[arg(
        long,
        env = "FLANNELD_SUBNET_FILE",
        default_value = "/run/flannel/subnet.env"
    )]
    pub(crate) subnet_file: PathBuf,
    /// Masquerade packets that leave the overlay
    #[arg(long, env = "FLANNELD_IP_MASQ", default_value = "false", value_parser = switch, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) ip_masq: Switch,
    /// Accept forwarded packets of the overlay whatever the policy
    #[arg(long, env = "FLANNELD_IPTABLES_FORWARD_RULES", default_value = "true", value_parser = switch, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) iptables_forward_rules: Switch,
    /// Seconds between looks at the rules
    #[arg(long, env = "FLANNELD_IPTABLES_RESYNC", default_value = "5", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) iptables_resync: u64,
    /// Minutes before the end of the lease when it is renewed
    #[arg(long, env = "FLANNELD_SUBNET_LEASE_RENEW_MARGIN", default_value = "60", value_parser = clap::value_parser!(u64).range(1..1440))]
    pub(crate) subnet_lease_renew_margin: u64,
    /// udp backend: accept packets from machines that have no lease, as behind NAT
    #[arg(long, env = "FLANNELD_UDP_ANY_SOURCE", default_value = "false", value_parser = switch, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) udp_any_source: Switch,
    /// (ignored: only used by --networks)
    #[arg(long, env = "FLANNELD_SUBNET_DIR", default_value = "", hide = true)]
    pub(crate) subnet_dir: String,
    /// (not supported: run one flanneld per network)
    #[arg(long, env = "FLANNELD_NETWORKS", default_value = "", hide = true)]
    pub(crate) networks: String,
    /// (not supported)
    #[arg(long, env = "FLANNELD_LISTEN", default_value = "", hide = true)]
    pub(crate) listen: String,
    /// (not supported)
    #[arg(long, env = "FLANNELD_REMOTE", default_value = "", hide = true)]
    pub(crate) remote: String,
    /// Log more
    #[arg(long, short = 'v', default_value = "0", value_parser = clap::value_parser!(i64))]
    pub(crate) v: i64,
}

/// What a switch says; an empty variable says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switch(Option<bool>);

impl Switch {
    pub(crate) fn is_on(self, default: bool) -> bool {
        self.0.unwrap_or(default)
    }
}

/// The words of Go's `strconv.ParseBool`.
fn switch(text: &str) -> Result<Switch, String> {
    match text {
        "" => Ok(Switch(None)),
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(Switch(Some(true))),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(Switch(Some(false))),
        _ => Err("true or false is wanted".to_owned()),
    }
}

/// Why the options cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("--{0} is not supported: client and server mode ended with flannel 0.7")]
    ClientServer(&'static str),
    #[error(
        "--networks is not supported: run one flanneld per network, each with its own --etcd-prefix and --subnet-file"
    )]
    Networks,
    #[error("--public-ip has to be an IPv4 address, not {0:?}")]
    PublicIp(String),
}

impl Options {
    /// Go's flags may have one dash: `-iface=eth1` is `--iface=eth1`.
    pub(crate) fn words(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mend = |word: OsString| {
            let long = word.to_str().is_some_and(|text| {
                let name = text.strip_prefix('-').unwrap_or_default();
                name.len() > 1
                    && name.starts_with(|letter: char| letter.is_ascii_lowercase())
                    && !name.starts_with("v=")
            });
            if long {
                let mut two = OsString::from("-");
                two.push(word);
                two
            } else {
                word
            }
        };
        given.into_iter().map(mend).collect()
    }

    /// What cannot be done at all.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        if !self.listen.is_empty() {
            return Err(OptionError::ClientServer("listen"));
        }
        if !self.remote.is_empty() {
            return Err(OptionError::ClientServer("remote"));
        }
        if !self.networks.is_empty() {
            return Err(OptionError::Networks);
        }
        self.public_ip().map(drop)
    }

    pub(crate) fn public_ip(&self) -> Result<Option<Ipv4Addr>, OptionError> {
        if self.public_ip.is_empty() {
            return Ok(None);
        }
        let wrong = |_| OptionError::PublicIp(self.public_ip.clone());
        self.public_ip.parse().map(Some).map_err(wrong)
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        let parts = self.etcd_endpoints.split(',').map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn margin(&self) -> Duration {
        Duration::from_secs(60 * self.subnet_lease_renew_margin)
    }

    /// What was given and has no effect.
    pub(crate) fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if ![&self.etcd_keyfile, &self.etcd_certfile, &self.etcd_cafile]
            .iter()
            .all(|path| path.is_empty())
        {
            notes.push("TLS is not supported: the certificates are not used");
        }
        if !self.subnet_dir.is_empty() {
            notes.push("--subnet-dir has no effect without --networks, which is not supported");
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Options;

    fn parse(words: &[&str]) -> Options {
        let words = std::iter::once("flanneld")
            .chain(words.iter().copied())
            .map(Into::into);
        Options::try_parse_from(Options::words(words)).unwrap()
    }

    #[test]
    fn switches_and_dashes_are_as_in_go() {
        for (words, on) in [
            (&["--ip-masq"][..], true),
            (&["-ip-masq=1"], true),
            (&["--ip-masq=f"], false),
            (&[], false),
        ] {
            assert_eq!(parse(words).ip_masq.is_on(false), on, "{words:?}");
        }
        assert_eq!(parse(&["-iface", "eth1", "-v=3"]).iface, "eth1");
        assert_eq!(
            parse(&["-etcd-endpoints=http://a:1, b:2"]).endpoints(),
            ["http://a:1", "b:2"]
        );
        assert_eq!(parse(&[]).endpoints().len(), 2);
    }

    #[test]
    fn what_is_not_supported_is_said() {
        for (words, says) in [
            (["--listen=:8888"], "client and server mode"),
            (["--remote=a:1"], "client and server mode"),
            (["--networks=a,b"], "one flanneld per network"),
            (["--public-ip=nowhere"], "IPv4 address"),
        ] {
            let error = parse(&words).check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        parse(&["--public-ip=203.0.113.9"]).check().unwrap();
    }
}
