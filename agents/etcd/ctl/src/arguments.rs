//! The command line: options before and after arguments, single or double dash.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use etcd_client::Timeouts;

use crate::Failure;
use crate::table::{COMMANDS, Flag, GLOBAL, Spec};

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Simple,
    Extended,
    Json,
}

/// A command to carry out.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: &'static str,
    pub(crate) words: Vec<String>,
    /// Whether `--` stood among the words, and how many were before it.
    pub(crate) before_dashes: Option<usize>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) format: Format,
    pub(crate) sync: bool,
    pub(crate) debug: bool,
    pub(crate) timeouts: Timeouts,
    options: BTreeMap<&'static str, String>,
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Box<Invocation>),
    Text(String),
}

impl Invocation {
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options
            .get(option)
            .is_some_and(|value| value != "false")
    }

    pub(crate) fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).map(String::as_str)
    }

    /// A number; 0 means not given, as on the original.
    pub(crate) fn number(&self, option: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(option) else {
            return Ok(None);
        };
        let number = text.parse().map_err(|_| {
            Failure::Bad(format!(
                "invalid value {text:?} for flag -{option}: a whole number expected"
            ))
        })?;
        Ok(Some(number).filter(|number| *number != 0))
    }
}

const DEFAULT: &str = "http://127.0.0.1:2379,http://127.0.0.1:4001";

