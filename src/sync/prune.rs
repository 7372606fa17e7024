//! Deletes what an app no longer wants, once all that it wants is healthy.

use futures::StreamExt;
use serde_json::Value;

use super::error::SyncError;
use super::input::SyncDeps;
use super::permit::{Permits, Writing};
use super::steps::{Part, compare_prunes, part};
use crate::app::{App, Authority, Verb};
use crate::cluster::{Cluster, ClusterError, Delete, Deleted, Propagation};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{Marked, Marks, TakeOver};
use crate::plan::{asks_to_stay, controller, other_tool};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::waits::WaitObject;

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;

/// What a prune did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Gone, or being deleted. What an earlier prune has begun to delete is not told again.
    pub deleted: Vec<ObjectKey>,
    /// Left in the cluster, with the reason; they are no longer in the inventory.
    pub kept: Vec<(ObjectKey, String)>,
    /// Those of the deleted that finalizers or a grace period still keep.
    pub waits: Vec<WaitObject>,
}

/// Deletes the objects that the inventory has and the app no longer wants: with the last apply, which a gate has allowed, they were marked
/// so. Only what bears our mark, by the uid that we wrote, and belongs to no controller and no other tool; in the reverse of the order of an
/// apply. What `authority` does not grant any more stays, and is an error.
pub async fn prune(
    deps: &SyncDeps,
    app: &App,
    marks: &Marks,
    authority: &dyn Authority,
    permits: Permits<'_>,
) -> Result<Pruned, SyncError> {
    let rows = deps.store.inventory_of(deps.cluster.name(), &app.id).await?;
    let mut rows: Vec<_> = rows.into_iter().filter(|row| matches!(row.state, ObjectState::Pruning | ObjectState::Deleting)).collect();
    rows.sort_by(|a, b| compare_prunes(&a.key, &b.key));
    let mut pruned = Pruned::default();
    for part_of in [Part::Last, Part::Rest, Part::Ground, Part::First] {
        let members: Vec<&ObjectRow> = rows.iter().filter(|row| part(&row.key) == part_of).collect();
        if members.is_empty() {
            continue;
        }
        let writing = &permits.begin()?;
        // What another app has claimed since is its object, also before its mark is on it.
        let ids: Vec<ObjectId> = members.iter().map(|row| row.key.id()).collect();
        let begun = deps.store.begin_deletes(deps.cluster.name(), &app.id, &ids).await?;
        let members = members.into_iter().filter(|row| begun.contains(&row.key.id()));
        let deletes = members.map(|row| async move { (row, delete(&deps.cluster, marks, authority, row, writing).await) });
        let results: Vec<_> =
            futures::stream::iter(deletes.collect::<Vec<_>>()).buffered(deps.cluster.concurrency().max(1)).collect().await;
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        let mut broken = None;
        for (row, result) in results {
            match result {
                Ok(end) => pruned.note(row, end, &mut gone),
                Err(error) => {
                    left.push(row.key.id());
                    broken = Some(error);
                }
            }
        }
        deps.store.undo_deletes(deps.cluster.name(), &app.id, &left).await?;
        deps.store.forget_objects(deps.cluster.name(), &app.id, &gone).await?;
        if let Some(error) = broken {
            return Err(error);
        }
    }
    Ok(pruned)
}

/// What became of one object.
enum End {
    Gone,
    Deleting { uid: String },
    Kept(String),
}

impl Pruned {
    fn note(&mut self, row: &ObjectRow, end: End, gone: &mut Vec<ObjectId>) {
        // One that was being deleted already was told by the prune that began with it.
        let is_new = row.state == ObjectState::Pruning;
        match end {
            End::Gone => {
                self.deleted.extend(is_new.then(|| row.key.clone()));
                gone.push(row.key.id());
            }
            End::Deleting { uid } => {
                self.deleted.extend(is_new.then(|| row.key.clone()));
                self.waits.push(WaitObject { key: row.key.clone(), uid: Some(uid), resource_version: None });
            }
            End::Kept(reason) => {
                self.kept.push((row.key.clone(), reason));
                gone.push(row.key.id());
            }
        }
    }
}

