//! Apps that were rendered by another renderer, or for a cluster that was another one then: their objects may come out
//! otherwise now.

use std::collections::BTreeSet;

use super::{identity, render};
use crate::class::Class;
use crate::cluster::Cluster;
use crate::ids::{AppId, RepoName};
use crate::jobs::Engine;
use crate::jobs::context::blocking;
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};
use crate::trace::Trace;

/// Those of a cluster's apps that have to be rendered again although nothing in Git has changed.
pub(in crate::jobs) async fn apps(engine: &Engine, cluster: &Cluster, rows: &[AppRow]) -> Result<Vec<AppId>, JobError> {
    let facts = engine.facts(cluster).await?;
    if engine.looked_through.is_known(cluster.name(), &facts) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let repos: BTreeSet<&RepoName> = rows.iter().map(|row| &row.app.source.repo).collect();
    for repo in repos {
        for (row, trace) in engine.store.followers(repo).await? {
            if row.app.destination.cluster == *cluster.name() && is_outdated(engine, &row, trace).await? {
                found.push(row.app.id);
            }
        }
    }
    engine.looked_through.keep(cluster.name(), facts);
    Ok(found)
}

/// Whether a render of what the last one read could have another identity now.
async fn is_outdated(engine: &Engine, row: &AppRow, trace: Option<String>) -> Result<bool, JobError> {
    let (AppState::Active, Some(identity), Some(trace)) = (row.state, row.identity.clone(), trace) else {
        return Ok(false);
    };
    let request = match render::request(engine, &row.app).await {
        Ok(request) => request,
        // The definition names a cluster that is none: its own job says so.
        Err(error) if error.class == Class::Fail => return Ok(false),
        Err(error) => return Err(error),
    };
    let app = row.app.clone();
    let renderer = engine.renderer.identifier();
    blocking(move || {
        // A trace of another version of Driftless does not parse: that is another renderer, too.
        let Ok(trace) = serde_json::from_str::<Trace>(&trace) else { return true };
        !renderer.identities(&request, &trace).iter().any(|made| identity::identity_of(&app, made) == identity)
    })
    .await
}
