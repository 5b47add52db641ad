//! User-data: any bytes give parts, a configuration and a plan, and every finding has a line.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cloud_config_document::plan::Context;
use cloud_config_document::variables::{self, Addresses};
use cloud_config_document::{Metadata, envelope, generated, plan, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let opened = envelope::open(data);
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
    // Packed parts have lines of their own.
    let packed = data.contains(&0x1f) || data.contains(&b':');
    assert!(packed || opened.diagnostics.iter().all(|one| one.line <= lines));
    let here = Addresses {
        private_ipv4: Some(Ipv4Addr::new(10, 0, 0, 5)),
        public_ipv6: Some(Ipv6Addr::LOCALHOST),
        ..Addresses::default()
    };
    let mut configs = Vec::new();
    let mut scripts = Vec::new();
    for part in opened.parts {
        if part.kind == envelope::Kind::Script {
            scripts.push(part.text);
            continue;
        }
        let _ = read::read(&variables::keep(&part.text).text);
        let resolved = variables::resolve(&part.text, &here, "the fuzzer");
        // YAML ends a line at a carriage return too; what is missing is missing after the last line.
        let text = resolved.text.as_str();
        let lines = text.split(['\r', '\n']).count() + 1;
        let diagnostics = match read::read(&resolved.text) {
            Ok((config, diagnostics)) => {
                configs.push(config);
                diagnostics
            }
            Err(diagnostics) => {
                assert!(!diagnostics.is_empty(), "given up without a reason");
                diagnostics
            }
        };
        for one in diagnostics {
            assert!(one.line <= lines, "{one} in a text of {lines} lines");
        }
    }
    let text = String::from_utf8_lossy(data);
    let metadata = Metadata {
        hostname: text.lines().next().map(str::to_owned),
        keys: text.lines().map(str::to_owned).take(3).collect(),
        addresses: here,
    };
    let local = [
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let context = Context {
        metadata: &metadata,
        local: Some(&local),
    };
    let _ = plan(&configs, &scripts, context);
    for config in &configs {
        let conf = generated::update_conf(&text, &config.update);
        assert_eq!(
            generated::update_conf(&conf, &config.update),
            conf,
            "not stable"
        );
    }
    if let Some(hosts) = generated::hosts_with_own_name(&text, "node-1") {
        assert_eq!(
            generated::hosts_with_own_name(&hosts, "node-1"),
            None,
            "not stable: {hosts:?}"
        );
    }
    let addresses = metadata.addresses.environment();
    let merged = generated::environment(&text, &addresses);
    assert_eq!(
        generated::environment(&merged, &addresses),
        merged,
        "not stable"
    );
});
