//! systemd-run: a command as a transient service, scope or timer.

mod wait;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use clap::Parser;
use init_api::TimeSpan;
use init_client::{Connection, Manager, Message, Value, names};

use crate::cli;
use crate::systemctl::{Failure, complain, mangle, parse_property, tell_job_failure};

/// Run the specified command in a transient scope or service.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-run",
    after_help = "Examples:\n  systemd-run --unit=backup -p CPUWeight=20 rsync -a /a /b\n  systemd-run --wait --pipe sh -c 'echo hi'\n  systemd-run --on-active=30min /usr/bin/touch /tmp/x\n  systemd-run --scope -p MemoryMax=1G make"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// Name of the unit
    #[arg(short = 'u', long)]
    unit: Option<String>,
    /// Run here, in a scope of its own
    #[arg(long)]
    scope: bool,
    /// Wait until it has ended; its exit code is ours
    #[arg(long)]
    wait: bool,
    /// Give it our standard input, output and error
    #[arg(short = 'P', long)]
    pipe: bool,
    /// A property such as CPUWeight=20
    #[arg(short = 'p', long)]
    property: Vec<String>,
    /// An environment variable, NAME=VALUE or NAME
    #[arg(short = 'E', long)]
    setenv: Vec<String>,
    /// Its description
    #[arg(long)]
    description: Option<String>,
    /// Its slice
    #[arg(long)]
    slice: Option<String>,
    /// Keep it after the command has ended
    #[arg(short = 'r', long)]
    remain_after_exit: bool,
    /// Type= of the service
    #[arg(long)]
    service_type: Option<String>,
    /// As this user
    #[arg(long)]
    uid: Option<String>,
    /// As this group
    #[arg(long)]
    gid: Option<String>,
    /// With this nice value
    #[arg(long)]
    nice: Option<i32>,
    /// In this folder
    #[arg(long)]
    working_directory: Option<String>,
    /// In the folder we are in
    #[arg(short = 'd', long)]
    same_dir: bool,
    /// Forget the unit even if it failed
    #[arg(short = 'G', long)]
    collect: bool,
    /// Do not wait until it has started
    #[arg(long)]
    no_block: bool,
    /// Say nothing
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Send SIGHUP too when stopping
    #[arg(long)]
    send_sighup: bool,
    /// Start after this time
    #[arg(long)]
    on_active: Option<String>,
    /// Start this long after the boot
    #[arg(long)]
    on_boot: Option<String>,
    /// Start this long after PID 1 started
    #[arg(long)]
    on_startup: Option<String>,
    /// Start this long after the unit was last active
    #[arg(long)]
    on_unit_active: Option<String>,
    /// Start this long after the unit was last inactive
    #[arg(long)]
    on_unit_inactive: Option<String>,
    /// Start at these points in time
    #[arg(long)]
    on_calendar: Option<String>,
    /// A property of the timer
    #[arg(long)]
    timer_property: Vec<String>,
    /// Do not ask for passwords
    #[arg(long)]
    no_ask_password: bool,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

type Properties = Vec<(String, Value)>;

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let timer = timer_properties(options)?;
    if options.command.is_empty() && (timer.is_empty() || options.unit.is_none()) {
        return Err(Failure::new("Command line to execute required."));
    }
    let mut manager =
        Manager::connect().map_err(|e| Failure::new(format!("Failed to connect to bus: {e}")))?;
    if options.scope {
        return scope(options, &mut manager);
    }
    if !timer.is_empty() {
        return with_timer(options, &mut manager, timer);
    }
    service(options, &mut manager)
}

fn unit_name(options: &Options, suffix: &str) -> String {
    let kind = init_api::UnitType::from_suffix(suffix).unwrap_or(init_api::UnitType::Service);
    match &options.unit {
        Some(name) => mangle(name.trim_end_matches(&format!(".{suffix}")), kind),
        None => format!(
            "run-p{}-i{}.{suffix}",
            std::process::id(),
            init_sys::clock::realtime() % 1_000_000_000
        ),
    }
}

