//! Progress for people: one line a stage with its number, what it does, and how long it took.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Prints stages as they pass.
#[derive(Debug)]
pub struct Status {
    total: usize,
    number: usize,
    begun: Instant,
    quiet: bool,
    times: Vec<(String, Duration, bool)>,
}

/// One running stage.
#[derive(Debug)]
pub struct Step {
    bar: ProgressBar,
}

impl Step {
    /// Shows what the stage is at.
    pub fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Status {
    /// For this many stages.
    #[must_use]
    pub fn new(total: usize, quiet: bool) -> Self {
        Self {
            total,
            number: 0,
            begun: Instant::now(),
            quiet,
            times: Vec::new(),
        }
    }

    /// Runs a stage. What it returns tells whether its result came from the cache.
    ///
    /// # Errors
    /// The stage's own.
    pub fn stage<T>(
        &mut self,
        name: &str,
        run: impl FnOnce(&Step) -> anyhow::Result<(T, Origin)>,
    ) -> anyhow::Result<T> {
        self.number += 1;
        let label = format!("[{:2}/{}] {name}", self.number, self.total);
        let target = if self.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:28} {spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(label.clone());
        bar.enable_steady_tick(Duration::from_millis(200));
        let begun = Instant::now();
        let step = Step { bar };
        let result = run(&step);
        let note = step.bar.message();
        step.bar.finish_and_clear();
        let (value, origin) =
            result.map_err(|error| error.context(format!("stage {label} did not finish")))?;
        let took = begun.elapsed();
        self.times
            .push((name.to_owned(), took, origin == Origin::Cache));
        self.say(&format!(
            "{label:28} {:6.2} s  {origin}{note}",
            took.as_secs_f64()
        ));
        Ok(value)
    }

    /// The time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// One line to the terminal.
    pub fn say(&self, text: &str) {
        use std::io::Write as _;
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

/// Where a stage's result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Made now.
    Made,
    /// Kept from an earlier build.
    Cache,
}

impl Origin {
    /// From the answer of [`crate::cache::Cache::stage`].
    #[must_use]
    pub fn made(made: bool) -> Self {
        if made { Self::Made } else { Self::Cache }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Made => "",
            Self::Cache => "kept  ",
        })
    }
}
