//! GitHub's payloads (GitHub: webhook events and payloads). The header `X-GitHub-Event` says how to read one. It is not
//! signed, so nothing is concluded from it that the body does not bear out.

use serde::Deserialize;

use crate::check::{self, Move};
use crate::event::{Comment, CommentAction, Event, MergeGroup, MergeGroupAction, PullRequest, PullRequestAction};
use crate::json::{Anything, Object, Scalar, read};
use crate::rejection::Rejection;

/// Reads the body of the event of this name.
pub(crate) fn event(name: &str, body: &[u8]) -> Result<Event, Rejection> {
    match name {
        "push" => push(read(body)?),
        "pull_request" => pull_request(read(body)?),
        "issue_comment" => comment(read(body)?),
        "merge_group" => merge_group(read(body)?),
        "ping" => read::<Anything>(body).map(|_| Event::Ping),
        "create" | "delete" => ignored(name, body, "the push event contains the same information"),
        _ => ignored(name, body, "Driftless has no use for this event"),
    }
}

fn ignored(name: &str, body: &[u8], reason: &str) -> Result<Event, Rejection> {
    let name = check::event_name(name, "X-GitHub-Event")?.to_owned();
    read::<Anything>(body).map(|_| Event::Ignored { name, reason: reason.to_owned() })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Repository {
    full_name: Scalar,
}

fn project(repository: Object<Repository>) -> Result<String, Rejection> {
    check::project(repository.required("repository")?.full_name, "repository.full_name")
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PushPayload {
    repository: Object<Repository>,
    #[serde(rename = "ref")]
    name: Scalar,
    before: Scalar,
    after: Scalar,
    forced: Scalar,
}

fn push(payload: PushPayload) -> Result<Event, Rejection> {
    let PushPayload { repository, name, before, after, forced } = payload;
    Move { name, before, after, forced }.event(project(repository)?)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PullRequestPayload {
    repository: Object<Repository>,
    action: Scalar,
    number: Scalar,
    pull_request: Object<PullRequestFields>,
    changes: Object<Changes>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PullRequestFields {
    head: Object<Side>,
    base: Object<Side>,
    merged: Scalar,
    merge_commit_sha: Scalar,
    draft: Scalar,
    number: Scalar,
}

/// Head or base of a pull request. The repository of a head is null when the fork is gone.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Side {
    sha: Scalar,
    #[serde(rename = "ref")]
    name: Scalar,
    repo: Object<Repository>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Changes {
    base: Scalar,
    /// Gitea's name of `base`.
    #[serde(rename = "ref")]
    name: Scalar,
    title: Scalar,
    body: Scalar,
}

impl Changes {
    /// Whether the words were changed and nothing else.
    fn is_text(&self) -> bool {
        (self.title.is_given() || self.body.is_given()) && !self.base.is_given() && !self.name.is_given()
    }
}

fn pull_request(payload: PullRequestPayload) -> Result<Event, Rejection> {
    let action = payload.action.text("action")?;
    let pull = payload.pull_request.required("pull_request")?;
    let head = pull.head.required("pull_request.head")?;
    let base = pull.base.required("pull_request.base")?;
    // What the pull request itself says too need not stand above it.
    let project = match (payload.repository, base.repo) {
        (Object::Missing, Object::Is(repository)) => self::project(Object::Is(repository)),
        (repository, _) => self::project(repository),
    }?;
    let number = match (&payload.number, &pull.number) {
        (Scalar::Missing, below) if below.is_given() => below.number("pull_request.number"),
        (number, _) => number.number("number"),
    }?;
    let merged = pull.merged.flag("pull_request.merged")?;
    let only_text = payload.changes.given().is_some_and(|changes| changes.is_text());
    Ok(Event::PullRequest(PullRequest {
        number,
        action: pull_request_action(&action, merged, only_text),
        head: check::oid(head.sha, "pull_request.head.sha")?,
        head_ref: check::branch(head.name, "pull_request.head.ref")?,
        base_ref: check::branch(base.name, "pull_request.base.ref")?,
        base: check::optional_oid(base.sha, "pull_request.base.sha")?,
        from_fork: !is_within(&project, head.repo),
        merge_commit: merge_commit(merged, pull.merge_commit_sha)?,
        draft: pull.draft.flag("pull_request.draft")?,
        project,
    }))
}

/// Actions that change neither head nor base, as GitHub and Gitea call them. Any other is a reason to look.
const SIDELINES: [&str; 19] = [
    "assigned",
    "auto_merge_disabled",
    "auto_merge_enabled",
    "converted_to_draft",
    "demilestoned",
    "dequeued",
    "enqueued",
    "label_cleared",
    "label_updated",
    "labeled",
    "locked",
    "milestoned",
    "ready_for_review",
    "review_request_removed",
    "review_requested",
    "reviewed",
    "unassigned",
    "unlabeled",
    "unlocked",
];

fn pull_request_action(action: &str, merged: bool, only_text: bool) -> PullRequestAction {
    match action {
        "opened" => PullRequestAction::Opened,
        // Gitea says `synchronized`.
        "synchronize" | "synchronized" => PullRequestAction::Updated,
        "closed" if merged => PullRequestAction::Merged,
        "closed" => PullRequestAction::Closed,
        "reopened" => PullRequestAction::Reopened,
        "edited" if only_text => PullRequestAction::Other,
        sideline if SIDELINES.contains(&sideline) => PullRequestAction::Other,
        _ => PullRequestAction::Edited,
    }
}

/// While a pull request is open, GitHub gives the commit of a trial merge here, which is on no branch.
fn merge_commit(merged: bool, sha: Scalar) -> Result<Option<crate::Oid>, Rejection> {
    if merged { check::optional_oid(sha, "pull_request.merge_commit_sha") } else { Ok(None) }
}

fn is_within(project: &str, head: Object<Repository>) -> bool {
    let Some(Repository { full_name: Scalar::Text(name) }) = head.given() else { return false };
    name.eq_ignore_ascii_case(project)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CommentPayload {
    repository: Object<Repository>,
    action: Scalar,
    issue: Object<Issue>,
    comment: Object<CommentFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Issue {
    number: Scalar,
    /// There, and an object, if the issue is a pull request.
    pull_request: Object<Anything>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CommentFields {
    id: Scalar,
    body: Scalar,
    user: Object<User>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    login: Scalar,
}

fn comment(payload: CommentPayload) -> Result<Event, Rejection> {
    let action = match payload.action.text("action")?.as_str() {
        "created" => CommentAction::Created,
        "edited" => CommentAction::Edited,
        "deleted" => CommentAction::Deleted,
        _ => return Ok(unused_action("issue_comment")),
    };
    let issue = payload.issue.required("issue")?;
    let comment = payload.comment.required("comment")?;
    Ok(Event::Comment(Comment {
        project: project(payload.repository)?,
        number: issue.number.number("issue.number")?,
        id: comment.id.number("comment.id")?,
        author: check::login(comment.user.given().map(|user| user.login), "comment.user.login")?,
        body: comment.body.optional_text("comment.body")?.unwrap_or_default(),
        on_pull_request: issue.pull_request.given().is_some(),
        action,
    }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MergeGroupPayload {
    repository: Object<Repository>,
    action: Scalar,
    merge_group: Object<MergeGroupFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct MergeGroupFields {
    head_sha: Scalar,
    head_ref: Scalar,
    base_sha: Scalar,
    base_ref: Scalar,
}

fn merge_group(payload: MergeGroupPayload) -> Result<Event, Rejection> {
    let action = match payload.action.text("action")?.as_str() {
        "checks_requested" => MergeGroupAction::ChecksRequested,
        "destroyed" => MergeGroupAction::Destroyed,
        _ => return Ok(unused_action("merge_group")),
    };
    let group = payload.merge_group.required("merge_group")?;
    Ok(Event::MergeGroup(MergeGroup {
        project: project(payload.repository)?,
        action,
        head: check::oid(group.head_sha, "merge_group.head_sha")?,
        head_ref: check::full_ref(group.head_ref, "merge_group.head_ref")?,
        base: check::oid(group.base_sha, "merge_group.base_sha")?,
        base_ref: check::full_ref(group.base_ref, "merge_group.base_ref")?,
    }))
}

fn unused_action(name: &str) -> Event {
    Event::Ignored { name: name.to_owned(), reason: "Driftless has no use for this action of the event".to_owned() }
}
