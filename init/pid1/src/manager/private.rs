//! What a unit has to itself while it runs: the folders of `PrivateTmp=`, the number of
//! `DynamicUser=`. Made before its first process, kept over re-execution, given back when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use init_sys::accounts::Accounts;
use init_sys::folders;
use serde::{Deserialize, Serialize};
use unit_file::ExecConfig;

use crate::exec::context::PrivateTmp;
use crate::exec::credentials::dynamic_name;

/// Where systemd takes dynamic users from, and we do (`DynamicUser=` in systemd.exec(5)).
const FIRST_UID: u32 = 61_184;
const UIDS: u32 = 65_519 - FIRST_UID + 1;
/// Names that are tried before a folder is given up: one is enough, unless somebody fills /tmp.
const TRIES: usize = 100;
/// Lies over /tmp where the file system takes no folder: empty, and nobody may write there.
const EMPTY: &str = "/run/systemd/empty";

/// The private things of all units.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Private {
    tmp: BTreeMap<String, PrivateTmp>,
    /// Unit to its user's name and number. Units that name the same user share it.
    users: BTreeMap<String, (String, u32)>,
}

/// What one unit gets for a new process.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) tmp: Option<PrivateTmp>,
    pub(crate) uid: Option<u32>,
}

impl Private {
    /// What the unit has already, or new ones.
    ///
    /// # Errors
    /// When a folder cannot be made or the accounts cannot be read.
    pub(crate) fn give(
        &mut self,
        unit: &str,
        config: &ExecConfig,
        boot_id: &str,
    ) -> io::Result<Given> {
        let mut given = Given::default();
        if config.private_tmp {
            given.tmp = Some(self.tmp(unit, boot_id)?);
        }
        if config.dynamic_user {
            let accounts = Accounts::read(Path::new("/"))?;
            let name = dynamic_name(config.user.as_deref(), unit);
            given.uid = self.user(unit, &name, &accounts)?;
        }
        Ok(given)
    }

    fn tmp(&mut self, unit: &str, boot_id: &str) -> io::Result<PrivateTmp> {
        if let Some(own) = self.tmp.get(unit)
            && is_ours(&own.tmp)
            && is_ours(&own.var_tmp)
        {
            return Ok(own.clone());
        }
        let own = PrivateTmp {
            tmp: make(Path::new("/tmp"), unit, boot_id)?,
            var_tmp: make(Path::new("/var/tmp"), unit, boot_id)?,
        };
        self.tmp.insert(unit.to_owned(), own.clone());
        Ok(own)
    }

    /// A number that no account and no other dynamic user has. The first choice depends on the name
    /// only, so that a unit finds its own files again. None: there is an account of this name.
    fn user(&mut self, unit: &str, name: &str, accounts: &Accounts) -> io::Result<Option<u32>> {
        if accounts.user(name).is_some() {
            return Ok(None);
        }
        let shared = self.users.values().find(|(user, _)| user == name);
        let taken: BTreeSet<u32> = self.users.values().map(|(_, uid)| *uid).collect();
        let free = |uid: u32| {
            !taken.contains(&uid)
                && accounts.user_name(uid).is_none()
                && accounts.group_name(uid).is_none()
        };
        let hash = name.bytes().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33) ^ u32::from(byte)
        }) % UIDS;
        let uid = shared.map(|(_, uid)| *uid).or_else(|| {
            (0..UIDS)
                .map(|step| FIRST_UID + (hash + step) % UIDS)
                .find(|uid| free(*uid))
        });
        let none_left = || io::Error::other("all numbers for dynamic users are taken");
        let uid = uid.ok_or_else(none_left)?;
        self.users.insert(unit.to_owned(), (name.to_owned(), uid));
        Ok(Some(uid))
    }

    /// The unit is over.
    pub(crate) fn take_back(&mut self, unit: &str) {
        self.users.remove(unit);
        let Some(own) = self.tmp.remove(unit) else {
            return;
        };
        for path in [own.tmp, own.var_tmp] {
            if let Some(folder) = Path::new(&path).parent().filter(|_| path != EMPTY) {
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }
}

/// Whether the folder is still there, and root's.
fn is_ours(path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw())
}

