//! One condition answered, by facts that the host gives on demand.

use std::cmp::Ordering;

use super::{Condition, ConditionKind, compare_versions};

/// The machine that conditions ask about.
pub trait ConditionHost {
    /// Whether a test of a file holds: all kinds for which [`ConditionKind::is_path`] is true,
    /// `NeedsUpdate` (parameter `/etc` or `/var`) and `FirstBoot` (parameter empty) included.
    fn path(&self, kind: ConditionKind, parameter: &str) -> bool;
    /// The text of `/proc/cmdline` (or of the container's own).
    fn kernel_command_line(&self) -> String;
    /// `uname -r`
    fn kernel_release(&self) -> String;
    /// The id of the virtualization (`kvm`, `docker`, …), and whether it is a container; `None`
    /// on bare metal.
    fn virtualization(&self) -> Option<(String, bool)>;
    /// The architecture as systemd names it: `x86-64`, `arm64`.
    fn architecture(&self) -> String;
    /// The host name.
    fn host_name(&self) -> String;
    /// The machine id.
    fn machine_id(&self) -> String;
    /// Whether a security technology (`selinux`, `audit`, `tpm2`, `uefi-secureboot`, …) is on.
    fn security(&self, technology: &str) -> bool;
    /// Whether PID 1 has the capability (`CAP_…`) in its bounding set.
    fn capability(&self, name: &str) -> bool;
    /// Whether the machine is on mains power (true when nothing says otherwise).
    fn ac_power(&self) -> bool;
    /// PID 1's environment: the value of a variable.
    fn environment(&self, name: &str) -> Option<String>;
    /// A field of os-release.
    fn os_release(&self, field: &str) -> Option<String>;
    /// Bytes of memory.
    fn memory(&self) -> u64;
    /// How many CPUs.
    fn cpus(&self) -> u64;
    /// Whether a cgroup controller (`cpu`, `memory`, …) is available; `v2` for the unified tree.
    fn controller(&self, name: &str) -> bool;
    /// Whether a module is loaded or built in.
    fn kernel_module(&self, name: &str) -> bool;
    /// Whether a credential of this name was passed.
    fn credential(&self, name: &str) -> bool;
}

/// Whether a condition holds, negation included.
#[must_use]
pub fn evaluate(condition: &Condition, host: &dyn ConditionHost) -> bool {
    holds(condition.kind, &condition.parameter, host) != condition.negate
}

fn holds(kind: ConditionKind, parameter: &str, host: &dyn ConditionHost) -> bool {
    match kind {
        ConditionKind::KernelCommandLine => kernel_word(&host.kernel_command_line(), parameter),
        ConditionKind::KernelVersion => version(parameter, &host.kernel_release()),
        ConditionKind::Version => version_of(parameter, host),
        ConditionKind::KernelModuleLoaded => host.kernel_module(parameter),
        ConditionKind::Virtualization => virtualization(parameter, host.virtualization()),
        ConditionKind::Architecture => {
            let wanted = if parameter == "native" {
                host.architecture()
            } else {
                parameter.into()
            };
            wanted == host.architecture()
        }
        ConditionKind::Firmware => parameter == "uefi" && host.security("uefi"),
        ConditionKind::Host => {
            let id = parameter.replace('-', "").to_ascii_lowercase();
            id == host.machine_id() || crate::glob_matches(parameter, &host.host_name())
        }
        ConditionKind::Security => host.security(parameter),
        ConditionKind::Capability => host.capability(parameter),
        ConditionKind::AcPower => yes(parameter) == host.ac_power(),
        ConditionKind::FirstBoot => yes(parameter) == host.path(kind, ""),
        ConditionKind::User => matches!(parameter, "root" | "0" | "@system"),
        ConditionKind::Group => matches!(parameter, "root" | "0" | "@system"),
        ConditionKind::Environment => environment(parameter, host),
        ConditionKind::Credential => host.credential(parameter),
        ConditionKind::OsRelease => parameter
            .split_whitespace()
            .all(|one| os_release(one, host)),
        ConditionKind::Memory => amount(parameter, host.memory(), |text| {
            init_api::bytes::parse_bytes(text)
        }),
        ConditionKind::Cpus => amount(parameter, host.cpus(), |text| text.parse().ok()),
        ConditionKind::ControlGroupController => parameter
            .split_whitespace()
            .all(|name| host.controller(name)),
        // Without pressure information systemd lets these hold.
        ConditionKind::MemoryPressure | ConditionKind::CpuPressure | ConditionKind::IoPressure => {
            true
        }
        ConditionKind::CpuFeature => false,
        ConditionKind::PathExists
        | ConditionKind::PathExistsGlob
        | ConditionKind::PathIsDirectory
        | ConditionKind::PathIsSymbolicLink
        | ConditionKind::PathIsMountPoint
        | ConditionKind::PathIsReadWrite
        | ConditionKind::PathIsEncrypted
        | ConditionKind::PathIsSocket
        | ConditionKind::DirectoryNotEmpty
        | ConditionKind::FileNotEmpty
        | ConditionKind::FileIsExecutable
        | ConditionKind::NeedsUpdate => host.path(kind, parameter),
    }
}

