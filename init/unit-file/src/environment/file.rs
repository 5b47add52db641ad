//! The syntax of environment files: like a shell's assignments, but without expansion.

use super::is_name;

/// The assignments of a file, in order, later ones of a name not replacing earlier ones here.
/// Lines that are none are dropped, as systemd does: `export A=b`, `1A=b`, text without `=`.
#[must_use]
pub fn parse_environment_file(text: &str) -> Vec<(String, String)> {
    let mut assignments = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return assignments;
        }
        if rest.starts_with(['#', ';']) {
            rest = after_comment(rest);
            continue;
        }
        let end = rest.find(['=', '\n', '\r']).unwrap_or(rest.len());
        let name = rest[..end].trim_end();
        if !rest[end..].starts_with('=') {
            rest = &rest[end..];
            continue;
        }
        let (value, after) = value(&rest[end + 1..]);
        if is_name(name) {
            assignments.push((name.to_owned(), value));
        }
        rest = after;
    }
}

/// What follows a comment; a backslash at the end of its line goes on with it.
fn after_comment(text: &str) -> &str {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '\n' | '\r' if !escaped => return &text[at..],
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

/// A value, and what follows its line.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let mut value = String::new();
    // How much of the value is quoted or escaped, and thus kept at its end.
    let mut kept = 0;
    let mut plain = false;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\n' | '\r' => return finish(value, kept, &text[at..]),
            '\'' if !plain => {
                let inner = &text[at + 1..];
                let length = inner.find('\'').unwrap_or(inner.len());
                value.push_str(&inner[..length]);
                kept = value.len();
                characters = rest_of(text, at + 1 + length + 1);
            }
            '"' if !plain => {
                let length = double_quoted(&text[at + 1..], &mut value);
                kept = value.len();
                characters = rest_of(text, at + 1 + length);
            }
            '\\' => {
                plain = true;
                if let Some((_, escaped)) = characters.next()
                    && escaped != '\n'
                {
                    value.push(escaped);
                    kept = value.len();
                }
            }
            // Blanks around quotes are no part of the value.
            ' ' | '\t' if !plain => {}
            ' ' | '\t' => value.push(character),
            _ => {
                plain = true;
                value.push(character);
                kept = value.len();
            }
        }
    }
    finish(value, kept, "")
}

fn finish(mut value: String, kept: usize, rest: &str) -> (String, &str) {
    value.truncate(kept);
    (value, rest)
}

/// The characters of `text` from a byte on, with the places that they have in it.
fn rest_of(text: &str, from: usize) -> std::str::CharIndices<'_> {
    let mut characters = text.char_indices();
    while characters.offset() < from && characters.next().is_some() {}
    characters
}

/// Reads up to the closing quote; gives how many bytes that were, the quote included.
fn double_quoted(text: &str, value: &mut String) -> usize {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return at + 1,
            '\\' => match characters.next() {
                Some((_, '\n')) | None => {}
                Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
            },
            _ => value.push(character),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse_environment_file(text)
    }

    #[test]
    fn the_table_of_case_env_02_holds() {
        let text = "# comment\n; comment\nA=plain value with spaces   \nB=\"double \\\"q\\\" $HOME\"\nC='single $x \\n'\nexport D=exported\nE=con\\\ntinued\nF=\nG=\"multi\nline\"\nH=a\"b c\"d\n I = spaced\nJ=back\\slash\n1K=bad\nL=hash#inside # not comment\n";
        let wanted = [
            ("A", "plain value with spaces"),
            ("B", "double \"q\" $HOME"),
            ("C", "single $x \\n"),
            ("E", "continued"),
            ("F", ""),
            ("G", "multi\nline"),
            ("H", "a\"b c\"d"),
            ("I", "spaced"),
            ("J", "backslash"),
            ("L", "hash#inside # not comment"),
        ];
        let found = pairs(text);
        let found: Vec<_> = found
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn edges_of_lines_and_quotes_hold() {
        for (text, wanted) in [
            ("A=b", vec![("A", "b")]),
            ("A=\"open", vec![("A", "open")]),
            ("A='a''b' \"c\"", vec![("A", "abc")]),
            ("A=b\r\nC=d\r\n", vec![("A", "b"), ("C", "d")]),
            ("nothing\nA=b", vec![("A", "b")]),
            ("# c \\\nA=hidden\nB=seen", vec![("B", "seen")]),
            ("A=b\\", vec![("A", "b")]),
            ("A=' b '", vec![("A", " b ")]),
            ("A=x\\ \n", vec![("A", "x ")]),
        ] {
            let found = pairs(text);
            let found: Vec<_> = found
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(found, wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn single_quotes_keep_everything_but_quotes(value in "[^'\\r\0]{0,40}") {
            prop_assert_eq!(pairs(&format!("A='{value}'\n")), vec![("A".to_owned(), value)]);
        }

        #[test]
        fn reading_never_panics(text in "[A-C=\"'\\\\\\n #;é]{0,40}") {
            let _ = pairs(&text);
        }
    }
}
