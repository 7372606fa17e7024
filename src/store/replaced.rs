//! Objects that are deleted to be recreated, as they were. They are stored until an object of that name exists again,
//! so that neither a rejection nor the end of the process loses them.

use serde_json::Value;
use sqlx::FromRow;

use super::skipped::Skipped;
use super::stored::Stored;
use super::transaction::Query;
use super::{Connection, Store, StoreError};
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::ObjectKey;

const OBJECT: Stored<Value> =
    Stored::new("replaced.object", 1, "It cannot be put back; delete the row once the object is there again");

/// An object before it was deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct Replaced {
    pub cluster: ClusterName,
    pub app: AppId,
    pub key: ObjectKey,
    /// As it was live. None where that must not be stored.
    pub object: Option<Value>,
    /// The hash of the manifest that was applied last, empty where that is not known, and its revision.
    pub applied: (String, Oid),
    /// In milliseconds since 1970.
    pub since: i64,
}

#[derive(FromRow)]
struct Raw {
    cluster: String,
    api_group: String,
    kind: String,
    namespace: String,
    name: String,
    version: String,
    app: String,
    object: Option<String>,
    manifest_hash: String,
    applied_revision: String,
    since: i64,
}

impl TryFrom<Raw> for Replaced {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let namespace = Some(raw.namespace).filter(|namespace| !namespace.is_empty());
        let key = ObjectKey { group: raw.api_group, version: raw.version, kind: raw.kind, namespace, name: raw.name };
        let revision = raw.applied_revision.parse::<Oid>();
        let revision = revision.map_err(|error| StoreError::corrupt(format!("a revision of {key}"), error))?;
        let object = raw.object.map(|text| OBJECT.read(&key, &text)).transpose()?;
        Ok(Self {
            cluster: ClusterName::new(&raw.cluster),
            app: raw.app.parse().map_err(|error| StoreError::corrupt(format!("an owner of {key}"), error))?,
            object,
            applied: (raw.manifest_hash, revision),
            since: raw.since,
            key,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT cluster, api_group, kind, namespace, name, version, app, object, manifest_hash, applied_revision, ",
            "since FROM replaced ",
            $rest
        )
    };
}

/// `$1` to `$5`: the object's cluster and name.
fn of_key<'q>(sql: &'static str, cluster: &'q ClusterName, key: &'q ObjectKey) -> Query<'q> {
    let query = sqlx::query(sql).bind(cluster.as_str()).bind(&key.group).bind(&key.kind);
    query.bind(key.namespace.as_deref().unwrap_or_default()).bind(&key.name)
}

pub(super) async fn of_app(conn: &mut Connection, skipped: &Skipped, app: &AppId) -> Result<Vec<Replaced>, StoreError> {
    let raw = sqlx::query_as::<_, Raw>(select!("WHERE app = $1 ORDER BY cluster, kind, namespace, name"));
    let raw = raw.bind(app.to_string()).fetch_all(conn).await?;
    Ok(skipped.readable(raw.into_iter().map(Replaced::try_from)))
}

impl Store {
    /// Keeps an object before it is deleted; once this returns it is on disk. Its time is that of now.
    pub async fn keep_replaced(&self, replaced: &Replaced) -> Result<(), StoreError> {
        let Replaced { cluster, app, key, applied, .. } = replaced;
        let object = replaced.object.as_ref().map(|object| OBJECT.write(object)).transpose()?;
        of_key(
            "INSERT INTO replaced (cluster, api_group, kind, namespace, name, version, app, object, manifest_hash, \
             applied_revision, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (cluster, api_group, kind, namespace, name) DO UPDATE SET version = excluded.version, \
             app = excluded.app, object = excluded.object, manifest_hash = excluded.manifest_hash, \
             applied_revision = excluded.applied_revision, since = excluded.since",
            cluster,
            key,
        )
        .bind(&key.version)
        .bind(app.to_string())
        .bind(object)
        .bind(&applied.0)
        .bind(applied.1.as_str())
        .bind(self.now())
        .execute(self.write())
        .await?;
        self.sync().await
    }

    /// There is one of its name again, or nobody wants one any more.
    pub async fn forget_replaced(&self, cluster: &ClusterName, key: &ObjectKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM replaced WHERE cluster = $1 AND api_group = $2 AND kind = $3 AND namespace = $4 AND \
                   name = $5";
        of_key(sql, cluster, key).execute(self.write()).await?;
        Ok(())
    }

