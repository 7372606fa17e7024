//! The few fields of GitHub's answers that are used. Everything else may come and go.

use serde::Deserialize;

use crate::forge::{self, Author, CommentId, NewStatus, PullRequest, PullState, StatusState};
use crate::ids::Oid;

#[derive(Clone, Deserialize)]
pub(super) struct User {
    pub login: String,
    #[serde(default)]
    id: u64,
    #[serde(default, rename = "type")]
    kind: String,
}

impl From<User> for Author {
    fn from(user: User) -> Self {
        Self { id: user.id.to_string(), is_bot: user.kind == "Bot", login: user.login }
    }
}

/// The account of somebody who left is null.
fn login(user: Option<&User>) -> &str {
    user.map_or("ghost", |user| user.login.as_str())
}

#[derive(Deserialize)]
pub(super) struct Pull {
    number: u64,
    state: String,
    title: String,
    #[serde(default)]
    draft: Option<bool>,
    user: Option<User>,
    head: Side,
    base: Side,
    merged_at: Option<String>,
    #[serde(default)]
    merged_by: Option<User>,
    merge_commit_sha: Option<String>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: Oid,
    /// Null when the fork was deleted.
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    id: u64,
}

impl From<Pull> for PullRequest {
    fn from(pull: Pull) -> Self {
        let state = match (pull.merged_at.is_some(), pull.state.as_str()) {
            (true, _) => PullState::Merged,
            (false, "open") => PullState::Open,
            (false, _) => PullState::Closed,
        };
        // While it is open, this is GitHub's trial merge, which is not what merges it.
        let merge_commit =
            pull.merge_commit_sha.filter(|_| state == PullState::Merged).and_then(|sha| sha.parse().ok());
        let from_fork = match (&pull.head.repo, &pull.base.repo) {
            (Some(head), Some(base)) => head.id != base.id,
            _ => true,
        };
        Self {
            number: pull.number,
            state,
            head: pull.head.sha,
            head_ref: pull.head.branch,
            base_ref: pull.base.branch,
            from_fork,
            draft: pull.draft.unwrap_or(false),
            author: login(pull.user.as_ref()).to_owned(),
            title: pull.title,
            merged_by: pull.merged_by.map(|user| user.login),
            merge_commit,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Comment {
    id: u64,
    body: Option<String>,
    user: Option<User>,
}

impl Comment {
    pub(super) fn id(&self) -> CommentId {
        CommentId(self.id.to_string())
    }

    pub(super) fn author(&self) -> &str {
        login(self.user.as_ref())
    }

    pub(super) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// For ordering: GitHub's ids grow.
    pub(super) fn number(&self) -> u64 {
        self.id
    }
}

impl From<Comment> for forge::Comment {
    fn from(comment: Comment) -> Self {
        Self { id: comment.id(), body: comment.body.unwrap_or_default() }
    }
}

#[derive(Deserialize)]
pub(super) struct Combined {
    pub statuses: Vec<Status>,
}

#[derive(Deserialize)]
pub(super) struct Status {
    state: StatusState,
    pub context: String,
    description: Option<String>,
    target_url: Option<String>,
}

impl Status {
    pub(super) fn into_status(self, sha: &Oid) -> NewStatus {
        NewStatus {
            sha: sha.clone(),
            context: self.context,
            state: self.state,
            description: self.description.unwrap_or_default(),
            target_url: self.target_url,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct App {
    pub slug: String,
}

#[derive(Deserialize)]
pub(super) struct Installation {
    pub id: u64,
}

/// Tokens have no fixed length: GitHub made them longer in 2026.
#[derive(Deserialize)]
pub(super) struct InstallationToken {
    pub token: String,
    pub expires_at: jiff::Timestamp,
}
