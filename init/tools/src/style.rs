//! The words of 2016 and the words of today: one table, chosen by `SYSTEMCTL_STYLE`.
//!
//! Nothing else branches on the style; code names a row and fills in its blanks.

/// Which column is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As `CoreOS` printed in 2016 (systemd 229).
    Era,
    /// As systemd 252 prints.
    Modern,
}

/// One row: the same thing said in both styles, blanks written `{}`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    era: &'static str,
    modern: &'static str,
}

const fn text(era: &'static str, modern: &'static str) -> Text {
    Text { era, modern }
}

/// link, target
pub(crate) const CREATED_LINK: Text =
    text("Created symlink from {} to {}.", "Created symlink {} → {}.");
/// link
pub(crate) const REMOVED_LINK: Text = text("Removed symlink {}.", "Removed \"{}\".");
/// unit, cause, advice
pub(crate) const JOB_FAILED: Text = text(
    "Job for {} failed because {}. See \"systemctl status {}\" and \"journalctl -xe\" for details.",
    "Job for {} failed because {}.\nSee \"systemctl status {}\" and \"journalctl -xeu {}\" for details.",
);
/// unit, unit
pub(crate) const JOB_FAILED_PLAIN: Text = text(
    "Job for {} failed. See \"systemctl status {}\" and \"journalctl -xe\" for details.",
    "Job for {} failed.\nSee \"systemctl status {}\" and \"journalctl -xeu {}\" for details.",
);
/// unit, unit
pub(crate) const FORCE_START: Text = text(
    "To force a start use \"systemctl reset-failed {}\" followed by \"systemctl start {}\" again.",
    "To force a start use \"systemctl reset-failed {}\"\nfollowed by \"systemctl start {}\" again.",
);
/// unit
pub(crate) const CHANGED_ON_DISK: Text = text(
    "Warning: {} changed on disk. Run 'systemctl daemon-reload' to reload units.",
    "Warning: The unit file, source configuration file or drop-ins of {} changed on disk. Run 'systemctl daemon-reload' to reload units.",
);
/// unit
pub(crate) const SEE_LOGS: Text = text(
    "See system logs and 'systemctl status {}' for details.",
    "See system logs and 'systemctl status {}' for details.",
);
pub(crate) const PRESET_LABEL: Text = text("vendor preset", "preset");
/// date
pub(crate) const CONDITION_FAILED: Text = text(
    "start condition failed at {}",
    "start condition unmet at {}",
);
pub(crate) const CONDITION_BRANCH: Text = text("", "├─ ");
pub(crate) const CONDITION_LAST: Text = text("", "└─ ");
/// reason of bad-setting
pub(crate) const BAD_SETTING: Text = text(
    "error (Reason: Invalid argument)",
    "bad-setting (Reason: {})",
);
/// reason of masked
pub(crate) const MASKED: Text = text("masked (/dev/null; bad)", "masked (Reason: {})");
/// reason of not-found
pub(crate) const NOT_FOUND: Text = text(
    "not-found (Reason: No such file or directory)",
    "not-found (Reason: {})",
);
pub(crate) const BULLET_INACTIVE: Text = text("●", "○");
pub(crate) const BULLET_FAILED: Text = text("●", "×");
pub(crate) const BULLET_RELOADING: Text = text("●", "↻");
/// name
pub(crate) const NO_SUCH_UNIT: Text = text("", "Unit {} could not be found.");
pub(crate) const CONTROL_PID_LABEL: Text = text("  Control", "  Cntrl PID");

impl Style {
    /// From the value of `SYSTEMCTL_STYLE`.
    pub(crate) fn named(name: Option<&str>) -> Self {
        match name {
            Some("modern" | "252") => Self::Modern,
            _ => Self::Era,
        }
    }

    /// The width of the label column of `status`, without the colon.
    pub(crate) fn label_width(self) -> usize {
        match self {
            Self::Era => 9,
            Self::Modern => 11,
        }
    }

    /// A row as it stands.
    pub(crate) fn raw(self, text: Text) -> &'static str {
        match self {
            Self::Era => text.era,
            Self::Modern => text.modern,
        }
    }

    /// A row with its blanks filled in order; surplus values are for the other style.
    pub(crate) fn say(self, text: Text, values: &[&str]) -> String {
        let mut values = values.iter();
        let mut out = String::new();
        for (at, part) in self.raw(text).split("{}").enumerate() {
            if at > 0 {
                out.push_str(values.next().copied().unwrap_or_default());
            }
            out.push_str(part);
        }
        out
    }

    /// Whether lists of past processes run backwards, as they did when each was put in front.
    pub(crate) fn newest_process_first(self) -> bool {
        self == Self::Era
    }

    /// Whether lines that were added after 2016 are shown.
    pub(crate) fn shows_newer_lines(self) -> bool {
        self == Self::Modern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_in_the_words_of_2016_unless_asked_otherwise() {
        let say = |name| Style::named(name).say(CREATED_LINK, &["/a", "/b"]);
        assert_eq!(say(None), "Created symlink from /a to /b.");
        assert_eq!(say(Some("modern")), "Created symlink /a → /b.");
    }
}
