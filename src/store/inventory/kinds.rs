//! The kinds of owned objects, and the CRDs that serve them.

use std::collections::HashMap;

use super::{ObjectRow, read};
use crate::ids::ClusterName;
use crate::store::{Store, StoreError};

impl Store {
    /// The kinds of named groups that apps own objects of, as group and kind.
    pub async fn kinds_owned(&self, cluster: &ClusterName) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT DISTINCT api_group, kind FROM objects WHERE cluster = $1 AND api_group LIKE '%.%'";
        Ok(sqlx::query_as(sql).bind(cluster.as_str()).fetch_all(self.read()).await?)
    }

    /// What all apps own of one kind in a cluster.
    pub async fn inventory_of_kind(
        &self,
        cluster: &ClusterName,
        group: &str,
        kind: &str,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        let query =
            sqlx::query(select!("WHERE cluster = $1 AND api_group = $2 AND kind = $3 ORDER BY app, namespace, name"));
        let found = query.bind(cluster.as_str()).bind(group).bind(kind).fetch_all(self.read()).await?;
        Ok(self.readable(read(&found)))
    }

    /// Notes by which definition each kind is served. What was known of the objects of a kind that is served by another
    /// one than at the last look is known no more: they are asked about again.
    pub async fn see_kinds(
        &self,
        cluster: &ClusterName,
        seen: &[((String, String), String)],
    ) -> Result<(), StoreError> {
        let known: Vec<(String, String, String)> =
            sqlx::query_as("SELECT api_group, kind, definition FROM kinds_seen WHERE cluster = $1")
                .bind(cluster.as_str())
                .fetch_all(self.read())
                .await?;
        let known: HashMap<(String, String), String> =
            known.into_iter().map(|(group, kind, definition)| ((group, kind), definition)).collect();
        let mut tx = self.begin().await?;
        for ((group, kind), definition) in seen {
            if known.get(&(group.clone(), kind.clone())) == Some(definition) {
                continue;
            }
            sqlx::query(
                "UPDATE objects SET fingerprint = NULL, settled = 0, resource_version = NULL WHERE cluster = $1 AND \
                 api_group = $2 AND kind = $3 AND state = 'applied'",
            )
            .bind(cluster.as_str())
            .bind(group)
            .bind(kind)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO kinds_seen (cluster, api_group, kind, definition) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (cluster, api_group, kind) DO UPDATE SET definition = excluded.definition",
            )
            .bind(cluster.as_str())
            .bind(group)
            .bind(kind)
            .bind(definition)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    }
}
