//! Who sent it: the proof that a delivery comes from the forge, over the bytes as they came.
//!
//! A [`Verified`] can be made by [`verify`] alone, and only from one can an event be had.

mod github;
mod gitlab;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::event::DeliveryId;
use crate::rejection::Rejection;
use crate::{Headers, Secret};

/// Longest value taken from a header, in bytes.
const HEADER_MAX: usize = 200;

/// The sort of forge, as the configuration of the hook names it. Headers don't decide: Gitea also sends GitHub's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Forge {
    GitHub,
    GitLab,
}

impl fmt::Display for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
        })
    }
}

/// A delivery that its forge has sent. Nothing but [`verify`] makes one.
#[derive(Debug, Clone)]
pub struct Verified<'b> {
    pub(crate) id: DeliveryId,
    pub(crate) dialect: Dialect,
    pub(crate) body: &'b [u8],
}

/// How the body is to be read.
#[derive(Debug, Clone)]
pub(crate) enum Dialect {
    /// What the header calls the event says what the body holds.
    GitHub { event: String, encoding: Encoding },
    /// The body itself says it.
    GitLab,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Form,
}

impl Verified<'_> {
    /// For deduplication before anything is parsed.
    pub fn id(&self) -> &DeliveryId {
        &self.id
    }

    pub fn forge(&self) -> Forge {
        match self.dialect {
            Dialect::GitHub { .. } => Forge::GitHub,
            Dialect::GitLab => Forge::GitLab,
        }
    }
}

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
        return Err(Rejection::unsigned("no secret is configured for this hook, so nothing can be verified: give it one"));
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
            "the body came with a Content-Encoding: no forge compresses it, so turn this off in what stands between",
        )),
    }
}

/// Whether the body is JSON (also when nothing is said) or a form.
fn encoding(headers: &dyn Headers) -> Result<Encoding, Rejection> {
    let Some(value) = single(headers, "Content-Type")? else { return Ok(Encoding::Json) };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(Encoding::Json)
    } else if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Encoding::Form)
    } else {
        Err(Rejection::unsupported("the Content-Type is not application/json: set it so at the forge"))
    }
}

/// A header that may be missing and must not come twice.
fn single<'h>(headers: &'h dyn Headers, name: &str) -> Result<Option<&'h str>, Rejection> {
    if headers.count(name) > 1 {
        return Err(Rejection::malformed(format!("the header {name} came {} times", headers.count(name))));
    }
    let Some(value) = headers.get(name) else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= HEADER_MAX && text.bytes().all(|b| matches!(b, b' '..=b'~')) => Ok(Some(text.trim())),
        _ => Err(Rejection::malformed(format!("the header {name} has odd characters in it or more than {HEADER_MAX}"))),
    }
}

fn required<'h>(headers: &'h dyn Headers, name: &str) -> Result<&'h str, Rejection> {
    single(headers, name)?.filter(|value| !value.is_empty()).ok_or_else(|| {
        Rejection::malformed(format!("the header {name} is missing: what stands between the forge and here must let it pass"))
    })
}

/// Whether any secret passes. All are tried, so that the time does not tell which one did.
fn any(secrets: &[&Secret], passes: impl Fn(&Secret) -> bool) -> bool {
    secrets.iter().fold(false, |passed, secret| passed | passes(secret))
}
