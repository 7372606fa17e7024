//! The quotas of the namespaces in which a change creates several objects: a dry-run counts each of them for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::input::ReconcileError;
use crate::cluster::{Cluster, ClusterError};
use crate::manifest::ObjectId;
use crate::plan::{self, Change, Taking, Verdict};

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

/// Refuses what goes beyond a quota. One that may not be read is left to the sync.
pub(super) async fn refuse_beyond(cluster: &Cluster, changes: &mut [Change]) -> Result<(), ReconcileError> {
    let mut taking: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        let counts = plan::may_take(change) && change.verdict == Verdict::Accepted;
        if let Some(namespace) = change.key.namespace.as_ref().filter(|_| counts) {
            taking.entry(namespace.clone()).or_default().push(at);
        }
    }
    for (namespace, places) in taking {
        // One alone is counted by its dry-run, but not by a quota that comes with it.
        if places.len() == 1 && !changes.iter().any(|change| plan::sets_limits(change, &namespace)) {
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
        plan::refuse_beyond(changes, &quotas, &takings);
    }
    Ok(())
}
