//! `%` specifiers in unit files, expanded from facts that the caller gives.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{UnitName, escape};

/// What specifiers say about the machine and its manager. A fact that is not known is `None`: its
/// specifier is then an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `%m`: 32 hex digits.
    pub machine_id: Option<String>,
    /// `%b`: 32 hex digits.
    pub boot_id: Option<String>,
    /// `%H`
    pub host_name: String,
    /// `%v`
    pub kernel_release: String,
    /// `%a`, as systemd names it: `x86-64`, `arm64`.
    pub architecture: String,
    /// `%o`, `ID=` of os-release.
    pub os_id: String,
    /// `%w`, `VERSION_ID=`
    pub os_version_id: String,
    /// `%B`, `BUILD_ID=`
    pub os_build_id: String,
    /// `%W`, `VARIANT_ID=`
    pub os_variant_id: String,
    /// `%M`, `IMAGE_ID=`
    pub os_image_id: String,
    /// `%A`, `IMAGE_VERSION=`
    pub os_image_version: String,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            machine_id: None,
            boot_id: None,
            host_name: "localhost".to_owned(),
            kernel_release: String::new(),
            architecture: "x86-64".to_owned(),
            os_id: "linux".to_owned(),
            os_version_id: String::new(),
            os_build_id: String::new(),
            os_variant_id: String::new(),
            os_image_id: String::new(),
            os_image_version: String::new(),
        }
    }
}

/// The specifiers of one unit.
#[derive(Clone, Copy, Debug)]
pub struct Specifiers<'a> {
    /// The machine.
    pub facts: &'a Facts,
    /// The unit.
    pub name: &'a UnitName,
    /// Its file, for `%y` and `%Y`.
    pub fragment: &'a str,
}

/// Why a text with specifiers cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecifierError {
    /// No such letter.
    #[error("%{0} is no specifier; a percent sign is written %%")]
    Unknown(char),
    /// The fact is not known here.
    #[error("%{0} is not known on this machine (yet)")]
    NotKnown(char),
    /// The name cannot be unescaped.
    #[error("%{letter} cannot be expanded: {name} does not unescape")]
    Unescape {
        /// The specifier.
        letter: char,
        /// The unit.
        name: String,
    },
}

impl Specifiers<'_> {
    /// The text with its specifiers replaced. A `%` before anything but a letter or digit stays.
    ///
    /// # Errors
    /// When a letter is no specifier or its fact is not known.
    pub fn expand(&self, text: &str) -> Result<String, SpecifierError> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            expanded.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            match rest.chars().next() {
                Some('%') => expanded.push('%'),
                Some(letter) if letter.is_ascii_alphanumeric() => {
                    expanded.push_str(&self.value(letter)?);
                }
                _ => {
                    expanded.push('%');
                    continue;
                }
            }
            rest = &rest[1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn value(&self, letter: char) -> Result<String, SpecifierError> {
        let (facts, name) = (self.facts, self.name);
        let unescape = |text: &str| {
            escape::unescape(text).ok_or_else(|| SpecifierError::Unescape {
                letter,
                name: name.to_string(),
            })
        };
        let known = |fact: &Option<String>| fact.clone().ok_or(SpecifierError::NotKnown(letter));
        Ok(match letter {
            'n' => name.to_string(),
            'N' => name.stem().to_owned(),
            'p' => name.prefix().to_owned(),
            'P' => unescape(name.prefix())?,
            'i' => name.instance().unwrap_or_default().to_owned(),
            'I' => unescape(name.instance().unwrap_or_default())?,
            'j' => last_part(name.prefix()).to_owned(),
            'J' => unescape(last_part(name.prefix()))?,
            'f' => escape::unescape_path(name.instance().unwrap_or_else(|| name.stem()))
                .ok_or_else(|| SpecifierError::Unescape {
                    letter,
                    name: name.to_string(),
                })?,
            't' => "/run".to_owned(),
            'S' => "/var/lib".to_owned(),
            'C' => "/var/cache".to_owned(),
            'L' => "/var/log".to_owned(),
            'E' => "/etc".to_owned(),
            'D' => "/usr/share".to_owned(),
            'T' => "/tmp".to_owned(),
            'V' => "/var/tmp".to_owned(),
            'm' => known(&facts.machine_id)?,
            'b' => known(&facts.boot_id)?,
            'H' | 'q' => facts.host_name.clone(),
            'l' => facts
                .host_name
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned(),
            'v' => facts.kernel_release.clone(),
            'a' => facts.architecture.clone(),
            'o' => facts.os_id.clone(),
            'w' => facts.os_version_id.clone(),
            'B' => facts.os_build_id.clone(),
            'W' => facts.os_variant_id.clone(),
            'M' => facts.os_image_id.clone(),
            'A' => facts.os_image_version.clone(),
            // Of the manager, never of User=: systemd.unit(5).
            'u' | 'g' => "root".to_owned(),
            'U' | 'G' => "0".to_owned(),
            'h' => "/root".to_owned(),
            's' => "/bin/sh".to_owned(),
            'y' => self.fragment.to_owned(),
            'Y' => self
                .fragment
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder)
                .to_owned(),
            'd' => format!("/run/credentials/{name}"),
            _ => return Err(SpecifierError::Unknown(letter)),
        })
    }
}

/// After the last dash of a prefix, or all of it.
fn last_part(prefix: &str) -> &str {
    prefix.rsplit_once('-').map_or(prefix, |(_, last)| last)
}

impl fmt::Display for Specifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "specifiers of {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(name: &str, text: &str) -> Result<String, SpecifierError> {
        let facts = Facts {
            machine_id: Some("00112233445566778899aabbccddeeff".into()),
            host_name: "coreos.example.com".into(),
            ..Facts::default()
        };
        let name = name.parse().unwrap();
        Specifiers {
            facts: &facts,
            name: &name,
            fragment: "/etc/systemd/system/a@.service",
        }
        .expand(text)
    }

    #[test]
    fn every_specifier_of_names_has_its_part() {
        for (text, wanted) in [
            ("%n", "web-app@a-b\\x20c.service"),
            ("%N", "web-app@a-b\\x20c"),
            ("%p", "web-app"),
            ("%P", "web/app"),
            ("%i", "a-b\\x20c"),
            ("%I", "a/b c"),
            ("%j", "app"),
            ("%f", "/a/b c"),
            ("%H %l", "coreos.example.com coreos"),
            ("%m", "00112233445566778899aabbccddeeff"),
            (
                "%y %Y",
                "/etc/systemd/system/a@.service /etc/systemd/system",
            ),
            (
                "%t %S %C %L %E %T %V",
                "/run /var/lib /var/cache /var/log /etc /tmp /var/tmp",
            ),
            ("%u %U %h %s", "root 0 /root /bin/sh"),
            ("100%% % %- %", "100% % %- %"),
        ] {
            assert_eq!(
                expand("web-app@a-b\\x20c.service", text).as_deref(),
                Ok(wanted),
                "{text}"
            );
        }
        assert_eq!(
            expand("web.service", "%p|%i|%f").as_deref(),
            Ok("web||/web")
        );
    }

    #[test]
    fn unknown_letters_and_unknown_facts_are_errors() {
        assert_eq!(expand("a.service", "%Z"), Err(SpecifierError::Unknown('Z')));
        assert_eq!(
            expand("a.service", "%b"),
            Err(SpecifierError::NotKnown('b'))
        );
        assert!(matches!(
            expand("a@\\xzz.service", "%I"),
            Err(SpecifierError::Unescape { .. })
        ));
    }
}
