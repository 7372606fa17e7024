//! The state of each cluster at the last check of its apps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::ClusterName;
use crate::render::ClusterFacts;

/// What each cluster was when its apps were last looked through. The renderer is the same for the life of a process.
#[derive(Default)]
pub struct LookedThrough(Mutex<BTreeMap<ClusterName, Arc<ClusterFacts>>>);

impl LookedThrough {
    pub fn is_known(&self, cluster: &ClusterName, facts: &ClusterFacts) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).is_some_and(|known| **known == *facts)
    }

    /// What the cluster was then.
    pub fn before(&self, cluster: &ClusterName) -> Option<Arc<ClusterFacts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).cloned()
    }

    pub fn keep(&self, cluster: &ClusterName, facts: Arc<ClusterFacts>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(cluster.clone(), facts);
    }
}
