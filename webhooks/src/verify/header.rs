//! Headers that say what a body is, each taken once and within bounds.

use super::verified::Encoding;
use crate::Headers;
use crate::rejection::Rejection;

/// Longest value taken from a header, in bytes.
const HEADER_MAX: usize = 200;

/// Whether the body is JSON (also when nothing is said) or a form.
pub(super) fn encoding(headers: &dyn Headers) -> Result<Encoding, Rejection> {
    let Some(value) = single(headers, "Content-Type")? else { return Ok(Encoding::Json) };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(Encoding::Json)
    } else if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Encoding::Form)
    } else {
        Err(Rejection::unsupported("the Content-Type is not application/json: set it in the webhook at the forge"))
    }
}

/// A header that may be missing and must not come twice.
pub(super) fn single<'h>(headers: &'h dyn Headers, name: &str) -> Result<Option<&'h str>, Rejection> {
    if headers.count(name) > 1 {
        return Err(Rejection::malformed(format!("the header {name} was sent {} times", headers.count(name))));
    }
    let Some(value) = headers.get(name) else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= HEADER_MAX && text.bytes().all(|b| matches!(b, b' '..=b'~')) => Ok(Some(text.trim())),
        _ => Err(Rejection::malformed(format!(
            "the header {name} contains invalid characters or has more than {HEADER_MAX} bytes"
        ))),
    }
}

pub(super) fn required<'h>(headers: &'h dyn Headers, name: &str) -> Result<&'h str, Rejection> {
    single(headers, name)?.filter(|value| !value.is_empty()).ok_or_else(|| {
        Rejection::malformed(format!(
            "the header {name} is missing: let proxies between the forge and Driftless forward it"
        ))
    })
}
