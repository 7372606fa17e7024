//! GitHub's events, field by field. That GitHub's own examples are read is tested in `tests/examples.rs`.

use serde_json::{Value, json};

use super::{from_github, from_github_as, github, with, without};
use crate::{
    Comment, CommentAction, Event, MergeGroup, MergeGroupAction, Oid, PullRequest, PullRequestAction, Push,
    RejectionKind, Tag,
};

const A: &str = "1f7a0c5ad2b1e0f8c9f0d3f1a3b4c5d6e7f80912";
const B: &str = "9c3e5b7a8d6f4e2c1b0a99887766554433221100";
const M: &str = "5d0c4b3a29181706f5e4d3c2b1a0998877665544";
const ZEROS: &str = "0000000000000000000000000000000000000000";

fn oid(text: &str) -> Oid {
    text.parse().expect("an id")
}

pub(super) fn push() -> Value {
    json!({
        "ref": "refs/heads/main", "before": A, "after": B, "created": false, "deleted": false, "forced": false,
        "repository": { "id": 1, "full_name": "Acme/shop", "url": "https://github.example/Acme/shop" },
        "commits": [{ "id": B, "message": "web: two replicas", "modified": ["web/deployment.yaml"] }],
    })
}

pub(super) fn pull_request() -> Value {
    json!({
        "action": "opened", "number": 7,
        "pull_request": {
            "number": 7, "state": "open", "draft": false, "merged": false, "merge_commit_sha": M,
            "head": { "sha": B, "ref": "two-replicas", "repo": { "full_name": "acme/shop" } },
            "base": { "sha": A, "ref": "main", "repo": { "full_name": "Acme/shop" } },
        },
        "repository": { "full_name": "Acme/shop" },
    })
}

pub(super) fn comment() -> Value {
    json!({
        "action": "created",
        "issue": { "number": 7, "pull_request": { "url": "https://api.github.example/repos/Acme/shop/pulls/7" } },
        "comment": { "id": 99, "body": "/driftless plan", "user": { "login": "ada" } },
        "repository": { "full_name": "Acme/shop" },
    })
}

pub(super) fn merge_group() -> Value {
    json!({
        "action": "checks_requested",
        "merge_group": {
            "head_sha": B, "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-1f7a0c5a",
            "base_sha": A, "base_ref": "refs/heads/main",
        },
        "repository": { "full_name": "Acme/shop" },
    })
}

fn read_push(payload: &Value) -> Push {
    match github("push", payload) {
        Ok(Event::Push(push)) => push,
        other => panic!("{other:?}"),
    }
}

