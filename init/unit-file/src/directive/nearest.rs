//! The known key that a misspelt one may have meant.

/// The key with the fewest changes, if they are few enough to be a slip.
pub(super) fn nearest(key: &str, known: &[&'static str]) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (distance(&lower, &name.to_ascii_lowercase()), *name))
        .filter(|(distance, name)| *distance <= ((name.len() + 2) / 4).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

/// Insertions, deletions and replacements from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["ExecStart", "ExecStartPre", "Restart", "User"];
        assert_eq!(nearest("ExecStrat", &known).as_deref(), Some("ExecStart"));
        assert_eq!(nearest("execstart", &known).as_deref(), Some("ExecStart"));
        assert_eq!(nearest("Usr", &known).as_deref(), Some("User"));
        assert_eq!(nearest("Author", &known), None);
    }
}