/// Makes `PLACE/systemd-private-BOOTID-UNIT-RANDOM/tmp` and says its path. Nobody can have put
/// anything in its place: the name has a random part, and a name that is taken is not used.
fn make(place: &Path, unit: &str, boot_id: &str) -> io::Result<String> {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    let unit: String = unit
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..TRIES {
        let random = format!(
            "{:012x}",
            crate::boot::identity::random() & 0xffff_ffff_ffff
        );
        let folder = place.join(format!("systemd-private-{boot_id}-{unit}-{random}"));
        let private = rustix::fs::Mode::from_raw_mode(0o700);
        match rustix::fs::mkdir(&folder, private).map_err(io::Error::from) {
            Ok(()) => {
                let tmp = folder.join("tmp");
                folders::make_in(folders::open(&folder)?, "tmp", 0o1777)?;
                return Ok(tmp.display().to_string());
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => last = e,
            // No room, or a file system that is read-only: the service still sees nobody else's.
            Err(e) if is_full(&e) => {
                folders::make_below(Path::new("/run"), Path::new("systemd/empty"), 0o500)?;
                return Ok(EMPTY.to_owned());
            }
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        QuotaExceeded | ReadOnlyFilesystem | StorageFull
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_folder_has_a_name_that_cannot_be_foreseen_and_nobody_else_may_enter_it() {
        let place = tempfile::tempdir().unwrap();
        let first = make(place.path(), "a/b.service", "boot").unwrap();
        let second = make(place.path(), "a/b.service", "boot").unwrap();
        assert_ne!(first, second);
        let start = place.path().join("systemd-private-boot-a_b.service-");
        assert!(first.starts_with(start.to_str().unwrap()), "{first}");
        let mode = |path: &Path| {
            let found = std::fs::metadata(path).unwrap();
            found.permissions().mode() & 0o7777
        };
        assert_eq!(mode(Path::new(&first)), 0o1777);
        assert_eq!(mode(Path::new(&first).parent().unwrap()), 0o700);
        assert!(is_ours(&first));
        std::fs::remove_dir(&first).unwrap();
        std::os::unix::fs::symlink("/etc", &first).unwrap();
        assert!(!is_ours(&first));
    }

    #[test]
    fn two_dynamic_users_never_have_one_number_and_one_name_has_one() {
        let mut private = Private::default();
        let accounts = Accounts::parse("taken:x:61190:1::/:\nreal:x:9:9::/:", "group:x:61191:");
        // All numbers but a few are taken, so that the first choices collide.
        for uid in (FIRST_UID..FIRST_UID + UIDS - 5).filter(|uid| ![61190, 61191].contains(uid)) {
            let unit = format!("taken{uid}.service");
            private.users.insert(unit.clone(), (unit, uid));
        }
        let mut numbers = BTreeSet::new();
        for number in 0..5 {
            let name = format!("user{number}");
            let uid = private.user(&format!("{name}.service"), &name, &accounts);
            numbers.insert(uid.unwrap().unwrap());
        }
        assert!(
            numbers
                .into_iter()
                .eq(FIRST_UID + UIDS - 5..FIRST_UID + UIDS)
        );
        private.user("x.service", "x", &accounts).unwrap_err();
        let old = private.user("user0.service", "user0", &accounts).unwrap();
        let other = private.user("other.service", "user0", &accounts).unwrap();
        assert_eq!(old, other);
        assert_eq!(private.user("r.service", "real", &accounts).unwrap(), None);
        private.take_back("user1.service");
        private.user("x.service", "x", &accounts).unwrap();
    }
}
