//! Webhooks as GitHub sends them: signed with HMAC-SHA256.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::json as shape;
use crate::forge::deliver::Letter;
use crate::forge::occasion::{Occasion, Sender};
use crate::forge::record::PullChange;
use crate::forge::user::PERSON;

/// None for what no event is sent of.
pub(in crate::forge) fn letter(from: &Sender<'_>, of: Occasion<'_>) -> Option<Letter> {
    let Sender { view, repo, .. } = from;
    let (event, mut payload): (&str, Value) = match of {
        Occasion::Hooked => ("ping", json!({"zen": "Keep it logically awesome.", "hook_id": repo.hook})),
        Occasion::Pushed(moved) => ("push", shape::push(view, &repo.full_name(), moved)),
        Occasion::Changed(number, change) => {
            let pull = repo.pulls.get(&number)?;
            let mut payload = shape::pull_event(view, repo, pull, action(change));
            if let PullChange::Retargeted { before } = change {
                payload["changes"] = json!({"base": {"ref": {"from": before}, "sha": {"from": pull.base.as_str()}}});
            }
            ("pull_request", payload)
        }
        Occasion::Noted(id) => {
            let comment = repo.comments.iter().find(|comment| comment.id == id)?;
            ("issue_comment", shape::comment_event(view, repo, comment))
        }
    };
    payload["repository"] = shape::repo(view, repo);
    let sender = payload.pointer("/comment/user").cloned();
    payload["sender"] = sender.unwrap_or_else(|| shape::user(view, PERSON));
    let body = payload.to_string().into_bytes();
    let guid = Uuid::new_v4().to_string();
    let headers = vec![
        ("user-agent", "GitHub-Hookshot/driftless".to_owned()),
        ("x-github-event", event.to_owned()),
        ("x-github-delivery", guid.clone()),
        ("x-github-hook-id", repo.hook.to_string()),
        ("x-hub-signature-256", sign(from.secret, &body)),
    ];
    Some(Letter { url: from.url.to_owned(), hook: repo.hook, event: event.to_owned(), guid, headers, body })
}

fn action(change: &PullChange) -> &'static str {
    match change {
        PullChange::Opened => "opened",
        PullChange::Updated { .. } => "synchronize",
        PullChange::Retargeted { .. } => "edited",
        PullChange::Closed | PullChange::Merged => "closed",
        PullChange::Reopened => "reopened",
    }
}

fn sign(secret: &SecretString, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
