//! Objects that an app has in the cluster and that are not in the folder. A sync deletes them if the folder is the
//! whole app. That is unknown here, so they are shown apart from the changes.

use futures::StreamExt as _;

use crate::cluster::{Cluster, Resource};
use crate::manifest::ObjectId;
use crate::plan::marks::OWNER_ANNOTATION;
use crate::plan::{Marked, Marks, Plan};

/// How many kinds are listed at once, and how many objects are named.
const AT_ONCE: usize = 8;
const NAMED: usize = 20;

/// What was found, and how many kinds could not be listed.
pub(super) struct Lacking {
    pub found: Vec<ObjectId>,
    pub unlisted: usize,
}

pub(super) async fn look(cluster: &Cluster, owner: &Marks, plan: &Plan) -> Lacking {
    let (mut found, unlisted) = match cluster.discovery().await {
        Ok(discovery) => {
            let kinds: Vec<&Resource> = discovery.listable().filter(|resource| resource.kind != "Event").collect();
            owned(cluster, owner, kinds).await
        }
        Err(_) => (Vec::new(), 1),
    };
    found.retain(|id| !plan.changes.iter().any(|change| change.key.id() == *id));
    found.sort();
    Lacking { found, unlisted }
}

impl Lacking {
    /// Always has a text: showing no deletion must not suggest that a sync makes none.
    pub fn text(&self, owner: &Marks) -> String {
        let (app, found) = (owner.app(), &self.found);
        let partly = if self.unlisted > 0 { " (some kinds could not be listed)" } else { "" };
        if found.is_empty() {
            return format!("Nothing else in the cluster carries the label of app {app}{partly}.");
        }
        let mut lines = vec![format!(
            "These objects in the cluster carry the label of app {app} and are not in this folder{partly}. If this \
             folder is the whole app, a sync deletes them:"
        )];
        lines.extend(found.iter().take(NAMED).map(|id| format!("  {id}")));
        if found.len() > NAMED {
            lines.push(format!("  and {} more", found.len() - NAMED));
        }
        lines.join("\n")
    }
}

/// The objects that bear the marks, and how many kinds could not be listed.
async fn owned(cluster: &Cluster, owner: &Marks, kinds: Vec<&Resource>) -> (Vec<ObjectId>, usize) {
    let selector = owner.selector();
    let lists: Vec<_> = kinds
        .into_iter()
        .map(async |resource| (resource, cluster.list_metadata(resource, Some(&selector)).await))
        .collect();
    let mut lists = futures::stream::iter(lists).buffer_unordered(AT_ONCE);
    let (mut found, mut unlisted) = (Vec::new(), 0);
    while let Some((resource, list)) = lists.next().await {
        let Ok(list) = list else {
            unlisted += 1;
            continue;
        };
        for meta in list.items {
            let (group, kind) = (resource.group.clone(), resource.kind.clone());
            let id = ObjectId { group, kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
            let mark = meta.annotations.get(OWNER_ANNOTATION).map(String::as_str);
            let is_controlled = meta.owner_references.iter().any(|owner| owner.controller);
            if owner.read_annotation(mark, &id) == Marked::Ours && !is_controlled {
                found.push(id);
            }
        }
    }
    (found, unlisted)
}