    /// An object was put back, as the manifest with this hash was not taken in its place.
    pub async fn note_put_back(&self, cluster: &ClusterName, key: &ObjectKey, hash: &str) -> Result<(), StoreError> {
        of_key(
            "INSERT INTO put_back (cluster, api_group, kind, namespace, name, hash, times, last)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
             ON CONFLICT (cluster, api_group, kind, namespace, name) DO UPDATE SET hash = excluded.hash, \
             times = CASE WHEN put_back.hash = excluded.hash THEN times + 1 ELSE 1 END, last = excluded.last",
            cluster,
            key,
        )
        .bind(hash)
        .bind(self.now())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// How often in a row an object was put back for a manifest, and when last, in milliseconds since 1970.
    pub async fn put_backs(
        &self,
        cluster: &ClusterName,
        key: &ObjectKey,
        hash: &str,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT times, last FROM put_back WHERE cluster = $1 AND api_group = $2 AND kind = $3 AND \
                   namespace = $4 AND name = $5 AND hash = $6";
        let found = sqlx::query_as(sql)
            .bind(cluster.as_str())
            .bind(&key.group)
            .bind(&key.kind)
            .bind(key.namespace.as_deref().unwrap_or_default())
            .bind(&key.name)
            .bind(hash);
        Ok(found.fetch_optional(self.read()).await?)
    }

    /// What was put back is replaced, or there as it is wanted.
    pub async fn forget_put_back(&self, cluster: &ClusterName, key: &ObjectKey) -> Result<(), StoreError> {
        let sql = "DELETE FROM put_back WHERE cluster = $1 AND api_group = $2 AND kind = $3 AND namespace = $4 AND \
                   name = $5";
        of_key(sql, cluster, key).execute(self.write()).await?;
        Ok(())
    }

    /// What of an app was deleted to be made again, and is not known to be there.
    pub async fn replaced_of(&self, app: &AppId) -> Result<Vec<Replaced>, StoreError> {
        of_app(&mut *self.read().acquire().await?, &self.0.skipped, app).await
    }

    /// The same of all apps.
    pub async fn all_replaced(&self) -> Result<Vec<Replaced>, StoreError> {
        let raw = sqlx::query_as::<_, Raw>(select!("ORDER BY app, cluster, kind, namespace, name"));
        Ok(self.readable(raw.fetch_all(self.read()).await?.into_iter().map(Replaced::try_from)))
    }

    /// The apps of which something is missing in a cluster that was deleted to be made again.
    pub async fn apps_with_replaced(&self, cluster: &ClusterName) -> Result<Vec<AppId>, StoreError> {
        let apps: Vec<String> = sqlx::query_scalar("SELECT DISTINCT app FROM replaced WHERE cluster = $1 ORDER BY app")
            .bind(cluster.as_str())
            .fetch_all(self.read())
            .await?;
        let app = |text: String| text.parse().map_err(|error| StoreError::corrupt("an owner of an object", error));
        Ok(self.readable(apps.into_iter().map(app)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::clock::ManualClock;
    use crate::ids::RepoName;

    /// B19+: what was deleted is known to another process, and what must not be stored is known without what it held.
    #[tokio::test]
    async fn what_is_replaced_outlives_the_process() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.db");
        let store = Store::open(&path, Arc::new(ManualClock::at_millis(7))).await?;
        let app = AppId::new(&RepoName::new("shop"), "web");
        let one = |name: &str, object: Option<Value>| Replaced {
            cluster: ClusterName::new("prod"),
            app: app.clone(),
            key: ObjectKey {
                group: String::new(),
                version: "v1".into(),
                kind: "ConfigMap".into(),
                namespace: Some("a".into()),
                name: name.into(),
            },
            object,
            applied: ("hash".to_owned(), "0123456789012345678901234567890123456789".parse().expect("an id")),
            since: 7,
        };
        let (kept, hidden) = (one("a", Some(json!({"data": {"k": "1"}}))), one("b", None));
        store.keep_replaced(&one("a", Some(json!({"data": {}})))).await?;
        store.keep_replaced(&kept).await?;
        store.keep_replaced(&hidden).await?;
        drop(store);
        let store = Store::open(&path, Arc::new(ManualClock::at_millis(8))).await?;
        assert_eq!(store.replaced_of(&app).await?, [kept.clone(), hidden.clone()]);
        assert_eq!(store.apps_with_replaced(&kept.cluster).await?, std::slice::from_ref(&app));
        assert!(store.apps_with_replaced(&ClusterName::new("west")).await?.is_empty());
        store.forget_replaced(&kept.cluster, &kept.key).await?;
        for hash in ["one", "two", "two"] {
            store.note_put_back(&kept.cluster, &kept.key, hash).await?;
        }
        assert_eq!(store.put_backs(&kept.cluster, &kept.key, "two").await?, Some((2, 8)));
        assert_eq!(store.put_backs(&kept.cluster, &kept.key, "one").await?, None);
        store.forget_put_back(&kept.cluster, &kept.key).await?;
        assert_eq!(store.put_backs(&kept.cluster, &kept.key, "two").await?, None);
        assert_eq!(store.replaced_of(&app).await?, [hidden]);
        Ok(())
    }
}
