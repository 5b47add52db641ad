//! What objects say of themselves: which interfaces they have, with their properties, and where their
//! children are. The interfaces' methods are documented by org.freedesktop.systemd1(5), not here.

use std::fmt::Write as _;

use dbus::Value;
use init_api::bus as names;

use super::properties;
use super::refusal::Refusal;
use super::route::{Object, object};
use crate::manager::Manager;

pub(super) fn call(manager: &mut Manager, path: &str) -> Result<Vec<Value>, Refusal> {
    let mut children: Vec<String> = Vec::new();
    let object = object(path);
    match &object {
        Some(Object::Manager) => children.extend(["unit".into(), "job".into()]),
        Some(Object::Unit(_) | Object::Job(_) | Object::LogControl) => {}
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
    for interface in [names::PEER, names::INTROSPECTABLE] {
        let _ = writeln!(xml, " <interface name=\"{interface}\"/>");
    }
    if let Some(object) = object {
        let _ = writeln!(xml, " <interface name=\"{}\"/>", names::PROPERTIES);
        for interface in properties::interfaces(&object) {
            let _ = writeln!(xml, " <interface name=\"{interface}\">");
            for (name, value) in properties::of(manager, &object, &interface)? {
                let _ = writeln!(
                    xml,
                    "  <property name=\"{name}\" type=\"{}\" access=\"read\"/>",
                    value.signature()
                );
            }
            xml.push_str(" </interface>\n");
        }
    }
    for child in children {
        let _ = writeln!(xml, " <node name=\"{child}\"/>");
    }
    xml.push_str("</node>\n");
    Ok(vec![xml.into()])
}
