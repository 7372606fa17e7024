//! Interprets responses of the API server. Pure: statuses, headers and bodies in, Driftless' errors out.
//!
//! A server's message about a Secret may contain its values, so for Secrets only field names and known fixed texts are
//! passed on.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::content::{Content, content};
use super::error::{ApplyError, ClusterError};
use super::exchange::Answer;
use super::immutable::is_immutable;
use super::typed;
use crate::ids::ClusterName;
use crate::manifest::ObjectKey;
use crate::plan::{Cause, Conflict};

/// The longest text of a server that is passed on, in characters.
const LONGEST: usize = 400;
/// The longest text of one cause.
const LONGEST_CAUSE: usize = 300;
/// The most causes of one refusal that are passed on.
const MOST_CAUSES: usize = 20;
/// Stands where a server's text about a Secret would stand.
const HIDDEN: &str = "the server's text is not shown, because it may contain the Secret's values";
/// Texts about a field that never contain a value.
const FIXED: [&str; 4] = [
    "field not declared in schema",
    "field is immutable when `immutable` is set",
    "field is immutable",
    "Required value",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    message: String,
    reason: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    kind: String,
    name: String,
    causes: Vec<StatusCause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

/// Whether what the server says about the object must not be shown.
pub(super) fn is_secret(key: &ObjectKey) -> bool {
    crate::redact::is_secret_kind(&key.group, &key.kind)
}

/// Reads a successful answer, or says what another one means. `about` is the object that was asked for, if it was one.
pub(super) fn json<T: DeserializeOwned>(
    cluster: &ClusterName,
    answer: &Answer,
    about: Option<&ObjectKey>,
) -> Result<T, ClusterError> {
    if !answer.status.is_success() {
        return Err(failure(cluster, answer, about));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        // serde_json quotes what it did not expect.
        let message =
            if about.is_some_and(is_secret) { HIDDEN.to_owned() } else { shorten(&error.to_string(), LONGEST) };
        ClusterError::Unreadable { cluster: cluster.clone(), message }
    })
}

/// An answer that is no success and has no special meaning for what was asked.
pub(super) fn failure(cluster: &ClusterName, answer: &Answer, about: Option<&ObjectKey>) -> ClusterError {
    let status = status(&answer.body);
    let hidden = about.is_some_and(is_secret);
    let message = match &status {
        _ if hidden => HIDDEN.to_owned(),
        Some(status) => shorten(&status.message, LONGEST),
        None => shorten(String::from_utf8_lossy(&answer.body).trim(), LONGEST),
    };
    let cluster = cluster.clone();
    let after = answer.retry_after().or_else(|| asked_to_wait(status.as_ref()));
    match answer.status {
        StatusCode::UNAUTHORIZED => ClusterError::Unauthorized { cluster, message },
        StatusCode::FORBIDDEN => ClusterError::Forbidden { cluster, message },
        StatusCode::CONFLICT => ClusterError::Conflict { cluster, message },
        StatusCode::TOO_MANY_REQUESTS => {
            ClusterError::TooMany { cluster, after: after.unwrap_or(Duration::from_secs(1)) }
        }
        // What the object says keeps the server from reading it: that does not pass by itself.
        code if code.is_server_error()
            && about.is_some()
            && status.as_ref().is_some_and(|status| content(&status.message).is_some()) =>
        {
            ClusterError::Refused { cluster, status: code.as_u16(), message }
        }
        code if code.is_server_error() || code == StatusCode::REQUEST_TIMEOUT => {
            ClusterError::Failed { cluster, status: code.as_u16(), message, after }
        }
        code => ClusterError::Refused { cluster, status: code.as_u16(), message },
    }
}

