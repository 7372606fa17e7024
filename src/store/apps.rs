//! The apps: their definitions, last renders, applied states and health.

mod definition;
pub(super) mod found;
pub mod holds;
mod row;

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::FromRow;

pub use definition::as_stored;
pub use found::{Applied, Failure};
pub use row::{AppHealth, AppRow, AppState, Defined, GOES, HEALTH_UNKNOWN, HealCount, Heals, STAYS, SUSPENDED, TRACE};

use definition::{AppForm, DEFINITION};
use row::{Raw, rows};

use super::skipped::Skipped;
use super::{Connection, Store, StoreError, decoded};
use crate::app::App;
use crate::ids::{AppId, ClusterName, Oid, RepoName};

macro_rules! select {
    ($rest:literal) => {
        select!("", $rest)
    };
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT id, definition, definition_commit, state, state_message, identity, rendered_revision, \
             applied_revision, ",
            "applied_identity, applied_at, applied_definition, applied_definition_commit, synced_ok, paused, \
             paused_since, paused_until, pause_reason, pinned_revision, paused_by, pinned_by, pinned_since, pinned_off_branch, health, \
             health_message, ",
            "drift, drift_since, drift_looked, failure, failing_since, failed_revision, failed_applied, state_since, heals",
            $columns,
            " FROM apps ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct WithTrace {
    #[sqlx(flatten)]
    raw: Raw,
    trace: Option<String>,
}

/// Counts when a change begins and when it ends, so that what was read in between is not taken for what came of it.
pub(super) struct Change<'a>(&'a AtomicU64);

