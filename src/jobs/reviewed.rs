//! What was reviewed is what is applied, or the pull request says where it is not: a merge is compared with its preview before anything of it is
//! applied, and each sync with the plans that pull requests have shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::compare::Compared;
use super::previewed::{Collected, Looked, LookedAt, Shown};
use super::sides::{self, Pair, Trees};
use super::{Engine, compare, outcome, relook, visible, wanted};
use crate::config::Repo;
use crate::forge::{PullRequest, PullState};
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::Manifest;
use crate::plan::Plan;
use crate::queue::JobError;
use crate::render::{Purpose, Rendered};
use crate::report::preview::{AppReport, AppResult, DefinitionChange, Differs, DiffersAt, PreviewReport, Stopped};
use crate::store::apps::AppRow;
use crate::store::inventory::ObjectState;
use crate::store::previews::PreviewRow;
use crate::store::pulls::{Pull, PullRow};
use crate::tree::TreeError;

/// A cluster that does not answer must not hold up the others' syncs for longer.
const PLANNED_WITHIN: Duration = Duration::from_secs(30);

/// An app that a merge affects.
pub(super) struct Affected {
    pub app: AppId,
    pub cluster: ClusterName,
    pub definition: DefinitionChange,
}

/// How a merge stands to its preview.
#[derive(Default)]
pub(super) struct Reviewed {
    /// Every app that the merge affects, as far as it is not the previewed tree that was merged.
    pub affected: Vec<Affected>,
    pub differs: Vec<Differs>,
    /// The apps that differ, previewed again.
    pub again: Vec<AppReport>,
    /// What it makes wrong in the definitions of apps, and what is wrong with those of the apps that it affects.
    pub definitions: Vec<String>,
    /// The apps among them that the configuration does not allow: no sync of them will ever end.
    pub refused: BTreeSet<AppId>,
}

/// Compares a merge with its preview. Equal trees are equal content, whatever way led there.
pub(super) async fn compare(engine: &Engine, pull: &Pull, merge_commit: &Oid) -> Result<Reviewed, JobError> {
    let repo = engine.repo(&pull.repo)?;
    let preview = engine.store.preview(&repo.name, pull.number).await?;
    if !is_here(engine, repo, pull, merge_commit).await {
        tracing::warn!(repo = %repo.name, number = pull.number, commit = %merge_commit, "a merge cannot be fetched, and was not compared with its preview");
        return Ok(Reviewed::default());
    }
    let tree = engine.mirrors.tree_id(&repo.name, merge_commit).await?;
    let preview = before_merge(engine, repo, preview, merge_commit).await?;
    let is_broken = outcome::report_of(pull).is_some_and(|report| is_broken(&report));
    if !is_broken && preview.as_ref().is_some_and(|preview| preview.change_tree.as_ref() == Some(&tree)) {
        return Ok(Reviewed::default());
    }
    let Some(base) = base_before(engine, repo, pull, preview.as_ref(), merge_commit).await? else { return Ok(Reviewed::default()) };
    let trees = Trees {
        base_ref: pull.base_ref.clone(),
        base_commit: base.clone(),
        base: engine.mirrors.tree(&repo.name, &base).await?,
        change: engine.mirrors.tree(&repo.name, merge_commit).await?,
    };
    let cancel = engine.tasks.hard().clone();
    let mut sides = sides::build(engine, repo, &trees, &cancel).await?;
    let refused = std::mem::take(&mut sides.refused);
    sides.pairs.retain(|pair| !refused.contains_key(&pair.id));
    if !sides.errors.is_empty() {
        // What is missing may be what cannot be read: nothing is removed by a merge that breaks definitions.
        sides.pairs.retain(|pair| pair.change.is_some());
    }
    let definitions = sides.errors.iter().map(ToString::to_string).chain(refused.values().cloned()).collect();
    let affected = sides.pairs.iter().filter_map(affected).collect();
    let mut reviewed = Reviewed { affected, definitions, refused: refused.into_keys().collect(), ..Reviewed::default() };
    let looked = preview.as_ref().and_then(Looked::read);
    let old = not_as_looked_at(sides.pairs, looked.as_ref(), &trees).await?;
    if old.is_empty() {
        return Ok(reviewed);
    }
    let moved = preview.as_ref().map(|preview| preview.base.clone()).filter(|before| *before != base);
    let about = About { looked: looked.as_ref(), moved: moved.map(|from| (from, base.clone())), merge_commit, preview: preview.as_ref() };
    Box::pin(plan_again(engine, repo, &trees, old, &about, &cancel, &mut reviewed)).await;
    Ok(reviewed)
}