fn read_pull(payload: &Value) -> PullRequest {
    match github("pull_request", payload) {
        Ok(Event::PullRequest(pull)) => pull,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_push_is_read() {
    let moved = Push {
        project: "Acme/shop".into(),
        ref_name: "refs/heads/main".into(),
        before: Some(oid(A)),
        after: Some(oid(B)),
        forced: false,
    };
    assert_eq!(read_push(&push()), moved);
    assert_eq!(read_push(&with(&push(), "/forced", json!(true))), Push { forced: true, ..moved.clone() });
    assert_eq!(read_push(&with(&push(), "/before", json!(ZEROS))), Push { before: None, ..moved.clone() });
    assert_eq!(read_push(&with(&push(), "/after", json!(ZEROS))), Push { after: None, ..moved.clone() });
    assert_eq!(read_push(&without(&push(), "/before")), Push { before: None, ..moved });
    let after = format!("{B}{}", &A[..24]);
    assert_eq!(read_push(&with(&push(), "/after", json!(after))).after, Some(oid(&after)));
}

#[test]
fn a_push_of_a_tag_is_a_tag() {
    let pushed = with(&push(), "/ref", json!("refs/tags/v1"));
    let tag =
        Tag { project: "Acme/shop".into(), ref_name: "refs/tags/v1".into(), before: Some(oid(A)), after: Some(oid(B)) };
    assert_eq!(github("push", &pushed), Ok(Event::Tag(tag)));
    let note = with(&push(), "/ref", json!("refs/notes/commits"));
    assert!(matches!(github("push", &note), Ok(Event::Ignored { .. })));
}

#[test]
fn commits_may_be_many_or_odd() {
    let many: Vec<Value> = (0..2_048).map(|_| push()["commits"][0].clone()).collect();
    for commits in [json!(many), json!([]), Value::Null, json!(-1), json!("none"), json!({ "a": [[[{}]]] })] {
        assert_eq!(read_push(&with(&push(), "/commits", commits)), read_push(&push()));
    }
    assert_eq!(read_push(&without(&push(), "/commits")), read_push(&push()));
}

#[test]
fn odd_addresses_are_not_read() {
    for odd in [json!("boom"), json!("file:///etc/passwd"), json!(7), Value::Null, json!([])] {
        for pointer in ["/repository/url", "/repository/clone_url", "/repository/links", "/repository/id"] {
            assert_eq!(read_push(&with(&push(), pointer, odd.clone())), read_push(&push()));
        }
    }
}

#[test]
fn a_pull_request_is_read() {
    let opened = PullRequest {
        project: "Acme/shop".into(),
        number: 7,
        action: PullRequestAction::Opened,
        head: oid(B),
        head_ref: "refs/heads/two-replicas".into(),
        base_ref: "refs/heads/main".into(),
        base: Some(oid(A)),
        from_fork: false,
        merge_commit: None,
        draft: false,
    };
    assert_eq!(read_pull(&pull_request()), opened);
    assert!(read_pull(&with(&pull_request(), "/pull_request/draft", json!(true))).draft);
    assert_eq!(read_pull(&with(&pull_request(), "/pull_request/base/sha", Value::Null)).base, None);
}

#[test]
fn a_head_elsewhere_is_a_fork() {
    for (pointer, value) in [
        ("/pull_request/head/repo", Value::Null),
        ("/pull_request/head/repo", json!("Acme/shop")),
        ("/pull_request/head/repo", json!({})),
        ("/pull_request/head/repo/full_name", json!("mallory/shop")),
        ("/pull_request/head/repo/full_name", Value::Null),
    ] {
        assert!(read_pull(&with(&pull_request(), pointer, value.clone())).from_fork, "{pointer} {value}");
    }
    assert!(read_pull(&without(&pull_request(), "/pull_request/head/repo")).from_fork);
}

/// W3: number and project stand in the pull request itself as well.
#[test]
fn what_a_pull_request_says_itself_need_not_stand_above_it() {
    let bare = without(&pull_request(), "/number");
    let bare = with(&without(&bare, "/repository"), "/pull_request/number", json!(7));
    let bare = with(&bare, "/pull_request/base/repo", pull_request()["repository"].clone());
    let (whole, bare) = (read_pull(&pull_request()), read_pull(&bare));
    assert_eq!((bare.number, bare.project), (whole.number, whole.project));
    let wrong = with(&with(&pull_request(), "/pull_request/number", json!(7)), "/number", json!("7"));
    let rejection =
        github("pull_request", &wrong).expect_err("a number that is none is refused, whatever stands below");
    assert!(rejection.message.contains("`number`"), "{rejection}");
}

/// W2: what is not known to leave head and base alone is looked at, Gitea's words included.
#[test]
fn actions_of_a_pull_request() {
    let action = |name: &str| read_pull(&with(&pull_request(), "/action", json!(name))).action;
    assert_eq!(action("synchronize"), PullRequestAction::Updated);
    assert_eq!(action("closed"), PullRequestAction::Closed);
    assert_eq!(action("reopened"), PullRequestAction::Reopened);
    assert_eq!(action("synchronized"), PullRequestAction::Updated, "Gitea's word");
    assert_eq!(action("edited"), PullRequestAction::Edited, "nobody says what was edited");
    assert_eq!(action("labeled"), PullRequestAction::Other);
    assert_eq!(action("label_updated"), PullRequestAction::Other);
    assert_eq!(action("an action of next year"), PullRequestAction::Edited);
    let edited = with(&pull_request(), "/action", json!("edited"));
    let retitled = with(&edited, "/changes", json!({ "title": { "from": "old" } }));
    assert_eq!(read_pull(&retitled).action, PullRequestAction::Other);
    let moved = with(&edited, "/changes", json!({ "base": { "ref": { "from": "next" }, "sha": { "from": A } } }));
    assert_eq!(read_pull(&moved).action, PullRequestAction::Edited);
    let both = with(&edited, "/changes", json!({ "title": { "from": "old" }, "ref": { "from": "next" } }));
    assert_eq!(read_pull(&both).action, PullRequestAction::Edited, "Gitea's name of the base");
}

#[test]
fn a_merge_has_its_commit() {
    let closed = with(&pull_request(), "/action", json!("closed"));
    let merged = read_pull(&with(&closed, "/pull_request/merged", json!(true)));
    assert_eq!((merged.action, merged.merge_commit), (PullRequestAction::Merged, Some(oid(M))));
}

#[test]
fn a_comment_is_read() {
    let on_pull = Comment {
        project: "Acme/shop".into(),
        number: 7,
        id: 99,
        author: "ada".into(),
        body: "/driftless plan".into(),
        on_pull_request: true,
        action: CommentAction::Created,
    };
    let read = |payload: Value| github("issue_comment", &payload);
    assert_eq!(read(comment()), Ok(Event::Comment(on_pull.clone())));
    let on_issue = Comment { on_pull_request: false, ..on_pull.clone() };
    assert_eq!(read(without(&comment(), "/issue/pull_request")), Ok(Event::Comment(on_issue.clone())));
    assert_eq!(read(with(&comment(), "/issue/pull_request", Value::Null)), Ok(Event::Comment(on_issue)));
    let ghost = Comment { author: "ghost".into(), ..on_pull.clone() };
    assert_eq!(read(with(&comment(), "/comment/user", Value::Null)), Ok(Event::Comment(ghost)));
    let deleted = Comment { action: CommentAction::Deleted, ..on_pull };
    assert_eq!(read(with(&comment(), "/action", json!("deleted"))), Ok(Event::Comment(deleted)));
    assert!(matches!(read(with(&comment(), "/action", json!("pinned"))), Ok(Event::Ignored { .. })));
}

#[test]
fn a_merge_group_is_read() {
    let requested = MergeGroup {
        project: "Acme/shop".into(),
        action: MergeGroupAction::ChecksRequested,
        head: oid(B),
        head_ref: "refs/heads/gh-readonly-queue/main/pr-7-1f7a0c5a".into(),
        base: oid(A),
        base_ref: "refs/heads/main".into(),
    };
    let read = |payload: Value| github("merge_group", &payload);
    assert_eq!(read(merge_group()), Ok(Event::MergeGroup(requested.clone())));
    let destroyed = MergeGroup { action: MergeGroupAction::Destroyed, ..requested };
    assert_eq!(read(with(&merge_group(), "/action", json!("destroyed"))), Ok(Event::MergeGroup(destroyed)));
    assert!(matches!(read(with(&merge_group(), "/action", json!("renamed"))), Ok(Event::Ignored { .. })));
}

#[test]
fn other_events_are_ignored_and_say_why() {
    for name in ["create", "delete", "star", "workflow_run", "an event of next year"] {
        let Ok(Event::Ignored { name: told, reason }) = github(name, &json!({ "repository": null })) else {
            panic!("{name}")
        };
        assert_eq!(told, name);
        assert!(!reason.is_empty());
    }
    assert_eq!(github("ping", &json!({ "zen": "Approachable is better than simple." })), Ok(Event::Ping));
    let long = github(&"x".repeat(101), &json!({})).expect_err("no name");
    assert_eq!(long.kind, RejectionKind::Malformed);
}

#[test]
fn a_form_is_read_like_json() {
    let escapes: Vec<String> = push().to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let read = |body: &str| {
        from_github_as("application/x-www-form-urlencoded", "push", body.as_bytes()).map(|delivery| delivery.event)
    };
    assert_eq!(read(&format!("payload={}", escapes.concat())), github("push", &push()));
    for bad in [push().to_string().as_str(), "payload=%ff", "payload=", ""] {
        assert_eq!(read(bad).expect_err("no payload").kind, RejectionKind::Malformed, "{bad}");
    }
}

#[test]
fn the_id_comes_along() {
    let delivery = from_github("push", push().to_string().as_bytes()).expect("a push");
    assert_eq!(delivery.id.delivery, "0b989ba4-242f-11e5-81e1-c7b6966d2516");
    assert_eq!(delivery.id.hook.as_deref(), Some("292430182"));
    assert_eq!(delivery.event.project(), Some("Acme/shop"));
}
