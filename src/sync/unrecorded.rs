//! Unrecorded objects: they carry the marks of an app of this instance but are in no inventory, because the store was
//! lost or is older than they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;

use super::error::SyncError;
use crate::cluster::{Cluster, ClusterError, PartialMeta, Resource};
use crate::ids::AppId;
use crate::manifest::ObjectId;
use crate::plan::deletion::{Record, deletable};
use crate::plan::marks::{APP_LABEL, OWNER_ANNOTATION};
use crate::plan::{Marks, Owner};
use crate::store::Store;

/// How many kinds are listed at once.
const AT_ONCE: usize = 8;
/// How long a kind is left out that may not be listed: rights are given rarely.
const REFUSED_FOR: Duration = Duration::from_hours(6);

/// A group, empty for the core group, and a kind in it.
pub type Kind = (String, String);

/// An object of which only the marks tell that it is an app's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unrecorded {
    pub app: AppId,
    pub id: ObjectId,
    pub uid: String,
}

impl Unrecorded {
    /// None for what bears no mark of this instance, or a copied one; what a controller or another tool looks after;
    /// what asks to stay; and what is going anyway.
    pub fn of(instance: &str, kind: &Kind, meta: &PartialMeta) -> Option<Self> {
        let id = ObjectId {
            group: kind.0.clone(),
            kind: kind.1.clone(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        };
        let owner = Owner::parse(meta.annotations.get(OWNER_ANNOTATION)?)?;
        let app: AppId = owner.app.parse().ok()?;
        let is_marked = owner.instance == instance
            && owner.names(&id)
            && meta.labels.get(APP_LABEL).is_some_and(|label| label == Marks::new(instance, &app).label());
        let is_ours =
            deletable(&meta.as_object(), &id, &Marks::new(instance, &app), Record::Applied { uid: &meta.uid }).is_ok();
        (is_marked && is_ours && meta.deletion_timestamp.is_none()).then(|| Self { app, id, uid: meta.uid.clone() })
    }
}

/// Kinds that a cluster does not let us list, for a while.
#[derive(Debug, Default)]
pub struct Refused(Mutex<BTreeMap<Kind, Instant>>);

impl Refused {
    fn note(&self, kind: Kind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, Instant::now() + REFUSED_FOR);
    }

    fn has(&self, kind: &Kind) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).is_some_and(|until| Instant::now() < *until)
    }
}

/// Lists the metadata of what bears our label, kind by kind: every kind that an app can own, save `except` and those
/// that may not be listed. `selector` is [`APP_LABEL`] for all apps, or [`Marks::selector`] for one. A kind whose list
/// fails is left out with a warning, unless the cluster can not be reached at all.
pub async fn look(
    store: &Store,
    cluster: &Cluster,
    instance: &str,
    selector: &str,
    except: &BTreeSet<Kind>,
    refused: &Refused,
) -> Result<Vec<Unrecorded>, SyncError> {
    let owned = owned(store, cluster).await?;
    let discovery = cluster.discovery().await?;
    let asked = |resource: &&Resource| {
        let kind = kind(resource);
        resource.kind != "Event" && !except.contains(&kind) && !refused.has(&kind)
    };
    let lists = discovery
        .listable()
        .filter(asked)
        .map(|resource| async move { (kind(resource), cluster.list_metadata(resource, Some(selector)).await) });
    let mut lists = futures::stream::iter(lists.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    let mut found = Vec::new();
    while let Some((kind, list)) = lists.next().await {
        match list {
            Ok(list) => found.extend(list.items.iter().filter_map(|meta| Unrecorded::of(instance, &kind, meta))),
            Err(ClusterError::Forbidden { .. }) => refused.note(kind),
            Err(error @ (ClusterError::Unreachable { .. } | ClusterError::Unauthorized { .. })) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(cluster = %cluster.name(), group = kind.0, kind = kind.1, error = error.outline(), "objects of this kind \
                                                                                                  that carry \
                                                                                                  Driftless' labels \
                                                                                                  cannot be listed");
            }
        }
    }
    found.retain(|object| !owned.contains(&object.id));
    without_owner(store, cluster, found).await
}

/// Leaves out what has an owner in the store by now: an app claims an object before it writes it, so that what was
/// listed meanwhile is known to be owned afterwards.
pub async fn without_owner(
    store: &Store,
    cluster: &Cluster,
    mut found: Vec<Unrecorded>,
) -> Result<Vec<Unrecorded>, SyncError> {
    if !found.is_empty() {
        let owned = owned(store, cluster).await?;
        found.retain(|object| !owned.contains(&object.id));
        found.sort();
    }
    Ok(found)
}

async fn owned(store: &Store, cluster: &Cluster) -> Result<BTreeSet<ObjectId>, SyncError> {
    Ok(store.inventory_on(cluster.name()).await?.into_iter().map(|row| row.key.id()).collect())
}

fn kind(resource: &Resource) -> Kind {
    (resource.group.clone(), resource.kind.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::RepoName;

    fn kind_of(group: &str, kind: &str) -> Kind {
        (group.to_owned(), kind.to_owned())
    }

    fn service() -> Value {
        let id = ObjectId {
            group: String::new(),
            kind: "Service".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let mut object = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"}});
        Marks::new("driftless", &AppId::new(&RepoName::new("shop"), "web")).put(&mut object, &id);
        object
    }

    fn found(kind: &Kind, object: &Value) -> Option<String> {
        let meta = PartialMeta::of(object).expect("metadata");
        Unrecorded::of("driftless", kind, &meta).map(|object| format!("{} of {}", object.id, object.app))
    }

    #[test]
    fn a_mark_tells_of_the_object_that_it_names() {
        assert_eq!(found(&kind_of("", "Service"), &service()).as_deref(), Some("Service shop/web of shop/web"));
        assert_eq!(found(&kind_of("", "Endpoints"), &service()), None, "a controller copied it");
        let meta = PartialMeta::of(&service()).expect("metadata");
        assert_eq!(Unrecorded::of("staging", &kind_of("", "Service"), &meta), None, "another instance's");
    }

    #[test]
    fn what_others_look_after_is_left_alone() {
        let kind = kind_of("", "Service");
        for (at, value) in [
            ("/metadata/labels/driftless.dev~1app", json!("00000000000000000000000000000000")),
            ("/metadata/labels/argocd.argoproj.io~1instance", json!("store")),
            ("/metadata/annotations/helm.sh~1resource-policy", json!("keep")),
            ("/metadata/annotations/meta.helm.sh~1release-name", json!("r")),
            ("/metadata/ownerReferences", json!([{"kind": "Other", "name": "o", "controller": true}])),
            ("/metadata/deletionTimestamp", json!("2026-11-21T12:00:00Z")),
        ] {
            let mut object = service();
            let (parent, name) = at.rsplit_once('/').expect("a path");
            object.pointer_mut(parent).expect("its parent")[name.replace("~1", "/")] = value;
            assert_eq!(found(&kind, &object), None, "{at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_may_not_be_listed_is_tried_again_after_hours() {
        let (refused, kind) = (Refused::default(), kind_of("", "Node"));
        assert!(!refused.has(&kind));
        refused.note(kind.clone());
        assert!(refused.has(&kind));
        tokio::time::advance(REFUSED_FOR).await;
        assert!(!refused.has(&kind));
    }
}
