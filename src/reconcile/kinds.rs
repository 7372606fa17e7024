//! How a cluster serves the kinds of some manifests.

use std::collections::{HashMap, HashSet};

use super::input::ReconcileError;
use crate::cluster::{Cluster, ClusterError, Resource};
use crate::manifest::{Manifest, ObjectKey};
use crate::plan::{Scope, Served};

/// A group, a version of it, and a kind.
type Place = (String, String, String);

/// How the cluster serves the kinds of some manifests.
pub(super) struct Kinds {
    served: HashMap<Place, Served>,
    /// The scopes of those that are served in another version than is asked for.
    elsewhere: HashMap<(String, String), Scope>,
    /// What the server says of how it stores them, of those that may be one kind under two groups.
    stored: HashMap<Place, String>,
}

impl Kinds {
    /// Looks up each kind once. For one that is not known the cluster is asked again what it serves, once in all: its
    /// CRD may be a second old.
    pub(super) async fn of(
        cluster: &Cluster,
        manifests: impl Iterator<Item = &Manifest>,
    ) -> Result<Self, ReconcileError> {
        let mut known = Known { cluster, is_fresh: false };
        let (mut kinds, mut elsewhere) = (HashMap::new(), HashMap::new());
        let mut seen = HashSet::new();
        let keys: Vec<&ObjectKey> = manifests.map(|manifest| &manifest.key).collect();
        let alike = called_the_same(keys.iter().copied());
        for key in keys {
            if !seen.insert(place(key)) {
                continue;
            }
            match known.resource(key).await {
                Ok(found) => drop(kinds.insert(place(key), Served { scope: scope(&found), status: found.status })),
                Err(ClusterError::UnknownKind { .. }) => {
                    let discovery = cluster.discovery().await?;
                    if let Some(found) = discovery.preferred(&key.group, &key.kind) {
                        elsewhere.insert((key.group.clone(), key.kind.clone()), scope(found));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut stored = HashMap::new();
        for key in alike {
            if kinds.contains_key(&place(key)) && !stored.contains_key(&place(key)) {
                stored.extend(cluster.stored_as(key).await?.map(|stored| (place(key), stored)));
            }
        }
        Ok(Self { served: kinds, elsewhere, stored })
    }

    /// The scope of a kind that is served in any version.
    pub(super) fn scope(&self, key: &ObjectKey) -> Option<Scope> {
        let elsewhere = || self.elsewhere.get(&(key.group.clone(), key.kind.clone())).copied();
        self.served(key).map(|served| served.scope).or_else(elsewhere)
    }

    pub(super) fn served(&self, key: &ObjectKey) -> Option<Served> {
        self.served.get(&place(key)).copied()
    }

    /// Whether two kinds of different groups are one, so that two objects of one name are one object.
    pub(super) fn is_one(&self, one: &ObjectKey, other: &ObjectKey) -> bool {
        let stored = self.stored.get(&place(one));
        stored.is_some() && stored == self.stored.get(&place(other))
    }
}

/// What a cluster serves, and whether it was asked for these manifests.
struct Known<'a> {
    cluster: &'a Cluster,
    is_fresh: bool,
}

impl Known<'_> {
    async fn resource(&mut self, key: &ObjectKey) -> Result<Resource, ClusterError> {
        match self.cluster.resource(key).await {
            Err(ClusterError::UnknownKind { .. }) if !self.is_fresh => {
                self.is_fresh = true;
                self.cluster.refresh_discovery().await?;
                self.cluster.resource(key).await
            }
            found => found,
        }
    }
}

fn scope(found: &Resource) -> Scope {
    if found.namespaced { Scope::Namespaced } else { Scope::Cluster }
}

fn place(key: &ObjectKey) -> Place {
    (key.group.clone(), key.version.clone(), key.kind.clone())
}

/// What is called the same under several groups: mostly kinds that have nothing to do with each other.
fn called_the_same<'a>(keys: impl Iterator<Item = &'a ObjectKey>) -> Vec<&'a ObjectKey> {
    let mut by_name: HashMap<(&str, &str), Vec<&ObjectKey>> = HashMap::new();
    for key in keys {
        by_name.entry((&key.kind, &key.name)).or_default().push(key);
    }
    let several = |keys: &Vec<&ObjectKey>| keys.iter().any(|key| key.group != keys[0].group);
    by_name.into_values().filter(several).flatten().collect()
}
