//! What the forge keeps: repositories with their pull requests, comments and statuses.

use std::collections::BTreeMap;

use driftless_webhooks::Oid;
use jiff::Timestamp;

use super::git::Branches;
use super::gitlab::Pipelines;

pub(super) struct Repo {
    pub id: u64,
    pub owner: String,
    pub name: String,
    pub hook: u64,
    pub created: Timestamp,
    pub next_number: u64,
    pub branches: Branches,
    pub pulls: BTreeMap<u64, Pull>,
    pub comments: Vec<Comment>,
    /// As GitHub has them.
    pub statuses: Vec<Status>,
    /// As GitLab has them.
    pub pipelines: Pipelines,
}

#[derive(Debug, Clone)]
pub(super) struct Pull {
    pub id: u64,
    pub number: u64,
    pub title: String,
    pub author: String,
    pub head_ref: String,
    pub head: Oid,
    pub base_ref: String,
    pub base: Oid,
    pub open: bool,
    /// Open, and about to be merged: GitLab has a state of its own for that.
    pub locked: bool,
    pub merged: Option<Merged>,
    pub fork: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// How a pull request came into its base.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    /// What the base was moved to.
    pub tip: Oid,
    /// The commit with two parents, if one was made.
    pub merge: Option<Oid>,
    /// All of it as one commit, if that was wanted.
    pub squash: Option<Oid>,
    pub by: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub id: u64,
    pub number: u64,
    pub author: String,
    pub body: String,
    pub kind: CommentKind,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// By whom and with what, in the dialect's own words.
    pub reactions: Vec<(String, String)>,
}

/// Who may read a comment, and whether anybody wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentKind {
    Written,
    /// The forge wrote it itself: what happened to the pull request.
    System,
    /// It counts for the pages of a list, and nobody sees it.
    Hidden,
}

#[derive(Debug, Clone)]
pub(super) struct Status {
    pub id: u64,
    pub sha: Oid,
    pub state: String,
    pub context: String,
    pub description: Option<String>,
    pub target_url: Option<String>,
    pub creator: String,
    pub created: Timestamp,
}

/// A branch that was made, moved or deleted.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub branch: String,
    pub before: Option<Oid>,
    pub after: Option<Oid>,
}

/// What happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PullChange {
    Opened,
    /// The head moved.
    Updated {
        before: Oid,
    },
    /// It goes into another branch.
    Retargeted {
        before: String,
    },
    Closed,
    Reopened,
    Merged,
}

impl Pull {
    pub(super) fn state(&self) -> &'static str {
        match (self.open, &self.merged) {
            (true, _) => "open",
            (false, Some(_)) => "merged",
            (false, None) => "closed",
        }
    }
}

impl Repo {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn pulls(&self) -> impl DoubleEndedIterator<Item = &Pull> {
        self.pulls.values()
    }

    pub(super) fn branches(&self) -> &Branches {
        &self.branches
    }
}
