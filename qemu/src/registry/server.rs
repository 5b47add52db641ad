//! The registry's HTTP: as much of the distribution API as `docker pull` asks for, and nothing that writes.
//! (<https://distribution.github.io/distribution/spec/api/>)

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::image::Image;
use crate::error::HarnessError;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[derive(Debug, Default)]
struct Shelf {
    /// Manifests by `NAME:TAG` and `NAME@DIGEST`, with their digest.
    manifests: BTreeMap<String, (String, Arc<Vec<u8>>)>,
    blobs: BTreeMap<String, Arc<Vec<u8>>>,
    requests: Mutex<Vec<(String, u16)>>,
}

/// A registry that listens on this host's loopback.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    over: Arc<AtomicBool>,
}

impl Registry {
    /// Serves images.
    ///
    /// # Errors
    /// When the host has no sockets or threads left.
    pub fn serve(images: &[Image]) -> Result<Registry, HarnessError> {
        let mut shelf = Shelf::default();
        for image in images {
            let digest = image.digest();
            for key in [
                format!("{}:{}", image.name, image.tag),
                format!("{}@{digest}", image.name),
            ] {
                shelf
                    .manifests
                    .insert(key, (digest.clone(), Arc::clone(&image.manifest)));
            }
            shelf.blobs.extend(image.blobs.iter().cloned());
        }
        let shelf = Arc::new(shelf);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(HarnessError::io("make the registry's socket"))?;
        let address = listener
            .local_addr()
            .map_err(HarnessError::io("make the registry's socket"))?;
        let over = Arc::new(AtomicBool::new(false));
        let (served, ended) = (Arc::clone(&shelf), Arc::clone(&over));
        std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || {
                for stream in listener.incoming().filter_map(Result::ok) {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let shelf = Arc::clone(&served);
                    std::thread::spawn(move || {
                        // A client that goes away in the middle asks again.
                        let _ = converse(stream, &shelf);
                    });
                }
            })
            .map_err(HarnessError::io("start the registry"))?;
        Ok(Registry {
            address,
            shelf,
            over,
        })
    }

    /// Where it listens on this host.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked so far, with the status of each answer.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.shelf
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread, which sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    digest: Option<String>,
    body: Arc<Vec<u8>>,
}

fn converse(stream: TcpStream, shelf: &Shelf) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let (mut first, mut last) = (String::new(), false);
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        for _ in 0..100 {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end();
            last |= line.eq_ignore_ascii_case("connection: close");
            if line.is_empty() {
                break;
            }
        }
        let mut words = first.split_whitespace();
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let answer = match method {
            "GET" | "HEAD" => find(shelf, target),
            _ => refusal(
                "405 Method Not Allowed",
                "UNSUPPORTED",
                "this registry is only read",
            ),
        };
        let status = answer
            .status
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        shelf
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((target.to_owned(), status));
        let digest = answer
            .digest
            .map(|digest| format!("Docker-Content-Digest: {digest}\r\n"))
            .unwrap_or_default();
        write!(
            writer,
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n{digest}\r\n",
            answer.status,
            answer.kind,
            answer.body.len()
        )?;
        if method == "GET" || status == 405 {
            writer.write_all(&answer.body)?;
        }
        if last || status == 405 {
            return Ok(());
        }
    }
}

fn find(shelf: &Shelf, target: &str) -> Answer {
    let path = target.split('?').next().unwrap_or_default();
    let good = |kind, digest, body| Answer {
        status: "200 OK",
        kind,
        digest,
        body,
    };
    let Some(path) = path.strip_prefix("/v2/") else {
        return refusal("404 Not Found", "UNSUPPORTED", "only /v2/ is here");
    };
    if path.is_empty() {
        return good("application/json", None, Arc::new(b"{}".to_vec()));
    }
    if let Some((name, wanted)) = path.split_once("/manifests/") {
        // Bare names live under library/.
        let name = name.strip_prefix("library/").unwrap_or(name);
        let sign = if wanted.starts_with("sha256:") {
            '@'
        } else {
            ':'
        };
        return match shelf.manifests.get(&format!("{name}{sign}{wanted}")) {
            Some((digest, body)) => good(MANIFEST, Some(digest.clone()), Arc::clone(body)),
            None => refusal("404 Not Found", "MANIFEST_UNKNOWN", "manifest unknown"),
        };
    }
    match path
        .split_once("/blobs/")
        .and_then(|(_, digest)| shelf.blobs.get_key_value(digest))
    {
        Some((digest, body)) => good(
            "application/octet-stream",
            Some(digest.clone()),
            Arc::clone(body),
        ),
        None => refusal("404 Not Found", "BLOB_UNKNOWN", "blob unknown to registry"),
    }
}

fn refusal(status: &'static str, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
    Answer {
        status,
        kind: "application/json",
        digest: None,
        body: Arc::new(body.to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn get(registry: &Registry, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(registry.address()).expect("it listens");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn what_docker_asks_for_is_answered_with_equal_digests_and_nothing_can_be_written() {
        let image = Image::of_one_layer("busybox", vec![0; 1024], &serde_json::json!({}));
        let registry = Registry::serve(std::slice::from_ref(&image)).expect("served");
        assert!(get(&registry, "GET", "/v2/").starts_with("HTTP/1.1 200 OK"));
        let by_tag = get(&registry, "GET", "/v2/library/busybox/manifests/latest");
        assert!(
            by_tag.contains(&format!("Docker-Content-Digest: {}\r\n", image.digest())),
            "{by_tag}"
        );
        let head = get(
            &registry,
            "HEAD",
            "/v2/library/busybox/manifests/latest?ns=docker.io",
        );
        assert!(
            head.ends_with("\r\n\r\n") && head.contains(MANIFEST),
            "{head}"
        );
        let by_digest = get(
            &registry,
            "GET",
            &format!("/v2/busybox/manifests/{}", image.digest()),
        );
        assert_eq!(by_digest, by_tag);
        for (digest, bytes) in &image.blobs {
            let blob = get(
                &registry,
                "GET",
                &format!("/v2/library/busybox/blobs/{digest}"),
            );
            assert!(blob.contains(&format!("Content-Length: {}\r\n", bytes.len())));
        }
        assert!(
            get(&registry, "GET", "/v2/library/nginx/manifests/latest")
                .contains("MANIFEST_UNKNOWN")
        );
        assert!(
            get(&registry, "PUT", "/v2/library/busybox/manifests/latest")
                .starts_with("HTTP/1.1 405")
        );
        assert!(get(&registry, "GET", "/etc/passwd").starts_with("HTTP/1.1 404"));
        assert_eq!(registry.requests().len(), 9);
    }
}
