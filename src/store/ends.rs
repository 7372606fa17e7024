//! The outcomes of syncs, and what merged pull requests report of them. Both are append-only.

use sqlx::FromRow;

use super::skipped::Skipped;
use super::{Connection, Store, StoreError};
use crate::ids::{AppId, Oid, RepoName};

/// So many ends of an app are remembered.
const KEPT: i64 = 20;

/// One end of a sync of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRow {
    pub id: i64,
    pub app: AppId,
    pub revision: Oid,
    /// JSON of [`crate::report::preview::AppEnd`]; the store does not look into it.
    pub ended: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// What a merged pull request tells of one of its apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    pub app: AppId,
    /// The end that it was told from.
    pub end_id: Option<i64>,
    pub revision: Oid,
    pub ended: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

#[derive(FromRow)]
struct RawEnd {
    id: i64,
    app: String,
    revision: String,
    ended: String,
    at: i64,
}

#[derive(FromRow)]
struct RawEvent {
    app: String,
    end_id: Option<i64>,
    revision: String,
    ended: String,
    at: i64,
}

fn ids(app: &str, revision: &str) -> Result<(AppId, Oid), StoreError> {
    let what = || format!("the end of {app}");
    let revision = revision.parse().map_err(|error| StoreError::corrupt(what(), error))?;
    Ok((app.parse().map_err(|error| StoreError::corrupt(what(), error))?, revision))
}

pub(super) async fn of(conn: &mut Connection, repo: &RepoName, skipped: &Skipped) -> Result<Vec<EndRow>, StoreError> {
    let query = sqlx::query_as("SELECT id, app, revision, ended, at FROM app_ends WHERE repo = $1 ORDER BY id");
    let rows: Vec<RawEnd> = query.bind(repo.as_str()).fetch_all(conn).await?;
    let read = |RawEnd { id, app, revision, ended, at }: RawEnd| {
        let (app, revision) = ids(&app, &revision)?;
        Ok(EndRow { id, app, revision, ended, at })
    };
    Ok(skipped.readable(rows.into_iter().map(read)))
}

