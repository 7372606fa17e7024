//! The two sides of a pull request: each app on the base, and after the merge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::candidate::{Candidate, Mistake};
use super::comparison::{AppComparison, AppVersion, MergeTrees};
use super::invalid;
use super::previewed::{LookedAt, Seen, Shown};
use super::side::{is_of_the_branch, shown_side};
use crate::app::{App, DefinitionError, Discovered};
use crate::class::{Class, Classified};
use crate::config::Repo;
use crate::ids::AppId;
use crate::jobs::Context;
use crate::jobs::context::blocking;
use crate::jobs::desired::affected::Follower;
use crate::jobs::desired::render::failed;
use crate::jobs::desired::{affected, definitions};
use crate::queue::JobError;
use crate::render::RenderError;
use crate::store::apps::TRACE;
use crate::store::apps::{AppRow, AppState};
use crate::trace::Trace;
use crate::tree::TreeError;

/// Apps that are rendered at once; the renderer's own pool decides how many of them really are.
const AT_ONCE: usize = 8;

pub(in crate::jobs) struct Comparisons {
    pub pairs: Vec<AppComparison>,
    /// What the pull request breaks in definitions that were right, or adds wrong.
    pub errors: Vec<DefinitionError>,
    /// What is said of those of the pairs that the configuration does not allow as the pull request has them.
    pub refused: BTreeMap<AppId, String>,
    /// Whose definitions are invalid on the base already, and why nothing of them is applied.
    pub invalid: BTreeMap<AppId, String>,
    /// Every app that was rendered, also where both sides are the same.
    pub looked: Vec<LookedAt>,
}

pub(in crate::jobs) async fn build(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    cancel: &CancellationToken,
) -> Result<Comparisons, JobError> {
    let (candidates, errors) = candidates(context, repo, trees).await?;
    let candidates = possibly_affected(repo, trees, candidates).await?;
    let stays = |(id, candidate): (&AppId, &Candidate)| match &candidate.mistake {
        Mistake::Stays(why) => Some((id.clone(), why.clone())),
        _ => None,
    };
    let invalid = candidates.iter().filter_map(stays).collect();
    let refused =
        candidates.iter().filter_map(|(id, candidate)| Some((id.clone(), candidate.refused.clone()?))).collect();
    let each: Vec<_> = candidates
        .into_iter()
        .map(|(id, candidate)| pair(context, repo, trees, id, candidate, cancel).boxed())
        .collect();
    let mut sides = Comparisons { pairs: Vec::new(), errors, refused, invalid, looked: Vec::new() };
    let mut budget = Budget::of_a_preview();
    let mut rendered = futures::stream::iter(each).buffered(AT_ONCE);
    while let Some((looked, pair)) = rendered.try_next().await? {
        sides.looked.push(looked);
        sides.pairs.extend(pair.map(|pair| budget.charge(pair)));
    }
    Ok(sides)
}

/// The apps that may differ between the sides, as far as it can be told without a render; none where the definitions
/// have errors, or had some: others may repair them.
pub(in crate::jobs) async fn affected(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
) -> Result<Option<BTreeSet<AppId>>, JobError> {
    let (candidates, errors) = candidates(context, repo, trees).await?;
    if !errors.is_empty() {
        return Ok(None);
    }
    let affected = possibly_affected(repo, trees, candidates).await?;
    let is_settled = affected.values().all(|candidate| matches!(candidate.mistake, Mistake::None));
    Ok(is_settled.then(|| affected.into_keys().collect()))
}

/// Each app as it is defined on either side.
pub(in crate::jobs) async fn defined(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
) -> Result<BTreeMap<AppId, (Option<App>, Option<App>)>, JobError> {
    let (candidates, _) = candidates(context, repo, trees).await?;
    Ok(candidates.into_iter().map(|(id, Candidate { base, change, .. })| (id, (base, change))).collect())
}

/// Each app as it is defined on either side. Of those that the configuration does not allow as the pull request has
/// them it is said why, also while the definitions were not looked at since that changed.
async fn candidates(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
) -> Result<(BTreeMap<AppId, Candidate>, Vec<DefinitionError>), JobError> {
    let (mut found, errors) = defined_on_either(context, repo, trees).await?;
    for candidate in found.values_mut().filter(|candidate| candidate.refused.is_none()) {
        // One that may not read this repo is no concern of its pull requests.
        let reads = |app: &App| context.grants(&app.id.repo).is_ok_and(|grants| grants.source(&repo.name).is_ok());
        let app = candidate.change.as_ref().filter(|app| app.id.repo == repo.name || reads(app));
        candidate.refused = app.and_then(|app| context.permitted(app).err()).map(|denied| denied.to_string());
    }
    Ok((found, errors))
}

