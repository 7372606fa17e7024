//! GitHub and GitHub Enterprise Server, with a token or as a GitHub App. The only user of octocrab.
//!
//! octocrab signs the App's tokens; requests are made and answers read here, because only the raw answer says when to come again, because
//! a field that we don't use must not fail a request, and because a forge within a company has a certificate authority of its own.

mod answer;
mod api;
mod auth;
mod link;
mod listing;
mod settings;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::sync::Mutex;

use self::api::Api;
use self::auth::Auth;
use self::listing::Listings;
use super::{Comment, CommentId, Forge, ForgeError, GitCredential, Grants, HookSettings, Identity, Listing, NewStatus, PullRequest};
use crate::clock::Clock;
use crate::ids::Oid;
use crate::secret::LiveSecret;

/// GitHub's limit on the description of a status, in characters (REST description: create a commit status).
const DESCRIPTION_LIMIT: usize = 140;

/// How to reach GitHub and as whom.
pub struct GitHubConfig {
    /// `https://api.github.com`, or `https://HOST/api/v3`.
    pub api_url: String,
    pub credentials: GitHubCredentials,
    /// A PEM file with authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// For one request, its redirects and its body together.
    pub timeout: Duration,
}

pub enum GitHubCredentials {
    /// A personal access token, classic or fine-grained.
    Token(LiveSecret),
    /// A GitHub App. The installation is looked up by repository.
    App { id: u64, private_key_pem: LiveSecret },
}

/// A configuration that can't work.
#[derive(Debug, thiserror::Error)]
pub enum GitHubSetupError {
    #[error("{0:?} is not the address of a GitHub API: use https:// and a host, as in https://api.github.com")]
    ApiUrl(String),
    #[error("the private key of the GitHub App cannot be read: {0}. Use the PEM file that was downloaded from GitHub")]
    PrivateKey(String),
    #[error("the token contains a line break or another invalid character. Write it on one line")]
    Token,
    #[error("the certificate authorities in {} cannot be used: {reason}. Correct `ca` in the configuration.", path.display())]
    Authorities { path: PathBuf, reason: String },
    #[error("the HTTPS client can't be built: {0}")]
    Client(String),
}

pub struct GitHub {
    api: Api,
    auth: Auth,
    listings: Listings,
    /// With the version of the token that it was asked with.
    identity: Mutex<Option<(u64, Identity)>>,
    name: String,
}

impl GitHub {
    /// Must be called within a Tokio runtime, as the client has a task of its own.
    pub fn new(config: GitHubConfig, clock: Arc<dyn Clock>) -> Result<Self, GitHubSetupError> {
        let api = Api::new(&config.api_url, config.ca.as_deref(), config.timeout, clock.clone())?;
        let name = api.host().to_owned();
        Ok(Self { auth: Auth::new(config.credentials, clock)?, listings: Listings::new(), identity: Mutex::default(), api, name })
    }

    async fn send(&self, project: &str, method: Method, path: &str, body: Option<serde_json::Value>) -> Result<answer::Answer, ForgeError> {
        self.auth.send(&self.api, project, api::Call { method, target: path, etag: None, body: body.as_ref() }).await
    }
}

