//! Following a directory: its whole state, then every event, and the whole state again whenever
//! events may have been missed.
//!
//! etcd keeps a bounded history (code 401 says that it does not reach back far enough), a lost
//! connection may hide a member that was wiped, and a member that lags shows an older state for a
//! while. One rule covers them: after anything but an event, read the state and watch from its index.

use crate::pause::Pause;
use crate::watch::Watcher;
use crate::{Client, ClientError, GetOptions, Node, Response};

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// All that is below the directory now, files only; what was known before is void.
    Whole {
        /// The nodes, in any order.
        nodes: Vec<Node>,
        /// The index of this state.
        index: u64,
    },
    /// One event.
    Event(Box<Response>),
    /// etcd does not answer; it is asked again, and what was told so far stays true.
    Away(String),
}

/// Gives the state of a directory and its changes, for ever.
#[derive(Debug)]
pub struct Follower {
    watcher: Watcher,
    client: Client,
    dir: String,
    known: bool,
    away: bool,
    pause: Pause,
}

impl Client {
    /// Follows a directory with all below it; one that is missing is empty.
    #[must_use]
    pub fn follow(&self, dir: &str) -> Follower {
        Follower {
            watcher: self.watch(dir, true, None),
            client: self.clone(),
            dir: dir.to_owned(),
            known: false,
            away: false,
            pause: Pause::default(),
        }
    }
}

impl Follower {
    /// The next news; [`News::Away`] once per absence.
    pub async fn next(&mut self) -> News {
        loop {
            let result = if self.known {
                self.watch().await
            } else {
                self.read().await.map(Some)
            };
            match result {
                Ok(Some(news)) => {
                    self.pause.reset();
                    self.away = false;
                    return news;
                }
                Ok(None) => {}
                Err(error) => {
                    self.known = false;
                    if !self.away {
                        self.away = true;
                        return News::Away(error.to_string());
                    }
                    self.pause.wait().await;
                }
            }
        }
    }

    async fn watch(&mut self) -> Result<Option<News>, ClientError> {
        match self.watcher.once().await {
            Ok(Some(event)) => Ok(Some(News::Event(Box::new(event)))),
            // The wait ended without an event, or the connection is lost.
            Ok(None) | Err(ClientError::Unavailable(_)) => {
                self.known = false;
                self.pause.wait().await;
                Ok(None)
            }
            // The history is too short.
            Err(error) if Watcher::is_cleared(&error) => {
                self.known = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn read(&mut self) -> Result<News, ClientError> {
        let options = GetOptions {
            recursive: true,
            ..GetOptions::default()
        };
        let (mut nodes, index) = match self.client.get(&self.dir, &options).await {
            Ok(response) => (files(response.node), response.index),
            Err(ClientError::Api(error)) if error.code == etcd_api::Code::KeyNotFound => {
                (Vec::new(), error.index)
            }
            Err(error) => return Err(error),
        };
        nodes.shrink_to_fit();
        self.watcher.resume_after(index);
        self.known = true;
        Ok(News::Whole { nodes, index })
    }
}

/// The files at and below a node.
fn files(node: Node) -> Vec<Node> {
    if node.dir {
        node.nodes.into_iter().flat_map(files).collect()
    } else {
        vec![node]
    }
}

#[cfg(test)]
mod tests;
