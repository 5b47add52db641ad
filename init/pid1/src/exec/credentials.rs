//! Who the process is: user, groups, home, from our own reader of /etc/passwd and /etc/group.

use std::io;

use init_sys::accounts::{Accounts, User};
use init_sys::process;

use super::context::Context;
use super::{Failed, Step, code};

/// The identity that the process will have.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The user of `User=`; None stays root.
    pub(crate) user: Option<User>,
    /// Primary group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// Whether groups change at all.
    pub(crate) changes_groups: bool,
}

impl Who {
    pub(crate) fn uid(&self) -> u32 {
        self.user.as_ref().map_or(0, |user| user.uid)
    }

    pub(crate) fn home(&self) -> &str {
        match &self.user {
            Some(user) if !user.home.is_empty() => &user.home,
            Some(_) => "/",
            None => "/root",
        }
    }
}

fn unknown(kind: &str, name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{kind} {name} is not known"),
    )
}

/// Looks up what the unit names.
pub(crate) fn resolve(context: &Context, accounts: &Accounts) -> Result<Who, Failed> {
    let config = &context.exec;
    let user = match (config.user.as_deref(), context.dynamic_uid) {
        // No account has this name; otherwise PID 1 gives no number, and the account is taken.
        (name, Some(uid)) => Some(dynamic(dynamic_name(name, &context.unit), uid)),
        (None, None) if !config.dynamic_user => None,
        (name, None) => {
            let name = dynamic_name(name, &context.unit);
            let found = accounts.user(&name).ok_or_else(|| unknown("user", &name));
            Some(found.step(code::USER, || format!("find user {name}"))?)
        }
    };
    let group_id = |name: &str| {
        accounts
            .group(name)
            .ok_or_else(|| unknown("group", name))
            .step(code::GROUP, || format!("find group {name}"))
    };
    let gid = match config.group.as_deref() {
        // The group of a user that is made for this unit alone, by its name.
        Some(name) if context.dynamic_uid.is_some() && accounts.group(name).is_none() => {
            user.as_ref().map_or(0, |user| user.gid)
        }
        Some(name) => group_id(name)?,
        None => user.as_ref().map_or(0, |user| user.gid),
    };
    let mut groups = user
        .as_ref()
        .map(|user| accounts.memberships(&user.name))
        .unwrap_or_default();
    for name in &config.supplementary_groups {
        groups.push(group_id(name)?);
    }
    groups.sort_unstable();
    groups.dedup();
    let changes_groups =
        user.is_some() || config.group.is_some() || !config.supplementary_groups.is_empty();
    Ok(Who {
        user,
        gid,
        groups,
        changes_groups,
    })
}

/// What `DynamicUser=` calls its user: `User=`, or the unit's name up to its instance or suffix.
pub(crate) fn dynamic_name(user: Option<&str>, unit: &str) -> String {
    let prefix = || unit.split(['.', '@']).next().unwrap_or(unit);
    user.unwrap_or_else(prefix).to_owned()
}

/// A user without an account.
fn dynamic(name: String, uid: u32) -> User {
    User {
        name,
        uid,
        gid: uid,
        home: "/".to_owned(),
        shell: String::new(),
    }
}

/// Groups first: the right to change them goes with the user.
pub(crate) fn drop_groups(context: &Context, who: &Who) -> Result<(), Failed> {
    if context.full_privileges || context.keep_identity || !who.changes_groups {
        return Ok(());
    }
    process::set_groups(who.gid, &who.groups)
        .step(code::GROUP, || format!("become group {}", who.gid))
}

/// Becomes the user, keeping the capabilities that are to be ambient.
pub(crate) fn drop_user(context: &Context, who: &Who) -> Result<(), Failed> {
    let config = &context.exec;
    if context.full_privileges {
        return Ok(());
    }
    if config.secure_bits != 0 {
        process::set_securebits(config.secure_bits)
            .step(code::SECUREBITS, || "set securebits".to_owned())?;
    }
    if context.keep_identity {
        return Ok(());
    }
    let Some(user) = &who.user else { return Ok(()) };
    if config.ambient_capabilities.0 != 0 {
        process::keep_capabilities(true)
            .step(code::CAPABILITIES, || "keep capabilities".to_owned())?;
    }
    process::set_user(user.uid).step(code::USER, || format!("become user {}", user.name))
}
