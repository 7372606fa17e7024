//! What is known of each app: its definition, its last render, what of it is applied, and how that is.

pub mod holds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use super::{Connection, Store, StoreError, decoded, readable};
use crate::app::{App, OnDelete};
use crate::ids::{AppId, ClusterName, Oid, RepoName};

/// Whether an app is still defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum AppState {
    Active,
    /// Its ref or definition is not there, and nobody has said that this is meant.
    Missing,
    /// A commit on the unchanged definitions branch has deleted its definition.
    Removed,
    /// Its definition can't be read.
    Broken,
}

/// How the objects of an app are, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum AppHealth {
    Unknown,
    Progressing,
    Healthy,
    Degraded,
}

/// How a note begins that tells of objects that are suspended, and of those whose health nobody knows: an app is
/// *healthy* all the same, as nothing is left to wait for, and is never called so.
pub const SUSPENDED: &str = "suspended: ";
pub const HEALTH_UNKNOWN: &str = "health unknown: ";

/// What comes before what an `onDelete: keep` says in the message of a removed app: who has its objects by then may be
/// another one.
pub const STAYS: &str = "; its objects stay";

/// How often in a row the same fields of an object were healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealCount {
    pub fields: Vec<String>,
    /// Who changed them, where that is known.
    pub manager: Option<String>,
    pub count: u32,
    /// The whole object is missing, and is not put back by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_left_gone: bool,
}

/// By object, as its id is written: `Deployment shop/web`.
pub type Heals = BTreeMap<String, HealCount>;

/// One app, without its trace, which may be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRow {
    pub app: App,
    pub definition_commit: Oid,
    pub state: AppState,
    /// Why it is in that state; empty when active.
    pub state_message: String,
    /// The source identity of the last render, and the revision that it was made of.
    pub identity: Option<String>,
    pub rendered_revision: Option<Oid>,
    pub applied_revision: Option<Oid>,
    pub applied_identity: Option<String>,
    pub applied_at: Option<i64>,
    /// The definition that was applied last. None where nothing was, or where another release wrote it.
    pub applied_app: Option<Box<App>>,
    /// The commit that had defined it so, where that is known.
    pub applied_definition_commit: Option<Oid>,
    pub synced_ok: bool,
    pub paused: bool,
    pub paused_since: Option<i64>,
    /// Who paused it, where that is known.
    pub paused_by: Option<String>,
    pub pinned_revision: Option<Oid>,
    pub pinned_by: Option<String>,
    pub pinned_since: Option<i64>,
    /// Whether that revision is not in the history of the app's ref.
    pub pinned_off_branch: bool,
    pub health: AppHealth,
    pub health_message: String,
    /// How the cluster differs from what was applied, where that is reported and not healed.
    pub drift: String,
    pub drift_since: Option<i64>,
    /// Why syncs fail, since when, and at which revision; empty once one succeeds.
    pub failure: String,
    pub failing_since: Option<i64>,
    pub failed_revision: Option<Oid>,
    /// Since when it is in its state, where that is known.
    pub state_since: Option<i64>,
    pub last_run: Option<String>,
    pub heals: Heals,
}

/// A definition, and the commit that has it.
#[derive(Debug, Clone, Copy)]
pub struct Defined<'a> {
    pub app: &'a App,
    pub commit: &'a Oid,
}

impl AppRow {
    /// Known by the commit that had defined it as it was applied: what is said of what was applied is said there.
    #[must_use]
    pub fn at_applied_definition(&self) -> Self {
        let definition_commit = self.applied_definition_commit.as_ref().unwrap_or(&self.definition_commit).clone();
        Self { definition_commit, ..self.clone() }
    }

    pub fn defined(&self) -> Defined<'_> {
        Defined { app: &self.app, commit: &self.definition_commit }
    }

    /// The app as it was applied last: its source, renderer and destination are what healing goes by; what is to become
    /// of it is for its definition as it is now to say. None where that was not written down.
    pub fn as_applied(&self) -> Option<Self> {
        let applied = self.applied_app.as_deref()?.clone();
        let now = &self.app;
        let app =
            App { sync: now.sync, drift: now.drift, on_delete: now.on_delete, origin: now.origin.clone(), ..applied };
        Some(Self { app, ..self.at_applied_definition() })
    }

    /// Whether its objects go with its definition, by the form that was applied last.
    pub fn on_delete(&self) -> OnDelete {
        self.applied_app.as_ref().map_or(self.app.on_delete, |app| app.on_delete)
    }
}

/// The stored form of an applied definition.
#[derive(Serialize, Deserialize)]
struct AppliedApp {
    version: u32,
    app: App,
}

