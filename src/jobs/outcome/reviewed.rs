//! Checks that the reviewed changes are the applied ones: a merge is compared with its preview before it is applied,
//! and each sync with the plans that pull requests have shown. Differences are reported on the pull request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::told;
use super::unseen::unseen;
use crate::config::Repo;
use crate::ids::{AppId, ClusterName, Oid};
use crate::jobs::Context;
use crate::jobs::desired::fetch_commit;
use crate::jobs::preview::compare::Compared;
use crate::jobs::preview::comparison::{AppComparison, MergeTrees};
use crate::jobs::preview::previewed::{Collected, Looked, LookedAt};
use crate::jobs::preview::{compare, relook, sides};
use crate::queue::JobError;
use crate::report::preview::{AppReport, AppResult, DefinitionChange, Differs, DiffersAt, PreviewReport, Stopped};
use crate::store::previews::PreviewRow;
use crate::store::pulls::Pull;
use crate::tree::TreeError;

/// A cluster that does not answer must not hold up the others' syncs for longer.
const PLANNED_WITHIN: Duration = Duration::from_secs(30);

/// An app that a merge affects.
pub(in crate::jobs) struct Affected {
    pub app: AppId,
    pub cluster: ClusterName,
    pub definition: DefinitionChange,
}

/// How a merge stands to its preview.
#[derive(Default)]
pub(in crate::jobs) struct Reviewed {
    /// Every app that the merge affects, as far as it is not the previewed tree that was merged.
    pub affected: Vec<Affected>,
    pub differs: Vec<Differs>,
    /// The apps that differ, previewed again.
    pub again: Vec<AppReport>,
    /// What it makes wrong in the definitions of apps, and what is wrong with those of the apps that it affects.
    pub definitions: Vec<String>,
    /// The apps among them that the configuration does not allow: no sync of them will ever end.
    pub refused: BTreeSet<AppId>,
    /// The apps among them of which nothing is applied until their definitions are repaired, and why.
    pub invalid: BTreeMap<AppId, String>,
    /// Nothing was previewed before the merge.
    pub is_unseen: bool,
    /// The commits of the preview: its head and its base.
    pub previewed: Option<[Oid; 2]>,
    /// The commit of the base that the merge was compared with.
    pub base: Option<Oid>,
}

impl Reviewed {
    fn of(preview: Option<&PreviewRow>) -> Self {
        let previewed = preview.map(|preview| [preview.head.clone(), preview.base.clone()]);
        Self { is_unseen: preview.is_none(), previewed, ..Self::default() }
    }
}

