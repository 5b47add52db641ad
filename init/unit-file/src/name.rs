//! Unit names: what is one, and its parts.

use std::{fmt, str::FromStr};

use init_api::UnitType;
use serde::{Deserialize, Serialize};

use crate::escape;

/// Longest name, with suffix.
const MAX: usize = 255;

/// A valid unit name: `docker.service`, `getty@tty1.service`, `getty@.service`.
///
/// ```
/// use unit_file::UnitName;
/// let name: UnitName = "web@8080.service".parse()?;
/// assert_eq!((name.prefix(), name.instance()), ("web", Some("8080")));
/// assert_eq!(name.template().as_deref(), Some("web@.service"));
/// # Ok::<(), unit_file::UnitNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

/// Why a text is no unit name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitNameError {
    /// No known suffix.
    #[error("{0:?} has no suffix that names a kind of unit (.service, .socket, .target, …)")]
    Suffix(String),
    /// A letter that names must not have, or no letters.
    #[error(
        "{0:?} is no unit name (letters, digits and :-_.\\ before the suffix; instances may have @ too)"
    )]
    Letters(String),
    /// More than 255 bytes.
    #[error("{0:?} is longer than a unit name may be ({MAX} bytes)")]
    TooLong(String),
    /// An instance was wanted of a name that is no template.
    #[error("{0:?} is no template (NAME@.service)")]
    NoTemplate(String),
}

impl UnitName {
    /// Checks a name.
    ///
    /// # Errors
    /// When the text is no unit name.
    pub fn new(text: impl Into<String>) -> Result<Self, UnitNameError> {
        let text = text.into();
        if text.len() > MAX {
            return Err(UnitNameError::TooLong(text));
        }
        let Some((stem, _)) = split_suffix(&text) else {
            return Err(UnitNameError::Suffix(text));
        };
        let (prefix, instance) = stem.split_once('@').map_or((stem, ""), |(a, b)| (a, b));
        let ok = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\".contains(&byte);
        if prefix.is_empty()
            || !prefix.bytes().all(ok)
            || !instance.bytes().all(|b| ok(b) || b == b'@')
        {
            return Err(UnitNameError::Letters(text));
        }
        Ok(Self(text))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> (&str, UnitType) {
        // `new` lets only names with a known suffix through.
        split_suffix(&self.0).unwrap_or((&self.0, UnitType::Service))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> UnitType {
        self.parts().1
    }

    /// Without the suffix: `web@8080`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.parts().0
    }

    /// Before the `@`, or the whole stem: `web`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let stem = self.stem();
        stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
    }

    /// After the `@`, when there is something: `8080`.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.stem()
            .split_once('@')
            .map(|(_, instance)| instance)
            .filter(|text| !text.is_empty())
    }

    /// Whether this is `NAME@.KIND`.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.stem().ends_with('@') && self.stem().find('@') == Some(self.stem().len() - 1)
    }

    /// Whether this is `NAME@INSTANCE.KIND`.
    #[must_use]
    pub fn is_instance(&self) -> bool {
        self.instance().is_some()
    }

    /// The template of an instance.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        self.instance()
            .map(|_| Self(format!("{}@.{}", self.prefix(), self.kind())))
    }

    /// This template's (or instance's) unit with another instance.
    ///
    /// # Errors
    /// When this is neither template nor instance, or the instance has letters it must not have.
    pub fn with_instance(&self, instance: &str) -> Result<Self, UnitNameError> {
        if !self.stem().contains('@') {
            return Err(UnitNameError::NoTemplate(self.0.clone()));
        }
        Self::new(format!("{}@{instance}.{}", self.prefix(), self.kind()))
    }

    /// The same name with the suffix of another kind.
    ///
    /// # Errors
    /// When that suffix makes it too long.
    pub fn with_kind(&self, kind: UnitType) -> Result<Self, UnitNameError> {
        Self::new(format!("{}.{kind}", self.stem()))
    }

    /// The mount, swap, automount or device unit of a path.
    ///
    /// # Errors
    /// When the path is too long, or not absolute.
    pub fn from_path(path: &str, kind: UnitType) -> Result<Self, UnitNameError> {
        let stem =
            escape::escape_path(path).ok_or_else(|| UnitNameError::Letters(path.to_owned()))?;
        Self::new(format!("{stem}.{kind}"))
    }

    /// The path that a mount, swap, automount or device unit is of.
    #[must_use]
    pub fn to_path(&self) -> Option<String> {
        escape::unescape_path(self.stem())
    }

    /// What a user typed, made a unit name: `.service` is added when there is no suffix, an
    /// absolute path becomes its mount (or device) unit, other letters are escaped.
    ///
    /// # Errors
    /// When nothing was typed or the result is too long.
    pub fn mangle(text: &str, default: UnitType) -> Result<Self, UnitNameError> {
        if let Ok(name) = Self::new(text) {
            return Ok(name);
        }
        if text.starts_with('/') {
            let kind = if text.starts_with("/dev/") || text.starts_with("/sys/") {
                UnitType::Device
            } else {
                UnitType::Mount
            };
            return Self::from_path(text, kind);
        }
        let escaped = escape::escape_mangled(text);
        Self::new(escaped.clone()).or_else(|_| Self::new(format!("{escaped}.{default}")))
    }

    /// The slice that this slice is in; `None` for the root slice and for other kinds.
    #[must_use]
    pub fn parent_slice(&self) -> Option<Self> {
        if self.kind() != UnitType::Slice || self.stem() == "-" {
            return None;
        }
        let parent = self
            .stem()
            .rsplit_once('-')
            .map_or("-", |(parent, _)| parent);
        Some(Self(format!("{parent}.slice")))
    }

    /// Whether a slice's name is one that can exist: no dash at either end, none doubled.
    #[must_use]
    pub fn is_valid_slice(&self) -> bool {
        let stem = self.stem();
        self.kind() == UnitType::Slice
            && (stem == "-"
                || !(stem.starts_with('-') || stem.ends_with('-') || stem.contains("--")))
    }
}

