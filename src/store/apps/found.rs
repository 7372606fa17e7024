//! What syncs and checks have found about an app: its render, its applied state, failures, drift, health and heals.

use std::collections::BTreeSet;

use super::definition::{APPLIED, AppForm};
use super::row::{AppHealth, Defined, HEALS, Heals};
use crate::ids::{AppId, ClusterName, Oid};
use crate::store::{Connection, Store, StoreError};

/// A revision that was applied: as it was defined, and what it was rendered from.
#[derive(Debug, Clone, Copy)]
pub struct Applied<'a> {
    pub defined: Defined<'a>,
    pub revision: &'a Oid,
    pub identity: &'a str,
    /// How the app is now. What has failed is over where what is applied now was not before. None leaves it.
    pub health: Option<AppHealth>,
}

impl Applied<'_> {
    pub(in crate::store) async fn write(&self, conn: &mut Connection, now: i64) -> Result<(), StoreError> {
        let Self { defined: Defined { app, commit }, revision, identity, health } = *self;
        let definition = APPLIED.write(&AppForm::from(app))?;
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
        .bind(now)
        .bind(health)
        .bind(definition)
        .bind(commit.as_str())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// A sync that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    pub message: &'a str,
    pub revision: Option<&'a Oid>,
    /// What was applied did not become healthy: to apply it again does not end that.
    pub of_applied: bool,
}

impl Failure<'_> {
    pub(in crate::store) async fn write(&self, conn: &mut Connection, id: &AppId, now: i64) -> Result<(), StoreError> {
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
        .bind(self.message)
        .bind(self.revision.map(Oid::as_str))
        .bind(now)
        .bind(i64::from(self.of_applied))
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Store {
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
        let applied = Applied { defined, revision, identity, health: None };
        applied.write(&mut *self.write().acquire().await?, self.now()).await
    }
    /// Remembers that a sync failed, and why. The time is that of the first failure in a row, until one succeeds.
    pub async fn set_failure(&self, id: &AppId, message: &str, revision: Option<&Oid>) -> Result<(), StoreError> {
        let failure = Failure { message, revision, of_applied: false };
        failure.write(&mut *self.write().acquire().await?, id, self.now()).await
    }

    /// Remembers how the cluster differs from what was applied, where nobody mends that; empty where it does not.
    pub async fn set_drift(&self, id: &AppId, drift: &str) -> Result<(), StoreError> {
        set_drift(&mut *self.write().acquire().await?, id, drift, self.now()).await
    }

    /// Remembers that what is applied of these apps was compared with the cluster, although their syncs fail.
    pub async fn set_drift_looked(&self, apps: &[AppId]) -> Result<(), StoreError> {
        if apps.is_empty() {
            return Ok(());
        }
        let apps = serde_json::to_string(apps).map_err(|error| StoreError::corrupt("a list of apps", error))?;
        let sql = "UPDATE apps SET drift_looked = $1 WHERE id IN (SELECT value FROM json_each($2))";
        sqlx::query(sql).bind(self.now()).bind(apps).execute(self.write()).await?;
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
        set_sync_failed(&mut *self.write().acquire().await?, id).await
    }

    pub async fn set_app_health(&self, id: &AppId, health: AppHealth, message: &str) -> Result<(), StoreError> {
        set_app_health(&mut *self.write().acquire().await?, id, health, message).await
    }

    pub async fn set_heals(&self, id: &AppId, heals: &Heals) -> Result<(), StoreError> {
        set_heals(&mut *self.write().acquire().await?, id, heals).await
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

pub(in crate::store) async fn set_drift(
    conn: &mut Connection,
    id: &AppId,
    drift: &str,
    now: i64,
) -> Result<(), StoreError> {
    let sql = "UPDATE apps SET drift = $2, drift_since = CASE WHEN $2 = '' THEN NULL WHEN drift = '' THEN $3 ELSE \
               drift_since END WHERE id = $1";
    sqlx::query(sql).bind(id.to_string()).bind(drift).bind(now).execute(conn).await?;
    Ok(())
}

pub(in crate::store) async fn set_sync_failed(conn: &mut Connection, id: &AppId) -> Result<(), StoreError> {
    sqlx::query("UPDATE apps SET synced_ok = 0 WHERE id = $1").bind(id.to_string()).execute(conn).await?;
    Ok(())
}

pub(in crate::store) async fn set_app_health(
    conn: &mut Connection,
    id: &AppId,
    health: AppHealth,
    message: &str,
) -> Result<(), StoreError> {
    // Whoever is healthy has come to the end of a sync.
    sqlx::query(
        "UPDATE apps SET health = $2, health_message = $3, failure = CASE WHEN $2 = 'healthy' THEN '' ELSE failure \
         END, \
         failing_since = CASE WHEN $2 = 'healthy' THEN NULL ELSE failing_since END WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(health)
    .bind(message)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in crate::store) async fn set_heals(conn: &mut Connection, id: &AppId, heals: &Heals) -> Result<(), StoreError> {
    let heals = HEALS.write(heals)?;
    sqlx::query("UPDATE apps SET heals = $2 WHERE id = $1").bind(id.to_string()).bind(heals).execute(conn).await?;
    Ok(())
}
