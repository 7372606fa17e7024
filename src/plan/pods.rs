//! The pods that workloads start after a sync, which no dry run compares with a quota. The result is an estimate,
//! because rolling updates, autoscalers and webhooks affect it; it rejects nothing. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::change::{Action, Change};
use super::quantity::Quantity;
use super::usage::{self, Defaults, Usage};

/// What a workload makes.
struct Made<'a> {
    pods: u64,
    spec: &'a Value,
    claims: Vec<&'a Value>,
}

/// The limits of one namespace as a change leaves them.
pub struct PodLimits<'a> {
    pub namespace: &'a str,
    pub quotas: &'a [Value],
    /// None where they may not be read.
    pub ranges: Option<&'a [Value]>,
    /// What the change takes of the quotas by itself.
    pub direct: &'a Usage,
}

/// Whether a change may start pods in a namespace.
pub fn starts_pods(change: &Change) -> bool {
    let writes = matches!(change.action, Action::Create | Action::Update | Action::Replace);
    writes
        && !change.is_rejected()
        && template(change, change.desired.as_ref().map(|desired| &desired.object)).is_some()
}

/// Says of the workloads that their pods have no room in a quota, or lack what it asks of each of them.
pub fn warn_of_pods(changes: &mut [Change], limits: &PodLimits<'_>) {
    let is_here = |change: &Change| change.key.namespace.as_deref() == Some(limits.namespace) && starts_pods(change);
    let places: Vec<usize> = (0..changes.len()).filter(|at| is_here(&changes[*at])).collect();
    let defaults = Defaults::of(limits.ranges.unwrap_or_default());
    let more: Vec<Usage> = places.iter().map(|at| more(&changes[*at], &defaults)).collect();
    for quota in limits.quotas.iter().filter(|quota| !super::quota::is_scoped(quota)) {
        let hard = quota.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten();
        let name = quota.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let hard: BTreeMap<&String, Quantity> =
            hard.filter_map(|(name, value)| Some((name, Quantity::of(value)?))).collect();
        for (at, more_of) in places.iter().zip(&more) {
            let said = [
                lacking(&changes[*at], &defaults, hard.keys().copied(), name, limits),
                beyond(quota, &hard, name, more_of, &more, limits),
            ];
            changes[*at].remarks.extend(said.into_iter().flatten());
        }
    }
}

fn beyond(
    quota: &Value,
    hard: &BTreeMap<&String, Quantity>,
    name: &str,
    own: &Usage,
    all: &[Usage],
    limits: &PodLimits<'_>,
) -> Option<String> {
    let grows = |resource: &String| own.get(resource).is_some_and(|more| *more > Quantity::ZERO);
    let mut said = hard.iter().filter(|(resource, _)| grows(resource)).filter_map(|(resource, hard)| {
        let used =
            quota.pointer("/status/used").and_then(|used| Quantity::of(used.get(*resource)?)).unwrap_or_default();
        let of_all = all.iter().filter_map(|usage| usage.get(*resource)).fold(Quantity::ZERO, |sum, one| sum + *one);
        let direct = limits.direct.get(*resource).copied().unwrap_or_default();
        let needs = of_all + direct;
        let room = (*hard - used).max(Quantity::ZERO);
        (of_all > Quantity::ZERO && needs > room)
            .then(|| format!("{room} more {resource} ({used} of {hard} used), and this change needs about {needs}"))
    });
    let first = said.next()?;
    Some(format!(
        "Some of its pods may not start: the quota {name} of the namespace {} has room for {first}. Raise the quota, \
         or request less",
        limits.namespace
    ))
}

