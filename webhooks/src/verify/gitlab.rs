//! GitLab's proofs: a token sent in clear, or a signature.
//!
//! A secret that begins with `whsec_` is a signing key: deliveries must bear a signature by it, as Standard Webhooks
//! has it, over `{webhook-id}.{webhook-timestamp}.{body}`, made within five minutes from now. Several signatures may
//! stand in the header, one must be right. Any other secret is a token, and has to be in `X-Gitlab-Token` (GitLab:
//! webhooks; Standard Webhooks: signature scheme). With secrets of both sorts, for the time of the change from one to
//! the other, a signature that is there is what counts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::header::{encoding, single};
use super::secrets::any;
use super::verified::{Dialect, Encoding, Verified};
use crate::event::DeliveryId;
use crate::rejection::Rejection;
use crate::{Headers, Secret};

const TOKEN: &str = "X-Gitlab-Token";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// How far a signature's time may be from now, in seconds, either way.
const WINDOW: u64 = 300;
/// How many signatures are tried. A forge sends one for each key that is in use.
const SIGNATURES_MAX: usize = 5;

pub(super) fn verify<'b>(
    headers: &dyn Headers,
    body: &'b [u8],
    secrets: &[Secret],
    now: i64,
) -> Result<Verified<'b>, Rejection> {
    let (keys, tokens): (Vec<&Secret>, Vec<&Secret>) = secrets.iter().partition(|secret| secret.is_signing_key());
    if !keys.is_empty() && (tokens.is_empty() || headers.count(SIGNATURE) > 0) {
        signature(headers, body, &keys, now)?;
    } else {
        token(headers, &tokens)?;
    }
    if encoding(headers)? == Encoding::Form {
        return Err(Rejection::unsupported("the body is a form, which GitLab does not send"));
    }
    let delivery = delivery(headers)?;
    Ok(Verified { id: DeliveryId { hook: None, delivery }, dialect: Dialect::GitLab, body })
}

fn delivery(headers: &dyn Headers) -> Result<String, Rejection> {
    for name in [ID, "Idempotency-Key", "X-Gitlab-Webhook-UUID"] {
        if let Some(id) = single(headers, name)?.filter(|id| !id.is_empty()) {
            return Ok(id.to_owned());
        }
    }
    Err(Rejection::malformed(
        "the header Idempotency-Key is missing: let proxies forward it, or update GitLab to 17.4 or later",
    ))
}

fn token(headers: &dyn Headers, tokens: &[&Secret]) -> Result<(), Rejection> {
    let token = match headers.count(TOKEN) {
        0 => {
            return Err(Rejection::unsigned(format!(
                "{TOKEN} is missing: set the configured secret token in the webhook at GitLab"
            )));
        }
        1 => headers.get(TOKEN).unwrap_or_default(),
        count => return Err(Rejection::bad_signature(format!("{TOKEN} was sent {count} times; expected once"))),
    };
    if any(tokens, |secret| secret.is_token(token)) {
        return Ok(());
    }
    Err(Rejection::bad_signature(format!(
        "{TOKEN} is not the secret of this hook: the secret token at GitLab differs from the configured one"
    )))
}

fn signature(headers: &dyn Headers, body: &[u8], keys: &[&Secret], now: i64) -> Result<(), Rejection> {
    if headers.count(SIGNATURE) == 0 {
        return Err(Rejection::unsigned(format!(
            "{SIGNATURE} is missing: the configured secret is a signing key, so set it as the webhook's signing token \
             at GitLab; {TOKEN} is not accepted"
        )));
    }
    let (id, timestamp, signatures) = (proof(headers, ID)?, proof(headers, TIMESTAMP)?, proof(headers, SIGNATURE)?);
    let time = seconds(timestamp)
        .ok_or_else(|| Rejection::bad_signature(format!("{TIMESTAMP} is not a time in whole seconds since 1970")))?;
    let tags = tags(signatures)?;
    let signed = [id, b".", timestamp, b".", body];
    if !any(keys, |key| key.signed_by_key(&signed, &tags)) {
        return Err(Rejection::bad_signature(format!(
            "{SIGNATURE} does not match the body: the signing token at GitLab differs from the configured one, or the \
             body was changed in transit"
        )));
    }
    fresh(time, now)
}

/// A header that is part of the proof, so that its absence or repetition breaks the proof.
fn proof<'h>(headers: &'h dyn Headers, name: &str) -> Result<&'h [u8], Rejection> {
    match headers.count(name) {
        1 => Ok(headers.get(name).unwrap_or_default()),
        0 => Err(Rejection::bad_signature(format!("{name} is missing, which the signature covers"))),
        count => Err(Rejection::bad_signature(format!("{name} was sent {count} times; expected once"))),
    }
}

/// Digits alone: with a sign or a space, the same signature would fit two readings of id and time.
fn seconds(text: &[u8]) -> Option<i64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// The signatures of the version that is known; those of others are for others.
fn tags(header: &[u8]) -> Result<Vec<[u8; 32]>, Rejection> {
    let tags: Vec<[u8; 32]> = header
        .split(|&byte| byte == b' ')
        .filter_map(|one| one.strip_prefix(b"v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok()?.try_into().ok())
        .collect();
    match tags.len() {
        0 => Err(Rejection::bad_signature(format!("{SIGNATURE} has no `v1,` with the base64 of 32 bytes in it"))),
        1..=SIGNATURES_MAX => Ok(tags),
        count => {
            Err(Rejection::bad_signature(format!("{SIGNATURE} has {count} signatures; the limit is {SIGNATURES_MAX}")))
        }
    }
}

fn fresh(time: i64, now: i64) -> Result<(), Rejection> {
    let distance = now.abs_diff(time);
    if distance <= WINDOW {
        return Ok(());
    }
    let side = if time < now { "ago" } else { "from now" };
    Err(Rejection::stale(format!(
        "the signature was made {distance} s {side}; the limit is {WINDOW} s. The delivery is a replay, or one of the \
         clocks is wrong"
    )))
}
