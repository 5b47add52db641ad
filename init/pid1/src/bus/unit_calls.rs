//! Calls to a unit's object: the manager's calls without the name, and what only units have.

use dbus::Value;
use unit_engine::Request;

use super::refusal::Refusal;
use super::{Bus, manager_calls, processes};
use crate::manager::Manager;

impl Bus {
    pub(super) fn unit_call(
        &mut self,
        manager: &mut Manager,
        token: u64,
        unit: &str,
        interface: &str,
        member: &str,
        body: &[Value],
    ) -> Result<Vec<Value>, Refusal> {
        let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
        match member {
            "Start" | "Stop" | "Reload" | "Restart" | "TryRestart" | "ReloadOrRestart"
            | "ReloadOrTryRestart" => {
                let verb = manager_calls::verb(member)
                    .ok_or_else(|| Refusal::unknown_method(member, interface))?;
                manager_calls::job(manager, unit, verb, text(0))
            }
            "Kill" | "QueueSignal" => manager_calls::kill(manager, unit, text(0), body.get(1)),
            "ResetFailed" => {
                manager.submit(Request::ResetFailed {
                    unit: Some(unit.to_owned()),
                })?;
                Ok(vec![])
            }
            "SetProperties" => {
                let runtime = body.first().and_then(Value::as_bool).unwrap_or(false);
                self.set_unit_properties(manager, unit, runtime, body.get(1))
            }
            "Ref" => self.add_ref(manager, token, unit),
            "Unref" => self.drop_ref(manager, token, unit),
            "GetProcesses" => {
                let group = manager
                    .engine()
                    .unit(unit)
                    .map(|u| u.control_group().to_owned())
                    .unwrap_or_default();
                if group.is_empty() {
                    return Ok(vec![Value::array("(sus)", vec![])]);
                }
                Ok(vec![processes::list(manager.cgroups(), &group)])
            }
            "AttachProcesses" => manager_calls::attach(manager, unit, text(0), body.get(1)),
            "Abandon" => {
                manager.submit(Request::AbandonScope {
                    unit: unit.to_owned(),
                })?;
                Ok(vec![])
            }
            "Freeze" | "Thaw" => manager_calls::freeze(manager, unit, member == "Freeze"),
            _ => Err(Refusal::unknown_method(member, interface)),
        }
    }
}
