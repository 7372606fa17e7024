//! The reasons why deletions are held.

use std::collections::BTreeMap;

use super::of_object;
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;
use crate::store::{Store, StoreError};

impl Store {
    /// Notes what deletions are about to be held for: of so many objects too many, 0 for others, None for the object
    /// itself.
    pub async fn note_held_of(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        held_of: &BTreeMap<ObjectId, Option<u32>>,
    ) -> Result<(), StoreError> {
        if held_of.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for (id, of) in held_of {
            let sql = one!("UPDATE objects SET held_of = $7", " AND app = $6 AND held_of IS DISTINCT FROM $7");
            of_object(sql, cluster, id).bind(app.to_string()).bind(of.map(i64::from)).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}