async fn delete(cluster: &Cluster, marks: &Marks, authority: &dyn Authority, row: &ObjectRow, _permit: &Writing) -> Result<End, SyncError> {
    let mut last = None;
    for _ in 0..TRIES {
        authority.ask(Verb::Delete, &row.key.id())?;
        let Some((key, live)) = read(cluster, row).await? else { return Ok(End::Gone) };
        let delete = match may_delete(&live, &row.key.id(), row.uid.as_deref(), marks) {
            Ok(delete) => Delete { propagation: cluster.propagation(), ..delete },
            Err(reason) => return Ok(End::Kept(reason)),
        };
        // One that is being deleted already needs only to be waited for.
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(End::Deleting { uid: delete.uid });
        }
        match cluster.delete(&key, &delete).await {
            Ok(Deleted::Gone | Deleted::NotFound) => return Ok(End::Gone),
            Ok(Deleted::Accepted) => return Ok(End::Deleting { uid: delete.uid }),
            Err(error @ ClusterError::Conflict { .. }) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    let message = format!("{} changes faster than it can be deleted", row.key);
    Err(last.unwrap_or(ClusterError::Conflict { cluster: cluster.name().clone(), message }).into())
}

/// The live object, in a version that the cluster still serves. None where it is gone, alone or with its kind.
async fn read(cluster: &Cluster, row: &ObjectRow) -> Result<Option<(ObjectKey, Value)>, ClusterError> {
    let key = match cluster.locate(&row.key.id()).await {
        Ok(key) => key,
        Err(ClusterError::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(cluster.get(&key).await?.map(|live| (key, live)))
}

/// Whether an object may be deleted, and the delete that meets no other object; else why it is kept. Pure.
fn may_delete(live: &Value, id: &ObjectId, uid: Option<&str>, marks: &Marks) -> Result<Delete, String> {
    match marks.read(live, id) {
        Marked::Ours => {}
        Marked::Other { instance, app } => return Err(format!("it bears the mark of app {app} of the Driftless instance {instance}")),
        Marked::No => return Err("it does not bear our mark any more".to_owned()),
    }
    if let Some(owner) = controller(live) {
        return Err(format!("its controller {owner} looks after it"));
    }
    if asks_to_stay(live) {
        return Err("its annotation `helm.sh/resource-policy: keep` says so".to_owned());
    }
    if let Some(TakeOver::OtherTool { tool, name }) = other_tool(live, id) {
        return Err(format!("it bears the mark of {tool} {name}"));
    }
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let live_uid = text("/metadata/uid");
    // A claim that was never recorded as applied has no uid yet: then the mark, which names the object, has to be enough.
    if live_uid.is_empty() || uid.is_some_and(|uid| uid != live_uid) {
        return Err("it is not the object that we applied, but a newer one of the same name".to_owned());
    }
    let version = text("/metadata/resourceVersion");
    Ok(Delete {
        uid: live_uid.to_owned(),
        resource_version: Some(version.to_owned()).filter(|version| !version.is_empty()),
        propagation: Propagation::Background,
        dry_run: false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{AppId, RepoName};

    fn id() -> ObjectId {
        ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: Some("shop".into()), name: "web".into() }
    }

    fn marks(app: &str) -> Marks {
        Marks::new("driftless", &AppId::new(&RepoName::new("shop"), app))
    }

    fn live() -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"}});
        marks("web").put(&mut object, &id());
        object
    }

    fn kept(object: &Value) -> String {
        may_delete(object, &id(), Some("u"), &marks("web")).err().unwrap_or_default()
    }

    #[test]
    fn ours_is_deleted_by_uid_and_version() {
        let delete = may_delete(&live(), &id(), Some("u"), &marks("web")).expect("allowed");
        assert_eq!(
            (delete.uid.as_str(), delete.resource_version.as_deref(), delete.propagation),
            ("u", Some("7"), Propagation::Background)
        );
        may_delete(&live(), &id(), None, &marks("web")).expect("the mark is enough where the uid was not recorded");
    }

    #[test]
    fn what_is_not_clearly_ours_is_kept() {
        let mut copied = live();
        copied["metadata"]["annotations"] = json!({});
        assert_eq!(kept(&copied), "it does not bear our mark any more");
        assert_eq!(
            may_delete(&live(), &id(), Some("u"), &marks("api")).err().as_deref(),
            Some("it bears the mark of app shop/web of the Driftless instance driftless")
        );
        let mut controlled = live();
        controlled["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": "r", "controller": true}]);
        assert_eq!(kept(&controlled), "its controller ReplicaSet/r looks after it");
        let mut argo = live();
        argo["metadata"]["labels"]["argocd.argoproj.io/instance"] = json!("store");
        assert_eq!(kept(&argo), "it bears the mark of Argo CD store");
        let mut keep = live();
        keep["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
        assert_eq!(kept(&keep), "its annotation `helm.sh/resource-policy: keep` says so");
        let mut newer = live();
        newer["metadata"]["uid"] = json!("other");
        assert_eq!(kept(&newer), "it is not the object that we applied, but a newer one of the same name");
    }
}
