//! The text of one property, by its name and type (the forms of systemd 252).

use init_api::{Signal, TimeSpan, exit};
use init_client::Value;
use jiff::tz::TimeZone;

use crate::clock::stamp;

/// The texts of one property: one for most, one per element for lists of structures, none for an
/// empty list of structures that is shown as nothing at all.
pub(super) fn texts(name: &str, value: &Value, zone: &TimeZone) -> Vec<String> {
    if matches!(value.plain(), Value::Array(element, items) if items.is_empty() && element.as_str() != "s")
    {
        return empty_list(name);
    }
    let special = match name {
        _ if name.starts_with("Exec") && !value.items().is_empty() => commands(name, value, zone),
        "EnvironmentFiles" => each(value, |f| {
            format!("{} (ignore_errors={})", text(f.first()), yes_no(f.get(1)))
        }),
        "Listen" => each(value, |f| {
            format!("{} ({})", text(f.get(1)), text(f.first()))
        }),
        "Paths" | "TimersMonotonic" | "TimersCalendar" => each(value, |f| trigger(name, f, zone)),
        "DeviceAllow" => each(value, |f| format!("{} {}", text(f.first()), text(f.get(1)))),
        "IODeviceWeight"
        | "IOReadBandwidthMax"
        | "IOWriteBandwidthMax"
        | "IOReadIOPSMax"
        | "IOWriteIOPSMax"
        | "BlockIODeviceWeight"
        | "BlockIOReadBandwidth"
        | "BlockIOWriteBandwidth"
        | "IODeviceLatencyTargetUSec" => each(value, |f| {
            format!(
                "{} {}",
                text(f.first()),
                f.get(1).and_then(Value::as_u64).unwrap_or(0)
            )
        }),
        _ => Vec::new(),
    };
    if special.is_empty() {
        one(name, value, zone).into_iter().collect()
    } else {
        special
    }
}

/// Lists of structures that have a form vanish when they are empty; the others keep their place.
fn empty_list(name: &str) -> Vec<String> {
    let vanishes = name.starts_with("Exec")
        || name.starts_with("Timers")
        || name.starts_with("IO")
        || name.starts_with("BlockIO")
        || matches!(
            name,
            "EnvironmentFiles" | "Listen" | "Paths" | "DeviceAllow"
        );
    if vanishes {
        Vec::new()
    } else {
        vec![String::new()]
    }
}

fn each(value: &Value, form: impl Fn(&[Value]) -> String) -> Vec<String> {
    value
        .items()
        .iter()
        .map(|item| form(item.items()))
        .collect()
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn yes_no(value: Option<&Value>) -> &'static str {
    if value.and_then(Value::as_bool) == Some(true) {
        "yes"
    } else {
        "no"
    }
}

fn one(name: &str, value: &Value, zone: &TimeZone) -> Option<String> {
    Some(match value.plain() {
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Str(text) | Value::Path(text) => text.clone(),
        Value::Uint64(n) => wide(name, *n, zone),
        Value::Uint32(n) => {
            if name.contains("Mode") || name.contains("UMask") {
                format!("{n:04o}")
            } else if matches!(name, "UID" | "GID") && *n == u32::MAX {
                "[not set]".into()
            } else {
                n.to_string()
            }
        }
        Value::Uint16(n) if matches!(name, "TTYRows" | "TTYColumns") && *n == u16::MAX => {
            String::new()
        }
        Value::Uint16(n) => n.to_string(),
        Value::Byte(n) => n.to_string(),
        Value::Int16(n) => n.to_string(),
        Value::Int32(n) => int(name, *n),
        Value::Int64(n) => n.to_string(),
        Value::Double(n) => n.to_string(),
        Value::Bytes(bytes) => {
            if name.ends_with("CPUs")
                || name.ends_with("MemoryNodes")
                || matches!(name, "CPUAffinity" | "NUMAMask")
            {
                ranges(bytes)
            } else {
                bytes.iter().map(|b| format!("{b:02x}")).collect()
            }
        }
        Value::Array(element, items) if matches!(element.as_str(), "s" | "o") => {
            let strings = items.iter().filter_map(Value::as_str);
            strings.map(quote).collect::<Vec<_>>().join(" ")
        }
        Value::Struct(fields) => structure(name, fields)?,
        Value::Array(_, items) if items.is_empty() => String::new(),
        _ => "[unprintable]".into(),
    })
}

fn int(name: &str, n: i32) -> String {
    match name {
        "IOSchedulingClass" | "CPUSchedulingPolicy" | "SyslogPriority" => n.to_string(),
        "FailureActionExitStatus" | "SuccessActionExitStatus" if n < 0 => String::new(),
        "NUMAPolicy" => if n < 0 { "n/a" } else { "default" }.to_owned(),
        _ => n.to_string(),
    }
}

