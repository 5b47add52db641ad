//! The `image-builder` program: reads the command line, calls the library, prints the chain of causes
//! once. It decides nothing about the image.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use image_builder::apt::{Mirror, make_lock};
use image_builder::cache::Cache;
use image_builder::manifest::{Manifest, Sources};
use image_builder::{lock, stages, unpack};

/// Builds Garboard's disk image from locked Debian packages and this work tree's programs.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    image-builder build                      target/image/garboard.qcow2\n  \
    image-builder build --without docker --output /tmp/small.qcow2\n  \
    image-builder lock                       take the archive's present state; review the difference\n  \
    image-builder unpack --suite trixie --program qemu-img qemu-utils"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the image; prints its path.
    Build(Build),
    /// Write image/packages.lock anew from the archive's present state.
    Lock(Place),
    /// Fetch every locked package into the cache, so that later builds need no network.
    Fetch(Place),
    /// Unpack packages of a Debian release, with all they need, into the cache; prints the folder.
    Unpack(Unpack),
    /// Print a shell's completions or the manual page.
    Print {
        /// What to print.
        what: What,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
    /// The manual page.
    Man,
}

#[derive(Debug, Args)]
struct Place {
    /// The work tree [default: found from the current folder]
    #[arg(long)]
    source: Option<PathBuf>,
    /// The cache [default: garboard below the user's cache folder]
    #[arg(long)]
    cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    place: Place,
    /// A package group beside the default ones; may be repeated
    #[arg(long, value_name = "GROUP")]
    with: Vec<String>,
    /// A default package group that is left out, for example docker; may be repeated
    #[arg(long, value_name = "GROUP")]
    without: Vec<String>,
    /// The image [default: target/image/garboard.qcow2 in the work tree]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Also write the raw disk, sparse
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Take our programs from this folder instead of building them
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// No progress, only the path at the end
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Unpack {
    /// The cache [default: garboard below the user's cache folder]
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Debian's name of the release
    #[arg(long, value_name = "NAME")]
    suite: String,
    /// A program that gets a script in the folder's bin/, and words that come before the user's (@ is the folder);
    /// may be repeated
    #[arg(long, value_name = "PROGRAM [WORD…]")]
    program: Vec<String>,
    /// No progress, only the folder at the end
    #[arg(long, short)]
    quiet: bool,
    /// The packages
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
}

impl Place {
    fn open(&self) -> Result<(Sources, Cache)> {
        let start = self.source.clone().map_or_else(std::env::current_dir, Ok)?;
        Ok((Sources::find(&start)?, Cache::open(self.cache.clone())?))
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "image-builder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match cli.command {
        Command::Build(wanted) => {
            let (sources, cache) = wanted.place.open()?;
            let output = wanted
                .output
                .unwrap_or_else(|| sources.root.join("target/image/garboard.qcow2"));
            let Build {
                with,
                without,
                raw,
                programs,
                quiet,
                ..
            } = wanted;
            let path = stages::build(&stages::Options {
                sources,
                cache,
                with,
                without,
                output,
                raw,
                programs,
                quiet,
            })?;
            writeln!(out, "{}", path.display())?;
        }
        Command::Lock(place) => {
            let (sources, cache) = place.open()?;
            let manifest = Manifest::read(&sources.image("manifest.toml"))?;
            let packages = make_lock(&manifest, &Mirror::find()?, &cache.folder("apt")?)?;
            let path = sources.image("packages.lock");
            std::fs::write(&path, lock::print(&packages))
                .with_context(|| format!("cannot write {}", path.display()))?;
            writeln!(
                out,
                "{}: {} packages; review the difference",
                path.display(),
                packages.len()
            )?;
        }
        Command::Fetch(place) => {
            let (sources, cache) = place.open()?;
            let path = sources.image("packages.lock");
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let packages = lock::parse(&path.display().to_string(), &text)?;
            let mut status = image_builder::status::Status::new(1, false);
            status.stage("fetch", |step| {
                image_builder::fetch::all(&cache, &packages.iter().collect::<Vec<_>>(), step)?;
                Ok(((), image_builder::status::Origin::Made))
            })?;
        }
        Command::Unpack(wanted) => {
            let folder = unpack::unpack(&unpack::Options {
                cache: Cache::open(wanted.cache)?,
                suite: wanted.suite,
                packages: wanted.packages,
                programs: wanted.program,
                quiet: wanted.quiet,
            })?;
            writeln!(out, "{}", folder.display())?;
        }
        Command::Print { what } => print(what, &mut out)?,
    }
    Ok(())
}

fn print(what: What, out: &mut impl std::io::Write) -> Result<()> {
    let mut command = Cli::command();
    let shell = match what {
        What::Bash => clap_complete::Shell::Bash,
        What::Zsh => clap_complete::Shell::Zsh,
        What::Fish => clap_complete::Shell::Fish,
        What::Man => return Ok(clap_mangen::Man::new(command).render(out)?),
    };
    clap_complete::generate(shell, &mut command, "image-builder", out);
    Ok(())
}
