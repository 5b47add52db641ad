//! set-property, and `NAME=VALUE` texts as the typed values that PID 1 takes (also for
//! systemd-run's `-p`).

use init_api::{Signal, TimeSpan, UnitType, bytes::parse_bytes};
use init_client::Value;

use super::{Context, Failure, names};

/// How a property's text becomes a value.
#[derive(Debug, Clone, Copy)]
enum Form {
    Bool,
    Text,
    Words,
    Bytes,
    Weight,
    Tasks,
    Quota,
    Span(&'static str),
    Int,
    Octal,
    Signal,
    Limit,
    Delegate,
    Devices,
    PerDevice,
    Cpus,
    Exec,
    Files,
}

const FORMS: &[(&str, Form)] = &[
    ("CPUAccounting", Form::Bool),
    ("MemoryAccounting", Form::Bool),
    ("IOAccounting", Form::Bool),
    ("BlockIOAccounting", Form::Bool),
    ("TasksAccounting", Form::Bool),
    ("IPAccounting", Form::Bool),
    ("RemainAfterExit", Form::Bool),
    ("DefaultDependencies", Form::Bool),
    ("PrivateTmp", Form::Bool),
    ("PrivateDevices", Form::Bool),
    ("PrivateNetwork", Form::Bool),
    ("NoNewPrivileges", Form::Bool),
    ("DynamicUser", Form::Bool),
    ("SendSIGHUP", Form::Bool),
    ("SendSIGKILL", Form::Bool),
    ("IgnoreSIGPIPE", Form::Bool),
    ("StopWhenUnneeded", Form::Bool),
    ("RefuseManualStart", Form::Bool),
    ("RefuseManualStop", Form::Bool),
    ("ProtectKernelTunables", Form::Bool),
    ("ProtectKernelModules", Form::Bool),
    ("ProtectControlGroups", Form::Bool),
    ("GuessMainPID", Form::Bool),
    ("Persistent", Form::Bool),
    ("Description", Form::Text),
    ("Slice", Form::Text),
    ("Type", Form::Text),
    ("Restart", Form::Text),
    ("User", Form::Text),
    ("Group", Form::Text),
    ("WorkingDirectory", Form::Text),
    ("RootDirectory", Form::Text),
    ("DevicePolicy", Form::Text),
    ("OOMPolicy", Form::Text),
    ("KillMode", Form::Text),
    ("NotifyAccess", Form::Text),
    ("PIDFile", Form::Text),
    ("StandardInput", Form::Text),
    ("StandardOutput", Form::Text),
    ("StandardError", Form::Text),
    ("TTYPath", Form::Text),
    ("SyslogIdentifier", Form::Text),
    ("ProtectSystem", Form::Text),
    ("ProtectHome", Form::Text),
    ("CollectMode", Form::Text),
    ("RuntimeDirectoryPreserve", Form::Text),
    ("Environment", Form::Words),
    ("PassEnvironment", Form::Words),
    ("UnsetEnvironment", Form::Words),
    ("EnvironmentFile", Form::Files),
    ("Requires", Form::Words),
    ("Requisite", Form::Words),
    ("Wants", Form::Words),
    ("BindsTo", Form::Words),
    ("PartOf", Form::Words),
    ("Conflicts", Form::Words),
    ("Before", Form::Words),
    ("After", Form::Words),
    ("OnFailure", Form::Words),
    ("OnSuccess", Form::Words),
    ("Documentation", Form::Words),
    ("SupplementaryGroups", Form::Words),
    ("ReadWritePaths", Form::Words),
    ("ReadOnlyPaths", Form::Words),
    ("InaccessiblePaths", Form::Words),
    ("RuntimeDirectory", Form::Words),
    ("StateDirectory", Form::Words),
    ("CacheDirectory", Form::Words),
    ("LogsDirectory", Form::Words),
    ("ConfigurationDirectory", Form::Words),
    ("MemoryMin", Form::Bytes),
    ("MemoryLow", Form::Bytes),
    ("MemoryHigh", Form::Bytes),
    ("MemoryMax", Form::Bytes),
    ("MemorySwapMax", Form::Bytes),
    ("MemoryLimit", Form::Bytes),
    ("CPUWeight", Form::Weight),
    ("StartupCPUWeight", Form::Weight),
    ("CPUShares", Form::Weight),
    ("StartupCPUShares", Form::Weight),
    ("IOWeight", Form::Weight),
    ("StartupIOWeight", Form::Weight),
    ("BlockIOWeight", Form::Weight),
    ("TasksMax", Form::Tasks),
    ("CPUQuota", Form::Quota),
    ("CPUQuotaPeriodSec", Form::Span("CPUQuotaPeriodUSec")),
    ("RuntimeMaxSec", Form::Span("RuntimeMaxUSec")),
    ("RestartSec", Form::Span("RestartUSec")),
    ("TimeoutStartSec", Form::Span("TimeoutStartUSec")),
    ("TimeoutStopSec", Form::Span("TimeoutStopUSec")),
    ("TimeoutSec", Form::Span("TimeoutUSec")),
    ("WatchdogSec", Form::Span("WatchdogUSec")),
    ("AccuracySec", Form::Span("AccuracyUSec")),
    ("RandomizedDelaySec", Form::Span("RandomizedDelayUSec")),
    ("Nice", Form::Int),
    ("OOMScoreAdjust", Form::Int),
    ("UMask", Form::Octal),
    ("RuntimeDirectoryMode", Form::Octal),
    ("StateDirectoryMode", Form::Octal),
    ("KillSignal", Form::Signal),
    ("LimitCPU", Form::Limit),
    ("LimitFSIZE", Form::Limit),
    ("LimitDATA", Form::Limit),
    ("LimitSTACK", Form::Limit),
    ("LimitCORE", Form::Limit),
    ("LimitNOFILE", Form::Limit),
    ("LimitAS", Form::Limit),
    ("LimitNPROC", Form::Limit),
    ("LimitMEMLOCK", Form::Limit),
    ("Delegate", Form::Delegate),
    ("DeviceAllow", Form::Devices),
    ("IOReadBandwidthMax", Form::PerDevice),
    ("IOWriteBandwidthMax", Form::PerDevice),
    ("IOReadIOPSMax", Form::PerDevice),
    ("IOWriteIOPSMax", Form::PerDevice),
    ("AllowedCPUs", Form::Cpus),
    ("AllowedMemoryNodes", Form::Cpus),
    ("ExecStartPre", Form::Exec),
    ("ExecStart", Form::Exec),
    ("ExecStartPost", Form::Exec),
    ("ExecReload", Form::Exec),
    ("ExecStop", Form::Exec),
    ("ExecStopPost", Form::Exec),
];

/// One assignment as the properties it stands for.
pub(crate) fn parse(assignment: &str) -> Result<Vec<(String, Value)>, Failure> {
    let Some((name, text)) = assignment.split_once('=') else {
        return Err(Failure::new(format!("Not an assignment: {assignment}")));
    };
    let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == name) else {
        return Err(Failure::new(format!("Unknown assignment: {assignment}")));
    };
    value(*form, name, text)
        .ok_or_else(|| Failure::new(format!("Failed to parse {name}= value {text:?}")))
}