/// Whether the preview itself has told of definitions that no sync will come for.
fn is_broken(report: &PreviewReport) -> bool {
    let refused = |app: &AppReport| matches!(app.result, AppResult::NotAllowed { .. });
    matches!(report.stopped, Some(Stopped::Definitions { .. })) || report.apps.iter().any(refused)
}

/// A preview that was made after the merge says nothing about it.
async fn before_merge(engine: &Engine, repo: &Repo, preview: Option<PreviewRow>, merge: &Oid) -> Result<Option<PreviewRow>, JobError> {
    let Some(preview) = preview else { return Ok(None) };
    if !engine.mirrors.has_commit(&repo.name, &preview.base).await {
        return Ok(Some(preview));
    }
    let is_after = engine.mirrors.is_ancestor(&repo.name, merge, &preview.base).await?;
    Ok(Some(preview).filter(|_| !is_after))
}

struct About<'a> {
    looked: Option<&'a Looked>,
    moved: Option<(Oid, Oid)>,
    merge_commit: &'a Oid,
    preview: Option<&'a PreviewRow>,
}

async fn plan_again(
    engine: &Engine,
    repo: &Repo,
    trees: &Trees,
    pairs: Vec<Pair>,
    about: &About<'_>,
    cancel: &CancellationToken,
    reviewed: &mut Reviewed,
) {
    let collected = Collected::default();
    let planned = compare::all(engine, repo, trees, about.merge_commit, pairs, &collected, cancel);
    let reports = match tokio::time::timeout(PLANNED_WITHIN, planned).await {
        Ok(Ok(Compared { apps, trouble: None })) => apps,
        // The syncs say what is wrong with the cluster.
        Ok(Err(error) | Ok(Compared { trouble: Some(error), .. })) => {
            return tracing::warn!(repo = %repo.name, error = error.message(), "a merge could not be compared with its preview");
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
        reviewed.differs.push(Differs { app: report.app.clone(), at, objects });
        reviewed.again.push(report);
    }
}

/// What is done to objects that none of the previews has shown so.
fn unseen(now: &Shown, shown: &[&Shown]) -> Vec<String> {
    let is_shown = |(object, what): &(&String, &String)| {
        let result = now.results.get(*object);
        shown.iter().any(|one| {
            let known = [one.steps.get(*object), one.sent.get(*object)];
            // Another spelling of what was shown comes to the same.
            let comes_to_the_same = result.is_some() && one.results.get(*object) == result;
            known.contains(&Some(*what)) || comes_to_the_same || one.already.contains(*object)
        })
    };
    now.steps.iter().filter(|step| !is_shown(step)).map(|(object, _)| object.clone()).collect()
}

/// The apps whose input is not what the preview looked at. Where it is, so is the plan.
async fn not_as_looked_at(pairs: Vec<Pair>, looked: Option<&Looked>, trees: &Trees) -> Result<Vec<Pair>, JobError> {
    let Some(looked) = looked else { return Ok(pairs) };
    let apps: BTreeMap<AppId, LookedAt> = looked.apps.iter().map(|one| (one.app.clone(), one.clone())).collect();
    let trees = trees.clone();
    let look = move || -> Result<Vec<Pair>, TreeError> {
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
    Ok(super::engine::blocking(look).await??)
}

fn is_defined_as(pair: &Pair, one: &LookedAt) -> bool {
    [(&pair.base, &one.base), (&pair.change, &one.change)].into_iter().all(|(side, seen)| match (side, seen) {
        (Some(side), Some(seen)) => side.app.same_definition(&seen.app),
        (None, None) => true,
        _ => false,
    })
}

fn affected(pair: &Pair) -> Option<Affected> {
    let side = pair.change.as_ref().or(pair.base.as_ref())?;
    Some(Affected { app: pair.id.clone(), cluster: side.app.destination.cluster.clone(), definition: compare::definition_change(pair) })
}

/// Whether the commit can be read; the webhook of a merge may be faster than the fetch of its push.
async fn is_here(engine: &Engine, repo: &Repo, pull: &Pull, commit: &Oid) -> bool {
    if engine.mirrors.has_commit(&repo.name, commit).await {
        return true;
    }
    let Ok(remote) = engine.remote(repo).await else { return false };
    let refs = std::slice::from_ref(&pull.base_ref);
    let fetched = visible::fetch(&engine.mirrors, &remote, refs, Some(commit), engine.tasks.hard()).await;
    fetched.is_ok() && engine.mirrors.has_commit(&repo.name, commit).await
}

/// What the base was before the merge.
async fn base_before(
    engine: &Engine,
    repo: &Repo,
    pull: &Pull,
    preview: Option<&PreviewRow>,
    merge_commit: &Oid,
) -> Result<Option<Oid>, JobError> {
    if let Some(preview) = preview
        && pull.head == *merge_commit
        && engine.mirrors.is_ancestor(&repo.name, &preview.base, merge_commit).await?
    {
        // The base was moved to the head itself.
        return Ok(Some(preview.base.clone()));
    }
    Ok(engine.mirrors.parents(&repo.name, merge_commit).await?.into_iter().next())
}

/// Compares what a sync is about to do with what the pull requests have shown whose merges it brings. Nobody has reviewed a push to the branch
/// itself, so without a merge there is nothing to compare with.
pub(super) async fn at_sync(
    engine: &Engine,
    row: &AppRow,
    revision: &Oid,
    plan: &Plan,
    rendered: Option<&Rendered>,
    cancel: &CancellationToken,
) -> Result<(), JobError> {
    let (app, repo) = (&row.app.id, &row.app.source.repo);
    let mut merged = Vec::new();
    for shown in engine.store.shown_of(repo, app, outcome::heard_after(engine)).await? {
        let commit = &shown.merge_commit;
        let is_new = match &row.applied_revision {
            Some(applied) => !engine.mirrors.is_ancestor(repo, commit, applied).await?,
            None => true,
        };
        if is_new
            && engine.mirrors.is_ancestor(repo, commit, revision).await?
            && let Ok(what) = serde_json::from_str::<Shown>(&shown.shown)
        {
            merged.push((shown.number, shown.merge_commit, what));
        }
    }
    let mut objects = unseen(&Shown::of(&plan.changes), &merged.iter().map(|(_, _, shown)| shown).collect::<Vec<_>>());
    // What was to be deleted or replaced before is another merge's.
    let decided = engine.store.inventory_of(&plan.cluster, app).await?;
    let decided: BTreeSet<String> = decided.iter().filter(|row| is_decided(row.state)).map(|row| row.key.id().to_string()).collect();
    objects.retain(|object| !decided.contains(object));
    // A pull request that changes nothing of the app has not said that nobody else does.
    for (number, commit, _) in merged.iter().filter(|(_, _, shown)| !shown.steps.is_empty()) {
        let later = pushed_since(engine, row, [commit, revision], rendered, &objects, cancel).await?;
        let objects: Vec<String> = objects.iter().filter(|object| !later.contains(*object)).cloned().collect();
        if !objects.is_empty() {
            outcome::differs(engine, repo, *number, app, &objects).await?;
        }
    }
    Ok(())
}

/// Whether an earlier sync has found what is to be done to an object.
fn is_decided(state: ObjectState) -> bool {
    match state {
        ObjectState::Pruning | ObjectState::Moving | ObjectState::Deleting | ObjectState::Held | ObjectState::Outdated => true,
        ObjectState::Claimed | ObjectState::Applied => false,
    }
}

/// Which of these objects a later push than the merge has changed.
async fn pushed_since(
    engine: &Engine,
    row: &AppRow,
    [merge, revision]: [&Oid; 2],
    rendered: Option<&Rendered>,
    objects: &[String],
    cancel: &CancellationToken,
) -> Result<BTreeSet<String>, JobError> {
    let (Some(now), false) = (rendered, merge == revision || objects.is_empty()) else { return Ok(BTreeSet::new()) };
    let tree = engine.mirrors.tree(&row.app.source.repo, merge).await?;
    // What did not render at the merge was not changed by it.
    let Ok(then) = sides::render(engine, &row.app, tree, Purpose::Sync, cancel).await? else {
        return Ok(objects.iter().cloned().collect());
    };
    let by_name = |rendered: &Rendered| -> HashMap<String, String> {
        let named = |manifest: &Manifest| wanted::ids(&row.app, manifest).map(|id| (id.to_string(), manifest.hash()));
        rendered.manifests.iter().flat_map(named).collect()
    };
    let (then, now) = (by_name(&then), by_name(now));
    Ok(objects.iter().filter(|object| then.get(*object) != now.get(*object)).cloned().collect())
}

/// Pull requests whose heads a push has brought into their base: they are merged, whatever the forge's API says or does not say.
pub(super) async fn merged_by_push(
    engine: &Engine,
    repo: &Repo,
    ref_name: &str,
    before: Option<&Oid>,
    now: &Oid,
) -> Result<BTreeSet<u64>, JobError> {
    let mut merged = BTreeSet::new();
    // A branch without a commit of its own is not merged by a push to its base.
    let Some(before) = before else { return Ok(merged) };
    let mut open = engine.store.pulls(&repo.name, PullRow::Open).await?;
    open.retain(|pull| pull.base_ref == ref_name);
    if open.is_empty() {
        return Ok(merged);
    }
    let pushed = engine.mirrors.newest(&repo.name, now, before).await?;
    for mut pull in open.into_iter().filter(|pull| pushed.contains(&pull.head)) {
        if engine.mirrors.is_ancestor(&repo.name, &pull.head, before).await? {
            continue;
        }
        let commit = engine.mirrors.merged_by(&repo.name, &pull.head, now).await?;
        outcome::merged(engine, &mut pull, &commit).await?;
        merged.insert(pull.number);
    }
    Ok(merged)
}

/// A squash leaves no trace of the pull request's commits in its base; forges name its number in the message instead. Whether that is so is the
/// forge's to say, and when it does not, the merge is told of by its webhook or the next look.
pub(super) async fn merged_by_message(engine: &Engine, repo: &Repo, ref_name: &str, revision: &Oid) -> Result<(), JobError> {
    let Some(number) = named_pull(&engine.mirrors.commit(&repo.name, revision).await?.summary) else { return Ok(()) };
    let open = engine.store.pull(&repo.name, number).await?;
    let (Some(mut row), Some(forge)) = (open.filter(|row| row.state == PullRow::Open && row.base_ref == ref_name), engine.forge(repo))
    else {
        return Ok(());
    };
    match forge.pull_request(&repo.project, number).await {
        Ok(PullRequest { state: PullState::Merged, merge_commit: Some(commit), .. }) => outcome::merged(engine, &mut row, &commit).await,
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(repo = %repo.name, number, %error, "could not ask the forge whether a push has merged a pull request");
            Ok(())
        }
    }
}

/// `Title of the pull request (#7)`.
fn named_pull(summary: &str) -> Option<u64> {
    summary.trim_end().strip_suffix(')')?.rsplit_once("(#")?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_squash_names_its_pull_request() {
        assert_eq!(named_pull("Scale up (#12)"), Some(12));
        assert_eq!(named_pull("Revert \"Scale up (#12)\" (#13)"), Some(13));
        for other in ["", "Scale up", "Scale up (#x)", "(#7) Scale up", "Merge pull request #7 from a"] {
            assert_eq!(named_pull(other), None, "{other}");
        }
    }

    fn shown(steps: &[(&str, &str)], already: &[&str]) -> Shown {
        Shown {
            steps: steps.iter().map(|(object, what)| ((*object).to_owned(), (*what).to_owned())).collect(),
            already: already.iter().map(|object| (*object).to_owned()).collect(),
            ..Shown::default()
        }
    }

    /// "Reviewed is applied": what a sync does and no preview has shown is told, whether the base or the cluster moved.
    #[test]
    fn what_no_preview_has_shown_is_told() {
        let one = shown(&[("ConfigMap a", "1"), ("ConfigMap b", "deleted")], &["ConfigMap d"]);
        let two = shown(&[("ConfigMap c", "3")], &[]);
        let now = shown(
            &[("ConfigMap a", "2"), ("ConfigMap b", "deleted"), ("ConfigMap c", "3"), ("ConfigMap d", "4"), ("ConfigMap e", "5")],
            &[],
        );
        assert_eq!(unseen(&now, &[&one, &two]), ["ConfigMap a", "ConfigMap e"]);
        assert_eq!(unseen(&one, &[&one]), Vec::<String>::new());
    }

    /// X1+: `1000m` for `1` is the same object in the cluster, whether it was shown as no change or as another spelling of the same one.
    #[test]
    fn another_spelling_is_what_was_shown() {
        let named = |what: &str| std::collections::BTreeMap::from([("Deployment web".to_owned(), what.to_owned())]);
        let now = Shown { results: named("same"), ..shown(&[("Deployment web", "2")], &[]) };
        let no_change = Shown { sent: named("2"), ..Shown::default() };
        let spelled_otherwise = Shown { results: named("same"), ..shown(&[("Deployment web", "1")], &[]) };
        let another = Shown { results: named("other"), ..shown(&[("Deployment web", "1")], &[]) };
        assert_eq!(unseen(&now, &[&no_change]), Vec::<String>::new());
        assert_eq!(unseen(&now, &[&spelled_otherwise]), Vec::<String>::new());
        assert_eq!(unseen(&now, &[&another]), ["Deployment web"]);
    }
}
