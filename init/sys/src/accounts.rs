//! Users and groups from /etc/passwd and /etc/group, without NSS: the static programs must not call it.

use std::io;
use std::path::Path;

/// A line of /etc/passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of /etc/group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Names of the members.
    pub members: Vec<String>,
}

/// Both files.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

impl Accounts {
    /// Reads `etc/passwd` and `etc/group` below a root folder.
    ///
    /// # Errors
    /// What reading reports; a missing file counts as empty.
    pub fn read(root: &Path) -> io::Result<Accounts> {
        let text = |name: &str| match std::fs::read_to_string(root.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        };
        Ok(Accounts::parse(&text("etc/passwd")?, &text("etc/group")?))
    }

    /// Reads the texts of both files; broken lines are skipped.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Accounts {
        Accounts {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_line).collect(),
        }
    }

    /// A user by name or, if it is a number, by id. An id without a line is a user of its own.
    #[must_use]
    pub fn user(&self, name_or_id: &str) -> Option<User> {
        if let Some(user) = self.users.iter().find(|user| user.name == name_or_id) {
            return Some(user.clone());
        }
        let uid: u32 = name_or_id.parse().ok().filter(|uid| *uid != u32::MAX)?;
        Some(
            self.users
                .iter()
                .find(|user| user.uid == uid)
                .cloned()
                .unwrap_or_else(|| User {
                    name: name_or_id.to_owned(),
                    uid,
                    gid: uid,
                    home: String::new(),
                    shell: String::new(),
                }),
        )
    }

    /// Id of a group by name or number.
    #[must_use]
    pub fn group(&self, name_or_id: &str) -> Option<u32> {
        self.groups
            .iter()
            .find(|group| group.name == name_or_id)
            .map(|group| group.gid)
            .or_else(|| name_or_id.parse().ok().filter(|gid| *gid != u32::MAX))
    }

    /// Name of a user id, if there is a line for it.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        self.users
            .iter()
            .find(|user| user.uid == uid)
            .map(|user| user.name.as_str())
    }

    /// Name of a group id, if there is a line for it.
    #[must_use]
    pub fn group_name(&self, gid: u32) -> Option<&str> {
        self.groups
            .iter()
            .find(|group| group.gid == gid)
            .map(|group| group.name.as_str())
    }

    /// Ids of the groups that list this user as a member.
    #[must_use]
    pub fn memberships(&self, user: &str) -> Vec<u32> {
        self.groups
            .iter()
            .filter(|group| group.members.iter().any(|member| member == user))
            .map(|group| group.gid)
            .collect()
    }
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?
        .to_owned();
    let mut fields = fields.skip(1);
    Some(User {
        name,
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        home: fields.nth(1).unwrap_or_default().to_owned(),
        shell: fields.next().unwrap_or_default().to_owned(),
    })
}

fn group_line(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields
        .next()
        .filter(|name| !name.is_empty() && !name.starts_with('#'))?
        .to_owned();
    let mut fields = fields.skip(1);
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next().unwrap_or_default();
    let members = members
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Group { name, gid, members })
}

#[cfg(test)]
mod tests {
    use super::Accounts;

    fn accounts() -> Accounts {
        Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\nbroken\ncore:x:500:500:CoreOS Admin:/home/core:/bin/bash\n",
            "root:x:0:\ndocker:x:233:core,other\ncore:x:500:\n",
        )
    }

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let all = accounts();
        assert_eq!(all.user("core").unwrap().uid, 500);
        assert_eq!(all.user("500").unwrap().home, "/home/core");
        assert_eq!(all.user("1234").unwrap().uid, 1234);
        assert_eq!(all.user("nobody-here"), None);
    }

    #[test]
    fn memberships_are_the_groups_that_list_the_name() {
        assert_eq!(accounts().memberships("core"), vec![233]);
        assert_eq!(accounts().group("docker"), Some(233));
        assert_eq!(accounts().group("nosuchgroup"), None);
    }
}
