//! Which strings are object paths, interface names, member names and bus names.

/// `/` or `/part/part` of letters, digits and underscores.
#[must_use]
pub fn is_object_path(text: &str) -> bool {
    if text == "/" {
        return true;
    }
    let Some(rest) = text.strip_prefix('/') else {
        return false;
    };
    rest.split('/')
        .all(|part| !part.is_empty() && part.bytes().all(is_word))
}

/// Two or more elements separated by dots, none starting with a digit.
#[must_use]
pub fn is_interface(text: &str) -> bool {
    text.len() <= 255 && text.contains('.') && text.split('.').all(is_element)
}

/// An error name follows the rules of interfaces.
#[must_use]
pub fn is_error_name(text: &str) -> bool {
    is_interface(text)
}

/// One element without dots.
#[must_use]
pub fn is_member(text: &str) -> bool {
    text.len() <= 255 && is_element(text)
}

/// A unique (`:1.5`) or well-known (`org.example.Name`) bus name.
#[must_use]
pub fn is_bus_name(text: &str) -> bool {
    if text.len() > 255 {
        return false;
    }
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| is_word(b) || b == b'-');
    match text.strip_prefix(':') {
        Some(unique) => unique.contains('.') && unique.split('.').all(part),
        None => {
            text.contains('.')
                && text
                    .split('.')
                    .all(|p| part(p) && !p.starts_with(|c: char| c.is_ascii_digit()))
        }
    }
}

fn is_element(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_specification() {
        assert!(
            is_object_path("/") && is_object_path("/org/freedesktop/systemd1/unit/a_2eservice")
        );
        assert!(
            !is_object_path("")
                && !is_object_path("/a/")
                && !is_object_path("//")
                && !is_object_path("/a.b")
        );
        assert!(
            is_interface("org.freedesktop.DBus") && !is_interface("org") && !is_interface("org.1a")
        );
        assert!(is_member("Ping") && !is_member("a.b") && !is_member("1a") && !is_member(""));
        assert!(
            is_bus_name(":1.5")
                && is_bus_name("org.freedesktop.systemd1")
                && !is_bus_name("1")
                && !is_bus_name(":1")
        );
    }
}
