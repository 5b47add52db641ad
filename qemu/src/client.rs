//! The commands that talk to a cluster that is up.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use qemu_harness::pause::pause;
use qemu_harness::{Ssh, registry};
use serde_json::{Value, json};

use crate::arguments::{What, Which};
use crate::show::{self, Screen};
use crate::supervisor::SOCKET;

/// Runs one of them.
pub(crate) fn call(what: What) -> anyhow::Result<u8> {
    match what {
        What::Down { which } => down(&which),
        What::Ssh {
            which,
            node,
            command,
        } => ssh(&which, &node, &command),
        What::Console {
            which,
            node,
            follow,
            text,
        } => console(&which, &node, follow, text.as_deref()),
        What::Status { which, json } => {
            let status = status(&which)?;
            let text = if json {
                format!("{status:#}\n")
            } else {
                show::status(&status)
            };
            print!("{text}");
            Ok(0)
        }
        What::Logs {
            which,
            node,
            unit,
            lines,
            follow,
        } => {
            let mut words = format!("sudo -n journalctl --no-pager -b -n {lines}");
            if let Some(unit) = unit {
                words = format!("{words} -u {}", quoted(&unit));
            }
            if follow {
                words.push_str(" -f");
            }
            ssh(&which, &node, &[words])
        }
        What::Kill { which, nodes } => {
            for node in nodes {
                order(&which, &json!({ "order": "kill", "node": node }))?;
            }
            Ok(0)
        }
        What::Cut {
            which,
            nodes,
            one_way,
            delay,
            jitter,
            loss,
            rate,
            seed,
        } => order(
            &which,
            &json!({ "order": "cut", "nodes": nodes, "one_way": one_way, "delay": delay, "jitter": jitter,
                "loss": loss, "rate": rate, "seed": seed }),
        ),
        What::Heal { which } => order(&which, &json!({ "order": "heal" })),
        What::Start { which, node } => order(&which, &json!({ "order": "start", "node": node })),
        What::Add { which, node } => order(&which, &json!({ "order": "add", "node": node })),
        What::Images { folder } => images(&folder),
        What::Run(_)
        | What::Up(_)
        | What::Supervise(_)
        | What::Completion { .. }
        | What::Manual => Err(anyhow!("no command for a cluster that is up")),
    }
}

fn connect(which: &Which) -> anyhow::Result<UnixStream> {
    let folder = which.folder();
    let missing = || {
        format!(
            "no cluster is up in {}: start one with `qemu-cluster up{}`",
            folder.display(),
            which.words()
        )
    };
    // Socket names are limited to 107 bytes, whatever the folder's own length.
    let flags = i32::try_from((rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY).bits())?;
    let handle = File::options()
        .read(true)
        .custom_flags(flags)
        .open(&folder)
        .with_context(missing)?;
    let socket = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()));
    UnixStream::connect(socket).with_context(missing)
}

/// Gives an order, shows what is told meanwhile, and returns the last answer.
fn ask(which: &Which, request: &Value) -> anyhow::Result<(Value, bool)> {
    let stream = connect(which)?;
    writeln!(&stream, "{request}").context("the supervisor has ended")?;
    let mut screen = Screen::new(&[], std::io::stderr().is_terminal());
    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
        let value: Value = serde_json::from_str(&line).context("the supervisor speaks no JSON")?;
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            return Err(anyhow!("{error}"));
        }
        if value.get("done").is_some() {
            return Ok((value, !screen.failed()));
        }
        screen.tell(&value);
    }
    Err(anyhow!("the supervisor has ended"))
}

fn order(which: &Which, request: &Value) -> anyhow::Result<u8> {
    let (_, good) = ask(which, request)?;
    Ok(u8::from(!good))
}

fn status(which: &Which) -> anyhow::Result<Value> {
    Ok(ask(which, &json!({ "order": "status" }))?.0["status"].take())
}

/// Ends the cluster and waits until nothing of it is left.
fn down(which: &Which) -> anyhow::Result<u8> {
    let stream = connect(which)?;
    writeln!(&stream, "{}", json!({ "order": "down" })).context("the supervisor has ended")?;
    // It answers, and its end closes the connection.
    let mut rest = String::new();
    let _ = (&stream).read_to_string(&mut rest);
    for _ in 0..100 {
        if !which.folder().exists() {
            return Ok(0);
        }
        pause(Duration::from_millis(50));
    }
    Err(anyhow!("{} is still there", which.folder().display()))
}

fn find(which: &Which, node: &str) -> anyhow::Result<(Value, Value)> {
    let status = status(which)?;
    let nodes = status["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let number = node
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    let found = nodes
        .iter()
        .find(|one| one["name"] == node || one["address"] == node)
        .or_else(|| nodes.get(number?))
        .cloned();
    let names: Vec<&str> = nodes
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let found =
        found.ok_or_else(|| anyhow!("there is no node {node:?}, only {}", names.join(", ")))?;
    Ok((status, found))
}

fn ssh(which: &Which, node: &str, command: &[String]) -> anyhow::Result<u8> {
    let (status, found) = find(which, node)?;
    if let Some(ending) = found["ending"].as_str() {
        return Err(anyhow!(
            "{}: {ending}",
            found["name"].as_str().unwrap_or_default()
        ));
    }
    let at = found["ssh"]
        .as_str()
        .unwrap_or_default()
        .parse()
        .context("the node has no network card")?;
    let key = PathBuf::from(status["key"].as_str().unwrap_or_default());
    let status = Ssh::elsewhere(node, key, at).interactive(command)?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

fn console(which: &Which, node: &str, follow: bool, text: Option<&str>) -> anyhow::Result<u8> {
    let (_, found) = find(which, node)?;
    let path = Path::new(found["console"].as_str().unwrap_or_default());
    let mut log = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    if let Some(text) = text {
        log.seek(SeekFrom::End(0))
            .context("cannot read the console")?;
        order(
            which,
            &json!({ "order": "type", "node": node, "text": format!("{text}\n") }),
        )?;
        pause(Duration::from_secs(1));
    }
    loop {
        std::io::copy(&mut log, &mut std::io::stdout()).context("cannot show the console")?;
        if !follow || !path.exists() {
            return Ok(0);
        }
        pause(Duration::from_millis(200));
    }
}

fn images(folder: &Path) -> anyhow::Result<u8> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for image in registry::own_images()? {
        let path = folder.join(format!("{}.tar", image.name().replace('/', "-")));
        let bytes = image.save().map_err(anyhow::Error::msg)?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}  {}", path.display(), image.digest());
    }
    Ok(0)
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
