//! The runs of this process, and until when each can be cancelled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Key;
use crate::class::{Class, Classified};

/// One run, shared by the worker that waits for it and the queue that may cancel it.
#[derive(Debug)]
pub(super) struct Run {
    token: CancellationToken,
    state: Mutex<RunState>,
}

#[derive(Debug, Default)]
struct RunState {
    /// The commit it works on, once known.
    sha: Option<String>,
    writing: usize,
    superseded: bool,
}

/// All runs of this process, by key.
#[derive(Debug, Default, Clone)]
pub(super) struct Runs(Arc<Mutex<HashMap<Key, Arc<Run>>>>);

impl Runs {
    pub(super) fn begin(&self, key: &Key, hint: Option<String>, token: CancellationToken) -> Arc<Run> {
        let run = Arc::new(Run { token, state: Mutex::new(RunState { sha: hint, ..RunState::default() }) });
        lock(&self.0).insert(key.clone(), run.clone());
        run
    }

    /// Forgets a run that has ended. The next one of its key may have begun already, and stays known.
    pub(super) fn end(&self, key: &Key, run: &Arc<Run>) {
        let mut runs = lock(&self.0);
        if runs.get(key).is_some_and(|known| Arc::ptr_eq(known, run)) {
            runs.remove(key);
        }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        lock(&self.0).contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// A newer event names `sha`: a run of the key for another commit is cancelled.
    pub(super) fn supersede(&self, key: &Key, sha: &str) {
        let run = lock(&self.0).get(key).cloned();
        if let Some(run) = run {
            run.supersede(sha);
        }
    }

    /// The run lost its lease: another process may have begun the same.
    pub(super) fn cancel(&self, key: &Key) {
        if let Some(run) = lock(&self.0).get(key) {
            run.token.cancel();
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        lock(&self.0).keys().cloned().collect()
    }
}

impl Run {
    /// The commit it works on, or was asked for.
    pub(super) fn sha(&self) -> Option<String> {
        lock(&self.state).sha.clone()
    }

    fn supersede(&self, sha: &str) {
        let mut state = lock(&self.state);
        if state.sha.as_deref().is_none_or(|current| current == sha) {
            return;
        }
        state.superseded = true;
        if state.writing == 0 {
            self.token.cancel();
        }
    }
}

/// The context of a run, beside its job.
#[derive(Debug, Clone)]
pub struct RunningJob {
    pub cancel: CancellationToken,
    run: Arc<Run>,
}

/// The run was cancelled before it could begin to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled before the first write, because it is superseded or the server is stopping")]
pub struct Superseded;

impl Classified for Superseded {
    fn class(&self) -> Class {
        Class::Cancelled
    }
}

/// While this exists, a newer event does not cancel the run; once this is dropped, it does.
#[derive(Debug)]
#[must_use = "the run can be cancelled as soon as this is dropped"]
pub struct Writing(Arc<Run>);

impl RunningJob {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { cancel: run.token.clone(), run }
    }

    /// Sets the commit of the run, once its ref is resolved: an event for the same commit does not cancel it.
    pub fn works_on(&self, sha: impl Into<String>) {
        lock(&self.run.state).sha = Some(sha.into());
    }

    /// The point of no return: what is begun now is finished. Refused if the run has been cancelled already.
    pub fn begin_writes(&self) -> Result<Writing, Superseded> {
        let mut state = lock(&self.run.state);
        if state.superseded || self.cancel.is_cancelled() {
            return Err(Superseded);
        }
        state.writing += 1;
        Ok(Writing(self.run.clone()))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.writing -= 1;
        if state.writing == 0 && state.superseded {
            self.0.token.cancel();
        }
    }
}

/// A panic elsewhere leaves nothing half done under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoName;

    fn begin(hint: Option<&str>) -> (Runs, Key, RunningJob) {
        let runs = Runs::default();
        let key = Key::Preview { repo: RepoName::new("shop"), number: 7 };
        let run = runs.begin(&key, hint.map(str::to_owned), CancellationToken::new());
        (runs, key, RunningJob::new(run))
    }

    #[test]
    fn another_commit_cancels_and_the_same_does_not() {
        let (runs, key, context) = begin(Some("a"));
        runs.supersede(&key, "a");
        assert!(!context.cancel.is_cancelled());
        context.works_on("b");
        runs.supersede(&key, "b");
        assert!(!context.cancel.is_cancelled());
        runs.supersede(&key, "c");
        assert!(context.cancel.is_cancelled());
        assert_eq!(context.begin_writes().err(), Some(Superseded));
    }

    #[test]
    fn a_run_that_has_not_looked_yet_will_see_the_newest() {
        let (runs, key, context) = begin(None);
        runs.supersede(&key, "a");
        assert!(!context.cancel.is_cancelled());
    }

    #[test]
    fn the_end_of_a_run_does_not_take_the_next_one_of_its_key_along() {
        let (runs, key, first) = begin(Some("a"));
        let second = runs.begin(&key, Some("b".to_owned()), CancellationToken::new());
        runs.end(&key, &first.run);
        assert!(runs.contains(&key), "an unknown run would be taken for lost, and begun twice");
        runs.end(&key, &second);
        assert!(!runs.contains(&key));
    }

    #[test]
    fn a_write_that_began_is_finished_first() {
        let (runs, key, context) = begin(Some("a"));
        let writing = context.begin_writes().expect("not superseded");
        runs.supersede(&key, "b");
        assert!(!context.cancel.is_cancelled());
        assert_eq!(context.begin_writes().err(), Some(Superseded), "the next stage is not begun");
        drop(writing);
        assert!(context.cancel.is_cancelled());
    }
}
