//! A cloud-config as it was understood: typed, with the line of each thing, mistakes left out.

/// A value and the line of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub line: usize,
}

/// One variable of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub value: String,
    pub line: usize,
}

/// An entry of `write_files`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute and clean.
    pub path: String,
    pub content: Vec<u8>,
    pub mode: u32,
    pub owner: Option<String>,
    pub line: usize,
}

/// A drop-in of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    pub name: String,
    pub content: String,
    pub line: usize,
}

/// An entry of `coreos.units`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one key of the entry"
)]
pub struct Unit {
    pub name: String,
    pub line: usize,
    pub content: Option<Spanned<String>>,
    pub drop_ins: Vec<DropIn>,
    pub mask: bool,
    pub enable: bool,
    pub runtime: bool,
    pub command: Option<Spanned<String>>,
    /// A part of its files was wrong: it must be neither enabled nor started.
    pub spoiled: bool,
}

impl<T> Default for Spanned<T>
where
    T: Default,
{
    fn default() -> Self {
        Self {
            value: T::default(),
            line: 0,
        }
    }
}

/// An entry of `users`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one key of the entry"
)]
pub struct User {
    pub name: String,
    pub line: usize,
    pub passwd: Option<String>,
    pub keys: Vec<String>,
    pub gecos: Option<String>,
    pub homedir: Option<String>,
    pub no_create_home: bool,
    pub primary_group: Option<String>,
    pub groups: Vec<String>,
    pub no_user_group: bool,
    pub system: bool,
    pub no_log_init: bool,
    pub shell: Option<String>,
}

impl User {
    /// The words after `useradd`, in the original's order.
    #[must_use]
    pub fn useradd(&self) -> Vec<String> {
        let mut words = vec![
            "--password".to_owned(),
            self.passwd.clone().unwrap_or_else(|| "*".into()),
        ];
        let mut option = |flag: &str, value: &Option<String>| {
            if let Some(value) = value {
                words.extend([flag.to_owned(), value.clone()]);
            }
        };
        option("--comment", &self.gecos);
        option("--home-dir", &self.homedir);
        words.push(
            if self.no_create_home {
                "--no-create-home"
            } else {
                "--create-home"
            }
            .into(),
        );
        let mut option = |flag: &str, value: &Option<String>| {
            if let Some(value) = value {
                words.extend([flag.to_owned(), value.clone()]);
            }
        };
        option("--gid", &self.primary_group);
        option(
            "--groups",
            &(!self.groups.is_empty()).then(|| self.groups.join(",")),
        );
        for (set, flag) in [
            (self.no_user_group, "--no-user-group"),
            (self.system, "--system"),
            (self.no_log_init, "--no-log-init"),
        ] {
            if set {
                words.push(flag.into());
            }
        }
        if let Some(shell) = &self.shell {
            words.extend(["--shell".to_owned(), shell.clone()]);
        }
        words.push(self.name.clone());
        words
    }
}

/// The whole document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudConfig {
    pub hostname: Option<Spanned<String>>,
    pub keys: Vec<String>,
    pub users: Vec<User>,
    pub files: Vec<File>,
    /// True for `manage_etc_hosts: localhost`.
    pub manage_hosts: bool,
    pub etcd: Vec<Variable>,
    pub etcd2: Vec<Variable>,
    pub fleet: Vec<Variable>,
    pub locksmith: Vec<Variable>,
    pub flannel: Vec<Variable>,
    pub update: Vec<Variable>,
    /// `id`, `version_id`, `name`, `home_url`, `bug_report_url`; empty without an id.
    pub oem: Vec<(String, String)>,
    pub units: Vec<Unit>,
}

impl CloudConfig {
    /// The variables of a section with a drop-in, by its name.
    #[must_use]
    pub fn section(&self, name: &str) -> &[Variable] {
        match name {
            "etcd" => &self.etcd,
            "etcd2" => &self.etcd2,
            "fleet" => &self.fleet,
            "locksmith" => &self.locksmith,
            "flannel" => &self.flannel,
            "update" => &self.update,
            _ => &[],
        }
    }
}
