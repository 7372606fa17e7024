//! Whether the CRDs of custom resources have changed: fields that a CRD removes or no longer accepts leave the object's
//! metadata unchanged.

use std::collections::{BTreeSet, HashMap};

use crate::cluster::{Cluster, ClusterError};
use crate::manifest::is_built_in;
use crate::store::Store;
use crate::sync::SyncError;

/// Has the objects of each kind asked about again whose CRD is not the one of the last look.
pub(super) async fn look(store: &Store, cluster: &Cluster) -> Result<(), SyncError> {
    let mut kinds: BTreeSet<(String, String)> = store.kinds_owned(cluster.name()).await?.into_iter().collect();
    kinds.retain(|(group, _)| !is_built_in(group));
    if kinds.is_empty() {
        return Ok(());
    }
    let discovery = cluster.discovery().await?;
    let Some(resource) = discovery.preferred("apiextensions.k8s.io", "CustomResourceDefinition") else { return Ok(()) };
    let crds = match cluster.list_metadata(resource, None).await {
        Ok(list) => list.items,
        // Then a change of a CRD is found where its objects are next asked about for another reason: what happens to
        // all others is looked at all the same.
        Err(error @ ClusterError::Forbidden { .. }) => {
            tracing::debug!(cluster = %cluster.name(), error = error.outline(), "CRDs cannot be listed");
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(cluster = %cluster.name(), error = error.outline(), "CRDs cannot be listed");
            return Ok(());
        }
    };
    let crds: HashMap<String, String> =
        crds.into_iter().map(|crd| (crd.name, format!("{}/{}", crd.uid, crd.generation.unwrap_or_default()))).collect();
    let named = |(group, kind): (String, String)| {
        let plural = &discovery.preferred(&group, &kind)?.plural;
        let definition = crds.get(&format!("{plural}.{group}"))?.clone();
        Some(((group, kind), definition))
    };
    let seen: Vec<_> = kinds.into_iter().filter_map(named).collect();
    Ok(store.see_kinds(cluster.name(), &seen).await?)
}
