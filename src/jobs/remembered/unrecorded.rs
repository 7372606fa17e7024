//! The unrecorded objects that the last checks of each cluster found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::class::{Class, Classified};
use crate::ids::{AppId, ClusterName};
use crate::sync::unrecorded::{Kind, Refused, Unrecorded};

/// So many are remembered of one cluster; whoever needs to know of the others looks again.
const REMEMBERED: usize = 20_000;

/// How long a look waits for the same look that another one makes.
const WAIT: Duration = Duration::from_mins(2);

/// Another look at the same cluster has not ended.
#[derive(Debug, thiserror::Error)]
#[error(
    "the app's first sync did not begin within {} s, because another first sync is still looking for objects of \
     Driftless on cluster {cluster}. Driftless retries",
    WAIT.as_secs()
)]
pub struct Busy {
    cluster: ClusterName,
}

impl Classified for Busy {
    fn class(&self) -> Class {
        Class::RETRY
    }
}

/// What the last looks at each cluster found.
#[derive(Default)]
pub struct UnrecordedCache {
    clusters: Mutex<BTreeMap<ClusterName, Known>>,
    /// Held while every kind of a cluster is looked at, so that many who need it look once. One for each cluster: one
    /// that hangs holds up nothing but what is for it.
    turns: Mutex<BTreeMap<ClusterName, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct Known {
    /// When every kind was looked at.
    looked: Option<Instant>,
    apps: BTreeMap<AppId, Vec<Unrecorded>>,
    /// More was found than is remembered.
    overflown: bool,
    refused: Arc<Refused>,
}

impl UnrecordedCache {
    pub fn of(&self, cluster: &ClusterName, app: &AppId) -> Vec<Unrecorded> {
        self.lock().get(cluster).and_then(|known| known.apps.get(app).cloned()).unwrap_or_default()
    }

    pub fn refused(&self, cluster: &ClusterName) -> Arc<Refused> {
        Arc::clone(&self.lock().entry(cluster.clone()).or_default().refused)
    }

    pub fn looked_within(&self, cluster: &ClusterName, age: Duration) -> bool {
        self.lock().get(cluster).and_then(|known| known.looked).is_some_and(|at| at.elapsed() < age)
    }

    pub fn has_all(&self, cluster: &ClusterName) -> bool {
        self.lock().get(cluster).is_some_and(|known| known.looked.is_some() && !known.overflown)
    }

    /// What is known of kinds that were not listed now.
    pub fn of_other_kinds(&self, cluster: &ClusterName, listed: &BTreeSet<Kind>) -> Vec<Unrecorded> {
        let is_other = |object: &&Unrecorded| !listed.contains(&(object.id.group.clone(), object.id.kind.clone()));
        let clusters = self.lock();
        clusters
            .get(cluster)
            .map(|known| known.apps.values().flatten().filter(is_other).cloned().collect())
            .unwrap_or_default()
    }

    /// What was found, in place of all that was known. `every_kind` was looked at, or only some.
    pub fn found(&self, cluster: &ClusterName, every_kind: bool, unrecorded: &[Unrecorded]) {
        let mut clusters = self.lock();
        let known = clusters.entry(cluster.clone()).or_default();
        if every_kind {
            known.looked = Some(Instant::now());
            known.overflown = false;
        }
        if unrecorded.len() > REMEMBERED {
            tracing::warn!(%cluster, objects = unrecorded.len(), "too many objects carry an app's label and are missing \
                                                               from the inventory; not all are remembered");
            known.overflown = true;
        }
        known.apps.clear();
        for object in unrecorded.iter().take(REMEMBERED) {
            known.apps.entry(object.app.clone()).or_default().push(object.clone());
        }
    }

    /// What was found of one app, in place of what was known of it.
    pub fn found_of(&self, cluster: &ClusterName, app: &AppId, unrecorded: Vec<Unrecorded>) {
        let mut clusters = self.lock();
        let apps = &mut clusters.entry(cluster.clone()).or_default().apps;
        if unrecorded.is_empty() {
            apps.remove(app);
        } else {
            apps.insert(app.clone(), unrecorded);
        }
    }

    /// Waits for whoever makes the same look, within a limit: the cluster may not answer it.
    pub async fn turn(&self, cluster: &ClusterName) -> Result<OwnedMutexGuard<()>, Busy> {
        let held = tokio::time::timeout(WAIT, self.lock_of(cluster).lock_owned()).await;
        held.map_err(|_| Busy { cluster: cluster.clone() })
    }

    fn lock_of(&self, cluster: &ClusterName) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(cluster.clone()).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Known>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C6: a look that hangs in one cluster holds up no other cluster's.
    #[tokio::test(start_paused = true)]
    async fn each_cluster_has_a_turn_of_its_own() {
        let unrecorded = UnrecordedCache::default();
        let (hanging, healthy) = (ClusterName::new("hanging"), ClusterName::new("healthy"));
        let _held = unrecorded.turn(&hanging).await.expect("nobody looks");
        assert!(unrecorded.turn(&healthy).await.is_ok());
        // A9+: who needs the same look waits for it, and not for ever.
        let busy = unrecorded.turn(&hanging).await.expect_err("it hangs");
        assert!(busy.class().is_retry());
        insta::assert_snapshot!(busy.to_string(), @"the app's first sync did not begin within 120 s, because another first sync is still looking for objects of Driftless on cluster hanging. Driftless retries");
    }
}
