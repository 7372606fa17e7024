//! Interprets GitHub's responses.

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;

use crate::forge::ForgeError;
use crate::forge::rest::Answer;

/// How long to wait when GitHub limits us without saying for how long (docs: rate limits for the REST API).
const UNTOLD_WAIT: Duration = Duration::from_mins(1);

/// Nothing that GitHub limits is limited for longer than its hour.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How much of GitHub's own text goes into a message.
const MESSAGE_LIMIT: usize = 300;

/// Passes on what is a success, and says what else it is.
pub(super) fn judge(answer: Answer, method: &Method, path: &str, now: Timestamp) -> Result<Answer, ForgeError> {
    if answer.status.is_success() || answer.not_modified() {
        return Ok(answer);
    }
    let forge = answer.forge.clone();
    let said = said(&answer);
    let message = format!("{method} {path}: {} {said}", answer.status.as_u16());
    if let Some(after) = limited(&answer, &said, now) {
        return Err(ForgeError::Limited { forge, message, after });
    }
    Err(match answer.status {
        StatusCode::UNAUTHORIZED => {
            ForgeError::Refused { forge, message: format!("{message}: the token is wrong, expired or revoked") }
        }
        // Not a matter of rights: no token may write there, now or in five minutes.
        StatusCode::FORBIDDEN if is_closed_to_all(&said) => ForgeError::Rejected { forge, message },
        StatusCode::FORBIDDEN => ForgeError::Refused { forge, message },
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            ForgeError::NotFound { forge, what: format!("{path} (or hides it from this token)") }
        }
        status if status.is_server_error() => ForgeError::Unavailable { forge, message },
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => ForgeError::Unavailable { forge, message },
        _ => ForgeError::Rejected { forge, message },
    })
}

/// A locked conversation, or a repository that was archived.
fn is_closed_to_all(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("is locked") || said.contains("was archived")
}

/// How long to wait, if this is a limit: retry-after, else the reset when nothing remains, else a minute.
fn limited(answer: &Answer, said: &str, now: Timestamp) -> Option<Duration> {
    if !matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
        return None;
    }
    let bounded = |seconds: i64| Duration::from_secs(seconds.max(1).unsigned_abs()).min(LONGEST_WAIT);
    if let Some(seconds) = answer.number("retry-after") {
        return Some(bounded(seconds));
    }
    if answer.number("x-ratelimit-remaining") == Some(0) {
        return Some(
            answer
                .number("x-ratelimit-reset")
                .map_or(UNTOLD_WAIT, |reset| bounded(reset.saturating_sub(now.as_second()))),
        );
    }
    let tells = said.to_ascii_lowercase().contains("rate limit") || answer.status == StatusCode::TOO_MANY_REQUESTS;
    tells.then_some(UNTOLD_WAIT)
}

#[derive(Deserialize)]
struct ErrorBody {
    message: Option<String>,
    #[serde(default)]
    errors: serde_json::Value,
}

/// GitHub's words, on one line and not too long.
fn said(answer: &Answer) -> String {
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&answer.body) else {
        return answer.status.canonical_reason().unwrap_or("without a reason").to_owned();
    };
    let mut text = body.message.unwrap_or_default();
    for error in body.errors.as_array().into_iter().flatten() {
        let detail = error.get("message").or_else(|| error.get("code")).unwrap_or(error);
        text.push_str("; ");
        text.push_str(detail.as_str().unwrap_or("an error without a text"));
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}
