//! Members: their JSON, ids and the checks of peer URLs.

use serde::{Deserialize, Serialize};

/// A member as `/v2/members` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct Member {
    /// Lower-case hexadecimal id without leading zeros.
    pub id: String,
    /// Name; empty until it has started.
    pub name: String,
    /// Where other members reach it.
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has started.
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
}

/// The answer of `GET /v2/members`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MemberList {
    /// Sorted by id.
    pub members: Vec<Member>,
}

/// The body of `POST /v2/members` and `PUT /v2/members/<id>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerUrls {
    /// The URLs.
    #[serde(rename = "peerURLs", default)]
    pub peer_urls: Vec<String>,
}

/// The body of an error outside the keys API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// What is wrong.
    pub message: String,
}

/// Checks peer URLs and returns them sorted.
///
/// # Errors
/// The original's text.
pub fn check_peer_urls(urls: &[String]) -> Result<Vec<String>, String> {
    if urls.is_empty() {
        return Err("no valid URLs given".to_owned());
    }
    for url in urls {
        let Some(rest) = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
        else {
            return Err(format!("URL scheme must be http or https: {url}"));
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = authority.rsplit_once(':').and_then(|(host, port)| {
            let host_ok = !host.is_empty() && (host.starts_with('[') || !host.contains(':'));
            host_ok.then(|| port.parse::<u16>().ok()).flatten()
        });
        if port.is_none() {
            return Err(format!(
                "URL address does not have the form \"host:port\": {url}"
            ));
        }
        if !path.is_empty() || rest.ends_with('/') {
            return Err(format!("URL must not contain a path: {url}"));
        }
    }
    let mut urls = urls.to_vec();
    urls.sort();
    Ok(urls)
}

/// Parses a member id.
#[must_use]
pub fn parse_member_id(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{Member, check_peer_urls};

    #[test]
    fn peer_urls_are_refused_with_the_texts_of_the_original() {
        let check = |url: &str| check_peer_urls(&[url.to_owned()]).unwrap_err();
        assert_eq!(check_peer_urls(&[]).unwrap_err(), "no valid URLs given");
        assert_eq!(
            check("ftp://a:1"),
            "URL scheme must be http or https: ftp://a:1"
        );
        assert_eq!(
            check("http://a"),
            "URL address does not have the form \"host:port\": http://a"
        );
        assert_eq!(
            check("http://a:1/x"),
            "URL must not contain a path: http://a:1/x"
        );
        check_peer_urls(&["http://[::1]:2380".to_owned()]).unwrap();
    }

    #[test]
    fn a_member_is_written_in_the_order_of_the_original() {
        let member = Member {
            id: "a".into(),
            peer_urls: vec!["http://p:1".into()],
            ..Member::default()
        };
        assert_eq!(
            serde_json::to_string(&member).unwrap(),
            r#"{"id":"a","name":"","peerURLs":["http://p:1"],"clientURLs":[]}"#
        );
    }
}
