//! The deletions that a waiting run has listed. A confirmation covers exactly these.

use std::collections::{BTreeMap, BTreeSet};

use super::stored::Stored;
use super::{Connection, Store, StoreError};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;

type Shown = BTreeMap<ClusterName, BTreeSet<ObjectId>>;

const SHOWN: Stored<Shown> =
    Stored::new("shown_deletes.objects", 1, "What waits for confirmation is shown again by the next sync");

impl Store {
    /// Remembers what was shown of one cluster, in place of what was shown of it before.
    pub async fn put_confirmable(
        &self,
        app: &AppId,
        cluster: &ClusterName,
        objects: &BTreeSet<ObjectId>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_confirmable(&mut tx, (app, cluster), objects, self.now()).await?;
        tx.commit().await
    }

    /// What was shown of a cluster and not done yet; empty where nothing waits.
    pub async fn confirmable(&self, app: &AppId, cluster: &ClusterName) -> Result<BTreeSet<ObjectId>, StoreError> {
        Ok(shown(&mut *self.read().acquire().await?, app).await?.remove(cluster).unwrap_or_default())
    }
}

pub(super) async fn put_confirmable(
    conn: &mut Connection,
    (app, cluster): (&AppId, &ClusterName),
    objects: &BTreeSet<ObjectId>,
    now: i64,
) -> Result<(), StoreError> {
    let mut shown = shown(conn, app).await?;
    let before =
        if objects.is_empty() { shown.remove(cluster) } else { shown.insert(cluster.clone(), objects.clone()) };
    if before.unwrap_or_default() == *objects {
        return Ok(());
    }
    if shown.is_empty() {
        sqlx::query("DELETE FROM shown_deletes WHERE app = $1").bind(app.to_string()).execute(conn).await?;
        return Ok(());
    }
    let objects = SHOWN.write(&shown)?;
    sqlx::query(
        "INSERT INTO shown_deletes (app, objects, shown_at) VALUES ($1, $2, $3)
             ON CONFLICT (app) DO UPDATE SET objects = excluded.objects, shown_at = excluded.shown_at",
    )
    .bind(app.to_string())
    .bind(objects)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

async fn shown(conn: &mut Connection, app: &AppId) -> Result<Shown, StoreError> {
    let query =
        sqlx::query_scalar::<_, String>("SELECT objects FROM shown_deletes WHERE app = $1").bind(app.to_string());
    // What an earlier release wrote did not say of which cluster it was: a person is asked again.
    Ok(query.fetch_optional(conn).await?.and_then(|text| SHOWN.read_if_known(app, &text)).unwrap_or_default())
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
        let id = |name: &str| ObjectId {
            group: String::new(),
            kind: "PersistentVolumeClaim".into(),
            namespace: None,
            name: name.into(),
        };
        let (eu, us) = (ClusterName::new("eu"), ClusterName::new("us"));
        assert!(store.confirmable(&app, &eu).await?.is_empty());
        store.put_confirmable(&app, &eu, &BTreeSet::from([id("a"), id("b")])).await?;
        store.put_confirmable(&app, &eu, &BTreeSet::from([id("c")])).await?;
        assert_eq!(store.confirmable(&app, &eu).await?, BTreeSet::from([id("c")]));
        assert!(store.confirmable(&app, &us).await?.is_empty(), "a confirmation for one cluster is none for another");
        store.put_confirmable(&app, &us, &BTreeSet::from([id("d")])).await?;
        store.put_confirmable(&app, &eu, &BTreeSet::new()).await?;
        assert!(store.confirmable(&app, &eu).await?.is_empty());
        assert_eq!(store.confirmable(&app, &us).await?, BTreeSet::from([id("d")]));
        Ok(())
    }
}