const APPLIED_APP: u32 = 1;

#[derive(FromRow)]
struct Raw {
    id: String,
    definition: String,
    definition_commit: String,
    state: AppState,
    state_message: String,
    identity: Option<String>,
    rendered_revision: Option<String>,
    applied_revision: Option<String>,
    applied_identity: Option<String>,
    applied_at: Option<i64>,
    applied_definition: Option<String>,
    applied_definition_commit: Option<String>,
    synced_ok: i64,
    paused: i64,
    paused_since: Option<i64>,
    paused_by: Option<String>,
    pinned_revision: Option<String>,
    pinned_by: Option<String>,
    pinned_since: Option<i64>,
    pinned_off_branch: i64,
    health: AppHealth,
    health_message: String,
    drift: String,
    drift_since: Option<i64>,
    failure: String,
    failing_since: Option<i64>,
    failed_revision: Option<String>,
    state_since: Option<i64>,
    last_run: Option<String>,
    heals: String,
}

macro_rules! select {
    ($rest:literal) => {
        select!("", $rest)
    };
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT id, definition, definition_commit, state, state_message, identity, rendered_revision, \
             applied_revision, ",
            "applied_identity, applied_at, applied_definition, applied_definition_commit, synced_ok, paused, \
             paused_since, pinned_revision, paused_by, pinned_by, pinned_since, pinned_off_branch, health, \
             health_message, ",
            "drift, drift_since, failure, failing_since, failed_revision, state_since, last_run, heals",
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

impl TryFrom<Raw> for AppRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let what = |column: &str| format!("a {column} of app {}", raw.id);
        let oid = |column: &str, text: Option<String>| {
            text.map(|text| text.parse::<Oid>()).transpose().map_err(|error| StoreError::corrupt(what(column), error))
        };
        Ok(Self {
            app: serde_json::from_str(&raw.definition)
                .map_err(|error| StoreError::corrupt(what("definition"), error))?,
            definition_commit: raw
                .definition_commit
                .parse()
                .map_err(|error| StoreError::corrupt(what("definition commit"), error))?,
            state: raw.state,
            state_message: raw.state_message,
            identity: raw.identity,
            rendered_revision: oid("rendered revision", raw.rendered_revision)?,
            applied_revision: oid("applied revision", raw.applied_revision)?,
            applied_identity: raw.applied_identity,
            applied_at: raw.applied_at,
            // What cannot be read is as good as unknown: it is written again with the next sync.
            applied_app: raw.applied_definition.and_then(|text| applied_app(&text)).map(Box::new),
            applied_definition_commit: oid("applied definition's commit", raw.applied_definition_commit)?,
            synced_ok: raw.synced_ok != 0,
            paused: raw.paused != 0,
            paused_since: raw.paused_since,
            paused_by: raw.paused_by,
            pinned_by: raw.pinned_by,
            pinned_since: raw.pinned_since,
            pinned_off_branch: raw.pinned_off_branch != 0,
            pinned_revision: oid("pinned revision", raw.pinned_revision)?,
            health: raw.health,
            health_message: raw.health_message,
            drift: raw.drift,
            drift_since: raw.drift_since,
            failure: raw.failure,
            failing_since: raw.failing_since,
            failed_revision: oid("failed revision", raw.failed_revision)?,
            state_since: raw.state_since,
            last_run: raw.last_run,
            heals: serde_json::from_str(&raw.heals).map_err(|error| StoreError::corrupt(what("heal count"), error))?,
        })
    }
}

fn applied_app(text: &str) -> Option<App> {
    let stored: AppliedApp = serde_json::from_str(text).ok()?;
    (stored.version == APPLIED_APP).then_some(stored.app)
}

/// Counts when a change begins and when it ends, so that what was read in between is not taken for what came of it.
struct Change<'a>(&'a AtomicU64);

impl<'a> Change<'a> {
    fn of(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Those that can be read: an app whose row another version has written keeps no other one from being looked after.
fn rows(found: &[SqliteRow]) -> Vec<AppRow> {
    readable(decoded::<Raw>(found, "app", "id").into_iter().map(|raw| raw?.try_into()))
}

/// All apps, by name.
pub(super) async fn all(conn: &mut Connection) -> Result<Vec<AppRow>, StoreError> {
    Ok(rows(&sqlx::query(select!("ORDER BY id")).fetch_all(conn).await?))
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
        let definition = serde_json::to_string(app).map_err(|error| StoreError::corrupt("a definition", error))?;
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
        let raw: Option<Raw> =
            sqlx::query_as(select!("WHERE id = $1")).bind(id.to_string()).fetch_optional(self.read()).await?;
        raw.map(AppRow::try_from).transpose()
    }

    /// All apps, by name.
    pub async fn apps(&self) -> Result<Vec<AppRow>, StoreError> {
        all(&mut *self.read().acquire().await?).await
    }

    /// The apps that a repo defines.
    pub async fn apps_defined_by(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(&sqlx::query(select!("WHERE repo = $1 ORDER BY id")).bind(repo.as_str()).fetch_all(self.read()).await?))
    }

