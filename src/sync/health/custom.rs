//! The health of unknown kinds, by the conditions and the phase that such kinds commonly have.

use serde_json::Value;

use super::condition::Condition;
use super::degree::Health;
use super::{observed, phase};

/// Something is wrong for good.
const FATAL: [&str; 2] = ["Stalled", "Failed"];
/// Something is wrong.
const WRONG: [&str; 8] =
    ["Degraded", "Denied", "InvalidRequest", "ReconcileError", "Errored", "Error", "Failure", "ReplicaFailure"];
/// Something is being done.
const BUSY: [&str; 2] = ["Reconciling", "NotReady"];
const HELD: [&str; 2] = ["Suspended", "Paused"];
/// What should become true.
const GOOD: [&str; 12] = [
    "Ready",
    "Available",
    "Healthy",
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Synced",
    "Succeeded",
    "Established",
    "Reconciled",
    "Deployed",
    "Installed",
];
/// Of those, the ones that are false only when their controller has decided so.
const DECIDED: [&str; 4] = ["Accepted", "Programmed", "ResolvedRefs", "Synced"];
/// What a reason contains when it tells of more than that something is not done yet.
const TROUBLE: [&str; 12] = [
    "error",
    "fail",
    "invalid",
    "denied",
    "unhealthy",
    "conflict",
    "rejected",
    "refused",
    "backoff",
    "missing",
    "exceeded",
    "unauthorized",
];
/// Lists in a status with conditions of their own, and where their entries are named.
const PARTS: [(&str, &str); 3] =
    [("parents", "/parentRef/name"), ("ancestors", "/ancestorRef/name"), ("listeners", "/name")];

pub(super) fn health(kind: &str, object: &Value) -> Health {
    let status = match object.get("status") {
        Some(status) if !is_empty(status) => status,
        _ => return Health::Unknown("its controller has reported no status".to_owned()),
    };
    let generation = observed::generation(object);
    let known = conditions(status).filter_map(|(part, condition)| Some((condition, meaning(part, condition)?)));
    let (stale, current): (Vec<_>, Vec<_>) =
        known.partition(|(condition, _)| observed::is_stale(condition, generation));
    if let Some(generation) = generation.filter(|_| !stale.is_empty()) {
        return observed::progressing(generation);
    }
    let found = current.into_iter().map(|(_, health)| health).chain(phase::health(kind, status));
    let worst = found.max_by_key(Health::badness);
    match worst {
        Some(worst) => worst,
        // It has seen this generation and complains of nothing.
        None if observed::observed(object).is_some() => Health::Healthy,
        None => Health::Unknown("Driftless cannot determine the health of this kind".to_owned()),
    }
}

/// All conditions of a status, with the name of the part that they are about.
fn conditions(status: &Value) -> impl Iterator<Item = (Option<&str>, &Value)> {
    fn of(value: &Value) -> impl Iterator<Item = &Value> {
        value.get("conditions").and_then(Value::as_array).into_iter().flatten()
    }
    let parts = PARTS.iter().flat_map(move |(list, name)| {
        let entries = status.get(*list).and_then(Value::as_array).into_iter().flatten();
        entries.flat_map(move |entry| {
            let name = entry.pointer(name).and_then(Value::as_str);
            of(entry).map(move |condition| (name, condition))
        })
    });
    of(status).map(|condition| (None, condition)).chain(parts)
}

/// What a condition says of the health. None where its type says nothing about that.
fn meaning(part: Option<&str>, value: &Value) -> Option<Health> {
    let name = value["type"].as_str()?;
    let condition = Condition::of(value);
    let place = part.map(|part| format!(" for {part}")).unwrap_or_default();
    let text = |what: &str| format!("{what}{place} ({})", condition.text());
    let is_true = condition.status == "True";
    if FATAL.contains(&name) {
        return is_true
            .then(|| Health::Failed(text(if name == "Stalled" { "it is stalled" } else { "it has failed" })));
    }
    if WRONG.contains(&name) {
        return is_true.then(|| Health::Degraded(text(&format!("it reports {name}"))));
    }
    if HELD.contains(&name) {
        return is_true
            .then(|| Health::Suspended(text(if name == "Paused" { "it is paused" } else { "it is suspended" })));
    }
    if BUSY.contains(&name) {
        let what = if name == "NotReady" { "it is not ready" } else { "it is being reconciled" };
        return is_true.then(|| not_yet(&condition, text(what)));
    }
    if name == "Progressing" && condition.reason == "ProgressDeadlineExceeded" {
        return Some(Health::Failed(text("it makes no progress")));
    }
    if !GOOD.contains(&name) {
        return None;
    }
    let what = if name == "Ready" { "it is not ready".to_owned() } else { format!("it is not {name}") };
    Some(match condition.status {
        "True" => Health::Healthy,
        "False" if name == "Succeeded" => Health::Failed(text("it has not succeeded")),
        "False" if DECIDED.contains(&name) && condition.reason != "Pending" => Health::Degraded(text(&what)),
        "False" => not_yet(&condition, text(&what)),
        _ => Health::Progressing(text(&what)),
    })
}

fn not_yet(condition: &Condition<'_>, text: String) -> Health {
    let reason = condition.reason.to_lowercase();
    if TROUBLE.iter().any(|word| reason.contains(word)) { Health::Degraded(text) } else { Health::Progressing(text) }
}

/// Whether nothing is said: lists without entries and objects without fields say nothing either.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}
