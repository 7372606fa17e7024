//! GitLab, on gitlab.com or self-managed, with a personal, project or group access token.

mod answer;
mod client;
mod comments;
mod config;
mod deliveries;
mod flavour;
mod inspect;
mod listing;
mod path;
mod status;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use serde_json::json;

pub use self::config::GitLabConfig;
pub use self::flavour::GITLAB;

use self::client::Client;
use self::path::{comment_id, note_path, project_path};
use super::rest::{SetupError, own};
use super::{
    Author, Comment, CommentId, Flavour, Forge, ForgeError, GitCredential, Grants, HookSettings, Identity, Listing,
    NewStatus, PullRequest, Reaction, Role, SentDelivery, WrittenComment,
};
use crate::clock::Clock;
use crate::ids::Oid;

pub struct GitLab {
    client: Client,
    /// With the version of the token that it was asked with.
    identity: Mutex<Option<(u64, Identity)>>,
    name: String,
}

impl GitLab {
    /// Must be called within a Tokio runtime, as the client has a task of its own.
    pub fn new(config: &GitLabConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let client = Client::new(config, clock)?;
        let name = client.api.host().to_owned();
        Ok(Self { client, identity: Mutex::default(), name })
    }

    fn known_identity(&self) -> MutexGuard<'_, Option<(u64, Identity)>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn list(&self, project: &str, query: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let first = project_path(project, &format!("/merge_requests?{query}"))?;
        let found: Vec<wire::MergeRequest> = listing::all(&self.client, first).await?;
        Ok(found.into_iter().filter_map(wire::MergeRequest::pull_request).collect())
    }

    /// The merge requests that changed last: one page of them.
    async fn newest(&self, project: &str, state: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let query = format!("state={state}&order_by=updated_at&sort=desc&per_page=50");
        let path = project_path(project, &format!("/merge_requests?{query}"))?;
        let found: Vec<wire::MergeRequest> = self.client.get(&path).await?.json()?;
        Ok(found.into_iter().filter_map(wire::MergeRequest::pull_request).collect())
    }
}

#[async_trait]
impl Forge for GitLab {
    fn name(&self) -> &str {
        &self.name
    }

    fn flavour(&self) -> &'static Flavour {
        &GITLAB
    }

    async fn pull_request(&self, project: &str, number: u64) -> Result<PullRequest, ForgeError> {
        let path = project_path(project, &format!("/merge_requests/{number}"))?;
        let merge: wire::MergeRequest = self.client.get(&path).await?.json()?;
        merge.pull_request().ok_or_else(|| self.client.api.unavailable(format!("{path} has no commits yet")))
    }

    async fn open_pull_requests(&self, project: &str) -> Result<Listing<PullRequest>, ForgeError> {
        let mut items = self.list(project, "state=opened&order_by=updated_at&sort=desc&per_page=100").await?;
        items.sort_by_key(|pull| pull.number);
        // A merge request that was updated during the walk moves to the front and may be met twice.
        items.dedup_by_key(|pull| pull.number);
        Ok(Listing { items, unchanged: false })
    }

    async fn recently_closed(&self, project: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found = self.newest(project, "merged").await?;
        found.extend(self.newest(project, "closed").await?);
        Ok(found)
    }

    async fn set_status(&self, project: &str, pulls: &[u64], status: &NewStatus) -> Result<(), ForgeError> {
        status::set(&self.client, project, pulls, status).await
    }

    async fn latest_status(
        &self,
        project: &str,
        pulls: &[u64],
        sha: &Oid,
        context: &str,
    ) -> Result<Option<NewStatus>, ForgeError> {
        status::latest(&self.client, project, pulls, sha, context).await
    }

    async fn own_comments(&self, project: &str, number: u64, marker: &str) -> Result<Vec<Comment>, ForgeError> {
        let me = self.whoami().await?;
        let rest = format!("/merge_requests/{number}/notes?sort=asc&order_by=created_at&per_page=100");
        let mut notes: Vec<wire::Note> = listing::all(&self.client, project_path(project, &rest)?).await?;
        notes.sort_by_key(|note| note.id);
        let own = notes.into_iter().filter_map(|note| {
            let is_mine = !note.system && note.author.is_some_and(|author| me.is(&author.username));
            let body = note.body.filter(|body| is_mine && body.starts_with(marker))?;
            Some(Comment { id: comment_id(number, note.id), body })
        });
        Ok(own.collect())
    }

    async fn create_comment(&self, project: &str, number: u64, body: &str) -> Result<CommentId, ForgeError> {
        // A note and no discussion: a thread that can be resolved may block the merge.
        let path = project_path(project, &format!("/merge_requests/{number}/notes"))?;
        let note: wire::Note = self.client.send(Method::POST, &path, Some(&json!({ "body": body }))).await?.json()?;
        Ok(comment_id(number, note.id))
    }

    async fn update_comment(&self, project: &str, id: &CommentId, body: &str) -> Result<(), ForgeError> {
        let path = note_path(project, id)?;
        self.client.send(Method::PUT, &path, Some(&json!({ "body": body }))).await.map(drop)
    }

    async fn delete_comment(&self, project: &str, id: &CommentId) -> Result<(), ForgeError> {
        let path = note_path(project, id)?;
        match self.client.send(Method::DELETE, &path, None).await {
            Ok(_) | Err(ForgeError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn comment(&self, project: &str, number: u64, id: u64) -> Result<WrittenComment, ForgeError> {
        comments::read(&self.client, project, number, id).await
    }

    async fn react(&self, project: &str, number: u64, comment: u64, reaction: Reaction) -> Result<(), ForgeError> {
        comments::react(&self.client, project, number, comment, reaction).await
    }

    async fn role(&self, project: &str, user: &Author) -> Result<Role, ForgeError> {
        comments::role(&self.client, project, user).await
    }

    async fn whoami(&self) -> Result<Identity, ForgeError> {
        let version = self.client.token.versioned().1;
        let known = self.known_identity().as_ref().filter(|(of, _)| *of == version).cloned();
        if let Some((_, identity)) = known {
            return Ok(identity);
        }
        let user: wire::User = self.client.get("/user").await?.json()?;
        let identity = Identity { login: user.username };
        *self.known_identity() = Some((version, identity.clone()));
        Ok(identity)
    }

    async fn hooks(&self, project: &str) -> Result<Vec<HookSettings>, ForgeError> {
        inspect::hooks(&self.client, project).await
    }

    async fn sent_deliveries(&self, project: &str, path: &str) -> Result<Vec<SentDelivery>, ForgeError> {
        deliveries::sent(&self.client, project, path).await
    }

    async fn send_again(&self, project: &str, delivery: &SentDelivery) -> Result<(), ForgeError> {
        deliveries::send_again(&self.client, project, delivery).await
    }

    async fn grants(&self, project: &str) -> Result<Grants, ForgeError> {
        inspect::grants(&self.client, project).await
    }

    async fn git_credential(&self, _project: &str) -> Result<Option<GitCredential>, ForgeError> {
        // Sent with the first request: GitLab bans an address after a few failed logins.
        let password = own(&self.client.token, &self.client.api)?;
        Ok(Some(GitCredential { username: "oauth2".into(), password }))
    }
}

#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod tests;
