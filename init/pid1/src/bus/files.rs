//! Unit files as clients ask about them and have them changed.

use dbus::Value;
use unit_engine::UnitView;

use super::refusal::Refusal;
use crate::manager::Manager;

/// Whether a file that the unit was read from is not what it was.
pub(super) fn changed_on_disk(_manager: &Manager, view: UnitView<'_>) -> bool {
    view.files()
        .iter()
        .any(|(path, then)| modified(path) != Some(*then))
}

fn modified(path: &str) -> Option<u64> {
    let time = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

pub(super) fn state_of(_manager: &Manager, _view: UnitView<'_>) -> String {
    String::new()
}
pub(super) fn preset_of(_manager: &Manager, _view: UnitView<'_>) -> String {
    String::new()
}
pub(super) fn search_path() -> Vec<String> {
    Vec::new()
}
pub(super) fn read(
    _manager: &Manager,
    _member: &str,
    _body: &[Value],
) -> Result<Vec<Value>, Refusal> {
    Err(Refusal::failed("x"))
}
pub(super) fn change(
    _manager: &mut Manager,
    _member: &str,
    _body: &[Value],
) -> Result<Vec<Value>, Refusal> {
    Err(Refusal::failed("x"))
}
