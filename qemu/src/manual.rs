//! Shell completion and the manual page, made from the command line's own description.

use std::io::Write;

use anyhow::Context;
use clap::CommandFactory;

use crate::arguments::Arguments;

/// Prints a completion script.
pub(crate) fn completion(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "qemu-cluster", &mut text);
    print(&text)
}

/// Prints the manual page, with a part for each command.
pub(crate) fn manual() -> anyhow::Result<u8> {
    print(&page()?)
}

fn page() -> anyhow::Result<Vec<u8>> {
    let command = Arguments::command();
    let mut text = Vec::new();
    let what = "write the manual";
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .context(what)?;
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        writeln!(
            text,
            ".SH \"QEMU\\-CLUSTER {}\"",
            part.get_name().to_uppercase()
        )
        .context(what)?;
        let man = clap_mangen::Man::new(part.clone());
        man.render_description_section(&mut text).context(what)?;
        man.render_options_section(&mut text).context(what)?;
    }
    Ok(text)
}

fn print(text: &[u8]) -> anyhow::Result<u8> {
    std::io::stdout().write_all(text).context("cannot write")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_has_every_command() {
        let text = String::from_utf8(super::page().expect("made")).expect("text");
        for word in ["UP", "DOWN", "SSH", "STATUS", "LOGS"] {
            assert!(text.contains(&format!("QEMU\\-CLUSTER {word}")), "{word}");
        }
        assert!(!text.contains("SUPERVISE"));
    }
}