fn yes(parameter: &str) -> bool {
    crate::value::boolean_of(parameter).unwrap_or(false)
}

/// A word of the command line; a parameter without `=` also matches `word=anything`.
fn kernel_word(command_line: &str, parameter: &str) -> bool {
    crate::words::split_relaxed(command_line)
        .iter()
        .any(|word| {
            word == parameter
                || (!parameter.contains('=')
                    && word
                        .strip_prefix(parameter)
                        .is_some_and(|rest| rest.starts_with('=')))
        })
}

type Test = fn(Ordering) -> bool;

/// A comparison at the start of a text, and what follows it.
fn operator(text: &str) -> Option<(Test, &str)> {
    // The longer first: `<=` begins with `<`.
    const OPERATORS: &[(&str, Test)] = &[
        ("<=", Ordering::is_le),
        (">=", Ordering::is_ge),
        ("!=", Ordering::is_ne),
        ("<>", Ordering::is_ne),
        ("==", Ordering::is_eq),
        ("<", Ordering::is_lt),
        (">", Ordering::is_gt),
        ("=", Ordering::is_eq),
    ];
    OPERATORS
        .iter()
        .find_map(|(sign, test)| Some((*test, text.strip_prefix(sign)?.trim_start())))
}

/// Every word of the parameter must hold: an operator with a version, or a glob.
fn version(parameter: &str, release: &str) -> bool {
    let mut words = parameter.split_whitespace();
    while let Some(word) = words.next() {
        let holds = match operator(word) {
            Some((test, wanted)) => {
                let wanted = if wanted.is_empty() {
                    words.next().unwrap_or("")
                } else {
                    wanted
                };
                test(compare_versions(release, wanted))
            }
            None => crate::glob_matches(word, release),
        };
        if !holds {
            return false;
        }
    }
    true
}

fn version_of(parameter: &str, host: &dyn ConditionHost) -> bool {
    match parameter.split_once(char::is_whitespace) {
        Some(("kernel", rest)) => version(rest, &host.kernel_release()),
        Some(("systemd", rest)) => version(rest, "252"),
        Some(_) => false,
        None => version(parameter, &host.kernel_release()),
    }
}

fn virtualization(parameter: &str, found: Option<(String, bool)>) -> bool {
    if let Some(wanted) = crate::value::boolean_of(parameter) {
        return wanted == found.is_some();
    }
    match (parameter, found) {
        ("vm", Some((_, container))) => !container,
        ("container", Some((_, container))) => container,
        (wanted, Some((id, _))) => wanted == id,
        (_, None) => false,
    }
}

fn environment(parameter: &str, host: &dyn ConditionHost) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) => host.environment(name).as_deref() == Some(value),
        None => host.environment(parameter).is_some(),
    }
}

fn os_release(expression: &str, host: &dyn ConditionHost) -> bool {
    let Some(at) = expression.find(['<', '>', '=', '!']) else {
        return false;
    };
    let (field, comparison) = expression.split_at(at);
    let found = host.os_release(field).unwrap_or_default();
    match operator(comparison) {
        Some((test, wanted)) => test(compare_versions(&found, wanted.trim_matches('"'))),
        None => false,
    }
}

fn amount(parameter: &str, found: u64, parse: impl Fn(&str) -> Option<u64>) -> bool {
    let (test, wanted) = operator(parameter).unwrap_or((Ordering::is_ge, parameter));
    parse(wanted).is_some_and(|wanted| test(found.cmp(&wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_words_match_whole_or_before_their_value() {
        let line = "ro quiet systemd.unit=rescue.target \"a b\"";
        for (parameter, wanted) in [
            ("quiet", true),
            ("qui", false),
            ("systemd.unit", true),
            ("systemd.unit=rescue.target", true),
            ("systemd.unit=other", false),
            ("a b", true),
        ] {
            assert_eq!(kernel_word(line, parameter), wanted, "{parameter}");
        }
    }

    #[test]
    fn versions_take_operators_and_globs() {
        for (parameter, wanted) in [
            (">=4.10", true),
            (">= 4.10 <7", true),
            ("<6.1", false),
            ("6.12.*", true),
            ("=6.12.3", true),
            ("!=6.12.3", false),
        ] {
            assert_eq!(version(parameter, "6.12.3"), wanted, "{parameter}");
        }
    }

    #[test]
    fn virtualization_asks_for_any_a_class_or_an_id() {
        let kvm = || Some(("kvm".to_owned(), false));
        for (parameter, wanted) in [
            ("yes", true),
            ("no", false),
            ("vm", true),
            ("container", false),
            ("kvm", true),
            ("xen", false),
        ] {
            assert_eq!(virtualization(parameter, kvm()), wanted, "{parameter}");
        }
        assert!(virtualization("no", None));
        assert!(!virtualization("vm", None));
    }

    #[test]
    fn amounts_compare_with_at_least_by_default() {
        let parse = init_api::bytes::parse_bytes;
        assert!(amount("1G", 2 << 30, parse));
        assert!(amount("<4G", 2 << 30, parse));
        assert!(!amount(">= 4G", 2 << 30, parse));
    }
}
