//! GitLab's payloads (GitLab: webhook events). What one is stands in it (`object_kind`), so it is signed where anything
//! is.

use serde::Deserialize;

use crate::check::{self, Move};
use crate::event::{Comment, CommentAction, Event, PullRequest, PullRequestAction};
use crate::json::{Object, Scalar, read};
use crate::rejection::Rejection;

/// All that is used of any event. Fields of other events are missing or have another type, which nobody asks.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    object_kind: Scalar,
    event_name: Scalar,
    project: Object<Project>,
    #[serde(rename = "ref")]
    name: Scalar,
    before: Scalar,
    after: Scalar,
    user: Object<User>,
    object_attributes: Object<Attributes>,
    merge_request: Object<Numbered>,
    issue: Object<Numbered>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Project {
    path_with_namespace: Scalar,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: Scalar,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Numbered {
    iid: Scalar,
}

/// The merge request or the note that the event is about.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Attributes {
    action: Scalar,
    // Of a merge request.
    iid: Scalar,
    source_branch: Scalar,
    target_branch: Scalar,
    source_project_id: Scalar,
    target_project_id: Scalar,
    last_commit: Object<Commit>,
    /// The head before, where there are new commits.
    oldrev: Scalar,
    state: Scalar,
    merge_commit_sha: Scalar,
    draft: Scalar,
    /// The older name of `draft`.
    work_in_progress: Scalar,
    // Of a note.
    id: Scalar,
    note: Scalar,
    noteable_type: Scalar,
    system: Scalar,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Commit {
    id: Scalar,
}

/// Reads a body. System hooks name some events by `event_name` alone.
pub(crate) fn event(body: &[u8]) -> Result<Event, Rejection> {
    let mut payload: Payload = read(body)?;
    let kind = match std::mem::take(&mut payload.object_kind).optional_text("object_kind")? {
        Some(kind) => kind,
        None => std::mem::take(&mut payload.event_name).text("object_kind")?,
    };
    match kind.as_str() {
        "push" | "tag_push" => moved(payload),
        "merge_request" => merge_request(payload),
        "note" => note(payload),
        _ => Ok(ignored(check::event_name(&kind, "object_kind")?, "Driftless has no use for this event")),
    }
}

fn ignored(name: &str, reason: &str) -> Event {
    Event::Ignored { name: name.to_owned(), reason: reason.to_owned() }
}

fn project(project: Object<Project>) -> Result<String, Rejection> {
    check::project(project.required("project")?.path_with_namespace, "project.path_with_namespace")
}

fn moved(payload: Payload) -> Result<Event, Rejection> {
    let Payload { project: of, name, before, after, .. } = payload;
    Move { name, before, after, forced: Scalar::Missing }.event(project(of)?)
}

fn merge_request(payload: Payload) -> Result<Event, Rejection> {
    let merge = payload.object_attributes.required("object_attributes")?;
    let Some(head) = merge.last_commit.given() else {
        return Ok(ignored("merge_request", "the merge request has no commits"));
    };
    let action = merge.action.optional_text("object_attributes.action")?.unwrap_or_default();
    let merged = action == "merge" || merge.state == Scalar::Text("merged".to_owned());
    let at = "object_attributes.merge_commit_sha";
    Ok(Event::PullRequest(PullRequest {
        project: project(payload.project)?,
        number: merge.iid.number("object_attributes.iid")?,
        action: merge_request_action(&action, merge.oldrev.is_given()),
        head: check::oid(head.id, "object_attributes.last_commit.id")?,
        head_ref: check::branch(merge.source_branch, "object_attributes.source_branch")?,
        base_ref: check::branch(merge.target_branch, "object_attributes.target_branch")?,
        base: None,
        from_fork: !is_same(&merge.source_project_id, &merge.target_project_id),
        merge_commit: if merged { check::optional_oid(merge.merge_commit_sha, at)? } else { None },
        draft: merge.draft.flag("object_attributes.draft")?
            || merge.work_in_progress.flag("object_attributes.work_in_progress")?,
    }))
}

/// What changed is not asked of the payload: of a new target branch older GitLab tells by `changes.merge_status` alone.
/// A look too many finds nothing new, and one too few leaves a gate that is wrong.
fn merge_request_action(action: &str, new_commits: bool) -> PullRequestAction {
    match action {
        "open" => PullRequestAction::Opened,
        "close" => PullRequestAction::Closed,
        "merge" => PullRequestAction::Merged,
        "reopen" => PullRequestAction::Reopened,
        "update" if new_commits => PullRequestAction::Updated,
        "approval" | "approved" | "unapproval" | "unapproved" => PullRequestAction::Other,
        _ => PullRequestAction::Edited,
    }
}

/// Whether both are the same project. The source is null when the fork is gone.
fn is_same(source: &Scalar, target: &Scalar) -> bool {
    matches!((source, target), (Scalar::Number(source), Scalar::Number(target)) if source == target)
}

fn note(payload: Payload) -> Result<Event, Rejection> {
    let note = payload.object_attributes.required("object_attributes")?;
    if note.system.flag("object_attributes.system")? {
        return Ok(ignored("note", "GitLab wrote the comment itself"));
    }
    let sort = note.noteable_type.text("object_attributes.noteable_type")?;
    let (on, at) = match sort.as_str() {
        "MergeRequest" => (payload.merge_request.required("merge_request")?, "merge_request.iid"),
        "Issue" => (payload.issue.required("issue")?, "issue.iid"),
        _ => return Ok(ignored("note", "the comment is on neither a merge request nor an issue")),
    };
    let action = match note.action.optional_text("object_attributes.action")?.as_deref() {
        // GitLab before 16.11 tells of new comments only, and names no action.
        None | Some("create") => CommentAction::Created,
        Some("update") => CommentAction::Edited,
        Some(_) => return Ok(ignored("note", "Driftless has no use for this action of the event")),
    };
    Ok(Event::Comment(Comment {
        project: project(payload.project)?,
        number: on.iid.number(at)?,
        id: note.id.number("object_attributes.id")?,
        author: check::login(payload.user.given().map(|user| user.username), "user.username")?,
        body: note.note.optional_text("object_attributes.note")?.unwrap_or_default(),
        on_pull_request: sort == "MergeRequest",
        action,
    }))
}
