//! Long polls and streams: events of the store become pieces of a body.

use std::sync::Arc;

use bytes::Bytes;
use etcd_api::EtcdError;
use etcd_store::{Delivery, Event, Sink, Watch, WatchStart};
use http::{Answer, Body, BodySender, StatusCode};

use super::Api;

/// Events that may wait for a slow client; then it is dropped and has to ask again by index.
const BEHIND: usize = 100;

struct Pieces {
    sender: BodySender,
    stream: bool,
}

impl Sink for Pieces {
    fn deliver(&mut self, event: &Arc<Event>) -> Delivery {
        let sent = self.sender.try_send(Bytes::from(event.to_json()));
        if sent && self.stream {
            Delivery::More
        } else {
            Delivery::Done
        }
    }
}

impl Api {
    /// Begins a watch; the header goes out at once, before any event.
    pub(super) fn watch(&self, watch: Watch) -> Result<Answer, EtcdError> {
        let (sender, body) = Body::pieces(BEHIND);
        let sink = Pieces {
            sender,
            stream: watch.stream,
        };
        let (WatchStart { index, id }, raft_index) = {
            let mut state = self.consensus.state.lock();
            let start = state.store.watch(&watch, Box::new(sink))?;
            (start, state.applied.map_or(0, |applied| applied.index))
        };
        let mut answer = Answer::new(StatusCode::OK, "");
        answer.body = match id {
            None => body,
            Some(id) => {
                let (body, gone) = body.watched();
                let state = self.consensus.state.clone();
                tokio::spawn(async move {
                    gone.wait().await;
                    state.lock().store.unwatch(&watch.key, id);
                });
                body
            }
        };
        self.success_headers(
            &mut answer.headers,
            index,
            raft_index,
            self.consensus.term(),
        );
        Ok(answer)
    }
}