/// A pull request merges only what it targets: the definitions if its base is their branch, the tree if its base is the
/// app's ref.
async fn defined_on_either(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
) -> Result<(BTreeMap<AppId, Candidate>, Vec<DefinitionError>), JobError> {
    let mut found = BTreeMap::new();
    let followers = affected::followers(context, &repo.name, &trees.base_ref).await?;
    let mut traces: BTreeMap<AppId, Option<Trace>> = BTreeMap::new();
    let targets_definitions = trees.base_ref == repo.definitions_ref;
    for Follower { row, trace } in followers {
        traces.insert(row.app.id.clone(), trace.clone());
        if !targets_definitions || row.app.id.repo != repo.name {
            found.insert(row.app.id.clone(), Candidate::new(Some(row.app.clone()), Some(row.app), trace));
        }
    }
    for (row, why) in not_allowed_any_more(context, repo, trees).await? {
        let trace = trace_of(context, &row.app.id).await?;
        traces.insert(row.app.id.clone(), trace.clone());
        if !targets_definitions || row.app.id.repo != repo.name {
            found.insert(
                row.app.id.clone(),
                Candidate { refused: Some(why), ..Candidate::new(Some(row.app.clone()), Some(row.app), trace) },
            );
        }
    }
    if !targets_definitions {
        return Ok((found, Vec::new()));
    }
    let base = definitions::discover(context, repo, Arc::clone(&trees.base)).await?;
    let change = definitions::discover(context, repo, Arc::clone(&trees.change)).await?;
    let (base_errors, change_errors) = (base.errors.clone(), change.errors.clone());
    let known: BTreeSet<(String, String)> = base.errors.into_iter().map(|error| (error.file, error.message)).collect();
    let Discovered { apps, mut refused, errors, .. } = change;
    // What is not allowed is said of its app; the others are shown all the same.
    let (refusals, errors): (Vec<_>, Vec<_>) = errors.into_iter().partition(|error| is_refusal(error, &refused));
    let errors =
        errors.into_iter().filter(|error| !known.contains(&(error.file.clone(), error.message.clone()))).collect();
    let mut why: BTreeMap<String, String> =
        refusals.into_iter().filter_map(|error| Some((error.app.clone()?, error.to_string()))).collect();
    let refused_on_base: BTreeSet<AppId> = base.refused.keys().cloned().collect();
    let (mut base, mut change) = (base.apps.into_iter().chain(base.refused).collect::<BTreeMap<_, _>>(), apps);
    change.append(&mut refused);
    let stored = context.store.apps_defined_by(&repo.name).await?;
    let mut invalid = invalid::complete(
        &stored,
        &mut invalid::Side { apps: &mut base, errors: &base_errors },
        &mut invalid::Side { apps: &mut change, errors: &change_errors },
    );
    // What is refused on the base is not applied either: it is compared with what was valid last.
    for row in stored.iter().filter(|row| row.state != AppState::Removed && refused_on_base.contains(&row.app.id)) {
        let id = &row.app.id;
        if !why.contains_key(&id.name) && !invalid.stays.contains_key(id) && base.contains_key(id) {
            base.insert(id.clone(), row.app.clone());
            invalid.repaired.insert(id.clone());
        }
    }
    for id in &invalid.stayed {
        traces.insert(id.clone(), trace_of(context, id).await?);
    }
    let ids: BTreeSet<AppId> = base.keys().chain(change.keys()).cloned().collect();
    for id in ids {
        let (base, change, trace) = (base.remove(&id), change.remove(&id), traces.remove(&id).flatten());
        let (refused, mistake) = (why.remove(&id.name), Mistake::of(&id, &mut invalid));
        found.insert(id, Candidate { base, change, trace, refused, mistake });
    }
    Ok((found, errors))
}

fn is_refusal(error: &DefinitionError, refused: &BTreeMap<AppId, App>) -> bool {
    refused.values().any(|app| {
        Some(&app.id.name) == error.app.as_ref() && app.origin.file == error.file && app.origin.line == error.line
    })
}

/// The apps that follow this ref and are no longer allowed where they are: nobody renders them. One that may not read
/// this repo is no concern of its pull requests.
async fn not_allowed_any_more(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
) -> Result<Vec<(AppRow, String)>, JobError> {
    let rows = context.store.apps_reading(&repo.name).await?;
    let broken =
        rows.into_iter().filter(|row| row.state == AppState::Broken && row.app.source.ref_name == trees.base_ref);
    let refused = broken.filter_map(|row| {
        let grants = context.grants(&row.app.id.repo).ok()?;
        grants.source(&repo.name).ok()?;
        let why = grants.app(&row.app).err()?.to_string();
        Some((row, why))
    });
    Ok(refused.collect())
}

