//! systemctl edit: write a drop-in (or a whole unit) and have it read.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use init_api::UnitType;

use super::{Context, Failure, cat, expand};

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    let base = if cx.options.runtime {
        "/run/systemd/system"
    } else {
        "/etc/systemd/system"
    };
    let base = match &cx.options.root {
        Some(root) => root.join(base.trim_start_matches('/')),
        None => PathBuf::from(base),
    };
    let mut changed = false;
    for unit in expand::units(cx, UnitType::Service)? {
        let files = if cx.options.root.is_some() {
            Vec::new()
        } else {
            cat::files_of(cx, &unit)?
        };
        if files.is_empty()
            && cx.options.root.is_none()
            && !cx.options.full
            && cx.options.force == 0
        {
            return Err(Failure::new(format!(
                "No files found for {unit}.\nRun 'systemctl edit --force --full {unit}' to create a new unit."
            )));
        }
        let full = cx.options.full;
        let target = if full {
            base.join(&unit)
        } else {
            base.join(format!("{unit}.d")).join(drop_in_name(cx))
        };
        let start = match fs::read_to_string(&target) {
            Ok(text) => text,
            Err(_) if full => files
                .first()
                .and_then(|path| fs::read_to_string(path).ok())
                .unwrap_or_default(),
            Err(_) => String::new(),
        };
        let text = if cx.options.stdin {
            read_stdin()?
        } else {
            edited(&target, &start)?
        };
        if text.trim().is_empty() {
            cx.say(&format!(
                "Editing \"{}\" canceled: temporary file is empty.",
                target.display()
            ));
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        write_whole(&target, &text)?;
        changed = true;
    }
    if changed && cx.options.root.is_none() && !cx.options.no_reload {
        cx.manager()?.reload()?;
    }
    Ok(0)
}

fn drop_in_name(cx: &Context) -> String {
    let name = &cx.options.drop_in;
    if name.ends_with(".conf") {
        name.clone()
    } else {
        format!("{name}.conf")
    }
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Lets the user's editor work on a copy beside the target.
fn edited(target: &Path, start: &str) -> Result<String, Failure> {
    let folder = target.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(folder)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let copy = folder.join(format!(".#{name}{}", std::process::id()));
    fs::write(&copy, start)?;
    let chosen = ["SYSTEMD_EDITOR", "EDITOR", "VISUAL"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let editors = chosen
        .into_iter()
        .chain(["editor", "nano", "vim", "vi"].map(str::to_owned));
    let mut result = Err(Failure::new(
        "Cannot edit units: no editor is available. Set $SYSTEMD_EDITOR, $EDITOR or $VISUAL.",
    ));
    for editor in editors {
        let mut words = editor.split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        match Command::new(program).args(words).arg(&copy).status() {
            Ok(status) if status.success() => {
                result = fs::read_to_string(&copy).map_err(Failure::from);
                break;
            }
            Ok(_) => {
                result = Err(Failure::new(format!(
                    "The editor {program} ended with an error; nothing was changed."
                )));
                break;
            }
            Err(_) => {}
        }
    }
    let _ = fs::remove_file(&copy);
    result
}

/// So that nobody reads half a file.
fn write_whole(target: &Path, text: &str) -> Result<(), Failure> {
    let mut temporary = target.as_os_str().to_owned();
    temporary.push(".tmp");
    fs::write(&temporary, text)?;
    fs::rename(&temporary, target)?;
    Ok(())
}
