//! Shipped units: placed in `/usr`, wired there when nothing works without them, enabled in `/etc` by
//! their own `[Install]` section when a user may switch them off.

use anyhow::{Context, Result, bail};
use unit_file::{Facts, MemoryTree, UnitLoader};

use crate::manifest::Units;
use crate::tree::{Kind, Node, Tree};

/// Where shipped units lie.
pub const FOLDER: &str = "usr/lib/systemd/system";
const ENABLED: &str = "etc/systemd/system";

/// Places the units and their links.
///
/// # Errors
/// When the manifest names a unit that is not shipped, or one to enable that has no `[Install]`.
pub fn install(tree: &mut Tree, units: &Tree, chosen: &Units) -> Result<()> {
    crate::overlay::lay(units, tree, &format!("{FOLDER}/"));
    for (unit, wants) in &chosen.wants {
        for wanted in wants {
            let file = shipped(tree, wanted)
                .with_context(|| format!("manifest [units.wants] of {unit}"))?;
            tree.put(
                &format!("{FOLDER}/{unit}.wants/{wanted}"),
                Node::link(format!("../{file}")),
            );
        }
    }
    for (alias, unit) in &chosen.aliases {
        let file =
            shipped(tree, unit).with_context(|| format!("manifest [units.aliases] {alias}"))?;
        tree.put(&format!("{FOLDER}/{alias}"), Node::link(file));
    }
    shipped(tree, &chosen.default)?;
    tree.put(
        &format!("{FOLDER}/default.target"),
        Node::link(chosen.default.clone()),
    );
    for unit in &chosen.enabled {
        enable(tree, unit).with_context(|| format!("manifest [units] enabled: {unit}"))?;
    }
    Ok(())
}

/// The file of a unit: its own, or its template's.
fn shipped(tree: &Tree, unit: &str) -> Result<String> {
    let template = unit
        .split_once('@')
        .and_then(|(name, rest)| Some(format!("{name}@.{}", rest.rsplit_once('.')?.1)));
    [Some(unit.to_owned()), template]
        .into_iter()
        .flatten()
        .find(|file| tree.resolves(&format!("{FOLDER}/{file}")))
        .with_context(|| format!("{unit} is not among the shipped units"))
}

fn enable(tree: &mut Tree, unit: &str) -> Result<()> {
    let file = shipped(tree, unit)?;
    let text = tree.text(&format!("{FOLDER}/{file}"))?.to_owned();
    let target = format!("/{FOLDER}/{file}");
    let mut links = 0;
    for line in text.lines().skip_while(|line| line.trim() != "[Install]") {
        let Some((key, values)) = line.split_once('=') else {
            continue;
        };
        for value in values.split_whitespace() {
            match key.trim() {
                "WantedBy" => tree.put(
                    &format!("{ENABLED}/{value}.wants/{unit}"),
                    Node::link(target.clone()),
                ),
                "RequiredBy" => tree.put(
                    &format!("{ENABLED}/{value}.requires/{unit}"),
                    Node::link(target.clone()),
                ),
                "Alias" => tree.put(&format!("{ENABLED}/{value}"), Node::link(target.clone())),
                _ => continue,
            }
            links += 1;
        }
    }
    if links == 0 {
        bail!("its [Install] section names nothing");
    }
    Ok(())
}

/// No link of the units' folders dangles, and PID 1's own reader has nothing to say about any unit.
///
/// # Errors
/// Names the links, or every finding with file, line and column.
pub fn check(tree: &Tree) -> Result<()> {
    let mut dangling = Vec::new();
    let mut files = MemoryTree::new();
    for folder in [FOLDER, ENABLED] {
        for (path, node) in tree.below(folder) {
            let path = format!("{folder}/{path}");
            match &node.kind {
                Kind::Link(_) if !tree.resolves(&path) => dangling.push(path),
                Kind::Link(target) => files = files.link(&format!("/{path}"), target),
                Kind::File(_) => files = files.file(&format!("/{path}"), tree.text(&path)?),
                Kind::Folder | Kind::Hard(_) => {}
            }
        }
    }
    if !dangling.is_empty() {
        bail!(
            "links to units that are not shipped: {}",
            dangling.join(", ")
        );
    }
    // What only a running machine knows stands for itself.
    let facts = Facts {
        machine_id: Some("0".repeat(32)),
        boot_id: Some("0".repeat(32)),
        ..Facts::default()
    };
    let loader = UnitLoader::new(files).with_facts(facts);
    let mut findings = Vec::new();
    for name in loader.names() {
        let unit = loader.load(&name);
        findings.extend(unit.diagnostics.iter().map(ToString::to_string));
        findings.extend(unit.error.map(|error| format!("{name}: {error}")));
    }
    findings.sort();
    findings.dedup();
    if !findings.is_empty() {
        bail!("shipped units: {}", findings.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Tree {
        let mut units = Tree::default();
        units.put(
            "multi-user.target",
            Node::file(*b"[Unit]\nDescription=all\n", 0o644),
        );
        units.put(
            "a.service",
            Node::file(
                *b"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\nAlias=b.service\n",
                0o644,
            ),
        );
        units.put(
            "getty@.service",
            Node::file(
                *b"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=getty.target\n",
                0o644,
            ),
        );
        units
    }

    #[test]
    fn wanted_units_are_wired_in_usr_and_enabled_ones_in_etc() {
        let chosen = Units {
            default: "multi-user.target".into(),
            aliases: [("c.service".into(), "a.service".into())].into(),
            wants: [("getty.target".into(), vec!["getty@tty1.service".into()])].into(),
            enabled: vec!["a.service".into()],
        };
        let mut tree = Tree::default();
        install(&mut tree, &sample(), &chosen).unwrap();
        check(&tree).unwrap();
        let link = |path: &str| tree.get(path).map(|node| node.kind.clone());
        assert_eq!(
            link(&format!("{FOLDER}/getty.target.wants/getty@tty1.service")),
            Some(Kind::Link("../getty@.service".into()))
        );
        let target = Some(Kind::Link("/usr/lib/systemd/system/a.service".into()));
        assert_eq!(
            link("etc/systemd/system/multi-user.target.wants/a.service"),
            target
        );
        assert_eq!(link("etc/systemd/system/b.service"), target);
    }

    #[test]
    fn a_misspelt_directive_of_a_shipped_unit_stops_the_build() {
        let mut tree = Tree::default();
        let text = *b"[Service]\nExecStart=/bin/true\nRestrat=always\n";
        tree.put(&format!("{FOLDER}/a.service"), Node::file(text, 0o644));
        let error = check(&tree).unwrap_err().to_string();
        assert!(
            error.contains("/usr/lib/systemd/system/a.service:3:1: "),
            "{error}"
        );
    }

    #[test]
    fn a_unit_that_is_not_shipped_is_named() {
        let chosen = Units {
            default: "multi-user.target".into(),
            aliases: [].into(),
            wants: [].into(),
            enabled: vec!["gone.service".into()],
        };
        let error = install(&mut Tree::default(), &sample(), &chosen).unwrap_err();
        assert!(format!("{error:#}").contains("gone.service is not among the shipped units"));
    }
}
