//! The generation of an object that its status refers to.

use serde_json::Value;

use super::degree::Health;

/// Kinds whose controller always says which generation it has seen; without a word it has seen none.
fn always_observes(group: &str, kind: &str) -> bool {
    match group {
        "" => kind == "ReplicationController",
        "apps" => matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"),
        "policy" => kind == "PodDisruptionBudget",
        _ => false,
    }
}

/// A status of an older generation says nothing about this one.
pub(super) fn not_yet(group: &str, kind: &str, object: &Value) -> Option<Health> {
    let generation = generation(object)?;
    let stale = match observed(object) {
        Some(observed) => observed < generation,
        None => always_observes(group, kind),
    };
    stale.then(|| progressing(generation))
}

pub(super) fn progressing(generation: i64) -> Health {
    Health::Progressing(format!("its controller has not seen generation {generation} yet"))
}

pub(super) fn generation(object: &Value) -> Option<i64> {
    whole(object.pointer("/metadata/generation")?)
}

pub(super) fn observed(object: &Value) -> Option<i64> {
    whole(object.pointer("/status/observedGeneration")?)
}

/// Whether a condition was written for an older generation.
pub(super) fn is_stale(condition: &Value, generation: Option<i64>) -> bool {
    let observed = condition.get("observedGeneration").and_then(whole);
    matches!((observed, generation), (Some(observed), Some(generation)) if observed < generation)
}

/// Whether a status says which generation it is about, or the object has none.
pub(super) fn is_dated(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let by_condition = || {
        conditions.into_iter().flatten().any(|condition| condition.get("observedGeneration").and_then(whole).is_some())
    };
    generation(object).is_none() || observed(object).is_some() || by_condition()
}

/// Some controllers write the number as text, and some write a hash there, which is no number.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
