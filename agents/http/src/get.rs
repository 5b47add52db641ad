//! The simplest use: fetch a URL.

use hyper::Method;

use crate::{Client, HttpError, Limits, Request, Response, Url};

/// Fetches `url`, following redirects.
///
/// # Errors
/// See [`HttpError`]; any status is an answer, not an error.
pub async fn get(url: &str, limits: &Limits) -> Result<Response, HttpError> {
    let whole = follow(url, limits);
    match limits.total {
        None => whole.await,
        Some(total) => {
            let endpoint = Url::parse(url)?.endpoint().clone();
            tokio::time::timeout(total, whole)
                .await
                .unwrap_or(Err(HttpError::Timeout {
                    endpoint,
                    what: "whole answer",
                    after: total,
                }))
        }
    }
}

/// [`get`] for a program without a runtime of its own.
///
/// # Errors
/// See [`HttpError`].
pub fn get_blocking(url: &str, limits: &Limits) -> Result<Response, HttpError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| HttpError::Runtime { source })?
        .block_on(get(url, limits))
}

async fn follow(url: &str, limits: &Limits) -> Result<Response, HttpError> {
    let client = Client::new();
    let mut url = Url::parse(url)?;
    let mut left = limits.redirects;
    loop {
        let request = Request::new(Method::GET, url.path_and_query());
        let response = client.request(url.endpoint(), request, limits).await?;
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) || limits.redirects == 0 {
            return Ok(response);
        }
        let target = response.header("location").filter(|_| left > 0);
        let Some(target) = target else {
            return Err(HttpError::Redirect {
                url: url.to_string(),
            });
        };
        url = url.join(target)?;
        left -= 1;
    }
}
