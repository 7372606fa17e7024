//! The result of the last poll of each repo.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::{Oid, RepoName};

/// What the last look at each repo has seen. Only a hint: after a start everything is asked once.
#[derive(Default)]
pub struct Looked(Mutex<BTreeMap<RepoName, Last>>);

#[derive(Default)]
struct Last {
    refs: BTreeMap<String, Oid>,
    /// The highest number of a pull request.
    highest: Option<u64>,
}

impl Looked {
    pub fn differs(&self, repo: &RepoName, refs: &BTreeMap<String, Oid>) -> bool {
        self.lock().get(repo).is_none_or(|last| last.refs != *refs)
    }

    pub fn keep(&self, repo: &RepoName, refs: BTreeMap<String, Oid>) {
        self.lock().entry(repo.clone()).or_default().refs = refs;
    }

    /// What was known before. Numbers are given once and grow, so that what is higher is younger than the last look.
    pub fn raise(&self, repo: &RepoName, to: u64) -> Option<u64> {
        let mut all = self.lock();
        let last = all.entry(repo.clone()).or_default();
        let before = last.highest;
        last.highest = Some(before.unwrap_or_default().max(to));
        before
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RepoName, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
