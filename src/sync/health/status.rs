//! What an object's own status says of it. Pure: one object in, its health out.
//!
//! The rules are those that the field agreed on for `kubectl` and its relatives (kstatus): a status that was written for an older
//! generation says nothing, then the kinds that are built in by their own fields, and every other kind by its conditions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workload;

/// Whether an object is what its spec asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "health", content = "message")]
pub enum Health {
    Current,
    InProgress(String),
    /// It will not get better by waiting.
    Failed(String),
    /// It is being deleted.
    Terminating(String),
}

impl Health {
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Current)
    }

    /// Higher is worse: what a message should name first.
    pub fn badness(&self) -> u8 {
        match self {
            Self::Current => 0,
            Self::InProgress(_) => 1,
            Self::Terminating(_) => 2,
            Self::Failed(_) => 3,
        }
    }

    /// What is the matter, in words.
    pub fn message(&self) -> &str {
        match self {
            Self::Current => "is as it should be",
            Self::InProgress(message) | Self::Failed(message) | Self::Terminating(message) => message,
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
    if let Some(stale) = not_yet_observed(group, kind, object) {
        return stale;
    }
    match (group, kind) {
        ("apps", "Deployment") => workload::deployment(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps", "DaemonSet") => workload::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => workload::replica_set(object),
        ("batch", "Job") => workload::job(object),
        ("", "Pod") => super::pod::pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("", "Namespace") => namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => by_condition(object, "Available"),
        _ if never_waits(group, kind) => Health::Current,
        _ => by_conditions(object),
    }
}

/// Kinds that are as they should be once they are stored: nothing to watch.
pub fn never_waits(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap" | "Secret" | "ServiceAccount" | "Endpoints" | "LimitRange" | "ResourceQuota" | "PersistentVolume" | "PodTemplate"
        ),
        "batch" => kind == "CronJob",
        "autoscaling" => kind == "HorizontalPodAutoscaler",
        "policy"
        | "networking.k8s.io"
        | "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "node.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "admissionregistration.k8s.io" => true,
        _ => false,
    }
}

/// Whether an object with this manifest has a health to wait for.
pub fn waits(manifest: &Value) -> bool {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    match (group(manifest), kind) {
        ("", "Service") => manifest.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer"),
        (group, kind) => !never_waits(group, kind),
    }
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

impl Condition<'_> {
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
    let found = conditions.iter().find(|condition| condition["type"] == name)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
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

/// Kinds whose controller always says which generation it has seen; without a word it has seen none.
fn always_observes(group: &str, kind: &str) -> bool {
    group == "apps" && matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
}

fn not_yet_observed(group: &str, kind: &str, object: &Value) -> Option<Health> {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64)?;
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let stale = match observed {
        Some(observed) => observed < generation,
        None => always_observes(group, kind),
    };
    stale.then(|| Health::InProgress(format!("its controller has not seen generation {generation} yet")))
}

fn claim(object: &Value) -> Health {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Health::Current,
        Some("Lost") => Health::Failed("its volume is lost".to_owned()),
        _ => Health::InProgress("it is not bound to a volume yet".to_owned()),
    }
}

fn service(object: &Value) -> Health {
    let balanced = object.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
    let addresses = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array).map_or(0, Vec::len);
    if balanced && addresses == 0 {
        return Health::InProgress("its load balancer has no address yet".to_owned());
    }
    Health::Current
}

fn namespace(object: &Value) -> Health {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Active") => Health::Current,
        Some(phase) => Health::InProgress(format!("it is {phase}")),
        None => Health::InProgress("it is not active yet".to_owned()),
    }
}

fn definition(object: &Value) -> Health {
    if let Some(names) = condition(object, "NamesAccepted").filter(|names| names.status == "False") {
        return Health::Failed(format!("its names are not accepted ({})", names.text()));
    }
    by_condition(object, "Established")
}

fn by_condition(object: &Value, name: &str) -> Health {
    match condition(object, name) {
        Some(found) if found.status == "True" => Health::Current,
        Some(found) => Health::InProgress(format!("it is not {name} ({})", found.text())),
        None => Health::InProgress(format!("it does not say yet whether it is {name}")),
    }
}

fn by_conditions(object: &Value) -> Health {
    let is_true = |name| condition(object, name).filter(|found| found.status == "True");
    if let Some(stalled) = is_true("Stalled") {
        return Health::Failed(format!("it is stalled ({})", stalled.text()));
    }
    if let Some(reconciling) = is_true("Reconciling") {
        return Health::InProgress(format!("it is being reconciled ({})", reconciling.text()));
    }
    match condition(object, "Ready") {
        Some(ready) if ready.status != "True" => Health::InProgress(format!("it is not ready ({})", ready.text())),
        _ => Health::Current,
    }
}