impl Store {
    /// An app came to an end at these revisions of a repo, which pull requests of that repo may wait for. `ended` is
    /// not looked into. The same end again is not written again.
    pub async fn put_end(
        &self,
        app: &AppId,
        repo: &RepoName,
        revisions: &[&Oid],
        ended: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let app = app.to_string();
        let sql = "SELECT revision, ended FROM app_ends WHERE app = $1 AND repo = $2 ORDER BY id DESC LIMIT $3";
        let query = sqlx::query_as::<_, (String, String)>(sql).bind(&app).bind(repo.as_str());
        let last = query.bind(i64::try_from(revisions.len()).unwrap_or(i64::MAX)).fetch_all(&mut *tx).await?;
        let same = |(revision, (at, end)): (&&Oid, &(String, String))| revision.as_str() == at && end == ended;
        if last.len() == revisions.len() && revisions.iter().rev().zip(&last).all(same) {
            return Ok(());
        }
        for revision in revisions {
            let sql = "INSERT INTO app_ends (app, repo, revision, ended, at) VALUES ($1, $2, $3, $4, $5)";
            let query = sqlx::query(sql).bind(&app).bind(repo.as_str()).bind(revision.as_str());
            query.bind(ended).bind(self.now()).execute(&mut *tx).await?;
        }
        let sql = "DELETE FROM app_ends WHERE app = $1 AND repo = $2 AND id NOT IN (
                 SELECT id FROM app_ends WHERE app = $1 AND repo = $2 ORDER BY id DESC LIMIT $3)";
        sqlx::query(sql).bind(&app).bind(repo.as_str()).bind(KEPT).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds to what a merged pull request tells of an app.
    pub async fn add_outcome_event(&self, repo: &RepoName, number: u64, event: &EventRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO outcome_events (repo, number, app, seq, end_id, revision, at, ended)
             SELECT $1, $2, $3, COALESCE(MAX(seq), 0) + 1, $4, $5, $6, $7 FROM outcome_events WHERE repo = $1 AND \
                   number = $2 AND app = $3";
        sqlx::query(sql)
            .bind(repo.as_str())
            .bind(i64::try_from(number).unwrap_or(i64::MAX))
            .bind(event.app.to_string())
            .bind(event.end_id)
            .bind(event.revision.as_str())
            .bind(event.at)
            .bind(&event.ended)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Of a pull request that was not merged after all.
    pub(super) async fn forget_outcome_events(&self, repo: &RepoName, number: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM outcome_events WHERE repo = $1 AND number = $2";
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        sqlx::query(sql).bind(repo.as_str()).bind(number).execute(self.write()).await?;
        Ok(())
    }

    /// What a merged pull request tells of its apps, oldest first.
    pub async fn outcome_events(&self, repo: &RepoName, number: u64) -> Result<Vec<EventRow>, StoreError> {
        let sql = "SELECT app, end_id, revision, ended, at FROM outcome_events WHERE repo = $1 AND number = $2 ORDER \
                   BY app, seq";
        let query = sqlx::query_as(sql).bind(repo.as_str()).bind(i64::try_from(number).unwrap_or(i64::MAX));
        let rows: Vec<RawEvent> = query.fetch_all(self.read()).await?;
        let read = |RawEvent { app, end_id, revision, ended, at }: RawEvent| {
            let (app, revision) = ids(&app, &revision)?;
            Ok(EventRow { app, end_id, revision, ended, at })
        };
        Ok(self.readable(rows.into_iter().map(read)))
    }

    /// Whether a merged pull request of a repo waits for apps; those that nothing was heard of since `after` no longer
    /// do.
    pub async fn awaits_ends(&self, repo: &RepoName, after: i64) -> Result<bool, StoreError> {
        let query =
            sqlx::query_scalar("SELECT COUNT(*) FROM pulls WHERE repo = $1 AND unfinished = 1 AND updated_at > $2");
        let waiting: i64 = query.bind(repo.as_str()).bind(after).fetch_one(self.read()).await?;
        Ok(waiting > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::apps::tests::{app_id, oid, store};

    async fn ends(store: &Store, repo: &RepoName) -> Result<Vec<EndRow>, StoreError> {
        store.snapshot().await?.ends(repo).await
    }

    /// T1: an end stays when another follows, and the same one is not repeated.
    #[tokio::test]
    async fn ends_are_added_and_never_replaced() {
        let (store, _dir) = store().await;
        let (app, repo) = (app_id("shop/web"), RepoName::new("shop"));
        for (revision, ended) in [("a", "failed"), ("a", "failed"), ("b", "healthy"), ("a", "failed")] {
            store.put_end(&app, &repo, &[&oid(revision)], ended).await.expect("stored");
        }
        let ended: Vec<String> = ends(&store, &repo).await.expect("read").into_iter().map(|end| end.ended).collect();
        assert_eq!(ended, ["failed", "healthy", "failed"]);
        for index in 0..50 {
            store.put_end(&app, &repo, &[&oid("c")], &index.to_string()).await.expect("stored");
        }
        assert_eq!(ends(&store, &repo).await.expect("read").len(), 20);
    }

    /// T18: an end that is known by two commits of one repo, the source's and the definition's, is not repeated either.
    #[tokio::test]
    async fn an_end_at_two_revisions_is_one() {
        let (store, _dir) = store().await;
        let (app, repo) = (app_id("shop/web"), RepoName::new("shop"));
        let (source, definition) = (oid("a"), oid("b"));
        for _ in 0..3 {
            store.put_end(&app, &repo, &[&source, &definition], "healthy").await.expect("stored");
        }
        let revisions: Vec<_> = ends(&store, &repo).await.expect("read").into_iter().map(|end| end.revision).collect();
        assert_eq!(revisions, [source, definition]);
    }

    #[tokio::test]
    async fn events_keep_their_order() {
        let (store, _dir) = store().await;
        let (app, repo) = (app_id("shop/web"), RepoName::new("shop"));
        for (index, ended) in ["failed", "healthy"].into_iter().enumerate() {
            let end_id = i64::try_from(index).ok();
            let event = EventRow { app: app.clone(), end_id, revision: oid("a"), ended: ended.into(), at: 7 };
            store.add_outcome_event(&repo, 3, &event).await.expect("added");
        }
        let events = store.outcome_events(&repo, 3).await.expect("read");
        assert_eq!(events.iter().map(|event| event.ended.as_str()).collect::<Vec<_>>(), ["failed", "healthy"]);
        assert_eq!(store.outcome_events(&repo, 4).await.expect("read"), []);
    }
}
