//! How apps ended last, for the pull requests that wait to tell it.

use super::{Store, StoreError, readable};
use crate::ids::{AppId, Oid, RepoName};

impl Store {
    /// An app came to an end at a revision of a repo, which pull requests of that repo may wait for. `end` is not looked into.
    pub async fn put_end(&self, app: &AppId, repo: &RepoName, revision: &Oid, end: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO ends (app, repo, revision, ended) VALUES ($1, $2, $3, $4)
             ON CONFLICT (app, repo) DO UPDATE SET revision = excluded.revision, ended = excluded.ended";
        sqlx::query(sql).bind(app.to_string()).bind(repo.as_str()).bind(revision.as_str()).bind(end).execute(self.write()).await?;
        Ok(())
    }

    pub async fn ends(&self, repo: &RepoName) -> Result<Vec<(AppId, Oid, String)>, StoreError> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT app, revision, ended FROM ends WHERE repo = $1").bind(repo.as_str()).fetch_all(self.read()).await?;
        let read = |(app, revision, ended): (String, String, String)| {
            let what = || format!("the end of {app}");
            let revision = revision.parse().map_err(|error| StoreError::corrupt(what(), error))?;
            Ok((app.parse().map_err(|error| StoreError::corrupt(what(), error))?, revision, ended))
        };
        Ok(readable(rows.into_iter().map(read)))
    }

    /// Whether a merged pull request of a repo waits for apps; those that nothing was heard of since `after` no longer do.
    pub async fn awaits_ends(&self, repo: &RepoName, after: i64) -> Result<bool, StoreError> {
        let query = sqlx::query_scalar("SELECT COUNT(*) FROM pulls WHERE repo = $1 AND unfinished = 1 AND updated_at > $2");
        let waiting: i64 = query.bind(repo.as_str()).bind(after).fetch_one(self.read()).await?;
        Ok(waiting > 0)
    }
}
