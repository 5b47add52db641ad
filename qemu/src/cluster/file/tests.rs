//! What a cluster file may say, and what is said about one that is wrong.

use std::net::Ipv4Addr;

use super::*;
use crate::drive::DriveForm;

fn parse(text: &str) -> Result<ClusterSpec, Vec<Mistake>> {
    let mut spec = ClusterSpec::new("image.qcow2", 3);
    read(text, Path::new("/"), &mut spec).map(|()| spec)
}

#[test]
fn a_file_says_what_each_node_is() {
    let text = "memory: 512\nmtu: 1450\nconfig-drive: vfat\nnodes:\n  - name: a\n    id: 90c1e40ca1e749abbc23fa8b2391ce27\n    \
                address: 192.168.50.40\n    mac: \"fa:16:3e:aa:00:01\"\n  - hostname: coreos\n    memory: 256\n  -\n";
    let spec = parse(text).expect("sound");
    assert_eq!(
        (spec.memory, spec.mtu, spec.config_drive),
        (512, 1450, Some(DriveForm::Vfat))
    );
    let names: Vec<&str> = spec.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "node2", "node3"]);
    assert_eq!(spec.nodes[0].address, Some(Ipv4Addr::new(192, 168, 50, 40)));
    assert_eq!(spec.nodes[1].memory, Some(256));
    assert_eq!(parse("nodes: 5").expect("sound").nodes.len(), 5);
    assert_eq!(parse("").expect("sound").nodes.len(), 3);
}

#[test]
fn a_file_with_five_mistakes_gets_five_messages_with_line_and_column() {
    let text = "memroy: 512\nuefi: perhaps\nnodes:\n  - name: Node_1\n    address: 10.0.0.1\n  - mac: {a: b}\n  - name: c\n";
    let mistakes = parse(text).expect_err("five");
    let places: Vec<(usize, usize)> = mistakes.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(
        places,
        [(1, 1), (2, 7), (4, 11), (5, 14), (6, 11)],
        "{mistakes:#?}"
    );
    assert!(
        mistakes[0]
            .text
            .contains("no key \"memroy\" here, only: image, "),
        "{}",
        mistakes[0]
    );
    assert!(
        mistakes[3]
            .text
            .contains("nodes[0].address: \"10.0.0.1\" is not in the machines' network"),
        "{}",
        mistakes[3]
    );
    assert!(
        mistakes[4].text.contains("a mapping where one word"),
        "{}",
        mistakes[4]
    );
}

#[test]
fn what_two_nodes_cannot_share_is_told_at_the_second() {
    let text = "nodes:\n- {name: a, id: 90c1e40ca1e749abbc23fa8b2391ce27}\n- {name: a, id: 90C1E40C-a1e749abbc23fa8b2391ce27}\n";
    let mistakes = parse(text).expect_err("two");
    assert_eq!(
        mistakes.iter().map(|one| one.line).collect::<Vec<_>>(),
        [3, 3]
    );
    assert!(
        mistakes[0]
            .text
            .contains("another node has the name a already"),
        "{}",
        mistakes[0]
    );
}

#[test]
fn odd_shapes_are_mistakes_and_never_a_crash() {
    for text in [
        "- a",
        "nodes: {a: b}",
        "nodes: []",
        "nodes: 0",
        "nodes: [[a], b]",
        "a: [",
        "nodes: 99999",
        "? [a]\n: b",
        "memory: 1.5",
        "memory: 1\nmemory: 2",
        "image: no-such-image",
        "memory:",
    ] {
        assert!(!parse(text).expect_err(text).is_empty(), "{text}");
    }
}
