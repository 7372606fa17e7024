//! GitLab's objects as its API writes them: every field that its description has and that is not of its paid editions.

use driftless_webhooks::Oid;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::pipelines::{Job, Pipeline, PipelineKind};
use crate::forge::record::{Comment, CommentKind, Pull, Repo};
use crate::forge::user;
use crate::forge::view::View;

pub(super) fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

pub(super) fn user(view: &View, login: &str) -> Value {
    json!({
        "id": user::id(login), "username": login, "name": login, "state": "active", "locked": false,
        "avatar_url": format!("{}/avatar", view.site), "web_url": format!("{}/{login}", view.site),
    })
}

/// Who asks.
pub(super) fn own_user(view: &View, login: &str, now: Timestamp) -> Value {
    let mut out = user(view, login);
    for key in ["bio", "location", "public_email", "website_url", "organization", "job_title", "work_information"] {
        out[key] = json!("");
    }
    merge(
        &mut out,
        json!({
            "created_at": time(now), "bot": true, "followers": 0, "following": 0, "confirmed_at": time(now),
            "last_sign_in_at": null, "current_sign_in_at": null, "email": format!("{login}@localhost"),
            "color_scheme_id": 1, "projects_limit": 0, "can_create_group": false, "can_create_project": false,
            "two_factor_enabled": false, "external": false, "private_profile": false,
        }),
    );
    out
}

pub(super) fn member(view: &View, login: &str, level: u64, since: Timestamp) -> Value {
    let mut out = user(view, login);
    merge(
        &mut out,
        json!({
            "access_level": level, "created_at": time(since), "created_by": null, "expires_at": null,
            "membership_state": "active",
        }),
    );
    out
}

pub(super) fn token(login: &str, scopes: &[String], now: Timestamp) -> Value {
    json!({
        "id": 42, "name": "driftless", "revoked": false, "created_at": time(now), "description": null,
        "scopes": scopes, "user_id": user::id(login), "last_used_at": time(now), "active": true, "expires_at": null,
    })
}

/// The project as a page on this forge has it.
pub(super) fn project(view: &View, of: &Repo, level: u64) -> Value {
    let full = of.full_name();
    let site = format!("{}/{full}", view.site);
    let api = format!("{}/projects/{}", view.api, of.id);
    let link = |path: &str| format!("{api}/{path}");
    json!({
        "id": of.id, "description": null, "name": of.name, "name_with_namespace": full.replace('/', " / "),
        "path": of.name, "path_with_namespace": full, "created_at": time(of.created), "default_branch": "main",
        "tag_list": [], "topics": [], "ssh_url_to_repo": format!("git@localhost:{full}.git"),
        "http_url_to_repo": format!("{}/{full}.git", view.git), "web_url": site, "readme_url": null, "forks_count": 0,
        "avatar_url": null, "star_count": 0, "last_activity_at": time(of.created), "visibility": "private",
        "namespace": {
            "id": of.id + 500_000, "name": of.owner, "path": of.owner, "kind": "group", "full_path": of.owner,
            "parent_id": null, "avatar_url": null, "web_url": format!("{}/groups/{}", view.site, of.owner),
        },
        "_links": {
            "self": api, "merge_requests": link("merge_requests"), "repo_branches": link("repository/branches"),
            "labels": link("labels"), "events": link("events"), "members": link("members"),
        },
        "empty_repo": of.branches().is_empty(), "archived": false, "merge_requests_enabled": true,
        "jobs_enabled": true, "issues_enabled": true, "creator_id": user::id(user::PERSON),
        "import_status": "none", "updated_at": time(of.created), "open_issues_count": 0,
        "only_allow_merge_if_pipeline_succeeds": true, "allow_merge_on_skipped_pipeline": false,
        "only_allow_merge_if_all_discussions_are_resolved": false, "remove_source_branch_after_merge": true,
        "merge_method": "merge", "squash_option": "default_off",
        "permissions": {
            "project_access": {"access_level": level, "notification_level": 3}, "group_access": null,
        },
    })
}

/// GitLab's word for the state of a merge request.
pub(super) fn state(pull: &Pull) -> &'static str {
    match pull.state() {
        "open" if pull.locked => "locked",
        "open" => "opened",
        other => other,
    }
}

