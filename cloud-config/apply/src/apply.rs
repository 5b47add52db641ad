//! Carries a plan out, item by item: what fails is said and the rest is done.
//!
//! On a running system it changes it; below another root, or offline, it writes files and records
//! what it would have asked PID 1 for.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cloud_config_document::config::{User, Variable};
use cloud_config_document::{Change, Diagnostic, generated};
use init_client::Manager;
use init_sys::accounts::Accounts;

use crate::commands::Queued;
use crate::files::{self, Written};
use crate::keys;
use crate::log;
use crate::report::Report;
use crate::state::{self, MASK, Manifest};

/// Where and how to act.
#[derive(Debug)]
pub(crate) struct Target {
    pub root: PathBuf,
    pub live: bool,
    pub key_name: String,
    pub workspace: PathBuf,
}

/// The state of carrying out.
pub(crate) struct Applier<'a> {
    target: &'a Target,
    report: &'a mut Report,
    manager: Option<Manager>,
    /// Units whose files could not be written: neither enabled nor started.
    spoiled: BTreeSet<String>,
    /// Active units with a changed file, which only a restart would pick up.
    changed: BTreeSet<String>,
    units_changed: bool,
    manifest: Manifest,
    queue: Vec<Queued>,
    scripts: usize,
}

impl std::fmt::Debug for Applier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("target", self.target)
            .finish_non_exhaustive()
    }
}

/// Carries out all changes in order; the commands are left to be handed over. `whole` says that the
/// changes are all that the user asks for: after a document that could not be read, what an earlier
/// one made must stay.
pub(crate) fn carry_out(
    changes: &[Change],
    whole: bool,
    target: &Target,
    report: &mut Report,
) -> Vec<Queued> {
    let mut applier = Applier {
        target,
        report,
        manager: None,
        spoiled: BTreeSet::new(),
        changed: BTreeSet::new(),
        units_changed: false,
        manifest: Manifest::default(),
        queue: Vec::new(),
        scripts: 0,
    };
    let mut placed = false;
    for change in changes {
        // Commands come last in a plan: before the first of them PID 1 must know the files.
        let late = matches!(
            change,
            Change::RestartNetworkd | Change::Command { .. } | Change::RunScript { .. }
        );
        if late && !placed {
            applier.finish_units(whole);
            placed = true;
        }
        applier.one(change);
    }
    if !placed {
        applier.finish_units(whole);
    }
    if applier.target.live {
        for unit in std::mem::take(&mut applier.changed) {
            applier.warn_if_active(&unit);
        }
    }
    applier.queue
}

