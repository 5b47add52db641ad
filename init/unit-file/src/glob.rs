//! Shell patterns over names: `*`, `?`, `[a-z]`, `[!a]`; a backslash takes away their meaning.

/// Whether `text` matches `pattern` as fnmatch(3) without flags does.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and how much text it has taken: enough, since an earlier star never
    // has to give back what a later one could take.
    let mut star = None;
    while t < text.len() {
        match one(&pattern, p, text[t]) {
            Some(next) => (p, t) = (next, t + 1),
            None if pattern.get(p) == Some(&'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            None => {
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                (p, t) = (after, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether a text has characters that make it a pattern.
#[must_use]
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The place after the element at `p` if that matches the character; a `*` never does.
fn one(pattern: &[char], p: usize, character: char) -> Option<usize> {
    match *pattern.get(p)? {
        '*' => None,
        '?' => Some(p + 1),
        '[' => match class(pattern, p + 1, character) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            None => (character == '[').then_some(p + 1),
        },
        '\\' if p + 1 < pattern.len() => (pattern[p + 1] == character).then_some(p + 2),
        plain => (plain == character).then_some(p + 1),
    }
}

/// A bracket expression from after its `[`: whether it matches and where it ends; `None` if it
/// never ends.
fn class(pattern: &[char], start: usize, character: char) -> Option<(bool, usize)> {
    let mut at = start;
    let negate = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(negate);
    let first = at;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > first {
            return Some((found != negate, at + 1));
        }
        let range =
            pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|c| *c != ']');
        let high = if range { pattern[at + 2] } else { low };
        found |= (low..=high).contains(&character);
        at += if range { 3 } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("c-*", "c-a.service", true),
            ("*.service", "a.service", true),
            ("a*b*c", "aXXbYYbc", true),
            ("a*b*c", "aXXbYYbd", false),
            ("?", "ä", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("6.12.*", "6.12.3", true),
        ] {
            assert_eq!(glob_matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
