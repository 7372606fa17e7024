//! The few fields of GitLab's answers that are used. Everything else may come and go.

use serde::Deserialize;

use crate::forge::{PullRequest, PullState, StatusState};
use crate::ids::Oid;

#[derive(Deserialize)]
pub(super) struct User {
    pub id: u64,
    pub username: String,
}

#[derive(Deserialize)]
pub(super) struct MergeRequest {
    pub iid: u64,
    pub state: String,
    pub title: String,
    /// Null while the merge request has no commits.
    pub sha: Option<Oid>,
    pub source_branch: String,
    pub target_branch: String,
    /// Null when the fork was deleted.
    pub source_project_id: Option<u64>,
    pub target_project_id: Option<u64>,
    #[serde(default)]
    draft: Option<bool>,
    /// The older name of `draft`.
    #[serde(default)]
    work_in_progress: Option<bool>,
    #[serde(default)]
    author: Option<User>,
    #[serde(default)]
    merge_user: Option<User>,
    /// The older name of `merge_user`.
    #[serde(default)]
    merged_by: Option<User>,
    #[serde(default)]
    merge_commit_sha: Option<Oid>,
    #[serde(default)]
    squash_commit_sha: Option<Oid>,
    /// Only of a single merge request.
    #[serde(default)]
    pub head_pipeline: Option<Pipeline>,
}

#[derive(Deserialize)]
pub(super) struct Pipeline {
    pub id: u64,
    pub sha: Oid,
    #[serde(rename = "ref", default)]
    pub name: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
    /// Of the fork, where its own pipeline is meant.
    #[serde(default)]
    pub project_id: Option<u64>,
}

impl MergeRequest {
    pub(super) fn is_from_fork(&self) -> bool {
        self.source_project_id.is_none() || self.source_project_id != self.target_project_id
    }

    /// None while it has no commits.
    pub(super) fn pull_request(self) -> Option<PullRequest> {
        let state = match self.state.as_str() {
            "merged" => PullState::Merged,
            "closed" => PullState::Closed,
            // `locked`: GitLab is merging it.
            _ => PullState::Open,
        };
        let from_fork = self.is_from_fork();
        let head = self.sha?;
        // A fast-forward makes no commit of its own: then the head is what was merged.
        let merge_commit = self.merge_commit_sha.or(self.squash_commit_sha).unwrap_or_else(|| head.clone());
        Some(PullRequest {
            number: self.iid,
            state,
            head,
            head_ref: self.source_branch,
            base_ref: self.target_branch,
            from_fork,
            draft: self.draft.or(self.work_in_progress).unwrap_or(false),
            title: self.title,
            // The account of somebody who left is null.
            author: self.author.map_or_else(|| "ghost".to_owned(), |user| user.username),
            merged_by: self.merge_user.or(self.merged_by).map(|user| user.username),
            merge_commit: (state == PullState::Merged).then_some(merge_commit),
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Note {
    pub id: u64,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub author: Option<User>,
    /// GitLab wrote it, in the name of the one who did something.
    #[serde(default)]
    pub system: bool,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub id: u64,
    #[serde(rename = "status")]
    word: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub target_url: Option<String>,
}

impl Status {
    /// None of a state that only a job has.
    pub(super) fn state(&self) -> Option<StatusState> {
        match self.word.as_str() {
            "success" => Some(StatusState::Success),
            "failed" | "canceled" => Some(StatusState::Failure),
            "pending" | "running" | "created" => Some(StatusState::Pending),
            _ => None,
        }
    }
}