fn asked_to_wait(status: Option<&Status>) -> Option<Duration> {
    status.map(|status| status.details.retry_after_seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn status(body: &[u8]) -> Option<Status> {
    serde_json::from_slice::<Status>(body).ok().filter(|status| status.kind == "Status")
}

/// Why an object that was asked for is not there.
pub(super) enum Missing {
    Object,
    Kind,
}

/// Reads a 404. The server answers with plain text, or without details, where it does not know the path, and so the
/// kind.
pub(super) fn missing(answer: &Answer) -> Missing {
    match status(&answer.body) {
        Some(status) if !status.details.name.is_empty() => Missing::Object,
        _ => Missing::Kind,
    }
}

/// Whether a JSON patch could not be carried out on the object as it is: a `test` in it did not hold, or a path is not
/// there. The server says no more than this.
pub(super) fn does_not_fit(answer: &Answer) -> bool {
    const GENERIC: &str = "the server rejected our request due to an error in our request";
    answer.status == StatusCode::UNPROCESSABLE_ENTITY
        && status(&answer.body).is_some_and(|status| status.message == GENERIC)
}

/// Whether a new object was not made for the sole reason that there is one of its name.
pub(super) fn is_name_taken(answer: &Answer) -> bool {
    answer.status == StatusCode::CONFLICT && status(&answer.body).is_some_and(|status| status.reason == "AlreadyExists")
}

/// What a refused apply means. `dry_run` tells whether it was one: only then can a webhook refuse because of that.
pub(super) fn refusal(cluster: &ClusterName, key: &ObjectKey, dry_run: bool, answer: &Answer) -> ApplyError {
    let Some(status) = status(&answer.body) else {
        return match answer.status {
            StatusCode::NOT_FOUND => unknown_kind(key),
            _ => failure(cluster, answer, Some(key)).into(),
        };
    };
    if let Some(message) = denial(key, &status) {
        return ApplyError::Forbidden { message: text(key, message) };
    }
    match answer.status {
        StatusCode::NOT_FOUND if status.details.kind == "namespaces" => {
            ApplyError::NamespaceMissing { namespace: status.details.name }
        }
        StatusCode::NOT_FOUND if status.details.name.is_empty() => unknown_kind(key),
        StatusCode::CONFLICT => conflict(key, &status),
        StatusCode::UNPROCESSABLE_ENTITY => invalid(key, &status),
        StatusCode::FORBIDDEN if has_cause(&status, "NamespaceTerminating") => {
            ApplyError::NamespaceTerminating { namespace: key.namespace.clone().unwrap_or_default() }
        }
        StatusCode::FORBIDDEN => ApplyError::Forbidden { message: text(key, &status.message) },
        StatusCode::BAD_REQUEST if dry_run && is_webhook_without_dry_run(&status) => {
            ApplyError::WebhookWithoutDryRun { message: shorten(&status.message, LONGEST) }
        }
        StatusCode::INTERNAL_SERVER_ERROR if is_too_large(&status) => {
            ApplyError::Refused { message: text(key, &status.message) }
        }
        code if code.is_server_error() => {
            malformed(key, &status).unwrap_or_else(|| failure(cluster, answer, Some(key)).into())
        }
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::PAYLOAD_TOO_LARGE => {
            ApplyError::Refused { message: text(key, &status.message) }
        }
        _ => failure(cluster, answer, Some(key)).into(),
    }
}

/// What a webhook or a policy says that does not let the object pass. They do so with any status that they like, also
/// with one that means something else: a policy with "invalid", if nothing else was asked of it.
fn denial<'a>(key: &ObjectKey, status: &'a Status) -> Option<&'a str> {
    let message = status.message.as_str();
    if message.starts_with("admission webhook ") && message.contains("denied the request") {
        return Some(message);
    }
    let own =
        message.split_once(' ').and_then(|(_, rest)| rest.strip_prefix(&format!("\"{}\" is forbidden: ", key.name)));
    own.filter(|own| own.starts_with("ValidatingAdmissionPolicy '") && own.contains(" denied request: "))
}

/// The storage takes no object that is larger, now or later. A dry-run does not tell, as it stores nothing.
fn is_too_large(status: &Status) -> bool {
    let message = status.message.as_str();
    message.starts_with("etcdserver: request is too large")
        || (message.starts_with("rpc error: ") && message.contains("trying to send message larger than max"))
}

/// The whole text, so that none that quotes a manifest is taken for it.
fn is_webhook_without_dry_run(status: &Status) -> bool {
    let name = status
        .message
        .strip_prefix("admission webhook \"")
        .and_then(|rest| rest.strip_suffix("\" does not support dry run"));
    name.is_some_and(|name| !name.contains('"'))
}

/// Why a delete was not asked about, if a webhook was in the way.
pub(super) fn webhook_without_dry_run(answer: &Answer) -> Option<ClusterError> {
    let status = status(&answer.body)
        .filter(|status| answer.status == StatusCode::BAD_REQUEST && is_webhook_without_dry_run(status))?;
    Some(ClusterError::WebhookWithoutDryRun { message: shorten(&status.message, LONGEST) })
}

fn unknown_kind(key: &ObjectKey) -> ApplyError {
    ApplyError::UnknownKind { group: key.group.clone(), version: key.version.clone(), kind: key.kind.clone() }
}

fn has_cause(status: &Status, reason: &str) -> bool {
    status.details.causes.iter().any(|cause| cause.reason == reason)
}

