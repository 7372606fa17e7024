//! Deletions and replacements that no commit requests: a chart renders differently because its cluster serves other
//! APIs, or because Driftless was upgraded. Nobody has reviewed that, so it needs confirmation.
//!
//! To find out whether a commit requests it, the applied revision is rendered again: an object that this render still
//! has, and the new revision has not, is removed by a commit.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cluster::Cluster;
use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::desired::facts_change::FactsChange;
use crate::jobs::desired::{identity, mentions, render};
use crate::jobs::outcome;
use crate::manifest::{Manifest, ObjectId};
use crate::plan::{Action, Change, Plan, SettledPlan};
use crate::queue::JobError;
use crate::render::{ClusterFacts, Purpose, Rendered};
use crate::store::apps::AppRow;
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::stored::Stored;
use crate::store::unreviewed::RenderedBy;

/// Notes of each object that the plan deletes or replaces why, where no commit asks for it and no merged pull request
/// has shown it.
pub(super) async fn mark(
    context: &Context,
    row: &AppRow,
    revision: &Oid,
    rendered: &Rendered,
    plan: &mut SettledPlan,
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    let owned = context.store.inventory_of(&plan.cluster, &plan.app).await?;
    let owned: BTreeMap<ObjectId, &ObjectRow> = owned.iter().map(|row| (row.key.id(), row)).collect();
    let mut going: Vec<(usize, &ObjectRow)> = Vec::new();
    for (at, change) in plan.changes.iter().enumerate().filter(|(_, change)| goes(change)) {
        going.extend(owned.get(&change.key.id()).map(|row| (at, *row)));
    }
    if going.is_empty() {
        return Ok(());
    }
    let known = context.store.unreviewed_of(&plan.cluster, &plan.app).await?;
    let otherwise = if going.iter().any(|(_, row)| is_applied(row)) {
        Otherwise::find(context, row, rendered, plan, cancel).await?
    } else {
        None
    };
    if otherwise.is_none() && known.is_empty() {
        return Ok(());
    }
    let reviewed = outcome::shown_steps(context, row, revision, plan).await?;
    let mut noted = BTreeMap::new();
    for (at, owned) in going {
        let change = &mut plan.changes_mut()[at];
        let id = change.key.id();
        let why = match owned.state {
            ObjectState::Applied | ObjectState::Claimed => {
                otherwise.as_ref().filter(|now| now.takes(change, owned)).map(|now| now.why.clone())
            }
            ObjectState::Held | ObjectState::Outdated | ObjectState::Moving => known.get(&id).cloned(),
            // Begun, and nothing to ask about any more.
            ObjectState::Pruning | ObjectState::Deleting => continue,
        };
        let why = why.filter(|_| !reviewed.contains(&id.to_string()));
        if why.as_ref() != known.get(&id) {
            noted.insert(id, why.clone());
        }
        change.unreviewed = why;
    }
    Ok(context.store.put_unreviewed(&plan.cluster, &plan.app, &noted).await?)
}

/// What a chart was told of its cluster.
const FACTS: Stored<ClusterFacts> =
    Stored::new("told_facts.facts", 1, "What has changed in the cluster is not told until the app is synced again");

/// Remembers what the render was made by that is applied now.
pub(super) async fn keep(context: &Context, app: &App, rendered: &Rendered) -> Result<(), JobError> {
    let cluster = context.cluster_for(&app.id, &app.destination.cluster)?;
    let facts = match &rendered.cluster {
        Some(key) => {
            let facts = context.facts(cluster).await?;
            // The cluster is another one again: the next sync compares by a render.
            let Some(facts) = Some(facts).filter(|facts| facts.key() == *key) else { return Ok(()) };
            Some((key.clone(), FACTS.write(&facts)?))
        }
        None => None,
    };
    let by = RenderedBy { renderer: context.renderer.identifier().version().to_owned(), facts };
    if context.store.rendered_by(&app.id).await?.as_ref() != Some(&by) {
        context.store.put_rendered_by(&app.id, &by).await?;
    }
    Ok(())
}

/// Whether an object goes: at once, or once it is known that no other app wants it.
fn goes(change: &Change) -> bool {
    matches!(change.action, Action::Prune | Action::Replace) || change.left_for.is_some()
}

/// What was never applied was in nobody's review either.
fn is_applied(row: &ObjectRow) -> bool {
    matches!(row.state, ObjectState::Applied | ObjectState::Claimed) && row.applied_revision.is_some()
}

/// What is applied comes out otherwise now.
struct Otherwise {
    /// The objects that it has now, with hashes. None where it does not render any more.
    then: Option<BTreeMap<ObjectId, String>>,
    /// Those of the wanted revision.
    now: BTreeMap<ObjectId, String>,
    why: String,
}

