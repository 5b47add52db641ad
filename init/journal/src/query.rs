//! What to select: matches on fields, joined by and and or, as `journalctl` builds them.

/// A condition on an entry's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    Everything,
    /// Exactly this `FIELD=value`.
    Field(Vec<u8>),
    /// At least one of these; none of none.
    Any(Vec<Expression>),
    /// All of these.
    All(Vec<Expression>),
}

impl Expression {
    /// `name=value`.
    #[must_use]
    pub fn field(name: &str, value: &str) -> Self {
        Self::Field(format!("{name}={value}").into_bytes())
    }

    /// Whether an entry with these fields is selected.
    #[must_use]
    pub fn selects(&self, fields: &[Vec<u8>]) -> bool {
        match self {
            Self::Everything => true,
            Self::Field(payload) => fields.contains(payload),
            Self::Any(parts) => parts.iter().any(|part| part.selects(fields)),
            Self::All(parts) => parts.iter().all(|part| part.selects(fields)),
        }
    }
}

/// Everything that belongs to a unit: what its processes said, what PID 1 and others said of it.
#[must_use]
pub fn of_unit(unit: &str) -> Expression {
    let both = |a: Expression, b: Expression| Expression::All(vec![a, b]);
    Expression::Any(vec![
        Expression::field("_SYSTEMD_UNIT", unit),
        both(
            Expression::field("_PID", "1"),
            Expression::field("UNIT", unit),
        ),
        both(
            Expression::field("_UID", "0"),
            Expression::field("OBJECT_SYSTEMD_UNIT", unit),
        ),
        both(
            Expression::field("_UID", "0"),
            Expression::field("COREDUMP_UNIT", unit),
        ),
    ])
}

/// Priorities `from` to `to` (0 is the most urgent).
#[must_use]
pub fn of_priorities(from: u8, to: u8) -> Expression {
    Expression::Any(
        (from..=to)
            .map(|level| Expression::field("PRIORITY", &level.to_string()))
            .collect(),
    )
}

/// Why a match on the command line is no match.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is neither FIELD=VALUE nor a path nor +")]
pub struct MatchError {
    text: String,
}

/// Matches as typed: the same field twice means or, different fields and, `+` starts an alternative.
///
/// # Errors
/// A word that is none of these.
pub fn parse_matches(words: &[String]) -> Result<Expression, MatchError> {
    let mut alternatives: Vec<Vec<(String, Vec<Expression>)>> = vec![Vec::new()];
    for word in words {
        if word == "+" {
            alternatives.push(Vec::new());
            continue;
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if is_field_name(name) => (name, value),
            _ if word.starts_with('/') => ("_EXE", word.as_str()),
            _ => return Err(MatchError { text: word.clone() }),
        };
        let Some(group) = alternatives.last_mut() else {
            continue;
        };
        let part = Expression::field(name, value);
        match group.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(part),
            None => group.push((name.to_owned(), vec![part])),
        }
    }
    let groups = alternatives
        .into_iter()
        .filter(|group| !group.is_empty())
        .map(|group| {
            Expression::All(
                group
                    .into_iter()
                    .map(|(_, values)| Expression::Any(values))
                    .collect(),
            )
        })
        .collect::<Vec<_>>();
    Ok(if groups.is_empty() {
        Expression::Everything
    } else {
        Expression::Any(groups)
    })
}

/// Field names are upper case letters, digits and underscores, at most 64, and do not begin with a digit.
#[must_use]
pub fn is_field_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(fits)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|w| w.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_same_field_means_or_different_fields_and_and_plus_starts_an_alternative() {
        let words = ["A=1", "A=2", "B=3", "+", "C=4"].map(str::to_owned);
        let expression = parse_matches(&words).unwrap();
        assert!(expression.selects(&fields(&["A=2", "B=3"])));
        assert!(expression.selects(&fields(&["C=4"])));
        assert!(!expression.selects(&fields(&["A=1"])));
        assert!(!expression.selects(&fields(&["B=3", "A=5"])));
    }

    #[test]
    fn a_word_that_is_no_match_is_refused() {
        parse_matches(&["nonsense".to_owned()]).unwrap_err();
        parse_matches(&["lower=1".to_owned()]).unwrap_err();
    }
}
