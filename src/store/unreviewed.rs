//! The renderer and the facts with which an app was applied, and its objects that are removed without a commit.

use std::collections::BTreeMap;

use sqlx::types::Json;

use super::{Store, StoreError};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;

/// What an app was rendered by, besides its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedBy {
    pub renderer: String,
    /// What a chart was told of its cluster, as a hash and as JSON; none of anything else than a chart.
    pub facts: Option<(String, String)>,
}

impl Store {
    /// Remembers what the render was made by that is applied.
    pub async fn put_rendered_by(&self, app: &AppId, by: &RenderedBy) -> Result<(), StoreError> {
        let key = by.facts.as_ref().map(|(key, _)| key.as_str());
        let mut tx = self.begin().await?;
        if let Some((key, facts)) = &by.facts {
            let sql = "INSERT INTO told_facts (key, facts) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
            sqlx::query(sql).bind(key).bind(facts).execute(&mut *tx).await?;
        }
        let sql = "UPDATE apps SET applied_renderer = $2, applied_facts = $3 WHERE id = $1 AND \
                   (applied_renderer IS DISTINCT FROM $2 OR applied_facts IS DISTINCT FROM $3)";
        let query = sqlx::query(sql).bind(app.to_string()).bind(&by.renderer).bind(key);
        if query.execute(&mut *tx).await?.rows_affected() > 0 {
            let unused = "DELETE FROM told_facts WHERE key NOT IN (SELECT applied_facts FROM apps WHERE applied_facts \
                          IS NOT NULL)";
            sqlx::query(unused).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// None where nothing is applied, or another release has applied it.
    pub async fn rendered_by(&self, app: &AppId) -> Result<Option<RenderedBy>, StoreError> {
        let sql = "SELECT applied_renderer, applied_facts, facts FROM apps LEFT JOIN told_facts ON key = applied_facts \
                   WHERE id = $1 AND applied_renderer IS NOT NULL";
        let found: Option<(String, Option<String>, Option<String>)> =
            sqlx::query_as(sql).bind(app.to_string()).fetch_optional(self.read()).await?;
        Ok(found.map(|(renderer, key, facts)| RenderedBy { renderer, facts: key.zip(facts) }))
    }

    /// Notes why objects go which no commit requests; None where one does, or where they don't go.
    pub async fn put_unreviewed(
        &self,
        cluster: &ClusterName,
        app: &AppId,
        why: &BTreeMap<ObjectId, Option<String>>,
    ) -> Result<(), StoreError> {
        if why.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = why
            .iter()
            .map(|(id, why)| (&id.group, &id.kind, id.namespace.as_deref().unwrap_or_default(), &id.name, why))
            .collect();
        let sql = "UPDATE objects SET unreviewed = a.value ->> 4 FROM json_each($3) AS a WHERE objects.cluster = $1 \
                   AND objects.app = $2 AND objects.api_group = a.value ->> 0 AND objects.kind = a.value ->> 1 AND \
                   objects.namespace = a.value ->> 2 AND objects.name = a.value ->> 3";
        let query = sqlx::query(sql).bind(cluster.as_str()).bind(app.to_string()).bind(Json(list));
        query.execute(self.write()).await?;
        Ok(())
    }

    /// Why objects of an app go which no commit requests.
    pub async fn unreviewed_of(
        &self,
        cluster: &ClusterName,
        app: &AppId,
    ) -> Result<BTreeMap<ObjectId, String>, StoreError> {
        let sql = "SELECT api_group, kind, namespace, name, unreviewed FROM objects WHERE cluster = $1 AND app = $2 \
                   AND unreviewed IS NOT NULL";
        let query = sqlx::query_as(sql).bind(cluster.as_str()).bind(app.to_string());
        let found: Vec<(String, String, String, String, String)> = query.fetch_all(self.read()).await?;
        let named = |(group, kind, namespace, name, why): (String, String, String, String, String)| {
            let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
            (ObjectId { group, kind, namespace, name }, why)
        };
        Ok(found.into_iter().map(named).collect())
    }
}
