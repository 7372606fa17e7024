//! The watch of the objects of a kind, and what is read from one of them.

use futures::Stream;
use serde_json::Value;

use super::board::Kind;
use super::judge::Seen;
use super::status;
use crate::cluster::{Cluster, ClusterError, WatchEvent};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::marks::APP_LABEL;

/// The watch of all objects of a kind that bear our label; none where the kind is not served.
pub(super) async fn stream(
    cluster: &Cluster,
    kind: &Kind,
) -> Result<Option<impl Stream<Item = Result<WatchEvent, ClusterError>> + Send + use<>>, ClusterError> {
    let any = ObjectKey {
        group: kind.group.clone(),
        version: String::new(),
        kind: kind.name.clone(),
        namespace: None,
        name: String::new(),
    };
    match cluster.resource(&any).await {
        Ok(resource) => Ok(Some(cluster.watch(&resource, None, Some(APP_LABEL)))),
        Err(ClusterError::UnknownKind { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn read(kind: &Kind, object: &Value) -> Option<(ObjectId, Seen)> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let id = ObjectId {
        group: kind.group.clone(),
        kind: kind.name.clone(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name")?,
    };
    let seen = Seen {
        uid: text("/metadata/uid").unwrap_or_default(),
        resource_version: text("/metadata/resourceVersion").unwrap_or_default(),
        // An item of a list does not name its kind.
        health: status::of_kind(&kind.group, &kind.name, object),
        dated: status::is_dated(&kind.group, &kind.name, object),
    };
    Some((id, seen))
}
