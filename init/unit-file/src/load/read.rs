//! One file's assignments put into a unit's configuration, with a diagnostic for each mistake.

use std::collections::BTreeSet;

use crate::{
    Assigned, Assignment, Diagnostic, Facts, Severity, Specifiers, UnitConfig, UnitText, assign,
    directives,
};

pub(super) struct Reader<'a> {
    pub(super) config: UnitConfig,
    /// The keys that took effect: what defaults must not override.
    pub(super) given: BTreeSet<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// A file that is none of the grammar: nothing of the unit is to be trusted.
    pub(super) broken: bool,
    facts: &'a Facts,
    fragment: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(config: &UnitConfig, facts: &'a Facts, fragment: Option<&str>) -> Self {
        Self {
            config: config.clone(),
            given: BTreeSet::new(),
            diagnostics: Vec::new(),
            broken: false,
            facts,
            fragment: fragment.unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn read(&mut self, path: &str, bytes: &[u8]) {
        let text = UnitText::parse(bytes);
        for problem in text.problems {
            self.broken |= problem.fatal;
            let severity = if problem.fatal {
                Severity::Fatal
            } else {
                Severity::Warning
            };
            self.report(severity, path, (problem.line, problem.column), problem.text);
        }
        for section in text.sections {
            let name = section.name.as_str();
            let known = matches!(name, "Unit" | "Install")
                || self.config.name.kind().section() == Some(name);
            if !known {
                if !name.starts_with("X-") {
                    let text = format!(
                        "[{name}] is no section of {}; it is ignored",
                        self.config.name
                    );
                    self.report(Severity::Warning, path, (section.line, 1), text);
                }
                continue;
            }
            for assignment in &section.assignments {
                self.assign(path, name, assignment);
            }
        }
    }

    pub(super) fn warn(&mut self, path: &str, text: &str) {
        self.report(Severity::Warning, path, (0, 0), text.to_owned());
    }

    fn report(&mut self, severity: Severity, path: &str, place: (u32, u32), text: String) {
        let (line, column) = place;
        self.diagnostics.push(Diagnostic {
            severity,
            path: path.to_owned(),
            line,
            column,
            text,
        });
    }

    fn assign(&mut self, path: &str, section: &str, assignment: &Assignment) {
        let Assignment {
            key,
            value,
            line,
            column,
        } = assignment;
        let place = (*line, *column);
        let name = self.config.name.clone();
        let specifiers = Specifiers {
            facts: self.facts,
            name: &name,
            fragment: &self.fragment,
        };
        match assign(&mut self.config, specifiers, section, key, value) {
            Assigned::Done => {
                self.given.insert(key.clone());
            }
            Assigned::Warned(warnings) => {
                self.given.insert(key.clone());
                for warning in warnings {
                    self.report(Severity::Warning, path, place, warning);
                }
            }
            Assigned::Ignored(text) => self.report(Severity::Warning, path, place, text),
            Assigned::Fatal(text) => self.report(Severity::Fatal, path, place, text),
            Assigned::UnknownSection => {}
            Assigned::UnknownKey(nearest) => {
                let hint = self.hint(section, key, nearest);
                let text = format!("{key}= is no directive of [{section}]; it is ignored{hint}");
                self.report(Severity::Warning, path, place, text);
            }
        }
    }

    /// Where the key belongs, or what it may be a slip for.
    fn hint(&self, section: &str, key: &str, nearest: Option<String>) -> String {
        let kind = self.config.name.kind();
        let elsewhere = ["Unit", "Install"]
            .into_iter()
            .chain(kind.section())
            .find(|other| *other != section && directives(kind, other).contains(&key));
        match (elsewhere, nearest) {
            (Some(other), _) => format!(" (it belongs in [{other}])"),
            (None, Some(nearest)) => format!(" (did you mean {nearest}=?)"),
            (None, None) => String::new(),
        }
    }
}