async fn trace_of(context: &Context, app: &AppId) -> Result<Option<Trace>, JobError> {
    let stored = context.store.trace(app).await?;
    Ok(stored.and_then(|text| TRACE.read(app, &text).ok()))
}

/// Leaves out, by a few lookups each, the apps that nothing in the pull request can touch.
async fn possibly_affected(
    repo: &Repo,
    trees: &MergeTrees,
    candidates: BTreeMap<AppId, Candidate>,
) -> Result<BTreeMap<AppId, Candidate>, JobError> {
    let (trees, repo) = (trees.clone(), repo.name.clone());
    let look = move || -> Result<_, TreeError> {
        let mut kept = BTreeMap::new();
        for (id, candidate) in candidates {
            if candidate.is_touched(&repo, &trees)? {
                kept.insert(id, candidate);
            }
        }
        Ok(kept)
    };
    Ok(blocking(look).await??)
}

/// Renders both sides. No pair when they turn out to be the same.
async fn pair(
    context: &Context,
    repo: &Repo,
    trees: &MergeTrees,
    id: AppId,
    candidate: Candidate,
    cancel: &CancellationToken,
) -> Result<(LookedAt, Option<AppComparison>), JobError> {
    let Candidate { base, change, refused, mistake, .. } = candidate;
    if let Some(why) = mistake.why() {
        return Ok(not_rendered(id, base.as_ref(), why));
    }
    let repairs = matches!(mistake, Mistake::Repaired);
    let definition_changed = match (&base, &change) {
        _ if repairs => true,
        (Some(base), Some(change)) => !base.same_definition(change),
        _ => true,
    };
    let base = match (base, &change) {
        // The cluster that an app leaves may be gone, and is not needed for this: what matters is only that it leaves.
        (Some(base), Some(change)) if base.destination.cluster != change.destination.cluster => {
            let mut moved = base.clone();
            moved.destination.cluster = change.destination.cluster.clone();
            shown_side(context, repo, trees, Some(moved), &trees.base, cancel)
                .await?
                .map(|side| AppVersion { app: base, ..side })
        }
        (base, _) => shown_side(context, repo, trees, base, &trees.base, cancel).await?,
    };
    let change = shown_side(context, repo, trees, change, &trees.change, cancel).await?;
    let same = match (&base, &change) {
        (Some(AppVersion { rendered: Ok(base), .. }), Some(AppVersion { rendered: Ok(change), .. })) => {
            base.manifests == change.manifests
        }
        // Broken before, in the same way, and not by what is changed here. What may pass says nothing of either side.
        (Some(AppVersion { rendered: Err(base), .. }), Some(AppVersion { rendered: Err(change), .. })) => {
            [base, change].iter().all(|error| error.class() == Class::Fail)
                && base.to_string() == change.to_string()
                && !is_read_otherwise(change, trees).await?
        }
        _ => false,
    };
    let seen = |side: &Option<AppVersion>| {
        let of_the_branch = side.as_ref().is_some_and(|side| is_of_the_branch(repo, trees, &side.app));
        Seen::of(side.as_ref(), of_the_branch)
    };
    let looked = LookedAt { app: id.clone(), base: seen(&base), change: seen(&change), shown: Shown::default() };
    Ok((
        looked,
        (definition_changed || !same || refused.is_some()).then_some(AppComparison {
            id,
            base,
            change,
            definition_changed,
            repairs,
            invalid: None,
            refused,
        }),
    ))
}

/// An app of which nothing is applied, as its definition is invalid.
fn not_rendered(id: AppId, app: Option<&App>, why: &str) -> (LookedAt, Option<AppComparison>) {
    let side = || app.cloned().map(|app| AppVersion { app, rendered: Err(failed(why.to_owned())) });
    let (base, change) = (side(), side());
    let seen = |side: &Option<AppVersion>| Seen::of(side.as_ref(), false);
    let looked = LookedAt { app: id.clone(), base: seen(&base), change: seen(&change), shown: Shown::default() };
    let invalid = Some(why.to_owned());
    (
        looked,
        Some(AppComparison { id, base, change, definition_changed: false, repairs: false, invalid, refused: None }),
    )
}

/// Whether the pull request changes anything that a render read before it failed: then its author needs to know.
async fn is_read_otherwise(error: &RenderError, trees: &MergeTrees) -> Result<bool, JobError> {
    let Some(trace) = error.trace().cloned() else { return Ok(false) };
    let trees = trees.clone();
    Ok(blocking(move || trace.differs_between(trees.base.as_ref(), trees.change.as_ref())).await??)
}
