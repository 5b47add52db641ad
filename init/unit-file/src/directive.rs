//! The table of directives: section and key → parser → field.
//!
//! One table per section, to be read beside the manual. Directives that systemd knows and that we
//! do not enforce are in the tables as `accept`: users' files must not be complained about for
//! hardening that this image leaves out.

use init_api::UnitType;

use crate::{
    Specifiers, UnitConfig,
    config::{KindConfig, Shared},
    value::{Input, Outcome, Refusal},
};

mod cgroup;
mod exec;
mod install;
mod kill;
mod mount;
mod nearest;
mod service;
mod socket;
mod trigger;
mod unit;

/// One row: the key and how its value gets into the section's struct.
#[derive(Clone, Copy)]
pub(crate) struct Directive<T> {
    name: &'static str,
    set: fn(&mut T, &mut Input<'_>) -> Outcome,
}

/// Builds a table: `"Key" => [field] parser`; an empty field path gives the parser the whole
/// section. `accepted` keys are known and do nothing.
macro_rules! table {
    ($table:ident: $config:ty {
        $($name:literal => [$($field:ident).*] $parser:expr,)*
    } accepted { $($accepted:literal,)* }) => {
        pub(super) static $table: &[$crate::directive::Directive<$config>] = &[
            $($crate::directive::Directive {
                name: $name,
                set: |config, input| $parser(&mut (*config)$(.$field)*, input),
            },)*
            $($crate::directive::Directive { name: $accepted, set: |_, _| Ok(()) },)*
        ];
    };
}
use table;

/// How an assignment went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// It is in force.
    Done,
    /// It is in force, with findings.
    Warned(Vec<String>),
    /// It is ignored, for this reason.
    Ignored(String),
    /// The unit cannot be used, for this reason.
    Fatal(String),
    /// The section is none that this kind of unit has.
    UnknownSection,
    /// The section has no such key; a key that may have been meant.
    UnknownKey(Option<String>),
}

/// Sets a directive of a unit: what a line of its file does, and `systemctl set-property`.
pub fn assign(
    config: &mut UnitConfig,
    specifiers: Specifiers<'_>,
    section: &str,
    key: &str,
    value: &str,
) -> Assigned {
    if section.starts_with("X-") || (key.starts_with("X-") && is_section(config, section)) {
        return Assigned::Done;
    }
    let mut input = Input {
        key,
        text: value,
        specifiers,
        warnings: Vec::new(),
    };
    let outcome = match section {
        "Unit" => set(unit::UNIT, &mut config.unit, &mut input),
        "Install" => set_shared(install::INSTALL, &mut config.install, &mut input),
        _ if is_section(config, section) => own(config, &mut input),
        _ => return Assigned::UnknownSection,
    };
    match outcome {
        None => Assigned::UnknownKey(nearest::nearest(key, &known(config, section))),
        Some(Ok(())) if input.warnings.is_empty() => Assigned::Done,
        Some(Ok(())) => Assigned::Warned(input.warnings),
        Some(Err(Refusal::Ignored(text))) => Assigned::Ignored(text),
        Some(Err(Refusal::Fatal(text))) => Assigned::Fatal(text),
    }
}

/// Every key of a section, for messages and completion.
#[must_use]
pub fn directives(kind: UnitType, section: &str) -> Vec<&'static str> {
    fn names<T>(table: &[Directive<T>]) -> impl Iterator<Item = &'static str> {
        table.iter().map(|row| row.name)
    }
    match section {
        "Unit" => return names(unit::UNIT).collect(),
        "Install" => return names(install::INSTALL).collect(),
        _ if kind.section() != Some(section) => return Vec::new(),
        _ => {}
    }
    let mut all: Vec<&'static str> = match kind {
        UnitType::Service => names(service::SERVICE)
            .chain(names(unit::IN_SERVICE))
            .collect(),
        UnitType::Socket => names(socket::SOCKET).collect(),
        UnitType::Mount => names(mount::MOUNT).collect(),
        UnitType::Automount => names(mount::AUTOMOUNT).collect(),
        UnitType::Swap => names(mount::SWAP).collect(),
        UnitType::Timer => names(trigger::TIMER).collect(),
        UnitType::Path => names(trigger::PATH).collect(),
        UnitType::Scope => names(service::SCOPE).collect(),
        UnitType::Target | UnitType::Device | UnitType::Slice => Vec::new(),
    };
    if kind.has_exec() {
        all.extend(names(exec::EXEC));
    }
    if kind.has_exec() || kind == UnitType::Scope {
        all.extend(names(kill::KILL));
    }
    if kind.has_cgroup() {
        all.extend(names(cgroup::CGROUP));
    }
    all
}

fn is_section(config: &UnitConfig, section: &str) -> bool {
    matches!(section, "Unit" | "Install") || config.name.kind().section() == Some(section)
}

fn known(config: &UnitConfig, section: &str) -> Vec<&'static str> {
    directives(config.name.kind(), section)
}

fn set<T>(table: &[Directive<T>], config: &mut T, input: &mut Input<'_>) -> Option<Outcome> {
    let row = table.iter().find(|row| row.name == input.key)?;
    Some((row.set)(config, input))
}

/// The same for a shared section, which is copied only if the key is in the table.
fn set_shared<T: Clone>(
    table: &[Directive<T>],
    config: &mut Shared<T>,
    input: &mut Input<'_>,
) -> Option<Outcome> {
    let row = table.iter().find(|row| row.name == input.key)?;
    Some((row.set)(config, input))
}

/// The section that only this kind has, and the shared tables that go with it.
fn own(config: &mut UnitConfig, input: &mut Input<'_>) -> Option<Outcome> {
    let kind = config.name.kind();
    let outcome = match &mut config.kind {
        KindConfig::Service(service) => set(service::SERVICE, service, input)
            .or_else(|| set(unit::IN_SERVICE, &mut config.unit, input)),
        KindConfig::Socket(socket) => set(socket::SOCKET, socket, input),
        KindConfig::Mount(mount) => set(mount::MOUNT, mount, input),
        KindConfig::Automount(automount) => set(mount::AUTOMOUNT, automount, input),
        KindConfig::Swap(swap) => set(mount::SWAP, swap, input),
        KindConfig::Timer(timer) => set(trigger::TIMER, timer, input),
        KindConfig::Path(path) => set(trigger::PATH, path, input),
        KindConfig::Scope(scope) => set(service::SCOPE, scope, input),
        KindConfig::Target | KindConfig::Device | KindConfig::Slice => None,
    };
    outcome
        .or_else(|| {
            kind.has_exec()
                .then(|| set_shared(exec::EXEC, &mut config.exec, input))
                .flatten()
        })
        .or_else(|| {
            let kills = kind.has_exec() || kind == UnitType::Scope;
            kills
                .then(|| set_shared(kill::KILL, &mut config.kill, input))
                .flatten()
        })
        .or_else(|| {
            kind.has_cgroup()
                .then(|| set_shared(cgroup::CGROUP, &mut config.cgroup, input))
                .flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_twice_in_what_a_unit_can_say() {
        for kind in UnitType::ALL {
            for section in ["Unit", "Install"].into_iter().chain(kind.section()) {
                let mut names = directives(*kind, section);
                names.sort_unstable();
                let twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).collect();
                assert!(twice.is_empty(), "{kind} [{section}] {twice:?}");
            }
        }
    }
}