fn common(options: &Options) -> Result<Properties, Failure> {
    let mut out: Properties = Vec::new();
    let description = options
        .description
        .clone()
        .unwrap_or_else(|| options.command.join(" "));
    out.push(("Description".into(), description.into()));
    if options.collect {
        out.push(("CollectMode".into(), "inactive-or-failed".into()));
    }
    for text in &options.property {
        out.extend(parse_property(text)?);
    }
    if let Some(slice) = &options.slice {
        out.push((
            "Slice".into(),
            mangle(slice, init_api::UnitType::Slice).into(),
        ));
    }
    if options.send_sighup {
        out.push(("SendSIGHUP".into(), true.into()));
    }
    Ok(out)
}

fn of_service(options: &Options) -> Result<Properties, Failure> {
    let mut out = common(options)?;
    if options.remain_after_exit {
        out.push(("RemainAfterExit".into(), true.into()));
    }
    for (key, value) in [
        ("Type", &options.service_type),
        ("User", &options.uid),
        ("Group", &options.gid),
        ("WorkingDirectory", &options.working_directory),
    ] {
        if let Some(value) = value {
            out.push((key.into(), value.as_str().into()));
        }
    }
    if options.same_dir {
        let here = std::env::current_dir()?;
        out.push((
            "WorkingDirectory".into(),
            here.to_string_lossy().into_owned().into(),
        ));
    }
    if let Some(nice) = options.nice {
        out.push(("Nice".into(), nice.into()));
    }
    let variable = |text: &String| match text.contains('=') {
        true => Some(text.clone()),
        false => std::env::var(text)
            .ok()
            .map(|value| format!("{text}={value}")),
    };
    let environment: Vec<String> = options.setenv.iter().filter_map(variable).collect();
    if !environment.is_empty() {
        out.push(("Environment".into(), Value::strings(environment)));
    }
    if let Some(program) = options.command.first() {
        let path = search(program)?;
        let command = Value::Struct(vec![
            path.into(),
            Value::strings(&options.command),
            false.into(),
        ]);
        out.push(("ExecStart".into(), Value::array("(sasb)", vec![command])));
    }
    Ok(out)
}

/// The program's path: as it is if it has a slash, else from `$PATH`.
fn search(program: &str) -> Result<String, Failure> {
    if program.contains('/') {
        let path = std::path::absolute(program)?;
        return Ok(path.to_string_lossy().into_owned());
    }
    let folders = std::env::var("PATH")
        .unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into());
    let mut candidates = folders
        .split(':')
        .map(|folder| format!("{folder}/{program}"));
    candidates
        .find(|path| std::path::Path::new(path).is_file())
        .ok_or_else(|| {
            Failure::new(format!(
                "Failed to find executable {program}: No such file or directory"
            ))
        })
}

