//! The health of kinds that run pods, by the numbers in their status.

use serde_json::Value;

use super::condition::condition;
use super::degree::Health;

/// A whole number below `pointer`, zero when it is absent, as the API leaves zeros out.
fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// How many replicas the spec asks for; the API fills in one.
fn wanted(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

/// In progress unless `have` of `want` has been reached.
fn reached(have: i64, want: i64, what: &str) -> Option<Health> {
    (have < want).then(|| Health::Progressing(format!("{have} of {want} {what}")))
}

fn first(checks: impl IntoIterator<Item = Option<Health>>) -> Health {
    checks.into_iter().flatten().next().unwrap_or(Health::Healthy)
}

pub(super) fn deployment(object: &Value) -> Health {
    if let Some(progress) =
        condition(object, "Progressing").filter(|progress| progress.reason == "ProgressDeadlineExceeded")
    {
        return Health::Failed(format!("it makes no progress ({})", progress.text()));
    }
    let want = wanted(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let old = status("replicas") - status("updatedReplicas");
    let health = first([
        reached(status("updatedReplicas"), want, "replicas are updated"),
        (old > 0).then(|| Health::Progressing(format!("{old} old replicas are still there"))),
        surplus(status("replicas"), want),
        reached(status("availableReplicas"), want, "replicas are available"),
    ]);
    with_refusal(object, health)
}

/// More run than are wanted.
fn surplus(have: i64, want: i64) -> Option<Health> {
    (have > want).then(|| Health::Progressing(format!("{have} replicas run; {want} are desired")))
}

/// Why the pods that are missing cannot be made, as where a quota is used up.
fn with_refusal(object: &Value, health: Health) -> Health {
    match (condition(object, "ReplicaFailure").filter(|failure| failure.status == "True"), health) {
        (Some(failure), Health::Progressing(message)) => {
            Health::Degraded(format!("{message}; its pods cannot be created ({})", failure.text()))
        }
        (_, health) => health,
    }
}

pub(super) fn replica_set(object: &Value) -> Health {
    let want = wanted(object);
    let health = first([
        surplus(number(object, "/status/replicas"), want),
        reached(number(object, "/status/availableReplicas"), want, "replicas are available"),
    ]);
    with_refusal(object, health)
}

/// Whether somebody else decides when pods are replaced, so that waiting for it would be in vain.
fn updates_by_hand(object: &Value) -> bool {
    object.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete")
}

pub(super) fn stateful_set(object: &Value) -> Health {
    let want = wanted(object);
    let status = |field: &str| number(object, &format!("/status/{field}"));
    if updates_by_hand(object) {
        return first([
            reached(status("readyReplicas"), want, "replicas are ready"),
            surplus(status("replicas"), want),
        ]);
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if partition > 0 {
        return first([
            reached(status("updatedReplicas"), (want - partition).max(0), "replicas are updated"),
            reached(status("readyReplicas"), want, "replicas are ready"),
            surplus(status("replicas"), want),
        ]);
    }
    let revision = |field: &str| object.pointer(&format!("/status/{field}")).and_then(Value::as_str);
    let rolling = want > 0 && revision("currentRevision") != revision("updateRevision");
    first([
        reached(status("readyReplicas"), want, "replicas are ready"),
        rolling.then(|| {
            Health::Progressing(format!("{} of {want} replicas are at the new revision", status("updatedReplicas")))
        }),
        surplus(status("replicas"), want),
    ])
}

pub(super) fn daemon_set(object: &Value) -> Health {
    let status = |field: &str| number(object, &format!("/status/{field}"));
    let want = status("desiredNumberScheduled");
    first([
        reached(status("currentNumberScheduled"), want, "nodes have their pod"),
        reached(
            if updates_by_hand(object) { want } else { status("updatedNumberScheduled") },
            want,
            "pods are updated",
        ),
        reached(status("numberAvailable"), want, "pods are available"),
    ])
}

pub(super) fn job(object: &Value) -> Health {
    let is_true = |name| condition(object, name).filter(|found| found.status == "True");
    if let Some(failed) = is_true("Failed") {
        return Health::Failed(format!("it failed ({})", failed.text()));
    }
    if is_true("Complete").is_some() {
        return Health::Healthy;
    }
    // One that was asked to stand still will not complete, and that is what was asked for.
    if object.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Health::Suspended("it is suspended".to_owned());
    }
    let (active, done) = (number(object, "/status/active"), number(object, "/status/succeeded"));
    Health::Progressing(format!("it has not completed yet: {active} pods run, {done} have succeeded"))
}
