//! Each kind of event that GitLab documents, from `fixtures/gitlab`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{from_gitlab, gitlab, with, without};
use crate::{Comment, CommentAction, Event, Oid, PullRequest, PullRequestAction, Push, RejectionKind, Tag};

const A: &str = "1f7a0c5ad2b1e0f8c9f0d3f1a3b4c5d6e7f80912";
const B: &str = "9c3e5b7a8d6f4e2c1b0a99887766554433221100";
const PROJECT: &str = "Infra/clusters/shop";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gitlab")
}

pub(super) fn fixture(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("a fixture is JSON")
}

/// The names of all fixtures, sorted.
pub(super) fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the fixtures are there")
        .map(|file| file.expect("readable").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn read(name: &str) -> Event {
    gitlab(&fixture(name)).expect("a documented payload")
}

fn oid(text: &str) -> Oid {
    text.parse().expect("an id")
}

#[test]
fn every_fixture_is_read() {
    let events: Vec<String> = names().iter().map(|name| format!("{name}: {}", read(name).kind())).collect();
    insta::assert_snapshot!(events.join("\n"));
}

#[test]
fn branches_move_begin_and_end() {
    let push = |ref_name: &str, before, after| {
        Event::Push(Push { project: PROJECT.into(), ref_name: ref_name.into(), before, after, forced: false })
    };
    assert_eq!(read("push"), push("refs/heads/main", Some(oid(A)), Some(oid(B))));
    assert_eq!(read("push_new_branch"), push("refs/heads/two-replicas", None, Some(oid(B))));
    assert_eq!(read("push_delete_branch"), push("refs/heads/two-replicas", Some(oid(B)), None));
}

#[test]
fn tags_begin_and_end() {
    let tag =
        |before, after| Event::Tag(Tag { project: PROJECT.into(), ref_name: "refs/tags/v1.4.0".into(), before, after });
    assert_eq!(read("tag_push"), tag(None, Some(oid(A))));
    assert_eq!(read("tag_delete"), tag(Some(oid(A)), None));
}

fn pull(name: &str) -> PullRequest {
    match read(name) {
        Event::PullRequest(pull) => pull,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_merge_request_is_a_pull_request() {
    let opened = PullRequest {
        project: PROJECT.into(),
        number: 17,
        action: PullRequestAction::Opened,
        head: oid(B),
        head_ref: "refs/heads/two-replicas".into(),
        base_ref: "refs/heads/main".into(),
        base: None,
        from_fork: false,
        merge_commit: None,
        draft: false,
    };
    assert_eq!(pull("merge_request_open"), opened);
    assert_eq!(pull("merge_request_draft"), PullRequest { draft: true, ..opened.clone() });
    assert_eq!(pull("merge_request_fork"), PullRequest { from_fork: true, ..opened.clone() });
    let merge_commit = Some(oid("5d0c4b3a29181706f5e4d3c2b1a0998877665544"));
    assert_eq!(
        pull("merge_request_merge"),
        PullRequest { action: PullRequestAction::Merged, merge_commit, ..opened.clone() }
    );
    assert_eq!(
        pull("merge_request_merge_fast_forward"),
        PullRequest { action: PullRequestAction::Merged, ..opened.clone() }
    );
    let base_ref = "refs/heads/release/1.4".into();
    assert_eq!(
        pull("merge_request_update_target"),
        PullRequest { action: PullRequestAction::Edited, base_ref, ..opened }
    );
}

#[test]
fn an_update_says_whether_there_are_commits() {
    assert_eq!(pull("merge_request_update_commits").action, PullRequestAction::Updated);
    assert_eq!(pull("merge_request_update_labels").action, PullRequestAction::Edited);
    assert_eq!(pull("merge_request_approved").action, PullRequestAction::Other);
    assert_eq!(pull("merge_request_close").action, PullRequestAction::Closed);
    assert_eq!(pull("merge_request_reopen").action, PullRequestAction::Reopened);
    let untold = without(&fixture("merge_request_open"), "/object_attributes/action");
    assert!(matches!(gitlab(&untold), Ok(Event::PullRequest(PullRequest { action: PullRequestAction::Edited, .. }))));
}

#[test]
fn a_fork_that_is_gone_is_still_a_fork() {
    assert!(pull("merge_request_fork_gone").from_fork);
    let open = fixture("merge_request_open");
    let unsaid =
        without(&without(&open, "/object_attributes/source_project_id"), "/object_attributes/target_project_id");
    assert!(matches!(gitlab(&unsaid), Ok(Event::PullRequest(PullRequest { from_fork: true, .. }))));
}

#[test]
fn a_merge_request_without_commits_is_ignored() {
    assert!(matches!(read("merge_request_empty"), Event::Ignored { name, .. } if name == "merge_request"));
}

#[test]
fn comments_are_read() {
    let comment = Comment {
        project: PROJECT.into(),
        number: 17,
        id: 3301,
        author: "ada".into(),
        body: "/driftless plan\n\nplease".into(),
        on_pull_request: true,
        action: CommentAction::Created,
    };
    assert_eq!(read("note_merge_request"), Event::Comment(comment.clone()));
    assert_eq!(read("note_before_16_11"), Event::Comment(comment.clone()));
    assert_eq!(read("note_update"), Event::Comment(Comment { action: CommentAction::Edited, ..comment.clone() }));
    assert_eq!(read("note_issue"), Event::Comment(Comment { number: 5, on_pull_request: false, ..comment.clone() }));
    let nobody = with(&fixture("note_merge_request"), "/user", Value::Null);
    assert_eq!(gitlab(&nobody), Ok(Event::Comment(Comment { author: "ghost".into(), ..comment })));
}

#[test]
fn what_is_of_no_use_is_ignored_with_its_name() {
    for (fixture, expected) in [
        ("pipeline", "pipeline"),
        ("system_project_create", "project_create"),
        ("note_system", "note"),
        ("note_commit", "note"),
        ("note_snippet", "note"),
    ] {
        assert!(matches!(read(fixture), Event::Ignored { name, .. } if name == expected), "{fixture}");
    }
    let elsewhere = with(&fixture("push"), "/ref", json!("refs/merge-requests/1/head"));
    assert!(matches!(gitlab(&elsewhere), Ok(Event::Ignored { name, .. }) if name == "push"));
}

#[test]
fn the_body_says_what_it_is() {
    for payload in
        [json!({}), json!({ "object_kind": 1 }), json!({ "object_kind": "" }), json!({ "object_kind": "a\nb" })]
    {
        let rejection = gitlab(&payload).expect_err("no kind");
        assert_eq!(rejection.kind, RejectionKind::Malformed);
        assert!(rejection.message.contains("`object_kind`"), "{}", rejection.message);
    }
}

#[test]
fn the_id_comes_along() {
    let delivery = from_gitlab(fixture("push").to_string().as_bytes()).expect("a documented payload");
    assert_eq!(delivery.id.delivery, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f");
    assert_eq!(delivery.id.hook, None);
}

/// W1: of a new target branch GitLab before 16 says no more than that the merge status has to be checked again.
#[test]
fn every_update_of_a_merge_request_is_a_reason_to_look() {
    let update = fixture("merge_request_update_target");
    for changes in
        [json!({ "merge_status": { "previous": "can_be_merged", "current": "unchecked" } }), json!({}), json!(null)]
    {
        let told = gitlab(&with(&update, "/changes", changes.clone()));
        assert!(
            matches!(told, Ok(Event::PullRequest(PullRequest { action: PullRequestAction::Edited, .. }))),
            "{changes}: {told:?}"
        );
    }
    let silent = without(&update, "/changes");
    assert!(matches!(gitlab(&silent), Ok(Event::PullRequest(PullRequest { action: PullRequestAction::Edited, .. }))));
}
