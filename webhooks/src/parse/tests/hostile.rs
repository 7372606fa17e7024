//! Bodies that a stranger who knows the secret, or a forge gone wrong, may send: each is refused in words that say
//! where, and that repeat nothing of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::github::{comment, merge_group, pull_request, push};
use super::gitlab::fixture;
use super::{from_github, from_gitlab, github, gitlab, with, without};
use crate::{Rejection, RejectionKind};

const MARK: &str = "s3cr3t-in-the-payload";

#[test]
fn bodies_that_are_no_object() {
    let deep_list = "[".repeat(100_000);
    let deep_object = "{\"a\":".repeat(100_000);
    let deep_field = format!("{{\"object_kind\":\"push\",\"commits\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("white space", b" \r\n\t"),
        ("null", b"null"),
        ("list", b"[]"),
        ("number", b"-7"),
        ("text", b"\"push\""),
        ("truncated", b"{\"ref\": \"refs/heads/ma"),
        ("cut after a key", b"{\"ref\":"),
        ("two documents", b"{} {}"),
        ("byte order mark", b"\xef\xbb\xbf{}"),
        ("no UTF-8", b"{\"ref\": \"refs/heads/\xff\"}"),
        ("no UTF-8 where nobody looks", b"{\"x\": \"\xc0\xaf\"}"),
        ("half a surrogate pair", b"{\"object_kind\": \"\\ud800\", \"ref\": \"\\ud800\"}"),
        ("a key twice", b"{\"ref\": \"refs/heads/a\", \"ref\": \"refs/heads/b\"}"),
        ("not a number", b"{\"before\": NaN}"),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"),
        ("a form", b"payload=%7B%7D"),
        ("deep list", deep_list.as_bytes()),
        ("deep object", deep_object.as_bytes()),
        ("deep field", deep_field.as_bytes()),
    ];
    let mut told = vec![];
    for (name, body) in cases {
        for (forge, result) in [("GitHub", from_github("push", body)), ("GitLab", from_gitlab(body))] {
            let Rejection { kind, message } = result.expect_err(name);
            assert_eq!(kind.status(), 400);
            told.push(format!("{name}, {forge}: {kind}: {message}"));
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn depth_harms_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deeper = format!("{}0{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for nested in [deep, deeper] {
        let skipped = push().to_string().replacen('{', &format!("{{\"x\":{nested},"), 1);
        assert_eq!(from_github("push", skipped.as_bytes()).map(|delivery| delivery.event), github("push", &push()));
        for body in [nested.clone(), format!("{{\"ref\":{nested}}}"), format!("{{\"repository\":{nested}}}")] {
            assert_eq!(from_github("push", body.as_bytes()).expect_err("no push").kind, RejectionKind::Malformed);
        }
    }
}

/// Fields that an event needs, by their pointers in GitHub's payload.
const NEEDED: &[(&str, &str)] = &[
    ("push", "/ref"),
    ("push", "/after"),
    ("push", "/repository"),
    ("push", "/repository/full_name"),
    ("pull_request", "/action"),
    ("pull_request", "/number"),
    ("pull_request", "/repository"),
    ("pull_request", "/pull_request"),
    ("pull_request", "/pull_request/head"),
    ("pull_request", "/pull_request/head/sha"),
    ("pull_request", "/pull_request/head/ref"),
    ("pull_request", "/pull_request/base/ref"),
    ("issue_comment", "/action"),
    ("issue_comment", "/issue"),
    ("issue_comment", "/issue/number"),
    ("issue_comment", "/comment"),
    ("issue_comment", "/comment/id"),
    ("issue_comment", "/repository/full_name"),
    ("merge_group", "/action"),
    ("merge_group", "/merge_group"),
    ("merge_group", "/merge_group/head_sha"),
    ("merge_group", "/merge_group/head_ref"),
    ("merge_group", "/merge_group/base_sha"),
    ("merge_group", "/merge_group/base_ref"),
];

fn payload_of(event: &str) -> Value {
    match event {
        "push" => push(),
        // What it says twice may be missing once.
        "pull_request" => without(&without(&pull_request(), "/pull_request/number"), "/pull_request/base/repo"),
        "issue_comment" => comment(),
        _ => merge_group(),
    }
}

/// How a message names the field at a pointer: `/pull_request/head/sha` is `pull_request.head.sha`.
fn path(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e300),
        json!("-1"),
        json!([MARK]),
        json!({ MARK: MARK }),
    ]
}

