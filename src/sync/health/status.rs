//! What an object's own status says of it. Pure: one object in, its health out.
//!
//! The rules are those that the field agreed on for `kubectl` and its relatives (kstatus): a status that was written for an older
//! generation says nothing, then the kinds that are built in by their own fields, and every other kind by its conditions and its phase.
//! Healthy is only what somebody has said to be so: where nothing was said, the health is unknown.

use serde_json::Value;

use super::{builtin, custom, observed, workload};

/// Whether an object is what its spec asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// It stands still because its spec says so.
    Suspended(String),
    /// Nobody has said anything about it that we understand.
    Unknown(String),
    Progressing(String),
    /// Something is wrong, and may still become right.
    Degraded(String),
    /// It will not get better by waiting.
    Failed(String),
    /// It is being deleted.
    Terminating(String),
}

impl Health {
    /// Whether there is nothing to wait for.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Healthy | Self::Suspended(_) | Self::Unknown(_))
    }

    /// Higher is worse: what a message should name first.
    pub fn badness(&self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Unknown(_) => 1,
            Self::Progressing(_) => 2,
            Self::Suspended(_) => 3,
            Self::Terminating(_) => 4,
            Self::Degraded(_) => 5,
            Self::Failed(_) => 6,
        }
    }

    /// The public word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Suspended(_) => "suspended",
            Self::Unknown(_) => "unknown",
            Self::Progressing(_) | Self::Terminating(_) => "progressing",
            Self::Degraded(_) | Self::Failed(_) => "degraded",
        }
    }

    /// What is the matter, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Healthy => "is as it should be",
            Self::Suspended(message)
            | Self::Unknown(message)
            | Self::Progressing(message)
            | Self::Degraded(message)
            | Self::Failed(message)
            | Self::Terminating(message) => message,
        }
    }
}

/// The health of a live object.
pub fn of(object: &Value) -> Health {
    of_kind(group(object), object["kind"].as_str().unwrap_or_default(), object)
}

/// The health of a live object of which the kind is known from elsewhere.
pub fn of_kind(group: &str, kind: &str, object: &Value) -> Health {
    if let Some(since) = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str) {
        return terminating(object, since);
    }
    // Before its status: many controllers do not look at all at what stands still.
    if let Some(held) = held(group, kind, object) {
        return held;
    }
    if let Some(stale) = observed::not_yet(group, kind, object) {
        return stale;
    }
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "Pod") => super::pod::pod(object),
        ("", "PersistentVolumeClaim") => builtin::claim(object),
        ("", "Service") => builtin::service(object),
        ("", "Namespace") => builtin::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => builtin::definition(object),
        ("apiregistration.k8s.io", "APIService") => builtin::by_condition(object, "Available"),
        ("autoscaling", "HorizontalPodAutoscaler") => builtin::autoscaler(object),
        ("policy", "PodDisruptionBudget") => builtin::disruption_budget(object),
        ("networking.k8s.io", "Ingress") => builtin::ingress(object),
        _ if never_waits(group, kind) => Health::Healthy,
        _ => custom::health(kind, object),
    }
}

/// Whether an object's health can be told from one status alone. Where no generation is named, a status may be from before the last change.
pub fn is_dated(group: &str, kind: &str, object: &Value) -> bool {
    is_built_in(group, kind) || observed::is_dated(object)
}

/// Kinds that are as they should be once they are stored: nothing to watch.
pub fn never_waits(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap" | "Secret" | "ServiceAccount" | "Endpoints" | "LimitRange" | "ResourceQuota" | "PersistentVolume" | "PodTemplate"
        ),
        "apps" => kind == "ControllerRevision",
        "batch" => kind == "CronJob",
        "policy" => kind != "PodDisruptionBudget",
        "networking.k8s.io" => kind != "Ingress",
        "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "admissionregistration.k8s.io" => true,
        _ => false,
    }
}

fn is_built_in(group: &str, kind: &str) -> bool {
    let waits = matches!(
        group,
        "" | "apps" | "batch" | "apiextensions.k8s.io" | "apiregistration.k8s.io" | "autoscaling" | "policy" | "networking.k8s.io"
    );
    waits || never_waits(group, kind)
}

/// Whether an object with this manifest has a health to wait for.
pub fn waits(manifest: &Value) -> bool {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    match (group(manifest), kind) {
        ("", "Service") => manifest.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer"),
        // Only to say that it is suspended.
        ("batch", "CronJob") => held("batch", "CronJob", manifest).is_some(),
        (group, kind) => !never_waits(group, kind),
    }
}

/// What stands still on purpose. A Job that has ended before it was suspended has ended all the same.
fn held(group: &str, kind: &str, object: &Value) -> Option<Health> {
    let fields: &[&str] = match (group, kind) {
        ("apps", "Deployment") => &["paused"],
        ("batch", "CronJob") => &["suspend"],
        _ if is_built_in(group, kind) => &[],
        _ => &["suspend", "suspended", "paused"],
    };
    let spec = object.get("spec")?;
    let field = fields.iter().find(|field| spec.get(**field) == Some(&Value::Bool(true)))?;
    Some(Health::Suspended(format!("it is {}", if *field == "paused" { "paused" } else { "suspended" })))
}

pub(super) fn group(object: &Value) -> &str {
    object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

/// A whole number below `pointer`, zero when it is absent, as the API leaves zeros out.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Status, reason and message of a condition.
pub(super) struct Condition<'a> {
    pub status: &'a str,
    pub reason: &'a str,
    message: &'a str,
}

impl<'a> Condition<'a> {
    pub(super) fn of(condition: &'a Value) -> Self {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let status = match &condition["status"] {
            Value::Bool(true) => "True",
            Value::Bool(false) => "False",
            _ => text("status"),
        };
        Self { status, reason: text("reason"), message: text("message") }
    }

    pub(super) fn text(&self) -> String {
        match (self.reason, self.message) {
            ("", "") => "without a reason".to_owned(),
            (reason, "") => reason.to_owned(),
            ("", message) => shorten(message),
            (reason, message) => format!("{reason}: {}", shorten(message)),
        }
    }
}

pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<Condition<'a>> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| condition["type"] == name).map(Condition::of)
}

/// How many characters of a controller's own words a message quotes.
const QUOTED: usize = 300;

pub(super) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn terminating(object: &Value, since: &str) -> Health {
    let finalizers: Vec<_> =
        object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    Health::Terminating(match finalizers.as_slice() {
        [] => format!("is being deleted since {since}"),
        waiting => format!("is being deleted since {since}, and waits for {}", waiting.join(", ")),
    })
}
