//! What is wrong with a document, and where.

use std::fmt;

use serde::Serialize;

/// How bad it is. Errors cost something that was asked for; warnings may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding. Lines and columns are physical and counted from 1; line 0 means that the finding is
/// about the whole (then it is shown as line 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub line: usize,
    pub column: usize,
    /// The key that it is about, with underscores; may be empty.
    pub key: String,
    pub message: String,
}

impl Diagnostic {
    /// An error at a line.
    #[must_use]
    pub fn error(line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, line, message)
    }

    /// A warning at a line.
    #[must_use]
    pub fn warning(line: usize, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, line, message)
    }

    /// Any finding at a line.
    #[must_use]
    pub fn new(severity: Severity, line: usize, message: impl Into<String>) -> Self {
        Self {
            severity,
            line,
            column: 0,
            key: String::new(),
            message: message.into(),
        }
    }

    /// The same with a column.
    #[must_use]
    pub fn at_column(mut self, column: usize) -> Self {
        self.column = column;
        self
    }

    /// The same about a key.
    #[must_use]
    pub fn about(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }
}

impl fmt::Display for Diagnostic {
    /// The validator's line: `line N: kind: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}: {}",
            self.line.max(1),
            self.severity,
            self.message
        )
    }
}

/// Sorts by line, as the validator prints them; findings of one line keep their order.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|d| d.line);
}
