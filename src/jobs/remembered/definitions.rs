//! The last definitions of each repo, so that a push reads only the changed ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::Memory;
use crate::ids::RepoName;

/// What was last read of each repo's definitions, so that a push that touches few of them reads few. Bounded by the
/// configured repos.
#[derive(Default)]
pub struct Definitions(Mutex<HashMap<RepoName, Last>>);

#[derive(Clone, Default)]
struct Last {
    memory: Arc<Memory>,
    /// The stored apps are what these files say, as of this count of changes to the stored apps.
    settled: Option<u64>,
}

impl Definitions {
    pub fn last(&self, repo: &RepoName) -> Arc<Memory> {
        self.lock().get(repo).map(|last| Arc::clone(&last.memory)).unwrap_or_default()
    }

    pub fn keep(&self, repo: &RepoName, memory: &Arc<Memory>) {
        let mut all = self.lock();
        let last = all.entry(repo.clone()).or_default();
        let settled = last.settled.filter(|_| last.memory.same_definitions(memory));
        *last = Last { memory: Arc::clone(memory), settled };
    }

    pub fn is_settled(&self, repo: &RepoName, memory: &Arc<Memory>, changes: u64) -> bool {
        self.lock().get(repo).is_some_and(|last| Arc::ptr_eq(&last.memory, memory) && last.settled == Some(changes))
    }

    /// Nothing is remembered where something else was read meanwhile.
    pub fn settle(&self, repo: &RepoName, memory: &Arc<Memory>, changes: u64) {
        if let Some(last) = self.lock().get_mut(repo).filter(|last| Arc::ptr_eq(&last.memory, memory)) {
            last.settled = Some(changes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RepoName, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
