//! The inventory's data about an object, from the API server's response to its apply.

use super::drift::fingerprint;
use super::input::SyncDeps;
use crate::cluster::{ClusterError, PartialMeta};
use crate::manifest::ObjectKey;
use crate::store::inventory::AppliedObject;
use serde_json::Value;

/// `hash` is that of the manifest that was applied.
pub(super) fn applied(
    deps: &SyncDeps,
    key: &ObjectKey,
    hash: &str,
    object: &Value,
) -> Result<AppliedObject, ClusterError> {
    let meta = PartialMeta::of(object).filter(|meta| !meta.uid.is_empty()).ok_or_else(|| {
        let message = format!("the answer to the apply of {key} has no uid");
        ClusterError::Unreadable { cluster: deps.cluster.name().clone(), message }
    })?;
    Ok(AppliedObject {
        key: key.clone(),
        fingerprint: fingerprint(&meta, deps.store.clock().now()),
        uid: meta.uid,
        resource_version: meta.resource_version,
        manifest_hash: hash.to_owned(),
    })
}