impl Applier<'_> {
    fn error(&mut self, line: usize, message: String) {
        self.say(Diagnostic::error(line, message));
    }

    fn warning(&mut self, line: usize, message: String) {
        self.say(Diagnostic::warning(line, message));
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        log::diagnostic(&diagnostic);
        self.report.diagnostics.push(diagnostic);
    }

    fn one(&mut self, change: &Change) {
        match change {
            Change::SetHostname(name) => self.hostname(name),
            Change::AuthorizeKeys { user, keys } => self.keys(user, keys),
            Change::EnsureUser(user) => self.user(user),
            Change::WriteFile {
                path,
                content,
                mode,
                owner,
                line,
            } => {
                self.file(path, content, *mode, owner.as_deref(), *line);
            }
            Change::UpdateConf(settings) => self.update_conf(settings),
            Change::ManageHosts => self.hosts(),
            Change::MergeEnvironment(variables) => self.environment(variables),
            Change::WriteUnit {
                unit,
                path,
                content,
                line,
            } => self.unit_file(unit, path, content, *line),
            Change::Mask { path, line, .. } => self.mask(path, *line),
            Change::Unmask { path } => self.unmask(path),
            Change::Enable {
                unit,
                runtime,
                line,
            } => self.enable(unit, *runtime, *line),
            Change::RestartNetworkd => self.restart_networkd(),
            Change::Command {
                verb,
                unit,
                line,
                generated,
            } => {
                if !self.spoiled.contains(unit) {
                    self.report.actions.push(format!("{verb} {unit}"));
                    if verb.contains("restart") {
                        self.changed.remove(unit);
                    }
                    self.queue.push(Queued {
                        verb: verb.clone(),
                        unit: unit.clone(),
                        line: *line,
                        generated: *generated,
                    });
                }
            }
            Change::RunScript { text } => self.script(text),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        files::below(&self.target.root, path)
    }

    /// Writes one file and reports it; `None` when it failed.
    fn put(
        &mut self,
        path: &str,
        content: &[u8],
        mode: u32,
        owner: Option<(u32, u32)>,
        line: usize,
    ) -> Option<Written> {
        match files::write(&self.path(path), content, mode, owner) {
            Ok(written) => {
                self.report.files.push((
                    path.to_owned(),
                    format!("{mode:04o}"),
                    written.word().to_owned(),
                ));
                Some(written)
            }
            Err(error) => {
                self.error(line, format!("cannot write {path}: {error}"));
                None
            }
        }
    }

    fn hostname(&mut self, name: &str) {
        self.report.hostname = Some(name.to_owned());
        if self.target.live
            && let Err(error) = set_hostname(&self.target.root, name)
        {
            self.error(0, format!("cannot set the host name {name}: {error}"));
        }
    }

    fn keys(&mut self, user: &str, keys: &[String]) {
        self.report.ssh_keys.insert(user.to_owned(), keys.to_vec());
        match keys::install(&self.target.root, &self.target.key_name, user, keys) {
            Ok(done) => {
                let usable = keys.len().saturating_sub(done.unreadable.len());
                for key in done.unreadable {
                    self.warning(
                        0,
                        format!("ssh key of {user} is none that sshd reads: {key}…"),
                    );
                }
                if done.written != Written::Unchanged {
                    log::info(&format!("installed {usable} ssh keys for {user}"));
                }
            }
            // Recorded below another root, where users may not exist.
            Err(keys::KeyError::NoUser(_)) if !self.target.live => {}
            Err(error) => self.error(0, init_api::chain(&error)),
        }
    }

    fn user(&mut self, user: &User) {
        let accounts = Accounts::read(&self.target.root).unwrap_or_default();
        let exists = accounts
            .user(&user.name)
            .is_some_and(|found| found.name == user.name);
        if exists {
            if let Some(hash) = user.passwd.as_ref().filter(|_| self.target.live) {
                let input = format!("{}:{hash}\n", user.name);
                self.run(
                    Command::new("chpasswd").arg("-e"),
                    Some(&input),
                    user.line,
                    "set the password",
                );
            }
            return;
        }
        let words = user.useradd();
        self.report.useradd.push(shown_useradd(&words));
        if self.target.live {
            self.run(
                Command::new("useradd").args(&words),
                None,
                user.line,
                &format!("add user {}", user.name),
            );
        }
    }

    fn run(&mut self, command: &mut Command, input: Option<&str>, line: usize, what: &str) {
        let outcome = command
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
                    pipe.write_all(input.as_bytes())?;
                }
                child.wait_with_output()
            });
        match outcome {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                self.error(line, format!("cannot {what}: {text}"));
            }
            Err(error) => self.error(line, format!("cannot {what}: {error}")),
        }
    }

    fn file(&mut self, path: &str, content: &[u8], mode: u32, owner: Option<&str>, line: usize) {
        let owner = match owner {
            None => None,
            Some(text) => {
                let accounts = Accounts::read(&self.target.root).unwrap_or_default();
                match files::owner(text, &accounts) {
                    Ok(ids) => Some(ids),
                    Err(unknown) => {
                        self.error(
                            line,
                            format!("cannot write {path}: owner {text:?}: {unknown}"),
                        );
                        return;
                    }
                }
            }
        };
        self.put(path, content, mode, owner, line);
    }

    fn update_conf(&mut self, settings: &[Variable]) {
        let read = |path: &str| fs::read_to_string(self.path(path)).ok();
        let template =
            read("/etc/coreos/update.conf").or_else(|| read("/usr/share/coreos/update.conf"));
        let text = generated::update_conf(&template.unwrap_or_default(), settings);
        self.put("/etc/coreos/update.conf", text.as_bytes(), 0o644, None, 0);
    }

    fn hosts(&mut self) {
        let name = self.report.hostname.clone().unwrap_or_else(kernel_name);
        self.put(
            "/etc/hosts",
            generated::hosts(&name).as_bytes(),
            0o644,
            None,
            0,
        );
    }

    fn environment(&mut self, variables: &[(&'static str, String)]) {
        let old = fs::read_to_string(self.path("/etc/environment")).unwrap_or_default();
        let new = generated::environment(&old, variables);
        self.put("/etc/environment", new.as_bytes(), 0o644, None, 0);
    }

    fn unit_file(&mut self, unit: &str, path: &str, content: &str, line: usize) {
        match self.put(path, content.as_bytes(), 0o644, None, line) {
            None => {
                self.spoiled.insert(unit.to_owned());
            }
            Some(written) => {
                self.manifest
                    .made
                    .insert(path.to_owned(), state::mark(content.as_bytes()));
                if written != Written::Unchanged {
                    self.units_changed = true;
                    self.changed.insert(unit.to_owned());
                }
            }
        }
    }

    fn mask(&mut self, path: &str, line: usize) {
        let place = self.path(path);
        self.manifest.made.insert(path.to_owned(), MASK.to_owned());
        self.report.actions.push(format!("mask {path}"));
        if fs::read_link(&place).is_ok_and(|target| target == Path::new("/dev/null")) {
            self.report
                .files
                .push((path.to_owned(), "link".into(), "unchanged".into()));
            return;
        }
        let made = place
            .parent()
            .map_or(Ok(()), files::make_folder)
            .and_then(|()| match fs::remove_file(&place) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => std::os::unix::fs::symlink("/dev/null", &place),
            });
        match made {
            Ok(()) => {
                self.units_changed = true;
                self.report
                    .files
                    .push((path.to_owned(), "link".into(), "changed".into()));
            }
            Err(error) => self.error(line, format!("cannot mask {path}: {error}")),
        }
    }

    fn unmask(&mut self, path: &str) {
        let place = self.path(path);
        let link = fs::read_link(&place).is_ok_and(|target| target == Path::new("/dev/null"));
        let empty =
            fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_file() && meta.len() == 0);
        if link || empty {
            match fs::remove_file(&place) {
                Ok(()) => {
                    self.units_changed = true;
                    self.report
                        .files
                        .push((path.to_owned(), "link".into(), "removed".into()));
                }
                Err(error) => self.error(0, format!("cannot remove the mask {path}: {error}")),
            }
        }
    }

    fn enable(&mut self, unit: &str, runtime: bool, line: usize) {
        if self.spoiled.contains(unit) {
            return;
        }
        self.report.actions.push(format!(
            "{} {unit}",
            if runtime { "enable-runtime" } else { "enable" }
        ));
        if !self.target.live {
            return;
        }
        let answer = self
            .pid1()
            .map(|manager| manager.enable_unit_files(&[unit], runtime, true));
        match answer {
            None => self.error(
                line,
                format!("cannot enable {unit}: PID 1 cannot be reached"),
            ),
            Some(Err(error)) => {
                self.error(
                    line,
                    format!("cannot enable {unit}: {}", init_api::chain(&error)),
                );
            }
            Some(Ok((false, _))) => {
                self.warning(
                    line,
                    format!("{unit} has no [Install] section: enable has no effect"),
                );
            }
            Some(Ok((true, changes))) => {
                self.units_changed |= !changes.is_empty();
                let kind = if runtime { "enable-runtime" } else { "enable" };
                self.manifest
                    .made
                    .insert(format!("{kind} {unit}"), String::new());
            }
        }
    }

    fn disable(&mut self, unit: &str, runtime: bool) {
        match self
            .pid1()
            .map(|manager| manager.disable_unit_files(&[unit], runtime))
        {
            None => self.error(0, format!("cannot disable {unit}: PID 1 cannot be reached")),
            Some(Err(error)) => self.error(
                0,
                format!("cannot disable {unit}: {}", init_api::chain(&error)),
            ),
            Some(Ok(changes)) => {
                log::info(&format!(
                    "disabled {unit}: the document does not ask for it any more"
                ));
                self.units_changed |= !changes.is_empty();
            }
        }
    }

    fn pid1(&mut self) -> Option<&mut Manager> {
        if self.manager.is_none() {
            match Manager::connect() {
                Ok(manager) => self.manager = Some(manager),
                Err(error) => log::error(&init_api::chain(&error)),
            }
        }
        self.manager.as_mut()
    }

    /// Removes what an earlier document made and this one does not ask for, then lets PID 1 read.
    fn finish_units(&mut self, whole: bool) {
        let mut old = Manifest::read(&self.target.workspace);
        if !whole {
            old.made.append(&mut self.manifest.made);
            self.manifest = old.clone();
        }
        if self.target.live {
            for (unit, runtime) in old.stale_enables(&self.manifest) {
                self.disable(&unit, runtime);
            }
        }
        for path in old.stale(&self.manifest, &self.target.root) {
            let shown = format!(
                "/{}",
                path.strip_prefix(&self.target.root)
                    .unwrap_or(&path)
                    .display()
            );
            match fs::remove_file(&path) {
                Ok(()) => {
                    log::info(&format!(
                        "removed {shown}: the document does not ask for it any more"
                    ));
                    self.units_changed = true;
                    self.report
                        .files
                        .push((shown, String::new(), "removed".into()));
                }
                Err(error) => self.error(0, format!("cannot remove {shown}: {error}")),
            }
        }
        if let Err(error) = self.manifest.write(&self.target.workspace) {
            self.error(
                0,
                format!(
                    "cannot keep the manifest in {}: {error}",
                    self.target.workspace.display()
                ),
            );
        }
        if !self.units_changed {
            return;
        }
        self.report.actions.push("daemon-reload".into());
        if !self.target.live {
            return;
        }
        match self.pid1().map(Manager::reload) {
            None => self.error(0, "cannot reload units: PID 1 cannot be reached".into()),
            Some(Err(error)) => self.error(
                0,
                format!("cannot reload units: {}", init_api::chain(&error)),
            ),
            Some(Ok(())) => {}
        }
    }

    fn restart_networkd(&mut self) {
        const UNIT: &str = "systemd-networkd.service";
        self.report.actions.push(format!("restart {UNIT}"));
        if self.target.live {
            // Not waited for: it keeps addresses while it restarts.
            match self
                .pid1()
                .map(|manager| manager.restart_unit(UNIT, "replace"))
            {
                None => self.error(0, format!("cannot restart {UNIT}: PID 1 cannot be reached")),
                Some(Err(error)) => {
                    self.error(
                        0,
                        format!("cannot restart {UNIT}: {}", init_api::chain(&error)),
                    );
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// A script becomes a unit of this boot, run with the others' commands.
    fn script(&mut self, text: &str) {
        self.report.scripts.push(text.to_owned());
        self.scripts += 1;
        let name = format!("coreos-cloudinit-script-{}", self.scripts);
        let place = self.target.workspace.join("scripts").join(&name);
        if let Err(error) = files::write(&place, text.as_bytes(), 0o700, None) {
            self.error(
                0,
                format!("cannot store the script {}: {error}", place.display()),
            );
            return;
        }
        if !self.target.live {
            return;
        }
        let unit = format!(
            "[Unit]\nDescription=Script of the user-data\n\n[Service]\nType=oneshot\nEnvironmentFile=-/etc/environment\nExecStart={}\n",
            place.display()
        );
        let path = format!("/run/systemd/system/{name}.service");
        if self.put(&path, unit.as_bytes(), 0o644, None, 0).is_some() {
            if let Some(Err(error)) = self.pid1().map(Manager::reload) {
                self.error(
                    0,
                    format!("cannot reload units: {}", init_api::chain(&error)),
                );
            }
            self.queue.push(Queued {
                verb: "start".into(),
                unit: format!("{name}.service"),
                line: 0,
                generated: false,
            });
        }
    }

    /// Rule E-13.
    fn warn_if_active(&mut self, unit: &str) {
        let active = self.pid1().and_then(|manager| {
            manager
                .unit_property(unit, "org.freedesktop.systemd1.Unit", "ActiveState")
                .ok()
        });
        if active.as_ref().and_then(|value| value.as_str()) == Some("active") {
            self.warning(
                0,
                format!("{unit} runs with its earlier configuration and needs a restart"),
            );
        }
    }
}

/// The arguments as they are shown; a password hash is a secret, a locked password is none.
fn shown_useradd(words: &[String]) -> String {
    let mut shown = vec!["useradd".to_owned()];
    let mut secret = false;
    for word in words {
        shown.push(if secret && word != "*" {
            "(hash)".into()
        } else {
            word.clone()
        });
        secret = word == "--password";
    }
    shown.join(" ")
}

fn kernel_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Sets the name now and for later boots, and makes it resolve.
///
/// # Errors
/// What the kernel or writing says.
pub(crate) fn set_hostname(root: &Path, name: &str) -> std::io::Result<()> {
    if kernel_name() != name {
        rustix::system::sethostname(name.as_bytes())?;
        log::info(&format!("host name {name}"));
    }
    files::write(
        &files::below(root, "/etc/hostname"),
        format!("{name}\n").as_bytes(),
        0o644,
        None,
    )?;
    let hosts = files::below(root, "/etc/hosts");
    let text = fs::read_to_string(&hosts)
        .unwrap_or_else(|_| "127.0.0.1 localhost\n::1 localhost\n".into());
    if let Some(new) = generated::hosts_with_own_name(&text, name) {
        let mode = fs::metadata(&hosts).map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
        files::write(&hosts, new.as_bytes(), mode, None)?;
    }
    Ok(())
}
