//! What objects say of themselves: which interfaces they have, and where their children are. The
//! interfaces' methods are documented by org.freedesktop.systemd1(5), not here.

use dbus::Value;
use init_api::bus as names;

use super::refusal::Refusal;
use super::route::{Object, object};
use crate::manager::Manager;

pub(super) fn call(manager: &Manager, path: &str) -> Result<Vec<Value>, Refusal> {
    let mut interfaces = vec![names::PEER, names::INTROSPECTABLE];
    let mut children: Vec<String> = Vec::new();
    match object(path) {
        Some(Object::Manager) => {
            interfaces.extend([names::PROPERTIES, names::MANAGER]);
            children.extend(["unit".into(), "job".into()]);
        }
        Some(Object::Unit(_)) => interfaces.extend([names::PROPERTIES, names::UNIT]),
        Some(Object::Job(_)) => interfaces.extend([names::PROPERTIES, names::JOB]),
        Some(Object::LogControl) => {
            interfaces.extend([names::PROPERTIES, "org.freedesktop.LogControl1"]);
        }
        None => match path {
            "/" => children.push("org".into()),
            "/org" => children.push("freedesktop".into()),
            "/org/freedesktop" => children.push("systemd1".into()),
            "/org/freedesktop/systemd1/unit" => {
                children.extend(
                    manager
                        .engine()
                        .units()
                        .map(|u| names::escape_label(u.name())),
                );
            }
            "/org/freedesktop/systemd1/job" => {
                children.extend(manager.engine().jobs().map(|j| j.id.to_string()));
            }
            _ => return Err(Refusal::unknown_object(path)),
        },
    }
    let mut xml = String::from(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n\
         \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n",
    );
    for interface in interfaces {
        xml.push_str(&format!(" <interface name=\"{interface}\"/>\n"));
    }
    for child in children {
        xml.push_str(&format!(" <node name=\"{child}\"/>\n"));
    }
    xml.push_str("</node>\n");
    Ok(vec![xml.into()])
}
