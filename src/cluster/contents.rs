//! Lists the objects in a Namespace or of a CRD's kind, which its deletion would also delete.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::connect::Cluster;
use super::discovery::{Discovery, Resource};
use super::error::ClusterError;
use super::metadata::PartialMeta;
use crate::class::{Class, Classified as _};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::contents::{Found, has_contents, is_namespace};
use crate::plan::has_keep_policy;

/// So many kinds are listed for one object, at most.
const KINDS: usize = 400;
/// Nobody misses what follows from other objects, where it may not be listed.
const MADE_BY_CONTROLLERS: [&str; 4] = ["ControllerRevision", "CSIStorageCapacity", "EndpointSlice", "Endpoints"];
/// A server that answers for others may hang; a plan doesn't wait for that.
const TIME: Duration = Duration::from_secs(20);

#[derive(Default)]
pub struct Listed {
    pub found: Vec<Found>,
    /// How many more there are.
    pub unseen: u64,
    /// The kinds of which nothing is known.
    pub unlisted: Vec<String>,
}

impl Cluster {
    /// The first page of each kind that is served in a namespace, or of the CRD's kind.
    pub async fn contents(&self, holder: &ObjectKey) -> Listed {
        let mut listed = Listed::default();
        let Ok(discovery) = self.discovery().await else {
            listed.unlisted.push("all".to_owned());
            return listed;
        };
        if is_namespace(holder) {
            // A group whose server is away has something in the namespace, or not.
            listed.unlisted.extend(discovery.stale().iter().map(|stale| format!("all of {stale}")));
        }
        let mut kinds = kinds(&discovery, holder);
        listed.unlisted.extend(kinds.iter().skip(KINDS).map(|resource| resource.kind.clone()));
        kinds.truncate(KINDS);
        let namespace = is_namespace(holder).then_some(holder.name.as_str());
        let deadline = Instant::now() + TIME;
        let each: Vec<_> = kinds
            .into_iter()
            .map(async |resource| (resource, timeout_at(deadline, self.list_some(resource, namespace)).await))
            .collect();
        let mut each = futures::stream::iter(each).buffer_unordered(self.concurrency().max(1));
        while let Some((resource, answer)) = each.next().await {
            let Ok(Ok((metas, more))) = answer else {
                if !MADE_BY_CONTROLLERS.contains(&resource.kind.as_str()) {
                    listed.unlisted.push(resource.kind.clone());
                }
                continue;
            };
            listed.unseen += more;
            listed.found.extend(metas.into_iter().map(|meta| found(resource, &meta)));
        }
        listed
    }

    /// An object that would go with a Namespace or a CRD and asks to stay, with the mark by which it does. All pages
    /// are read: what is not seen is deleted. A kind that may not be listed is passed over, as nobody can look there.
    pub async fn stays_in(&self, holder: &ObjectKey) -> Result<Option<(ObjectId, &'static str)>, ClusterError> {
        if !has_contents(holder) {
            return Ok(None);
        }
        let discovery = self.discovery().await?;
        let namespace = is_namespace(holder).then_some(holder.name.as_str());
        let each: Vec<_> = kinds(&discovery, holder)
            .into_iter()
            .map(async |resource| (resource, self.list_metadata_in(resource, namespace, None).await))
            .collect();
        let mut each = futures::stream::iter(each).buffer_unordered(self.concurrency().max(1));
        while let Some((resource, answer)) = each.next().await {
            match answer {
                Ok(list) => {
                    let stays = |meta: &PartialMeta| {
                        let found = found(resource, meta);
                        has_keep_policy(&found.object).map(|mark| (found.id, mark))
                    };
                    if let Some(stays) = list.items.iter().find_map(stays) {
                        return Ok(Some(stays));
                    }
                }
                Err(error) if error.class() == Class::Fail => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn kinds<'a>(discovery: &'a Discovery, holder: &ObjectKey) -> Vec<&'a Resource> {
    if is_namespace(holder) {
        return discovery.removable().filter(|resource| resource.namespaced && resource.kind != "Event").collect();
    }
    let crd = holder.name.split_once('.');
    crd.into_iter().filter_map(|(plural, group)| discovery.by_plural(group, plural)).collect()
}

fn found(resource: &Resource, meta: &PartialMeta) -> Found {
    let (group, kind) = (resource.group.clone(), resource.kind.clone());
    let id = ObjectId { group, kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
    Found { id, object: meta.as_object() }
}
