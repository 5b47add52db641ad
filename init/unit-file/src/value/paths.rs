//! Paths, alone and in lists, with the prefixes that the sandbox's have.

use super::{Input, Outcome, Refusal};
use crate::{
    command::simplify,
    config::{BindPath, EnvironmentFile, SandboxPath, TemporaryFile},
};

/// An absolute path with specifiers, simplified; the refusal says why it is none.
pub(crate) fn absolute(input: &Input<'_>, text: &str) -> Result<String, Refusal> {
    let path = input.expand(text)?;
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(input.wants("an absolute path"));
    }
    Ok(simplify(&path))
}

/// An absolute path; nothing takes it back.
pub(crate) fn optional_path(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(absolute(input, input.text)?)
    };
    Ok(())
}

/// An absolute path, or nothing.
pub(crate) fn path(field: &mut String, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        String::new()
    } else {
        absolute(input, input.text)?
    };
    Ok(())
}

/// Absolute paths.
pub(crate) fn paths(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        if word.starts_with('/') {
            field.push(simplify(&word));
        } else {
            input.warn(format_args!("{word:?} is no absolute path; it is left out"));
        }
    }
    Ok(())
}

/// `EnvironmentFile=`
pub(crate) fn environment_file(field: &mut Vec<EnvironmentFile>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let rest = input.text.strip_prefix('-');
    let path = absolute(input, rest.unwrap_or(input.text))?;
    field.push(EnvironmentFile {
        path,
        optional: rest.is_some(),
    });
    Ok(())
}

/// `ReadOnlyPaths=` and its like.
pub(crate) fn sandbox_paths(field: &mut Vec<SandboxPath>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        let (optional, rest) = prefix(&word, '-');
        let (below_root, rest) = prefix(rest, '+');
        if rest.starts_with('/') {
            field.push(SandboxPath {
                path: simplify(rest),
                optional,
                below_root,
            });
        } else {
            input.warn(format_args!("{word:?} is no absolute path; it is left out"));
        }
    }
    Ok(())
}

/// `BindPaths=`: `source[:target[:options]]`.
pub(crate) fn bind_paths(field: &mut Vec<BindPath>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        let mut parts = word.split(':');
        let (optional, source) = prefix(parts.next().unwrap_or_default(), '-');
        let target = parts
            .next()
            .filter(|text| !text.is_empty())
            .unwrap_or(source);
        let recursive = match parts.next() {
            None | Some("" | "rbind") => true,
            Some("norbind") => false,
            Some(_) => {
                input.warn(format_args!(
                    "{word:?} has options other than rbind and norbind; it is left out"
                ));
                continue;
            }
        };
        if source.starts_with('/') && target.starts_with('/') {
            field.push(BindPath {
                source: simplify(source),
                target: simplify(target),
                optional,
                recursive,
            });
        } else {
            input.warn(format_args!(
                "{word:?} has no absolute paths; it is left out"
            ));
        }
    }
    Ok(())
}

/// `TemporaryFileSystem=`: `path[:options]`.
pub(crate) fn temporary_files(field: &mut Vec<TemporaryFile>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        let (path, options) = word.split_once(':').unwrap_or((&word, ""));
        if path.starts_with('/') {
            field.push(TemporaryFile {
                path: simplify(path),
                options: options.to_owned(),
            });
        } else {
            input.warn(format_args!("{word:?} is no absolute path; it is left out"));
        }
    }
    Ok(())
}

fn prefix(text: &str, mark: char) -> (bool, &str) {
    text.strip_prefix(mark)
        .map_or((false, text), |rest| (true, rest))
}
