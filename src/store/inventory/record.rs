//! Records the objects that were written to a cluster or deleted from it.

use sqlx::types::Json;

use super::{AppliedObject, Fingerprint, Listed, ObjectState, none_is_empty, of_object};
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::{ObjectId, ObjectKey};
use crate::store::{Connection, Store, StoreError};

impl Store {
    /// Remembers what an apply of `revision` left in the cluster.
    pub async fn record_applied(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        revision: &Oid,
        objects: &[AppliedObject],
    ) -> Result<(), StoreError> {
        if objects.is_empty() {
            return Ok(());
        }
        let list: Vec<_> =
            objects.iter().map(|object| Listed { applied: Some(object), ..Listed::key(&object.key) }).collect();
        sqlx::query(listed!(
            ", value ->> '$.applied.uid' AS uid, value ->> '$.applied.manifest_hash' AS manifest_hash, \
             value ->> '$.applied.fingerprint.digest' AS fingerprint, value ->> '$.applied.fingerprint.settled' AS \
             settled, \
             value ->> '$.applied.resource_version' AS resource_version",
            "UPDATE objects SET state = 'applied', version = a.version, uid = a.uid, manifest_hash = a.manifest_hash, \
             fingerprint = a.fingerprint, settled = a.settled, resource_version = a.resource_version, \
             job_done = CASE WHEN objects.uid = a.uid THEN job_done ELSE 0 END, applied_revision = $4 FROM a",
            " AND objects.app = $2"
        ))
        .bind(cluster.as_str())
        .bind(app.to_string())
        .bind(Json(list))
        .bind(revision.as_str())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Remembers that all that an app has applied is part of `revision`, also what needed no request.
    pub async fn record_revision(&self, cluster: &ClusterName, app: &AppId, revision: &Oid) -> Result<(), StoreError> {
        sqlx::query("UPDATE objects SET applied_revision = $3 WHERE cluster = $1 AND app = $2 AND state = 'applied'")
            .bind(cluster.as_str())
            .bind(app.to_string())
            .bind(revision.as_str())
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Remembers how the metadata of objects look now, after it was found that they differ in nothing that the app
    /// owns.
    pub async fn record_prints(
        &self,
        cluster: &ClusterName,
        prints: &[(ObjectId, Fingerprint, String)],
    ) -> Result<(), StoreError> {
        if prints.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = prints
            .iter()
            .map(|(id, print, version)| Listed {
                print: Some(print),
                resource_version: Some(version),
                ..Listed::id(id)
            })
            .collect();
        sqlx::query(listed!(
            ", value ->> '$.print.digest' AS fingerprint, value ->> '$.print.settled' AS settled, \
             value ->> 'resource_version' AS resource_version",
            "UPDATE objects SET fingerprint = a.fingerprint, settled = a.settled, resource_version = \
             a.resource_version FROM a",
            ""
        ))
        .bind(cluster.as_str())
        // Of which app does not matter.
        .bind(None::<&str>)
        .bind(Json(list))
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Remembers that a Job has completed, so that its going away is no drift.
    pub async fn record_job_done(&self, cluster: &ClusterName, id: &ObjectId) -> Result<(), StoreError> {
        of_object(one!("UPDATE objects SET job_done = 1"), cluster, id).execute(self.write()).await?;
        Ok(())
    }

    /// Takes an object that only its marks tell of into the inventory, as one to delete, or of which the delete needs
    /// confirmation. False when a row is there already.
    pub async fn adopt_for_pruning(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        key: &ObjectKey,
        uid: &str,
        held: bool,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO objects (cluster, api_group, kind, namespace, name, version, app, state, uid) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $9, $8) ON CONFLICT (cluster, api_group, kind, namespace, name) DO \
             NOTHING",
        )
        .bind(cluster.as_str())
        .bind(&key.group)
        .bind(&key.kind)
        .bind(none_is_empty(key.namespace.as_ref()))
        .bind(&key.name)
        .bind(&key.version)
        .bind(app.to_string())
        .bind(uid)
        .bind(if held { ObjectState::Held } else { ObjectState::Pruning })
        .execute(self.write())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// See [`prune_all`].
    pub async fn prune_all(&self, cluster: &ClusterName, app: &AppId) -> Result<(), StoreError> {
        prune_all(&mut *self.write().acquire().await?, cluster, app).await
    }

    /// Takes objects that are gone, or that are no longer ours, out of an app's inventory.
    pub async fn forget_objects(&self, cluster: &ClusterName, app: &AppId, ids: &[ObjectId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "DELETE FROM objects WHERE cluster = $1 AND app = $2 AND state IN ('pruning', 'deleting') AND (api_group, \
             kind, namespace, name) IN \
             (SELECT value ->> 'group', value ->> 'kind', value ->> 'namespace', value ->> 'name' FROM json_each($3))",
        )
        .bind(cluster.as_str())
        .bind(app.to_string())
        .bind(Json(ids.iter().map(Listed::id).collect::<Vec<_>>()))
        .execute(self.write())
        .await?;
        Ok(())
    }
}

/// Marks all that an app owns in a cluster as no longer wanted, save what is left for others: its definition was
/// removed and asked for that.
pub(in crate::store) async fn prune_all(
    conn: &mut Connection,
    cluster: &ClusterName,
    app: &AppId,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE objects SET state = 'pruning' WHERE app = $1 AND cluster = $2 AND state NOT IN ('moving', \
                 'deleting')",
    )
    .bind(app.to_string())
    .bind(cluster.as_str())
    .execute(conn)
    .await?;
    Ok(())
}