/// Where its head is: another project, if it comes from a fork.
pub(super) fn source_project(of: &Repo, pull: &Pull) -> u64 {
    if pull.fork { of.id + 1_000_000 } else { of.id }
}

pub(super) fn is_draft(pull: &Pull) -> bool {
    pull.title.starts_with("Draft:")
}

/// As in a list.
pub(super) fn merge_request(view: &View, of: &Repo, pull: &Pull) -> Value {
    let (full, number) = (of.full_name(), pull.number);
    let notes = of.comments.iter().filter(|note| note.number == number && note.kind != CommentKind::System).count();
    let merged = pull.merged.as_ref();
    let merger = merged.map(|merged| user(view, &merged.by));
    let is_closed = !pull.open && merged.is_none();
    let open_or = |closed: &'static str, open: &'static str| if pull.open { open } else { closed };
    let mut out = json!({
        "id": pull.id, "iid": number, "project_id": of.id, "title": pull.title, "description": "",
        "state": state(pull), "created_at": time(pull.created), "updated_at": time(pull.updated),
        "merged_by": merger, "merge_user": merger, "merged_at": merged.map(|merged| time(merged.at)),
        "closed_by": is_closed.then(|| user(view, &pull.author)), "closed_at": is_closed.then(|| time(pull.updated)),
        "target_branch": pull.base_ref, "source_branch": pull.head_ref, "user_notes_count": notes, "upvotes": 0,
        "downvotes": 0, "author": user(view, &pull.author), "assignees": [], "assignee": null, "reviewers": [],
        "source_project_id": source_project(of, pull), "target_project_id": of.id, "labels": [],
        "draft": is_draft(pull), "imported": false, "imported_from": "none", "work_in_progress": is_draft(pull),
    });
    merge(
        &mut out,
        json!({
            "milestone": null, "merge_when_pipeline_succeeds": false, "merge_status": "can_be_merged",
            "detailed_merge_status": open_or("not_open", "mergeable"), "merge_after": null, "sha": pull.head.as_str(),
            "merge_commit_sha": merged.and_then(|merged| merged.merge.as_ref()).map(Oid::as_str),
            "squash_commit_sha": merged.and_then(|merged| merged.squash.as_ref()).map(Oid::as_str),
            "discussion_locked": null, "should_remove_source_branch": null, "force_remove_source_branch": true,
            "prepared_at": time(pull.created), "reference": format!("!{number}"),
            "references": {
                "short": format!("!{number}"), "relative": format!("!{number}"), "full": format!("{full}!{number}"),
            },
            "web_url": format!("{}/{full}/-/merge_requests/{number}", view.site),
            "time_stats": {
                "time_estimate": 0, "total_time_spent": 0, "human_time_estimate": null, "human_total_time_spent": null,
            },
            "squash": false, "squash_on_merge": false,
            "task_completion_status": {"count": 0, "completed_count": 0}, "has_conflicts": false,
            "blocking_discussions_resolved": true,
        }),
    );
    out
}

/// As asked for alone.
pub(super) fn full_merge_request(view: &View, of: &Repo, pull: &Pull) -> Value {
    let mut out = merge_request(view, of, pull);
    let head = of.pipelines.head(&pull.head, &pull.head_ref, &format!("refs/merge-requests/{}/", pull.number));
    let basic = head.map(|head| pipeline(view, of, head));
    merge(
        &mut out,
        json!({
            "subscribed": false, "changes_count": "1", "latest_build_started_at": null, "latest_build_finished_at": null,
            "first_deployed_to_production_at": null, "pipeline": basic,
            "head_pipeline": head.map(|head| full_pipeline(view, of, head)),
            "diff_refs": {
                "base_sha": pull.base.as_str(), "head_sha": pull.head.as_str(), "start_sha": pull.base.as_str(),
            },
            "merge_error": null, "first_contribution": false, "user": {"can_merge": true},
        }),
    );
    out
}

