//! Requests about a project, with the token for it.

use std::sync::Arc;

use http::Method;

use super::answer::Answer;
use super::api::{Api, Call};
use super::auth::Auth;
use super::config::{GitHubConfig, GitHubSetupError};
use crate::clock::Clock;
use crate::forge::ForgeError;

pub(super) struct Client {
    pub api: Api,
    pub auth: Auth,
}

impl Client {
    pub(super) fn new(config: GitHubConfig, clock: Arc<dyn Clock>) -> Result<Self, GitHubSetupError> {
        let api = Api::new(&config.api_url, config.ca.as_deref(), config.timeout, clock.clone())?;
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
