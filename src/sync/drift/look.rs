//! The drift check: which kinds to list, and how the results are used.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;

use super::compare::{Comparison, Differs, Drifted, compare};
use super::kinds;
use crate::cluster::{Cluster, ClusterError, PartialMeta, Resource};
use crate::ids::AppId;
use crate::manifest::ObjectId;
use crate::plan::marks::APP_LABEL;
use crate::plan::{Action, Plan};
use crate::store::Store;
use crate::store::inventory::ObjectRow;
use crate::sync::SyncError;
use crate::sync::unrecorded::{Kind, Unrecorded};

/// How many kinds are listed at once.
const AT_ONCE: usize = 4;

/// What a look at a whole cluster found.
#[derive(Debug, Default)]
pub struct Drift {
    /// Each app of which an object may differ, with those objects. Only a plan tells whether anything that the app owns
    /// does.
    pub apps: BTreeMap<AppId, Vec<Drifted>>,
    /// How many objects were compared, and how many kinds were listed for that.
    pub objects: usize,
    pub kinds: usize,
    /// What bears this instance's marks in those kinds and was in no inventory before the look.
    pub unrecorded: Vec<Unrecorded>,
    /// The kinds that were listed.
    pub listed: BTreeSet<Kind>,
}

/// Compares all that apps own in a cluster with what is there: one list per kind, whatever the number of apps. Of those
/// that are as they were left the heals are no longer counted.
///
/// A kind that can't be listed (forbidden, or its conversion webhook is down) does not hide what happens to the others;
/// an error is only where none can be.
pub async fn look(store: &Store, cluster: &Cluster, instance: &str) -> Result<Drift, SyncError> {
    kinds::look(store, cluster).await?;
    let rows = store.inventory_on(cluster.name()).await?;
    let mut drift = Drift { objects: rows.len(), ..Drift::default() };
    let mut kinds: BTreeMap<Kind, Vec<ObjectRow>> = BTreeMap::new();
    for row in rows {
        kinds.entry((row.key.group.clone(), row.key.kind.clone())).or_default().push(row);
    }
    drift.kinds = kinds.len();
    let looks = kinds.into_iter().map(|(kind, rows)| async move { (kind, look_at_kind(store, cluster, rows).await) });
    let looks: Vec<_> = futures::stream::iter(looks.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await;
    for (kind, comparison) in seen(cluster, looks)? {
        drift.unrecorded.extend(comparison.without_row.iter().filter_map(|meta| Unrecorded::of(instance, &kind, meta)));
        drift.listed.insert(kind);
        if !comparison.refreshed.is_empty() {
            store.record_prints(cluster.name(), &comparison.refreshed).await?;
        }
        for drifted in comparison.drifted {
            drift.apps.entry(drifted.app.clone()).or_default().push(drifted);
        }
    }
    store.forget_heals_except(cluster.name(), &drift.apps.keys().cloned().collect()).await?;
    Ok(drift)
}

/// What was seen of those kinds that could be listed.
fn seen(
    cluster: &Cluster,
    looks: Vec<(Kind, Result<Comparison, SyncError>)>,
) -> Result<Vec<(Kind, Comparison)>, SyncError> {
    let (mut found, mut broken) = (Vec::new(), None);
    for (kind, look) in looks {
        match look {
            Ok(comparison) => found.push((kind, comparison)),
            Err(error) => {
                tracing::warn!(cluster = %cluster.name(), group = kind.0, kind = kind.1, error = error.outline(), "a kind cannot be \
                                                                                                  listed, so its drift \
                                                                                                  is not detected");
                broken = Some(error);
            }
        }
    }
    match broken {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

async fn look_at_kind(store: &Store, cluster: &Cluster, rows: Vec<ObjectRow>) -> Result<Comparison, SyncError> {
    let Some(first) = rows.first() else { return Ok(Comparison::default()) };
    // Any version shows the same metadata, so the one that the cluster prefers is good for all.
    let mut any_version = first.key.clone();
    any_version.version.clear();
    let metas = match cluster.resource(&any_version).await {
        Ok(resource) => list(cluster, &resource, &rows).await?,
        Err(ClusterError::UnknownKind { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    // The time after the list: what it shows can't be younger.
    Ok(compare(&rows, metas, store.clock().now()))
}

/// All that bear our label: in the whole cluster, or where that is forbidden, in each namespace that has any of the
/// rows.
async fn list(cluster: &Cluster, resource: &Resource, rows: &[ObjectRow]) -> Result<Vec<PartialMeta>, ClusterError> {
    let forbidden = match cluster.list_metadata(resource, Some(APP_LABEL)).await {
        Ok(list) => return Ok(list.items),
        Err(error @ ClusterError::Forbidden { .. }) => error,
        Err(error) => return Err(error),
    };
    let namespaces: Option<BTreeSet<&str>> = rows.iter().map(|row| row.key.namespace.as_deref()).collect();
    let Some(namespaces) = namespaces else { return Err(forbidden) };
    let mut items = Vec::new();
    for namespace in namespaces {
        items.extend(cluster.list_metadata_in(resource, Some(namespace), Some(APP_LABEL)).await?.items);
    }
    Ok(items)
}

/// Remembers the metadata of objects in which a plan found no difference, so that the next look does not stop at them
/// again.
pub async fn accept(store: &Store, cluster: &Cluster, drifted: &[Drifted], plan: &Plan) -> Result<(), SyncError> {
    let same =
        |id: &ObjectId| plan.changes.iter().any(|change| change.action == Action::None && change.key.id() == *id);
    let prints: Vec<_> = drifted.iter().filter(|drifted| same(&drifted.id)).filter_map(accepted).collect();
    if !prints.is_empty() {
        store.record_prints(cluster.name(), &prints).await?;
    }
    Ok(())
}

fn accepted(drifted: &Drifted) -> Option<(ObjectId, crate::store::inventory::Fingerprint, String)> {
    match &drifted.differs {
        Differs::Changed { print, resource_version, .. } => {
            Some((drifted.id.clone(), print.clone(), resource_version.clone()))
        }
        Differs::Missing => None,
    }
}
