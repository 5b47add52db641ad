//! `tools generate DIR`: completions and manual pages of all tools, for the image builder.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::systemctl::{Failure, complain};
use crate::{
    analyze, cat, delta, escape, hostname, journalctl, login, machine, notify, run, sysctl,
    systemctl, timedate, tmpfiles,
};

/// The command lines of the tools that have one of their own.
fn commands() -> Vec<Command> {
    vec![
        systemctl::Options::command(),
        journalctl::Options::command(),
        hostname::Options::command(),
        timedate::Options::command(),
        login::Options::command(),
        notify::Options::command(),
        cat::Options::command(),
        run::Options::command(),
        escape::Options::command(),
        machine::DetectVirt::command(),
        machine::Cgls::command(),
        machine::MachineIdSetup::command(),
        machine::Id128::command(),
        tmpfiles::Options::command(),
        sysctl::Options::command(),
        delta::Options::command(),
        analyze::Options::command(),
    ]
}

pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let Some(folder) = args.first() else {
        complain("generate wants a folder");
        return ExitCode::from(2);
    };
    match generate(Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.text);
            ExitCode::FAILURE
        }
    }
}

fn generate(folder: &Path) -> Result<(), Failure> {
    let (bash, man) = (
        folder.join("bash-completion/completions"),
        folder.join("man"),
    );
    for sub in [&bash, &man.join("man1"), &man.join("man8")] {
        fs::create_dir_all(sub)?;
    }
    for mut command in commands() {
        let name = command.get_name().to_owned();
        clap_complete::generate_to(Shell::Bash, &mut command, &name, &bash)?;
        // What only PID 1's start-up calls is in section 8, as in systemd.
        let section = if matches!(name.as_str(), "systemd-tmpfiles" | "systemd-sysctl") {
            "8"
        } else {
            "1"
        };
        let page = clap_mangen::Man::new(command).section(section);
        let mut bytes = Vec::new();
        page.render(&mut bytes)?;
        fs::write(man.join(format!("man{section}/{name}.{section}")), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_is_sound_and_has_a_page_and_completions() {
        let folder = std::env::temp_dir().join(format!("generate-{}", std::process::id()));
        for command in commands() {
            command.debug_assert();
        }
        generate(&folder).unwrap();
        assert!(folder.join("man/man1/systemctl.1").exists());
        assert!(
            folder
                .join("bash-completion/completions/systemctl.bash")
                .exists()
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
