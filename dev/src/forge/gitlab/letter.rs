//! Webhooks as GitLab sends them: with the secret itself, or signed as Standard Webhooks has it if the secret is a
//! signing key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;
use uuid::Uuid;

use super::event;
use crate::forge::deliver::Letter;
use crate::forge::occasion::{Occasion, Sender};

/// None for what no event is sent of.
pub(in crate::forge) fn letter(from: &Sender<'_>, of: Occasion<'_>) -> Option<Letter> {
    let Sender { view, repo, .. } = from;
    let (event, payload): (&str, Value) = match of {
        Occasion::Hooked => return None,
        Occasion::Pushed(moved) => ("Push Hook", event::push(view, repo, moved)),
        Occasion::Changed(number, change) => {
            ("Merge Request Hook", event::merge_request(view, repo, repo.pulls.get(&number)?, change))
        }
        Occasion::Noted(id) => {
            let note = repo.comments.iter().find(|comment| comment.id == id)?;
            ("Note Hook", event::note(view, repo, repo.pulls.get(&note.number)?, note))
        }
    };
    let body = payload.to_string().into_bytes();
    let guid = Uuid::new_v4().to_string();
    let mut headers = vec![
        ("user-agent", "GitLab/18.6.0".to_owned()),
        ("x-gitlab-event", event.to_owned()),
        ("x-gitlab-instance", view.site.clone()),
        ("x-gitlab-webhook-uuid", Uuid::new_v4().to_string()),
        ("x-gitlab-event-uuid", Uuid::new_v4().to_string()),
        ("idempotency-key", guid.clone()),
    ];
    headers.extend(proof(from.secret, &guid, from.now.as_second(), &body));
    Some(Letter { url: from.url.to_owned(), hook: repo.hook, event: event.to_owned(), guid, headers, body })
}

/// What tells the receiver who sent it.
fn proof(secret: &SecretString, id: &str, now: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let secret = secret.expose_secret();
    let Some(key) = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok()) else {
        return vec![("x-gitlab-token", secret.to_owned())];
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return Vec::new() };
    mac.update(format!("{id}.{now}.").as_bytes());
    mac.update(body);
    let tag = STANDARD.encode(mac.finalize().into_bytes());
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", now.to_string()),
        ("webhook-signature", format!("v1,{tag}")),
    ]
}
