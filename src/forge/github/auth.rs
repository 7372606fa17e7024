//! Authentication: a token, or a GitHub App, whose tokens last an hour and are created per installation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use octocrab::models::AppId;
use secrecy::{ExposeSecret, SecretString};

use super::config::GitHubCredentials;
use super::path::repo_path;
use super::wire;
use crate::clock::Clock;
use crate::forge::rest::{Answer, Api, Call, SetupError, chain, own, sendable};
use crate::forge::{ForgeError, Identity};
use crate::secret::LiveSecret;

/// A token that is about to expire is not used for a fetch that may take minutes.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// So many projects' installation tokens are kept.
const PROJECTS: u64 = 1000;

/// Longer than a token lives, so that the expiry that GitHub names decides.
const KEPT: Duration = Duration::from_hours(2);

pub(super) enum Auth {
    Token(LiveSecret),
    App(Box<App>),
}

pub(super) struct App {
    id: AppId,
    private_key_pem: LiveSecret,
    /// The key of one version of the file.
    key: Mutex<(u64, octocrab::auth::EncodingKey)>,
    tokens: Cache<String, Minted>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Minted {
    token: SecretString,
    expires: Timestamp,
}

impl Auth {
    pub(super) fn new(credentials: GitHubCredentials, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        match credentials {
            GitHubCredentials::Token(token) => {
                if sendable(&token.get()) {
                    Ok(Self::Token(token))
                } else {
                    Err(SetupError::Token)
                }
            }
            GitHubCredentials::App { id, private_key_pem } => {
                let (pem, version) = private_key_pem.versioned();
                let key = Mutex::new((version, read_key(&pem)?));
                let tokens = Cache::builder().max_capacity(PROJECTS).time_to_live(KEPT).build();
                Ok(Self::App(Box::new(App { id: AppId(id), private_key_pem, key, tokens, clock })))
            }
        }
    }

    /// Sends with the token for this project; once more with another, if it is refused and there is another by then.
    pub(super) async fn send(&self, api: &Api, project: &str, call: Call<'_>) -> Result<Answer, ForgeError> {
        let token = self.token(api, project).await?;
        match api.send(&token, call.clone()).await {
            // A 401 or 403 changed nothing, so the request may be made again.
            Err(refusal @ ForgeError::Refused { .. }) => match self.instead_of(&token, api, project).await? {
                Some(token) => api.send(&token, call).await,
                None => Err(refusal),
            },
            result => result,
        }
    }

    /// Another token than the one that was refused: its file was written to meanwhile; or, for an App, a new one, as
    /// the old one may be revoked or have the permissions of before.
    async fn instead_of(
        &self,
        refused: &SecretString,
        api: &Api,
        project: &str,
    ) -> Result<Option<SecretString>, ForgeError> {
        if let Self::App(app) = self {
            app.forget(project).await;
        }
        let token = self.token(api, project).await?;
        Ok((token.expose_secret() != refused.expose_secret()).then_some(token))
    }

    pub(super) async fn token(&self, api: &Api, project: &str) -> Result<SecretString, ForgeError> {
        match self {
            Self::Token(token) => own(token, api),
            Self::App(app) => app.token(api, project).await,
        }
    }

    /// Differs when we may be somebody else than before.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Token(token) => token.versioned().1,
            Self::App(_) => 0,
        }
    }

    pub(super) async fn identity(&self, api: &Api) -> Result<Identity, ForgeError> {
        match self {
            Self::Token(token) => {
                let user: wire::User = api.send(&own(token, api)?, get("/user")).await?.json()?;
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

    pub(super) fn jwt(&self, api: &Api) -> Result<SecretString, ForgeError> {
        let unsigned = |reason: String| api.unavailable(format!("its App token could not be signed: {reason}"));
        let (pem, version) = self.private_key_pem.versioned();
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.0 != version {
            *key = (version, read_key(&pem).map_err(|error| unsigned(error.to_string()))?);
        }
        octocrab::auth::create_jwt(self.id, &key.1).map(SecretString::from).map_err(|error| unsigned(chain(&error)))
    }
}

fn read_key(pem: &SecretString) -> Result<octocrab::auth::EncodingKey, SetupError> {
    octocrab::auth::EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
        .map_err(|error| SetupError::PrivateKey(error.to_string()))
}

pub(super) fn get(target: &str) -> Call<'_> {
    Call { method: Method::GET, target, etag: None, body: None }
}
