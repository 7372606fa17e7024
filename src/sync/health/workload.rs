//! The health of the kinds that run pods, by the numbers in their status.

use serde_json::Value;

use super::status::{Health, condition, number};

/// How many replicas the spec asks for; the API fills in one.
fn wanted(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// In progress unless `have` of `want` has been reached.
fn reached(have: i64, want: i64, what: &str) -> Option<Health> {
    (have < want).then(|| Health::InProgress(format!("{have} of {want} {what}")))
}

fn first(checks: impl IntoIterator<Item = Option<Health>>) -> Health {
    checks.into_iter().flatten().next().unwrap_or(Health::Current)
}

pub(super) fn deployment(object: &Value) -> Health {
    if let Some(progress) = condition(object, "Progressing").filter(|progress| progress.reason == "ProgressDeadlineExceeded") {
        return Health::Failed(format!("it makes no progress ({})", progress.text()));
    }
    let want = wanted(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let old = status("replicas") - status("updatedReplicas");
    first([
        reached(status("updatedReplicas"), want, "replicas are updated"),
        (old > 0).then(|| Health::InProgress(format!("{old} old replicas are still there"))),
        reached(status("availableReplicas"), want, "replicas are available"),
    ])
}

pub(super) fn replica_set(object: &Value) -> Health {
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|failure| failure.status == "True") {
        return Health::InProgress(format!("its pods can't be made ({})", failure.text()));
    }
    reached(number(object, "/status/availableReplicas"), wanted(object), "replicas are available").unwrap_or(Health::Current)
}

/// Whether somebody else decides when pods are replaced, so that waiting for it would be in vain.
fn updates_by_hand(object: &Value) -> bool {
    object.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete")
}

pub(super) fn stateful_set(object: &Value) -> Health {
    let want = wanted(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    if updates_by_hand(object) {
        return reached(status("readyReplicas"), want, "replicas are ready").unwrap_or(Health::Current);
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        return first([
            reached(status("updatedReplicas"), (want - partition).max(0), "replicas are updated"),
            reached(status("readyReplicas"), want, "replicas are ready"),
        ]);
    }
    let revision = |field: &str| object.pointer(&format!("/status/{field}")).and_then(Value::as_str);
    let rolling = want > 0 && revision("currentRevision") != revision("updateRevision");
    first([
        reached(status("readyReplicas"), want, "replicas are ready"),
        rolling.then(|| Health::InProgress(format!("{} of {want} replicas are at the new revision", status("updatedReplicas")))),
    ])
}

pub(super) fn daemon_set(object: &Value) -> Health {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let want = status("desiredNumberScheduled");
    first([
        reached(status("currentNumberScheduled"), want, "nodes have their pod"),
        reached(if updates_by_hand(object) { want } else { status("updatedNumberScheduled") }, want, "pods are updated"),
        reached(status("numberAvailable"), want, "pods are available"),
    ])
}

pub(super) fn job(object: &Value) -> Health {
    let is_true = |name| condition(object, name).filter(|found| found.status == "True");
    if let Some(failed) = is_true("Failed") {
        return Health::Failed(format!("it failed ({})", failed.text()));
    }
    // One that was asked to stand still will not complete, and that is what was asked for.
    let suspended = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
    if suspended || is_true("Complete").is_some() {
        return Health::Current;
    }
    let (active, done) = (number(object, "/status/active"), number(object, "/status/succeeded"));
    Health::InProgress(format!("it has not completed yet: {active} pods run, {done} have succeeded"))
}