fn value(form: Form, name: &str, text: &str) -> Option<Vec<(String, Value)>> {
    let one = |value: Value| Some(vec![(name.to_owned(), value)]);
    match form {
        Form::Bool => one(boolean(text)?.into()),
        Form::Text => one(text.into()),
        Form::Words => one(Value::strings(words(text)?)),
        Form::Bytes => one(bytes(text)?.into()),
        Form::Weight if text.is_empty() => one(u64::MAX.into()),
        Form::Weight => one(text
            .parse::<u64>()
            .ok()
            .filter(|n| (1..=262_144).contains(n))?
            .into()),
        Form::Tasks if matches!(text, "" | "infinity") => one(u64::MAX.into()),
        Form::Tasks => one(text.parse::<u64>().ok()?.into()),
        Form::Quota if text.is_empty() => {
            Some(vec![("CPUQuotaPerSecUSec".into(), u64::MAX.into())])
        }
        Form::Quota => {
            let percent: u64 = text.strip_suffix('%')?.parse().ok().filter(|n| *n > 0)?;
            Some(vec![(
                "CPUQuotaPerSecUSec".into(),
                percent.checked_mul(10_000)?.into(),
            )])
        }
        Form::Span(wire) => Some(vec![(
            wire.into(),
            TimeSpan::parse(text).ok()?.as_micros().into(),
        )]),
        Form::Int => one(text.parse::<i32>().ok()?.into()),
        Form::Octal => one(u32::from_str_radix(text, 8).ok()?.into()),
        Form::Signal => one(text.parse::<Signal>().ok()?.number().into()),
        Form::Limit => {
            let (soft, hard) = text.split_once(':').unwrap_or((text, text));
            Some(vec![
                (name.into(), bytes(hard)?.into()),
                (format!("{name}Soft"), bytes(soft)?.into()),
            ])
        }
        Form::Delegate => match boolean(text) {
            Some(yes) => one(yes.into()),
            None => Some(vec![(
                "DelegateControllers".into(),
                Value::strings(words(text)?),
            )]),
        },
        Form::Devices => {
            let (path, access) = text.split_once(' ').unwrap_or((text, ""));
            let pair = Value::Struct(vec![path.into(), access.into()]);
            one(Value::array(
                "(ss)",
                if text.is_empty() { vec![] } else { vec![pair] },
            ))
        }
        Form::PerDevice => {
            let (path, amount) = text.split_once(' ')?;
            one(Value::array(
                "(st)",
                vec![Value::Struct(vec![
                    path.into(),
                    bytes(amount.trim())?.into(),
                ])],
            ))
        }
        Form::Cpus => one(Value::Bytes(cpu_bits(text)?)),
        Form::Exec => {
            let argv = words(text)?;
            let path = argv.first()?.clone();
            let command = Value::Struct(vec![path.into(), Value::strings(argv), false.into()]);
            one(Value::array("(sasb)", vec![command]))
        }
        Form::Files => {
            let (path, optional) = text
                .strip_prefix('-')
                .map_or((text, false), |path| (path, true));
            let files = Value::array(
                "(sb)",
                vec![Value::Struct(vec![path.into(), optional.into()])],
            );
            Some(vec![("EnvironmentFiles".into(), files)])
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<u64> {
    match text {
        "" | "infinity" => Some(u64::MAX),
        _ => parse_bytes(text),
    }
}

fn words(text: &str) -> Option<Vec<String>> {
    let words = unit_file::words::split(text, unit_file::words::Escapes::C).ok()?;
    Some(words.into_iter().map(|word| word.text).collect())
}

/// `0-3,5` as a little-endian bit mask.
fn cpu_bits(text: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for part in text.split([',', ' ']).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        if to > 8191 {
            return None;
        }
        for cpu in from..=to {
            if bits.len() <= cpu / 8 {
                bits.resize(cpu / 8 + 1, 0_u8);
            }
            if let Some(byte) = bits.get_mut(cpu / 8) {
                *byte |= 1 << (cpu % 8);
            }
        }
    }
    Some(bits)
}

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    let args = cx.options.args.clone();
    let Some((unit, assignments)) = args.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(Failure::new("Too few arguments."));
    };
    let unit = names::mangle(unit, UnitType::Service);
    let mut properties = Vec::new();
    for assignment in assignments {
        for (name, value) in parse(assignment)? {
            properties.push(Value::Struct(vec![name.into(), Value::variant(value)]));
        }
    }
    let runtime = cx.options.runtime;
    let body = vec![
        unit.as_str().into(),
        runtime.into(),
        Value::array("(sv)", properties),
    ];
    match cx.manager()?.call("SetUnitProperties", body) {
        Ok(_) => Ok(0),
        Err(error) => Err(Failure {
            code: super::exit_code(&error),
            text: format!(
                "Failed to set unit properties on {unit}: {}",
                init_api::chain(&error)
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_become_typed_values() {
        let one = |text| parse(text).unwrap().remove(0);
        assert_eq!(one("CPUWeight=55"), ("CPUWeight".into(), Value::Uint64(55)));
        assert_eq!(
            one("MemoryMax=1G"),
            ("MemoryMax".into(), Value::Uint64(1 << 30))
        );
        assert_eq!(
            one("CPUQuota=20%"),
            ("CPUQuotaPerSecUSec".into(), Value::Uint64(200_000))
        );
        assert_eq!(
            one("TasksMax=infinity"),
            ("TasksMax".into(), Value::Uint64(u64::MAX))
        );
        assert_eq!(
            one("AllowedCPUs=0-2,9"),
            ("AllowedCPUs".into(), Value::Bytes(vec![7, 2]))
        );
        assert_eq!(
            parse("Foo=1").unwrap_err().text,
            "Unknown assignment: Foo=1"
        );
    }
}
