//! Objects that move from one app to another.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::{of_object, read};
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::manifest::ObjectId;
use crate::store::apps::AppState;
use crate::store::inventory::ObjectRow;
use crate::store::{Store, StoreError};

/// What is known of an app without its definition and its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppHead {
    pub app: AppId,
    pub state: AppState,
    pub pinned: Option<Oid>,
}

#[derive(FromRow)]
struct RawAppHead {
    id: String,
    state: AppState,
    pinned_revision: Option<String>,
}

impl TryFrom<RawAppHead> for AppHead {
    type Error = StoreError;

    fn try_from(raw: RawAppHead) -> Result<Self, StoreError> {
        let pinned = raw.pinned_revision.map(|text| text.parse::<Oid>()).transpose();
        Ok(Self {
            app: raw.id.parse().map_err(|error| StoreError::corrupt("an app", error))?,
            state: raw.state,
            pinned: pinned.map_err(|error| StoreError::corrupt("a pinned revision", error))?,
        })
    }
}

impl Store {
    /// Leaves objects that an app no longer wants for others that do: they are not deleted by a prune until a sync has
    /// looked again.
    pub async fn leave(&self, cluster: &ClusterName, app: &AppId, ids: &[ObjectId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for id in ids {
            of_object(
                one!("UPDATE objects SET state = 'moving'", " AND app = $6 AND state IN ('pruning', 'deleting')"),
                cluster,
                id,
            )
            .bind(app.to_string())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    /// Begins to delete what an app no longer wants: from here on nobody else can claim it. Answers which of the
    /// objects still are the app's.
    pub async fn begin_deletes(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        ids: &[ObjectId],
    ) -> Result<BTreeSet<ObjectId>, StoreError> {
        let mut begun = BTreeSet::new();
        let mut tx = self.begin().await?;
        for id in ids {
            let done = of_object(
                one!("UPDATE objects SET state = 'deleting'", " AND app = $6 AND state IN ('pruning', 'deleting')"),
                cluster,
                id,
            )
            .bind(app.to_string())
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() > 0 {
                begun.insert(id.clone());
            }
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Objects that could not be deleted can be claimed again.
    pub async fn undo_deletes(&self, cluster: &ClusterName, app: &AppId, ids: &[ObjectId]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for id in ids {
            of_object(
                one!("UPDATE objects SET state = 'pruning'", " AND app = $6 AND state = 'deleting'"),
                cluster,
                id,
            )
            .bind(app.to_string())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }

    /// What the apps of a cluster have left for others and still own.
    pub async fn left_on(&self, cluster: &ClusterName) -> Result<Vec<ObjectRow>, StoreError> {
        let query = sqlx::query(select!(
            "WHERE cluster = $1 AND state = 'moving' ORDER BY app, api_group, kind, namespace, name"
        ));
        Ok(self.readable(read(&query.bind(cluster.as_str()).fetch_all(self.read()).await?)))
    }

    /// How the apps that a repo defines stand, save those whose definition was removed.
    pub async fn standing(&self, repo: &RepoName) -> Result<Vec<AppHead>, StoreError> {
        let raw: Vec<RawAppHead> = sqlx::query_as(
            "SELECT id, state, pinned_revision FROM apps WHERE repo = $1 AND state <> 'removed' ORDER BY id",
        )
        .bind(repo.as_str())
        .fetch_all(self.read())
        .await?;
        raw.into_iter().map(AppHead::try_from).collect()
    }
}