/// Compares a merge with its preview. Equal trees are equal content, whatever way led there.
pub(in crate::jobs) async fn compare(context: &Context, pull: &Pull, merge_commit: &Oid) -> Result<Reviewed, JobError> {
    let repo = context.repo(&pull.repo)?;
    let preview = context.store.preview(&repo.name, pull.number).await?;
    if !is_here(context, repo, pull, merge_commit).await {
        tracing::warn!(repo = %repo.name, number = pull.number, commit = %merge_commit,
            "a merge could not be fetched and was not compared with its preview");
        return Ok(Reviewed::of(preview.as_ref()));
    }
    let tree = context.mirrors.tree_id(&repo.name, merge_commit).await?;
    let preview = before_merge(context, repo, preview, merge_commit).await?;
    let is_broken = told::report_of(pull).is_some_and(|report| is_broken(&report));
    if !is_broken && preview.as_ref().is_some_and(|preview| preview.change_tree.as_ref() == Some(&tree)) {
        return Ok(Reviewed::of(preview.as_ref()));
    }
    let Some(base) = base_before(context, repo, pull, preview.as_ref(), merge_commit).await? else {
        return Ok(Reviewed::of(preview.as_ref()));
    };
    let trees = MergeTrees {
        base_ref: pull.base_ref.clone(),
        base_commit: base.clone(),
        change_commit: merge_commit.clone(),
        base: context.mirrors.tree(&repo.name, &base).await?,
        change: context.mirrors.tree(&repo.name, merge_commit).await?,
        reads: Arc::default(),
    };
    let cancel = context.tasks.hard().clone();
    let mut sides = sides::build(context, repo, &trees, &cancel).await?;
    let refused = std::mem::take(&mut sides.refused);
    sides.pairs.retain(|pair| !refused.contains_key(&pair.id));
    if !sides.errors.is_empty() {
        // What is missing may be what cannot be read: nothing is removed by a merge that breaks definitions.
        let is_known = |pair: &AppComparison| pair.invalid.is_none() || sides.invalid.contains_key(&pair.id);
        sides.pairs.retain(|pair| pair.change.is_some() && is_known(pair));
    }
    let definitions = sides.errors.iter().map(ToString::to_string).chain(refused.values().cloned()).collect();
    let affected = sides.pairs.iter().filter_map(affected).collect();
    let invalid = sides.pairs.iter().filter_map(|pair| Some((pair.id.clone(), pair.invalid.clone()?))).collect();
    let mut reviewed = Reviewed {
        affected,
        definitions,
        refused: refused.into_keys().collect(),
        invalid,
        base: Some(base.clone()),
        ..Reviewed::of(preview.as_ref())
    };
    let looked = preview.as_ref().and_then(Looked::read);
    let old = not_as_looked_at(sides.pairs, looked.as_ref(), &trees).await?;
    if old.is_empty() {
        return Ok(reviewed);
    }
    let moved = preview.as_ref().map(|preview| preview.base.clone()).filter(|before| *before != base);
    let about = About {
        looked: looked.as_ref(),
        moved: moved.map(|from| (from, base.clone())),
        repo,
        preview: preview.as_ref(),
    };
    Box::pin(plan_again(context, &trees, old, &about, &cancel, &mut reviewed)).await;
    Ok(reviewed)
}

/// Whether the preview itself has told of definitions that no sync will come for.
fn is_broken(report: &PreviewReport) -> bool {
    let refused = |app: &AppReport| matches!(app.result, AppResult::NotAllowed { .. } | AppResult::Invalid { .. });
    matches!(report.stopped, Some(Stopped::Definitions { .. })) || report.apps.iter().any(refused)
}

/// A preview that was made after the merge says nothing about it.
async fn before_merge(
    context: &Context,
    repo: &Repo,
    preview: Option<PreviewRow>,
    merge: &Oid,
) -> Result<Option<PreviewRow>, JobError> {
    let Some(preview) = preview else { return Ok(None) };
    if !context.mirrors.has_commit(&repo.name, &preview.base).await {
        return Ok(Some(preview));
    }
    let is_after = context.mirrors.is_ancestor(&repo.name, merge, &preview.base).await?;
    Ok(Some(preview).filter(|_| !is_after))
}

struct About<'a> {
    looked: Option<&'a Looked>,
    moved: Option<(Oid, Oid)>,
    repo: &'a Repo,
    preview: Option<&'a PreviewRow>,
}

async fn plan_again(
    context: &Context,
    trees: &MergeTrees,
    pairs: Vec<AppComparison>,
    about: &About<'_>,
    cancel: &CancellationToken,
    reviewed: &mut Reviewed,
) {
    let (repo, collected) = (about.repo, Collected::default());
    let planned = compare::all(context, repo, trees, pairs, &collected, cancel);
    let reports = match tokio::time::timeout(PLANNED_WITHIN, planned).await {
        Ok(Ok(Compared { apps, trouble: None })) => apps,
        // The syncs say what is wrong with the cluster.
        Ok(Err(error) | Ok(Compared { trouble: Some(error), .. })) => {
            return tracing::warn!(repo = %repo.name, error = error.message(), "a merge could not be compared with its \
                                                                               preview");
        }
        Err(_) => return tracing::warn!(repo = %repo.name, "a merge could not be compared with its preview in time"),
    };
    for report in reports.into_iter().filter(|report| !report.leaves) {
        let seen = about.looked.and_then(|looked| looked.app(&report.app));
        let objects = unseen(&collected.of(&report.app), &seen.map(|one| &one.shown).into_iter().collect::<Vec<_>>());
        let breaks = !matches!(report.result, AppResult::Planned { .. });
        if objects.is_empty() && !breaks {
            continue;
        }
        let at = match (&about.moved, about.preview) {
            (_, None) => DiffersAt::NeverPreviewed,
            (Some((from, to)), _) => DiffersAt::BaseMoved { from: from.clone(), to: to.clone() },
            (None, Some(_)) => DiffersAt::Merge,
        };
        let AppResult::Planned { objects: shown } = &report.result else {
            reviewed.differs.push(Differs::new(report.app.clone(), at, objects, std::iter::empty()));
            reviewed.again.push(report);
            continue;
        };
        let actions = shown.iter().map(|object| (object.key.id().to_string(), object.action));
        reviewed.differs.push(Differs::new(report.app.clone(), at, objects, actions));
        reviewed.again.push(report);
    }
}

