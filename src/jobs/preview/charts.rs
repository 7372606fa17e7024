//! The effect of a changed CRD on charts: an app without a changed file may render differently after the merge. Such
//! apps are rendered for the future APIs of the cluster, and named beside the CRD.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::facts_change::FactsChange;
use crate::jobs::desired::{mentions, render};
use crate::manifest::ObjectKey;
use crate::plan::{Action, Change, Plan};
use crate::queue::JobError;
use crate::render::{Asker, ClusterFacts, Purpose, RenderRequest, Rendered};
use crate::report::words::{count, join};
use crate::store::apps::TRACE;
use crate::store::apps::{AppRow, AppState};
use crate::tree::Tree;

/// What a chart asks its cluster by.
const CAPABILITIES: &str = "Capabilities";
/// How many charts are rendered, and for how long; the others are counted.
const RENDERED: usize = 30;
const WITHIN: Duration = Duration::from_secs(20);
/// How many apps are named.
const NAMED: usize = 5;

/// An app that renders otherwise then.
#[derive(Debug)]
struct Otherwise {
    app: AppId,
    made: usize,
    changed: usize,
    deleted: usize,
    /// It does not render any more.
    fails: bool,
}

/// Says at the first CRD of a plan by which the cluster serves something else which charts come out otherwise then.
pub(in crate::jobs) async fn warn(
    context: &Context,
    cluster: &Cluster,
    plan: &mut Plan,
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    if !plan.changes.iter().any(|change| is_crd(&change.key)) {
        return Ok(());
    }
    let now = context.facts(cluster).await?;
    let Some((at, then)) = then(&now, &plan.changes) else { return Ok(()) };
    let then = Arc::new(then);
    let (mut found, mut unknown) = (Vec::new(), 0);
    let end = tokio::time::Instant::now() + WITHIN;
    for (looked, (row, tree)) in charts(context, cluster).await?.into_iter().enumerate() {
        if looked >= RENDERED {
            unknown += 1;
            continue;
        }
        let rendered = both(context, &plan.app.repo, &row, tree, &then, cancel);
        match tokio::time::timeout_at(end, rendered).await {
            Ok(Ok(both)) => found.extend(both.and_then(|(now, then)| otherwise(&row, &now, then.as_deref()))),
            // A chart that cannot be rendered is told by its own sync.
            Ok(Err(_)) | Err(_) => unknown += 1,
        }
    }
    let change = FactsChange::between(&now, &then);
    let because = change.describe(cluster.name(), &[]).unwrap_or_default();
    plan.changes[at].remarks.extend(said(&found, unknown, &because, &plan.app.repo));
    Ok(())
}

/// What the cluster serves once the CRDs of these changes are as they are to be, and the first change that makes it so.
/// None where that is what it serves already.
fn then(now: &ClusterFacts, changes: &[Change]) -> Option<(usize, ClusterFacts)> {
    let mut names: BTreeSet<String> = now.api_versions.iter().cloned().collect();
    let mut first = None;
    for (at, change) in changes.iter().enumerate() {
        if !is_crd(&change.key) || change.is_rejected() || change.action == Action::None {
            continue;
        }
        let after = if change.action == Action::Prune { None } else { wanted(change) };
        let (goes, comes) = (served(change.before.as_ref()), served(after));
        let before = names.clone();
        for (kind, _) in goes.iter().filter(|(kind, _)| !comes.contains_key(*kind)) {
            names.remove(kind);
        }
        for (kind, version) in &comes {
            names.extend([kind.clone(), version.clone()]);
        }
        for version in goes.values().filter(|version| !comes.values().any(|other| other == *version)) {
            if !names.iter().any(|name| name.starts_with(&format!("{version}/"))) {
                names.remove(version);
            }
        }
        if names != before {
            first.get_or_insert(at);
        }
    }
    let facts = ClusterFacts { version: now.version.clone(), api_versions: names.into_iter().collect() };
    (facts != *now).then_some((first?, facts))
}

fn is_crd(key: &ObjectKey) -> bool {
    key.group == "apiextensions.k8s.io" && key.kind == "CustomResourceDefinition"
}

fn wanted(change: &Change) -> Option<&Value> {
    change.after.as_ref().or(change.desired.as_ref().map(|desired| &desired.object))
}

