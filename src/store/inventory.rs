//! The objects that each app owns in each cluster. The inventory and the claims are one table, so that an object cannot
//! have two owners.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;

use super::transaction::Query;
use super::words::words;
use super::{Connection, Store, StoreError, decoded};
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::{ObjectId, ObjectKey};

words! {
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
}

impl ObjectState {
    /// Whether something about the object needs confirmation.
    pub fn pending_confirmation(self) -> bool {
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
    pub fingerprint: Option<Fingerprint>,
    pub resource_version: Option<String>,
    pub applied_revision: Option<Oid>,
    /// A Job that was seen to complete.
    pub job_done: bool,
    /// What its deletion is held for, where that is not the object itself: so many objects, or 0 for others.
    pub held_of: Option<u32>,
}

/// What the metadata of a live object came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Fingerprint {
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
    pub fingerprint: Fingerprint,
}

/// What names a row.
const KEYS: &[&str] = &["api_group", "kind", "namespace", "name"];

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
    held_of: Option<i64>,
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
            fingerprint: raw.fingerprint.map(|digest| Fingerprint { digest, settled: raw.settled != 0 }),
            resource_version: raw.resource_version,
            applied_revision: revision.map_err(|error| StoreError::corrupt(format!("a revision of {key}"), error))?,
            job_done: raw.job_done != 0,
            held_of: raw.held_of.and_then(|of| u32::try_from(of).ok()),
            key,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT api_group, kind, namespace, name, version, app, state, uid, manifest_hash, fingerprint, settled, ",
            "resource_version, applied_revision, job_done, held_of FROM objects ",
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
    print: Option<&'a Fingerprint>,
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

/// The object of such a statement.
fn of_object<'q>(sql: &'static str, cluster: &'q ClusterName, id: &'q ObjectId) -> Query<'q> {
    let query = sqlx::query(sql).bind(cluster.as_str()).bind(&id.group).bind(&id.kind);
    query.bind(none_is_empty(id.namespace.as_ref())).bind(&id.name)
}

fn none_is_empty(namespace: Option<&String>) -> &str {
    namespace.map_or("", String::as_str)
}

/// Each of them, or why it cannot be read.
fn read(found: &[SqliteRow]) -> Vec<Result<ObjectRow, StoreError>> {
    decoded::<Raw>(found, "objects", KEYS).into_iter().map(|raw| raw?.try_into()).collect()
}

/// All of one app: what it owns is known as a whole or not at all, or something would be claimed or deleted twice.
fn rows(raw: Vec<Raw>) -> Result<Vec<ObjectRow>, StoreError> {
    raw.into_iter().map(ObjectRow::try_from).collect()
}

pub(super) async fn of_app(conn: &mut Connection, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
    let raw = sqlx::query_as(select!("WHERE app = $1 ORDER BY api_group, kind, namespace, name"));
    rows(raw.bind(app.to_string()).fetch_all(conn).await?)
}

impl Store {
    /// What an app owns, in a stable order.
    pub async fn inventory(&self, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
        of_app(&mut *self.read().acquire().await?, app).await
    }

    /// What an app owns in a cluster.
    pub async fn inventory_of(&self, cluster: &ClusterName, app: &AppId) -> Result<Vec<ObjectRow>, StoreError> {
        let raw = sqlx::query_as(select!("WHERE cluster = $1 AND app = $2 ORDER BY api_group, kind, namespace, name"));
        rows(raw.bind(cluster.as_str()).bind(app.to_string()).fetch_all(self.read()).await?)
    }

    /// How many objects of an app need confirmation to be deleted or replaced.
    pub async fn awaiting_confirmation(&self, app: &AppId) -> Result<u32, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM objects WHERE app = $1 AND state IN ($2, $3)")
            .bind(app.to_string())
            .bind(ObjectState::Held)
            .bind(ObjectState::Outdated)
            .fetch_one(self.read())
            .await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// What all apps own in a cluster.
    pub async fn inventory_on(&self, cluster: &ClusterName) -> Result<Vec<ObjectRow>, StoreError> {
        let query = sqlx::query(select!("WHERE cluster = $1 ORDER BY api_group, kind, namespace, name"));
        let found = query.bind(cluster.as_str()).fetch_all(self.read()).await?;
        Ok(self.readable(read(&found)))
    }
}

mod claim;
mod gone;
mod held;
mod kept;
mod kinds;
mod left;
mod moving;
mod overview;
pub(super) mod record;

pub use claim::ClaimError;
pub use kept::{Kept, KeptBy};
pub use moving::AppHead;
pub use overview::Overview;

#[cfg(test)]
mod tests;
