//! Interprets GitLab's responses.

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::forge::ForgeError;
use crate::forge::rest::Answer;

/// How long to wait when GitLab limits us without saying for how long: its limits are mostly for a minute.
const UNTOLD_WAIT: Duration = Duration::from_mins(1);

/// The longest span that a limit of GitLab has.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How much of GitLab's own text goes into a message.
const MESSAGE_LIMIT: usize = 300;

/// Passes on what is a success, and says what else it is.
pub(super) fn judge(answer: Answer, method: &Method, path: &str, now: Timestamp) -> Result<Answer, ForgeError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let forge = answer.forge.clone();
    let said = said(&answer);
    let message = format!("{method} {path}: {} {said}", answer.status.as_u16());
    Err(match answer.status {
        StatusCode::TOO_MANY_REQUESTS => ForgeError::Limited { forge, message, after: wait(&answer, now) },
        StatusCode::UNAUTHORIZED => {
            ForgeError::Refused { forge, message: format!("{message}: the token is wrong, expired or revoked") }
        }
        StatusCode::FORBIDDEN => ForgeError::Refused { forge, message },
        StatusCode::NOT_FOUND | StatusCode::GONE => ForgeError::NotFound { forge, what: missing(path, &said) },
        status if status.is_server_error() => ForgeError::Unavailable { forge, message },
        // 409: another update of the same status holds its lock.
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => ForgeError::Unavailable { forge, message },
        // Only reads are redirected from where a project was.
        StatusCode::METHOD_NOT_ALLOWED => ForgeError::Rejected {
            forge,
            message: format!("{message}. If the project was moved, correct `project` in the configuration"),
        },
        _ => ForgeError::Rejected { forge, message },
    })
}

/// GitLab hides what a token may not see. What it says is more than "not found" where it is about something else.
fn missing(path: &str, said: &str) -> String {
    let plain = said.is_empty() || said == "Not Found" || said.starts_with("404");
    if plain { format!("{path} (or hides it from this token)") } else { format!("{path}: {said}") }
}

fn wait(answer: &Answer, now: Timestamp) -> Duration {
    let bounded = |seconds: i64| Duration::from_secs(seconds.max(1).unsigned_abs()).min(LONGEST_WAIT);
    let reset = || Some(answer.number("ratelimit-reset")?.saturating_sub(now.as_second()));
    answer.number("retry-after").or_else(reset).map_or(UNTOLD_WAIT, bounded)
}

/// GitLab's words, on one line and not too long. A limit is said as plain text.
fn said(answer: &Answer) -> String {
    let mut words = Vec::new();
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(body) => {
            for key in ["message", "error", "error_description"] {
                collect(body.get(key), &mut words);
            }
        }
        // A page of a proxy says nothing in its first line.
        Err(_) => words.extend(String::from_utf8(answer.body.to_vec()).ok().filter(|text| !text.contains('<'))),
    }
    let text = words.join("; ");
    let text = if text.trim().is_empty() { answer.status.canonical_reason().unwrap_or("").to_owned() } else { text };
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

/// A message is a text, a list of texts, or lists of texts by field.
fn collect(value: Option<&Value>, words: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) => words.push(text.clone()),
        Some(Value::Array(items)) => items.iter().for_each(|item| collect(Some(item), words)),
        Some(Value::Object(fields)) => {
            for (field, value) in fields {
                let mut about = Vec::new();
                collect(Some(value), &mut about);
                words.extend(about.into_iter().map(|text| format!("{field}: {text}")));
            }
        }
        _ => {}
    }
}
