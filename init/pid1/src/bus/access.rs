//! Who may call what: everybody may look, root may change.

use super::connection::Side;
use super::refusal::Refusal;

/// Whether the call only looks. `Subscribe` and `LoadUnit` change nothing that outlives the caller.
pub(super) fn only_reads(interface: &str, member: &str) -> bool {
    match interface {
        "org.freedesktop.DBus.Peer"
        | "org.freedesktop.DBus.Introspectable"
        | "org.freedesktop.DBus" => true,
        "org.freedesktop.DBus.Properties" => matches!(member, "Get" | "GetAll"),
        "org.freedesktop.systemd1.Manager" => {
            member.starts_with("Get")
                || member.starts_with("List")
                || member.starts_with("Dump")
                || member.starts_with("Lookup")
                || matches!(member, "LoadUnit" | "Subscribe" | "Unsubscribe")
        }
        _ => member.starts_with("Get"),
    }
}

/// Whether a user may make this call.
pub(super) fn check(uid: u32, side: Side, interface: &str, member: &str) -> Result<(), Refusal> {
    if uid == 0 || only_reads(interface, member) {
        return Ok(());
    }
    Err(match side {
        Side::Private => Refusal::new("org.freedesktop.DBus.Error.AccessDenied", "Access denied"),
        Side::System => Refusal::new(
            "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
            "Interactive authentication required.",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_may_read_and_only_root_may_change() {
        let manager = "org.freedesktop.systemd1.Manager";
        for member in [
            "GetUnit",
            "ListUnitsByPatterns",
            "LoadUnit",
            "Subscribe",
            "GetUnitProcesses",
        ] {
            assert_eq!(
                check(1000, Side::Private, manager, member),
                Ok(()),
                "{member}"
            );
        }
        for member in [
            "StartUnit",
            "Reload",
            "SetEnvironment",
            "Reboot",
            "EnableUnitFiles",
            "KillUnit",
            "StartTransientUnit",
        ] {
            let refused = check(1000, Side::Private, manager, member).unwrap_err();
            assert_eq!(
                refused.name, "org.freedesktop.DBus.Error.AccessDenied",
                "{member}"
            );
            let refused = check(1000, Side::System, manager, member).unwrap_err();
            assert_eq!(
                refused.name, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
                "{member}"
            );
            assert_eq!(check(0, Side::System, manager, member), Ok(()), "{member}");
        }
        assert!(check(1000, Side::System, "org.freedesktop.systemd1.Unit", "Start").is_err());
        assert!(check(1000, Side::System, "org.freedesktop.DBus.Properties", "Set").is_err());
    }
}
