//! An object that was deleted to be made again, and is not taken: what was there is put back.

use std::time::Duration;

use serde_json::{Value, json};

use super::input::SyncDeps;
use super::record::applied;
use super::steps::Work;

use crate::cluster::{ApplyError, Cluster, ClusterError};
use crate::ids::Oid;
use crate::manifest::ObjectKey;
use crate::plan::as_it_was;
use crate::store::inventory::AppliedObject;

/// How often the fields of what was put back are given to those who held them.
const TRIES: usize = 4;
/// A quota counts an object for a moment after it was deleted.
const COUNTED_FOR: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What became of the object that was deleted.
pub(super) enum Back {
    /// It is there as it was, under another uid; with what the inventory had of it, if anything.
    There(Option<Box<Restored>>),
    /// The server does not take it either.
    Gone(ApplyError),
}

pub(super) struct Restored {
    pub object: AppliedObject,
    pub revision: Oid,
}

impl Back {
    /// What a person is told beside the error.
    pub(super) fn said(&self) -> String {
        match self {
            Self::There(_) => {
                "It had been deleted to be created again; the old object was put back as it was".to_owned()
            }
            Self::Gone(error) => {
                format!(
                    "It had been deleted to be created again, and the old object could not be put back ({error}): it \
                     is missing in the cluster"
                )
            }
        }
    }
}

/// Does it again for a moment where a quota still counts what was deleted.
pub(super) async fn made_again<T, F>(was_deleted: bool, make: impl Fn() -> F) -> Result<T, ApplyError>
where
    F: Future<Output = Result<T, ApplyError>>,
{
    let deadline = tokio::time::Instant::now() + COUNTED_FOR;
    loop {
        match make().await {
            Err(error) if was_deleted && is_counted(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            answer => return answer,
        }
    }
}

fn is_counted(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Forbidden { message } if message.contains("\" is forbidden: exceeded quota: "))
}

/// Makes the object again as it was, with its fields in the hands of those who held them.
pub(super) async fn put_back(deps: &SyncDeps, work: &Work<'_>, old: &Value) -> Back {
    let (cluster, key) = (&deps.cluster, &work.change.key);
    let new = as_it_was(old);
    let made = match made_again(true, || cluster.create(key, &new)).await {
        Ok(made) => made,
        Err(error) => return Back::Gone(error),
    };
    let made = give_back(cluster, key, made, &old["metadata"]["managedFields"]).await;
    let row = work.row.and_then(|row| Some((row.manifest_hash.clone()?, row.applied_revision.clone()?)));
    Back::There(row.and_then(|(hash, revision)| {
        Some(Box::new(Restored { object: applied(deps, key, &hash, &made).ok()?, revision }))
    }))
}

/// Without it all fields would be ours for good. It is no reason to fail where that cannot be done: the object is
/// there.
async fn give_back(cluster: &Cluster, key: &ObjectKey, mut made: Value, managers: &Value) -> Value {
    for _ in 0..TRIES {
        let version = &made["metadata"]["resourceVersion"];
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/metadata/managedFields", "value": managers},
        ]);
        match cluster.patch_json(key, &patch, false).await {
            Ok(object) => return object,
            Err(ClusterError::Conflict { .. }) => match cluster.get(key).await {
                Ok(Some(object)) => made = object,
                Ok(None) | Err(_) => break,
            },
            Err(_) => break,
        }
    }
    made
}
