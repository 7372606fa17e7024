//! What each app owns in each cluster. The inventory and the claims are one table, so that an object can't have two
//! owners.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, readable};
use crate::class::{Class, Classified};
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::{ObjectId, ObjectKey};

/// How far the owner has come with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ObjectState {
    /// About to be written; it may or may not be in the cluster.
    Claimed,
    Applied,
    /// No longer wanted, and to be deleted.
    Pruning,
    /// No longer wanted, and left for another app of the repo that wants it.
    Moving,
    /// Being deleted: nobody else can claim it until it is gone.
    Deleting,
    /// No longer wanted; its delete needs confirmation.
    Held,
    /// Wanted otherwise than it is; its replacement needs confirmation.
    Outdated,
}

impl ObjectState {
    /// Whether something about the object needs confirmation.
    pub fn waits_for_word(self) -> bool {
        matches!(self, Self::Held | Self::Outdated)
    }
}

/// One object that an app owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRow {
    pub key: ObjectKey,
    pub app: AppId,
    pub state: ObjectState,
    pub uid: Option<String>,
    /// Of the manifest that was applied last.
    pub manifest_hash: Option<String>,
    pub fingerprint: Option<Print>,
    pub resource_version: Option<String>,
    pub applied_revision: Option<Oid>,
    /// A Job that was seen to complete.
    pub job_done: bool,
}

/// What the metadata of a live object came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Print {
    pub digest: String,
    /// False while an equal digest does not prove that the object is the same.
    pub settled: bool,
}

/// An object that a sync wants to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: ObjectKey,
    /// False for one that is as it should be and will not be written.
    pub write: bool,
}

/// What an apply left in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedObject {
    #[serde(skip)]
    pub key: ObjectKey,
    pub uid: String,
    pub resource_version: String,
    pub manifest_hash: String,
    pub fingerprint: Print,
}

/// Why objects could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error(
        "{object} in cluster {cluster} belongs to app {owner}, and app {by} renders it as well: two apps cannot own \
         one object: remove it from one of them{}", if owner.repo == by.repo { "" } else { "; objects are handed over \
                                                                                            only between apps of one \
                                                                                            repo" }
    )]
    Taken { object: ObjectId, cluster: ClusterName, owner: AppId, by: AppId },
    #[error("{object} in cluster {cluster} is being deleted by app {owner}; it is created again once it is gone")]
    BeingDeleted { object: ObjectId, cluster: ClusterName, owner: AppId },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for ClaimError {
    fn class(&self) -> Class {
        match self {
            Self::Taken { .. } => Class::Fail,
            Self::BeingDeleted { .. } => Class::RETRY,
            Self::Store(error) => error.class(),
        }
    }
}

#[derive(FromRow)]
struct Raw {
    api_group: String,
    kind: String,
    namespace: String,
    name: String,
    version: String,
    app: String,
    state: ObjectState,
    uid: Option<String>,
    manifest_hash: Option<String>,
    fingerprint: Option<String>,
    settled: i64,
    resource_version: Option<String>,
    applied_revision: Option<String>,
    job_done: i64,
}

impl TryFrom<Raw> for ObjectRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let namespace = Some(raw.namespace).filter(|namespace| !namespace.is_empty());
        let key = ObjectKey { group: raw.api_group, version: raw.version, kind: raw.kind, namespace, name: raw.name };
        let revision = raw.applied_revision.map(|text| text.parse::<Oid>()).transpose();
        Ok(Self {
            app: raw.app.parse().map_err(|error| StoreError::corrupt(format!("an owner of {key}"), error))?,
            state: raw.state,
            uid: raw.uid,
            manifest_hash: raw.manifest_hash,
            fingerprint: raw.fingerprint.map(|digest| Print { digest, settled: raw.settled != 0 }),
            resource_version: raw.resource_version,
            applied_revision: revision.map_err(|error| StoreError::corrupt(format!("a revision of {key}"), error))?,
            job_done: raw.job_done != 0,
            key,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT api_group, kind, namespace, name, version, app, state, uid, manifest_hash, fingerprint, settled, ",
            "resource_version, applied_revision, job_done FROM objects ",
            $rest
        )
    };
}

