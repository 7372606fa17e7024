//! GitLab's webhooks as it writes them: push, merge request and note.

use driftless_webhooks::Oid;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{is_draft, merge, source_project, state};
use crate::forge::record::{Comment, Moved, Pull, PullChange, Repo};
use crate::forge::user;
use crate::forge::view::View;

/// Webhooks have their times in another form than the API.
fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn user(view: &View, login: &str) -> Value {
    json!({
        "id": user::id(login), "name": login, "username": login, "avatar_url": format!("{}/avatar", view.site),
        "email": "[REDACTED]",
    })
}

fn project(view: &View, of: &Repo) -> Value {
    let full = of.full_name();
    let (site, http) = (format!("{}/{full}", view.site), format!("{}/{full}.git", view.git));
    let ssh = format!("git@localhost:{full}.git");
    json!({
        "id": of.id, "name": of.name, "description": "", "web_url": site, "avatar_url": null, "git_ssh_url": ssh,
        "git_http_url": http, "namespace": of.owner, "visibility_level": 0, "path_with_namespace": full,
        "default_branch": "main", "ci_config_path": null, "homepage": site, "url": ssh, "ssh_url": ssh,
        "http_url": http,
    })
}

fn repository(view: &View, of: &Repo) -> Value {
    let full = of.full_name();
    json!({
        "name": of.name, "url": format!("git@localhost:{full}.git"), "description": "",
        "homepage": format!("{}/{full}", view.site),
    })
}

/// As pushes and notes have it.
fn repository_with_addresses(view: &View, of: &Repo) -> Value {
    let mut out = repository(view, of);
    let full = of.full_name();
    out["git_http_url"] = json!(format!("{}/{full}.git", view.git));
    out["git_ssh_url"] = json!(format!("git@localhost:{full}.git"));
    out["visibility_level"] = json!(0);
    out
}

fn commit(view: &View, of: &Repo, id: &Oid) -> Value {
    json!({
        "id": id.as_str(), "message": "A change\n", "title": "A change",
        "timestamp": of.created.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        "url": format!("{}/{}/-/commit/{id}", view.site, of.full_name()),
        "author": {"name": user::PERSON, "email": "[REDACTED]"},
    })
}

pub(super) fn push(view: &View, of: &Repo, moved: &Moved) -> Value {
    let zeros = "0".repeat(40);
    let id = |oid: &Option<Oid>| oid.as_ref().map_or_else(|| zeros.clone(), ToString::to_string);
    let commits: Vec<Value> = moved.after.iter().map(|after| commit(view, of, after)).collect();
    let id_of_person = user::id(user::PERSON);
    json!({
        "object_kind": "push", "event_name": "push", "before": id(&moved.before), "after": id(&moved.after),
        "ref": format!("refs/heads/{}", moved.branch), "ref_protected": moved.branch == "main",
        "checkout_sha": moved.after.as_ref().map(Oid::as_str), "message": null, "user_id": id_of_person,
        "user_name": user::PERSON, "user_username": user::PERSON, "user_email": "", "user_avatar": null,
        "project_id": of.id, "project": project(view, of), "total_commits_count": commits.len(), "commits": commits,
        "push_options": {}, "repository": repository_with_addresses(view, of),
    })
}

pub(super) fn merge_request(view: &View, of: &Repo, pull: &Pull, change: &PullChange) -> Value {
    let mut attributes = attributes(view, of, pull);
    attributes["action"] = json!(match change {
        PullChange::Opened => "open",
        PullChange::Updated { .. } | PullChange::Retargeted { .. } => "update",
        PullChange::Closed => "close",
        PullChange::Reopened => "reopen",
        PullChange::Merged => "merge",
    });
    if let PullChange::Updated { before } = change {
        attributes["oldrev"] = json!(before.as_str());
    }
    let changes = match change {
        PullChange::Retargeted { before } => json!({
            "target_branch": {"previous": before, "current": pull.base_ref},
            "updated_at": {"previous": time(pull.created), "current": time(pull.updated)},
        }),
        _ => json!({}),
    };
    json!({
        "object_kind": "merge_request", "event_type": "merge_request", "user": user(view, user::PERSON),
        "project": project(view, of), "object_attributes": attributes, "labels": [], "changes": changes,
        "repository": repository(view, of),
    })
}

fn attributes(view: &View, of: &Repo, pull: &Pull) -> Value {
    let merged = pull.merged.as_ref().and_then(|merged| merged.merge.as_ref());
    let state_id = match state(pull) {
        "opened" => 1,
        "closed" => 2,
        "locked" => 4,
        _ => 3,
    };
    let mut out = json!({
        "id": pull.id, "iid": pull.number, "target_branch": pull.base_ref, "source_branch": pull.head_ref,
        "source_project_id": source_project(of, pull), "target_project_id": of.id,
        "author_id": user::id(&pull.author), "assignee_ids": [], "assignee_id": null, "reviewer_ids": [],
        "title": pull.title, "created_at": time(pull.created), "updated_at": time(pull.updated),
        "last_edited_at": null, "last_edited_by_id": null, "milestone_id": null, "state_id": state_id,
        "state": state(pull), "blocking_discussions_resolved": true, "work_in_progress": is_draft(pull),
        "draft": is_draft(pull), "first_contribution": false, "merge_status": "checking",
        "detailed_merge_status": "checking", "description": "", "prepared_at": time(pull.created),
    });
    merge(
        &mut out,
        json!({
            "total_time_spent": 0, "time_change": 0, "merge_commit_sha": merged.map(Oid::as_str), "merge_error": null,
            "merge_params": {"force_remove_source_branch": "1"}, "head_pipeline_id": null,
            "url": format!("{}/{}/-/merge_requests/{}", view.site, of.full_name(), pull.number),
            "source": project(view, of), "target": project(view, of), "last_commit": commit(view, of, &pull.head),
            "labels": [],
        }),
    );
    out
}

/// A note that was written or edited.
pub(super) fn note(view: &View, of: &Repo, pull: &Pull, note: &Comment) -> Value {
    let action = if note.created == note.updated { "create" } else { "update" };
    let of_request = attributes(view, of, pull);
    json!({
        "object_kind": "note", "event_type": "note", "user": user(view, &note.author), "project_id": of.id,
        "project": project(view, of), "repository": repository_with_addresses(view, of), "merge_request": of_request,
        "object_attributes": {
            "id": note.id, "note": note.body, "noteable_type": "MergeRequest", "author_id": user::id(&note.author),
            "created_at": time(note.created), "updated_at": time(note.updated), "project_id": of.id,
            "attachment": null, "line_code": null, "commit_id": "", "noteable_id": pull.id, "system": false,
            "st_diff": null, "action": action, "description": note.body,
            "url": format!("{}/{}/-/merge_requests/{}#note_{}", view.site, of.full_name(), pull.number, note.id),
        },
    })
}
