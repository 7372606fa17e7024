//! The summary field of many kinds: `status.phase`, `status.state` and similar ones.

use serde_json::Value;

use super::condition::own_words;
use super::degree::Health;

/// Where the word stands.
const PLACES: [&str; 4] = ["/phase", "/state", "/health/status", "/health"];

const GOOD: [&str; 28] = [
    "active",
    "applied",
    "available",
    "bound",
    "complete",
    "completed",
    "deployed",
    "enabled",
    "established",
    "finished",
    "green",
    "healthy",
    "initialized",
    "installed",
    "issued",
    "ok",
    "online",
    "provisioned",
    "ready",
    "reconciled",
    "running",
    "success",
    "successful",
    "succeeded",
    "synced",
    "up",
    "uptodate",
    "valid",
];
const BUSY: [&str; 35] = [
    "applyingchanges",
    "bootstrapping",
    "building",
    "configuring",
    "creating",
    "deleting",
    "deploying",
    "failover",
    "finalising",
    "finalizing",
    "initializing",
    "inprogress",
    "installing",
    "migratingdata",
    "new",
    "notready",
    "pending",
    "planning",
    "preparing",
    "processing",
    "progressing",
    "promoting",
    "provisioning",
    "queued",
    "reconciling",
    "restarting",
    "restoring",
    "scaling",
    "starting",
    "syncing",
    "terminating",
    "updating",
    "upgrading",
    "waiting",
    "waitingpromotion",
];
const WRONG: [&str; 13] = [
    "crashloopbackoff",
    "degraded",
    "error",
    "errored",
    "expired",
    "invalid",
    "lost",
    "missing",
    "offline",
    "red",
    "unavailable",
    "unhealthy",
    "unreachable",
];
const FATAL: [&str; 7] = ["aborted", "canceled", "cancelled", "failed", "failure", "rejected", "stalled"];
const HELD: [&str; 5] = ["hibernated", "paused", "stopped", "suspended", "suspend"];
/// Kinds that run towards an end; for all others running is what they are for.
const RUN_TO_AN_END: [&str; 7] = ["Workflow", "Run", "Job", "Task", "Backup", "Restore", "Migration"];

/// None where there is no such word, or one that we do not know.
pub(super) fn health(kind: &str, status: &Value) -> Option<Health> {
    let found = PLACES
        .iter()
        .filter_map(|place| status.pointer(place)?.as_str())
        .filter_map(|word| meaning(kind, word, status));
    found.max_by_key(Health::badness)
}

fn meaning(kind: &str, word: &str, status: &Value) -> Option<Health> {
    let plain: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let is_in = |words: &[&str]| words.contains(&plain.as_str());
    let text = || format!("it is {word}{}", own_words(status));
    if is_in(&HELD) {
        return Some(Health::Suspended(text()));
    }
    if is_in(&FATAL) || plain.ends_with("failed") || plain.starts_with("failed") {
        return Some(Health::Failed(text()));
    }
    if is_in(&WRONG) || plain.ends_with("error") {
        return Some(Health::Degraded(text()));
    }
    let ends = RUN_TO_AN_END.iter().any(|end| kind.ends_with(end));
    if is_in(&BUSY) || (ends && plain == "running") {
        return Some(Health::Progressing(text()));
    }
    is_in(&GOOD).then_some(Health::Healthy)
}
