//! `mk-docker-opts`: Docker's options from `subnet.env`, with the switches of the original's script.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use flannel_core::docker_opts::{Style, text};

use crate::{chain, files};

#[derive(Debug, Parser)]
#[command(
    name = "mk-docker-opts.sh",
    about = "Writes Docker's options for flannel's subnet; by default each in a variable and all in one",
    after_help = "Examples:\n  mk-docker-opts.sh -d /run/flannel_docker_opts.env -i\n  mk-docker-opts.sh -c -k DOCKER_NETWORK_OPTIONS"
)]
struct Arguments {
    /// What flanneld wrote
    #[arg(short = 'f', default_value = "/run/flannel/subnet.env")]
    from: PathBuf,
    /// The file to write, several when given several times
    #[arg(short = 'd', default_value = "/run/docker_opts.env")]
    to: Vec<PathBuf>,
    /// Only a variable per option: its name is `DOCKER_OPT_` and BIP, IPMASQ or MTU
    #[arg(short = 'i')]
    individual: bool,
    /// Only one variable with all options
    #[arg(short = 'c')]
    combined: bool,
    /// Leave out --ip-masq
    #[arg(short = 'm')]
    no_masq: bool,
    /// The name of that one variable
    #[arg(short = 'k', default_value = "DOCKER_OPTS")]
    key: String,
}

pub(crate) fn main(words: Vec<OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let from = match std::fs::read_to_string(&arguments.from) {
        Ok(from) => from,
        Err(error) => {
            eprintln!(
                "mk-docker-opts: cannot read {}: {error}; is flanneld running?",
                arguments.from.display()
            );
            return ExitCode::FAILURE;
        }
    };
    let neither = !arguments.individual && !arguments.combined;
    let style = Style {
        separate: arguments.individual || neither,
        combined: arguments.combined || neither,
        key: arguments.key,
        ip_masq: !arguments.no_masq,
    };
    let text = text(&from, &style);
    for path in &arguments.to {
        if let Err(error) = files::write(path, &text) {
            eprintln!(
                "mk-docker-opts: cannot write {}: {}",
                path.display(),
                chain(&error)
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
