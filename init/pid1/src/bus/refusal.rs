//! Why a call is not carried out, as clients are told.

use unit_engine::RequestError;

/// A D-Bus error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) name: String,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            text: text.into(),
        }
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new("org.freedesktop.DBus.Error.InvalidArgs", text)
    }

    pub(super) fn unknown_method(member: &str, interface: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.UnknownMethod",
            format!("Unknown method {member} or interface {interface}."),
        )
    }

    pub(super) fn unknown_object(path: &str) -> Self {
        Self::new(
            "org.freedesktop.DBus.Error.UnknownObject",
            format!("Unknown object '{path}'."),
        )
    }

    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::new("org.freedesktop.DBus.Error.Failed", text)
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        Self::new(error.bus_name(), error.to_string())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        let name = match error.kind() {
            std::io::ErrorKind::NotFound => "org.freedesktop.DBus.Error.FileNotFound",
            std::io::ErrorKind::AlreadyExists => "org.freedesktop.DBus.Error.FileExists",
            std::io::ErrorKind::PermissionDenied => "org.freedesktop.DBus.Error.AccessDenied",
            _ => "org.freedesktop.DBus.Error.Failed",
        };
        Self::new(name, error.to_string())
    }
}