/// A list of objects that a statement is about, as the table `a`: JSON in `$3`, for the cluster in `$1`. It is made
/// first, so that each of its objects is looked up by the primary key; else SQLite compares each object of the cluster
/// with each of the list.
macro_rules! listed {
    ($columns:literal, $statement:literal, $after:literal) => {
        concat!(
            "WITH a AS MATERIALIZED (SELECT value ->> 'group' AS api_group, value ->> 'kind' AS kind, ",
            "value ->> 'namespace' AS namespace, value ->> 'name' AS name, value ->> 'version' AS version",
            $columns,
            " FROM json_each($3)) ",
            $statement,
            " WHERE objects.cluster = $1 AND objects.api_group = a.api_group AND objects.kind = a.kind ",
            "AND objects.namespace = a.namespace AND objects.name = a.name",
            $after
        )
    };
}

/// One entry of such a list.
#[derive(Serialize)]
struct Listed<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<&'a AppliedObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    print: Option<&'a Print>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'a str>,
}

impl<'a> Listed<'a> {
    fn id(id: &'a ObjectId) -> Self {
        Self {
            group: &id.group,
            kind: &id.kind,
            namespace: none_is_empty(id.namespace.as_ref()),
            name: &id.name,
            version: None,
            write: None,
            applied: None,
            print: None,
            resource_version: None,
        }
    }

    fn key(key: &'a ObjectKey) -> Self {
        Self {
            group: &key.group,
            kind: &key.kind,
            namespace: none_is_empty(key.namespace.as_ref()),
            name: &key.name,
            version: Some(&key.version),
            write: None,
            applied: None,
            print: None,
            resource_version: None,
        }
    }
}

/// The condition that names one object, as `$1` to `$5`.
macro_rules! one {
    ($before:literal) => {
        concat!($before, " WHERE cluster = $1 AND api_group = $2 AND kind = $3 AND namespace = $4 AND name = $5")
    };
    ($before:literal, $after:literal) => {
        concat!(one!($before), $after)
    };
}

fn none_is_empty(namespace: Option<&String>) -> &str {
    namespace.map_or("", String::as_str)
}

fn rows(raw: Vec<Raw>) -> Result<Vec<ObjectRow>, StoreError> {
    raw.into_iter().map(ObjectRow::try_from).collect()
}

impl Store {
    /// Claims the objects that an app wants, all or none, and marks what it has beside them as no longer wanted. What
    /// is in `held` is not touched before a person agrees: such a wanted object stays as it is, such an unwanted one is
    /// no longer to be deleted, if it was.
    ///
    /// An object that another app of the same repo has is handed over only if that app no longer wants it, or is among
    /// `released`: the apps of which the caller knows that they do not render the object any more. Objects that are as
    /// they were left cost no statement.
    pub async fn claim(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        wanted: &[Claim],
        held: &BTreeSet<ObjectId>,
        released: &BTreeSet<AppId>,
    ) -> Result<(), ClaimError> {
        let mut tx = self.begin().await?;
        let mine: Vec<Raw> = sqlx::query_as(select!("WHERE app = $1 AND cluster = $2"))
            .bind(app.to_string())
            .bind(cluster.as_str())
            .fetch_all(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        let mut mine: BTreeMap<ObjectId, ObjectRow> = rows(mine)?.into_iter().map(|row| (row.key.id(), row)).collect();
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for claim in wanted {
            let id = claim.key.id();
            match mine.remove(&id) {
                Some(_) if held.contains(&id) => set_state(&mut tx, cluster, app, &id, ObjectState::Outdated).await?,
                Some(row) if !claim.write && row.state == ObjectState::Applied => {}
                Some(_) => kept.push(claim),
                None => new.push(&claim.key),
            }
        }
        set_wanted(&mut tx, cluster, app, &kept).await?;
        claim_new(&mut tx, cluster, app, &new, released).await?;
        for (id, row) in &mine {
            let state = if held.contains(id) { ObjectState::Held } else { ObjectState::Pruning };
            if row.state != state {
                set_state(&mut tx, cluster, app, id, state).await?;
            }
        }
        tx.commit().await?;
        // What is written next into the cluster must be known to be ours, whatever happens.
        if wanted.iter().any(|claim| claim.write) {
            self.sync().await?;
        }
        Ok(())
    }

    /// Which of these objects other apps own, with their owners: what a preview looks at.
    pub async fn owners(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        ids: &[ObjectId],
    ) -> Result<Vec<(ObjectId, AppId)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.read().acquire().await?;
        let owned = owners_of(&mut connection, cluster, ids.iter().map(Listed::id).collect()).await?;
        let mut owned: BTreeMap<ObjectId, AppId> = owned.into_iter().map(|(id, owner, _)| (id, owner)).collect();
        let mut named = |id: &ObjectId| owned.remove(id).filter(|owner| owner != app).map(|owner| (id.clone(), owner));
        Ok(ids.iter().filter_map(&mut named).collect())
    }

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
        prints: &[(ObjectId, Print, String)],
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
        sqlx::query(one!("UPDATE objects SET job_done = 1"))
            .bind(cluster.as_str())
            .bind(&id.group)
            .bind(&id.kind)
            .bind(none_is_empty(id.namespace.as_ref()))
            .bind(&id.name)
            .execute(self.write())
            .await?;
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

