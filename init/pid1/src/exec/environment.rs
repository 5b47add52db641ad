//! The environment block and the final words of the command.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::path::Path;

use super::context::Context;
use super::credentials::Who;
use super::directories::Made;
use super::stdio::Stdio;
use super::{Failed, Step, code};

/// Where a program without a slash is looked for, and `PATH` of every service.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Name to value.
pub(crate) type Environment = BTreeMap<String, String>;

/// Everything in its order of precedence (systemd.exec(5)).
pub(crate) fn build(
    context: &Context,
    who: &Who,
    directories: &Made,
    stdio: &Stdio,
) -> Environment {
    let mut all = Environment::new();
    let mut put = |name: &str, value: String| {
        all.insert(name.to_owned(), value);
    };
    put("PATH", PATH.to_owned());
    for (name, value) in &context.base_environment {
        put(name, value.clone());
    }
    if let Some(term) = &stdio.term {
        put("TERM", term.clone());
    }
    if let Some(user) = &who.user {
        put("LOGNAME", user.name.clone());
        put("USER", user.name.clone());
        let closed = user.shell.ends_with("/nologin") || user.shell.ends_with("/false");
        if !(user.home.is_empty() || closed && user.home == "/nonexistent") {
            put("HOME", user.home.clone());
        }
        if !user.shell.is_empty() && !closed {
            put("SHELL", user.shell.clone());
        }
    }
    for (name, value) in &context.unit_environment {
        put(name, value.clone());
    }
    for (name, value) in &context.process_environment {
        put(name, value.clone());
    }
    for (variable, folders) in &directories.sets {
        let list: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        put(variable, list.join(":"));
    }
    if let Some(stream) = &stdio.journal_stream {
        put("JOURNAL_STREAM", stream.clone());
    }
    let me = rustix::process::getpid().as_raw_nonzero().to_string();
    put("SYSTEMD_EXEC_PID", me.clone());
    if !context.fd_names.is_empty() {
        put("LISTEN_PID", me.clone());
        put("LISTEN_FDS", context.fd_names.len().to_string());
        put("LISTEN_FDNAMES", context.fd_names.join(":"));
    }
    if let Some(usec) = context.watchdog_usec {
        put("WATCHDOG_USEC", usec.to_string());
        put("WATCHDOG_PID", me);
    }
    for unset in &context.exec.unset_environment {
        match unset.split_once('=') {
            Some((name, value)) if all.get(name).is_some_and(|now| now == value) => {
                all.remove(name);
            }
            Some(_) => {}
            None => {
                all.remove(unset);
            }
        }
    }
    all
}

/// `NAME=value` strings for execve.
pub(crate) fn assignments(environment: &Environment) -> io::Result<Vec<CString>> {
    environment
        .iter()
        .map(|(name, value)| init_sys::spawn::c_string(format!("{name}={value}")))
        .collect()
}

/// Words for execve.
pub(crate) fn c_strings(words: &[String]) -> io::Result<Vec<CString>> {
    words.iter().map(init_sys::spawn::c_string).collect()
}

/// The program's path and its words, variables put in.
pub(crate) fn command(
    context: &Context,
    environment: &Environment,
) -> Result<(String, Vec<String>), Failed> {
    let path =
        find(&context.program).step(code::EXEC, || format!("execute {}", context.program))?;
    let words = if context.expand {
        unit_file::expand_argv(&context.argv, environment)
    } else {
        context.argv.clone()
    };
    Ok((path, words))
}

fn find(program: &str) -> io::Result<String> {
    if program.contains('/') {
        return Ok(program.to_owned());
    }
    PATH.split(':')
        .map(|folder| format!("{folder}/{program}"))
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| io::Error::from_raw_os_error(2))
}
