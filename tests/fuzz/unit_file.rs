//! Unit files: any text loads, what is printed is read back alike, and what can be loaded can be enabled and disabled.
#![no_main]

use init_api::UnitType;
use libfuzzer_sys::fuzz_target;
use unit_file::{
    Facts, Installer, LoadedUnit, ManagerDefaults, MemoryTree, UnitLoader, UnitName, UnitText,
    apply, implicit_dependencies, parse_unit,
};

const NAMES: [&str; 11] = [
    "web@a-b\\x20c.service",
    "web.socket",
    "web.timer",
    "web.path",
    "srv-web.mount",
    "srv-web.automount",
    "dev-web.swap",
    "a-web.slice",
    "web.scope",
    "web.target",
    "dev-web.device",
];

fuzz_target!(|data: &[u8]| {
    printing_gives_it_back(data);
    let text = String::from_utf8_lossy(data);
    // After a NUL byte: drop-ins.
    let mut pieces = text.split('\0');
    let fragment = pieces.next().unwrap_or_default();
    let drop_ins: Vec<&str> = pieces.collect();
    for name in NAMES {
        let name: UnitName = name.parse().expect("a name");
        let mentioned = |section: &str| text.contains(&format!("[{section}]"));
        if name.kind() == UnitType::Service || name.kind().section().is_some_and(mentioned) {
            alone(&name, fragment);
            installed(&name, fragment, &drop_ins);
        }
    }
});

fn printing_gives_it_back(data: &[u8]) {
    let parsed = UnitText::parse(data);
    let shape = |text: &UnitText| -> Vec<(String, Vec<(String, String)>)> {
        let sections = text.sections.iter();
        sections
            .map(|section| {
                let pairs = section.assignments.iter();
                let pairs = pairs.map(|one| (one.key.clone(), one.value.clone()));
                (section.name.clone(), pairs.collect())
            })
            .collect()
    };
    let printed = parsed.to_string();
    let again = UnitText::parse(printed.as_bytes());
    assert_eq!(shape(&parsed), shape(&again), "{printed:?}");
    assert!(again.problems.is_empty(), "{:?}", again.problems);
}

fn alone(name: &UnitName, text: &str) {
    let path = format!("/etc/systemd/system/{name}");
    let unit = parse_unit(
        name,
        &path,
        text,
        &Facts::default(),
        &ManagerDefaults::default(),
    );
    check(&unit, text);
}

fn installed(name: &UnitName, fragment: &str, drop_ins: &[&str]) {
    let mut tree = MemoryTree::new().file(&format!("/etc/systemd/system/{name}"), fragment);
    for (number, text) in drop_ins.iter().enumerate() {
        tree = tree.file(
            &format!("/etc/systemd/system/{name}.d/{number:02}.conf"),
            text,
        );
    }
    let mut changed = tree.clone();
    let loader = UnitLoader::new(tree);
    let unit = loader.load(name);
    check(&unit, fragment);
    let plan = Installer::new(&loader).enable(&[name]);
    let Ok(plan) = plan else { return };
    // Links may be asked for in places where none can be.
    if apply(&plan, &mut changed).is_ok() {
        let loader = UnitLoader::new(changed.clone());
        let installer = Installer::new(&loader);
        let _ = installer.state(name);
        if let Ok(plan) = installer.disable(&[name]) {
            let _ = apply(&plan, &mut changed);
        }
    }
}

fn check(unit: &LoadedUnit, text: &str) {
    let lines = text.split('\n').count();
    for one in &unit.diagnostics {
        let _ = one.to_string();
        assert!(!one.path.ends_with(&*unit.name) || one.line as usize <= lines);
    }
    let _ = (unit.description(), unit.config.triggers());
    let _ = implicit_dependencies(&unit.config);
    // Units travel as JSON, to the helper that starts their processes.
    let json = serde_json::to_string(unit).expect("to JSON");
    let back: LoadedUnit = serde_json::from_str(&json).expect("from JSON");
    assert!(*unit == back, "changed on its way through JSON: {json}");
}