fn start(
    connection: &mut Connection,
    unit: &str,
    properties: Properties,
    others: Vec<Value>,
    fds: &[BorrowedFd<'_>],
) -> Result<String, Failure> {
    let body = vec![
        unit.into(),
        "fail".into(),
        wire(properties),
        Value::array("(sa(sv))", others),
    ];
    let call = Message::call(names::MANAGER_PATH, names::MANAGER, "StartTransientUnit")
        .to(names::SERVICE)
        .with(body);
    let kind = unit.rsplit('.').next().unwrap_or("service");
    let answer = connection.call_with_fds(call, fds).map_err(|e| {
        Failure::new(format!(
            "Failed to start transient {kind} unit: {}",
            init_api::chain(&e)
        ))
    })?;
    Ok(answer
        .first()
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned())
}

fn wire(properties: Properties) -> Value {
    let pair =
        |(key, value): (String, Value)| Value::Struct(vec![key.into(), Value::variant(value)]);
    Value::array("(sv)", properties.into_iter().map(pair).collect())
}

fn service(options: &Options, manager: &mut Manager) -> Result<u8, Failure> {
    let unit = unit_name(options, "service");
    let mut properties = of_service(options)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut fds = Vec::new();
    if options.pipe {
        for (number, name) in (0..).zip(["StandardInput", "StandardOutput", "StandardError"]) {
            properties.push((format!("{name}FileDescriptor"), Value::Fd(number)));
        }
        fds = vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    }
    let waits = options.wait || options.pipe;
    if waits {
        properties.push(("AddRef".into(), true.into()));
    }
    let job = start(manager.connection(), &unit, properties, Vec::new(), &fds)?;
    if !options.no_block {
        started(options, manager, &unit, &job)?;
    }
    if !options.quiet {
        complain(&format!("Running as unit: {unit}"));
    }
    if waits {
        wait::until_ended(manager, &unit, options.quiet)
    } else {
        Ok(0)
    }
}

fn started(options: &Options, manager: &mut Manager, unit: &str, job: &str) -> Result<(), Failure> {
    let result = manager.wait_for_job(job, None)?.unwrap_or_default();
    // A command that is waited for tells by its own exit code how it went.
    if matches!(result.as_str(), "done" | "skipped") || options.wait || options.pipe {
        return Ok(());
    }
    tell_job_failure(manager, unit);
    Err(Failure::new(""))
}

fn timer_properties(options: &Options) -> Result<Properties, Failure> {
    let mut spans = Vec::new();
    for (key, text) in [
        ("OnActiveSec", &options.on_active),
        ("OnBootSec", &options.on_boot),
        ("OnStartupSec", &options.on_startup),
        ("OnUnitActiveSec", &options.on_unit_active),
        ("OnUnitInactiveSec", &options.on_unit_inactive),
    ] {
        let Some(text) = text else { continue };
        let span = TimeSpan::parse(text)
            .map_err(|e| Failure::new(format!("Failed to parse timer value: {e}")))?;
        spans.push(Value::Struct(vec![key.into(), span.as_micros().into()]));
    }
    let mut out: Properties = Vec::new();
    if !spans.is_empty() {
        out.push(("TimersMonotonic".into(), Value::array("(st)", spans)));
    }
    if let Some(text) = &options.on_calendar {
        let calendar: unit_file::Calendar = text.parse().map_err(|e| {
            Failure::new(format!("Failed to parse calendar event specification: {e}"))
        })?;
        let row = Value::Struct(vec!["OnCalendar".into(), calendar.to_string().into()]);
        out.push(("TimersCalendar".into(), Value::array("(ss)", vec![row])));
    }
    for text in &options.timer_property {
        out.extend(parse_property(text)?);
    }
    Ok(out)
}

fn with_timer(options: &Options, manager: &mut Manager, timer: Properties) -> Result<u8, Failure> {
    let unit = unit_name(options, "service");
    let name = format!("{}.timer", unit.trim_end_matches(".service"));
    let mut properties = timer;
    let description = options
        .description
        .clone()
        .unwrap_or_else(|| options.command.join(" "));
    properties.push(("Description".into(), description.into()));
    if !properties.iter().any(|(key, _)| key == "RemainAfterElapse") {
        properties.push(("RemainAfterElapse".into(), false.into()));
    }
    let mut others = Vec::new();
    if !options.command.is_empty() {
        others.push(Value::Struct(vec![
            unit.as_str().into(),
            wire(of_service(options)?),
        ]));
    }
    let job = start(manager.connection(), &name, properties, others, &[])?;
    let result = manager.wait_for_job(&job, None)?.unwrap_or_default();
    if result != "done" {
        return Err(Failure::new(format!("Job for {name} ended: {result}")));
    }
    if !options.quiet {
        complain(&format!("Running timer as unit: {name}"));
        complain(&format!("Will run service as unit: {unit}"));
    }
    Ok(0)
}

fn scope(options: &Options, manager: &mut Manager) -> Result<u8, Failure> {
    let unit = unit_name(options, "scope");
    let mut properties = common(options)?;
    properties.push((
        "PIDs".into(),
        Value::array("u", vec![std::process::id().into()]),
    ));
    let job = start(manager.connection(), &unit, properties, Vec::new(), &[])?;
    let result = manager.wait_for_job(&job, None)?.unwrap_or_default();
    if result != "done" {
        return Err(Failure::new(format!("Job for {unit} ended: {result}")));
    }
    if !options.quiet {
        complain(&format!("Running scope as unit: {unit}"));
    }
    let Some((program, args)) = options.command.split_first() else {
        return Ok(0);
    };
    let mut command = Command::new(program);
    command.args(args);
    for text in &options.setenv {
        if let Some((name, value)) = text.split_once('=') {
            command.env(name, value);
        }
    }
    if let Some(folder) = &options.working_directory {
        command.current_dir(folder);
    }
    Err(Failure::new(format!(
        "Failed to execute: {}",
        command.exec()
    )))
}
