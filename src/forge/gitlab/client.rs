//! Requests with the token as it is now.

use std::sync::Arc;

use http::request::Builder;
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer;
use super::config::GitLabConfig;
use crate::clock::Clock;
use crate::forge::ForgeError;
use crate::forge::rest::{Answer, Api, Call, Connection, Dialect, SetupError, own, sendable};
use crate::secret::LiveSecret;

const API: &str = "/api/v4";

static DIALECT: Dialect =
    Dialect { forge: "GitLab", example: "https://gitlab.com", root: "/projects/", headers, judge: answer::judge };

pub(super) struct Client {
    pub api: Api,
    pub token: LiveSecret,
}

impl Client {
    pub(super) fn new(config: &GitLabConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let GitLabConfig { api_url, ca, timeout, .. } = config;
        // People know the address of the site rather than that of its API.
        let site = api_url.trim_end_matches('/');
        let api_url = format!("{}{API}", site.strip_suffix(API).unwrap_or(site));
        let connection = Connection { api_url: &api_url, ca: ca.as_deref(), timeout: *timeout };
        let api = Api::new(&DIALECT, &connection, clock)?;
        if sendable(&config.token.get()) {
            Ok(Self { api, token: config.token.clone() })
        } else {
            Err(SetupError::Token)
        }
    }

    pub(super) async fn get(&self, target: &str) -> Result<Answer, ForgeError> {
        self.send(Method::GET, target, None).await
    }

    /// Sends with the token; once more with another, if it is refused and its file was written to meanwhile.
    pub(super) async fn send(&self, method: Method, target: &str, body: Option<&Value>) -> Result<Answer, ForgeError> {
        let token = own(&self.token, &self.api)?;
        let call = Call { method, target, etag: None, body };
        match self.api.send(&token, call.clone()).await {
            // A 401 or 403 changed nothing, so the request may be made again.
            Err(refusal @ ForgeError::Refused { .. }) => {
                let now = own(&self.token, &self.api)?;
                if now.expose_secret() == token.expose_secret() {
                    Err(refusal)
                } else {
                    self.api.send(&now, call).await
                }
            }
            result => result,
        }
    }
}

fn headers(builder: Builder, token: &SecretString) -> Result<Builder, http::Error> {
    let mut value = HeaderValue::from_str(token.expose_secret())?;
    value.set_sensitive(true);
    Ok(builder.header("private-token", value))
}
