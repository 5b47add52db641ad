//! The client: which endpoint is asked, and what makes it ask the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_api::{Code, EtcdError, Message};
use http::{Attempt, Endpoint, Endpoints, HeaderValue, Limits, Method, Request, Url};

use crate::error::{ClientError, describe};

/// How long requests may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// One endpoint, until the header of its answer.
    pub request: Duration,
    /// All endpoints together.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            request: Duration::from_secs(1),
            total: Duration::from_secs(5),
        }
    }
}

/// Talks to a cluster; a clone shares connections and the order of endpoints.
#[derive(Debug, Clone)]
pub struct Client {
    http: http::Client,
    endpoints: Arc<Endpoints>,
    urls: Arc<Mutex<Vec<String>>>,
    timeouts: Timeouts,
    /// The `Authorization` header, when etcd asks for a user.
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of these endpoints, `http://host:port` or `host:port`.
    ///
    /// # Errors
    /// When one is no URL, or there is none.
    pub fn new(endpoints: &[String]) -> Result<Client, ClientError> {
        let client = Client {
            http: http::Client::new(),
            endpoints: Arc::default(),
            urls: Arc::default(),
            timeouts: Timeouts::default(),
            authorization: None,
        };
        client.set_endpoints(endpoints)?;
        Ok(client)
    }

    /// The same with other limits on time.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Client {
        self.timeouts = timeouts;
        self
    }

    /// The same as a user of etcd, by HTTP's basic scheme.
    #[must_use]
    pub fn with_user(mut self, name: &str, password: &str) -> Client {
        let text = format!("Basic {}", base64(format!("{name}:{password}").as_bytes()));
        self.authorization = HeaderValue::from_str(&text).ok();
        self
    }

    /// The endpoints as URLs.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.urls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks these endpoints from now on.
    ///
    /// # Errors
    /// When one is no URL, or there is none.
    pub fn set_endpoints(&self, endpoints: &[String]) -> Result<(), ClientError> {
        let url = |text: &String| {
            if text.contains(':') && text.contains("//") {
                text.clone()
            } else {
                format!("http://{text}")
            }
        };
        let urls: Vec<String> = endpoints.iter().map(url).collect();
        let parsed: Result<Vec<Endpoint>, ClientError> = urls
            .iter()
            .map(|text| {
                Url::parse(text)
                    .map(|url| url.endpoint().clone())
                    .map_err(ClientError::Endpoint)
            })
            .collect();
        let parsed = parsed?;
        if parsed.is_empty() {
            return Err(ClientError::NoEndpoints);
        }
        self.endpoints.replace(parsed);
        *self.urls.lock().unwrap_or_else(PoisonError::into_inner) = urls;
        Ok(())
    }

    /// Sends a request to the first endpoint that answers; a 4xx answer of etcd is an error.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn request(&self, request: Request) -> Result<http::Response, ClientError> {
        let limits = Limits {
            connect: self.timeouts.request,
            read: self.timeouts.request,
            total: Some(self.timeouts.request),
            body: 64 << 20,
            redirects: 0,
        };
        self.ask(request, &limits, Some(self.timeouts.total)).await
    }

    /// [`Client::request`] with limits of its own, for watches that wait for long.
    pub(crate) async fn ask(
        &self,
        mut request: Request,
        limits: &Limits,
        total: Option<Duration>,
    ) -> Result<http::Response, ClientError> {
        let reads = request.method == Method::GET;
        if let Some(who) = &self.authorization {
            request.headers.insert("authorization", who.clone());
        }
        let attempt = |endpoint: Endpoint| {
            let (request, http) = (request.clone(), self.http.clone());
            async move {
                let url = format!("http://{endpoint}");
                match http.request(&endpoint, request, limits).await {
                    Err(error) => {
                        let text = describe(&url, &error);
                        // A write that may have arrived is not asked for again elsewhere.
                        if reads || error.is_before_sending() {
                            Attempt::Next(text)
                        } else {
                            Attempt::Stop(text)
                        }
                    }
                    Ok(answer) if answer.status == 503 || (answer.status == 500 && reads) => {
                        Attempt::Next(format!("client: etcd member {url} has no leader"))
                    }
                    Ok(answer) => Attempt::Done(answer),
                }
            }
        };
        let asked = self.endpoints.first(attempt);
        let answer = match total {
            None => asked.await,
            Some(total) => tokio::time::timeout(total, asked)
                .await
                .unwrap_or_else(|_| Err(vec!["context deadline exceeded".to_owned()])),
        };
        let answer = answer.map_err(ClientError::Unavailable)?;
        if answer.status < 400 {
            return Ok(answer);
        }
        Err(refusal(&answer))
    }
}

fn refusal(answer: &http::Response) -> ClientError {
    if let Some(error) = EtcdError::from_json(&answer.body) {
        return ClientError::Api(error);
    }
    let text = match serde_json::from_slice::<Message>(&answer.body) {
        Ok(message) => message.message,
        Err(_) if answer.status == 500 => EtcdError::new(Code::RaftInternal, "", 0).to_string(),
        Err(_) => String::from_utf8_lossy(&answer.body).trim_end().to_owned(),
    };
    ClientError::Refused {
        status: answer.status,
        text,
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_usize {
            if at <= group.len() {
                let letter = bits >> (18 - 6 * at) & 63;
                text.push(char::from(LETTERS[usize::try_from(letter).unwrap_or(0)]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn a_user_is_named_in_base64_with_padding() {
        for (text, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("root:pw", "cm9vdDpwdw=="),
        ] {
            assert_eq!(base64(text.as_bytes()), coded);
        }
    }
}