fn structure(name: &str, fields: &[Value]) -> Option<String> {
    match name {
        "Job" => {
            let id = fields.first().and_then(Value::as_u64).unwrap_or(0);
            Some(if id > 0 {
                id.to_string()
            } else {
                String::new()
            })
        }
        "Unit" => Some(text(fields.first()).to_owned()),
        "LoadError" => {
            let (id, message) = (text(fields.first()), text(fields.get(1)));
            Some(if id.is_empty() {
                String::new()
            } else {
                format!("{id} \"{message}\"")
            })
        }
        "SuccessExitStatus" | "RestartPreventExitStatus" | "RestartForceExitStatus" => {
            let statuses = fields.first().map(Value::items).unwrap_or_default();
            let signals = fields.get(1).map(Value::items).unwrap_or_default();
            let mut words: Vec<String> = statuses
                .iter()
                .filter_map(Value::as_i64)
                .map(|n| n.to_string())
                .collect();
            let names = signals
                .iter()
                .filter_map(|v| Signal::new(i32::try_from(v.as_i64()?).ok()?));
            words.extend(names.map(|s| s.to_string()));
            Some(words.join(" "))
        }
        "RestrictNetworkInterfaces" if fields.get(1).is_some_and(|v| v.items().is_empty()) => {
            Some(String::new())
        }
        "SystemCallFilter"
        | "SystemCallLog"
        | "RestrictAddressFamilies"
        | "RestrictFileSystems" => {
            let allow = fields.first().and_then(Value::as_bool) == Some(true);
            let list = fields.get(1).map(Value::as_strings).unwrap_or_default();
            let sign = if allow || list.is_empty() { "" } else { "~" };
            Some(format!("{sign}{}", list.join(" ")))
        }
        "SELinuxContext" | "AppArmorProfile" | "SmackProcessLabel" => {
            let ignore = fields.first().and_then(Value::as_bool) == Some(true);
            Some(format!(
                "{}{}",
                if ignore { "-" } else { "" },
                text(fields.get(1))
            ))
        }
        _ => Some("[unprintable]".into()),
    }
}

fn wide(name: &str, n: u64, zone: &TimeZone) -> String {
    let never = n == u64::MAX;
    match name {
        "NextElapseUSecRealtime" | "LastTriggerUSec" => stamp(n, zone),
        _ if name.ends_with("Timestamp") => stamp(n, zone),
        _ if name.ends_with("TimestampMonotonic") => n.to_string(),
        _ if name.contains("USec") => TimeSpan::from_micros(n).format(1),
        "CapabilityBoundingSet" | "AmbientCapabilities" => capabilities(n),
        "RestrictNamespaces" => namespaces(n),
        "MountFlags" => propagation(n).to_owned(),
        "CoredumpFilter" => format!("0x{n:x}"),
        _ if !never => n.to_string(),
        _ if name.starts_with("IP") => "[no data]".into(),
        _ if name.starts_with("IORead") || name.starts_with("IOWrite") => n.to_string(),
        "MemoryMax" | "MemoryHigh" | "MemorySwapMax" | "MemoryLimit" | "TasksMax"
        | "DefaultTasksMax" | "MemoryMin" | "MemoryLow" | "MemoryAvailable" => "infinity".into(),
        _ if name.starts_with("Limit") || name.starts_with("DefaultLimit") => "infinity".into(),
        _ => "[not set]".into(),
    }
}

fn propagation(flags: u64) -> &'static str {
    match flags {
        0x10_0000 => "shared",
        0x8_0000 => "slave",
        0x4_0000 => "private",
        _ => "",
    }
}

const NAMESPACES: [(&str, u64); 7] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

fn namespaces(flags: u64) -> String {
    let all = NAMESPACES.iter().fold(0, |sum, (_, bit)| sum | bit);
    match flags {
        0 => "yes".into(),
        _ if flags & all == all => "no".into(),
        _ => {
            let set = NAMESPACES
                .iter()
                .filter(|(_, bit)| flags & bit != 0)
                .map(|(name, _)| *name);
            set.collect::<Vec<_>>().join(" ")
        }
    }
}

/// capabilities(7), by number.
const CAPABILITIES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

fn capabilities(set: u64) -> String {
    let names = CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| set & (1 << bit) != 0);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// A bit mask as `0-3 5`.
fn ranges(bytes: &[u8]) -> String {
    let set: Vec<usize> = (0..bytes.len() * 8)
        .filter(|bit| {
            bytes
                .get(bit / 8)
                .is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
        })
        .collect();
    let mut out: Vec<(usize, usize)> = Vec::new();
    for bit in set {
        match out.last_mut() {
            Some((_, to)) if *to + 1 == bit => *to = bit,
            _ => out.push((bit, bit)),
        }
    }
    let part = |(from, to): &(usize, usize)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    };
    out.iter().map(part).collect::<Vec<_>>().join(" ")
}

