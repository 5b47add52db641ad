//! `GetUnitProcesses`: who is in a cgroup, with command lines.

use std::fs;

use dbus::Value;
use init_sys::cgroup::Cgroups;

/// Most processes in one answer.
const MAX: usize = 4096;

/// `a(sus)` of the cgroup and everything below it.
pub(super) fn list(cgroups: &Cgroups, path: &str) -> Value {
    let mut rows = Vec::new();
    collect(cgroups, path, &mut rows);
    Value::array("(sus)", rows)
}

fn collect(cgroups: &Cgroups, path: &str, rows: &mut Vec<Value>) {
    for pid in cgroups.processes(path).unwrap_or_default() {
        let Ok(number) = u32::try_from(pid) else {
            continue;
        };
        if rows.len() >= MAX {
            return;
        }
        // Threads of the kernel are nobody's processes; systemd leaves them out as well.
        if number > 0 && !init_sys::process::is_kernel_thread(pid) {
            rows.push(Value::Struct(vec![
                path.into(),
                number.into(),
                command_line(number).into(),
            ]));
        }
    }
    for child in cgroups.children(path) {
        collect(cgroups, &child, rows);
    }
}

/// The command line as a shell would take it; the name in brackets for processes without one.
pub(super) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    if text.trim_end_matches('\0').is_empty() {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("[{}]", comm.trim_end());
    }
    words
        .iter()
        .map(|word| quote(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quote(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || c.is_control() || "\"\\`$*?['()<>|&;!".contains(c);
    if !word.is_empty() && !word.contains(special) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' | '`' | '$' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_the_cgroups_below_are_listed_with_their_own_paths() {
        let tree = tempfile::tempdir().unwrap();
        let me = std::process::id();
        for path in ["a.slice", "a.slice/b.service", "a.slice/b.service/sub"] {
            std::fs::create_dir_all(tree.path().join(path)).unwrap();
            let text = if path.ends_with("sub") {
                format!("{me}\n")
            } else {
                String::new()
            };
            std::fs::write(tree.path().join(path).join("cgroup.procs"), text).unwrap();
        }
        let cgroups = Cgroups::at(tree.path());
        let row = Value::Struct(vec![
            "/a.slice/b.service/sub".into(),
            me.into(),
            command_line(me).into(),
        ]);
        for path in ["/", "/a.slice", "/a.slice/b.service"] {
            let expected = Value::array("(sus)", vec![row.clone()]);
            assert_eq!(list(&cgroups, path), expected, "{path}");
        }
    }

    #[test]
    fn words_that_a_shell_would_split_are_quoted() {
        assert_eq!(quote("sleep 1000 & true"), "\"sleep 1000 & true\"");
        assert_eq!(quote("--host=fd://"), "--host=fd://");
        assert_eq!(quote("a\"b"), "\"a\\\"b\"");
        assert_eq!(quote(""), "\"\"");
    }
}
