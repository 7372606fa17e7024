//! GitHub and GitHub Enterprise Server, with a token or as a GitHub App. The only user of octocrab.
//!
//! octocrab signs the App's tokens; requests are made and answers read here, because only the raw answer says when to
//! come again, because a field that we don't use must not fail a request, and because a forge within a company has a
//! certificate authority of its own.

mod answer;
mod auth;
mod client;
mod comments;
mod config;
mod deliveries;
mod flavour;
mod listing;
mod merge_queue;
mod path;
mod rights;
mod settings;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

pub use self::config::{GitHubConfig, GitHubCredentials};
pub use self::flavour::GITHUB;

use self::client::Client;
use self::listing::Listings;
use self::path::{comment_path, repo_path};
use super::rest::SetupError;
use super::{
    Author, Comment, CommentId, Flavour, Forge, ForgeError, GitCredential, Grants, HookSettings, Identity, Listing,
    NewStatus, PullRequest, Reaction, Role, SentDelivery, WrittenComment,
};
use crate::clock::Clock;
use crate::ids::Oid;

pub struct GitHub {
    client: Client,
    listings: Listings,
    /// With the version of the token that it was asked with.
    identity: Mutex<Option<(u64, Identity)>>,
    name: String,
}

impl GitHub {
    /// Must be called within a Tokio runtime, as the client has a task of its own.
    pub fn new(config: GitHubConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let client = Client::new(config, clock)?;
        let name = client.api.host().to_owned();
        Ok(Self { client, listings: Listings::new(), identity: Mutex::default(), name })
    }

    fn known_identity(&self) -> MutexGuard<'_, Option<(u64, Identity)>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Forge for GitHub {
    fn name(&self) -> &str {
        &self.name
    }

    fn flavour(&self) -> &'static Flavour {
        &GITHUB
    }

    fn merge_group_base(&self, ref_name: &str) -> Option<String> {
        merge_queue::base(ref_name)
    }

    async fn pull_request(&self, project: &str, number: u64) -> Result<PullRequest, ForgeError> {
        let path = repo_path(project, &format!("/pulls/{number}"))?;
        let pull: wire::Pull = self.client.send(project, Method::GET, &path, None).await?.json()?;
        Ok(pull.into())
    }

    async fn open_pull_requests(&self, project: &str) -> Result<Listing<PullRequest>, ForgeError> {
        let path = repo_path(project, "/pulls?state=open&sort=updated&direction=desc&per_page=100")?;
        self.listings.pulls(&self.client, project, &path).await
    }

    async fn recently_closed(&self, project: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let path = repo_path(project, "/pulls?state=closed&sort=updated&direction=desc&per_page=50")?;
        let pulls: Vec<wire::Pull> = self.client.send(project, Method::GET, &path, None).await?.json()?;
        Ok(pulls.into_iter().map(PullRequest::from).collect())
    }

    async fn set_status(&self, project: &str, _pulls: &[u64], status: &NewStatus) -> Result<(), ForgeError> {
        let path = repo_path(project, &format!("/statuses/{}", status.sha))?;
        let description: String = status.description.chars().take(GITHUB.description_limit).collect();
        let body = json!({
            "state": status.state,
            "context": status.context,
            "description": description,
            "target_url": status.target_url,
        });
        self.client.send(project, Method::POST, &path, Some(body)).await.map(drop)
    }

    async fn latest_status(
        &self,
        project: &str,
        _pulls: &[u64],
        sha: &Oid,
        context: &str,
    ) -> Result<Option<NewStatus>, ForgeError> {
        let mut next = Some(repo_path(project, &format!("/commits/{sha}/status?per_page=100"))?);
        // The combined status has the newest of each context; twenty pages are more contexts than a commit can have.
        for _ in 0..20 {
            let Some(target) = next.take() else { break };
            let answer = self.client.send(project, Method::GET, &target, None).await?;
            next = answer.next_page();
            let combined: wire::Combined = answer.json()?;
            if let Some(found) =
                combined.statuses.into_iter().find(|status| status.context.eq_ignore_ascii_case(context))
            {
                return Ok(Some(found.into_status(sha)));
            }
        }
        Ok(None)
    }

    async fn own_comments(&self, project: &str, number: u64, marker: &str) -> Result<Vec<Comment>, ForgeError> {
        let me = self.whoami().await?;
        let path = repo_path(project, &format!("/issues/{number}/comments?per_page=100"))?;
        self.listings
            .comments(&self.client, project, path, |comment| {
                me.is(comment.author()) && comment.body().starts_with(marker)
            })
            .await
    }

    async fn create_comment(&self, project: &str, number: u64, body: &str) -> Result<CommentId, ForgeError> {
        let path = repo_path(project, &format!("/issues/{number}/comments"))?;
        let comment: wire::Comment =
            self.client.send(project, Method::POST, &path, Some(json!({ "body": body }))).await?.json()?;
        Ok(comment.id())
    }

    async fn update_comment(&self, project: &str, id: &CommentId, body: &str) -> Result<(), ForgeError> {
        let path = comment_path(project, id)?;
        self.client.send(project, Method::PATCH, &path, Some(json!({ "body": body }))).await.map(drop)
    }

    async fn delete_comment(&self, project: &str, id: &CommentId) -> Result<(), ForgeError> {
        let path = comment_path(project, id)?;
        match self.client.send(project, Method::DELETE, &path, None).await {
            Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn comment(&self, project: &str, number: u64, id: u64) -> Result<WrittenComment, ForgeError> {
        comments::read(&self.client, project, number, id).await
    }

    async fn react(&self, project: &str, _number: u64, comment: u64, reaction: Reaction) -> Result<(), ForgeError> {
        comments::react(&self.client, project, comment, reaction).await
    }

    async fn role(&self, project: &str, user: &Author) -> Result<Role, ForgeError> {
        comments::role(&self.client, project, user).await
    }

    async fn whoami(&self) -> Result<Identity, ForgeError> {
        let version = self.client.auth.version();
        let known = self.known_identity().as_ref().filter(|(of, _)| *of == version).cloned();
        if let Some((_, identity)) = known {
            return Ok(identity);
        }
        // Asked twice rather than waited for: the forge may not answer whoever came first.
        let identity = self.client.auth.identity(&self.client.api).await?;
        *self.known_identity() = Some((version, identity.clone()));
        Ok(identity)
    }

    async fn hooks(&self, project: &str) -> Result<Vec<HookSettings>, ForgeError> {
        settings::hooks(&self.client, project).await
    }

    async fn sent_deliveries(&self, project: &str, path: &str) -> Result<Vec<SentDelivery>, ForgeError> {
        deliveries::sent(&self.client, project, path).await
    }

    async fn send_again(&self, project: &str, delivery: &SentDelivery) -> Result<(), ForgeError> {
        deliveries::send_again(&self.client, project, delivery).await
    }

    async fn grants(&self, project: &str) -> Result<Grants, ForgeError> {
        settings::grants(&self.client, project).await
    }

    async fn git_credential(&self, project: &str) -> Result<Option<GitCredential>, ForgeError> {
        let token = self.client.auth.token(&self.client.api, project).await?;
        Ok(Some(GitCredential {
            username: "x-access-token".into(),
            password: SecretString::from(token.expose_secret()),
        }))
    }
}

#[cfg(test)]
mod tests;
