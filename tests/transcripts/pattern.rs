//! What may vary, as patterns in a transcript's output: `[..]` is anything within a line, a line `...` any number of
//! lines, and `[NAME]` a thing of a known kind (an index, a process id, a time). Everything else is literal.

/// A kind's name, and what its characters are.
type Kind = (&'static str, fn(char) -> bool);

/// Kinds of things that vary, each with a test for one character.
const KINDS: [Kind; 4] = [
    ("[INDEX]", |c| c.is_ascii_digit()),
    ("[PID]", |c| c.is_ascii_digit()),
    ("[HEX]", |c| c.is_ascii_hexdigit()),
    ("[TIME]", |c| {
        c.is_ascii_alphanumeric() || " :-.+".contains(c)
    }),
];

/// Does a line match a pattern?
pub(crate) fn line(pattern: &str, text: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("[..]") {
        return ends(text).any(|at| line(rest, &text[at..]));
    }
    for (name, kind) in KINDS {
        if let Some(rest) = pattern.strip_prefix(name) {
            let longest = text.find(|c| !kind(c)).unwrap_or(text.len());
            return ends(&text[..longest])
                .filter(|at| *at > 0)
                .any(|at| line(rest, &text[at..]));
        }
    }
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some(wanted), Some(got)) if wanted == got => {
            line(&pattern[wanted.len_utf8()..], &text[got.len_utf8()..])
        }
        _ => false,
    }
}

/// Every place where a text can be cut, the end first.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    (0..=text.len())
        .rev()
        .filter(|at| text.is_char_boundary(*at))
}

/// Do lines match patterns?
pub(crate) fn lines(patterns: &[String], text: &[&str]) -> bool {
    match patterns.split_first() {
        None => text.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=text.len()).any(|skip| lines(rest, &text[skip..]))
        }
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(got, more)| line(first, got) && lines(rest, more)),
    }
}

#[test]
fn kinds_and_ellipses_match_what_they_stand_for_and_nothing_else() {
    assert!(line(
        "\"modifiedIndex\":[INDEX],",
        "\"modifiedIndex\":1641,"
    ));
    assert!(!line("\"modifiedIndex\":[INDEX],", "\"modifiedIndex\":,"));
    assert!(line("a [..] b", "a  b  b"));
    assert!(!line("a", "ab"));
    let patterns: Vec<String> = ["a", "...", "z"].map(str::to_owned).into();
    assert!(lines(&patterns, &["a", "b", "c", "z"]) && lines(&patterns, &["a", "z"]));
    assert!(!lines(&patterns, &["a", "b"]));
}
