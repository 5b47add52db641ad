//! The INST facts of the machine cases, without a machine.

use super::*;
use crate::MemoryTree;

const ETC: &str = "/etc/systemd/system";
const SERVICE: &str = "[Service]\nExecStart=/bin/true\n";

fn with_install(install: &str) -> String {
    format!("{SERVICE}[Install]\n{install}")
}

/// A tree and what is done to it.
struct Machine(MemoryTree);

impl Machine {
    fn run(
        &mut self,
        what: impl Fn(Installer<'_, MemoryTree>) -> Result<Plan, InstallError>,
    ) -> Vec<String> {
        let loader = UnitLoader::new(self.0.clone());
        let plan = match what(Installer::new(&loader)) {
            Ok(plan) => plan,
            Err(error) => return vec![error.to_string()],
        };
        apply(&plan, &mut self.0).unwrap();
        let mut lines: Vec<String> = plan
            .changes
            .iter()
            .map(|change| match change.kind {
                ChangeKind::Symlink => format!("{} -> {}", change.path, change.source),
                ChangeKind::Unlink => format!("removed {}", change.path),
                kind => format!("{kind}: {} {}", change.path, change.source),
            })
            .collect();
        lines.sort();
        lines
    }

    fn state(&self, name: &str) -> String {
        let loader = UnitLoader::new(self.0.clone());
        match Installer::new(&loader).state(name) {
            Ok(state) => state.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

#[test]
fn enable_makes_the_links_of_install_is_idempotent_and_disable_removes_them() {
    let text = with_install(
        "WantedBy=multi-user.target c-x.target\nRequiredBy=c-y.target\nAlias=c-al.service\n",
    );
    let mut machine = Machine(
        MemoryTree::new()
            .file(&format!("{ETC}/c-a.service"), &text)
            .file(
                "/usr/lib/systemd/system/multi-user.target",
                "[Unit]\nDescription=M\n",
            ),
    );
    let missing = [
        "destination not present: c-x.target /etc/systemd/system/c-a.service",
        "destination not present: c-y.target /etc/systemd/system/c-a.service",
    ];
    assert_eq!(
        machine.run(|i| i.enable(&["c-a.service"])),
        [
            "/etc/systemd/system/c-al.service -> /etc/systemd/system/c-a.service",
            "/etc/systemd/system/c-x.target.wants/c-a.service -> /etc/systemd/system/c-a.service",
            "/etc/systemd/system/c-y.target.requires/c-a.service -> /etc/systemd/system/c-a.service",
            "/etc/systemd/system/multi-user.target.wants/c-a.service -> /etc/systemd/system/c-a.service",
            missing[0],
            missing[1],
        ]
    );
    assert_eq!(machine.run(|i| i.enable(&["c-a.service"])), missing);
    assert_eq!(machine.state("c-a.service"), "enabled");
    assert_eq!(machine.state("c-al.service"), "alias");
    assert_eq!(
        machine.run(|i| i.disable(&["c-a.service"])),
        [
            "removed /etc/systemd/system/c-al.service",
            "removed /etc/systemd/system/c-x.target.wants/c-a.service",
            "removed /etc/systemd/system/c-y.target.requires/c-a.service",
            "removed /etc/systemd/system/multi-user.target.wants/c-a.service",
        ]
    );
    assert_eq!(machine.state("c-a.service"), "disabled");
    assert!(
        !machine
            .0
            .has_entry(&format!("{ETC}/multi-user.target.wants"))
    );
}

#[test]
fn a_unit_without_install_section_is_static_and_enabling_it_does_nothing() {
    let mut machine = Machine(MemoryTree::new().file(&format!("{ETC}/c-a.service"), SERVICE));
    let loader = UnitLoader::new(machine.0.clone());
    let plan = Installer::new(&loader).enable(&["c-a.service"]).unwrap();
    assert_eq!(plan, Plan::default());
    assert_eq!(machine.state("c-a.service"), "static");
    assert_eq!(
        machine.run(|i| i.enable(&["no.service"])),
        ["Unit file no.service does not exist."]
    );
}

#[test]
fn masks_come_and_go_in_etc_and_run() {
    let mut machine =
        Machine(MemoryTree::new().file("/usr/lib/systemd/system/c-a.service", SERVICE));
    assert_eq!(
        machine.run(|i| i.mask(&["c-a.service"])),
        ["/etc/systemd/system/c-a.service -> /dev/null"]
    );
    assert_eq!(machine.run(|i| i.mask(&["c-a.service"])), [""; 0]);
    assert_eq!(machine.state("c-a.service"), "masked");
    assert_eq!(
        machine.run(|i| i.enable(&["c-a.service"])),
        ["Unit file c-a.service is masked."]
    );
    assert_eq!(
        machine.run(|i| i.unmask(&["c-a.service"])),
        ["removed /etc/systemd/system/c-a.service"]
    );
    assert_eq!(machine.run(|i| i.unmask(&["c-a.service"])), [""; 0]);
    assert_eq!(
        machine.run(|i| i.runtime(true).mask(&["c-a.service"])),
        ["/run/systemd/system/c-a.service -> /dev/null"]
    );
    assert_eq!(machine.state("c-a.service"), "masked-runtime");
    // A unit that does not exist can be masked; a file in the way cannot be.
    assert_eq!(machine.run(|i| i.mask(&["new.service"])).len(), 1);
    machine.0 = machine
        .0
        .clone()
        .file(&format!("{ETC}/own.service"), SERVICE);
    assert_eq!(
        machine.run(|i| i.mask(&["own.service"])),
        ["File /etc/systemd/system/own.service already exists."]
    );
}

#[test]
fn linked_units_say_so_and_disable_takes_the_link() {
    let mut machine = Machine(
        MemoryTree::new()
            .file("/run/fleet/units/c-hello.service", SERVICE)
            .file("/opt/c-own.service", SERVICE)
            .file(&format!("{ETC}/c-st.service"), SERVICE),
    );
    assert_eq!(
        machine.run(|i| i
            .runtime(true)
            .link_units(&["/run/fleet/units/c-hello.service"])),
        ["/run/systemd/system/c-hello.service -> /run/fleet/units/c-hello.service"]
    );
    assert_eq!(machine.state("c-hello.service"), "linked-runtime");
    assert_eq!(
        machine.run(|i| i.link_units(&["/opt/c-own.service"])),
        ["/etc/systemd/system/c-own.service -> /opt/c-own.service"]
    );
    assert_eq!(machine.state("c-own.service"), "linked");
    assert_eq!(machine.state("c-st.service"), "static");
    assert_eq!(
        machine.run(|i| i.disable(&["c-own.service", "c-hello.service"])),
        ["removed /etc/systemd/system/c-own.service"]
    );
    assert_eq!(
        machine.run(|i| i.runtime(true).disable(&["c-hello.service"])),
        ["removed /run/systemd/system/c-hello.service"]
    );
    assert_eq!(machine.run(|i| i.link_units(&["c-own.service"])).len(), 1);
    assert_eq!(
        machine.run(|i| i.link_units(&["/no.service"])),
        ["Unit file /no.service does not exist."]
    );
}

#[test]
fn enabling_a_path_links_the_file_and_its_wants() {
    let text = with_install("WantedBy=multi-user.target\n");
    let mut machine = Machine(
        MemoryTree::new()
            .file("/opt/own.service", &text)
            .file("/usr/lib/systemd/system/multi-user.target", "[Unit]\n"),
    );
    assert_eq!(
        machine.run(|i| i.enable(&["/opt/own.service"])),
        [
            "/etc/systemd/system/multi-user.target.wants/own.service -> /opt/own.service",
            "/etc/systemd/system/own.service -> /opt/own.service",
        ]
    );
    assert_eq!(machine.run(|i| i.disable(&["own.service"])).len(), 2);
}

#[test]
fn also_takes_another_unit_along_both_ways() {
    let mut machine = Machine(
        MemoryTree::new()
            .file(
                &format!("{ETC}/c-a.service"),
                &with_install("Also=c-b.service c-no.service\nWantedBy=multi-user.target\n"),
            )
            .file(
                &format!("{ETC}/c-b.service"),
                &with_install("WantedBy=multi-user.target\n"),
            )
            .file("/usr/lib/systemd/system/multi-user.target", "[Unit]\n"),
    );
    assert_eq!(
        machine.run(|i| i.enable(&["c-a.service"])),
        [
            "/etc/systemd/system/multi-user.target.wants/c-a.service -> /etc/systemd/system/c-a.service",
            "/etc/systemd/system/multi-user.target.wants/c-b.service -> /etc/systemd/system/c-b.service",
            "auxiliary unit failed: c-no.service ",
        ]
    );
    assert_eq!(machine.state("c-b.service"), "enabled");
    machine.run(|i| i.disable(&["c-a.service"]));
    assert_eq!(machine.state("c-b.service"), "disabled");
}

#[test]
fn only_also_is_indirect() {
    let machine = Machine(MemoryTree::new().file(
        &format!("{ETC}/c-a.service"),
        &with_install("Also=c-b.service\n"),
    ));
    assert_eq!(machine.state("c-a.service"), "indirect");
}

#[test]
fn templates_are_enabled_as_instances() {
    let text = with_install("WantedBy=getty.target\nDefaultInstance=tty1\n");
    let mut machine = Machine(
        MemoryTree::new()
            .file("/usr/lib/systemd/system/g@.service", &text)
            .file(
                "/usr/lib/systemd/system/n@.service",
                &with_install("WantedBy=getty.target\n"),
            )
            .file("/usr/lib/systemd/system/getty.target", "[Unit]\n"),
    );
    assert_eq!(
        machine.run(|i| i.enable(&["g@.service", "n@a.service", "n@.service"])),
        [
            "/etc/systemd/system/getty.target.wants/g@tty1.service -> /usr/lib/systemd/system/g@.service",
            "/etc/systemd/system/getty.target.wants/n@a.service -> /usr/lib/systemd/system/n@.service",
        ]
    );
    assert_eq!(machine.state("g@.service"), "enabled");
    assert_eq!(machine.state("g@tty1.service"), "enabled");
    assert_eq!(machine.state("n@a.service"), "enabled");
    assert_eq!(machine.state("n@b.service"), "disabled");
    assert_eq!(machine.state("n@.service"), "disabled");
    assert_eq!(
        machine.run(|i| i.disable(&["n@.service"])),
        ["removed /etc/systemd/system/getty.target.wants/n@a.service"]
    );
}

#[test]
fn another_link_in_the_way_is_kept_without_force() {
    let tree = MemoryTree::new()
        .file(
            &format!("{ETC}/a.service"),
            &with_install("Alias=web.service\n"),
        )
        .file(
            &format!("{ETC}/b.service"),
            &with_install("Alias=web.service\n"),
        );
    let mut machine = Machine(tree);
    machine.run(|i| i.enable(&["a.service"]));
    assert_eq!(
        machine.run(|i| i.enable(&["b.service"])),
        [
            "File /etc/systemd/system/web.service already exists and is a symlink to /etc/systemd/system/a.service."
        ]
    );
    assert_eq!(
        machine.run(|i| i.force(true).enable(&["b.service"])),
        [
            "/etc/systemd/system/web.service -> /etc/systemd/system/b.service",
            "removed /etc/systemd/system/web.service",
        ]
    );
}

#[test]
fn reenable_makes_the_links_anew() {
    let mut machine = Machine(
        MemoryTree::new()
            .file(
                &format!("{ETC}/a.service"),
                &with_install("WantedBy=new.target\n"),
            )
            .file(&format!("{ETC}/new.target"), "[Unit]\n")
            .link(&format!("{ETC}/old.target.wants/a.service"), "../a.service"),
    );
    assert_eq!(
        machine.run(|i| i.reenable(&["a.service"])),
        [
            "/etc/systemd/system/new.target.wants/a.service -> /etc/systemd/system/a.service",
            "removed /etc/systemd/system/old.target.wants/a.service",
        ]
    );
    assert_eq!(machine.run(|i| i.reenable(&["a.service"])).len(), 2);
}

#[test]
fn presets_decide_by_their_first_fitting_line() {
    let text = with_install("WantedBy=multi-user.target\n");
    let mut machine = Machine(
        MemoryTree::new()
            .file(
                "/etc/systemd/system-preset/00-c.preset",
                "# mine\nenable c-on.service\ndisable c-*\n",
            )
            .file("/usr/lib/systemd/system-preset/00-c.preset", "disable *\n")
            .file(&format!("{ETC}/c-on.service"), &text)
            .file(&format!("{ETC}/c-off.service"), &text)
            .file(&format!("{ETC}/multi-user.target"), "[Unit]\n"),
    );
    machine.run(|i| i.enable(&["c-off.service"]));
    machine.run(|i| i.preset(&["c-on.service", "c-off.service"], PresetMode::Full));
    assert_eq!(machine.state("c-on.service"), "enabled");
    assert_eq!(machine.state("c-off.service"), "disabled");
    let preset = Preset::read(&machine.0);
    assert_eq!(preset.wants(&"c-off.service".parse().unwrap()), Some(false));
    assert_eq!(preset.wants(&"other.service".parse().unwrap()), Some(true));
    let mut instances = Preset::default();
    instances.add("enable g@.service a b\ndisable *\n");
    assert_eq!(instances.wants(&"g@a.service".parse().unwrap()), Some(true));
    assert_eq!(
        instances.wants(&"g@c.service".parse().unwrap()),
        Some(false)
    );
    assert_eq!(instances.instances(&"g@.service".parse().unwrap()).len(), 2);
}

#[test]
fn presets_of_all_units_pass_over_aliases_masks_and_links_that_two_files_want() {
    let mut machine = Machine(
        MemoryTree::new()
            .file(
                "/usr/lib/systemd/system/reboot.target",
                "[Unit]\nDescription=R\n[Install]\nAlias=ctrl-alt-del.target\n",
            )
            .link(
                "/usr/lib/systemd/system/ctrl-alt-del.target",
                "reboot.target",
            )
            .link("/usr/lib/systemd/system/runlevel6.target", "reboot.target")
            .link("/usr/lib/systemd/system/rc.service", "/dev/null")
            .file(
                &format!("{ETC}/a.service"),
                &with_install("Alias=both.service\n"),
            )
            .file(
                &format!("{ETC}/b.service"),
                &with_install("Alias=both.service\nWantedBy=x.target\n"),
            )
            .file(
                &format!("{ETC}/c.service"),
                &with_install("WantedBy=x.target\n"),
            )
            .file(&format!("{ETC}/x.target"), "[Unit]\n"),
    );
    let changes = machine.run(|i| Ok(i.preset_all(PresetMode::Full)));
    assert_eq!(
        changes,
        [
            "/etc/systemd/system/both.service -> /etc/systemd/system/a.service",
            "/etc/systemd/system/ctrl-alt-del.target -> /usr/lib/systemd/system/reboot.target",
            "/etc/systemd/system/x.target.wants/c.service -> /etc/systemd/system/c.service",
        ]
    );
    assert!(machine.run(|i| Ok(i.preset_all(PresetMode::Full))).len() <= 1);
}

#[test]
fn every_unit_file_is_listed_with_its_state() {
    let machine = Machine(
        MemoryTree::new()
            .file(
                &format!("{ETC}/c-a.service"),
                &with_install("WantedBy=multi-user.target\n"),
            )
            .file(&format!("{ETC}/c-b.service"), SERVICE)
            .file(
                &format!("{ETC}/c-c@.service"),
                &with_install("WantedBy=multi-user.target\n"),
            )
            .link(&format!("{ETC}/c-l.service"), "c-b.service")
            .link(&format!("{ETC}/c-m.service"), "/dev/null"),
    );
    let loader = UnitLoader::new(machine.0);
    let list: Vec<String> = Installer::new(&loader)
        .list()
        .into_iter()
        .map(|(name, path, state)| {
            assert_eq!(path, format!("{ETC}/{name}"));
            format!("{name} {state}")
        })
        .collect();
    assert_eq!(
        list,
        [
            "c-a.service disabled",
            "c-b.service static",
            "c-c@.service disabled",
            "c-l.service alias",
            "c-m.service masked"
        ]
    );
}

#[test]
fn the_default_target_is_a_link() {
    let mut machine = Machine(
        MemoryTree::new()
            .file("/usr/lib/systemd/system/multi-user.target", "[Unit]\n")
            .file("/usr/lib/systemd/system/rescue.target", "[Unit]\n")
            .link(
                "/usr/lib/systemd/system/default.target",
                "multi-user.target",
            ),
    );
    let default = |machine: &Machine| {
        let loader = UnitLoader::new(machine.0.clone());
        Installer::new(&loader).get_default().unwrap().to_string()
    };
    assert_eq!(default(&machine), "multi-user.target");
    assert_eq!(
        machine.run(|i| i.set_default("rescue.target")),
        ["/etc/systemd/system/default.target -> /usr/lib/systemd/system/rescue.target"]
    );
    assert_eq!(default(&machine), "rescue.target");
    assert_eq!(machine.run(|i| i.set_default("multi-user.target")).len(), 2);
    assert_eq!(machine.run(|i| i.set_default("a.service")).len(), 1);
}

#[test]
fn add_wants_links_any_unit_and_revert_takes_what_is_in_front_of_the_vendor() {
    let mut machine = Machine(
        MemoryTree::new()
            .file("/usr/lib/systemd/system/v.service", SERVICE)
            .file(&format!("{ETC}/v.service"), SERVICE)
            .file(&format!("{ETC}/v.service.d/override.conf"), "[Service]\n")
            .file(&format!("{ETC}/own.service"), SERVICE)
            .file(&format!("{ETC}/m.target"), "[Unit]\n"),
    );
    assert_eq!(
        machine.run(|i| i.add_dependency(&["own.service"], "m.target", false)),
        ["/etc/systemd/system/m.target.wants/own.service -> /etc/systemd/system/own.service"]
    );
    assert_eq!(
        machine.run(|i| i.revert(&["v.service", "own.service"])),
        [
            "removed /etc/systemd/system/v.service",
            "removed /etc/systemd/system/v.service.d"
        ]
    );
    assert!(machine.0.has_entry(&format!("{ETC}/own.service")));
    assert!(!machine.0.has_entry(&format!("{ETC}/v.service.d")));
}

#[test]
fn links_made_by_packages_to_the_same_file_by_another_path_count() {
    let mut machine = Machine(
        MemoryTree::new()
            .file(
                "/usr/lib/systemd/system/d.service",
                &with_install("WantedBy=m.target\n"),
            )
            .file("/usr/lib/systemd/system/m.target", "[Unit]\n")
            .link("/usr/lib64/systemd", "../lib/systemd")
            .link(
                &format!("{ETC}/m.target.wants/d.service"),
                "/lib/systemd/system/d.service",
            ),
    );
    assert_eq!(machine.state("d.service"), "enabled");
    assert_eq!(machine.run(|i| i.enable(&["d.service"])), [""; 0]);
}