/// A name that this program itself writes; the check is a test's.
pub(crate) fn known(text: &str) -> UnitName {
    debug_assert!(UnitName::new(text).is_ok(), "{text}");
    UnitName(text.to_owned())
}

fn split_suffix(text: &str) -> Option<(&str, UnitType)> {
    let (stem, suffix) = text.rsplit_once('.')?;
    Some((stem, UnitType::from_suffix(suffix)?))
}

impl std::ops::Deref for UnitName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UnitName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for UnitName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for UnitName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for UnitName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for UnitName {
    type Err = UnitNameError;

    fn from_str(text: &str) -> Result<Self, UnitNameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for UnitName {
    type Error = UnitNameError;

    fn try_from(text: String) -> Result<Self, UnitNameError> {
        Self::new(text)
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UnitName {
        UnitName::new(text).unwrap()
    }

    #[test]
    fn names_have_a_known_suffix_and_only_their_letters() {
        for good in [
            "a.service",
            "a@b@c.service",
            "a@.service",
            "-.mount",
            "dev-sd\\x2da.device",
            "a.b.target",
        ] {
            assert!(UnitName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            ".service",
            "a.conf",
            "a b.service",
            "@b.service",
            "a/b.service",
            "ä.service",
        ] {
            assert!(UnitName::new(bad).is_err(), "{bad}");
        }
        assert!(matches!(
            UnitName::new(format!("{}.service", "a".repeat(250))),
            Err(UnitNameError::TooLong(_))
        ));
    }

    #[test]
    fn a_template_and_its_instances_know_each_other() {
        let instance = name("web@8080.service");
        assert_eq!(instance.stem(), "web@8080");
        let template = instance.template().unwrap();
        assert!(template.is_template() && !template.is_instance());
        assert_eq!(template.with_instance("8080").unwrap(), instance);
        name("web.service").with_instance("x").unwrap_err();
        assert_eq!(name("web.service").template(), None);
    }

    #[test]
    fn another_suffix_never_makes_a_name_too_long() {
        let longest = name(&format!("{}.socket", "a".repeat(248)));
        assert!(matches!(
            longest.with_kind(UnitType::Service),
            Err(UnitNameError::TooLong(_))
        ));
        assert_eq!(
            name("a.socket").with_kind(UnitType::Service).unwrap(),
            "a.service"
        );
    }

    #[test]
    fn what_users_type_becomes_a_name() {
        for (typed, wanted) in [
            ("docker", "docker.service"),
            ("docker.socket", "docker.socket"),
            ("my.app", "my.app.service"),
            ("/var/lib/docker", "var-lib-docker.mount"),
            ("/dev/sda", "dev-sda.device"),
            ("/", "-.mount"),
            ("a b", "a\\x20b.service"),
            ("web@1", "web@1.service"),
        ] {
            assert_eq!(
                UnitName::mangle(typed, UnitType::Service).unwrap(),
                wanted,
                "{typed}"
            );
        }
        UnitName::mangle("", UnitType::Service).unwrap_err();
    }

    #[test]
    fn slices_nest_by_their_dashes() {
        assert_eq!(name("a-b.slice").parent_slice().unwrap(), "a.slice");
        assert_eq!(name("a.slice").parent_slice().unwrap(), "-.slice");
        assert_eq!(name("-.slice").parent_slice(), None);
        assert!(!name("a--b.slice").is_valid_slice());
    }
}
