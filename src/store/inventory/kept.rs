//! Objects of a paused or pinned app are handed over to no other app before it is resumed. The view `kept_objects` of
//! the database lists them.

use sqlx::SqliteConnection;
use sqlx::types::Json;

use super::Listed;
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;
use crate::store::snapshot::Snapshot;
use crate::store::{Store, StoreError};

/// Why an app keeps what it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(rename_all = "lowercase")]
pub enum KeptBy {
    Paused,
    Pinned,
}

impl KeptBy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Pinned => "pinned",
        }
    }
}

/// An object that stays its owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub object: ObjectId,
    pub owner: AppId,
    pub by: KeptBy,
}

impl Store {
    /// Which of these objects other apps of the repo keep.
    pub async fn kept_by_others(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        ids: &[ObjectId],
    ) -> Result<Vec<Kept>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.read().acquire().await?;
        kept(&mut connection, cluster, app, ids.iter().map(Listed::id).collect()).await
    }

    /// The apps of the repo that want something which this app owns: who lets it go on lets them go on.
    pub async fn waiting_for(&self, owner: &AppId) -> Result<Vec<AppId>, StoreError> {
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT wants.app FROM objects JOIN wants ON wants.cluster = objects.cluster \
             AND wants.api_group = objects.api_group AND wants.kind = objects.kind \
             AND wants.namespace = objects.namespace AND wants.name = objects.name \
             WHERE objects.app = $1 AND wants.app <> $1 ORDER BY wants.app",
        )
        .bind(owner.to_string())
        .fetch_all(self.read())
        .await?;
        let apps = self.readable(found.into_iter().map(|app: String| named(&app)));
        Ok(apps.into_iter().filter(|app| app.repo == owner.repo).collect())
    }
}

impl Snapshot {
    /// The apps that wait for what others keep, each with one of those.
    pub async fn waiting_for_kept(&mut self) -> Result<Vec<(AppId, AppId, KeptBy)>, StoreError> {
        let found: Vec<(String, String, KeptBy)> = sqlx::query_as(
            "SELECT DISTINCT wants.app, kept.app, kept.kept_by FROM wants JOIN kept_objects AS kept \
             ON kept.cluster = wants.cluster AND kept.api_group = wants.api_group AND kept.kind = wants.kind \
             AND kept.namespace = wants.namespace AND kept.name = wants.name WHERE kept.app <> wants.app \
             ORDER BY wants.app, kept.app",
        )
        .fetch_all(&mut *self.0)
        .await?;
        let read = |(app, owner, by): (String, String, KeptBy)| Ok((named(&app)?, named(&owner)?, by));
        let waiting: Vec<(AppId, AppId, KeptBy)> = self.1.readable(found.into_iter().map(read));
        Ok(waiting.into_iter().filter(|(app, owner, _)| app.repo == owner.repo).collect())
    }
}

fn named(app: &str) -> Result<AppId, StoreError> {
    app.parse().map_err(|error| StoreError::corrupt("an app", error))
}

/// Those of the listed objects that other apps of the repo keep.
pub(super) async fn kept(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    app: &AppId,
    list: Vec<Listed<'_>>,
) -> Result<Vec<Kept>, StoreError> {
    let found: Vec<(String, String, String, String, String, KeptBy)> = sqlx::query_as(
        "WITH a AS MATERIALIZED (SELECT value ->> 'group' AS api_group, value ->> 'kind' AS kind, \
         value ->> 'namespace' AS namespace, value ->> 'name' AS name FROM json_each($3)) \
         SELECT kept.api_group, kept.kind, kept.namespace, kept.name, kept.app, kept.kept_by \
         FROM a JOIN kept_objects AS kept ON kept.cluster = $1 AND kept.api_group = a.api_group \
         AND kept.kind = a.kind AND kept.namespace = a.namespace AND kept.name = a.name \
         WHERE kept.app <> $2 ORDER BY kept.app, kept.kind, kept.name",
    )
    .bind(cluster.as_str())
    .bind(app.to_string())
    .bind(Json(list))
    .fetch_all(connection)
    .await?;
    let read = |(group, kind, namespace, name, owner, by): (String, String, String, String, String, KeptBy)| {
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        Ok(Kept { object: ObjectId { group, kind, namespace, name }, owner: named(&owner)?, by })
    };
    let kept = found.into_iter().map(read).collect::<Result<Vec<Kept>, StoreError>>()?;
    Ok(kept.into_iter().filter(|one| one.owner.repo == app.repo).collect())
}