impl Otherwise {
    async fn find(
        context: &Context,
        row: &AppRow,
        rendered: &Rendered,
        plan: &Plan,
        cancel: &CancellationToken,
    ) -> Result<Option<Self>, JobError> {
        let app = row.applied_app.as_deref().unwrap_or(&row.app);
        let Some(applied) = row.applied_revision.as_ref().filter(|_| app.destination.cluster == plan.cluster) else {
            return Ok(None);
        };
        let before = context.store.rendered_by(&app.id).await?;
        let renderer = context.renderer.identifier();
        let is_same = |before: &RenderedBy| {
            let key = before.facts.as_ref().map(|(key, _)| key);
            before.renderer == renderer.version() && key == rendered.cluster.as_ref()
        };
        if before.as_ref().is_some_and(is_same) || !context.mirrors.has_commit(&app.source.repo, applied).await {
            return Ok(None);
        }
        let tree = context.mirrors.tree(&app.source.repo, applied).await?;
        let then = render::render(context, app, tree, Purpose::Sync, cancel).await?.ok();
        let is_as_applied = |then: &Rendered| row.applied_identity.as_deref() == Some(&identity::identity(app, then));
        if then.as_deref().is_some_and(is_as_applied) {
            return Ok(None);
        }
        let cluster = context.cluster_for(&app.id, &plan.cluster)?;
        let why = why(context, cluster, app, applied, before, then.as_deref().unwrap_or(rendered)).await?;
        let then = then.map(|then| hashes(app, &then.manifests));
        Ok(Some(Self { then, now: hashes(&row.app, &rendered.manifests), why }))
    }

    /// Whether no commit is behind it.
    fn takes(&self, change: &Change, row: &ObjectRow) -> bool {
        let id = change.key.id();
        if !is_applied(row) {
            return false;
        }
        match (&self.then, &change.desired) {
            (None, None) => true,
            (Some(then), None) => !then.contains_key(&id),
            // Deleted to be made again as it is wanted now.
            (then, Some(desired)) => {
                let is_another = row.manifest_hash.as_ref() != Some(&desired.hash);
                is_another && then.as_ref().is_none_or(|then| then.get(&id) == self.now.get(&id))
            }
        }
    }
}

fn hashes(app: &App, manifests: &[Manifest]) -> BTreeMap<ObjectId, String> {
    let named = |manifest: &Manifest| identity::ids(app, manifest).map(|id| (id, manifest.hash()));
    manifests.iter().flat_map(named).collect()
}

/// What makes it come out otherwise, as far as that is known.
async fn why(
    context: &Context,
    cluster: &Cluster,
    app: &App,
    applied: &Oid,
    before: Option<RenderedBy>,
    now: &Rendered,
) -> Result<String, JobError> {
    let mut said = Vec::new();
    let renderer = context.renderer.identifier();
    let facts = before.as_ref().and_then(|before| before.facts.as_ref());
    if let Some(facts) = facts.and_then(|(key, facts)| FACTS.read_if_known(key, facts)) {
        let told_now = context.facts(cluster).await?;
        let mut change = FactsChange::between(&facts, &told_now);
        let groups = change.groups();
        if groups.len() > 1 {
            let tree = context.mirrors.tree(&app.source.repo, applied).await?;
            let asked = mentions::of(app, tree, now.trace.clone(), groups).await?;
            if !asked.is_empty() {
                change.only(&asked);
            }
        }
        let crds = crds(context, cluster, app, &change.groups()).await?;
        said.extend(change.describe(cluster.name(), &crds));
    }
    if before.is_some_and(|before| before.renderer != renderer.version()) {
        said.push("Driftless was upgraded".to_owned());
    }
    if said.is_empty() {
        return Ok(format!("cluster {} or Driftless was upgraded", cluster.name()));
    }
    Ok(said.join(" and "))
}

/// The CRDs of some groups that apps have. Only apps of the same repo are named.
async fn crds(
    context: &Context,
    cluster: &Cluster,
    app: &App,
    groups: &BTreeSet<String>,
) -> Result<Vec<String>, JobError> {
    let rows =
        context.store.inventory_of_kind(cluster.name(), "apiextensions.k8s.io", "CustomResourceDefinition").await?;
    let is_of = |name: &str| name.split_once('.').is_some_and(|(_, group)| groups.contains(group));
    let named = |row: ObjectRow| {
        let of = if row.app.repo == app.id.repo { format!(" of {}", row.app.name) } else { String::new() };
        format!("CRD {}{of}", row.key.name)
    };
    Ok(rows.into_iter().filter(|row| is_of(&row.key.name)).map(named).collect())
}
