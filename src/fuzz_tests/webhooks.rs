//! What anybody may send: nothing passes unsigned, nothing panics, and what comes out is tame.

use driftless_webhooks::{Event, Forge, Rejection, Secret, parse, verify};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::mutate;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_700_000_000;
const A: &str = "1f7a0c5ad2b1e0f8c9f0d3f1a3b4c5d6e7f80912";

fn secret() -> Secret {
    Secret::new(KEY).expect("a key")
}

fn payloads() -> Vec<(&'static str, Value)> {
    let repository = json!({"full_name": "Acme/shop"});
    let side = json!({"sha": A, "ref": "main", "repo": repository});
    vec![
        (
            "push",
            json!({"ref": "refs/heads/main", "before": A, "after": A, "forced": false, "repository": repository,
                "commits": []}),
        ),
        (
            "pull_request",
            json!({"action": "edited", "number": 7, "repository": repository, "changes": {"base": {}},
                "pull_request": {"number": 7, "head": side, "base": side, "merged": true, "merge_commit_sha": A,
                "draft": false}}),
        ),
        (
            "issue_comment",
            json!({"action": "created", "repository": repository, "issue": {"number": 7, "pull_request": {}},
                "comment": {"id": 1, "body": "words", "user": {"login": "ada"}}}),
        ),
        (
            "merge_group",
            json!({"action": "checks_requested", "repository": repository,
                "merge_group": {"head_sha": A, "head_ref": "refs/heads/a", "base_sha": A, "base_ref": "refs/heads/b"}}),
        ),
        (
            "gitlab",
            json!({"object_kind": "merge_request", "project": {"path_with_namespace": "a/b"},
                "object_attributes": {"action": "update", "iid": 1, "source_branch": "a", "target_branch": "b",
                "source_project_id": 1,
                    "target_project_id": 1, "last_commit": {"id": A}, "oldrev": A, "state": "opened"}}),
        ),
        (
            "gitlab",
            json!({"object_kind": "push", "project": {"path_with_namespace": "a/b"}, "ref": "refs/heads/a",
                "before": A, "after": A}),
        ),
        (
            "gitlab",
            json!({"object_kind": "note", "project": {"path_with_namespace": "a/b"}, "user": {"username": "ada"},
                "merge_request": {"iid": 1},
                "object_attributes": {"id": 1, "note": "words", "noteable_type": "MergeRequest"}}),
        ),
    ]
}

pub(super) fn case(random: &mut StdRng) {
    let payloads = payloads();
    let (event, payload) = payloads.choose(random).expect("payloads");
    let mut payload = payload.clone();
    for _ in 0..random.random_range(0..4) {
        mutate::json(random, &mut payload);
    }
    let mut body = payload.to_string().into_bytes();
    if random.random_bool(0.3) {
        body = mutate::bytes(random, &body);
    }
    unsigned(random, &body);
    let event = if random.random_bool(0.1) { mutate::text(random, 3) } else { (*event).to_owned() };
    if let Ok(event) = signed(&event, &body) {
        tame(&event);
    }
}

fn unsigned(random: &mut StdRng, body: &[u8]) {
    let proof = match random.random_range(0..4) {
        0 => format!("sha256={}", "0".repeat(64)),
        1 => format!("sha256={}", Secret::new("another").expect("a secret").github_signature(body)),
        2 => "v1,AAAA".to_owned(),
        _ => mutate::text(random, 6),
    };
    let now = NOW.to_string();
    let names = ["x-hub-signature-256", "x-hub-signature", "x-gitlab-token", "webhook-signature"]
        .map(|name| (name, proof.as_bytes()));
    let headers: Vec<(&str, &[u8])> = names
        .into_iter()
        .chain([("webhook-id", b"1".as_slice()), ("webhook-timestamp", now.as_bytes()), ("x-github-event", b"push")])
        .collect();
    for forge in [Forge::GitHub, Forge::GitLab] {
        assert!(verify(forge, &headers, body, &[secret()], NOW).is_err(), "{proof:?} proves something");
    }
}

fn signed(event: &str, body: &[u8]) -> Result<Event, Rejection> {
    let key = secret();
    let (github, gitlab) = (key.github_signature(body), key.gitlab_signature("1", NOW, body).expect("a signing key"));
    let now = NOW.to_string();
    let headers: Vec<(&str, &[u8])> = vec![
        ("x-hub-signature-256", github.as_bytes()),
        ("x-github-delivery", b"1"),
        ("x-github-event", event.as_bytes()),
        ("webhook-id", b"1"),
        ("webhook-timestamp", now.as_bytes()),
        ("webhook-signature", gitlab.as_bytes()),
    ];
    let forge = if event == "gitlab" { Forge::GitLab } else { Forge::GitHub };
    parse(verify(forge, &headers, body, &[key], NOW)?).map(|delivery| delivery.event)
}

fn tame(event: &Event) {
    let refs: Vec<&str> = match event {
        Event::Push(push) => vec![&push.ref_name],
        Event::Tag(tag) => vec![&tag.ref_name],
        Event::PullRequest(pull) => vec![&pull.head_ref, &pull.base_ref],
        Event::MergeGroup(group) => vec![&group.head_ref, &group.base_ref],
        _ => vec![],
    };
    for name in refs {
        assert!(name.starts_with("refs/") && name.len() <= 1_000 && !name.contains(".."), "{name:?}");
        assert!(!name.contains("/-") || !name.starts_with("refs/heads/-"), "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    assert!(
        event.project().is_none_or(|project| project.contains('/') && !project.chars().any(char::is_control)),
        "{event:?}"
    );
}
