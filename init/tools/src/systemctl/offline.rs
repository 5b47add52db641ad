//! Work on unit files without a manager: `--root=`, and what a file's text says.
use super::{Context, Failure};
use crate::props::Props;
use init_client::UnitFileChange;
use std::path::Path;
pub(super) fn is_enabled(_cx: &mut Context) -> Result<u8, Failure> {
    Err(Failure::new("x"))
}
pub(super) fn unit_files(
    _cx: &mut Context,
    _s: &[String],
    _p: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    Err(Failure::new("x"))
}
pub(super) fn default_target(_cx: &mut Context) -> Result<String, Failure> {
    Err(Failure::new("x"))
}
pub(super) fn change(
    _cx: &mut Context,
    _v: &str,
    _u: &[String],
) -> Result<(bool, Vec<UnitFileChange>), Failure> {
    Err(Failure::new("x"))
}
pub(super) fn preset(_root: Option<&Path>, _name: &str) -> Option<String> {
    None
}
pub(super) fn written_commands(_p: &Props) -> Vec<(String, Vec<String>)> {
    Vec::new()
}
