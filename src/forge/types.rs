//! The forge's objects as Driftless' types, the same for every forge.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::class::{Class, Classified};
use crate::ids::Oid;

/// A pull or merge request as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub state: PullState,
    pub head: Oid,
    pub head_ref: String,
    /// The branch that it targets, without `refs/heads/`.
    pub base_ref: String,
    /// The head comes from another repository, or from one that was deleted.
    pub from_fork: bool,
    pub draft: bool,
    pub title: String,
    pub author: String,
    /// Who merged it, where the forge tells.
    #[serde(default)]
    pub merged_by: Option<String>,
    /// The commit that merged it, once it is merged.
    pub merge_commit: Option<Oid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullState {
    Open,
    Merged,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchHead {
    pub name: String,
    pub oid: Oid,
}

/// The forge's id of a comment, kept as text: forges use numbers of different sizes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommentId(pub String);

/// A comment of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub id: CommentId,
    pub body: String,
}

pub use crate::command::Role;

/// Who wrote something. The id stays the same when the user takes another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub id: String,
    pub login: String,
    /// As far as the forge tells: a program, not a person.
    pub is_bot: bool,
}

/// A comment of anybody, as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenComment {
    pub author: Author,
    pub body: String,
    pub created: Timestamp,
}

/// A delivery of a webhook, as the forge remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentDelivery {
    /// The forge's id of the webhook. None: it is the one of the App.
    pub hook: Option<u64>,
    /// The forge's id of this attempt.
    pub id: u64,
    /// The same for each attempt: what we know the delivery by.
    pub guid: String,
    /// Where the forge tells.
    pub at: Option<Timestamp>,
    /// Whether it was answered with success.
    pub accepted: bool,
}

/// The answer to a comment that everybody sees at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Done,
    Refused,
    NotUnderstood,
}

/// Who we are at the forge. A GitHub App appears as `slug[bot]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub login: String,
}

impl Identity {
    /// Whether `author` is us. Logins are the same in upper and lower case.
    pub fn is(&self, author: &str) -> bool {
        self.login.eq_ignore_ascii_case(author)
    }
}

/// A whole list, and whether the forge said that it is as it was when it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// True: `items` are those of the last answer, at no cost. A caller that failed to work on those may not rely on
    /// it.
    pub unchanged: bool,
}

/// A commit status. The description is cut to the forge's limit by the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewStatus {
    pub sha: Oid,
    pub context: String,
    pub state: StatusState,
    pub description: String,
    pub target_url: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusState {
    Success,
    Pending,
    Error,
    Failure,
}

#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The forge asks to slow down: primary or secondary limit.
    #[error("{forge} limits requests: {message}")]
    Limited { forge: String, message: String, after: Duration },
    #[error("{forge} could not be reached or failed: {message}")]
    Unavailable { forge: String, message: String },
    /// Missing permission, wrong or revoked token.
    #[error("{forge} refused: {message}")]
    Refused { forge: String, message: String },
    #[error("{forge} has no {what}")]
    NotFound { forge: String, what: String },
    /// A request that the forge says is wrong: ours, or a text that it does not take.
    #[error("{forge} did not accept the request: {message}")]
    Rejected { forge: String, message: String },
}

impl Classified for ForgeError {
    fn class(&self) -> Class {
        match self {
            Self::Limited { after, .. } => Class::Retry { after: Some(*after) },
            // A token is rotated and a permission granted without a new delivery telling us.
            Self::Unavailable { .. } | Self::Refused { .. } => Class::RETRY,
            Self::NotFound { .. } | Self::Rejected { .. } => Class::Fail,
        }
    }
}
