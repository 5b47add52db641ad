//! Unit texts from a table.

use std::collections::BTreeMap;

use init_api::LoadState;
use unit_file::{Facts, LoadedUnit, ManagerDefaults, UnitConfig, UnitName, parse_unit};

pub(super) fn read(files: &BTreeMap<String, String>, name: &str) -> LoadedUnit {
    let name = UnitName::new(name).unwrap();
    let defaults = ManagerDefaults::default();
    let text = files
        .get(name.as_str())
        .or_else(|| files.get(name.template()?.as_str()));
    if let Some(text) = text {
        let path = format!("/etc/systemd/system/{name}");
        return parse_unit(&name, &path, text, &Facts::default(), &defaults);
    }
    let state = if name.kind().exists_without_file() {
        LoadState::Loaded
    } else {
        LoadState::NotFound
    };
    LoadedUnit {
        names: vec![name.clone()],
        config: UnitConfig::new(name.clone(), &defaults),
        name,
        state,
        error: None,
        fragment: None,
        drop_ins: Vec::new(),
        files: Vec::new(),
        diagnostics: Vec::new(),
    }
}