/// The kinds that a CRD has a cluster serve, such as `a.io/v1/A`, each with its group and version.
fn served(crd: Option<&Value>) -> BTreeMap<String, String> {
    let text = |pointer: &str| crd?.pointer(pointer)?.as_str();
    let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) else { return BTreeMap::new() };
    let versions = crd.and_then(|crd| crd.pointer("/spec/versions")?.as_array()).into_iter().flatten();
    let names = versions.filter(|version| version["served"] == true).filter_map(|version| version["name"].as_str());
    names.map(|name| (format!("{group}/{name}/{kind}"), format!("{group}/{name}"))).collect()
}

/// The apps of a cluster whose files ask for what it serves, each with the tree of its last render.
async fn charts(context: &Context, cluster: &Cluster) -> Result<Vec<(AppRow, Arc<dyn Tree>)>, JobError> {
    let mut found = Vec::new();
    for row in context.store.apps_on(cluster.name()).await? {
        let Some(revision) = row.rendered_revision.as_ref().filter(|_| row.state == AppState::Active) else { continue };
        let trace = context.store.trace(&row.app.id).await?;
        let Some(trace) = trace.and_then(|trace| TRACE.read(&row.app.id, &trace).ok()) else { continue };
        if !context.mirrors.has_commit(&row.app.source.repo, revision).await {
            continue;
        }
        let tree = context.mirrors.tree(&row.app.source.repo, revision).await?;
        let word = BTreeSet::from([CAPABILITIES.to_owned()]);
        if !mentions::of(&row.app, Arc::clone(&tree), trace, word).await?.is_empty() {
            found.push((row, tree));
        }
    }
    Ok(found)
}

type Both = (Arc<Rendered>, Option<Arc<Rendered>>);

/// What an app renders to now and then. None where it does not render now, or is no chart. Whose pull request it is has
/// it rendered, so that it takes no place of the app's own repo.
async fn both(
    context: &Context,
    asks: &RepoName,
    row: &AppRow,
    tree: Arc<dyn Tree>,
    then: &Arc<ClusterFacts>,
    cancel: &CancellationToken,
) -> Result<Option<Both>, JobError> {
    let app = &row.app;
    let Ok(now) = render::render_for(context, asks, app, Arc::clone(&tree), Purpose::Preview, cancel).await? else {
        return Ok(None);
    };
    if now.cluster.is_none() {
        return Ok(None);
    }
    let request = render::request(context, app).await?;
    let request = RenderRequest { cluster: Some(Arc::clone(then)), ..request };
    let asker = Asker { tenant: asks.as_str(), purpose: Purpose::Preview };
    let then = context.renderer.render_cached(asker, app.source.repo.as_str(), request, tree, cancel.clone()).await;
    match then {
        Ok(then) => Ok(Some((now, Some(then)))),
        Err(error) if error.failure().is_some() => Ok(Some((now, None))),
        Err(error) => Err(error.into()),
    }
}

fn otherwise(row: &AppRow, now: &Rendered, then: Option<&Rendered>) -> Option<Otherwise> {
    let none = Otherwise { app: row.app.id.clone(), made: 0, changed: 0, deleted: 0, fails: false };
    let Some(then) = then else { return Some(Otherwise { fails: true, ..none }) };
    let named = |rendered: &Rendered| -> BTreeMap<_, String> {
        rendered.manifests.iter().map(|manifest| (manifest.key.id(), manifest.hash())).collect()
    };
    let (now, then) = (named(now), named(then));
    let deleted = now.keys().filter(|id| !then.contains_key(*id)).count();
    let made = then.keys().filter(|id| !now.contains_key(*id)).count();
    let changed = then.iter().filter(|(id, hash)| now.get(*id).is_some_and(|before| before != *hash)).count();
    (made + changed + deleted > 0).then_some(Otherwise { made, changed, deleted, ..none })
}

/// Apps of other repos are counted.
fn said(found: &[Otherwise], unknown: usize, because: &str, repo: &RepoName) -> Vec<String> {
    let (own, others): (Vec<&Otherwise>, Vec<&Otherwise>) = found.iter().partition(|one| one.app.repo == *repo);
    let mut names: Vec<String> = own.iter().map(|one| format!("{} ({})", one.app.name, one.does())).collect();
    let most = if others.is_empty() { NAMED } else { NAMED.max(names.len() + 1) };
    if !others.is_empty() {
        let deletes = others.iter().filter(|one| one.deleted > 0).count();
        let deletes = if deletes == 0 { String::new() } else { format!(", {deletes} with deletions") };
        names.push(format!("{} of other repos{deletes}", count(others.len(), "app")));
    }
    let mut said = Vec::new();
    if !found.is_empty() {
        let renders =
            if found.len() == 1 { "1 app renders".to_owned() } else { format!("{} apps render", found.len()) };
        let held = "; such deletions are held until they are confirmed";
        let held = if found.iter().any(|one| one.deleted > 0) { held } else { "" };
        said.push(format!("After the merge, {because}, and {renders} differently: {}{held}", join(&names, most)));
    }
    if unknown > 0 {
        let more = if found.is_empty() { count(unknown, "app") } else { count(unknown, "more app") };
        let what = "may render differently; there was not enough time to check";
        said.push(format!("After the merge, {because}, and {more} {what}"));
    }
    said
}

