//! The only way to write the state and the report of a pull request: in a turn, and from rows that were read in it.
//!
//! Pushes, merges, previews and syncs all update one row, at the same time. Writing a row that was read before the turn
//! would revert an update in between; so a row that may be written is read from its [`Turn`], and cannot outlive it.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::pulls::{Pull, PullRow};
use super::{Store, StoreError};
use crate::ids::RepoName;

/// How long a turn is waited for. Each is a few statements.
const WAIT: Duration = Duration::from_mins(1);

/// While this lives, nobody else writes what is known of the pull requests of the repo. Compare, render and ask before
/// it: all wait.
#[must_use = "the turn is over when this is dropped"]
pub struct Turn {
    store: Store,
    repo: RepoName,
    _held: OwnedMutexGuard<()>,
}

/// A pull request as it is in this turn.
pub struct HeldPull<'t> {
    turn: &'t Turn,
    pull: Pull,
}

impl Store {
    /// Each repo has turns of its own.
    pub async fn turn(&self, repo: &RepoName) -> Result<Turn, StoreError> {
        let held = tokio::time::timeout(WAIT, self.turn_of(repo).lock_owned()).await;
        let held = held.map_err(|_| StoreError::Busy { repo: repo.clone(), seconds: WAIT.as_secs() })?;
        Ok(Turn { _held: held, repo: repo.clone(), store: self.clone() })
    }
}

impl Turn {
    pub async fn pull(&self, number: u64) -> Result<Option<HeldPull<'_>>, StoreError> {
        Ok(self.store.pull(&self.repo, number).await?.map(|pull| self.hold(pull)))
    }

    /// The same, or this one of the repo where none is known.
    pub async fn pull_or(&self, new: Pull) -> Result<HeldPull<'_>, StoreError> {
        let known = self.store.pull(&self.repo, new.number).await?;
        Ok(self.hold(known.unwrap_or(Pull { repo: self.repo.clone(), ..new })))
    }

    /// See [`Store::unfinished_pulls`].
    pub async fn unfinished_pulls(&self, after: i64) -> Result<Vec<HeldPull<'_>>, StoreError> {
        Ok(self.store.unfinished_pulls(&self.repo, after).await?.into_iter().map(|pull| self.hold(pull)).collect())
    }

    fn hold(&self, pull: Pull) -> HeldPull<'_> {
        HeldPull { turn: self, pull }
    }
}

impl HeldPull<'_> {
    /// It was told as merged, and is not: what was told of that goes.
    pub async fn forget_merge(&mut self) -> Result<(), StoreError> {
        self.turn.store.forget_outcome_events(&self.pull.repo, self.pull.number).await?;
        (self.pull.state, self.pull.merge_commit, self.pull.unfinished) = (PullRow::Open, None, false);
        Ok(())
    }

    /// Writes the whole row.
    pub async fn put(&self) -> Result<(), StoreError> {
        self.turn.store.put_pull(&self.pull).await
    }
}

impl Deref for HeldPull<'_> {
    type Target = Pull;

    fn deref(&self) -> &Pull {
        &self.pull
    }
}

impl DerefMut for HeldPull<'_> {
    fn deref_mut(&mut self) -> &mut Pull {
        &mut self.pull
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::class::Classified;
    use crate::clock::ManualClock;
    use crate::ids::Oid;

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    /// T20+: of two that change one pull request at once, the second changes what the first has written.
    #[tokio::test]
    async fn nobody_writes_what_was_read_before_the_turn() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store.db");
        let store = Store::open(&path, Arc::new(ManualClock::at_millis(1))).await.expect("opens");
        let repo = RepoName::new("shop");
        let first = store.turn(&repo).await.expect("a turn");
        let mut merged = first.pull_or(Pull::sample(&repo, 7, PullRow::Open)).await.expect("read");
        let second = tokio::spawn({
            let (store, repo) = (store.clone(), repo.clone());
            async move {
                let turn = store.turn(&repo).await.expect("a turn");
                let mut pull = turn.pull_or(Pull::sample(&repo, 7, PullRow::Open)).await.expect("read");
                pull.report = Some("{}".into());
                pull.put().await.expect("written");
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!second.is_finished(), "it is the first one's turn");
        (merged.state, merged.merge_commit) = (PullRow::Merged, Some(oid("b")));
        merged.put().await.expect("written");
        drop(first);
        second.await.expect("it ends");
        let known = store.pull(&repo, 7).await.expect("read").expect("a row");
        assert_eq!((known.state, known.report.as_deref()), (PullRow::Merged, Some("{}")));
    }

    /// A9+: a turn that does not end holds up nobody of another repo, and those of its own repo for a minute.
    #[tokio::test]
    async fn a_turn_holds_up_its_own_repo_alone_and_not_for_ever() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("store.db");
        let store = Store::open(&path, Arc::new(ManualClock::at_millis(1))).await.expect("opens");
        let (shop, bank) = (RepoName::new("shop"), RepoName::new("bank"));
        tokio::time::pause();
        let _held = store.turn(&shop).await.expect("a turn");
        assert!(store.turn(&bank).await.is_ok());
        let Err(busy) = store.turn(&shop).await else { panic!("it is held") };
        assert!(busy.class().is_retry());
        insta::assert_snapshot!(busy.to_string(), @"the state of the pull requests of repo shop could not be written within 60 s, because other work on them has not ended. Driftless retries");
    }
}
