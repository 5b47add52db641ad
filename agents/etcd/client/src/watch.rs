//! Watching a key: every event once and in order, across lost connections and other members.

use std::time::Duration;

use etcd_api::{Code, Response};
use http::{Limits, Method, Request};

use crate::keys::{key_path, parse};
use crate::pause::Pause;
use crate::{Client, ClientError};

/// A wait without an event ends after this time and begins again at the same index.
const PATIENCE: Duration = Duration::from_secs(300);

/// Gives the events on a key, one after the other.
#[derive(Debug)]
pub struct Watcher {
    client: Client,
    key: String,
    recursive: bool,
    next: Option<u64>,
    pause: Pause,
}

impl Client {
    /// Watches a key from an index on, or for what comes next.
    #[must_use]
    pub fn watch(&self, key: &str, recursive: bool, from: Option<u64>) -> Watcher {
        Watcher {
            client: self.clone(),
            key: key.to_owned(),
            recursive,
            next: from,
            pause: Pause::default(),
        }
    }
}

impl Watcher {
    /// The next event. After an error with code 401 the events since are lost: the caller looks at
    /// the present state, and calls [`Watcher::resume_after`] with its index.
    ///
    /// # Errors
    /// What etcd says; a lost connection is not an error, the wait goes on elsewhere.
    pub async fn next(&mut self) -> Result<Response, ClientError> {
        loop {
            match self.once().await {
                Ok(Some(event)) => {
                    self.pause.reset();
                    return Ok(event);
                }
                Ok(None) => self.pause.reset(),
                Err(ClientError::Unavailable(_)) => self.pause.wait().await,
                Err(error) => return Err(error),
            }
        }
    }

    /// One request: an event, or `None` when the wait ended without one.
    pub(crate) async fn once(&mut self) -> Result<Option<Response>, ClientError> {
        let recursive = if self.recursive {
            "&recursive=true"
        } else {
            ""
        };
        let index = self
            .next
            .map(|index| format!("&waitIndex={index}"))
            .unwrap_or_default();
        let path = format!("{}?wait=true{recursive}{index}", key_path(&self.key));
        let limits = Limits {
            read: PATIENCE,
            connect: Duration::from_secs(1),
            body: 64 << 20,
            ..Limits::default()
        };
        let answer = self
            .client
            .ask(Request::new(Method::GET, path), &limits, None)
            .await?;
        if answer.body.is_empty() {
            return Ok(None);
        }
        let event = parse(&answer)?;
        self.next = Some(event.node.modified_index + 1);
        Ok(Some(event))
    }

    /// Goes on after the index of a state that the caller has just read.
    pub fn resume_after(&mut self, index: u64) {
        self.next = Some(index + 1);
    }

    /// Whether this error means that the history no longer reaches back to where the watch was.
    #[must_use]
    pub fn is_cleared(error: &ClientError) -> bool {
        matches!(error, ClientError::Api(error) if error.code == Code::EventIndexCleared)
    }
}
