//! Whether kinds of custom resources are still defined as they were: what a CRD takes away of an object, or no longer
//! accepts, changes nothing of the object's metadata.

use std::collections::{BTreeSet, HashMap};

use crate::cluster::{Cluster, ClusterError};
use crate::store::Store;
use crate::sync::SyncError;

/// Groups with a dot that the API server defines by itself.
const BUILT_IN: [&str; 17] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Has the objects of each kind asked about again whose CRD is not the one of the last look.
pub(super) async fn look(store: &Store, cluster: &Cluster) -> Result<(), SyncError> {
    let mut kinds: BTreeSet<(String, String)> = store.kinds_owned(cluster.name()).await?.into_iter().collect();
    kinds.retain(|(group, _)| !BUILT_IN.contains(&group.as_str()));
    if kinds.is_empty() {
        return Ok(());
    }
    let discovery = cluster.discovery().await?;
    let Some(resource) = discovery.preferred("apiextensions.k8s.io", "CustomResourceDefinition") else { return Ok(()) };
    let crds = match cluster.list_metadata(resource, None).await {
        Ok(list) => list.items,
        // Then a change of a CRD is found where its objects are next asked about for another reason.
        Err(error @ ClusterError::Forbidden { .. }) => {
            tracing::debug!(cluster = %cluster.name(), %error, "CRDs cannot be listed");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
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
