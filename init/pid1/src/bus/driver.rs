//! As much of a message bus as clients need to reach PID 1 where no dbus-daemon is installed.

use dbus::{Message, Value};

use super::connection::Connection;
use super::refusal::Refusal;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const DRIVER: &str = "org.freedesktop.DBus";

/// Answers a call to `org.freedesktop.DBus` itself.
pub(super) fn call(
    connection: &mut Connection,
    guid: &str,
    message: &Message,
) -> Result<Vec<Value>, Refusal> {
    let member = message.member.as_deref().unwrap_or_default();
    let name = message
        .body
        .first()
        .and_then(Value::as_str)
        .unwrap_or_default();
    let own = connection.unique_name();
    let owner = match name {
        SYSTEMD => Some(SYSTEMD.to_owned()),
        DRIVER => Some(DRIVER.to_owned()),
        name if name == own => Some(own.clone()),
        _ => None,
    };
    Ok(match member {
        "Hello" if connection.unique.is_some() => {
            return Err(Refusal::failed("Already handled an Hello message"));
        }
        "Hello" => {
            connection.unique = Some(own.clone());
            vec![own.into()]
        }
        "AddMatch" => {
            connection.matches += 1;
            vec![]
        }
        "RemoveMatch" => {
            connection.matches = connection.matches.saturating_sub(1);
            vec![]
        }
        "GetNameOwner" => match owner {
            Some(owner) => vec![owner.into()],
            None => return Err(no_owner(name)),
        },
        "NameHasOwner" => vec![owner.is_some().into()],
        "RequestName" => vec![1_u32.into()],
        "ReleaseName" => vec![1_u32.into()],
        "StartServiceByName" if owner.is_some() => vec![2_u32.into()],
        "StartServiceByName" => return Err(unknown_service(name)),
        "GetId" => vec![guid.into()],
        "ListNames" => vec![Value::strings([DRIVER.to_owned(), SYSTEMD.to_owned(), own])],
        "ListActivatableNames" => vec![Value::strings([DRIVER, SYSTEMD])],
        "GetConnectionUnixUser" => vec![(if name == own { connection.uid } else { 0 }).into()],
        "GetConnectionUnixProcessID" => vec![(if name == own { connection.pid } else { 1 }).into()],
        "GetConnectionCredentials" => {
            let (uid, pid) = if name == own {
                (connection.uid, connection.pid)
            } else {
                (0, 1)
            };
            vec![Value::dict([
                ("UnixUserID", uid.into()),
                ("ProcessID", Value::from(pid)),
            ])]
        }
        _ => return Err(Refusal::unknown_method(member, DRIVER)),
    })
}

fn no_owner(name: &str) -> Refusal {
    Refusal::new(
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        format!("Could not get owner of name '{name}': no such name"),
    )
}

/// For a call to a service that nobody provides.
pub(super) fn unknown_service(name: &str) -> Refusal {
    Refusal::new(
        "org.freedesktop.DBus.Error.ServiceUnknown",
        format!("The name {name} was not provided by any .service files"),
    )
}
