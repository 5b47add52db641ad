//! Variables in command lines, replaced at each exec: `$NAME` splits into words, `${NAME}` does not.

use crate::words;

/// Where variables are looked up: a map, or a list of pairs of which the last wins.
pub trait Lookup {
    /// The value of a variable.
    fn get(&self, name: &str) -> Option<&str>;
}

impl<S: AsRef<str>> Lookup for [(S, S)] {
    fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .rev()
            .find(|(key, _)| key.as_ref() == name)
            .map(|(_, value)| value.as_ref())
    }
}

impl<S: AsRef<str>> Lookup for Vec<(S, S)> {
    fn get(&self, name: &str) -> Option<&str> {
        Lookup::get(self.as_slice(), name)
    }
}

impl Lookup for std::collections::BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        Self::get(self, name).map(String::as_str)
    }
}

/// The words with their variables replaced, as systemd.service(5) "Command lines" says.
///
/// ```
/// let env = [("OPTS", "-a 'b c'"), ("X", "1 2")];
/// let words = ["cmd", "$OPTS", "x${X}y", "$UNSET", "${UNSET}", "$$X"].map(String::from);
/// assert_eq!(unit_file::expand_argv(&words, &env[..]), ["cmd", "-a", "b c", "x1 2y", "", "$X"]);
/// ```
#[must_use]
pub fn expand_argv<E: Lookup + ?Sized>(argv: &[String], env: &E) -> Vec<String> {
    let mut expanded = Vec::with_capacity(argv.len());
    for word in argv {
        match word.strip_prefix('$') {
            Some(name) if !name.starts_with(['{', '$']) => {
                if let Some(value) = env.get(name) {
                    expanded.extend(words::split_relaxed(value));
                }
            }
            _ => expanded.push(expand_word(word, env)),
        }
    }
    expanded
}

/// A word with `${NAME}` and `$$` replaced; everything else stays as written.
#[must_use]
pub fn expand_word<E: Lookup + ?Sized>(word: &str, env: &E) -> String {
    let mut expanded = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = braced(after) {
            expanded.push_str(env.get(name).unwrap_or_default());
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

/// `{NAME}` and what follows. With a `:` inside it is a form that systemd does not know either.
fn braced(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    (!name.contains(':')).then_some((name, after))
}
