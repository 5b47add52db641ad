//! URLs of the schemes that we speak: `http://host:port/path` and `unix:/path/of/socket`.

use std::fmt;
use std::path::PathBuf;

use crate::HttpError;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A host name or address, and a port.
    Tcp {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A parsed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    endpoint: Endpoint,
    path: String,
}

impl Url {
    /// Parses `http://host[:port][/path[?query]]` or `unix:/socket`.
    ///
    /// # Errors
    /// [`HttpError::Url`] with what was expected.
    pub fn parse(text: &str) -> Result<Url, HttpError> {
        let bad = |wants| HttpError::Url {
            url: text.to_owned(),
            wants,
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(bad("unix: wants the absolute path of a socket"));
            }
            return Ok(Url {
                endpoint: Endpoint::Unix(PathBuf::from(path)),
                path: "/".to_owned(),
            });
        }
        let Some(rest) = strip_scheme(text, "http://") else {
            if strip_scheme(text, "https://").is_some() {
                return Err(bad("https is not supported, use http"));
            }
            return Err(bad("it has to begin with http://"));
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = split_authority(authority)
            .ok_or_else(|| bad("it wants a host and a port from 1 to 65535"))?;
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        if path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(bad(
                "its path has a blank or control character, write it as %20",
            ));
        }
        Ok(Url {
            endpoint: Endpoint::Tcp { host, port },
            path,
        })
    }

    /// Whom to call.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Path and query, at least `/`.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path
    }

    /// The target of a `Location` header seen at this URL.
    ///
    /// # Errors
    /// [`HttpError::Url`] when the target is no URL that we speak.
    pub fn join(&self, location: &str) -> Result<Url, HttpError> {
        if location.contains("://") {
            return Url::parse(location);
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let base = self.path.split('?').next().unwrap_or("/");
            let folder = base.rfind('/').map_or("/", |at| &base[..=at]);
            format!("{folder}{location}")
        };
        Ok(Url {
            endpoint: self.endpoint.clone(),
            path,
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.endpoint {
            Endpoint::Tcp { .. } => write!(f, "http://{}{}", self.endpoint, self.path),
            Endpoint::Unix(_) => write!(f, "{}", self.endpoint),
        }
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme)
        .then(|| &text[scheme.len()..])
}

fn split_authority(authority: &str) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        (
            host,
            rest.strip_prefix(':')
                .or(if rest.is_empty() { Some("") } else { None })?,
        )
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if host.is_empty() {
        return None;
    }
    let port = if port.is_empty() {
        80
    } else {
        port.parse().ok().filter(|port| *port != 0)?
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Url};

    #[test]
    fn a_url_is_split_into_endpoint_and_path() {
        for (text, endpoint, path) in [
            (
                "http://127.0.0.1:2379/v2/keys?x=1",
                "127.0.0.1:2379",
                "/v2/keys?x=1",
            ),
            ("HTTP://node", "node:80", "/"),
            ("http://[::1]:4001", "[::1]:4001", "/"),
            ("http://[fe80::1]/x", "[fe80::1]:80", "/x"),
            ("http://node?a=b", "node:80", "/?a=b"),
            ("http://user:pw@node:1/", "node:1", "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.endpoint().to_string().as_str(), url.path_and_query()),
                (endpoint, path)
            );
        }
        let unix = Url::parse("unix:///run/x.sock").unwrap();
        assert_eq!(unix.endpoint(), &Endpoint::Unix("/run/x.sock".into()));
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_was_wanted() {
        for text in [
            "",
            "node:2379",
            "http://",
            "http://:80",
            "http://n:0",
            "http://n:70000",
            "ftp://n",
            "https://n",
            "http://n/a b",
            "unix:x",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains("is not a usable URL: "), "{text}: {error}");
        }
    }

    #[test]
    fn a_location_is_taken_relative_to_the_url_that_answered() {
        let url = Url::parse("http://n:1/a/b?c").unwrap();
        assert_eq!(url.join("http://m/x").unwrap().to_string(), "http://m:80/x");
        assert_eq!(url.join("/x").unwrap().to_string(), "http://n:1/x");
        assert_eq!(url.join("x").unwrap().to_string(), "http://n:1/a/x");
    }
}
