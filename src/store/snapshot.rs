//! Several reads of one moment. A job makes several writes in an order; separate reads could see some of them and miss
//! others.

use std::collections::BTreeSet;

use sqlx::Sqlite;

use super::apps::{self, AppRow};
use super::ends::{self, EndRow};
use super::jobs;
use super::pulls;
use super::skipped::Skipped;
use super::waits::{self, Wait};
use super::{Store, StoreError};
use crate::ids::{Oid, RepoName};

/// The store as it was when this was first read from.
pub struct Snapshot(pub(super) sqlx::Transaction<'static, Sqlite>, pub(super) Skipped);

impl Store {
    /// To be dropped soon: the log cannot be emptied meanwhile.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot(self.read().begin().await?, self.0.skipped.clone()))
    }
}

impl Snapshot {
    pub async fn apps(&mut self) -> Result<Vec<AppRow>, StoreError> {
        apps::all(&mut self.0, &self.1).await
    }

    /// The keys of what is due, runs, or has failed and is tried again.
    pub async fn unfinished_keys(&mut self) -> Result<BTreeSet<String>, StoreError> {
        jobs::unfinished_keys(&mut self.0).await
    }

    pub async fn waits(&mut self) -> Result<Vec<Wait>, StoreError> {
        Ok(waits::all(&mut self.0, &self.1).await?.into_iter().map(|(wait, _)| wait).collect())
    }

    /// The ends that pull requests of a repo may wait for, in their order.
    pub async fn ends(&mut self, repo: &RepoName) -> Result<Vec<EndRow>, StoreError> {
        ends::of(&mut self.0, repo, &self.1).await
    }

    /// See [`Store::last_seen`].
    pub async fn last_seen(&mut self, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, StoreError> {
        pulls::last_seen(&mut self.0, &self.1, repo, ref_name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::AppHealth;
    use crate::store::apps::tests::{app, app_id, oid, store};

    /// T20+: a sync ends between two reads. Its app was settled before it began, and is so again: neither may be read
    /// with a queue that has no such sync, and without its end.
    #[tokio::test]
    async fn a_sync_that_ends_meanwhile_is_seen_whole_or_not_at_all() {
        let (store, _dir) = store().await;
        let (id, repo) = (app_id("shop/web"), RepoName::new("shop"));
        store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
        let job = "INSERT INTO jobs (key, state, priority, tenant, causes, first_event, last_event, due, not_before, \
                   attempt, changed_at, kills, unsettled)
             VALUES ('sync:shop/web', 'running', 0, 'shop', '[]', 1, 1, 1, 0, 1, 1, 0, 0)";
        sqlx::query(job).execute(store.write()).await.expect("a job");
        let mut before = store.snapshot().await.expect("begins");
        let rows = before.apps().await.expect("read");
        store.set_app_health(&id, AppHealth::Degraded, "so").await.expect("written");
        store.put_end(&id, &repo, &[&oid("a")], "\"healthy\"").await.expect("written");
        sqlx::query("DELETE FROM jobs").execute(store.write()).await.expect("done");
        assert_ne!(rows[0].health, AppHealth::Degraded);
        assert!(before.unfinished_keys().await.expect("read").contains("sync:shop/web"), "it was under way");
        assert_eq!(before.ends(&repo).await.expect("read"), []);
        drop(before);
        let mut after = store.snapshot().await.expect("begins");
        assert_eq!(after.apps().await.expect("read")[0].health, AppHealth::Degraded);
        assert!(after.unfinished_keys().await.expect("read").is_empty());
        assert_eq!(after.ends(&repo).await.expect("read").len(), 1);
    }
}