    /// Marks all that an app owns in a cluster as no longer wanted, save what is left for others: its definition was
    /// removed and asked for that.
    pub async fn prune_all(&self, cluster: &ClusterName, app: &AppId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE objects SET state = 'pruning' WHERE app = $1 AND cluster = $2 AND state NOT IN ('moving', \
                     'deleting')",
        )
        .bind(app.to_string())
        .bind(cluster.as_str())
        .execute(self.write())
        .await?;
        Ok(())
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

    /// Lets all objects of an app go: they stay in the cluster, and nobody owns them.
    pub async fn release_all(&self, app: &AppId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM objects WHERE app = $1").bind(app.to_string()).execute(self.write()).await?;
        Ok(())
    }

    /// What an app owns, in a stable order.
    pub async fn inventory(&self, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
        let raw = sqlx::query_as(select!("WHERE app = $1 ORDER BY api_group, kind, namespace, name"));
        rows(raw.bind(app.to_string()).fetch_all(self.read()).await?)
    }

    /// What an app owns in a cluster.
    pub async fn inventory_of(&self, cluster: &ClusterName, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
        let raw = sqlx::query_as(select!("WHERE cluster = $1 AND app = $2 ORDER BY api_group, kind, namespace, name"));
        rows(raw.bind(cluster.as_str()).bind(app.to_string()).fetch_all(self.read()).await?)
    }

    /// How many objects of an app need confirmation to be deleted or replaced.
    pub async fn waiting_for_word(&self, app: &AppId) -> Result<u32, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM objects WHERE app = $1 AND state IN ($2, $3)")
            .bind(app.to_string())
            .bind(ObjectState::Held)
            .bind(ObjectState::Outdated)
            .fetch_one(self.read())
            .await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// What of an app is to go and has not: what needs confirmation, and what was left for other apps.
    pub async fn put_off(&self, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
        let raw = sqlx::query_as::<_, Raw>(select!(
            "WHERE app = $1 AND state IN ($2, $3, $4) ORDER BY cluster, api_group, kind, namespace, name"
        ));
        let raw =
            raw.bind(app.to_string()).bind(ObjectState::Held).bind(ObjectState::Outdated).bind(ObjectState::Moving);
        Ok(readable(raw.fetch_all(self.read()).await?.into_iter().map(ObjectRow::try_from)))
    }

    /// What all apps own in a cluster.
    pub async fn inventory_on(&self, cluster: &ClusterName) -> Result<Vec<ObjectRow>, StoreError> {
        let raw = sqlx::query_as::<_, Raw>(select!("WHERE cluster = $1 ORDER BY api_group, kind, namespace, name"));
        Ok(readable(raw.bind(cluster.as_str()).fetch_all(self.read()).await?.into_iter().map(ObjectRow::try_from)))
    }
}

