//! One property of the bus as lines of a unit file, by its name and its value's type.

use dbus::Value;
use init_api::{Signal, TimeSpan, UnitType};

/// One assignment with its section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) section: &'static str,
    pub(super) key: String,
    pub(super) value: String,
}

/// Properties of `[Unit]`; everything else belongs to the type's own section.
const OF_UNIT: &[&str] = &[
    "Description",
    "Documentation",
    "DefaultDependencies",
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "Before",
    "After",
    "OnFailure",
    "OnSuccess",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "StopPropagatedFrom",
    "RequiresMountsFor",
    "StopWhenUnneeded",
    "RefuseManualStart",
    "RefuseManualStop",
    "AllowIsolate",
    "IgnoreOnIsolate",
    "CollectMode",
    "OnFailureJobMode",
    "FailureAction",
    "SuccessAction",
    "StartLimitBurst",
    "StartLimitIntervalUSec",
    "JobTimeoutUSec",
    "JobRunningTimeoutUSec",
    "SourcePath",
];

/// Accepted and without a line: they are about the call, or have no meaning here.
const SILENT: &[&str] = &[
    "PIDs",
    "AddRef",
    "Controller",
    "BPFProgram",
    "Markers",
    "Names",
];

/// The lines that a property stands for; `None` when it is none that can be set. `fd` gives the
/// number of a descriptor that came with the call.
pub(super) fn lines(
    kind: UnitType,
    name: &str,
    value: &Value,
    fd: impl Fn(u32) -> Option<i32>,
) -> Option<Vec<Line>> {
    if SILENT.contains(&name) {
        return Some(Vec::new());
    }
    let section = if OF_UNIT.contains(&name) {
        "Unit"
    } else {
        section_of(kind)
    };
    let line = |key: &str, value: String| Line {
        section,
        key: key.to_owned(),
        value,
    };
    let one = |key: &str, value: String| Some(vec![line(key, value)]);
    match value {
        Value::Fd(index) => {
            let path = format!("/proc/1/fd/{}", fd(*index)?);
            match name {
                "StandardInputFileDescriptor" => one("StandardInput", format!("file:{path}")),
                "StandardOutputFileDescriptor" => one("StandardOutput", format!("append:{path}")),
                "StandardErrorFileDescriptor" => one("StandardError", format!("append:{path}")),
                _ => None,
            }
        }
        Value::Bool(yes) => one(name, if *yes { "yes" } else { "no" }.into()),
        Value::Str(text) | Value::Path(text) => {
            if text.contains('\n') {
                return None;
            }
            one(name, percent(text))
        }
        Value::Uint64(n) => wide(name, *n).map(|(key, value)| vec![line(&key, value)]),
        Value::Uint32(n) if name.ends_with("Mode") || name == "UMask" => {
            one(name, format!("{n:04o}"))
        }
        Value::Uint32(n) => one(name, n.to_string()),
        Value::Int32(n) if name.ends_with("Signal") => one(name, Signal::new(*n)?.to_string()),
        Value::Int32(n) => one(name, n.to_string()),
        Value::Int64(n) => one(name, n.to_string()),
        Value::Bytes(mask)
            if name.ends_with("CPUs") || name.ends_with("MemoryNodes") || name == "CPUAffinity" =>
        {
            one(name, numbers(mask))
        }
        Value::Array(element, items) => list(name, element.as_str(), items).map(|lines| {
            lines
                .into_iter()
                .map(|(key, value)| line(&key, value))
                .collect()
        }),
        Value::Struct(fields) => structure(name, fields).map(|value| vec![line(name, value)]),
        _ => None,
    }
}

fn section_of(kind: UnitType) -> &'static str {
    match kind {
        UnitType::Service => "Service",
        UnitType::Socket => "Socket",
        UnitType::Mount => "Mount",
        UnitType::Automount => "Automount",
        UnitType::Swap => "Swap",
        UnitType::Timer => "Timer",
        UnitType::Path => "Path",
        UnitType::Slice => "Slice",
        UnitType::Scope => "Scope",
        UnitType::Target | UnitType::Device => "Unit",
    }
}

/// A value as text that no specifier is seen in.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(text: &str) -> String {
    unit_file::words::quote(&percent(text))
}

fn wide(name: &str, n: u64) -> Option<(String, String)> {
    let never = n == u64::MAX;
    if name == "CPUQuotaPerSecUSec" {
        let value = if never {
            String::new()
        } else {
            format!("{}%", (n / 10_000).max(1))
        };
        return Some(("CPUQuota".into(), value));
    }
    if let Some(stem) = name.strip_suffix("USec") {
        let value = match (name, never) {
            ("CPUQuotaPeriodUSec", true) => String::new(),
            _ => TimeSpan::from_micros(n).format(1),
        };
        return Some((format!("{stem}Sec"), value));
    }
    if let Some(limit) = name.strip_prefix("Limit") {
        // The soft limit follows on its own and alone is no directive.
        if limit.ends_with("Soft") {
            return Some((
                name.trim_end_matches("Soft").into(),
                format!("{}:{}", amount(n), amount(n)),
            ));
        }
        return Some((name.into(), amount(n)));
    }
    if name.contains("Weight") || name.contains("Shares") {
        return Some((
            name.into(),
            if never { String::new() } else { n.to_string() },
        ));
    }
    let is_amount =
        name.starts_with("Memory") || name == "TasksMax" || name == "CapabilityBoundingSet";
    Some((
        name.into(),
        if is_amount { amount(n) } else { n.to_string() },
    ))
}

