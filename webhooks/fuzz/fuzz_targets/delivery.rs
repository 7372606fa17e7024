//! Any bytes, for both forges: first with proofs made of them, then rightly signed, so that the readers are reached
//! too.
//!
//! The first line of the input is what the headers say, the rest is the body. Nothing may panic, no proof made of the
//! input may pass, and what is read has to be tame.

#![no_main]

use driftless_webhooks::{Event, Forge, Secret, parse, verify};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_700_000_000;

fuzz_target!(|input: &[u8]| {
    let line = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (said, body) = (&input[..line], input.get(line + 1..).unwrap_or_default());
    guess(said, body);
    signed(said, body);
});

/// The sender knows no secret.
fn guess(said: &[u8], body: &[u8]) {
    let names = [
        "x-hub-signature-256",
        "x-github-event",
        "x-github-delivery",
        "x-gitlab-token",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    let values = said.split(|&byte| byte == b'\t');
    let headers: Vec<(&str, &[u8])> = names.into_iter().zip(values).collect();
    for forge in [Forge::GitHub, Forge::GitLab] {
        assert!(verify(forge, &headers, body, &[secret("a secret that no input holds"), secret(KEY)], NOW).is_err());
    }
}

/// The sender knows the secret, or is a forge gone wrong.
fn signed(said: &[u8], body: &[u8]) {
    let key = secret(KEY);
    let signature = key.github_signature(body);
    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let headers: Vec<(&str, &[u8])> = vec![
            ("x-hub-signature-256", signature.as_bytes()),
            ("x-github-delivery", b"1"),
            ("x-github-event", said),
            ("content-type", content_type.as_bytes()),
        ];
        read(Forge::GitHub, &headers, body);
    }
    let signature = key.gitlab_signature("1", NOW, body).expect("a signing key");
    let now = NOW.to_string();
    let headers: Vec<(&str, &[u8])> =
        vec![("webhook-id", b"1"), ("webhook-timestamp", now.as_bytes()), ("webhook-signature", signature.as_bytes())];
    read(Forge::GitLab, &headers, body);
}

fn read(forge: Forge, headers: &Vec<(&str, &[u8])>, body: &[u8]) {
    let Ok(delivery) = verify(forge, headers, body, &[secret(KEY)], NOW).and_then(parse) else { return };
    let refs: Vec<&str> = match &delivery.event {
        Event::Push(push) => vec![&push.ref_name],
        Event::Tag(tag) => vec![&tag.ref_name],
        Event::PullRequest(pull) => vec![&pull.head_ref, &pull.base_ref],
        Event::MergeGroup(group) => vec![&group.head_ref, &group.base_ref],
        _ => vec![],
    };
    for name in refs {
        assert!(name.starts_with("refs/") && name.len() <= 1_000 && !name.contains(".."), "{name:?}");
        assert!(!name.starts_with("refs/heads/-") && !name.starts_with("refs/tags/-"), "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    assert!(delivery.event.project().is_none_or(|project| !project.chars().any(char::is_control)));
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("not empty")
}