/// Who owns which of the listed objects, as far as anybody does.
async fn owners_of(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    list: Vec<Listed<'_>>,
) -> Result<Vec<(ObjectId, AppId, ObjectState)>, StoreError> {
    let found: Vec<(String, String, String, String, String, ObjectState)> = sqlx::query_as(listed!(
        "",
        "SELECT objects.api_group, objects.kind, objects.namespace, objects.name, app, state FROM a, objects",
        ""
    ))
    .bind(cluster.as_str())
    .bind(None::<&str>)
    .bind(Json(list))
    .fetch_all(connection)
    .await?;
    let named = |(group, kind, namespace, name, app, state): (String, String, String, String, String, ObjectState)| {
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        let id = ObjectId { group, kind, namespace, name };
        let owner = app.parse().map_err(|error| StoreError::corrupt(format!("an owner of {id}"), error))?;
        Ok((id, owner, state))
    };
    found.into_iter().map(named).collect()
}

async fn claim_new(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    app: &AppId,
    keys: &[&ObjectKey],
    released: &BTreeSet<AppId>,
) -> Result<(), ClaimError> {
    if keys.is_empty() {
        return Ok(());
    }
    let list = || keys.iter().map(|key| Listed::key(key)).collect::<Vec<_>>();
    for (object, owner, state) in owners_of(connection, cluster, list()).await? {
        if owner != *app && owner.repo == app.repo && state == ObjectState::Deleting {
            return Err(ClaimError::BeingDeleted { object, cluster: cluster.clone(), owner });
        }
        let let_go = matches!(state, ObjectState::Pruning | ObjectState::Moving | ObjectState::Held)
            || released.contains(&owner);
        let moved = owner.repo == app.repo && let_go;
        if owner != *app && !moved {
            return Err(ClaimError::Taken { object, cluster: cluster.clone(), owner, by: app.clone() });
        }
    }
    sqlx::query(
        "INSERT INTO objects (cluster, api_group, kind, namespace, name, version, app, state) \
         SELECT $1, value ->> 'group', value ->> 'kind', value ->> 'namespace', value ->> 'name', value ->> 'version', \
         $2, 'claimed' \
         FROM json_each($3) WHERE true \
         ON CONFLICT (cluster, api_group, kind, namespace, name) DO UPDATE SET app = excluded.app, version = \
         excluded.version, \
         state = 'claimed', manifest_hash = NULL",
    )
    .bind(cluster.as_str())
    .bind(app.to_string())
    .bind(Json(list()))
    .execute(connection)
    .await
    .map_err(StoreError::from)?;
    Ok(())
}

/// An object that is about to be written is not known to be as the last manifest said, until it has been written.
async fn set_wanted(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    app: &AppId,
    claims: &[&Claim],
) -> Result<(), StoreError> {
    if claims.is_empty() {
        return Ok(());
    }
    let list: Vec<_> =
        claims.iter().map(|claim| Listed { write: Some(claim.write), ..Listed::key(&claim.key) }).collect();
    sqlx::query(listed!(
        ", value ->> 'write' AS write",
        "UPDATE objects SET state = CASE WHEN a.write = 1 THEN 'claimed' ELSE 'applied' END, \
         manifest_hash = CASE WHEN a.write = 1 THEN NULL ELSE manifest_hash END FROM a",
        " AND objects.app = $2"
    ))
    .bind(cluster.as_str())
    .bind(app.to_string())
    .bind(Json(list))
    .execute(connection)
    .await?;
    Ok(())
}

async fn set_state(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    app: &AppId,
    id: &ObjectId,
    state: ObjectState,
) -> Result<(), StoreError> {
    sqlx::query(one!("UPDATE objects SET state = $7", " AND app = $6"))
        .bind(cluster.as_str())
        .bind(&id.group)
        .bind(&id.kind)
        .bind(none_is_empty(id.namespace.as_ref()))
        .bind(&id.name)
        .bind(app.to_string())
        .bind(state)
        .execute(connection)
        .await?;
    Ok(())
}

mod gone;
mod left;
mod moving;

pub use moving::Standing;

#[cfg(test)]
mod tests;