/// A merge request without commits has no heads; and for a moment after its opening, one that has some.
fn source(kind: PipelineKind) -> &'static str {
    match kind {
        PipelineKind::Branch => "push",
        PipelineKind::MergeRequest | PipelineKind::MergedResult => "merge_request_event",
        PipelineKind::External => "external",
    }
}

pub(super) fn pipeline(view: &View, of: &Repo, pipeline: &Pipeline) -> Value {
    json!({
        "id": pipeline.id, "iid": pipeline.id, "project_id": of.id, "sha": pipeline.sha.as_str(),
        "ref": pipeline.name, "status": pipeline.state(), "source": source(pipeline.kind),
        "created_at": time(pipeline.created), "updated_at": time(pipeline.created),
        "web_url": format!("{}/{}/-/pipelines/{}", view.site, of.full_name(), pipeline.id),
    })
}

fn full_pipeline(view: &View, of: &Repo, pipeline: &Pipeline) -> Value {
    let mut out = self::pipeline(view, of, pipeline);
    let state = pipeline.state();
    merge(
        &mut out,
        json!({
            "before_sha": "0".repeat(40), "tag": false, "yaml_errors": null, "user": user(view, user::PERSON),
            "started_at": null, "finished_at": null, "committed_at": null, "duration": null, "queued_duration": null,
            "coverage": null,
            "detailed_status": {
                "icon": format!("status_{state}"), "text": state, "label": state, "group": state, "tooltip": state,
                "has_details": true, "details_path": format!("/{}/-/pipelines/{}", of.full_name(), pipeline.id),
                "illustration": null, "favicon": "/favicon.png",
            },
        }),
    );
    out
}

pub(super) fn status(view: &View, pipeline: &Pipeline, job: &Job) -> Value {
    json!({
        "id": job.id, "sha": pipeline.sha.as_str(), "ref": pipeline.name, "status": job.state, "name": job.name,
        "target_url": job.target_url, "description": job.description, "created_at": time(job.created),
        "started_at": null, "finished_at": job.finished.map(time), "allow_failure": false, "coverage": null,
        "pipeline_id": pipeline.id, "author": user(view, &job.author),
    })
}

pub(super) fn note(view: &View, of: &Repo, note: &Comment) -> Value {
    let pull = of.pulls.get(&note.number).map(|pull| pull.id);
    json!({
        "id": note.id, "type": null, "body": note.body, "attachment": null, "author": user(view, &note.author),
        "created_at": time(note.created), "updated_at": time(note.updated), "system": note.kind == CommentKind::System,
        "noteable_id": pull, "noteable_type": "MergeRequest", "project_id": of.id, "resolvable": false,
        "confidential": false, "internal": false, "imported": false, "imported_from": "none",
        "noteable_iid": note.number, "commands_changes": {},
    })
}

pub(super) fn award(view: &View, note: u64, login: &str, name: &str, now: Timestamp) -> Value {
    let id = user::id(&format!("{note} {login} {name}"));
    json!({
        "id": id, "name": name, "user": user(view, login), "created_at": time(now), "updated_at": time(now),
        "awardable_id": note, "awardable_type": "Note", "url": null,
    })
}

pub(super) fn branch(view: &View, of: &Repo, name: &str, head: &Oid) -> Value {
    let site = format!("{}/{}/-", view.site, of.full_name());
    let at = time(of.created);
    json!({
        "name": name, "merged": false, "protected": name == "main", "developers_can_push": false,
        "developers_can_merge": false, "can_push": true, "default": name == "main",
        "web_url": format!("{site}/tree/{name}"),
        "commit": {
            "id": head.as_str(), "short_id": head.as_str().get(..8), "created_at": at, "parent_ids": [],
            "title": "A change", "message": "A change\n", "author_name": user::PERSON,
            "author_email": "you@localhost", "authored_date": at, "committer_name": user::PERSON,
            "committer_email": "you@localhost", "committed_date": at, "trailers": {}, "extended_trailers": {},
            "web_url": format!("{site}/commit/{head}"),
        },
    })
}

pub(super) fn merge(into: &mut Value, more: Value) {
    let empty = &mut Map::new();
    let fields = into.as_object_mut().unwrap_or(empty);
    if let Value::Object(more) = more {
        fields.extend(more);
    }
}
