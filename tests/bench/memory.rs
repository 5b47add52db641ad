//! What the guest's memory goes to.

use qemu_harness::{HarnessError, Ssh};

use crate::peers;

/// One process.
struct Process {
    name: String,
    resident: f64,
    proportional: f64,
}

/// Memory of a running guest.
pub(crate) struct Memory {
    processes: Vec<Process>,
    used: f64,
}

/// Names of our programs as the kernel shows them (15 bytes), without etcd2, which has a line of its own.
const OURS: [&str; 5] = [
    "systemd",
    "init",
    "systemd-journal",
    "systemd-network",
    "coreos-cloudini",
];

const READ: &str = "sudo sh -c 'for p in /proc/[0-9]*; do [ -r $p/smaps_rollup ] || continue; \
    awk -v pid=${p#/proc/} -v name=\"$(cat $p/comm)\" \"/^Rss:/{r=\\$2} /^Pss:/{s=\\$2} \
    END{if (r) print pid, name, r, s}\" $p/smaps_rollup; done; echo used $(free -m | sed -n 2p)'";

/// Asks the guest.
pub(crate) fn read(ssh: &Ssh) -> Result<Memory, HarnessError> {
    let text = ssh.check(READ)?;
    let mut memory = Memory {
        processes: Vec::new(),
        used: 0.0,
    };
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0.0)
        };
        if words.first() == Some(&"used") {
            memory.used = number(3);
        } else if words.len() == 4 {
            let name = if words[0] == "1" {
                "PID 1".to_owned()
            } else {
                words[1].to_owned()
            };
            memory.processes.push(Process {
                name,
                resident: number(2),
                proportional: number(3),
            });
        }
    }
    Ok(memory)
}

/// Prints it beside the peer's.
pub(crate) fn print(memory: &Memory) {
    for process in &memory.processes {
        if process.name == "PID 1" {
            peers::row(
                "PID 1 resident, KiB",
                process.resident,
                peers::PID1_KIB,
                "aim: at most 3072",
            );
        }
    }
    let ours =
        |process: &&Process| process.name == "PID 1" || OURS.contains(&process.name.as_str());
    let sum = memory
        .processes
        .iter()
        .filter(ours)
        .map(|process| process.proportional)
        .sum();
    peers::row(
        "our system programs, PSS, KiB",
        sum,
        peers::SYSTEM_KIB,
        "Debian: systemd and its five daemons",
    );
    peers::row(
        "guest used, MiB",
        memory.used,
        peers::USED_MIB,
        "Debian: with Docker idle; aim: at most 64",
    );
    print_processes(memory);
}

/// Prints what Docker takes, idle and without containers.
pub(crate) fn print_docker(memory: &Memory) {
    peers::row(
        "guest used, MiB",
        memory.used,
        peers::USED_MIB,
        "Debian: with Docker idle",
    );
    print_processes(memory);
}

fn print_processes(memory: &Memory) {
    println!("  by process, resident KiB:");
    for process in &memory.processes {
        println!(
            "    {:<16} {:>8.0}  (PSS {:.0})",
            process.name, process.resident, process.proportional
        );
    }
}
