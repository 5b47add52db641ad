//! Calls to a job's object.

use dbus::Value;
use unit_engine::Request;

use super::refusal::Refusal;
use crate::manager::Manager;

pub(super) fn call(manager: &mut Manager, id: u32, member: &str) -> Result<Vec<Value>, Refusal> {
    match member {
        "Cancel" => {
            manager.submit(Request::CancelJob { id })?;
            Ok(vec![])
        }
        _ => Err(Refusal::unknown_method(member, init_api::bus::JOB)),
    }
}
