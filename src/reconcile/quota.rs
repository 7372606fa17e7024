//! The quotas of the namespaces in which a change creates several objects: a dry run counts each object alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::input::ReconcileError;
use crate::cluster::{Cluster, ClusterError};
use crate::manifest::ObjectId;
use crate::plan::{self, Change, PodLimits, Taking, Verdict};

/// The objects of `changes` that are made or raised and that a quota of their namespace counts.
pub(super) async fn counted(cluster: &Cluster, changes: &[Change]) -> Result<BTreeSet<ObjectId>, ReconcileError> {
    let mut quotas: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for change in changes.iter().filter(|change| plan::may_take(change)) {
        let Some(namespace) = change.key.namespace.as_deref() else { continue };
        if !quotas.contains_key(namespace) {
            quotas.insert(namespace, cluster.quotas(namespace).await?);
        }
        let quotas = &quotas[namespace];
        if quotas.is_empty() {
            continue;
        }
        let plural = match cluster.resource(&change.key).await {
            Err(ClusterError::UnknownKind { .. }) => continue,
            resource => resource?.plural,
        };
        if quotas.iter().any(|quota| plan::is_counted(change, &plural, quota)) {
            found.insert(change.key.id());
        }
    }
    Ok(found)
}

/// Refuses what goes beyond a quota, and warns of workloads whose pods might. A quota that may not be read is left to
/// the sync.
pub(super) async fn refuse_beyond(cluster: &Cluster, changes: &mut [Change]) -> Result<(), ReconcileError> {
    let mut taking: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut starting = BTreeSet::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(namespace) = &change.key.namespace else { continue };
        if plan::may_take(change) && change.verdict == Verdict::Accepted {
            taking.entry(namespace.clone()).or_default().push(at);
        }
        if plan::starts_pods(change) {
            starting.insert(namespace.clone());
        }
    }
    let namespaces: BTreeSet<String> = taking.keys().chain(&starting).cloned().collect();
    for namespace in namespaces {
        let places = taking.remove(&namespace).unwrap_or_default();
        // One alone is counted by its dry-run, but not by a quota that comes with it.
        let sums = match places.len() {
            0 => false,
            1 => changes.iter().any(|change| plan::sets_limits(change, &namespace)),
            _ => true,
        };
        let starts = starting.contains(&namespace);
        if !sums && !starts {
            continue;
        }
        let quotas = plan::with_changed(cluster.quotas(&namespace).await?, &namespace, changes);
        if quotas.is_empty() {
            continue;
        }
        let mut takings = Vec::with_capacity(places.len());
        for at in places {
            takings.push(Taking { at, plural: cluster.resource(&changes[at].key).await?.plural });
        }
        if sums {
            plan::refuse_beyond(changes, &quotas, &takings);
        }
        if starts {
            let ranges = cluster.limit_ranges(&namespace).await?;
            let ranges = ranges.map(|ranges| plan::with_changed_ranges(ranges, &namespace, changes));
            let direct = plan::taken(changes, &takings);
            let limits =
                PodLimits { namespace: &namespace, quotas: &quotas, ranges: ranges.as_deref(), direct: &direct };
            plan::warn_of_pods(changes, &limits);
        }
    }
    Ok(())
}
