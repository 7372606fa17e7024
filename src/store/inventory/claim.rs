//! Claims objects for an app: either all that it renders, or none.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;
use sqlx::types::Json;

use super::kept::{Kept, KeptBy, kept};
use super::{Claim, Listed, ObjectRow, ObjectState, Raw, of_object, rows};
use crate::class::{Class, Classified};
use crate::ids::{AppId, ClusterName};
use crate::manifest::{ObjectId, ObjectKey};
use crate::store::{Store, StoreError};

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
    #[error(
        "{object} in cluster {cluster} belongs to app {owner}, which is {}: its objects are not handed over before \
         `driftless resume {owner}`", by.as_str()
    )]
    Kept { object: ObjectId, cluster: ClusterName, owner: AppId, by: KeptBy },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classified for ClaimError {
    fn class(&self) -> Class {
        match self {
            Self::Taken { .. } => Class::Fail,
            // Who tries again finds out for whom to wait.
            Self::BeingDeleted { .. } | Self::Kept { .. } => Class::RETRY,
            Self::Store(error) => error.class(),
        }
    }
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
    if let Some(Kept { object, owner, by }) = kept(connection, cluster, app, list()).await?.into_iter().next() {
        return Err(ClaimError::Kept { object, cluster: cluster.clone(), owner, by });
    }
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
         ON CONFLICT (cluster, api_group, kind, namespace, name) DO UPDATE SET \
         former_app = CASE WHEN objects.app = excluded.app THEN objects.former_app \
         WHEN objects.former_app IS NULL THEN objects.app \
         WHEN ' ' || objects.former_app || ' ' LIKE '% ' || objects.app || ' %' THEN objects.former_app \
         ELSE objects.former_app || ' ' || objects.app END, \
         app = excluded.app, version = excluded.version, state = 'claimed', manifest_hash = NULL",
    )
    .bind(cluster.as_str())
    .bind(app.to_string())
    .bind(Json(list()))
    .execute(&mut *connection)
    .await
    .map_err(StoreError::from)?;
    // What is missing of them, because it was deleted to be made again, is the new owner's to put back.
    sqlx::query(
        "UPDATE replaced SET app = $2 FROM json_each($3) AS a WHERE replaced.cluster = $1 AND replaced.app <> $2 \
         AND replaced.api_group = a.value ->> 'group' AND replaced.kind = a.value ->> 'kind' \
         AND replaced.namespace = a.value ->> 'namespace' AND replaced.name = a.value ->> 'name'",
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

pub(super) async fn set_state(
    connection: &mut SqliteConnection,
    cluster: &ClusterName,
    app: &AppId,
    id: &ObjectId,
    state: ObjectState,
) -> Result<(), StoreError> {
    of_object(one!("UPDATE objects SET state = $7", " AND app = $6"), cluster, id)
        .bind(app.to_string())
        .bind(state)
        .execute(connection)
        .await?;
    Ok(())
}
