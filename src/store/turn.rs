//! The one way to write what is known, and was told, of a pull request: in a turn, and from what was read in it.
//!
//! Pushes, the forge's word on a merge, previews and syncs all add to one row, at once. Whoever writes a row that was
//! read before its turn takes back what somebody else has written meanwhile; so a row that may be written is read from
//! its [`Turn`], and cannot outlive it.

use std::ops::{Deref, DerefMut};

use tokio::sync::OwnedMutexGuard;

use super::pulls::{Pull, PullRow};
use super::{Store, StoreError};
use crate::ids::RepoName;

/// While this lives, nobody else writes what is known of pull requests. Compare, render and ask before it: all wait.
#[must_use = "the turn is over when this is dropped"]
pub struct Turn {
    store: Store,
    _held: OwnedMutexGuard<()>,
}

/// A pull request as it is in this turn.
pub struct HeldPull<'t> {
    turn: &'t Turn,
    pull: Pull,
}

impl Store {
    pub async fn turn(&self) -> Turn {
        Turn { _held: self.turns().lock_owned().await, store: self.clone() }
    }
}

impl Turn {
    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<Option<HeldPull<'_>>, StoreError> {
        Ok(self.store.pull(repo, number).await?.map(|pull| self.hold(pull)))
    }

    /// The same, or this one where none is known.
    pub async fn pull_or(&self, new: Pull) -> Result<HeldPull<'_>, StoreError> {
        let known = self.store.pull(&new.repo, new.number).await?;
        Ok(self.hold(known.unwrap_or(new)))
    }

    /// See [`Store::unfinished_pulls`].
    pub async fn unfinished_pulls(&self, repo: &RepoName, after: i64) -> Result<Vec<HeldPull<'_>>, StoreError> {
        Ok(self.store.unfinished_pulls(repo, after).await?.into_iter().map(|pull| self.hold(pull)).collect())
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
    use std::time::Duration;

    use super::*;
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
        let first = store.turn().await;
        let mut merged = first.pull_or(Pull::sample(&repo, 7, PullRow::Open)).await.expect("read");
        let second = tokio::spawn({
            let (store, repo) = (store.clone(), repo.clone());
            async move {
                let turn = store.turn().await;
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
}
