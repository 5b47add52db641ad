//! Tables over the reader: what a mistake costs, and which line names it.

use super::*;
use crate::variables;

fn read_text(body: &str) -> (CloudConfig, Vec<String>) {
    let text = format!("#cloud-config\n{body}");
    let (config, diagnostics) = read(&variables::keep(&text).text).expect("a document");
    (
        config,
        diagnostics.iter().map(ToString::to_string).collect(),
    )
}

fn values(variables: &[crate::config::Variable]) -> Vec<String> {
    variables
        .iter()
        .map(|v| format!("{}={}", v.name, v.value))
        .collect()
}

#[test]
fn raw_text_and_the_old_booleans_and_numbers_are_kept() {
    let (config, diagnostics) = read_text(
        "coreos:\n  etcd2:\n    name: 0123\n    cors: ~\n    proxy: on\n    debug: y\n    enable-pprof: ON\n    force-new-cluster: yEs\n    election-timeout: 0x64\n    heartbeat-interval: 0144\n    snapshot-count: 1e4\n    max-wals: 0\n",
    );
    assert_eq!(
        values(&config.etcd2),
        [
            "ETCD_DEBUG=true",
            "ETCD_ELECTION_TIMEOUT=100",
            "ETCD_ENABLE_PPROF=true",
            "ETCD_HEARTBEAT_INTERVAL=100",
            "ETCD_NAME=0123",
            "ETCD_PROXY=on",
            "ETCD_SNAPSHOT_COUNT=10000"
        ]
    );
    assert_eq!(
        diagnostics,
        [r#"line 9: warning: incorrect type for "force_new_cluster" (want bool)"#]
    );
}

#[test]
fn duplicates_join_and_are_warned_about_on_the_later_line() {
    let (config, diagnostics) =
        read_text("hostname: a\nhostname: b\nssh_authorized_keys: [x]\nssh-authorized-keys: [y]\n");
    assert_eq!(config.hostname.unwrap().value, "b");
    assert_eq!(config.keys, ["x", "y"]);
    assert_eq!(
        diagnostics,
        [
            r#"line 3: warning: duplicate key "hostname""#,
            r#"line 5: warning: duplicate key "ssh_authorized_keys""#
        ]
    );
}

#[test]
fn own_keys_win_over_merged_ones() {
    let (config, diagnostics) = read_text(
        "coreos:\n  units:\n  - &base\n    name: a.service\n    command: start\n  - name: b.service\n    <<: *base\n",
    );
    assert_eq!(config.units[1].name, "b.service");
    assert_eq!(config.units[1].command.as_ref().unwrap().value, "start");
    assert!(diagnostics.is_empty());
}

#[test]
fn unknown_keys_name_the_nearest_known_one() {
    let (_, diagnostics) =
        read_text("hostnam: x\ncoreos:\n  write_files: []\n  unit: []\nzzz: 1\n");
    assert_eq!(
        diagnostics,
        [
            r#"line 2: warning: unrecognized key "hostnam" (nearest known key: "hostname")"#,
            r#"line 4: warning: unrecognized key "write_files""#,
            "line 4: info: write_files doesn't belong under coreos",
            r#"line 5: warning: unrecognized key "unit" (nearest known key: "units")"#,
            r#"line 6: warning: unrecognized key "zzz""#,
        ]
    );
}

#[test]
fn a_wrong_item_costs_only_itself() {
    let (config, diagnostics) = read_text(
        "write_files:\n- path: /a\n  permissions: 384\n- path: /b\n  encoding: base64\n  content: '*'\n- path: /usr/c\n- content: x\n- path: d\n  content: !!binary AAEC/w==\ncoreos:\n  units:\n  - x\n  - name: ../x.service\n  - name: ok.service\n    command: enable\n",
    );
    assert_eq!(config.files.len(), 1);
    assert_eq!(
        (
            config.files[0].path.as_str(),
            config.files[0].content.as_slice()
        ),
        ("/d", &[0, 1, 2, 255][..])
    );
    assert_eq!(config.units.len(), 1);
    let lines: Vec<_> = diagnostics
        .iter()
        .map(|d| d.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "line 4 error",
            "line 7 error",
            "line 8 error",
            "line 9 error",
            "line 10 warning",
            "line 14 warning",
            "line 15 error",
            "line 17 error"
        ]
    );
}

#[test]
fn what_is_no_mapping_is_refused_and_nothing_is_fine() {
    read(&variables::keep("#cloud-config\n- a\n").text).unwrap_err();
    read(&variables::keep("#cloud-config\ntext\n").text).unwrap_err();
    assert_eq!(read_text("").1, Vec::<String>::new());
    assert_eq!(read_text("~\n").1, Vec::<String>::new());
}

#[test]
fn an_alias_bomb_under_unknown_keys_costs_nothing_and_under_known_ones_is_refused() {
    let mut bomb = String::from("x0: &x0 [k,k,k,k,k,k,k,k,k]\n");
    for n in 1..7 {
        let list = vec![format!("*x{}", n - 1); 9].join(",");
        bomb.push_str(&format!("x{n}: &x{n} [{list}]\n"));
    }
    let (config, _) = read_text(&format!("{bomb}hostname: ok\n"));
    assert_eq!(config.hostname.unwrap().value, "ok");
    let many = format!(
        "a: &a [{}]\nb: &b {{ssh_authorized_keys: *a}}\nusers: [{}]\n",
        vec!["k"; 900].join(","),
        vec!["*b"; 900].join(",")
    );
    read(&variables::keep(&many).text).unwrap_err();
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the bytes are, opening, reading and planning end without a panic.
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            survive(&bytes);
        }

        /// Texts made of YAML's own pieces reach further into the reader.
        #[test]
        fn any_pieces_are_survived(pieces in proptest::collection::vec(prop_oneof![
            Just("coreos:"), Just("units:"), Just("etcd2:"), Just("write_files:"), Just("users:"), Just("name:"),
            Just("content:"), Just("- "), Just("\n"), Just("  "), Just("|\n"), Just("&a "), Just("*a"), Just("<<: "),
            Just("["), Just("]"), Just("{"), Just("}"), Just("\t"), Just("$private_ipv4"), Just("\\"), Just("!!binary "),
            Just("---\n"), Just("'"), Just("\""), Just("permissions: 420"), Just("? "), Just(": "), Just("#"), Just("~"),
            Just("\u{e9}"), Just("encoding: gz"), Just(","), Just("hostname: x\n"), Just("\r\n"),
        ], 0..60)) {
            survive(format!("#cloud-config\n{}", pieces.concat()).as_bytes());
        }
    }

    fn survive(bytes: &[u8]) {
        for part in crate::envelope::open(bytes).parts {
            let resolved = variables::resolve(&part.text, &variables::Addresses::default(), "test");
            if let Ok((config, _)) = read(&resolved.text) {
                let metadata = crate::Metadata::default();
                let context = crate::plan::Context {
                    metadata: &metadata,
                    local: Some(&[]),
                };
                let _ = crate::plan(&[config], &[], context);
            }
        }
    }
}