impl Otherwise {
    fn does(&self) -> String {
        let part = |number: usize, what: &str| (number > 0).then(|| format!("{number} to {what}"));
        let parts = [part(self.made, "create"), part(self.changed, "update"), part(self.deleted, "delete")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if self.fails { "fails to render".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Verdict;

    fn crd(group: &str, versions: &[(&str, bool)]) -> Value {
        let version = |(name, served): &(&str, bool)| json!({"name": name, "served": served});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("as.{group}")}, "spec": {"group": group, "names": {"kind": "A"},
            "versions": versions.iter().map(version).collect::<Vec<_>>()}})
    }

    fn change(action: Action, before: Option<Value>, after: Option<Value>) -> Change {
        let key = ObjectKey::of(before.as_ref().or(after.as_ref()).expect("a side")).expect("a name");
        Change { before, after, ..Change::new(key, action, Verdict::Accepted) }
    }

    /// A14+: what a cluster serves after a merge follows from the CRDs that come, change and go.
    #[test]
    fn what_a_cluster_serves_after_a_merge() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let facts = |all: &[&str]| ClusterFacts { version: "v1".into(), api_versions: names(all) };
        let now = facts(&["a.io/v1", "a.io/v1/A", "v1", "v1/Pod"]);
        let (old, new) = (crd("a.io", &[("v1", true)]), crd("a.io", &[("v1", false), ("v2", true)]));
        let after = |changes: &[Change]| then(&now, changes).map(|(at, facts)| (at, facts.api_versions));
        let update = change(Action::Update, Some(old.clone()), Some(new));
        assert_eq!(after(&[update]), Some((0, names(&["a.io/v2", "a.io/v2/A", "v1", "v1/Pod"]))));
        assert_eq!(after(&[change(Action::Prune, Some(old.clone()), None)]), Some((0, names(&["v1", "v1/Pod"]))));
        let other = change(Action::Create, None, Some(crd("b.io", &[("v1", true)])));
        let all = ["a.io/v1", "a.io/v1/A", "b.io/v1", "b.io/v1/A", "v1", "v1/Pod"];
        assert_eq!(after(&[change(Action::Create, None, Some(old.clone())), other]), Some((1, names(&all))));
        assert_eq!(after(&[change(Action::Update, Some(old.clone()), Some(old))]), None, "it is served already");
    }

    /// A14+: apps of the same repo are named with what becomes of them, those of others are counted.
    #[test]
    fn apps_that_render_otherwise_are_named() {
        let one = |app: &str, deleted| Otherwise {
            app: app.parse().expect("an app"),
            made: 0,
            changed: 2,
            deleted,
            fails: false,
        };
        let repo = RepoName::new("shop");
        let lines = |found: &[Otherwise], unknown| said(found, unknown, "cluster prod now serves a.io/v1/A", &repo);
        insta::assert_snapshot!(
            [
                lines(&[one("shop/a", 0)], 0),
                lines(&[one("shop/a", 1), one("other/b", 1), one("other/c", 0)], 3),
                lines(&[Otherwise { fails: true, ..one("shop/a", 0) }], 0),
                lines(&[], 1),
                lines(&[], 0),
            ]
            .concat()
            .join("\n"),
            @r"
        After the merge, cluster prod now serves a.io/v1/A, and 1 app renders differently: a (2 to update)
        After the merge, cluster prod now serves a.io/v1/A, and 3 apps render differently: a (2 to update, 1 to delete), 2 apps of other repos, 1 with deletions; such deletions are held until they are confirmed
        After the merge, cluster prod now serves a.io/v1/A, and 3 more apps may render differently; there was not enough time to check
        After the merge, cluster prod now serves a.io/v1/A, and 1 app renders differently: a (fails to render)
        After the merge, cluster prod now serves a.io/v1/A, and 1 app may render differently; there was not enough time to check
        "
        );
    }
}
