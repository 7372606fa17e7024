//! The accepted deliveries: to recognise repeated ones, and to list them.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::types::Json;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, decoded};

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

/// What names a delivery: hook, hook id, delivery id.
pub type Name = (String, String, String);

impl NewDelivery {
    pub fn name(&self) -> Name {
        (self.hook.clone(), self.hook_id.clone(), self.delivery_id.clone())
    }
}

/// How often each of these has come; none for one that never did.
pub async fn copies(conn: &mut SqliteConnection, names: &[Name]) -> Result<HashMap<Name, i64>, StoreError> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT hook, hook_id, delivery_id, copies FROM deliveries WHERE (hook, hook_id, delivery_id) IN
         (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1))",
    )
    .bind(Json(names))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(hook, hook_id, id, copies)| ((hook, hook_id, id), copies)).collect())
}

/// Writes deliveries down in one statement, each with how often it has come by now. No two of them have the same name.
pub async fn record(conn: &mut SqliteConnection, came: &[(&NewDelivery, i64)], now: i64) -> Result<(), StoreError> {
    if came.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = came
        .iter()
        .map(|(new, copies)| (&new.hook, &new.hook_id, &new.delivery_id, &new.event, &new.project, copies))
        .collect();
    sqlx::query(
        "INSERT INTO deliveries (hook, hook_id, delivery_id, event, project, received_at, copies, last_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, $2, value ->> 5, $2 FROM \
         json_each($1) WHERE true
         ON CONFLICT (hook, hook_id, delivery_id) DO UPDATE SET copies = excluded.copies, last_at = excluded.last_at",
    )
    .bind(Json(list))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

impl Store {
    /// Those of these deliveries of a hook that have come.
    pub async fn came(&self, hook: &str, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        let sql = "SELECT delivery_id FROM deliveries WHERE hook = $1 AND delivery_id IN \
                   (SELECT value FROM json_each($2))";
        let ids: Vec<String> = sqlx::query_scalar(sql).bind(hook).bind(Json(ids)).fetch_all(self.read()).await?;
        Ok(ids.into_iter().collect())
    }

    /// The newest deliveries first, at most `limit`.
    pub async fn deliveries(&self, limit: u32) -> Result<Vec<StoredDelivery>, StoreError> {
        let rows = sqlx::query(
            "SELECT hook, hook_id, delivery_id, event, project, received_at, copies, last_at
             FROM deliveries ORDER BY last_at DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        Ok(self.readable(decoded(&rows, "deliveries", &["hook", "delivery_id"])))
    }
}
