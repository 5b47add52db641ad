//! A key with a time to live that its owner renews: leases, heartbeats.
//!
//! Every renewal names the index of the last write, so that a key that expired, was deleted or went
//! to somebody else meanwhile is noticed and never overwritten. A key without a time to live (a
//! reservation) keeps being one and is not renewed.

use std::time::{Duration, Instant};

use etcd_api::{Code, Node, Response};

use crate::pause::Pause;
use crate::{Client, ClientError, Exists, WriteOptions};

/// After a renewal that failed.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is ours for another time to live.
    Renewed,
    /// It is gone or was written by another; the owner has to look.
    Lost,
}

/// A key that is kept alive.
#[derive(Debug)]
pub struct Kept {
    client: Client,
    key: String,
    value: String,
    ttl: u64,
    /// How long before its end a renewal is due.
    margin: Duration,
    index: u64,
    due: Option<Instant>,
    pause: Pause,
}

impl Client {
    /// Creates a key that must not be there yet (code 105 otherwise) and keeps it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keep_new(
        &self,
        key: &str,
        value: String,
        ttl: Duration,
        margin: Duration,
    ) -> Result<Kept, ClientError> {
        let options = WriteOptions {
            ttl: Some(ttl.as_secs()),
            exists: Exists::No,
            ..WriteOptions::default()
        };
        let answer = self.set(key, &value, &options).await?;
        Ok(self.kept(key, value, ttl, margin, &answer))
    }

    /// Takes over a key as it was read, with a new value; one without a time to live stays so.
    /// Code 100 or 101 when it changed meanwhile.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keep_existing(
        &self,
        node: &Node,
        value: String,
        ttl: Duration,
        margin: Duration,
    ) -> Result<Kept, ClientError> {
        let options = WriteOptions {
            ttl: (node.ttl > 0).then_some(ttl.as_secs()),
            prev_index: Some(node.modified_index),
            ..WriteOptions::default()
        };
        let answer = self.set(&node.key, &value, &options).await?;
        Ok(self.kept(&node.key, value, ttl, margin, &answer))
    }

    fn kept(
        &self,
        key: &str,
        value: String,
        ttl: Duration,
        margin: Duration,
        answer: &Response,
    ) -> Kept {
        let mut kept = Kept {
            client: self.clone(),
            key: key.to_owned(),
            value,
            ttl: ttl.as_secs(),
            margin,
            index: 0,
            due: None,
            pause: Pause::between(RETRY_FIRST, RETRY_LONGEST),
        };
        kept.seen(&answer.node);
        kept
    }
}

impl Kept {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The index of the write that is known.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Takes note of a write that is still ours: our own, or an administrator's who gave it another
    /// time to live or none.
    pub fn seen(&mut self, node: &Node) {
        if node.modified_index < self.index {
            return;
        }
        self.index = node.modified_index;
        let left = u64::try_from(node.ttl).ok().filter(|left| *left > 0);
        self.due =
            left.map(|left| Instant::now() + renew_after(Duration::from_secs(left), self.margin));
    }

    /// Waits until a renewal is due; for ever when there is no time to live.
    pub async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Renews it now. After an error it is due again after a pause, as long as etcd still has it.
    ///
    /// # Errors
    /// When etcd gave no answer to rely on.
    pub async fn renew(&mut self) -> Result<Renewal, ClientError> {
        let options = WriteOptions {
            ttl: Some(self.ttl),
            prev_index: Some(self.index),
            ..WriteOptions::default()
        };
        match self.client.set(&self.key, &self.value, &options).await {
            Ok(answer) => {
                self.pause.reset();
                self.seen(&answer.node);
                Ok(Renewal::Renewed)
            }
            Err(ClientError::Api(error))
                if matches!(error.code, Code::KeyNotFound | Code::CompareFailed) =>
            {
                // A write of ours whose answer was lost looks like another's.
                self.look().await
            }
            Err(error) => {
                self.due = Some(Instant::now() + self.pause.next());
                Err(error)
            }
        }
    }

    /// Whether the key is still there with our value.
    ///
    /// # Errors
    /// When etcd gave no answer to rely on.
    pub async fn look(&mut self) -> Result<Renewal, ClientError> {
        let options = crate::GetOptions {
            quorum: true,
            ..crate::GetOptions::default()
        };
        match self.client.get(&self.key, &options).await {
            Ok(answer) if answer.node.value.as_deref() == Some(&self.value) => {
                self.seen(&answer.node);
                Ok(Renewal::Renewed)
            }
            Ok(_) => Ok(Renewal::Lost),
            Err(error) if error.is_missing() => Ok(Renewal::Lost),
            Err(error) => {
                self.due = Some(Instant::now() + self.pause.next());
                Err(error)
            }
        }
    }
}

/// A time to live that is shorter than the margin is renewed at its half.
fn renew_after(left: Duration, margin: Duration) -> Duration {
    left.checked_sub(margin)
        .filter(|wait| !wait.is_zero())
        .unwrap_or(left / 2)
}

#[cfg(test)]
mod tests;
