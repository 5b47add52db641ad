//! Command lines, environment files, specifiers, names, time spans, calendars: small grammars of one text.
#![no_main]

use init_api::bus::{escape_label, job_from_path, unescape_label, unit_from_path};
use init_api::notify::NotifyMessage;
use init_api::{TimeSpan, TimeUnit, UnitType, bytes::parse_bytes};
use libfuzzer_sys::fuzz_target;
use unit_file::words::{self, Escapes};
use unit_file::{
    Calendar, Command, Facts, Specifiers, UnitName, compare_versions, environment, escape,
    expand_argv, glob_matches, parse_environment_file,
};

fuzz_target!(|text: &str| {
    commands(text);
    spans(text);
    if let Ok(calendar) = text.parse() {
        points_in_time(&calendar);
    }
    names(text);
    let _ = NotifyMessage::parse(text);
    if let Some((left, right)) = text.split_once('\n') {
        assert_eq!(
            compare_versions(left, right),
            compare_versions(right, left).reverse()
        );
        let _ = glob_matches(left, right);
    }
});

fn commands(text: &str) {
    let env = parse_environment_file(text);
    assert!(env.iter().all(|(name, _)| environment::is_name(name)));
    for escapes in [Escapes::C, Escapes::Plain, Escapes::Kept] {
        let _ = words::split(text, escapes);
    }
    let _ = words::split_relaxed(text);
    if !text.contains('\0') {
        let quoted = words::quote(text);
        let read = words::split(&quoted, Escapes::C).expect("quotes that match");
        assert!(read.len() == 1 && read[0].text == text, "{quoted:?}");
    }
    let name = "web@a-b.service".parse().expect("a name");
    let specifiers = Specifiers {
        facts: &Facts::default(),
        name: &name,
        fragment: "/etc/systemd/system/web@.service",
    };
    let Ok(line) = Command::parse_line(text, &|word| specifiers.expand(word)) else {
        return;
    };
    for command in line.commands {
        assert!(!command.argv.is_empty() && !command.path.is_empty());
        let _ = command.prefix();
        let _ = expand_argv(&command.argv, &env);
    }
}

fn spans(text: &str) {
    let _ = parse_bytes(text);
    let _ = TimeSpan::parse_in(text, TimeUnit::Microseconds);
    let Ok(span) = TimeSpan::parse(text) else {
        return;
    };
    let printed = span.to_string();
    assert_eq!(TimeSpan::parse(&printed), Ok(span), "{printed}");
    for accuracy in [0, 1, 7, 1000, 1_000_000, 60_000_000, u64::MAX] {
        let rough = TimeSpan::parse(&span.format(accuracy)).expect("what was printed");
        assert!(rough <= span, "{rough} for {span}");
    }
}

fn points_in_time(calendar: &Calendar) {
    let printed = calendar.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(calendar), "{printed}");
    for after in [0, 1_700_000_000_000_000, u64::MAX / 2, u64::MAX] {
        let Some(next) = calendar.next_utc(after) else {
            continue;
        };
        assert!(next > after);
        // Nothing lies between.
        let before = calendar.next_utc(after + (next - after) / 2);
        assert!(before.is_some_and(|found| found >= next) || next == after + 1);
        let summer = |_: Option<&str>, now: u64| {
            if now / 15_778_800 % 2 == 0 {
                3600
            } else {
                7200
            }
        };
        assert!(
            calendar
                .next(after, &summer)
                .is_none_or(|next| next > after)
        );
    }
}

fn names(text: &str) {
    assert_eq!(
        escape::unescape(&escape::escape(text)).as_deref(),
        Some(text)
    );
    if let Some(path) = escape::unescape_path(text) {
        let escaped = escape::escape_path(&path).expect("a clean path");
        assert_eq!(escape::unescape_path(&escaped), Some(path));
    }
    assert_eq!(unescape_label(&escape_label(text)).as_deref(), Some(text));
    let _ = (
        unescape_label(text),
        unit_from_path(text),
        job_from_path(text),
    );
    let Ok(name) = UnitName::mangle(text, UnitType::Service) else {
        return;
    };
    let others = [
        name.template(),
        name.with_instance("x").ok(),
        name.parent_slice(),
        name.with_kind(UnitType::Automount).ok(),
    ];
    for other in others.into_iter().flatten().chain([name]) {
        assert_eq!(UnitName::new(other.as_str()).as_ref(), Ok(&other));
    }
}
