//! What people hold an app by: pauses and pins, each with who asked for it.

use crate::ids::{AppId, Oid};
use crate::store::{Store, StoreError};

impl Store {
    /// When it was paused first, and by whom, is told as long as it is.
    pub async fn pause(&self, id: &AppId, by: &str) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET paused = 1, paused_since = CASE WHEN paused = 1 THEN paused_since ELSE $2 END, \
                   paused_by = CASE WHEN paused = 1 THEN paused_by ELSE $3 END WHERE id = $1";
        sqlx::query(sql).bind(id.to_string()).bind(self.now()).bind(by).execute(self.write()).await?;
        // A person is told that it is so.
        self.sync().await
    }

    /// Ends a pause.
    pub async fn resume(&self, id: &AppId) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET paused = 0, paused_since = NULL, paused_by = NULL WHERE id = $1";
        sqlx::query(sql).bind(id.to_string()).execute(self.write()).await?;
        self.sync().await
    }

    /// Holds the app at a revision.
    pub async fn pin(&self, id: &AppId, revision: &Oid, by: Option<&str>) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET pinned_revision = $2, pinned_by = $3 WHERE id = $1";
        sqlx::query(sql).bind(id.to_string()).bind(revision.as_str()).bind(by).execute(self.write()).await?;
        self.sync().await
    }

    /// Lets it go.
    pub async fn unpin(&self, id: &AppId) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET pinned_revision = NULL, pinned_by = NULL WHERE id = $1";
        sqlx::query(sql).bind(id.to_string()).execute(self.write()).await?;
        self.sync().await
    }
}