    /// The apps whose manifests come from a repo.
    pub async fn apps_reading(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(
            &sqlx::query(select!("WHERE source_repo = $1 ORDER BY id"))
                .bind(repo.as_str())
                .fetch_all(self.read())
                .await?,
        ))
    }

    /// Those of them that are missing their ref, path or definition.
    pub async fn missing_reading(&self, repo: &RepoName) -> Result<Vec<AppRow>, StoreError> {
        let query = sqlx::query(select!("WHERE source_repo = $1 AND state = 'missing' ORDER BY id"));
        Ok(rows(&query.bind(repo.as_str()).fetch_all(self.read()).await?))
    }

    /// The active apps whose manifests come from a repo, with the trace of their last render as it wrote it; none for
    /// an app that was not rendered yet.
    pub async fn followers(&self, repo: &RepoName) -> Result<Vec<(AppRow, Option<String>)>, StoreError> {
        let query = sqlx::query(select!(", trace", "WHERE source_repo = $1 AND state = 'active' ORDER BY id"));
        let found = query.bind(repo.as_str()).fetch_all(self.read()).await?;
        let read =
            |found: Result<WithTrace, StoreError>| found.and_then(|found| Ok((found.raw.try_into()?, found.trace)));
        Ok(readable(decoded(&found, "app", "id").into_iter().map(read)))
    }

    /// The apps that are deployed to a cluster.
    pub async fn apps_on(&self, cluster: &ClusterName) -> Result<Vec<AppRow>, StoreError> {
        Ok(rows(
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
        Ok(readable(found.into_iter().map(named)))
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

    /// Remembers what a render looked at, so that the next push can tell whether the app is affected.
    pub async fn set_rendered(
        &self,
        id: &AppId,
        revision: &Oid,
        identity: &str,
        trace: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE apps SET rendered_revision = $2, identity = $3, trace = $4 WHERE id = $1")
            .bind(id.to_string())
            .bind(revision.as_str())
            .bind(identity)
            .bind(trace)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Remembers that a revision was applied, which also ends the count of heals: what was fought over may be another
    /// thing now.
    pub async fn set_applied(&self, defined: Defined<'_>, revision: &Oid, identity: &str) -> Result<(), StoreError> {
        self.applied(defined, revision, identity, None).await
    }

    /// The same, with how the app is now, in one step; what has failed is over where what is applied now was not
    /// before. Whoever is stopped before it begins anew, and neither a wait nor a prune is left out.
    pub async fn set_applied_as(
        &self,
        defined: Defined<'_>,
        revision: &Oid,
        identity: &str,
        health: AppHealth,
    ) -> Result<(), StoreError> {
        self.applied(defined, revision, identity, Some(health)).await
    }

    async fn applied(
        &self,
        Defined { app, commit }: Defined<'_>,
        revision: &Oid,
        identity: &str,
        health: Option<AppHealth>,
    ) -> Result<(), StoreError> {
        let definition = serde_json::to_string(&AppliedApp { version: APPLIED_APP, app: app.clone() })
            .map_err(|error| StoreError::corrupt("a definition", error))?;
        sqlx::query(
            "UPDATE apps SET heals = CASE WHEN applied_identity = $3 THEN heals ELSE '{}' END, \
             applied_revision = $2, applied_identity = $3, applied_at = $4, applied_definition = $6, \
             applied_definition_commit = $7, synced_ok = 1, \
             health = COALESCE($5, health), \
             drift = CASE WHEN $5 IS NULL THEN drift ELSE '' END, \
             drift_since = CASE WHEN $5 IS NULL THEN drift_since END, \
             failure = CASE WHEN $5 = 'healthy' OR applied_identity IS DISTINCT FROM $3 \
             OR ($5 IS NOT NULL AND failed_applied = 0) THEN '' ELSE failure END, \
             failing_since = CASE WHEN $5 = 'healthy' OR applied_identity IS DISTINCT FROM $3 \
             OR ($5 IS NOT NULL AND failed_applied = 0) THEN NULL ELSE failing_since END, \
             health_message = CASE WHEN $5 IS NULL THEN health_message ELSE '' END WHERE id = $1",
        )
        .bind(app.id.to_string())
        .bind(revision.as_str())
        .bind(identity)
        .bind(self.now())
        .bind(health)
        .bind(definition)
        .bind(commit.as_str())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Remembers that a sync failed, and why. The time is that of the first failure in a row, until one succeeds.
    pub async fn set_failure(&self, id: &AppId, message: &str, revision: Option<&Oid>) -> Result<(), StoreError> {
        self.failed(id, message, revision, false).await
    }

    /// The same of what was applied and did not become healthy: to apply it again does not end that.
    pub async fn set_failure_of_applied(
        &self,
        id: &AppId,
        message: &str,
        revision: Option<&Oid>,
    ) -> Result<(), StoreError> {
        self.failed(id, message, revision, true).await
    }

    async fn failed(
        &self,
        id: &AppId,
        message: &str,
        revision: Option<&Oid>,
        is_applied: bool,
    ) -> Result<(), StoreError> {
        // What fails after this very try has applied it is such a failure as well. One without a revision tells the end
        // of a try again that has told it itself.
        sqlx::query(
            "UPDATE apps SET failed_applied = CASE WHEN $5 = 1 THEN 1 \
             WHEN synced_ok = 1 AND health = 'progressing' AND ($3 IS NULL OR applied_revision = $3) THEN 1 \
             WHEN $3 IS NULL AND failure <> '' AND synced_ok = 0 THEN failed_applied ELSE 0 END, \
             synced_ok = 0, failure = $2, failed_revision = COALESCE($3, failed_revision), \
             failing_since = COALESCE(failing_since, $4) WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(message)
        .bind(revision.map(Oid::as_str))
        .bind(self.now())
        .bind(i64::from(is_applied))
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Remembers how the cluster differs from what was applied, where nobody mends that; empty where it does not.
    pub async fn set_drift(&self, id: &AppId, drift: &str) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET drift = $2, drift_since = CASE WHEN $2 = '' THEN NULL WHEN drift = '' THEN $3 ELSE \
                   drift_since END WHERE id = $1";
        sqlx::query(sql).bind(id.to_string()).bind(drift).bind(self.now()).execute(self.write()).await?;
        Ok(())
    }

    /// Remembers what an app that is not healthy yet waits for. Says whether that is news.
    pub async fn set_waiting(&self, id: &AppId, what: &str) -> Result<bool, StoreError> {
        let sql =
            "UPDATE apps SET health_message = $2 WHERE id = $1 AND health = 'progressing' AND health_message <> $2";
        Ok(sqlx::query(sql).bind(id.to_string()).bind(what).execute(self.write()).await?.rows_affected() > 0)
    }

    /// Remembers that what is applied is not what is wanted any more; what is applied stays what it was.
    pub async fn set_sync_failed(&self, id: &AppId) -> Result<(), StoreError> {
        sqlx::query("UPDATE apps SET synced_ok = 0 WHERE id = $1").bind(id.to_string()).execute(self.write()).await?;
        Ok(())
    }

    pub async fn set_app_health(&self, id: &AppId, health: AppHealth, message: &str) -> Result<(), StoreError> {
        // Whoever is healthy has come to the end of a sync.
        sqlx::query(
            "UPDATE apps SET health = $2, health_message = $3, failure = CASE WHEN $2 = 'healthy' THEN '' ELSE failure \
             END, \
             failing_since = CASE WHEN $2 = 'healthy' THEN NULL ELSE failing_since END WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(health)
        .bind(message)
        .execute(self.write())
        .await?;
        Ok(())
    }

    pub async fn set_heals(&self, id: &AppId, heals: &Heals) -> Result<(), StoreError> {
        let heals = serde_json::to_string(heals).map_err(|error| StoreError::corrupt("a heal count", error))?;
        sqlx::query("UPDATE apps SET heals = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(heals)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Ends the counts of heals of the apps on a cluster that a look found to be as they were left: what is healed next
    /// is not in a row with what was healed before.
    pub async fn forget_heals_except(
        &self,
        cluster: &ClusterName,
        drifted: &BTreeSet<AppId>,
    ) -> Result<(), StoreError> {
        let counting: Vec<String> = sqlx::query_scalar("SELECT id FROM apps WHERE cluster = $1 AND heals <> '{}'")
            .bind(cluster.as_str())
            .fetch_all(self.read())
            .await?;
        let drifted: BTreeSet<String> = drifted.iter().map(ToString::to_string).collect();
        for id in counting.iter().filter(|id| !drifted.contains(*id)) {
            sqlx::query("UPDATE apps SET heals = '{}' WHERE id = $1").bind(id).execute(self.write()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
