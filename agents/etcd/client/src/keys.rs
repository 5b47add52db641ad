//! The keys API as calls.

use std::fmt::Write as _;

use etcd_api::{Response, encode_form_value, encode_path};
use http::{Method, Request};

use crate::{Client, ClientError};

/// How to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetOptions {
    /// With everything below.
    pub recursive: bool,
    /// Children by key.
    pub sorted: bool,
    /// Linearizable.
    pub quorum: bool,
}

/// What has to be there for a write to happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exists {
    /// Whatever.
    #[default]
    Any,
    /// The key.
    Yes,
    /// Nothing.
    No,
}

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Seconds to live.
    pub ttl: Option<u64>,
    /// Make a directory; the value is not used.
    pub dir: bool,
    /// Only if the key is there, or is not.
    pub exists: Exists,
    /// Only if it has this value.
    pub prev_value: Option<String>,
    /// Only if it has this modifiedIndex.
    pub prev_index: Option<u64>,
    /// Keep the value, give a new time to live, tell no watcher.
    pub refresh: bool,
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Also an empty directory.
    pub dir: bool,
    /// Also a filled one.
    pub recursive: bool,
    /// Only if it has this value.
    pub prev_value: Option<String>,
    /// Only if it has this modifiedIndex.
    pub prev_index: Option<u64>,
}

/// The path of a key in the API.
pub(crate) fn key_path(key: &str) -> String {
    let slash = if key.starts_with('/') { "" } else { "/" };
    let path = encode_path(key.as_bytes());
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        "/v2/keys/".to_owned()
    } else {
        format!("/v2/keys{slash}{path}")
    }
}

fn query(parts: &[(&str, Option<String>)]) -> String {
    let mut text = String::new();
    for (name, value) in parts {
        if let Some(value) = value {
            let mark = if text.is_empty() { '?' } else { '&' };
            let _ = write!(text, "{mark}{name}={}", encode_form_value(value.as_bytes()));
        }
    }
    text
}

fn flag(set: bool) -> Option<String> {
    set.then(|| "true".to_owned())
}

impl Client {
    /// Reads a key or lists a directory.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, key: &str, options: &GetOptions) -> Result<Response, ClientError> {
        let query = query(&[
            ("quorum", Some(options.quorum.to_string())),
            ("recursive", Some(options.recursive.to_string())),
            ("sorted", Some(options.sorted.to_string())),
        ]);
        self.keys(Request::new(Method::GET, key_path(key) + &query))
            .await
    }

    /// Writes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn set(
        &self,
        key: &str,
        value: &str,
        options: &WriteOptions,
    ) -> Result<Response, ClientError> {
        let exists = match options.exists {
            Exists::Any => None,
            Exists::Yes => Some("true".to_owned()),
            Exists::No => Some("false".to_owned()),
        };
        let query = query(&[
            ("dir", flag(options.dir)),
            ("prevExist", exists),
            ("prevValue", options.prev_value.clone()),
            (
                "prevIndex",
                options.prev_index.map(|index| index.to_string()),
            ),
            ("refresh", flag(options.refresh)),
        ]);
        let with_value = !options.dir && !options.refresh;
        let request = Request::new(Method::PUT, key_path(key) + &query);
        self.keys(request.with_body(
            "application/x-www-form-urlencoded",
            form(value, with_value, options.ttl),
        ))
        .await
    }

    /// Creates a key with a name made from the index, in a directory.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_in_order(
        &self,
        dir: &str,
        value: &str,
        ttl: Option<u64>,
    ) -> Result<Response, ClientError> {
        let request = Request::new(Method::POST, key_path(dir));
        self.keys(request.with_body("application/x-www-form-urlencoded", form(value, true, ttl)))
            .await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete(
        &self,
        key: &str,
        options: &DeleteOptions,
    ) -> Result<Response, ClientError> {
        let query = query(&[
            ("dir", flag(options.dir)),
            ("recursive", flag(options.recursive)),
            ("prevValue", options.prev_value.clone()),
            (
                "prevIndex",
                options.prev_index.map(|index| index.to_string()),
            ),
        ]);
        self.keys(Request::new(Method::DELETE, key_path(key) + &query))
            .await
    }

    async fn keys(&self, request: Request) -> Result<Response, ClientError> {
        parse(&self.request(request).await?)
    }
}

pub(crate) fn parse(answer: &http::Response) -> Result<Response, ClientError> {
    let index = answer
        .header("x-etcd-index")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    Response::from_json(&answer.body, index).map_err(ClientError::Malformed)
}

fn form(value: &str, with_value: bool, ttl: Option<u64>) -> String {
    let mut body = String::new();
    if with_value {
        body = format!("value={}", encode_form_value(value.as_bytes()));
    }
    if let Some(ttl) = ttl {
        let mark = if body.is_empty() { "" } else { "&" };
        let _ = write!(body, "{mark}ttl={ttl}");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::{form, key_path, query};

    #[test]
    fn keys_and_queries_are_encoded() {
        assert_eq!(key_path("/"), "/v2/keys/");
        assert_eq!(key_path("a b/c?/"), "/v2/keys/a%20b/c%3F");
        assert_eq!(
            query(&[
                ("a", None),
                ("b", Some("1 2&".into())),
                ("c", Some("d".into()))
            ]),
            "?b=1+2%26&c=d"
        );
        assert_eq!(form("a+b", true, Some(5)), "value=a%2Bb&ttl=5");
        assert_eq!(form("x", false, None), "");
    }
}
