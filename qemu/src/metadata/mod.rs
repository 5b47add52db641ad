//! The metadata service of one machine: documents by path, faults, and a list of what was asked. It serves what it is
//! given and shares no type with the programs that read it. How bytes travel is the network's business.

mod openstack;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use openstack::Identity;
pub(crate) use openstack::drive as drive_files;

/// What goes wrong on purpose.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The service is not there at all: connections are refused.
    pub refuse: bool,
    /// So many of the next answers are 503.
    pub unavailable: u32,
    /// Each answer comes that much later.
    pub delay: Duration,
    /// Requests are taken and never answered.
    pub hang: bool,
    /// Each answer is cut after so many bytes of its body.
    pub cut_after: Option<usize>,
}

/// One request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Time since the service began.
    pub at: Duration,
    /// The path.
    pub path: String,
    /// The answer's status; 0 when it was never given.
    pub status: u16,
}

/// An answer, and how it is to be spoilt.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status number.
    pub status: u16,
    /// Its words.
    pub reason: &'static str,
    /// Type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Arc<Vec<u8>>,
    /// When to give it.
    pub delay: Duration,
    /// Never give it.
    pub hang: bool,
    /// Cut it after so many bytes.
    pub cut_after: Option<usize>,
}

impl Answer {
    /// An answer that is only a refusal.
    #[must_use]
    pub fn refusal(status: u16, reason: &'static str) -> Answer {
        let body = format!("<html><body><h1>{status} {reason}</h1></body></html>\n").into_bytes();
        Answer {
            status,
            reason,
            content_type: "text/html; charset=UTF-8",
            body: Arc::new(body),
            delay: Duration::ZERO,
            hang: false,
            cut_after: None,
        }
    }
}

#[derive(Debug)]
struct State {
    documents: BTreeMap<String, Arc<Vec<u8>>>,
    faults: Faults,
    requests: Vec<Request>,
}

/// The metadata service of one machine.
#[derive(Debug)]
pub struct Metadata {
    began: Instant,
    state: Mutex<State>,
}

