//! Environment files, and the order in which the sources of an environment override each other.

use crate::glob_matches;

mod file;

pub use file::parse_environment_file;

/// Whether a text can name a variable: letters, digits and `_`, no digit in front.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Sets a variable: an earlier value is replaced in its place.
pub fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    match env.iter_mut().find(|(known, _)| known == name) {
        Some(known) => value.clone_into(&mut known.1),
        None => env.push((name.to_owned(), value.to_owned())),
    }
}

/// Takes away what `UnsetEnvironment=` names: `NAME`, or `NAME=value` for just that value.
pub fn unset(env: &mut Vec<(String, String)>, what: &[String]) {
    env.retain(|(name, value)| {
        !what.iter().any(|one| match one.split_once('=') {
            Some((wanted, exact)) => wanted == name && exact == value,
            None => one == name,
        })
    });
}

/// The paths that an `EnvironmentFile=` with a pattern in its last part means, sorted.
///
/// # Errors
/// As listing the folder fails.
pub fn matching_files(tree: &dyn crate::Tree, pattern: &str) -> std::io::Result<Vec<String>> {
    let (folder, pattern) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let names = tree.list(if folder.is_empty() { "/" } else { folder })?;
    Ok(names
        .into_iter()
        .filter(|name| !name.starts_with('.') && glob_matches(pattern, name))
        .map(|name| format!("{folder}/{name}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryTree;

    #[test]
    fn unset_takes_names_and_exact_values() {
        let mut env = vec![];
        for (name, value) in [("U1", "a"), ("U2", "b"), ("U3", "c"), ("U1", "again")] {
            set(&mut env, name, value);
        }
        unset(&mut env, &["U1".into(), "U2=zzz".into(), "U3=c".into()]);
        assert_eq!(env, [("U2".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn patterns_match_in_sorted_order_without_hidden_files() {
        let tree = MemoryTree::new()
            .file("/run/t-env.d/20.env", "")
            .file("/run/t-env.d/10.env", "")
            .file("/run/t-env.d/.hidden", "");
        assert_eq!(
            matching_files(&tree, "/run/t-env.d/*").unwrap(),
            ["/run/t-env.d/10.env", "/run/t-env.d/20.env"]
        );
    }
}