fn amount(n: u64) -> String {
    if n == u64::MAX {
        "infinity".into()
    } else {
        n.to_string()
    }
}

fn list(name: &str, element: &str, items: &[Value]) -> Option<Vec<(String, String)>> {
    let pair = |value: &Value| match value.items() {
        [first, second] => Some((first.clone(), second.clone())),
        _ => None,
    };
    match (name, element) {
        ("EnvironmentFiles", _) => items
            .iter()
            .map(|item| {
                let (path, optional) = pair(item)?;
                let dash = if optional.as_bool() == Some(true) {
                    "-"
                } else {
                    ""
                };
                Some((
                    "EnvironmentFile".to_owned(),
                    format!("{dash}{}", percent(path.as_str()?)),
                ))
            })
            .collect(),
        (_, "s") => {
            let words = items.iter().filter_map(Value::as_str);
            if items.is_empty() {
                return Some(vec![(name.to_owned(), String::new())]);
            }
            Some(vec![(
                name.to_owned(),
                words.map(quoted).collect::<Vec<_>>().join(" "),
            )])
        }
        (_, "(sasb)" | "(sasbttttuii)" | "(sasas)") => {
            let key = name.strip_suffix("Ex").unwrap_or(name);
            items
                .iter()
                .map(|item| Some((key.to_owned(), command(item.items())?)))
                .collect()
        }
        (_, "(ss)") if name == "DeviceAllow" => {
            let reset = items.is_empty().then(|| (name.to_owned(), String::new()));
            let rows = items.iter().map(|item| {
                let (device, access) = pair(item)?;
                Some((
                    name.to_owned(),
                    format!("{} {}", device.as_str()?, access.as_str()?),
                ))
            });
            reset.map(Some).into_iter().chain(rows).collect()
        }
        ("Paths", "(ss)") => items
            .iter()
            .map(|item| {
                let (kind, path) = pair(item)?;
                Some((kind.as_str()?.to_owned(), percent(path.as_str()?)))
            })
            .collect(),
        ("Listen", "(ss)") => items
            .iter()
            .map(|item| {
                let (kind, address) = pair(item)?;
                Some((
                    format!("Listen{}", kind.as_str()?),
                    percent(address.as_str()?),
                ))
            })
            .collect(),
        ("TimersMonotonic", "(st)") => items
            .iter()
            .map(|item| {
                let (kind, micros) = pair(item)?;
                let key = kind.as_str()?.replace("USec", "Sec");
                Some((key, TimeSpan::from_micros(micros.as_u64()?).format(1)))
            })
            .collect(),
        ("TimersCalendar", "(ss)") => items
            .iter()
            .map(|item| {
                let (kind, text) = pair(item)?;
                Some((kind.as_str()?.to_owned(), percent(text.as_str()?)))
            })
            .collect(),
        (_, "(st)") => items
            .iter()
            .map(|item| {
                let (path, n) = pair(item)?;
                Some((
                    name.to_owned(),
                    format!("{} {}", path.as_str()?, amount(n.as_u64()?)),
                ))
            })
            .collect(),
        (_, "(ssbt)") => items
            .iter()
            .map(|item| match item.items() {
                [source, target, optional, _] => {
                    let dash = if optional.as_bool() == Some(true) {
                        "-"
                    } else {
                        ""
                    };
                    Some((
                        name.to_owned(),
                        format!("{dash}{}:{}", source.as_str()?, target.as_str()?),
                    ))
                }
                _ => None,
            })
            .collect(),
        (_, "i") => {
            let words: Vec<String> = items
                .iter()
                .filter_map(Value::as_i64)
                .map(|n| n.to_string())
                .collect();
            Some(vec![(name.to_owned(), words.join(" "))])
        }
        // Lists of forms that nobody sends filled: empty ones change nothing.
        _ if items.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// `(path, argv, flags…)` as a command line. Variables are expanded as in a file.
fn command(fields: &[Value]) -> Option<String> {
    let [path, argv, flags, ..] = fields else {
        return None;
    };
    let path = path.as_str()?;
    let argv = argv.as_strings();
    let mut prefix = String::new();
    match flags {
        Value::Bool(true) => prefix.push('-'),
        Value::Array(..) => {
            for flag in flags.as_strings() {
                match flag.as_str() {
                    "ignore-failure" => prefix.push('-'),
                    "no-env-expand" => prefix.push(':'),
                    "privileged" => prefix.push('+'),
                    "no-setuid" => prefix.push('!'),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let mut words = Vec::new();
    if argv.first().is_some_and(|first| first != path) {
        prefix.push('@');
        words.push(quoted(path));
        words.extend(argv.iter().map(|word| quoted(word)));
    } else {
        words.push(quoted(path));
        words.extend(argv.iter().skip(1).map(|word| quoted(word)));
    }
    Some(format!("{prefix}{}", words.join(" ")))
}

fn structure(name: &str, fields: &[Value]) -> Option<String> {
    match (name, fields) {
        (
            "SuccessExitStatus" | "RestartPreventExitStatus" | "RestartForceExitStatus",
            [codes, signals],
        ) => {
            let codes = codes
                .items()
                .iter()
                .filter_map(Value::as_i64)
                .map(|n| n.to_string());
            let signals = signals
                .items()
                .iter()
                .filter_map(|v| Signal::new(i32::try_from(v.as_i64()?).ok()?));
            Some(
                codes
                    .chain(signals.map(|s| s.to_string()))
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        }
        ("SystemCallFilter" | "RestrictAddressFamilies", [allow, names]) => {
            let sign = if allow.as_bool() == Some(true) {
                ""
            } else {
                "~"
            };
            Some(format!("{sign}{}", names.as_strings().join(" ")))
        }
        _ => None,
    }
}

fn numbers(mask: &[u8]) -> String {
    let set = (0..mask.len() * 8).filter(|bit| {
        mask.get(bit / 8)
            .is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    });
    set.map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

/// The lines under their headings, in the order in which sections first appear.
pub(super) fn sections(lines: &[Line]) -> String {
    let mut order: Vec<&str> = Vec::new();
    for line in lines {
        if !order.contains(&line.section) {
            order.push(line.section);
        }
    }
    let mut out = String::new();
    for section in order {
        out.push_str(&format!("[{section}]\n"));
        for line in lines.iter().filter(|line| line.section == section) {
            out.push_str(&format!("{}={}\n", line.key, line.value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the tests read better")]
    fn shown(kind: UnitType, name: &str, value: Value) -> String {
        sections(
            &lines(kind, name, &value, |at| {
                Some(40 + i32::try_from(at).unwrap())
            })
            .unwrap(),
        )
    }

    #[test]
    fn properties_become_the_lines_that_a_file_would_have() {
        let service = |name, value| shown(UnitType::Service, name, value);
        assert_eq!(
            service("CPUWeight", 55_u64.into()),
            "[Service]\nCPUWeight=55\n"
        );
        assert_eq!(
            service("CPUQuotaPerSecUSec", 200_000_u64.into()),
            "[Service]\nCPUQuota=20%\n"
        );
        assert_eq!(
            service("MemoryMax", u64::MAX.into()),
            "[Service]\nMemoryMax=infinity\n"
        );
        assert_eq!(
            service("TimeoutStopUSec", 90_000_000_u64.into()),
            "[Service]\nTimeoutStopSec=1min 30s\n"
        );
        assert_eq!(
            service("Description", "100% a".into()),
            "[Unit]\nDescription=100%% a\n"
        );
        assert_eq!(
            service("Environment", Value::strings(["A=b", "C=d e"])),
            "[Service]\nEnvironment=A=b \"C=d e\"\n"
        );
        assert_eq!(
            service("KillSignal", 2_i32.into()),
            "[Service]\nKillSignal=SIGINT\n"
        );
        assert_eq!(service("PIDs", Value::array("u", vec![1_u32.into()])), "");
        assert_eq!(
            shown(UnitType::Scope, "Delegate", true.into()),
            "[Scope]\nDelegate=yes\n"
        );
        assert_eq!(
            service("StandardOutputFileDescriptor", Value::Fd(1)),
            "[Service]\nStandardOutput=append:/proc/1/fd/41\n"
        );
    }

    #[test]
    fn commands_keep_their_words() {
        let row = |argv: &[&str], ignore: bool| {
            Value::Struct(vec![
                "/bin/sh".into(),
                Value::strings(argv.iter().copied()),
                ignore.into(),
            ])
        };
        let list = Value::array(
            "(sasb)",
            vec![
                row(&["/bin/sh", "-c", "echo hi; exit 4"], false),
                row(&["sh", "x"], true),
            ],
        );
        assert_eq!(
            shown(UnitType::Service, "ExecStart", list),
            "[Service]\nExecStart=/bin/sh -c \"echo hi; exit 4\"\nExecStart=-@/bin/sh sh x\n"
        );
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        assert_eq!(
            lines(
                UnitType::Service,
                "X",
                &Value::variant(1_u32.into()),
                |_| None
            ),
            None
        );
        assert_eq!(
            lines(UnitType::Service, "Description", &"a\nb".into(), |_| None),
            None
        );
    }
}
