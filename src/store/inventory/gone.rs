//! Objects in the inventory that no longer exist in the cluster.

use super::{ClusterName, Json, Listed, ObjectId, Store, StoreError};
use crate::ids::AppId;

impl Store {
    /// What went with an object that was deleted is not in the cluster any more; Git still has it, so that it stays the
    /// app's.
    pub async fn lose(&self, cluster: &ClusterName, app: &AppId, lost: &[ObjectId]) -> Result<(), StoreError> {
        let sql = "UPDATE objects SET state = 'claimed', uid = NULL, manifest_hash = NULL, fingerprint = NULL, \
                   settled = 0, resource_version = NULL WHERE cluster = $1 AND app = $2 AND state = 'applied' \
                   AND (api_group, kind, namespace, name) IN (SELECT value ->> 'group', value ->> 'kind', \
                   value ->> 'namespace', value ->> 'name' FROM json_each($3))";
        let query = sqlx::query(sql).bind(cluster.as_str()).bind(app.to_string());
        query.bind(Json(lost.iter().map(Listed::id).collect::<Vec<_>>())).execute(self.write()).await?;
        Ok(())
    }

    /// An app whose definition was removed keeps its objects; a claim to one that is gone keeps nothing, and only
    /// stands in another app's way. The caller has seen that they are gone.
    pub async fn disclaim_gone(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        gone: &[ObjectId],
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM objects WHERE cluster = $1 AND app = $2 \
             AND NOT EXISTS (SELECT 1 FROM apps WHERE id = $2 AND state <> 'removed') \
             AND (api_group, kind, namespace, name) IN \
             (SELECT value ->> 'group', value ->> 'kind', value ->> 'namespace', value ->> 'name' FROM json_each($3))";
        let query = sqlx::query(sql).bind(cluster.as_str()).bind(app.to_string());
        let done = query.bind(Json(gone.iter().map(Listed::id).collect::<Vec<_>>())).execute(self.write()).await?;
        Ok(done.rows_affected())
    }
}
