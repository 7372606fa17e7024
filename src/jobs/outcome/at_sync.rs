//! Compares each sync with the plans that merged pull requests have shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use super::known::Known;
use super::told;
use super::told::{report_of, tell};
use super::unseen::unseen;
use crate::app::App;
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Context;
use crate::jobs::desired::{identity, render};
use crate::jobs::preview::previewed::{SHOWN, Shown};
use crate::manifest::Manifest;
use crate::plan::{Action, Change, Plan};
use crate::queue::JobError;
use crate::render::{Purpose, Rendered};
use crate::report::preview::{AppResult, Differs, DiffersAt, PreviewReport};
use crate::store::apps::AppRow;
use crate::store::inventory::ObjectState;

/// Compares what a sync is about to do with what the pull requests have shown whose merges it brings. Nobody has
/// reviewed a push to the branch itself, so without a merge there is nothing to compare with.
pub(in crate::jobs) async fn at_sync(
    context: &Context,
    row: &AppRow,
    revision: &Oid,
    plan: &Plan,
    rendered: Option<&Rendered>,
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    let (app, repo) = (&row.app.id, &row.app.source.repo);
    let merged = by_source(context, row, revision).await?;
    let defined = by_definition(context, row).await?;
    let shown: Vec<&Shown> =
        merged.iter().map(|(_, _, shown)| shown).chain(defined.iter().map(|(_, shown)| shown)).collect();
    let mut objects = unseen(&Shown::of(&plan.changes), &shown);
    // What was to be deleted or replaced before is another merge's.
    let decided = context.store.inventory_of(&plan.cluster, app).await?;
    let decided: BTreeSet<String> =
        decided.iter().filter(|row| is_decided(row.state)).map(|row| row.key.id().to_string()).collect();
    objects.retain(|object| !decided.contains(object));
    // A pull request that changes nothing of the app has not said that nobody else does.
    for (number, commit, _) in merged.iter().filter(|(_, _, shown)| !shown.steps.is_empty()) {
        let later = pushed_since(context, row, [commit, revision], rendered, &objects, cancel).await?;
        let objects: Vec<String> = objects.iter().filter(|object| !later.contains(*object)).cloned().collect();
        if !objects.is_empty() {
            differs(context, repo, *number, plan, &objects).await?;
        }
    }
    // What was pushed to another ref than the definition's since the merge, or before it and unseen, was not shown.
    for (number, _) in defined.iter().filter(|(_, shown)| !shown.steps.is_empty() && !objects.is_empty()) {
        differs(context, &app.repo, *number, plan, &objects).await?;
    }
    Ok(())
}

/// Those of the objects of a plan with which is done what pull requests have shown whose merges it brings.
pub(in crate::jobs) async fn shown_steps(
    context: &Context,
    row: &AppRow,
    revision: &Oid,
    plan: &Plan,
) -> Result<BTreeSet<String>, JobError> {
    let mut shown: Vec<Shown> =
        by_source(context, row, revision).await?.into_iter().map(|(_, _, shown)| shown).collect();
    shown.extend(by_definition(context, row).await?.into_iter().map(|(_, shown)| shown));
    let is_shown = |(object, what): &(&String, &String)| shown.iter().any(|one| one.steps.get(*object) == Some(*what));
    Ok(Shown::of(&plan.changes).steps.iter().filter(is_shown).map(|(object, _)| object.clone()).collect())
}

/// What merged pull requests have shown whose merges a sync brings, with their numbers and merge commits.
async fn by_source(context: &Context, row: &AppRow, revision: &Oid) -> Result<Vec<(u64, Oid, Shown)>, JobError> {
    let (app, repo) = (&row.app.id, &row.app.source.repo);
    let mut merged = Vec::new();
    for shown in context.store.shown_of(repo, app, told::heard_after(context)).await? {
        let commit = &shown.merge_commit;
        let is_new = match &row.applied_revision {
            Some(applied) => !context.mirrors.is_ancestor(repo, commit, applied).await?,
            None => true,
        };
        if is_new
            && context.mirrors.is_ancestor(repo, commit, revision).await?
            && let Some(what) = SHOWN.read_if_known(shown.number, &shown.shown)
        {
            merged.push((shown.number, shown.merge_commit, what));
        }
    }
    Ok(merged)
}

