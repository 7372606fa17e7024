//! The facts that open previews depend on, and the objects that changed their owner or content since.

use std::collections::BTreeSet;

use sqlx::types::Json;

use super::{Store, StoreError};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::manifest::ObjectId;

/// So many changes are remembered; a preview that began before them is made again.
const KEPT: i64 = 100_000;

/// An object that was claimed, written, deleted, or begun to be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    pub seq: i64,
    pub cluster: ClusterName,
    pub object: ObjectId,
    pub app: AppId,
}

type Raw = (i64, String, String, String, String, String, String);

fn touched((seq, cluster, group, kind, namespace, name, app): Raw) -> Result<Touched, StoreError> {
    let object = ObjectId { group, kind, namespace: Some(namespace).filter(|namespace| !namespace.is_empty()), name };
    let app = app.parse().map_err(|error| StoreError::corrupt(format!("who touched {object}"), error))?;
    Ok(Touched { seq, cluster: ClusterName::new(&cluster), object, app })
}

/// As SQLite's JSON has it.
fn list(ids: &[ObjectId]) -> Json<Vec<[&str; 4]>> {
    Json(ids.iter().map(|id| [&*id.group, &*id.kind, id.namespace.as_deref().unwrap_or_default(), &*id.name]).collect())
}

impl Store {
    /// Sets what an app renders at its head and does not own yet.
    pub async fn put_wants(&self, cluster: &ClusterName, app: &AppId, ids: &[ObjectId]) -> Result<(), StoreError> {
        let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM wants WHERE app = $1")
            .bind(app.to_string())
            .fetch_one(self.read())
            .await?;
        if known == 0 && ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query(
            "DELETE FROM wants WHERE app = $1 AND (cluster, api_group, kind, namespace, name) NOT IN
                 (SELECT $2, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($3))",
        )
        .bind(app.to_string())
        .bind(cluster.as_str())
        .bind(list(ids))
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO wants (app, cluster, api_group, kind, namespace, name)
                 SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($3) WHERE true
                 ON CONFLICT (cluster, api_group, kind, namespace, name, app) DO NOTHING",
        )
        .bind(app.to_string())
        .bind(cluster.as_str())
        .bind(list(ids))
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    /// What an app rendered in a cluster when it was last looked at, and did not own.
    pub async fn wants_of(&self, cluster: &ClusterName, app: &AppId) -> Result<Vec<ObjectId>, StoreError> {
        let sql = "SELECT 0, cluster, api_group, kind, namespace, name, app FROM wants WHERE cluster = $1 AND app = $2";
        let found: Vec<Raw> =
            sqlx::query_as(sql).bind(cluster.as_str()).bind(app.to_string()).fetch_all(self.read()).await?;
        Ok(self.readable(found.into_iter().map(touched)).into_iter().map(|touched| touched.object).collect())
    }

