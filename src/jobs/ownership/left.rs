//! What an app has on clusters that it has left, because its definition names another one now, and what of it may be deleted.

use crate::app::{App, Verb};
use crate::ids::{AppId, ClusterName};
use crate::jobs::Engine;
use crate::queue::JobError;
use crate::store::inventory::{ObjectRow, ObjectState};

/// What an app has on a cluster that it leaves.
pub(in crate::jobs) struct Left {
    /// What may be deleted there.
    pub rows: Vec<ObjectRow>,
    /// What may not, and what to do about it.
    pub kept: Option<String>,
}

/// Deletes obey the configuration, and go nowhere without it.
pub(in crate::jobs) async fn look(engine: &Engine, app: &App, cluster: &ClusterName) -> Result<Left, JobError> {
    let rows = engine.store.inventory_of(cluster, &app.id).await?;
    let grants = engine.grants(&app.id.repo)?;
    let refused = if engine.clusters.contains_key(cluster) {
        grants.cluster(cluster).err().map(|refusal| refusal.to_string())
    } else {
        Some(format!("cluster {cluster} is not in the configuration; put it back and sync the app to have them deleted"))
    };
    let refusal = |row: &ObjectRow| {
        refused.clone().or_else(|| grants.object(Verb::Delete, cluster, &row.key.id()).err().map(|refusal| refusal.to_string()))
    };
    let reasons: Vec<String> = rows.iter().filter_map(refusal).collect();
    let kept = reasons.first().map(|why| {
        let text = format!("{} of app {} stay on cluster {cluster}, which it has left: {why}", objects(reasons.len()), app.id);
        tracing::warn!(app = %app.id, %cluster, "{text}");
        text
    });
    Ok(Left { rows: rows.into_iter().filter(|row| refusal(row).is_none()).collect(), kept })
}

/// Whether a person has agreed to deletes on clusters that the app has left, and they are not done yet.
pub(in crate::jobs) async fn is_agreed(engine: &Engine, app: &AppId) -> Result<bool, JobError> {
    Ok(!agreed(engine, app).await?.is_empty())
}

pub(in crate::jobs) async fn agreed(engine: &Engine, app: &AppId) -> Result<Vec<ClusterName>, JobError> {
    let mut agreed = Vec::new();
    for cluster in engine.store.left_clusters(app).await? {
        let rows = engine.store.inventory_of(&cluster, app).await?;
        if engine.clusters.contains_key(&cluster) && rows.iter().any(|row| row.state == ObjectState::Pruning) {
            agreed.push(cluster);
        }
    }
    Ok(agreed)
}

pub(in crate::jobs) fn objects(number: usize) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}
