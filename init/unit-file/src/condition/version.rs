//! Versions compared as the version format specification of the UAPI group says.

use std::cmp::Ordering;

/// Compares two versions: digits by number, letters by code, `~` before everything, then the end
/// of the text, `-`, `^` and `.`.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        (a, b) = (skip(a), skip(b));
        for mark in *b"~-^." {
            let (in_a, in_b) = (a.first() == Some(&mark), b.first() == Some(&mark));
            // `~` sorts below the end of the text, the other marks above it.
            if mark == b'~' || !(a.is_empty() || b.is_empty()) {
                match (in_a, in_b) {
                    (true, false) => return Ordering::Less,
                    (false, true) => return Ordering::Greater,
                    (true, true) => (a, b) = (&a[1..], &b[1..]),
                    (false, false) => {}
                }
            }
            if mark == b'~' && !(in_a || in_b) && (a.is_empty() || b.is_empty()) {
                return a.len().cmp(&b.len());
            }
        }
        let digits =
            a.first().is_some_and(u8::is_ascii_digit) || b.first().is_some_and(u8::is_ascii_digit);
        let run = |text: &[u8]| {
            text.iter()
                .take_while(|c| {
                    if digits {
                        c.is_ascii_digit()
                    } else {
                        c.is_ascii_alphabetic()
                    }
                })
                .count()
        };
        let ((head_a, rest_a), (head_b, rest_b)) = (a.split_at(run(a)), b.split_at(run(b)));
        let order = if digits {
            number(head_a, head_b)
        } else {
            head_a.cmp(head_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// What is neither letter, digit nor mark separates and is otherwise nothing.
fn skip(text: &[u8]) -> &[u8] {
    let junk = text
        .iter()
        .take_while(|c| !(c.is_ascii_alphanumeric() || b"~-^.".contains(c)))
        .count();
    &text[junk..]
}

fn number(a: &[u8], b: &[u8]) -> Ordering {
    fn strip(text: &[u8]) -> &[u8] {
        &text[text.iter().take_while(|c| **c == b'0').count()..]
    }
    if a.is_empty() || b.is_empty() {
        return a.len().cmp(&b.len());
    }
    let (a, b) = (strip(a), strip(b));
    a.len().cmp(&b.len()).then(a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_sort_as_specified() {
        let sorted = [
            "122~rc1",
            "122",
            "123-a",
            "123-a.1",
            "123-a1",
            "123-a1.1",
            "123-3",
            "123-3.1",
            "123^patch1",
            "123^1",
            "123.a-1",
            "123a-1",
            "124-1",
            "6.1.0",
            "6.10",
        ];
        for pair in [
            "122~rc1 122",
            "122 123-a",
            "4.9 4.10",
            "6.1.0 6.1.0-28",
            "123-a 123-a.1",
            "5 5.0",
        ]
        .map(|p| p.split_once(' ').unwrap())
        {
            assert_eq!(compare_versions(pair.0, pair.1), Ordering::Less, "{pair:?}");
            assert_eq!(
                compare_versions(pair.1, pair.0),
                Ordering::Greater,
                "{pair:?}"
            );
        }
        for version in sorted {
            assert_eq!(compare_versions(version, version), Ordering::Equal);
        }
        assert_eq!(compare_versions("1.02", "1.2"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn comparing_ends_and_is_antisymmetric(a in "[~^.0-9a-c_-]{0,12}", b in "[~^.0-9a-c_-]{0,12}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
        }
    }
}
