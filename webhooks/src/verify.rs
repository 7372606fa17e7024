//! Who sent it: the proof that a delivery comes from the forge, over the bytes as they came.
//!
//! A [`Verified`] can be made by [`verify`] alone, and only from one can an event be had.

mod github;
mod gitlab;
mod header;
mod secrets;
mod verified;

#[cfg(test)]
mod tests;

use crate::rejection::Rejection;
use crate::{Headers, Secret};
use header::single;

pub(crate) use verified::{Dialect, Encoding};
pub use verified::{Forge, Verified};

/// Tests whether `forge` sent `body`, by any one of the secrets, and reads what the headers say of it.
///
/// `body` is the body as received, `now_unix` the time in seconds since 1970. The time that it takes depends on the
/// lengths of body and secrets and on nothing else about them. Refusals are `Unsigned`, `BadSignature` or `Stale`
/// where the proof fails; `Unsupported` or `Malformed` where the headers make no sense.
pub fn verify<'b>(
    forge: Forge,
    headers: &dyn Headers,
    body: &'b [u8],
    secrets: &[Secret],
    now_unix: i64,
) -> Result<Verified<'b>, Rejection> {
    refuse_compression(headers)?;
    if secrets.is_empty() {
        return Err(Rejection::unsigned(
            "no secret is configured for this hook, so deliveries cannot be verified: configure one",
        ));
    }
    match forge {
        Forge::GitHub => github::verify(headers, body, secrets),
        Forge::GitLab => gitlab::verify(headers, body, secrets, now_unix),
    }
}

fn refuse_compression(headers: &dyn Headers) -> Result<(), Rejection> {
    match single(headers, "Content-Encoding")? {
        None | Some("" | "identity") => Ok(()),
        Some(_) => Err(Rejection::unsupported(
            "the body has a Content-Encoding, which no forge sends: turn off compression in the proxy",
        )),
    }
}
