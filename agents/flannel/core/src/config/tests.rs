use super::{Backend, Config};

fn parse(text: &str) -> Config {
    Config::parse(text).unwrap()
}

fn refusal(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn the_tutorials_configuration_means_udp_and_subnets_of_24_bits_but_the_first() {
    let config = parse(r#"{ "Network": "10.1.0.0/16" }"#);
    assert_eq!(config.subnet_len, 24);
    assert_eq!(
        (config.min.to_string(), config.max.to_string()),
        ("10.1.1.0".into(), "10.1.255.0".into())
    );
    assert_eq!(config.backend, Backend::Udp { port: 8285 });
}

#[test]
fn subnets_have_24_bits_or_a_quarter_of_a_small_network() {
    for (network, len) in [
        ("10.0.0.0/8", 24),
        ("10.1.0.0/22", 24),
        ("10.1.0.0/23", 25),
        ("10.1.5.0/24", 26),
        ("10.1.5.0/28", 30),
    ] {
        assert_eq!(
            parse(&format!(r#"{{"Network":"{network}"}}"#)).subnet_len,
            len,
            "{network}"
        );
    }
}

#[test]
fn names_match_whatever_their_case_and_unknown_ones_are_skipped() {
    let config = parse(
        r#"{"network":"10.1.2.3/16","FOO":1,"SUBNETLEN":25,"backend":{"type":"VXLAN","vni":7,"bar":true}}"#,
    );
    assert_eq!(
        (config.network.to_string().as_str(), config.subnet_len),
        ("10.1.0.0/16", 25)
    );
    assert_eq!(
        config.backend,
        Backend::Vxlan {
            vni: 7,
            port: 8472,
            gbp: false,
            direct_routing: false,
            learning: false,
            mtu: None
        }
    );
}

#[test]
fn each_mistake_is_one_line_that_says_what_was_wanted() {
    for (text, says) in [
        ("nonsense", "no JSON"),
        ("[]", "not a list"),
        ("{}", "Network is missing"),
        (r#"{"Network":5}"#, "Network has to be a text, not 5"),
        (r#"{"Network":"10.1.0.0"}"#, "such as 10.1.0.0/16"),
        (r#"{"Network":"10.1.0.0/30"}"#, "too small"),
        (
            r#"{"Network":"10.1.0.0/16","SubnetLen":12}"#,
            "between 18 and 30",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetLen":31}"#,
            "between 18 and 30",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetLen":17}"#,
            "between 18 and 30",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetLen":"24"}"#,
            "whole number",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetMin":"10.2.0.0"}"#,
            "SubnetMin 10.2.0.0 is not in Network",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetMin":"10.1.0.6"}"#,
            "not the beginning of a /24",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetMax":"x"}"#,
            "SubnetMax has to be an IPv4 address",
        ),
        (
            r#"{"Network":"10.1.0.0/16","SubnetMin":"10.1.9.0","SubnetMax":"10.1.8.0"}"#,
            "comes after",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":"vxlan"}"#,
            "Backend has to be an object",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":{"Type":"nope"}}"#,
            "\"nope\" is not known here",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":{"Type":"vxlan","VNI":"5"}}"#,
            "VNI has to be a whole number",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":{"Type":"vxlan","VNI":16777216}}"#,
            "VNI has to be a whole number",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":{"Port":70000}}"#,
            "Port has to be a whole number",
        ),
        (
            r#"{"Network":"10.1.0.0/16","Backend":{"Port":-1}}"#,
            "Port has to be a whole number",
        ),
        (
            r#"{"Network":"10.1.0.0/16","EnableIPv4":false}"#,
            "only IPv4",
        ),
    ] {
        let error = refusal(text);
        assert!(
            error.contains(says) && !error.contains('\n'),
            "{text}: {error}"
        );
    }
}

#[test]
fn a_network_that_the_machine_has_itself_is_refused() {
    let config = parse(r#"{"Network":"192.168.0.0/16"}"#);
    let error = config
        .check_host([("eth0", "192.168.50.0/24".parse().unwrap())])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("overlaps 192.168.50.0/24 of interface eth0"),
        "{error}"
    );
    assert_eq!(
        config.check_host([("eth0", "10.0.0.0/8".parse().unwrap())]),
        Ok(())
    );
}

#[test]
fn the_overhead_of_each_backend_is_taken_from_the_interfaces_mtu() {
    let with = |backend: &str| {
        parse(&format!(
            r#"{{"Network":"10.1.0.0/16","Backend":{backend}}}"#
        ))
        .backend
    };
    assert_eq!(with("null").mtu(1500), 1472);
    assert_eq!(with(r#"{"Type":"vxlan"}"#).mtu(1450), 1400);
    assert_eq!(with(r#"{"Type":"vxlan","MTU":9000}"#).mtu(1500), 8950);
    assert_eq!(with(r#"{"Type":"host-gw"}"#).mtu(1500), 1500);
    assert_eq!(with(r#"{"Type":"alloc"}"#).mtu(1500), 1500);
}
