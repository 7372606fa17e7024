//! The deletes that a waiting run has shown. A word from a person holds for what was shown, and for nothing else.

use std::collections::BTreeSet;

use super::{Store, StoreError};
use crate::ids::AppId;
use crate::manifest::ObjectId;

impl Store {
    /// Remembers what was shown, in place of what was shown before.
    pub async fn put_shown_deletes(&self, app: &AppId, objects: &BTreeSet<ObjectId>) -> Result<(), StoreError> {
        let objects = serde_json::to_string(objects).map_err(|error| StoreError::corrupt("a list of objects", error))?;
        sqlx::query(
            "INSERT INTO shown_deletes (app, objects, shown_at) VALUES ($1, $2, $3)
             ON CONFLICT (app) DO UPDATE SET objects = excluded.objects, shown_at = excluded.shown_at",
        )
        .bind(app.to_string())
        .bind(objects)
        .bind(self.now())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// What was shown and not done yet; empty where nothing waits.
    pub async fn shown_deletes(&self, app: &AppId) -> Result<BTreeSet<ObjectId>, StoreError> {
        let query = sqlx::query_scalar::<_, String>("SELECT objects FROM shown_deletes WHERE app = $1").bind(app.to_string());
        match query.fetch_optional(self.read()).await? {
            Some(text) => serde_json::from_str(&text).map_err(|error| StoreError::corrupt(format!("the deletes shown for {app}"), error)),
            None => Ok(BTreeSet::new()),
        }
    }

    pub async fn forget_shown_deletes(&self, app: &AppId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM shown_deletes WHERE app = $1").bind(app.to_string()).execute(self.write()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::ids::RepoName;

    #[tokio::test]
    async fn the_newest_list_counts_until_it_is_forgotten() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let app = AppId::new(&RepoName::new("shop"), "web");
        let id = |name: &str| ObjectId { group: String::new(), kind: "PersistentVolumeClaim".into(), namespace: None, name: name.into() };
        assert!(store.shown_deletes(&app).await?.is_empty());
        store.put_shown_deletes(&app, &BTreeSet::from([id("a"), id("b")])).await?;
        store.put_shown_deletes(&app, &BTreeSet::from([id("c")])).await?;
        assert_eq!(store.shown_deletes(&app).await?, BTreeSet::from([id("c")]));
        store.forget_shown_deletes(&app).await?;
        assert!(store.shown_deletes(&app).await?.is_empty());
        Ok(())
    }
}
