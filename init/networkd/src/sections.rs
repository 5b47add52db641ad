//! The text of .network and .netdev files as sections of assignments.
//!
//! Pure: the grammar of unit files (comments, continuation lines, blanks round `=`), without meaning.

/// One assignment and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// One section; the same name may come again (every `[Route]` is a route of its own).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    pub assignments: Vec<Assignment>,
}

/// Reads a file's text; lines that are no assignment are reported as `(line, text)`.
#[must_use]
pub fn read(text: &str) -> (Vec<Section>, Vec<(usize, String)>) {
    let mut sections: Vec<Section> = Vec::new();
    let mut wrong = Vec::new();
    for (line, logical) in logical_lines(text) {
        let trimmed = logical.trim();
        if let Some(name) = trimmed
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push(Section {
                name: name.to_owned(),
                assignments: Vec::new(),
            });
        } else if let (Some((key, value)), Some(section)) =
            (trimmed.split_once('='), sections.last_mut())
        {
            section.assignments.push(Assignment {
                key: key.trim_end().to_owned(),
                value: value.trim_start().to_owned(),
                line,
            });
        } else {
            wrong.push((line, trimmed.to_owned()));
        }
    }
    (sections, wrong)
}

fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let blank_or_comment = matches!(line.trim_start().chars().next(), None | Some('#' | ';'));
        if blank_or_comment && (open.is_none() || !line.trim().is_empty()) {
            continue;
        }
        let (start, mut whole) = open.take().unwrap_or((number + 1, String::new()));
        if let Some(head) = line.strip_suffix('\\') {
            whole.push_str(head);
            whole.push(' ');
            open = Some((start, whole));
        } else {
            whole.push_str(line);
            lines.push((start, whole));
        }
    }
    lines.extend(open);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations_join_and_comments_inside_them_are_dropped() {
        let (sections, wrong) = read("[Network]\nDNS=1.1.1.1 \\\n# no\n  8.8.8.8\n;x\nstray\n");
        assert_eq!(sections[0].assignments[0].value, "1.1.1.1    8.8.8.8");
        assert_eq!(wrong, [(6, "stray".to_owned())]);
    }
}