impl<'a> Change<'a> {
    pub fn of(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) async fn one(conn: &mut Connection, id: &AppId) -> Result<Option<AppRow>, StoreError> {
    let raw: Option<Raw> = sqlx::query_as(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(conn).await?;
    raw.map(AppRow::try_from).transpose()
}

/// All apps, by name.
pub(super) async fn all(conn: &mut Connection, skipped: &Skipped) -> Result<Vec<AppRow>, StoreError> {
    Ok(rows(skipped, &sqlx::query(select!("ORDER BY id")).fetch_all(conn).await?))
}

impl Store {
    /// A count that grows before and after each change of a definition or of whether an app is defined. The store is
    /// this process's alone.
    pub fn definition_changes(&self) -> u64 {
        self.0.definition_changes.load(Ordering::SeqCst)
    }

    /// Keeps a definition as it is at `commit`, and makes the app active. What is known of its objects stays; what is
    /// known of its render goes, so that whoever is stopped before the app's sync is queued finds it to be done by
    /// that.
    pub async fn put_app(&self, app: &App, commit: &Oid) -> Result<(), StoreError> {
        let definition = DEFINITION.write(&AppForm::from(app))?;
        let _change = Change::of(&self.0.definition_changes);
        sqlx::query(
            "INSERT INTO apps (id, repo, source_repo, cluster, definition, definition_commit, state) \
             VALUES ($1, $2, $3, $4, $5, $6, 'active') \
             ON CONFLICT (id) DO UPDATE SET source_repo = excluded.source_repo, cluster = excluded.cluster, \
             definition = excluded.definition, definition_commit = excluded.definition_commit, state = 'active', \
             state_message = '', state_since = NULL, \
             identity = NULL, rendered_revision = NULL, trace = NULL",
        )
        .bind(app.id.to_string())
        .bind(app.id.repo.as_str())
        .bind(app.source.repo.as_str())
        .bind(app.destination.cluster.as_str())
        .bind(definition)
        .bind(commit.as_str())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Unchanged definitions are from now on known by another commit of their branch, which was rewritten.
    pub async fn define_at(&self, apps: &[AppId], commit: &Oid) -> Result<(), StoreError> {
        let apps = serde_json::to_string(apps).map_err(|error| StoreError::corrupt("a list of apps", error))?;
        let sql =
            "UPDATE apps SET definition_commit = $1 WHERE state = 'active' AND id IN (SELECT value FROM json_each($2))";
        sqlx::query(sql).bind(commit.as_str()).bind(apps).execute(self.write()).await?;
        Ok(())
    }

    pub async fn app(&self, id: &AppId) -> Result<Option<AppRow>, StoreError> {
        one(&mut *self.read().acquire().await?, id).await
    }

    /// All apps, by name.
    pub async fn apps(&self) -> Result<Vec<AppRow>, StoreError> {
        all(&mut *self.read().acquire().await?, &self.0.skipped).await
    }

    /// The apps that a repo defines.
    pub async fn apps_defined_by(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(
            &self.0.skipped,
            &sqlx::query(select!("WHERE repo = $1 ORDER BY id")).bind(repo.as_str()).fetch_all(self.read()).await?,
        ))
    }

    /// The apps whose manifests come from a repo.
    pub async fn apps_reading(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(
            &self.0.skipped,
            &sqlx::query(select!("WHERE source_repo = $1 ORDER BY id"))
                .bind(repo.as_str())
                .fetch_all(self.read())
                .await?,
        ))
    }

    /// Those of them that are missing their ref, path or definition.
    pub async fn missing_reading(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        let query = sqlx::query(select!("WHERE source_repo = $1 AND state = 'missing' ORDER BY id"));
        Ok(rows(&self.0.skipped, &query.bind(repo.as_str()).fetch_all(self.read()).await?))
    }

    /// The active apps whose manifests come from a repo, with the trace of their last render as it wrote it; none for
    /// an app that was not rendered yet.
    pub async fn followers(&self, repo: &RepoName) -> Result<Vec<(AppRow, Option<String>)>, StoreError> {
        let query = sqlx::query(select!(", trace", "WHERE source_repo = $1 AND state = 'active' ORDER BY id"));
        let found = query.bind(repo.as_str()).fetch_all(self.read()).await?;
        let read =
            |found: Result<WithTrace, StoreError>| found.and_then(|found| Ok((found.raw.try_into()?, found.trace)));
        Ok(self.readable(decoded(&found, "apps", &["id"]).into_iter().map(read)))
    }

    /// The apps that are deployed to a cluster.
    pub async fn apps_on(&self, cluster: &ClusterName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(
            &self.0.skipped,
            &sqlx::query(select!("WHERE cluster = $1 ORDER BY id"))
                .bind(cluster.as_str())
                .fetch_all(self.read())
                .await?,
        ))
    }

    /// The stored trace of an app, as its render wrote it.
    pub async fn trace(&self, id: &AppId) -> Result<Option<String>, StoreError> {
        let found: Option<Option<String>> = sqlx::query_scalar("SELECT trace FROM apps WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.read())
            .await?;
        Ok(found.flatten())
    }

    /// The traces of all active apps that read a repo; none for an app that was not rendered yet.
    pub async fn traces_reading(&self, repo: &RepoName) -> Result<Vec<(AppId, Option<String>)>, StoreError> {
        let found: Vec<(String, Option<String>)> =
            sqlx::query_as("SELECT id, trace FROM apps WHERE source_repo = $1 AND state = 'active' ORDER BY id")
                .bind(repo.as_str())
                .fetch_all(self.read())
                .await?;
        let named = |(id, trace): (String, Option<String>)| match id.parse() {
            Ok(id) => Ok((id, trace)),
            Err(error) => Err(StoreError::corrupt("an app", error)),
        };
        Ok(self.readable(found.into_iter().map(named)))
    }

    pub async fn set_app_state(&self, id: &AppId, state: AppState, message: &str) -> Result<(), StoreError> {
        let _change = Change::of(&self.0.definition_changes);
        sqlx::query(
            "UPDATE apps SET state_since = CASE WHEN state = $2 THEN state_since ELSE $4 END, state = $2, \
             state_message = $3 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(state)
        .bind(message)
        .bind(self.now())
        .execute(self.write())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
