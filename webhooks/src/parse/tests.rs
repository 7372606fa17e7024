//! From signed bytes to events: what is read, what is skipped, what is refused and in which words.

mod github;
mod gitlab;
mod hostile;
mod properties;

use crate::{Delivery, Event, Forge, Rejection, Secret, parse, verify};

const SECRET: &str = "a secret for tests";

/// Signs and delivers a body as GitHub does.
pub(super) fn from_github(event: &str, body: &[u8]) -> Result<Delivery, Rejection> {
    from_github_as("application/json", event, body)
}

pub(super) fn from_github_as(content_type: &str, event: &str, body: &[u8]) -> Result<Delivery, Rejection> {
    let secret = Secret::new(SECRET).expect("not empty");
    let signature = secret.github_signature(body);
    let headers = [
        ("X-Hub-Signature-256", signature.as_str()),
        ("X-GitHub-Delivery", "0b989ba4-242f-11e5-81e1-c7b6966d2516"),
        ("X-GitHub-Hook-ID", "292430182"),
        ("X-GitHub-Event", event),
        ("Content-Type", content_type),
    ];
    parse(verify(Forge::GitHub, &headers, body, &[secret], 0)?)
}

/// Delivers a body as GitLab does.
pub(super) fn from_gitlab(body: &[u8]) -> Result<Delivery, Rejection> {
    let headers = [("X-Gitlab-Token", SECRET), ("Idempotency-Key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f")];
    parse(verify(Forge::GitLab, &headers, body, &[Secret::new(SECRET).expect("not empty")], 0)?)
}

pub(super) fn github(event: &str, payload: &serde_json::Value) -> Result<Event, Rejection> {
    from_github(event, payload.to_string().as_bytes()).map(|delivery| delivery.event)
}

pub(super) fn gitlab(payload: &serde_json::Value) -> Result<Event, Rejection> {
    from_gitlab(payload.to_string().as_bytes()).map(|delivery| delivery.event)
}

/// The payload with the value at a JSON pointer replaced; the pointer's parent has to be there.
pub(super) fn with(payload: &serde_json::Value, pointer: &str, value: serde_json::Value) -> serde_json::Value {
    let mut changed = payload.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    changed.pointer_mut(parent).expect("the parent is there")[field] = value;
    changed
}

/// The payload without the field at a JSON pointer.
pub(super) fn without(payload: &serde_json::Value, pointer: &str) -> serde_json::Value {
    let mut changed = payload.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
    let parent =
        changed.pointer_mut(parent).and_then(|parent| parent.as_object_mut()).expect("the parent is an object");
    parent.shift_remove(field).expect("the field is there");
    changed
}
