//! The deliveries that were accepted, to know one that comes again and to show what came.

use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError};

/// A delivery as it came in. `hook_id` is empty where the forge gives its hooks no ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    pub hook: String,
    pub hook_id: String,
    pub delivery_id: String,
    /// The kind of event in one word.
    pub event: String,
    pub project: Option<String>,
}

/// A delivery as it is remembered; times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct StoredDelivery {
    pub hook: String,
    pub hook_id: String,
    pub delivery_id: String,
    pub event: String,
    pub project: Option<String>,
    pub received_at: i64,
    /// How often it came.
    pub copies: i64,
    pub last_at: i64,
}

/// Writes the delivery down and says how often it has come now: 1 the first time.
pub async fn record(conn: &mut SqliteConnection, new: &NewDelivery, now: i64) -> Result<i64, StoreError> {
    let copies = sqlx::query_scalar(
        "INSERT INTO deliveries (hook, hook_id, delivery_id, event, project, received_at, copies, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $6)
         ON CONFLICT (hook, hook_id, delivery_id)
         DO UPDATE SET copies = deliveries.copies + 1, last_at = excluded.last_at
         RETURNING copies",
    )
    .bind(&new.hook)
    .bind(&new.hook_id)
    .bind(&new.delivery_id)
    .bind(&new.event)
    .bind(&new.project)
    .bind(now)
    .fetch_one(conn)
    .await?;
    Ok(copies)
}

impl Store {
    /// The newest deliveries first, at most `limit`.
    pub async fn deliveries(&self, limit: u32) -> Result<Vec<StoredDelivery>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT hook, hook_id, delivery_id, event, project, received_at, copies, last_at
             FROM deliveries ORDER BY last_at DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        Ok(rows)
    }

    /// Forgets what last came before `millis`, and says how many that were. No forge redelivers after a few days.
    pub async fn forget_deliveries(&self, millis: i64) -> Result<u64, StoreError> {
        let result = sqlx::query("DELETE FROM deliveries WHERE last_at < $1").bind(millis).execute(self.write()).await?;
        Ok(result.rows_affected())
    }
}
