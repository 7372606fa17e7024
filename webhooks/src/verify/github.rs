//! GitHub's proof: the header `X-Hub-Signature-256`, an HMAC-SHA256 of the body in lower-case hex behind `sha256=`
//! (GitHub: validating webhook deliveries). A form is signed as it is sent, encoded.
//!
//! One spelling is taken, the one that GitHub writes. The older `X-Hub-Signature` (SHA-1) proves nothing here.

use super::header::{encoding, required, single};
use super::secrets::any;
use super::verified::{Dialect, Verified};
use crate::event::DeliveryId;
use crate::rejection::Rejection;
use crate::{Headers, Secret};

const SIGNATURE: &str = "X-Hub-Signature-256";
const PREFIX: &[u8] = b"sha256=";

pub(super) fn verify<'b>(headers: &dyn Headers, body: &'b [u8], secrets: &[Secret]) -> Result<Verified<'b>, Rejection> {
    let tag = signature(headers)?;
    let secrets: Vec<&Secret> = secrets.iter().collect();
    if !any(&secrets, |secret| secret.signed(&[body], &[tag])) {
        return Err(Rejection::bad_signature(format!(
            "{SIGNATURE} does not match the body: the secret at GitHub differs from the configured one, or the body \
             was changed in transit"
        )));
    }
    let encoding = encoding(headers)?;
    let delivery = required(headers, "X-GitHub-Delivery")?.to_owned();
    let hook = single(headers, "X-GitHub-Hook-ID")?.map(str::to_owned);
    let event = required(headers, "X-GitHub-Event")?.to_owned();
    Ok(Verified { id: DeliveryId { hook, delivery }, dialect: Dialect::GitHub { event, encoding }, body })
}

fn signature(headers: &dyn Headers) -> Result<[u8; 32], Rejection> {
    match headers.count(SIGNATURE) {
        0 => Err(unsigned(headers)),
        1 if headers.get(SIGNATURE).is_some_and(|value| value.trim_ascii() == PREFIX) => {
            Err(Rejection::bad_signature(format!(
                "{SIGNATURE} is empty, as Gitea sends it for a webhook without a secret: set the configured secret \
                 there"
            )))
        }
        1 => headers.get(SIGNATURE).and_then(digest).ok_or_else(|| {
            Rejection::bad_signature(format!(
                "{SIGNATURE} is not `sha256=` and 64 lower-case hex digits, as GitHub writes it"
            ))
        }),
        count => Err(Rejection::bad_signature(format!("{SIGNATURE} was sent {count} times; expected once"))),
    }
}

fn unsigned(headers: &dyn Headers) -> Rejection {
    let older = headers.get("X-Hub-Signature");
    Rejection::unsigned(if older.is_some_and(|value| value.starts_with(PREFIX)) {
        format!(
            "only X-Hub-Signature was sent, with SHA-256 as Bitbucket does: this hook is configured for GitHub, which \
             sends {SIGNATURE}; Bitbucket is not supported"
        )
    } else if older.is_some() {
        format!(
            "only X-Hub-Signature (SHA-1) was sent, which is not secure enough: {SIGNATURE} is required. Let proxies \
             forward it, or update the forge"
        )
    } else {
        format!("{SIGNATURE} is missing: set the configured secret in the webhook at GitHub")
    })
}

fn digest(value: &[u8]) -> Option<[u8; 32]> {
    let digits = value.strip_prefix(PREFIX)?;
    if digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut tag = [0; 32];
    hex::decode_to_slice(digits, &mut tag).ok()?;
    Some(tag)
}