fn conflict(key: &ObjectKey, status: &Status) -> ApplyError {
    let conflicts: Vec<_> = status
        .details
        .causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| Conflict {
            field: cause.field.clone(),
            manager: manager(&cause.message).unwrap_or_else(|| "unknown".to_owned()),
        })
        .collect();
    if conflicts.is_empty() {
        ApplyError::Stale { message: text(key, &status.message) }
    } else {
        ApplyError::Conflicts { conflicts }
    }
}

/// The manager in `conflict with "kubectl" using apps/v1`.
fn manager(text: &str) -> Option<String> {
    let rest = text.strip_prefix("conflict with \"")?;
    rest.split_once('"').map(|(name, _)| name.to_owned())
}

fn invalid(key: &ObjectKey, status: &Status) -> ApplyError {
    let says_so = |cause: &StatusCause| is_immutable(&cause.reason, &cause.message);
    let immutable = !status.details.causes.is_empty() && status.details.causes.iter().all(says_so);
    // The server gathers some of them from maps, in another order each time: the same refusal must read the same.
    let mut found: Vec<&StatusCause> = status.details.causes.iter().collect();
    found.sort_by_key(|found| (found.field.len(), &found.field, &found.message));
    let causes: Vec<_> =
        found.into_iter().take(MOST_CAUSES).map(|found| cause(key, &found.field, &found.message)).collect();
    let message =
        if causes.is_empty() { text(key, &status.message) } else { summary(&causes, status.details.causes.len()) };
    if immutable { ApplyError::Immutable { message, causes } } else { ApplyError::Invalid { message, causes } }
}

fn summary(causes: &[Cause], all: usize) -> String {
    let one = |cause: &Cause| match &cause.field {
        Some(field) => format!("{field}: {}", cause.message),
        None => cause.message.clone(),
    };
    let shown = causes.iter().take(3).map(one).collect::<Vec<_>>().join("; ");
    if all > 3 { format!("{shown}; and {} more", all - 3) } else { shown }
}

/// An object that does not have the form of its kind is answered with a 500 without a reason, as a broken storage is:
/// the text decides.
fn malformed(key: &ObjectKey, status: &Status) -> Option<ApplyError> {
    let content = content(&status.message)?;
    let detail = match content {
        Content::Manifest | Content::Live => {
            status.message.split_once("): ").map_or(status.message.as_str(), |(_, detail)| detail)
        }
        Content::Managers => status.message.find(": .").map_or(status.message.as_str(), |at| &status.message[at + 2..]),
        Content::Conversion | Content::Version => &status.message,
    };
    let causes: Vec<_> =
        detail.lines().filter_map(typed::cause).map(|(field, message)| cause(key, field, &message)).collect();
    let message = match causes.as_slice() {
        [] => text(key, detail.trim()),
        causes => summary(causes, causes.len()),
    };
    let message = match content.advice() {
        Some((what, to_do)) => format!("{what}: {}. {to_do}.", message.trim_end_matches('.')),
        None => message,
    };
    Some(ApplyError::Malformed { message, causes })
}

fn cause(key: &ObjectKey, field: &str, message: &str) -> Cause {
    let message = if is_secret(key) {
        FIXED
            .iter()
            .find(|fixed| message.ends_with(**fixed))
            .map_or_else(|| HIDDEN.to_owned(), |fixed| (*fixed).to_owned())
    } else {
        short_cause(message)
    };
    Cause { field: Some(field.to_owned()).filter(|field| !field.is_empty()), message }
}

/// Leaves the value out of `Invalid value: VALUE: why` where it is long: a Job's pod template is kilobytes.
fn short_cause(message: &str) -> String {
    if message.chars().count() <= LONGEST_CAUSE {
        return message.to_owned();
    }
    match (message.starts_with("Invalid value: "), message.rsplit_once(": ")) {
        (true, Some((_, why))) if why.chars().count() <= LONGEST_CAUSE => format!("Invalid value: …: {why}"),
        _ => shorten(message, LONGEST_CAUSE),
    }
}

fn text(key: &ObjectKey, message: &str) -> String {
    if is_secret(key) { HIDDEN.to_owned() } else { shorten(message, LONGEST) }
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
    }
}

/// The texts of `Warning: 299 - "text"` headers.
pub(super) fn warnings(key: &ObjectKey, headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(http::header::WARNING).iter().filter_map(|value| warning(value.to_str().ok()?));
    if is_secret(key) {
        texts.take(1).map(|_| format!("the server warned: {HIDDEN}")).collect()
    } else {
        texts.take(MOST_CAUSES).collect()
    }
}

fn warning(value: &str) -> Option<String> {
    let (_, quoted) = value.split_once('"')?;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.extend(chars.next()),
            '"' => return Some(shorten(&text, LONGEST)),
            char => text.push(char),
        }
    }
    None
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
