//! What is waited for: rows with deadlines, so that a wait outlives the process that began it.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;

use super::runs::RunId;
use super::{Store, StoreError};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum WaitPurpose {
    /// Until all objects are as they should be.
    Health,
    /// Until all objects are gone.
    Deletion,
}

/// An object that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitObject {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub uid: Option<String>,
    /// What the apply left; an older version of the object says nothing of it.
    pub resource_version: Option<String>,
    /// Left out where it says nothing, so that a row of an earlier release reads and writes as it is.
    #[serde(default, skip_serializing_if = "Touched::is_unchanged")]
    pub touched: Touched,
}

/// What a sync did to an object before it waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Touched {
    /// It was as it should be: what its status says holds.
    #[default]
    Unchanged,
    /// Its controller may not have looked at it since.
    Written,
    /// Git wants it while it is being deleted, which nobody can take back: it will go, and be made again.
    Dying,
}

impl Touched {
    fn is_unchanged(&self) -> bool {
        *self == Self::Unchanged
    }
}

/// An app has at most one wait of each purpose: a newer one takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub app: AppId,
    pub purpose: WaitPurpose,
    pub run: RunId,
    pub cluster: ClusterName,
    pub objects: Vec<WaitObject>,
    /// Milliseconds since 1970.
    pub deadline: i64,
}

#[derive(FromRow)]
struct Raw {
    app: String,
    purpose: WaitPurpose,
    run: String,
    cluster: String,
    objects: Json<Vec<WaitObject>>,
    deadline: i64,
}

impl TryFrom<Raw> for Wait {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            app: raw.app.parse().map_err(|error| StoreError::corrupt("a wait", error))?,
            purpose: raw.purpose,
            run: RunId::new(raw.run),
            cluster: ClusterName::new(raw.cluster),
            objects: raw.objects.0,
            deadline: raw.deadline,
        })
    }
}

impl Store {
    /// Stores a wait, in the place of an older one of the same app and purpose.
    pub async fn put_wait(&self, wait: &Wait) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO waits (app, purpose, run, cluster, objects, deadline) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (app, purpose) DO UPDATE SET run = excluded.run, cluster = excluded.cluster, objects = excluded.objects, \
             deadline = excluded.deadline",
        )
        .bind(wait.app.to_string())
        .bind(wait.purpose)
        .bind(wait.run.as_str())
        .bind(wait.cluster.as_str())
        .bind(Json(&wait.objects))
        .bind(wait.deadline)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// The run of an app that waits, if there is one.
    pub async fn waiting_run(&self, app: &AppId) -> Result<Option<RunId>, StoreError> {
        let query = sqlx::query_scalar::<_, String>("SELECT run FROM waits WHERE app = $1 LIMIT 1");
        Ok(query.bind(app.to_string()).fetch_optional(self.read()).await?.map(RunId::new))
    }

    /// Ends a wait. False when it had ended, or a newer one had taken its place: then its end means nothing.
    pub async fn end_wait(&self, app: &AppId, purpose: WaitPurpose, run: &RunId) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM waits WHERE app = $1 AND purpose = $2 AND run = $3")
            .bind(app.to_string())
            .bind(purpose)
            .bind(run.as_str())
            .execute(self.write())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets what an app waits for: a newer revision is on its way. Returns the runs that waited.
    pub async fn drop_waits(&self, app: &AppId) -> Result<Vec<RunId>, StoreError> {
        let runs: Vec<String> =
            sqlx::query_scalar("DELETE FROM waits WHERE app = $1 RETURNING run").bind(app.to_string()).fetch_all(self.write()).await?;
        Ok(runs.into_iter().map(RunId::new).collect())
    }

    /// All that is waited for, the nearest deadline first.
    pub async fn waits(&self) -> Result<Vec<Wait>, StoreError> {
        let raw: Vec<Raw> = sqlx::query_as("SELECT * FROM waits ORDER BY deadline, app, purpose").fetch_all(self.read()).await?;
        raw.into_iter().map(Wait::try_from).collect()
    }
}

#[cfg(test)]
mod tests;
