//! `system.conf`: what holds for all units, from /etc/systemd and its drop-ins.

use std::fs;
use std::path::Path;

use init_api::TimeSpan;
use unit_engine::{ManagerConfig, UnitFormat};
use unit_file::{Amount, ManagerDefaults, RateLimit};

use super::dropins;
use crate::cmdline::Cmdline;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) manager: ManagerConfig,
    pub(crate) defaults: ManagerDefaults,
    pub(crate) environment: Vec<(String, String)>,
}

/// Reads the files, then what the kernel command line adds.
pub(crate) fn read(cmdline: &Cmdline) -> Settings {
    let mut settings = Settings::default();
    let lang = fs::read_to_string("/etc/locale.conf").unwrap_or_default();
    let lang = lang
        .lines()
        .find_map(|line| line.strip_prefix("LANG="))
        .map(|value| value.trim_matches('"'));
    settings
        .environment
        .push(("LANG".to_owned(), lang.unwrap_or("C.UTF-8").to_owned()));
    let main = ["/etc/systemd/system.conf", "/usr/lib/systemd/system.conf"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    let mut texts = vec![main];
    texts.extend(
        dropins::files(Path::new("/"), "systemd/system.conf.d")
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok()),
    );
    for text in texts {
        apply_text(&mut settings, &text);
    }
    for assignment in cmdline.values("systemd.setenv") {
        if let Some((name, value)) = assignment.split_once('=') {
            settings
                .environment
                .push((name.to_owned(), value.to_owned()));
        }
    }
    settings
}

fn apply_text(settings: &mut Settings, text: &str) {
    let mut here = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            here = line == "[Manager]";
        } else if here
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            apply(settings, key.trim(), value.trim());
        }
    }
}

fn apply(settings: &mut Settings, key: &str, value: &str) {
    let span = || TimeSpan::parse(value).ok();
    let (manager, defaults) = (&mut settings.manager, &mut settings.defaults);
    match key {
        "StatusUnitFormat" => {
            manager.unit_format = match value {
                "name" => UnitFormat::Name,
                "combined" => UnitFormat::Combined,
                _ => UnitFormat::Description,
            };
        }
        "DefaultTimeoutStartSec" => {
            if let Some(time) = span() {
                manager.timeout_start = time.as_micros();
                defaults.timeout_start = time;
            }
        }
        "DefaultTimeoutStopSec" => {
            if let Some(time) = span() {
                manager.timeout_stop = time.as_micros();
                defaults.timeout_stop = time;
            }
        }
        "DefaultDeviceTimeoutSec" => {
            if let Some(time) = span() {
                manager.device_timeout = time.as_micros();
                defaults.timeout_device = time;
            }
        }
        "DefaultRestartSec" => {
            if let Some(time) = span() {
                manager.restart = time.as_micros();
                defaults.restart = time;
            }
        }
        "DefaultStartLimitIntervalSec" => {
            if let Some(time) = span() {
                manager.start_limit_interval = time.as_micros();
                defaults.start_limit = RateLimit {
                    interval: time,
                    ..defaults.start_limit
                };
            }
        }
        "DefaultStartLimitBurst" => {
            if let Ok(burst) = value.parse() {
                manager.start_limit_burst = burst;
                defaults.start_limit = RateLimit {
                    burst,
                    ..defaults.start_limit
                };
            }
        }
        "DefaultTimerAccuracySec" => {
            if let Some(time) = span() {
                manager.timer_accuracy = time.as_micros();
                defaults.timer_accuracy = time;
            }
        }
        "DefaultTasksMax" => {
            if value == "infinity" {
                defaults.tasks_max = Amount::Infinity;
            } else if let Some(percent) =
                value.strip_suffix('%').and_then(|v| v.parse::<u32>().ok())
            {
                defaults.tasks_max = Amount::Permyriad(percent.min(100) * 100);
            } else if let Ok(number) = value.parse() {
                defaults.tasks_max = Amount::Absolute(number);
            }
        }
        "DefaultEnvironment" => {
            let words = value
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']));
            settings.environment.extend(
                words
                    .filter_map(|word| word.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use unit_engine::UnitFormat;

    use super::{Settings, apply_text};

    #[test]
    fn only_the_manager_section_counts() {
        let mut settings = Settings::default();
        apply_text(
            &mut settings,
            "[Other]\nDefaultStartLimitBurst=9\n[Manager]\n#x\nStatusUnitFormat=combined\nDefaultTimeoutStopSec=5s\nDefaultEnvironment=\"A=1\" B=2\n",
        );
        assert_eq!(settings.manager.unit_format, UnitFormat::Combined);
        assert_eq!(settings.manager.timeout_stop, 5_000_000);
        assert_eq!(settings.manager.start_limit_burst, 5);
        assert_eq!(settings.environment.len(), 2);
    }
}
