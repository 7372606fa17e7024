//! What holds for any bytes: nothing panics, nothing passes that was tampered with, and what comes out is tame.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::github::{comment, merge_group, pull_request, push};
use super::gitlab::{fixture, names};
use super::{SECRET, from_github, from_gitlab};
use crate::{Event, Forge, Rejection, RejectionKind, Secret, refs, verify};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EVENTS: &[&str] = &["push", "pull_request", "issue_comment", "merge_group", "ping", "create", "star"];
const HEADERS: &[&str] = &[
    "X-Hub-Signature-256",
    "X-Hub-Signature",
    "X-GitHub-Event",
    "X-GitHub-Delivery",
    "X-Gitlab-Token",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "Idempotency-Key",
    "Content-Type",
    "Content-Encoding",
];

fn secrets() -> Vec<Secret> {
    [SECRET, KEY].iter().map(|text| Secret::new(*text).expect("not empty")).collect()
}

/// Payloads of all kinds, with GitHub's name of the event, or none where they are GitLab's.
fn payloads() -> Vec<(Option<&'static str>, Value)> {
    let mut payloads = vec![
        (Some("push"), push()),
        (Some("pull_request"), pull_request()),
        (Some("issue_comment"), comment()),
        (Some("merge_group"), merge_group()),
    ];
    payloads.extend(names().iter().map(|name| (None, fixture(name))));
    payloads
}

fn deliver(event: Option<&str>, body: &[u8]) -> Result<Event, Rejection> {
    event.map_or_else(|| from_gitlab(body), |event| from_github(event, body)).map(|delivery| delivery.event)
}

/// What anybody behind this crate may rely on.
fn assert_tame(event: &Event) {
    let refs: Vec<&str> = match event {
        Event::Push(push) => vec![&push.ref_name],
        Event::Tag(tag) => vec![&tag.ref_name],
        Event::PullRequest(pull) => vec![&pull.head_ref, &pull.base_ref],
        Event::MergeGroup(group) => vec![&group.head_ref, &group.base_ref],
        Event::Comment(_) | Event::Ping | Event::Ignored { .. } => vec![],
    };
    assert!(refs.iter().all(|name| refs::check(name).is_ok()), "{event:?}");
    assert!(
        event.project().is_none_or(|project| !project.chars().any(char::is_control) && project.contains('/')),
        "{event:?}"
    );
}

/// A value that nobody expects, of some depth.
fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["", "../x", "--upload-pack=x", "refs/heads/a\0b", "main", "refs/heads/main"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// All pointers to values within a payload.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect(),
        _ => vec![],
    };
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

fn changed(bytes: &[u8], place: Index, change: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    *place.get_mut(&mut changed) ^= change;
    changed
}

fn passes_github(secret: &Secret, signature: &[u8], body: &[u8]) -> bool {
    let headers = vec![("X-Hub-Signature-256", signature), ("X-GitHub-Delivery", b"1"), ("X-GitHub-Event", b"push")];
    verify(Forge::GitHub, &headers, body, std::slice::from_ref(secret), 0).is_ok()
}

/// The parts are id, timestamp, signature and body.
fn passes_gitlab(secret: &Secret, [id, timestamp, signature, body]: &[Vec<u8>; 4], now: i64) -> bool {
    let headers = vec![("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    verify(Forge::GitLab, &headers, body, std::slice::from_ref(secret), now).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_answered(
        body in vec(any::<u8>(), 0..300),
        headers in vec((select(HEADERS), vec(any::<u8>(), 0..80)), 0..12),
        now in any::<i64>(),
    ) {
        for forge in [Forge::GitHub, Forge::GitLab] {
            prop_assert!(verify(forge, &headers, &body, &secrets(), now).is_err());
        }
    }

    #[test]
    fn any_signed_body_is_answered(body in vec(any::<u8>(), 0..300), event in select(EVENTS)) {
        for event in [Some(event), None] {
            if let Ok(event) = deliver(event, &body) {
                assert_tame(&event);
            }
        }
    }

    #[test]
    fn any_field_may_be_odd(payload in select(payloads()), place in any::<Index>(), odd in odd()) {
        let (event, mut body) = payload;
        let mut found = vec![];
        pointers(&body, "", &mut found);
        *body.pointer_mut(&found[place.index(found.len())]).expect("the pointer was found") = odd;
        match deliver(event, body.to_string().as_bytes()) {
            Ok(event) => assert_tame(&event),
            Err(rejection) => prop_assert_eq!(rejection.kind, RejectionKind::Malformed),
        }
    }

    #[test]
    fn any_bytes_of_a_payload_may_be_spoilt(
        payload in select(payloads()),
        spoils in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let (event, body) = payload;
        let mut body = body.to_string().into_bytes();
        for (place, byte) in spoils {
            *place.get_mut(&mut body) = byte;
        }
        for body in [&body[..], &body[..cut.index(body.len())]] {
            if let Ok(event) = deliver(event, body) {
                assert_tame(&event);
            }
        }
    }

    #[test]
    fn no_tampering_passes_github(body in vec(any::<u8>(), 1..200), place in any::<Index>(), change in 1..=u8::MAX) {
        let secret = Secret::new(SECRET).expect("not empty");
        let signature = secret.github_signature(&body).into_bytes();
        prop_assert!(passes_github(&secret, &signature, &body));
        prop_assert!(!passes_github(&secret, &signature, &changed(&body, place, change)));
        prop_assert!(!passes_github(&secret, &changed(&signature, place, change), &body));
        prop_assert!(!passes_github(&secret, &signature[..place.index(signature.len())], &body));
        prop_assert!(!passes_github(&secret, &signature, &body[..place.index(body.len())]));
    }

    #[test]
    fn no_tampering_passes_gitlab(
        body in vec(any::<u8>(), 1..200),
        now in 0..10_000_000_000_i64,
        place in any::<Index>(),
        change in 1..=u8::MAX,
    ) {
        let secret = Secret::new(KEY).expect("not empty");
        let signature = secret.gitlab_signature("msg_1", now, &body).expect("a signing key");
        let parts = [b"msg_1".to_vec(), now.to_string().into_bytes(), signature.into_bytes(), body];
        prop_assert!(passes_gitlab(&secret, &parts, now));
        for part in 0..parts.len() {
            let mut tampered = parts.clone();
            tampered[part] = changed(&parts[part], place, change);
            prop_assert!(!passes_gitlab(&secret, &tampered, now), "part {}", part);
        }
    }
}