#[test]
fn needed_fields_are_named_when_they_are_missing_or_odd() {
    let mut told = vec![];
    for (event, pointer) in NEEDED {
        let missing = github(event, &without(&payload_of(event), pointer)).expect_err(pointer);
        told.push(format!("{event}: {}", missing.message));
        for odd in odd_values() {
            // Any text is an action, if one without use.
            if pointer.ends_with("/action") && odd.is_string() {
                continue;
            }
            let Rejection { kind, message } =
                github(event, &with(&payload_of(event), pointer, odd.clone())).expect_err(pointer);
            assert_eq!(kind, RejectionKind::Malformed, "{pointer} {odd}");
            assert!(message.contains(&path(pointer)), "{pointer} {odd}: {message}");
            assert!(!message.contains(MARK), "{message}");
            if *pointer == "/number" || *pointer == "/ref" {
                told.push(format!("{event}: {odd}: {message}"));
            }
        }
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn hostile_refs_are_refused_wherever_they_stand() {
    let long = format!("refs/heads/{}", "x".repeat(10_000));
    let mut told = BTreeSet::new();
    for hostile in [
        "",
        "../x",
        "--upload-pack=touch /tmp/x",
        "refs/heads/../../x",
        "refs/heads/--upload-pack=x",
        "refs/heads/a\0b",
        &long,
    ] {
        let short = hostile.strip_prefix("refs/heads/").unwrap_or(hostile);
        let results = [
            github("push", &with(&push(), "/ref", json!(hostile))),
            gitlab(&with(&fixture("push"), "/ref", json!(hostile))),
            gitlab(&with(&fixture("tag_push"), "/ref", json!(hostile))),
            github("merge_group", &with(&merge_group(), "/merge_group/head_ref", json!(hostile))),
            github("merge_group", &with(&merge_group(), "/merge_group/base_ref", json!(hostile))),
            github("pull_request", &with(&pull_request(), "/pull_request/head/ref", json!(short))),
            github("pull_request", &with(&pull_request(), "/pull_request/base/ref", json!(short))),
            gitlab(&with(&fixture("merge_request_open"), "/object_attributes/source_branch", json!(short))),
            gitlab(&with(&fixture("merge_request_open"), "/object_attributes/target_branch", json!(short))),
        ];
        for result in results {
            let Rejection { kind, message } = result.expect_err(hostile);
            assert_eq!(kind, RejectionKind::Malformed);
            assert!(message.len() < 200, "{message}");
            told.insert(format!("{}: {message}", hostile.chars().take(40).collect::<String>().escape_debug()));
        }
    }
    insta::assert_snapshot!(told.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn hostile_projects_and_logins_are_refused() {
    let long = format!("a/{}", "x".repeat(1_000));
    for hostile in [
        "",
        "shop",
        "/shop",
        "acme/",
        "acme//shop",
        "../shop",
        "acme/..",
        "acme/./shop",
        "acme/sh\0op",
        "acme/sh\nop",
        &long,
    ] {
        for result in [
            github("push", &with(&push(), "/repository/full_name", json!(hostile))),
            gitlab(&with(&fixture("push"), "/project/path_with_namespace", json!(hostile))),
        ] {
            assert_eq!(result.expect_err(hostile).kind, RejectionKind::Malformed, "{hostile:?}");
        }
    }
    for hostile in [json!(""), json!("a\u{1b}[31m"), json!("x".repeat(256)), json!(1), json!([])] {
        let result = github("issue_comment", &with(&comment(), "/comment/user/login", hostile.clone()));
        assert_eq!(result.expect_err("hostile").kind, RejectionKind::Malformed, "{hostile}");
    }
}

#[test]
fn ids_are_refused_unless_they_are_ids() {
    let fields = [
        ("push", "/after"),
        ("push", "/before"),
        ("pull_request", "/pull_request/head/sha"),
        ("pull_request", "/pull_request/base/sha"),
        ("merge_group", "/merge_group/head_sha"),
    ];
    for hostile in
        ["", "HEAD", "main", "1f7a0c5", &"A".repeat(40), &"g".repeat(40), &"0".repeat(39), &"a".repeat(10_000)]
    {
        for (event, pointer) in fields {
            let rejection = github(event, &with(&payload_of(event), pointer, json!(hostile))).expect_err(hostile);
            assert_eq!(rejection.kind, RejectionKind::Malformed);
            assert!(rejection.message.contains(&path(pointer)), "{}", rejection.message);
        }
    }
    let zeros = json!("0".repeat(40));
    assert!(github("pull_request", &with(&pull_request(), "/pull_request/head/sha", zeros)).is_err());
}

#[test]
fn numbers_are_numbers() {
    for odd in [json!(-1), json!("7"), json!(0), json!(7.5), json!([7]), Value::Null] {
        assert!(github("pull_request", &with(&pull_request(), "/number", odd.clone())).is_err(), "{odd}");
        assert!(gitlab(&with(&fixture("merge_request_open"), "/object_attributes/iid", odd.clone())).is_err(), "{odd}");
    }
    assert!(github("pull_request", &with(&pull_request(), "/number", json!(u64::MAX))).is_ok());
    let unused = push().to_string().replacen('{', "{\"number\": 1e99999, \"x\": 123456789012345678901234567890,", 1);
    assert!(from_github("push", unused.as_bytes()).is_ok());
}
