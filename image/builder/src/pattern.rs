//! Path patterns of the manifest: `*` stands for any text without `/`, `**` for any text at all.
//! A pattern also matches everything below what it names.

/// Whether a pattern matches a path or a folder above it.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    glob(pattern.as_bytes(), path.as_bytes())
}

fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty() || path[0] == b'/',
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|skip| glob(rest, &path[skip..])),
        [b'*', rest @ ..] => {
            let segment = path
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(path.len());
            (0..=segment).any(|skip| glob(rest, &path[skip..]))
        }
        [byte, rest @ ..] => path.first() == Some(byte) && glob(rest, &path[1..]),
    }
}

/// Whether any pattern of a list matches.
#[must_use]
pub fn any(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_entry_and_all_below_it() {
        for (pattern, path, want) in [
            ("usr/share/man", "usr/share/man", true),
            ("usr/share/man", "usr/share/man/man1/ls.1.gz", true),
            ("usr/share/man", "usr/share/mandrill", false),
            (
                "usr/share/doc/*/copyright",
                "usr/share/doc/bash/copyright",
                true,
            ),
            (
                "usr/share/doc/*/copyright",
                "usr/share/doc/a/b/copyright",
                false,
            ),
            ("etc/cron*", "etc/cron.daily/x", true),
            ("usr/**/*.a", "usr/lib/x86_64-linux-gnu/libc.a", true),
            ("drivers/net/**", "drivers/net/virtio_net.ko.xz", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} on {path}");
        }
    }
}