    /// Which of these objects other active apps render and do not own yet.
    pub async fn wanted_by_others(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        ids: &[ObjectId],
    ) -> Result<Vec<(ObjectId, AppId)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Raw> = sqlx::query_as(
            "WITH a AS MATERIALIZED (SELECT value ->> 0 AS api_group, value ->> 1 AS kind, value ->> 2 AS namespace, \
             value ->> 3 AS name
                 FROM json_each($3))
             SELECT 0, w.cluster, w.api_group, w.kind, w.namespace, w.name, w.app FROM a
             JOIN wants w ON w.cluster = $1 AND w.api_group = a.api_group AND w.kind = a.kind AND w.namespace = \
             a.namespace AND w.name = a.name
             JOIN apps ON apps.id = w.app
             WHERE w.app <> $2 AND apps.state = 'active' ORDER BY w.app",
        )
        .bind(cluster.as_str())
        .bind(app.to_string())
        .bind(list(ids))
        .fetch_all(self.read())
        .await?;
        Ok(self
            .readable(found.into_iter().map(touched))
            .into_iter()
            .map(|touched| (touched.object, touched.app))
            .collect())
    }

    /// Sets what the preview of a pull request rests on.
    pub async fn put_rests(&self, repo: &RepoName, number: u64, tokens: &BTreeSet<String>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let number = number_column(number);
        sqlx::query("DELETE FROM preview_rests WHERE repo = $1 AND number = $2")
            .bind(repo.as_str())
            .bind(number)
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO preview_rests (repo, number, token) SELECT $1, $2, value FROM json_each($3)")
            .bind(repo.as_str())
            .bind(number)
            .bind(Json(tokens))
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }

    /// The open pull requests whose previews rest on any of this.
    pub async fn pulls_resting_on(&self, tokens: &BTreeSet<String>) -> Result<Vec<(RepoName, u64)>, StoreError> {
        let found: Vec<(String, i64)> = sqlx::query_as(
            "SELECT DISTINCT r.repo, r.number FROM json_each($1) t JOIN preview_rests r ON r.token = t.value
             JOIN pulls p ON p.repo = r.repo AND p.number = r.number WHERE p.state = 'open'",
        )
        .bind(Json(tokens))
        .fetch_all(self.read())
        .await?;
        Ok(pulls(found))
    }

    /// The open pull requests whose previews rest on something that begins so and is not `but`.
    pub async fn pulls_resting_beside(&self, begins: &str, but: &str) -> Result<Vec<(RepoName, u64)>, StoreError> {
        let found: Vec<(String, i64)> = sqlx::query_as(
            "SELECT DISTINCT r.repo, r.number FROM preview_rests r
             JOIN pulls p ON p.repo = r.repo AND p.number = r.number
             WHERE r.token >= $1 AND r.token < $2 AND r.token <> $3 AND p.state = 'open'",
        )
        .bind(begins)
        .bind(format!("{begins}\u{10FFFF}"))
        .bind(but)
        .fetch_all(self.read())
        .await?;
        Ok(pulls(found))
    }

    /// Up to where objects are known to have changed.
    pub async fn last_touch(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM touched").fetch_one(self.read()).await?)
    }

    /// Up to where the pull requests were told.
    pub async fn told_touch(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT seq FROM touched_told WHERE id = 1").fetch_one(self.read()).await?)
    }

    /// What changed after `seq`, in its order. None where that is no longer known. A row that cannot be read is named
    /// and left out.
    pub async fn touched_after(&self, seq: i64, limit: u32) -> Result<Option<Vec<Touched>>, StoreError> {
        let oldest: Option<i64> = sqlx::query_scalar("SELECT MIN(seq) FROM touched").fetch_one(self.read()).await?;
        if oldest.is_some_and(|oldest| oldest > seq + 1) {
            return Ok(None);
        }
        let sql = "SELECT seq, cluster, api_group, kind, namespace, name, app FROM touched WHERE seq > $1 ORDER BY seq \
                   LIMIT $2";
        let found: Vec<Raw> = sqlx::query_as(sql).bind(seq).bind(limit).fetch_all(self.read()).await?;
        Ok(Some(self.readable(found.into_iter().map(touched))))
    }

    /// The pull requests were told of everything up to `seq`.
    pub async fn tell_touched(&self, seq: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE touched_told SET seq = MAX(seq, $1) WHERE id = 1").bind(seq).execute(&mut *tx).await?;
        sqlx::query("DELETE FROM touched WHERE seq <= $1").bind(seq - KEPT).execute(&mut *tx).await?;
        tx.commit().await
    }
}

fn pulls(found: Vec<(String, i64)>) -> Vec<(RepoName, u64)> {
    let pull = |(repo, number): (String, i64)| Some((RepoName::new(&repo), u64::try_from(number).ok()?));
    found.into_iter().filter_map(pull).collect()
}

/// SQL has no unsigned numbers; no forge counts this far.
fn number_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::manifest::ObjectKey;
    use crate::store::inventory::Claim;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("a".into()),
            name: name.into(),
        }
    }

    /// X7+: whatever way an object changes hands, it is noted, as the database itself does so.
    #[tokio::test]
    async fn what_changes_hands_is_noted() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let (prod, repo) = (ClusterName::new("prod"), RepoName::new("shop"));
        let (web, api) = (AppId::new(&repo, "web"), AppId::new(&repo, "api"));
        let claim = [Claim { key: key("a"), write: true }];
        let nothing = BTreeSet::new();
        let mut seen = 0;
        let mut news = async |store: &Store| -> Result<Vec<(String, AppId)>, StoreError> {
            let found = store.touched_after(seen, 10).await?.unwrap_or_default();
            seen = found.last().map_or(seen, |last| last.seq);
            Ok(found.into_iter().map(|one| (one.object.name, one.app)).collect())
        };
        store.put_wants(&prod, &web, &[key("a").id()]).await?;
        assert_eq!(news(&store).await?, [("a".to_owned(), web.clone())]);
        store.put_wants(&prod, &web, &[key("a").id()]).await?;
        assert_eq!(news(&store).await?, [], "it is wanted as before");
        store.claim(&prod, &web, &claim, &BTreeSet::new(), &nothing).await?;
        assert_eq!(news(&store).await?, [("a".to_owned(), web.clone())]);
        store.put_wants(&prod, &web, &[]).await?;
        assert_eq!(news(&store).await?, [("a".to_owned(), web.clone())]);
        store.claim(&prod, &api, &claim, &BTreeSet::new(), &BTreeSet::from([web.clone()])).await?;
        assert_eq!(news(&store).await?, [("a".to_owned(), api.clone())]);
        store.prune_all(&prod, &api).await?;
        store.begin_deletes(&prod, &api, &[key("a").id()]).await?;
        store.forget_objects(&prod, &api, &[key("a").id()]).await?;
        assert_eq!(news(&store).await?, [("a".to_owned(), api.clone()), ("a".to_owned(), api)]);
        Ok(())
    }
}
