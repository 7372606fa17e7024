//! Objects on previous clusters of their app: its definition names another cluster now.

use std::collections::BTreeSet;

use super::ObjectState;
use super::claim::set_state;
use crate::ids::{AppId, ClusterName};
use crate::manifest::{ObjectId, ObjectKey};
use crate::store::{Store, StoreError};

impl Store {
    /// The clusters on which an app owns objects, apart from the one that its definition names.
    pub async fn previous_clusters(&self, app: &AppId) -> Result<Vec<ClusterName>, StoreError> {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT objects.cluster FROM objects JOIN apps ON apps.id = objects.app \
             WHERE objects.app = $1 AND objects.cluster <> apps.cluster ORDER BY objects.cluster",
        )
        .bind(app.to_string())
        .fetch_all(self.read())
        .await?;
        Ok(names.into_iter().map(ClusterName::new).collect())
    }

    /// What is held of these is to be deleted, as a person has confirmed it, and nothing else is. Answers which that
    /// were.
    pub async fn confirm_held(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        shown: &BTreeSet<ObjectId>,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let rows = self.inventory_of(cluster, app).await?;
        let mut held = Vec::new();
        let mut tx = self.begin().await?;
        for row in rows {
            let id = row.key.id();
            match row.state {
                ObjectState::Held if shown.contains(&id) => {
                    set_state(&mut tx, cluster, app, &id, ObjectState::Pruning).await?;
                    held.push(row.key);
                }
                ObjectState::Pruning if !shown.contains(&id) => {
                    set_state(&mut tx, cluster, app, &id, ObjectState::Applied).await?;
                }
                _ => {}
            }
        }
        tx.commit().await?;
        Ok(held)
    }

    /// Decides about all that an app has on a cluster which it has left: these need confirmation, these are to be
    /// deleted, and the others stay, as nobody may delete them.
    pub async fn set_left(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        held: &BTreeSet<ObjectId>,
        agreed: &BTreeSet<ObjectId>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE objects SET state = $3, held_of = NULL WHERE cluster = $1 AND app = $2")
            .bind(cluster.as_str())
            .bind(app.to_string())
            .bind(ObjectState::Applied)
            .execute(&mut *tx)
            .await?;
        let states =
            held.iter().map(|id| (id, ObjectState::Held)).chain(agreed.iter().map(|id| (id, ObjectState::Pruning)));
        for (id, state) in states {
            set_state(&mut tx, cluster, app, id, state).await?;
        }
        tx.commit().await
    }
}
