//! What a delivery says, in the same words for every forge.
//!
//! The fields are what the rest of Driftless uses and nothing else. Every text was checked where it entered: refs
//! follow Git's rules for names, projects and authors have no control characters, ids are ids. All else that a forge
//! sends is skipped unread.

use serde::{Deserialize, Serialize};

use crate::Oid;

/// One request of a forge, verified and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: Event,
}

/// What makes a delivery the same one when it comes again.
///
/// GitHub gives all hooks that an event reaches the same `X-GitHub-Delivery`, so the hook belongs to the identity
/// (GitHub: best practices for using webhooks). Neither header is signed: an id helps against doing work twice, it is
/// no protection against a replay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeliveryId {
    /// GitHub's `X-GitHub-Hook-ID`. GitLab has no such header.
    pub hook: Option<String>,
    /// GitHub's `X-GitHub-Delivery`; GitLab's `webhook-id`, else `Idempotency-Key`, which are the same on a retry, else
    /// `X-Gitlab-Webhook-UUID`, which is not.
    pub delivery: String,
}

/// What happened. Of what is true now, the forge has to be asked: deliveries come late, doubled and out of order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    Push(Push),
    Tag(Tag),
    PullRequest(PullRequest),
    Comment(Comment),
    MergeGroup(MergeGroup),
    /// The forge tries the hook out.
    Ping,
    /// Authentic, but nothing to do. It is answered like success, as GitLab switches off hooks that fail.
    Ignored {
        /// The forge's name of the event.
        name: String,
        /// Why, for the log and for the answer.
        reason: String,
    },
}

impl Event {
    /// One word for the kind of event, for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Push(_) => "push",
            Self::Tag(_) => "tag",
            Self::PullRequest(_) => "pull_request",
            Self::Comment(_) => "comment",
            Self::MergeGroup(_) => "merge_group",
            Self::Ping => "ping",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// The project that the event is about, as the forge writes it; to be matched without regard to case.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Push(push) => Some(&push.project),
            Self::Tag(tag) => Some(&tag.project),
            Self::PullRequest(pull) => Some(&pull.project),
            Self::Comment(comment) => Some(&comment.project),
            Self::MergeGroup(group) => Some(&group.project),
            Self::Ping | Self::Ignored { .. } => None,
        }
    }
}

/// A branch moved, began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Path of the project, such as `owner/name` or `group/subgroup/name`.
    pub project: String,
    /// Full name, `refs/heads/…`.
    pub ref_name: String,
    /// `None`: the branch is new, or the forge did not say.
    pub before: Option<Oid>,
    /// `None`: the branch was deleted.
    pub after: Option<Oid>,
    /// History was rewritten. GitLab does not say, so it is false there.
    pub forced: bool,
}

/// A tag moved, began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Path of the project.
    pub project: String,
    /// Full name, `refs/tags/…`.
    pub ref_name: String,
    /// `None`: the tag is new, or the forge did not say.
    pub before: Option<Oid>,
    /// `None`: the tag was deleted. The id may be that of a tag object rather than of a commit.
    pub after: Option<Oid>,
}

/// Something happened to a pull request (GitLab: merge request).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Path of the project that it would be merged into.
    pub project: String,
    /// GitHub's `number`, GitLab's `iid`.
    pub number: u64,
    pub action: PullRequestAction,
    /// The newest commit that it offers.
    pub head: Oid,
    /// Full name, `refs/heads/…`, in the project or, if `from_fork`, in the fork.
    pub head_ref: String,
    /// Full name, `refs/heads/…`, of the branch that it would be merged into.
    pub base_ref: String,
    /// The commit that it was compared with, which may be behind the branch. GitLab does not say.
    pub base: Option<Oid>,
    /// The head is in another project, or in one that is gone or not named.
    pub from_fork: bool,
    /// The commit on the base branch that holds it. Only when merged; GitLab has none for a fast-forward.
    pub merge_commit: Option<Oid>,
    pub draft: bool,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PullRequestAction {
    Opened,
    /// It has new commits.
    Updated,
    /// Closed, and not merged.
    Closed,
    Merged,
    Reopened,
    /// It may now be merged into another branch, or something happened to it that is not known.
    Edited,
    /// Labels, reviews, draft and the like, as far as the forge says that it is nothing else: head and base are as they
    /// were.
    Other,
}

/// Somebody wrote, changed or deleted a comment on a pull request or an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Path of the project.
    pub project: String,
    /// Number of the pull request or issue.
    pub number: u64,
    /// The forge's id of the comment.
    pub id: u64,
    /// Login name; `ghost` where the account is gone.
    pub author: String,
    /// As written: Markdown of a stranger, of any length.
    pub body: String,
    pub on_pull_request: bool,
    pub action: CommentAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommentAction {
    Created,
    Edited,
    Deleted,
}

/// GitHub's merge queue wants checks for a group, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeGroup {
    /// Path of the project.
    pub project: String,
    pub action: MergeGroupAction,
    /// The commit that needs the status.
    pub head: Oid,
    /// Full name, `refs/heads/gh-readonly-queue/…`.
    pub head_ref: String,
    pub base: Oid,
    /// Full name, `refs/heads/…`.
    pub base_ref: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergeGroupAction {
    ChecksRequested,
    /// Merged, dequeued or invalidated: nobody waits for the checks any more.
    Destroyed,
}
