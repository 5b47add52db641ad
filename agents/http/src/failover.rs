//! Several endpoints of one service: the one that answered last is asked first.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::Endpoint;

/// What became of one attempt.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// An answer: stop here.
    Done(T),
    /// Not from this endpoint; the next may know better.
    Next(E),
    /// Asking elsewhere is of no use or could repeat something.
    Stop(E),
}

/// The endpoints in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Endpoints {
    list: Mutex<Vec<Endpoint>>,
}

impl Endpoints {
    /// In the order given.
    #[must_use]
    pub fn new(list: Vec<Endpoint>) -> Endpoints {
        Endpoints {
            list: Mutex::new(list),
        }
    }

    /// All endpoints, the preferred one first.
    #[must_use]
    pub fn list(&self) -> Vec<Endpoint> {
        self.list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes another list, as after a look at the members.
    pub fn replace(&self, list: Vec<Endpoint>) {
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = list;
    }

    /// Asks one endpoint after the other until one answers; that one is preferred from now on.
    ///
    /// # Errors
    /// All errors of the endpoints asked, in their order.
    pub async fn first<T, E, F, Fut>(&self, mut ask: F) -> Result<T, Vec<E>>
    where
        F: FnMut(Endpoint) -> Fut,
        Fut: Future<Output = Attempt<T, E>>,
    {
        let mut errors = Vec::new();
        for endpoint in self.list() {
            match ask(endpoint.clone()).await {
                Attempt::Done(answer) => {
                    self.prefer(&endpoint);
                    return Ok(answer);
                }
                Attempt::Next(error) => errors.push(error),
                Attempt::Stop(error) => {
                    errors.push(error);
                    break;
                }
            }
        }
        Err(errors)
    }

    fn prefer(&self, endpoint: &Endpoint) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = list.iter().position(|other| other == endpoint) {
            list[..=at].rotate_right(1);
        }
    }
}
