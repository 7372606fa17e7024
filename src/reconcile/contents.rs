//! Asks the cluster what goes with a Namespace or a CRD that a plan deletes or replaces.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::apply::Side;
use crate::cluster::{Cluster, Resource};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::contents::{Contents, Found, Viewer, has_contents, is_namespace};
use crate::plan::{Change, is_going};

/// So many of a plan are looked into. What holds others is rarely deleted, and hardly ever many at once.
const LOOKED_INTO: usize = 8;
/// So many kinds are listed for one of them, at most.
const KINDS: usize = 400;
/// Nobody misses what follows from other objects, where it may not be listed.
const MADE_BY_CONTROLLERS: [&str; 4] = ["ControllerRevision", "CSIStorageCapacity", "EndpointSlice", "Endpoints"];
/// A server that answers for others may hang; a plan doesn't wait for that.
const TIME: Duration = Duration::from_secs(20);

impl Side<'_> {
    /// Finds out what goes with what a plan removes. What can't be found out is told as unknown, and fails nothing.
    pub(super) async fn look_into(&self, changes: &mut [Change]) {
        let wanted: HashSet<ObjectId> = self.wanted().map(|wanted| wanted.key.id()).collect();
        let removed = |change: &&mut Change| {
            !change.is_rejected() && !is_going(change) && change.removes().is_some_and(has_contents)
        };
        for change in changes.iter_mut().filter(removed).take(LOOKED_INTO) {
            let Some(holder) = change.removes().cloned() else { continue };
            change.contents = Some(Box::new(self.contents(&holder, &wanted).await));
        }
    }

    async fn contents(&self, holder: &ObjectKey, wanted: &HashSet<ObjectId>) -> Contents {
        let Listed { found, unseen, unlisted } = list(self.cluster, holder).await;
        let repo = &self.input.app.id.repo;
        let viewer = Viewer {
            marks: self.input.marks,
            uid: &|id| self.owned.get(id)?.uid.clone(),
            wanted,
            may_name: &|id| self.input.reveals || self.input.allow.object(repo, id).is_ok(),
        };
        Contents::of(&found, &viewer, unseen, unlisted)
    }
}

#[derive(Default)]
struct Listed {
    found: Vec<Found>,
    unseen: u64,
    unlisted: Vec<String>,
}

/// The first page of each kind that is served in a namespace, or of the CRD's kind.
async fn list(cluster: &Cluster, holder: &ObjectKey) -> Listed {
    let mut listed = Listed::default();
    let Ok(discovery) = cluster.discovery().await else {
        listed.unlisted.push("all".to_owned());
        return listed;
    };
    let mut kinds: Vec<&Resource> = Vec::new();
    if is_namespace(holder) {
        kinds.extend(discovery.removable().filter(|resource| resource.namespaced && resource.kind != "Event"));
        // A group whose server is away has something in the namespace, or not.
        listed.unlisted.extend(discovery.stale().iter().map(|stale| format!("all of {stale}")));
    } else if let Some((plural, group)) = holder.name.split_once('.') {
        kinds.extend(discovery.by_plural(group, plural));
    }
    listed.unlisted.extend(kinds.iter().skip(KINDS).map(|resource| resource.kind.clone()));
    kinds.truncate(KINDS);
    let namespace = is_namespace(holder).then_some(holder.name.as_str());
    let deadline = Instant::now() + TIME;
    let each: Vec<_> = kinds
        .into_iter()
        .map(async |resource| (resource, timeout_at(deadline, cluster.list_some(resource, namespace)).await))
        .collect();
    let mut each = futures::stream::iter(each).buffer_unordered(cluster.concurrency().max(1));
    while let Some((resource, answer)) = each.next().await {
        let Ok(Ok((metas, more))) = answer else {
            if !MADE_BY_CONTROLLERS.contains(&resource.kind.as_str()) {
                listed.unlisted.push(resource.kind.clone());
            }
            continue;
        };
        listed.unseen += more;
        listed.found.extend(metas.into_iter().map(|meta| {
            let (group, kind) = (resource.group.clone(), resource.kind.clone());
            let id = ObjectId { group, kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
            Found { id, object: meta.as_object() }
        }));
    }
    listed
}