/// What merged pull requests have shown whose merges bring the definition that this sync is the first to apply, where
/// the app is made from another repo or ref than its definition: no revision of it contains such a merge.
async fn by_definition(context: &Context, row: &AppRow) -> Result<Vec<(u64, Shown)>, JobError> {
    let App { id, source, origin, .. } = &row.app;
    let is_beside = source.repo == id.repo && source.ref_name == origin.definitions_ref;
    if is_beside || row.applied_app.as_ref().is_some_and(|applied| applied.same_definition(&row.app)) {
        return Ok(Vec::new());
    }
    let mut merged = Vec::new();
    for shown in context.store.shown_of(&id.repo, id, told::heard_after(context)).await? {
        if context.mirrors.is_ancestor(&id.repo, &shown.merge_commit, &row.definition_commit).await?
            && let Some(what) = SHOWN.read_if_known(shown.number, &shown.shown)
        {
            merged.push((shown.number, what));
        }
    }
    Ok(merged)
}

/// Whether an earlier sync has found what is to be done to an object.
fn is_decided(state: ObjectState) -> bool {
    match state {
        ObjectState::Pruning
        | ObjectState::Moving
        | ObjectState::Deleting
        | ObjectState::Held
        | ObjectState::Outdated => true,
        ObjectState::Claimed | ObjectState::Applied => false,
    }
}

/// Which of these objects a later push than the merge has changed.
async fn pushed_since(
    context: &Context,
    row: &AppRow,
    [merge, revision]: [&Oid; 2],
    rendered: Option<&Rendered>,
    objects: &[String],
    cancel: &CancellationToken,
) -> Result<BTreeSet<String>, JobError> {
    let (Some(now), false) = (rendered, merge == revision || objects.is_empty()) else { return Ok(BTreeSet::new()) };
    let tree = context.mirrors.tree(&row.app.source.repo, merge).await?;
    // What did not render at the merge was not changed by it.
    let Ok(then) = render::render(context, &row.app, tree, Purpose::Sync, cancel).await? else {
        return Ok(objects.iter().cloned().collect());
    };
    let by_name = |rendered: &Rendered| -> HashMap<String, String> {
        let named = |manifest: &Manifest| identity::ids(&row.app, manifest).map(|id| (id.to_string(), manifest.hash()));
        rendered.manifests.iter().flat_map(named).collect()
    };
    let (then, now) = (by_name(&then), by_name(now));
    Ok(objects.iter().filter(|object| then.get(*object) != now.get(*object)).cloned().collect())
}

/// What the preview has shown to be done to each object of an app.
fn shown(report: &PreviewReport, app: &AppId) -> BTreeMap<String, Action> {
    let of_app = report.apps.iter().find(|one| one.app == *app).map(|one| &one.result);
    let Some(AppResult::Planned { objects }) = of_app else { return BTreeMap::new() };
    objects.iter().map(|object| (object.key.id().to_string(), object.action)).collect()
}

/// A sync is about to change objects of an app in a way that a merged pull request has not shown, or no longer does.
pub(in crate::jobs) async fn differs(
    context: &Context,
    repo: &RepoName,
    number: u64,
    plan: &Plan,
    objects: &[String],
) -> Result<(), JobError> {
    let app = &plan.app;
    let turn = context.store.turn(repo).await?;
    let Some(mut pull) = turn.pull(number).await? else { return Ok(()) };
    let Some(mut report) = report_of(&pull) else { return Ok(()) };
    let shown = shown(&report, app);
    let Some(outcome) = report.outcome.as_mut() else { return Ok(()) };
    // What was said when it was merged is said.
    let told: BTreeSet<String> =
        outcome.differs.iter().filter(|one| one.app == *app).flat_map(|one| one.objects.clone()).collect();
    let objects: Vec<String> = objects.iter().filter(|object| !told.contains(*object)).cloned().collect();
    if objects.is_empty() {
        return Ok(());
    }
    let removed = |change: &Change| change.replaces_name.as_ref().map(|old| (old.id().to_string(), Action::Prune));
    let actions = plan
        .changes
        .iter()
        .flat_map(|change| std::iter::once((change.key.id().to_string(), change.action)).chain(removed(change)))
        // What was to be made and is made otherwise is not also made.
        .filter(|(object, action)| shown.get(object) != Some(action));
    outcome.differs.push(Differs::new(app.clone(), DiffersAt::Sync, objects, actions));
    let known = Known::about(context, &pull).await?;
    tell(context, &mut pull, &mut report, &known).await
}