impl Metadata {
    /// A service without any document.
    #[must_use]
    pub fn empty() -> Metadata {
        let state = State {
            documents: BTreeMap::new(),
            faults: Faults::default(),
            requests: Vec::new(),
        };
        Metadata {
            began: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// The documents that `OpenStack`'s Nova serves for such a machine.
    #[must_use]
    pub fn openstack(identity: &Identity) -> Metadata {
        let metadata = Metadata::empty();
        for (path, document) in openstack::service(identity) {
            metadata.set(&path, document);
        }
        metadata
    }

    /// Puts a document in place.
    pub fn set(&self, path: &str, document: impl Into<Vec<u8>>) {
        self.state()
            .documents
            .insert(path.to_owned(), Arc::new(document.into()));
    }

    /// Takes a document away, so that it is answered with 404.
    pub fn remove(&self, path: &str) {
        self.state().documents.remove(path);
    }

    /// Replaces the user-data everywhere where it is served.
    pub fn set_user_data(&self, user_data: &[u8]) {
        for path in openstack::user_data_paths() {
            self.set(&path, user_data);
        }
    }

    /// Changes the faults.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// Are connections refused at present?
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.state().faults.refuse
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Answers a request and writes it down.
    #[must_use]
    pub fn answer(&self, target: &str) -> Answer {
        let at = self.began.elapsed();
        let mut state = self.state();
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let mut answer = if state.faults.unavailable > 0 {
            state.faults.unavailable -= 1;
            Answer::refusal(503, "Service Unavailable")
        } else {
            find(&state.documents, path)
        };
        answer.delay = state.faults.delay;
        answer.hang = state.faults.hang;
        answer.cut_after = state.faults.cut_after;
        let status = if answer.hang { 0 } else { answer.status };
        state.requests.push(Request {
            at,
            path: path.to_owned(),
            status,
        });
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document, or the list of what lies below the path (folders with a slash), as the EC2 tree shows it.
fn find(documents: &BTreeMap<String, Arc<Vec<u8>>>, path: &str) -> Answer {
    let bare = path.trim_end_matches('/');
    let found = |body: Arc<Vec<u8>>| Answer {
        status: 200,
        reason: "OK",
        content_type: if bare.ends_with(".json") {
            "application/json"
        } else {
            "text/plain; charset=UTF-8"
        },
        body,
        delay: Duration::ZERO,
        hang: false,
        cut_after: None,
    };
    if let Some(document) = documents.get(bare) {
        return found(Arc::clone(document));
    }
    let folder = format!("{bare}/");
    let mut names: Vec<String> = Vec::new();
    for key in documents.keys() {
        let Some(rest) = key.strip_prefix(&folder) else {
            continue;
        };
        let name = rest
            .split_once('/')
            .map_or_else(|| rest.to_owned(), |(first, _)| format!("{first}/"));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Answer::refusal(404, "Not Found");
    }
    let shown: Vec<&str> = names
        .iter()
        .filter(|name| !names.contains(&format!("{name}/")))
        .map(String::as_str)
        .collect();
    found(Arc::new(shown.join("\n").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(metadata: &Metadata, path: &str) -> String {
        String::from_utf8_lossy(&metadata.answer(path).body).into_owned()
    }

    #[test]
    fn a_machine_finds_its_keys_name_and_addresses_in_the_ec2_tree() {
        let identity = Identity {
            keys: vec![("mykey".into(), "ssh-ed25519 AAAA test".into())],
            user_data: Some(b"#cloud-config\n".to_vec()),
            ..Identity::example()
        };
        let metadata = Metadata::openstack(&identity);
        for (path, wanted) in [
            ("/2009-04-04/meta-data/public-keys", "0=mykey"),
            ("/2009-04-04/meta-data/public-keys/", "0=mykey"),
            (
                "/2009-04-04/meta-data/public-keys/0/openssh-key",
                "ssh-ed25519 AAAA test\n",
            ),
            ("/latest/meta-data/local-ipv4", "192.168.50.14"),
            ("/latest/meta-data/public-ipv4", ""),
            ("/latest/user-data", "#cloud-config\n"),
            ("/openstack/latest/user_data", "#cloud-config\n"),
        ] {
            assert_eq!(body(&metadata, path), wanted, "{path}");
            assert_eq!(metadata.answer(path).status, 200, "{path}");
        }
        let list = body(&metadata, "/latest/meta-data/");
        assert!(
            list.lines().any(|line| line == "hostname")
                && list.lines().any(|line| line == "public-keys/"),
            "{list}"
        );
        assert!(
            body(&metadata, "/")
                .lines()
                .any(|line| line == "2009-04-04/")
        );
        assert!(
            body(&metadata, "/openstack/latest/meta_data.json")
                .contains("\"hostname\": \"coreos.novalocal\"")
        );
    }

    #[test]
    fn absent_user_data_is_not_found() {
        let metadata = Metadata::openstack(&Identity::example());
        assert_eq!(metadata.answer("/2009-04-04/user-data").status, 404);
        assert_eq!(metadata.answer("/openstack/latest/user_data").status, 404);
    }

    #[test]
    fn the_first_answers_are_503_when_asked_for_and_everything_is_in_the_list() {
        let metadata = Metadata::openstack(&Identity::example());
        metadata.faults(|faults| faults.unavailable = 2);
        let statuses: Vec<u16> = (0..3)
            .map(|_| metadata.answer("/latest/meta-data/hostname").status)
            .collect();
        assert_eq!(statuses, [503, 503, 200]);
        assert_eq!(
            metadata
                .requests()
                .iter()
                .map(|request| request.status)
                .collect::<Vec<_>>(),
            statuses
        );
    }
}