fn lacking<'a>(
    change: &Change,
    defaults: &Defaults,
    hard: impl Iterator<Item = &'a String>,
    name: &str,
    limits: &PodLimits<'_>,
) -> Option<String> {
    // What fills it is not known.
    limits.ranges?;
    let made = template(change, after(change))?;
    let lack = |resource: &'a String| Some((resource, usage::lacks(made.spec, defaults, resource)?));
    let (resource, container) = { hard }.find_map(lack)?;
    Some(format!(
        "Its pods would be refused: the quota {name} of the namespace {} requires {resource} of each container, and \
         the container {container} does not set it. Set it, or add a LimitRange with a default",
        limits.namespace
    ))
}

/// What its pods and claims use beyond what they use now, by the templates.
fn more(change: &Change, defaults: &Defaults) -> Usage {
    let mut uses = used(change, after(change), defaults);
    if change.action == Action::Create {
        return uses;
    }
    // Of what is not known as it was it is not known what it adds.
    let Some(before) = &change.before else { return Usage::new() };
    for (name, had) in used(change, Some(before), defaults) {
        let uses = uses.entry(name).or_default();
        *uses = *uses - had;
    }
    uses
}

fn used(change: &Change, object: Option<&Value>, defaults: &Defaults) -> Usage {
    let Some(made) = template(change, object) else { return Usage::new() };
    let mut each = usage::of_pod(made.spec, defaults);
    usage::add(&mut each, counted("pods", 1));
    for claim in &made.claims {
        usage::add(&mut each, usage::of_claim(claim));
    }
    usage::add(&mut each, counted("persistentvolumeclaims", made.claims.len() as u64));
    usage::times(each, made.pods)
}

fn counted(plural: &str, number: u64) -> Usage {
    [plural.to_owned(), format!("count/{plural}")].map(|name| (name, Quantity::whole(number))).into()
}

fn after(change: &Change) -> Option<&Value> {
    change.after.as_ref().or_else(|| change.desired.as_ref().map(|desired| &desired.object))
}

/// How many pods of which kind a workload has.
fn template<'a>(change: &Change, object: Option<&'a Value>) -> Option<Made<'a>> {
    let object = object?;
    let number = |of: &Value, field: &str| of.pointer(field).and_then(Value::as_u64);
    let spec = &object["spec"];
    let runs = |job: &'a Value| {
        let most = number(job, "/completions").unwrap_or(u64::MAX);
        let pods = if job["suspend"] == true { 0 } else { number(job, "/parallelism").unwrap_or(1).min(most) };
        (pods, job)
    };
    let (pods, spec) = match (change.key.group.as_str(), change.key.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "ReplicaSet") | ("", "ReplicationController") => {
            (number(spec, "/replicas").unwrap_or(1), spec)
        }
        // How many nodes there are is known by the ones that it has pods on, and else it is at least one.
        ("apps", "DaemonSet") => (number(object, "/status/desiredNumberScheduled").unwrap_or(1), spec),
        ("batch", "Job") => runs(spec),
        ("batch", "CronJob") if spec["suspend"] == true => (0, spec.pointer("/jobTemplate/spec")?),
        ("batch", "CronJob") => runs(spec.pointer("/jobTemplate/spec")?),
        _ => return None,
    };
    let claims = spec.get("volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten().collect();
    Some(Made { pods, spec: spec.pointer("/template/spec")?, claims })
}

/// The `LimitRange`s of a namespace as the change leaves them.
pub fn with_changed_ranges(mut ranges: Vec<Value>, namespace: &str, changes: &[Change]) -> Vec<Value> {
    let sets = |change: &&Change| {
        change.key.kind == "LimitRange"
            && change.key.group.is_empty()
            && change.key.namespace.as_deref() == Some(namespace)
            && !change.is_rejected()
            && matches!(change.action, Action::Create | Action::Update | Action::Replace)
    };
    for change in changes.iter().filter(sets) {
        let Some(after) = after(change) else { continue };
        ranges.retain(|range| range.pointer("/metadata/name") != Some(&json!(change.key.name)));
        ranges.push(after.clone());
    }
    ranges
}

#[cfg(test)]
#[path = "pods_tests.rs"]
mod tests;
