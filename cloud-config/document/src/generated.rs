//! The texts of files that are made from sections and addresses.

use std::fmt::Write as _;

use crate::config::Variable;

/// `20-cloudinit.conf` of a unit; `None` without a variable.
#[must_use]
pub fn drop_in(variables: &[Variable]) -> Option<String> {
    if variables.is_empty() {
        return None;
    }
    let mut text = String::from("[Service]\n");
    for Variable { name, value, .. } in variables {
        // Backslash and quote would end the assignment; percent signs are the user's specifiers.
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        let _ = writeln!(text, "Environment=\"{name}={value}\"");
    }
    Some(text)
}

/// /run/flannel/options.env: no final newline, as the original has none.
#[must_use]
pub fn options_env(variables: &[Variable]) -> Option<String> {
    let lines: Vec<String> = variables
        .iter()
        .map(|v| format!("{}={}", v.name, v.value))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// /etc/coreos/update.conf from what was there: lines that begin with a name are replaced, missing
/// ones follow in alphabetical order.
#[must_use]
pub fn update_conf(template: &str, settings: &[Variable]) -> String {
    let mut missing: Vec<&Variable> = settings.iter().collect();
    missing.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for line in template.lines() {
        match settings.iter().find(|v| line.starts_with(&v.name)) {
            Some(setting) => {
                missing.retain(|v| v.name != setting.name);
                let _ = writeln!(text, "{}={}", setting.name, setting.value);
            }
            None => {
                let _ = writeln!(text, "{}", line.trim_end_matches('\r'));
            }
        }
    }
    for Variable { name, value, .. } in missing {
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// /etc/oem-release.
#[must_use]
pub fn oem_release(values: &[(String, String)]) -> Option<String> {
    let [id, version, name, home, bugs] = values else {
        return None;
    };
    Some(format!(
        "ID={}\nVERSION_ID={}\nNAME={}\nHOME_URL={}\nBUG_REPORT_URL={}\n",
        id.1,
        version.1,
        quoted(&name.1),
        quoted(&home.1),
        quoted(&bugs.1)
    ))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// /etc/hosts for `manage_etc_hosts: localhost`.
#[must_use]
pub fn hosts(host_name: &str) -> String {
    format!("127.0.0.1 localhost\n127.0.0.1 {host_name}\n::1 localhost\n")
}

/// /etc/hosts with a line for the machine's own name, so that sudo and others resolve it; `None`
/// when some line already has it.
#[must_use]
pub fn hosts_with_own_name(text: &str, host_name: &str) -> Option<String> {
    let short = host_name.split('.').next().unwrap_or(host_name);
    let own = if short == host_name {
        host_name.to_owned()
    } else {
        format!("{host_name} {short}")
    };
    let wanted = format!("127.0.1.1 {own}");
    let mut lines: Vec<&str> = text.lines().filter(|line| *line != wanted).collect();
    let known = lines.iter().any(|line| {
        let words = line.split('#').next().unwrap_or("");
        !words.starts_with("127.0.1.1")
            && words
                .split_whitespace()
                .skip(1)
                .any(|word| word == host_name)
    });
    if known || text.lines().any(|line| line == wanted) {
        return None;
    }
    lines.retain(|line| !line.starts_with("127.0.1.1 "));
    lines.push(&wanted);
    Some(lines.join("\n") + "\n")
}

/// /etc/environment with the addresses in it. An existing line is replaced in place and later ones
/// of the same name go; the rest stays as it is.
#[must_use]
pub fn environment(old: &str, variables: &[(&str, String)]) -> String {
    if variables.is_empty() {
        return old.to_owned();
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut text = String::new();
    for line in old.lines() {
        let found = variables.iter().find(|(name, _)| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        });
        match found {
            Some((name, _)) if seen.contains(name) => {}
            Some((name, value)) => {
                seen.push(name);
                let _ = writeln!(text, "{name}={value}");
            }
            None => {
                let _ = writeln!(text, "{}", line.trim_end_matches('\r'));
            }
        }
    }
    for (name, value) in variables {
        if !seen.contains(name) {
            let _ = writeln!(text, "{name}={value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: &str) -> Variable {
        Variable {
            name: name.into(),
            value: value.into(),
            line: 1,
        }
    }

    #[test]
    fn drop_ins_escape_quotes_and_keep_percent_signs() {
        let text = drop_in(&[variable("ETCD_NAME", r#"%H"\"#)]).unwrap();
        assert_eq!(text, "[Service]\nEnvironment=\"ETCD_NAME=%H\\\"\\\\\"\n");
        assert_eq!(drop_in(&[]), None);
    }

    #[test]
    fn update_conf_replaces_in_place_and_appends_sorted() {
        let settings = [
            variable("REBOOT_STRATEGY", "off"),
            variable("GROUP", "alpha"),
            variable("SERVER", "s"),
        ];
        let text = update_conf("# c\nGROUP=stable\n", &settings);
        assert_eq!(text, "# c\nGROUP=alpha\nREBOOT_STRATEGY=off\nSERVER=s\n");
        // Another boot changes nothing, also of a file with odd ends of lines.
        let text = update_conf("# c\r\r\n\r\r\n", &settings[..1]);
        assert_eq!(text, "# c\n\nREBOOT_STRATEGY=off\n");
        assert_eq!(update_conf(&text, &settings[..1]), text);
    }

    #[test]
    fn environment_keeps_foreign_lines_and_drops_later_duplicates() {
        let old = "A=1\r\nCOREOS_PRIVATE_IPV4=1\nB=2\nCOREOS_PRIVATE_IPV4=2";
        let new = environment(
            old,
            &[
                ("COREOS_PRIVATE_IPV4", "9".into()),
                ("COREOS_PUBLIC_IPV4", "8".into()),
            ],
        );
        assert_eq!(
            new,
            "A=1\nCOREOS_PRIVATE_IPV4=9\nB=2\nCOREOS_PUBLIC_IPV4=8\n"
        );
        assert_eq!(
            environment(&new, &[("COREOS_PUBLIC_IPV4", "8".into())]),
            new
        );
    }

    #[test]
    fn the_own_name_is_added_once() {
        let first = hosts_with_own_name("127.0.0.1 localhost\n", "n1").unwrap();
        assert_eq!(first, "127.0.0.1 localhost\n127.0.1.1 n1\n");
        assert_eq!(hosts_with_own_name(&first, "n1"), None);
        assert_eq!(
            hosts_with_own_name(&first, "n2.x").unwrap(),
            "127.0.0.1 localhost\n127.0.1.1 n2.x n2\n"
        );
        assert_eq!(hosts_with_own_name("10.0.0.1 n1\n", "n1"), None);
    }
}