/// A word that would not survive splitting is put into double quotes.
fn quote(word: &str) -> String {
    let needs = |c: char| c.is_whitespace() || "\"\\`$'*?[]()<>|&;!".contains(c);
    if !word.is_empty() && !word.contains(needs) {
        return word.to_owned();
    }
    let mut out = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' | '`' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn trigger(name: &str, fields: &[Value], zone: &TimeZone) -> String {
    let kind = text(fields.first());
    match name {
        "TimersMonotonic" => {
            let span = |at: usize| {
                let micros = fields.get(at).and_then(Value::as_u64).unwrap_or(0);
                TimeSpan::from_micros(micros).format(1)
            };
            format!("{{ {kind}={} ; next_elapse={} }}", span(1), span(2))
        }
        "TimersCalendar" => {
            let next = stamp(fields.get(2).and_then(Value::as_u64).unwrap_or(0), zone);
            let next = if next.is_empty() {
                "(null)".to_owned()
            } else {
                next
            };
            format!("{{ {kind}={} ; next_elapse={next} }}", text(fields.get(1)))
        }
        _ => format!("{} ({kind})", text(fields.get(1))),
    }
}

/// `{ path=… ; argv[]=… ; … }` for each command of an Exec list.
fn commands(name: &str, value: &Value, zone: &TimeZone) -> Vec<String> {
    each(value, |f| {
        let [path, argv, ignore, start, _, stop, _, pid, code, status] = f else {
            return "[unprintable]".into();
        };
        let time = |v: &Value| {
            let text = stamp(v.as_u64().unwrap_or(0), zone);
            if text.is_empty() {
                "n/a".to_owned()
            } else {
                text
            }
        };
        let flags = if name.ends_with("Ex") {
            format!("flags={}", ignore.as_strings().join(" "))
        } else {
            format!("ignore_errors={}", yes_no(Some(ignore)))
        };
        let (word, detail) = ended(code.as_i64().unwrap_or(0), status.as_i64().unwrap_or(0));
        format!(
            "{{ path={} ; argv[]={} ; {flags} ; start_time=[{}] ; stop_time=[{}] ; pid={} ; code={word} ; status={}{detail} }}",
            text(Some(path)),
            argv.as_strings().join(" "),
            time(start),
            time(stop),
            pid.as_u64().unwrap_or(0),
            status.as_i64().unwrap_or(0),
        )
    })
}

fn ended(code: i64, status: i64) -> (&'static str, String) {
    let signal = || {
        i32::try_from(status)
            .ok()
            .and_then(Signal::new)
            .map_or_else(|| "/0".into(), |s| format!("/{}", s.name()))
    };
    match code {
        1 => {
            let name = u8::try_from(status)
                .ok()
                .filter(|s| *s >= 200)
                .and_then(exit::status_name);
            ("exited", name.map(|n| format!("/{n}")).unwrap_or_default())
        }
        2 => ("killed", signal()),
        3 => ("dumped", signal()),
        _ => ("(null)", "/0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "the tests read better")]
    fn shown(name: &str, value: Value) -> String {
        texts(name, &value, &TimeZone::UTC).join("|")
    }

    #[test]
    fn numbers_are_written_by_what_their_names_say() {
        assert_eq!(shown("TimeoutStartUSec", u64::MAX.into()), "infinity");
        assert_eq!(shown("TimeoutStopUSec", 90_000_000_u64.into()), "1min 30s");
        assert_eq!(shown("MemoryCurrent", u64::MAX.into()), "[not set]");
        assert_eq!(shown("MemoryMax", u64::MAX.into()), "infinity");
        assert_eq!(shown("ActiveEnterTimestamp", 0_u64.into()), "");
        assert_eq!(shown("UMask", 18_u32.into()), "0022");
        assert_eq!(
            shown("AmbientCapabilities", 0x401_u64.into()),
            "cap_chown cap_net_bind_service"
        );
        assert_eq!(shown("AllowedCPUs", Value::Bytes(vec![7, 2])), "0-2 9");
    }

    #[test]
    fn lists_are_quoted_where_splitting_would_break_them() {
        assert_eq!(
            shown("Environment", Value::strings(["FOO=bar", "BAZ=a b"])),
            "FOO=bar \"BAZ=a b\""
        );
        assert_eq!(shown("Names", Value::strings(Vec::<String>::new())), "");
    }

    #[test]
    fn a_command_that_has_not_run_says_so() {
        let command = Value::Struct(vec![
            "/bin/sh".into(),
            Value::strings(["/bin/sh", "-c", "true"]),
            false.into(),
            0_u64.into(),
            0_u64.into(),
            0_u64.into(),
            0_u64.into(),
            0_u32.into(),
            0_i32.into(),
            0_i32.into(),
        ]);
        assert_eq!(
            shown("ExecStart", Value::array("(sasbttttuii)", vec![command])),
            "{ path=/bin/sh ; argv[]=/bin/sh -c true ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }"
        );
    }
}
