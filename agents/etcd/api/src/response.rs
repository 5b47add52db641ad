//! Answers as clients read them.

use serde::Deserialize;

/// A node of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// Key; empty for the root.
    pub key: String,
    /// Value of a file.
    pub value: Option<String>,
    /// Whether it is a directory.
    pub dir: bool,
    /// When it expires, as text.
    pub expiration: Option<String>,
    /// Seconds left; 0 when permanent.
    pub ttl: i64,
    /// Children, of a directory that was listed.
    pub nodes: Vec<Node>,
    /// Index of the last change.
    pub modified_index: u64,
    /// Index of the creation.
    pub created_index: u64,
}

/// A successful answer on the keys API, or an event of a watch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Response {
    /// get, set, create, update, delete, expire, compareAndSwap or compareAndDelete.
    pub action: String,
    /// The node.
    pub node: Node,
    /// What was there before.
    pub prev_node: Option<Node>,
    /// `X-Etcd-Index`; not part of the body.
    #[serde(skip)]
    pub index: u64,
}

/// The body of an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody {
    error_code: u16,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    index: u64,
}

impl Response {
    /// Parses the body of a successful answer.
    ///
    /// # Errors
    /// When it is not the JSON of one.
    pub fn from_json(body: &[u8], index: u64) -> Result<Response, serde_json::Error> {
        let mut response: Response = serde_json::from_slice(body)?;
        response.index = index;
        Ok(response)
    }
}

impl crate::EtcdError {
    /// Parses the body of an error; `None` when it is none of the keys API.
    #[must_use]
    pub fn from_json(body: &[u8]) -> Option<crate::EtcdError> {
        let ErrorBody {
            error_code,
            cause,
            index,
        } = serde_json::from_slice(body).ok()?;
        let code = *crate::Code::ALL
            .iter()
            .find(|code| code.number() == error_code)?;
        Some(crate::EtcdError { code, cause, index })
    }
}

#[cfg(test)]
mod tests {
    use super::Response;
    use crate::{Code, EtcdError};

    #[test]
    fn an_answer_is_read_with_its_previous_node() {
        let body = br#"{"action":"delete","node":{"key":"/a","modifiedIndex":5,"createdIndex":4},"prevNode":{"key":"/a","value":"v","modifiedIndex":4,"createdIndex":4}}"#;
        let response = Response::from_json(body, 5).unwrap();
        assert_eq!(response.prev_node.unwrap().value.as_deref(), Some("v"));
        assert_eq!(
            (
                response.node.value,
                response.node.modified_index,
                response.index
            ),
            (None, 5, 5)
        );
    }

    #[test]
    fn every_error_is_read_back_from_its_own_json() {
        for code in Code::ALL {
            let error = EtcdError::new(*code, "/x", 3);
            assert_eq!(EtcdError::from_json(&error.to_json()), Some(error));
        }
    }
}