/// The apps whose input is not what the preview looked at. Where it is, so is the plan.
async fn not_as_looked_at(
    pairs: Vec<AppComparison>,
    looked: Option<&Looked>,
    trees: &MergeTrees,
) -> Result<Vec<AppComparison>, JobError> {
    let Some(looked) = looked else { return Ok(pairs) };
    let apps: BTreeMap<AppId, LookedAt> = looked.apps.iter().map(|one| (one.app.clone(), one.clone())).collect();
    let trees = trees.clone();
    let look = move || -> Result<Vec<AppComparison>, TreeError> {
        let mut old = Vec::new();
        for pair in pairs {
            let same = match apps.get(&pair.id) {
                Some(one) => is_defined_as(&pair, one) && relook::reads_the_same(one, &trees.base, &trees.change)?,
                None => false,
            };
            if !same {
                old.push(pair);
            }
        }
        Ok(old)
    };
    Ok(crate::jobs::context::blocking(look).await??)
}

fn is_defined_as(pair: &AppComparison, one: &LookedAt) -> bool {
    [(&pair.base, &one.base), (&pair.change, &one.change)].into_iter().all(|(side, seen)| match (side, seen) {
        (Some(side), Some(seen)) => {
            let told = side.rendered.as_ref().ok().and_then(|rendered| rendered.cluster.as_ref());
            side.app.same_definition(&seen.app) && told == seen.cluster.as_ref()
        }
        (None, None) => true,
        _ => false,
    })
}

fn affected(pair: &AppComparison) -> Option<Affected> {
    let side = pair.change.as_ref().or(pair.base.as_ref())?;
    Some(Affected {
        app: pair.id.clone(),
        cluster: side.app.destination.cluster.clone(),
        definition: compare::definition_change(pair),
    })
}

/// Whether the commit can be read; the webhook of a merge may be faster than the fetch of its push.
async fn is_here(context: &Context, repo: &Repo, pull: &Pull, commit: &Oid) -> bool {
    if context.mirrors.has_commit(&repo.name, commit).await {
        return true;
    }
    let Ok(remote) = context.remote(repo).await else { return false };
    let refs = std::slice::from_ref(&pull.base_ref);
    let fetched = fetch_commit::fetch(&context.mirrors, &remote, refs, Some(commit), context.tasks.hard()).await;
    fetched.is_ok() && context.mirrors.has_commit(&repo.name, commit).await
}

/// What the base was before the merge.
async fn base_before(
    context: &Context,
    repo: &Repo,
    pull: &Pull,
    preview: Option<&PreviewRow>,
    merge_commit: &Oid,
) -> Result<Option<Oid>, JobError> {
    if let Some(preview) = preview
        && pull.head == *merge_commit
        && context.mirrors.is_ancestor(&repo.name, &preview.base, merge_commit).await?
    {
        // The base was moved to the head itself.
        return Ok(Some(preview.base.clone()));
    }
    Ok(context.mirrors.parents(&repo.name, merge_commit).await?.into_iter().next())
}