fn repo_path(project: &str, rest: &str) -> Result<String, ForgeError> {
    // What reaches this comes from the configuration, and must not be able to name another path all the same.
    let sound = |part: &str| {
        !part.is_empty() && !matches!(part, "." | "..") && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match project.split_once('/') {
        Some((owner, name)) if sound(owner) && sound(name) => Ok(format!("/repos/{owner}/{name}{rest}")),
        _ => Err(ForgeError::Rejected {
            forge: "GitHub".into(),
            message: format!("a project is named OWNER/NAME with letters, digits, dots and dashes, not {project:?}"),
        }),
    }
}

#[async_trait]
impl Forge for GitHub {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pull_request(&self, project: &str, number: u64) -> Result<PullRequest, ForgeError> {
        let path = repo_path(project, &format!("/pulls/{number}"))?;
        let pull: wire::Pull = self.send(project, Method::GET, &path, None).await?.json()?;
        Ok(pull.into())
    }

    async fn open_pull_requests(&self, project: &str) -> Result<Listing<PullRequest>, ForgeError> {
        let path = repo_path(project, "/pulls?state=open&sort=updated&direction=desc&per_page=100")?;
        self.listings.pulls(self, project, &path).await
    }

    async fn recently_closed(&self, project: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let path = repo_path(project, "/pulls?state=closed&sort=updated&direction=desc&per_page=50")?;
        let pulls: Vec<wire::Pull> = self.send(project, Method::GET, &path, None).await?.json()?;
        Ok(pulls.into_iter().map(PullRequest::from).collect())
    }

    async fn set_status(&self, project: &str, status: &NewStatus) -> Result<(), ForgeError> {
        let path = repo_path(project, &format!("/statuses/{}", status.sha))?;
        let description: String = status.description.chars().take(DESCRIPTION_LIMIT).collect();
        let body = json!({
            "state": status.state,
            "context": status.context,
            "description": description,
            "target_url": status.target_url,
        });
        self.send(project, Method::POST, &path, Some(body)).await.map(drop)
    }

    async fn latest_status(&self, project: &str, sha: &Oid, context: &str) -> Result<Option<NewStatus>, ForgeError> {
        let mut next = Some(repo_path(project, &format!("/commits/{sha}/status?per_page=100"))?);
        // The combined status has the newest of each context; twenty pages are more contexts than a commit can have.
        for _ in 0..20 {
            let Some(target) = next.take() else { break };
            let answer = self.send(project, Method::GET, &target, None).await?;
            next = answer.next_page();
            let combined: wire::Combined = answer.json()?;
            if let Some(found) = combined.statuses.into_iter().find(|status| status.context.eq_ignore_ascii_case(context)) {
                return Ok(Some(found.into_status(sha)));
            }
        }
        Ok(None)
    }

    async fn own_comments(&self, project: &str, number: u64, marker: &str) -> Result<Vec<Comment>, ForgeError> {
        let me = self.whoami().await?;
        let path = repo_path(project, &format!("/issues/{number}/comments?per_page=100"))?;
        self.listings.comments(self, project, path, |comment| me.is(comment.author()) && comment.body().starts_with(marker)).await
    }

    async fn create_comment(&self, project: &str, number: u64, body: &str) -> Result<CommentId, ForgeError> {
        let path = repo_path(project, &format!("/issues/{number}/comments"))?;
        let comment: wire::Comment = self.send(project, Method::POST, &path, Some(json!({ "body": body }))).await?.json()?;
        Ok(comment.id())
    }

    async fn update_comment(&self, project: &str, id: &CommentId, body: &str) -> Result<(), ForgeError> {
        let path = comment_path(project, id)?;
        self.send(project, Method::PATCH, &path, Some(json!({ "body": body }))).await.map(drop)
    }

    async fn delete_comment(&self, project: &str, id: &CommentId) -> Result<(), ForgeError> {
        let path = comment_path(project, id)?;
        match self.send(project, Method::DELETE, &path, None).await {
            Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn whoami(&self) -> Result<Identity, ForgeError> {
        let mut known = self.identity.lock().await;
        let version = self.auth.version();
        if let Some((_, identity)) = known.as_ref().filter(|(of, _)| *of == version) {
            return Ok(identity.clone());
        }
        let identity = self.auth.identity(&self.api).await?;
        *known = Some((version, identity.clone()));
        Ok(identity)
    }

    async fn hooks(&self, project: &str) -> Result<Vec<HookSettings>, ForgeError> {
        settings::hooks(self, project).await
    }

    async fn grants(&self, project: &str) -> Result<Grants, ForgeError> {
        settings::grants(self, project).await
    }

    async fn git_credential(&self, project: &str) -> Result<Option<GitCredential>, ForgeError> {
        let token = self.auth.token(&self.api, project).await?;
        Ok(Some(GitCredential { username: "x-access-token".into(), password: SecretString::from(token.expose_secret()) }))
    }
}

fn comment_path(project: &str, id: &CommentId) -> Result<String, ForgeError> {
    match id.0.parse::<u64>() {
        Ok(number) => repo_path(project, &format!("/issues/comments/{number}")),
        Err(_) => Err(ForgeError::NotFound { forge: "GitHub".into(), what: "a comment whose id is not a number".into() }),
    }
}

#[cfg(test)]
mod tests;