pub(crate) fn parse(
    words: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Parsed, Failure> {
    let mut options: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut rest = words.iter().peekable();
    // Options before the command.
    while let Some(word) = rest.next_if(|word| word.starts_with('-') && word.len() > 1) {
        let Some(found) = option(word, &[GLOBAL]) else {
            return Err(Failure::Bad(format!(
                "flag provided but not defined: {word}\n\n{}",
                usage()
            )));
        };
        take(found, &mut options, &mut rest)?;
    }
    if options.contains_key("version") {
        return Ok(Parsed::Text("etcdctl version 2.3.8\n".to_owned()));
    }
    let Some(first) = rest.next() else {
        return Ok(Parsed::Text(usage()));
    };
    if let Some(text) = crate::manual::requested(first, rest.peek().map(|word| word.as_str())) {
        return Ok(Parsed::Text(text));
    }
    if first == "help" || options.contains_key("help") {
        return Ok(Parsed::Text(usage()));
    }
    let spec = command(first, &mut rest)?;

    let mut invocation_words = Vec::new();
    let mut before_dashes = None;
    while let Some(word) = rest.next() {
        if word == "--" {
            before_dashes = Some(invocation_words.len());
            invocation_words.extend(rest.by_ref().cloned());
            break;
        }
        let dashed = word.starts_with('-') && word.len() > 1;
        // What is run by exec-watch has options of its own.
        let of_command_to_run =
            spec.name == "exec-watch" && !invocation_words.is_empty() && !rest_has_dashes(&rest);
        match option(word, &[spec.flags, GLOBAL]).filter(|_| dashed && !of_command_to_run) {
            Some(found) => take(found, &mut options, &mut rest)?,
            None if dashed && invocation_words.is_empty() => {
                let text = format!(
                    "flag provided but not defined: {word}\n\n{}",
                    usage_of(spec)
                );
                return Err(Failure::Bad(text));
            }
            None => invocation_words.push(word.clone()),
        }
    }
    if options.contains_key("help") {
        return Ok(Parsed::Text(usage_of(spec)));
    }
    let format = match options.get("output").map(String::as_str) {
        None | Some("simple") => Format::Simple,
        Some("extended") => Format::Extended,
        Some("json") => Format::Json,
        Some(other) => return Err(Failure::Bad(format!("Unsupported output format: {other}"))),
    };
    if options.contains_key("discovery-srv") || environment("ETCDCTL_DISCOVERY_SRV").is_some() {
        return Err(Failure::Bad(
            "SRV records are not supported: use --endpoints".to_owned(),
        ));
    }
    let given = |name: &str| options.get(name).cloned();
    let endpoints = given("endpoints")
        .or_else(|| environment("ETCDCTL_ENDPOINTS"))
        .or_else(|| given("endpoint"))
        .or_else(|| environment("ETCDCTL_ENDPOINT"))
        .or_else(|| given("peers"))
        .or_else(|| environment("ETCDCTL_PEERS"))
        .unwrap_or_else(|| DEFAULT.to_owned());
    let time = |name: &str, default| match options.get(name) {
        None => Ok(default),
        Some(text) => duration(text).ok_or_else(|| {
            Failure::Bad(format!(
                "invalid value {text:?} for flag -{name}: a time such as 5s expected"
            ))
        }),
    };
    let defaults = Timeouts::default();
    Ok(Parsed::Run(Box::new(Invocation {
        command: spec.name,
        words: invocation_words,
        before_dashes,
        endpoints: endpoints
            .split(',')
            .map(|url| url.trim().to_owned())
            .filter(|url| !url.is_empty())
            .collect(),
        format,
        sync: !options.contains_key("no-sync"),
        debug: options.contains_key("debug"),
        timeouts: Timeouts {
            request: time("timeout", defaults.request)?,
            total: time("total-timeout", defaults.total)?,
        },
        options,
    })))
}

type Words<'a> = std::iter::Peekable<std::slice::Iter<'a, String>>;

fn rest_has_dashes(rest: &Words<'_>) -> bool {
    rest.clone().any(|word| word == "--")
}

fn command(first: &str, rest: &mut Words<'_>) -> Result<&'static Spec, Failure> {
    let find = |name: &str| COMMANDS.iter().find(|spec| spec.name == name);
    if let Some(spec) = find(first) {
        return Ok(spec);
    }
    if first == "member"
        && let Some(spec) = rest
            .peek()
            .and_then(|second| find(&format!("{first} {second}")))
    {
        rest.next();
        return Ok(spec);
    }
    let near = COMMANDS
        .iter()
        .map(|spec| spec.name)
        .find(|name| name.starts_with(first) || first.starts_with(name));
    let hint = near
        .map(|name| format!(" (did you mean {name:?}?)"))
        .unwrap_or_default();
    Err(Failure::Bad(format!("No help topic for '{first}'{hint}")))
}

struct Given {
    flag: &'static Flag,
    value: Option<String>,
}

fn option(word: &str, tables: &[&'static [Flag]]) -> Option<Given> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let (name, value) = name
        .split_once('=')
        .map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
    let flag = tables
        .iter()
        .flat_map(|table| table.iter())
        .find(|flag| flag.is(name))?;
    Some(Given { flag, value })
}

fn take(
    found: Given,
    options: &mut BTreeMap<&'static str, String>,
    rest: &mut Words<'_>,
) -> Result<(), Failure> {
    let Given { flag, value } = found;
    let key = flag.key();
    let value = match value {
        Some(value) => value,
        None if !flag.value => "true".to_owned(),
        None => {
            let next = rest.next().cloned();
            next.ok_or_else(|| Failure::Bad(format!("flag needs an argument: -{key}")))?
        }
    };
    options.insert(key, value);
    Ok(())
}

/// Go's way to write a time, as far as it is used: `500ms`, `1s`, `1m30s`, `2h`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

fn options_text(flags: &[Flag]) -> String {
    let mut text = String::new();
    for flag in flags {
        let names: Vec<String> = flag
            .name
            .split(", ")
            .map(|name| {
                if name.len() == 1 {
                    format!("-{name}")
                } else {
                    format!("--{name}")
                }
            })
            .collect();
        let _ = writeln!(text, "   {:24}{}", names.join(", "), flag.help);
    }
    text
}

fn usage() -> String {
    let mut text = String::from(
        "NAME:\n   etcdctl - A simple command line client for etcd.\n\nUSAGE:\n   etcdctl [global options] command \
         [command options] [arguments...]\n\nVERSION:\n   2.3.8\n\nCOMMANDS:\n",
    );
    for spec in COMMANDS {
        let _ = writeln!(text, "   {:16}{}", spec.name, spec.help);
    }
    let _ = write!(text, "\nGLOBAL OPTIONS:\n{}", options_text(GLOBAL));
    text.push_str(
        "\nEXAMPLES:\n   etcdctl set /message \"Hello CoreOS\"\n   etcdctl ls --recursive /\n",
    );
    text
}

fn usage_of(spec: &Spec) -> String {
    let Spec {
        name,
        usage,
        help,
        flags,
    } = spec;
    let mut text = format!(
        "NAME:\n   etcdctl {name} - {help}\n\nUSAGE:\n   etcdctl {name} [command options] {usage}\n"
    );
    if !flags.is_empty() {
        let _ = write!(text, "\nOPTIONS:\n{}", options_text(flags));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Format, Invocation, Parsed, duration, parse};
    use crate::Failure;
    use std::time::Duration;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn run(text: &str) -> Invocation {
        match parse(&words(text), |_| None) {
            Ok(Parsed::Run(invocation)) => *invocation,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn options_may_follow_arguments_and_have_one_dash() {
        let set = run("-o json --no-sync set /m Hi --swap-with-value=123 -ttl 5");
        assert_eq!(set.words, ["/m", "Hi"]);
        assert_eq!(
            (
                set.text("swap-with-value"),
                set.number("ttl").unwrap(),
                set.format
            ),
            (Some("123"), Some(5), Format::Json)
        );
        assert!(!set.sync);
        assert_eq!(run("get /m --output extended").format, Format::Extended);
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        assert_eq!(run("set /m -1").words, ["/m", "-1"]);
        assert_eq!(run("set /m -- --ttl").words, ["/m", "--ttl"]);
    }

    #[test]
    fn endpoints_are_found_in_the_order_of_the_original() {
        let with = |text: &str, variable: &str| match parse(&words(text), |name| {
            (name == variable).then(|| "v:1".into())
        }) {
            Ok(Parsed::Run(invocation)) => invocation.endpoints.join(","),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            with("ls", ""),
            "http://127.0.0.1:2379,http://127.0.0.1:4001"
        );
        assert_eq!(with("--endpoints a:1 ls", "ETCDCTL_ENDPOINTS"), "a:1");
        assert_eq!(with("--peers a:1 ls", "ETCDCTL_ENDPOINTS"), "v:1");
        assert_eq!(with("-C a:1 ls", "ETCDCTL_PEERS"), "a:1");
        assert_eq!(with("ls", "ETCDCTL_PEERS"), "v:1");
    }

    #[test]
    fn the_command_of_exec_watch_keeps_its_options() {
        let watch = run("exec-watch --recursive /f -- sh -c x");
        assert_eq!(
            (
                watch.words.len(),
                watch.before_dashes,
                watch.has("recursive")
            ),
            (4, Some(1), true)
        );
        let watch = run("exec-watch sh -c x /f");
        assert_eq!((watch.words.len(), watch.before_dashes), (4, None));
    }

    #[test]
    fn unknown_commands_and_options_fail() {
        for text in [
            "frob",
            "get --frob /x",
            "member frob",
            "--frob ls",
            "set -ttl",
        ] {
            assert!(
                matches!(parse(&words(text), |_| None), Err(Failure::Bad(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_read_as_go_writes_them() {
        assert_eq!(duration("1m1.5s"), Some(Duration::from_millis(61_500)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(
            (duration(""), duration("5"), duration("5x")),
            (None, None, None)
        );
    }
}
