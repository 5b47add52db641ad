//! The processes of a cgroup as a tree.

use std::collections::BTreeMap;

use crate::table::cut;

/// One process of `GetUnitProcesses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) cgroup: String,
    pub(crate) pid: u32,
    pub(crate) command: String,
}

#[derive(Debug, Default)]
struct Node<'a> {
    processes: Vec<&'a Process>,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// The tree below `root`, each line after `indent` blanks, lines cut to `width`.
pub(crate) fn render(
    root: &str,
    processes: &[Process],
    indent: usize,
    width: Option<usize>,
) -> String {
    let mut top = Node::default();
    for process in processes {
        let Some(below) = process.cgroup.strip_prefix(root.trim_end_matches('/')) else {
            continue;
        };
        let mut node = &mut top;
        for part in below.split('/').filter(|p| !p.is_empty()) {
            node = node.children.entry(part).or_default();
        }
        node.processes.push(process);
    }
    let mut out = String::new();
    draw(&mut top, &" ".repeat(indent), width, &mut out);
    out
}

fn draw(node: &mut Node<'_>, prefix: &str, width: Option<usize>, out: &mut String) {
    node.processes.sort_by_key(|p| p.pid);
    let digits = node.processes.last().map_or(0, |p| p.pid.to_string().len());
    let mut left = node.processes.len() + node.children.len();
    for process in &node.processes {
        left -= 1;
        let branch = if left == 0 { "└─" } else { "├─" };
        let line = format!(
            "{prefix}{branch}{:>digits$} {}",
            process.pid, process.command
        );
        out.push_str(&cut(&line, width));
        out.push('\n');
    }
    for (name, child) in &mut node.children {
        left -= 1;
        let (branch, below) = if left == 0 {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        out.push_str(&cut(&format!("{prefix}{branch}{name}"), width));
        out.push('\n');
        draw(child, &format!("{prefix}{below}"), width, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_come_by_pid_and_before_the_cgroups_below() {
        let process = |cgroup: &str, pid, command: &str| Process {
            cgroup: cgroup.into(),
            pid,
            command: command.into(),
        };
        let list = [
            process("/system.slice/b.service", 20, "sleep 1"),
            process("/system.slice/a.service/x", 7, "in"),
            process("/system.slice/a.service", 143, "sh"),
            process("/system.slice/a.service", 9, "init"),
            process("/other", 1, "no"),
        ];
        let want = "  ├─a.service\n  │ ├─  9 init\n  │ ├─143 sh\n  │ └─x\n  │   └─7 in\n  └─b.service\n    └─20 sleep 1\n";
        assert_eq!(render("/system.slice", &list, 2, None), want);
    }
}
