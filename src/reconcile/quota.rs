//! The quotas of the namespaces in which a change creates several objects: a dry-run counts each of them for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::input::ReconcileError;
use crate::cluster::{Cluster, ClusterError};
use crate::manifest::ObjectId;
use crate::plan::{self, Action, Change, Creation, Verdict};

/// Whether a change to a quota is about what it limits.
fn sets_limits(change: &Change) -> bool {
    let limits = |state: &Option<Value>| state.as_ref().and_then(|state| state.get("spec").cloned());
    limits(&change.before) != limits(&change.after)
}

/// The objects of `changes` that are made and that a quota of their namespace counts.
pub(super) async fn counted(cluster: &Cluster, changes: &[Change]) -> Result<BTreeSet<ObjectId>, ReconcileError> {
    let mut quotas: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for change in changes.iter().filter(|change| change.action == Action::Create) {
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

/// Refuses what is created beyond a quota. A quota that may not be read, or that the change itself changes, is left to
/// the sync.
pub(super) async fn refuse_beyond(cluster: &Cluster, changes: &mut [Change]) -> Result<(), ReconcileError> {
    let mut created: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        let counts = change.action == Action::Create && change.verdict == Verdict::Accepted;
        if let Some(namespace) = change.key.namespace.as_ref().filter(|_| counts) {
            created.entry(namespace.clone()).or_default().push(at);
        }
    }
    let is_quota = |change: &&Change| {
        change.key.kind == "ResourceQuota"
            && change.key.group.is_empty()
            && change.action != Action::None
            && sets_limits(change)
    };
    let moved: BTreeSet<String> =
        changes.iter().filter(is_quota).filter_map(|change| change.key.namespace.clone()).collect();
    for (namespace, places) in
        created.into_iter().filter(|(namespace, places)| places.len() > 1 && !moved.contains(namespace))
    {
        let quotas = cluster.quotas(&namespace).await?;
        if quotas.is_empty() {
            continue;
        }
        let mut creations = Vec::with_capacity(places.len());
        for at in places {
            creations.push(Creation { at, plural: cluster.resource(&changes[at].key).await?.plural });
        }
        plan::refuse_beyond(changes, &quotas, &creations);
    }
    Ok(())
}
