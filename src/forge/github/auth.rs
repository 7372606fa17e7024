//! Who asks: a token, or a GitHub App whose tokens last an hour and are made per installation.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use octocrab::models::AppId;
use secrecy::{ExposeSecret, SecretString};

use super::answer::Answer;
use super::api::{Api, Call, chain};
use super::{GitHubCredentials, GitHubSetupError, repo_path, wire};
use crate::clock::Clock;
use crate::forge::{ForgeError, Identity};

/// A token that is about to expire is not used for a fetch that may take minutes.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// So many projects' installation tokens are kept.
const PROJECTS: u64 = 1000;

/// Longer than a token lives, so that the expiry that GitHub names decides.
const KEPT: Duration = Duration::from_hours(2);

pub(super) enum Auth {
    Token(SecretString),
    App(Box<App>),
}

pub(super) struct App {
    id: AppId,
    key: octocrab::auth::EncodingKey,
    tokens: Cache<String, Minted>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Minted {
    token: SecretString,
    expires: Timestamp,
}

impl Auth {
    pub(super) fn new(credentials: GitHubCredentials, clock: Arc<dyn Clock>) -> Result<Self, GitHubSetupError> {
        match credentials {
            GitHubCredentials::Token(token) => {
                let visible = !token.expose_secret().is_empty() && token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
                if visible { Ok(Self::Token(token)) } else { Err(GitHubSetupError::Token) }
            }
            GitHubCredentials::App { id, private_key_pem } => {
                let key = octocrab::auth::EncodingKey::from_rsa_pem(private_key_pem.expose_secret().as_bytes())
                    .map_err(|error| GitHubSetupError::PrivateKey(error.to_string()))?;
                let tokens = Cache::builder().max_capacity(PROJECTS).time_to_live(KEPT).build();
                Ok(Self::App(Box::new(App { id: AppId(id), key, tokens, clock })))
            }
        }
    }

    /// Sends with the token for this project. A minted token that GitHub no longer takes is replaced once.
    pub(super) async fn send(&self, api: &Api, project: &str, call: Call<'_>) -> Result<Answer, ForgeError> {
        let token = self.token(api, project).await?;
        let first = api.send(&token, call.clone()).await;
        match (self, first) {
            (Self::App(app), Err(ForgeError::Refused { .. })) => {
                // Revoked or with permissions of before: a 401 or 403 changed nothing, so the request may be made again.
                app.forget(project).await;
                let token = self.token(api, project).await?;
                api.send(&token, call).await
            }
            (_, result) => result,
        }
    }

    pub(super) async fn token(&self, api: &Api, project: &str) -> Result<SecretString, ForgeError> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::App(app) => app.token(api, project).await,
        }
    }

    pub(super) async fn identity(&self, api: &Api) -> Result<Identity, ForgeError> {
        match self {
            Self::Token(token) => {
                let user: wire::User = api.send(token, get("/user")).await?.json()?;
                Ok(Identity { login: user.login })
            }
            Self::App(app) => {
                let own: wire::App = api.send(&app.jwt(api)?, get("/app")).await?.json()?;
                Ok(Identity { login: format!("{}[bot]", own.slug) })
            }
        }
    }
}

impl App {
    async fn token(&self, api: &Api, project: &str) -> Result<SecretString, ForgeError> {
        let key = project.to_ascii_lowercase();
        if let Some(minted) = self.tokens.get(&key).await
            && self.clock.now() + MARGIN < minted.expires
        {
            return Ok(minted.token);
        }
        let minted = self.mint(api, project).await?;
        self.tokens.insert(key, minted.clone()).await;
        Ok(minted.token)
    }

    async fn mint(&self, api: &Api, project: &str) -> Result<Minted, ForgeError> {
        let jwt = self.jwt(api)?;
        let path = repo_path(project, "/installation")?;
        let installation: wire::Installation = api.send(&jwt, get(&path)).await?.json()?;
        let path = format!("/app/installations/{}/access_tokens", installation.id);
        // Scoped to the one repository: a token that leaks opens no other.
        let name = project.split_once('/').map_or(project, |(_, name)| name);
        let body = serde_json::json!({ "repositories": [name] });
        let call = Call { method: Method::POST, target: &path, etag: None, body: Some(&body) };
        let minted: wire::InstallationToken = api.send(&jwt, call).await?.json()?;
        Ok(Minted { token: minted.token.into(), expires: minted.expires_at })
    }

    async fn forget(&self, project: &str) {
        self.tokens.invalidate(&project.to_ascii_lowercase()).await;
    }

    fn jwt(&self, api: &Api) -> Result<SecretString, ForgeError> {
        octocrab::auth::create_jwt(self.id, &self.key)
            .map(SecretString::from)
            .map_err(|error| api.unavailable(format!("its App token could not be signed: {}", chain(&error))))
    }
}

fn get(target: &str) -> Call<'_> {
    Call { method: Method::GET, target, etag: None, body: None }
}
