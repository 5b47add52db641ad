//! The discovery service for other clusters: `GET /new?size=N` makes a token, and `/TOKEN…` is the
//! part of the key space behind it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

use etcd_api::Form;
use etcd_store::{Command, Operation, Write, WriteKind};
use http::{Answer, Call, Method, StatusCode, header};

use super::{Api, message, now};
use crate::raft::Body;

const REGISTRY: &str = "/_etcd/registry";
const SIZE: u64 = 3;

impl Api {
    /// Answers the paths of the service; `None` for any other.
    pub(super) async fn discovery_service(&self, call: &Call, path: &str) -> Option<Answer> {
        if path == "/new" && matches!(call.method, Method::GET | Method::PUT | Method::POST) {
            return Some(self.new_token(call).await);
        }
        let token = path.strip_prefix('/')?.split('/').next()?;
        let is_token = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_token {
            return None;
        }
        Some(
            self.keys(call, format!("{REGISTRY}{path}").as_bytes())
                .await,
        )
    }

    async fn new_token(&self, call: &Call) -> Answer {
        let form = Form::parse(b"", call.query.as_bytes()).unwrap_or_default();
        let size = match form
            .get("size")
            .map(|text| std::str::from_utf8(text).ok()?.parse().ok())
        {
            None => SIZE,
            Some(Some(size)) if (1..=1000).contains(&size) => size,
            Some(_) => {
                return message(
                    StatusCode::BAD_REQUEST,
                    "size has to be a number from 1 to 1000",
                );
            }
        };
        let token = match random_token() {
            Ok(token) => token,
            Err(error) => return message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        };
        let write = Write {
            kind: WriteKind::Create,
            key: format!("{REGISTRY}/{token}/_config/size")
                .into_bytes()
                .into(),
            value: size.to_string().into_bytes().into(),
            ..Write::default()
        };
        let command = Command {
            now: now(),
            operation: Operation::Write(write),
        };
        match self.consensus.propose(Body::Command(command)).await {
            Err(failure) => message(StatusCode::SERVICE_UNAVAILABLE, failure.text()),
            Ok(applied) => match applied.result {
                Err(error) => message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
                Ok(_) => {
                    let host = call.header("host").unwrap_or("localhost:2379");
                    Answer::new(StatusCode::OK, format!("http://{host}/{token}"))
                        .with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
                }
            },
        }
    }
}

fn random_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}
