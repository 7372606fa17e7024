//! Apps that were rendered by another renderer or for another state of their cluster: their objects may render
//! differently now.

use std::collections::BTreeSet;

use super::facts_change::FactsChange;
use super::{identity, render};
use crate::class::Class;
use crate::cluster::Cluster;
use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::jobs::context::blocking;
use crate::queue::{JobError, Trigger};
use crate::render::ClusterFacts;
use crate::store::apps::TRACE;
use crate::store::apps::{AppRow, AppState};

/// Those of a cluster's apps that have to be rendered again although nothing in Git has changed, and why.
pub(in crate::jobs) async fn apps(
    context: &Context,
    cluster: &Cluster,
    rows: &[AppRow],
) -> Result<Vec<(AppId, Trigger)>, JobError> {
    let facts = context.facts(cluster).await?;
    if context.looked_through.is_known(cluster.name(), &facts) {
        return Ok(Vec::new());
    }
    let before = context.looked_through.before(cluster.name());
    let mut found = Vec::new();
    let repos: BTreeSet<&RepoName> = rows.iter().map(|row| &row.app.source.repo).collect();
    for repo in repos {
        for (row, trace) in context.store.followers(repo).await? {
            if row.app.destination.cluster == *cluster.name() && is_outdated(context, &row, trace).await? {
                found.push(row.app.id);
            }
        }
    }
    let cause = if found.is_empty() { None } else { Some(why(context, cluster, before.as_deref(), &facts).await?) };
    context.looked_through.keep(cluster.name(), facts);
    Ok(found.into_iter().filter_map(|app| Some((app, cause.clone()?))).collect())
}

/// What the cluster serves since the last look and what no longer, and the apps whose CRDs say so.
async fn why(
    context: &Context,
    cluster: &Cluster,
    before: Option<&ClusterFacts>,
    now: &ClusterFacts,
) -> Result<Trigger, JobError> {
    let Some(before) = before else {
        let cluster = cluster.name().clone();
        return Ok(Trigger::Cluster { cluster, gained: Vec::new(), lost: Vec::new(), by: Vec::new() });
    };
    let change = FactsChange::between(before, now);
    let groups = change.groups();
    let crds =
        context.store.inventory_of_kind(cluster.name(), "apiextensions.k8s.io", "CustomResourceDefinition").await?;
    let defines = |name: &str| name.split_once('.').is_some_and(|(_, group)| groups.contains(group));
    let by: BTreeSet<AppId> = crds.into_iter().filter(|row| defines(&row.key.name)).map(|row| row.app).collect();
    let FactsChange { gained, lost, .. } = change;
    Ok(Trigger::Cluster { cluster: cluster.name().clone(), gained, lost, by: by.into_iter().collect() })
}

/// Whether a render of what the last one read could have another identity now.
async fn is_outdated(context: &Context, row: &AppRow, trace: Option<String>) -> Result<bool, JobError> {
    let (AppState::Active, Some(identity), Some(trace)) = (row.state, row.identity.clone(), trace) else {
        return Ok(false);
    };
    let request = match render::request(context, &row.app).await {
        Ok(request) => request,
        // The definition names a cluster that is none: its own job says so.
        Err(error) if error.class == Class::Fail => return Ok(false),
        Err(error) => return Err(error),
    };
    let app = row.app.clone();
    let renderer = context.renderer.identifier();
    blocking(move || {
        // A trace of another version of Driftless does not parse: that is another renderer, too.
        let Ok(trace) = TRACE.read(&app.id, &trace) else { return true };
        !renderer.identities(&request, &trace).iter().any(|made| identity::identity_of(&app, made) == identity)
    })
    .await
}
