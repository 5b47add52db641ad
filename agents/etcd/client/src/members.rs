//! Members of the cluster.

use etcd_api::{Member, MemberList, PeerUrls};
use http::{Method, Request};

use crate::{Client, ClientError};

impl Client {
    /// All members.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn members(&self) -> Result<Vec<Member>, ClientError> {
        let answer = self
            .request(Request::new(Method::GET, "/v2/members"))
            .await?;
        let list: MemberList =
            serde_json::from_slice(&answer.body).map_err(ClientError::Malformed)?;
        Ok(list.members)
    }

    /// The leader, if there is one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn leader(&self) -> Result<Option<Member>, ClientError> {
        match self
            .request(Request::new(Method::GET, "/v2/members/leader"))
            .await
        {
            Ok(answer) => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(ClientError::Malformed),
            Err(ClientError::Refused { status: 503, .. } | ClientError::Unavailable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a member.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_member(&self, peer_urls: &[String]) -> Result<Member, ClientError> {
        let answer = self
            .request(with_urls(
                Method::POST,
                "/v2/members".to_owned(),
                peer_urls,
            )?)
            .await?;
        serde_json::from_slice(&answer.body).map_err(ClientError::Malformed)
    }

    /// Gives a member other peer URLs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn update_member(&self, id: &str, peer_urls: &[String]) -> Result<(), ClientError> {
        self.request(with_urls(
            Method::PUT,
            format!("/v2/members/{id}"),
            peer_urls,
        )?)
        .await
        .map(drop)
    }

    /// Removes a member for ever.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_member(&self, id: &str) -> Result<(), ClientError> {
        self.request(Request::new(Method::DELETE, format!("/v2/members/{id}")))
            .await
            .map(drop)
    }

    /// Takes the client URLs of all members as the endpoints.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sync(&self) -> Result<(), ClientError> {
        let urls: Vec<String> = self
            .members()
            .await?
            .into_iter()
            .flat_map(|member| member.client_urls)
            .collect();
        if urls.is_empty() {
            return Err(ClientError::NoEndpoints);
        }
        self.set_endpoints(&urls)
    }
}

fn with_urls(method: Method, path: String, peer_urls: &[String]) -> Result<Request, ClientError> {
    let body = serde_json::to_vec(&PeerUrls {
        peer_urls: peer_urls.to_vec(),
    })
    .map_err(ClientError::Malformed)?;
    Ok(Request::new(method, path).with_body("application/json", body))
}
