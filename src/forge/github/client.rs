//! Requests about a project, with the token for it.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION};
use http::request::Builder;
use http::{HeaderValue, Method};

use secrecy::{ExposeSecret, SecretString};

use super::answer;
use super::auth::Auth;
use super::config::GitHubConfig;
use crate::clock::Clock;
use crate::forge::ForgeError;
use crate::forge::rest::{Answer, Api, Call, Connection, Dialect, SetupError};

/// The version of the REST API that this client was written for. Without it, GitHub answers as its newest one does.
const API_VERSION: &str = "2022-11-28";

static DIALECT: Dialect =
    Dialect { forge: "GitHub", example: "https://api.github.com", root: "/repos/", headers, judge: answer::judge };

pub(super) struct Client {
    pub api: Api,
    pub auth: Auth,
}

impl Client {
    pub(super) fn new(config: GitHubConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let GitHubConfig { api_url, ca, timeout, .. } = &config;
        let connection = Connection { api_url, ca: ca.as_deref(), timeout: *timeout };
        let api = Api::new(&DIALECT, &connection, clock.clone())?;
        Ok(Self { auth: Auth::new(config.credentials, clock)?, api })
    }

    pub(super) async fn send(
        &self,
        project: &str,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<Answer, ForgeError> {
        self.auth.send(&self.api, project, Call { method, target: path, etag: None, body: body.as_ref() }).await
    }
}

fn headers(builder: Builder, token: &SecretString) -> Result<Builder, http::Error> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))?;
    bearer.set_sensitive(true);
    Ok(builder
        .header(ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", API_VERSION)
        .header(AUTHORIZATION, bearer))
}
