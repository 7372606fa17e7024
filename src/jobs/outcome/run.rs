//! The job `outcome:REPO`: writes the outcomes of syncs into the comments of merged pull requests.
//!
//! The end of a sync is stored as one small row. This job waits until no more of them arrive, and writes them together:
//! a merge may change a thousand apps.

use std::collections::HashMap;

use super::known::{Known, is_defined_elsewhere};
use super::taken_back::Merge;
use super::told::{add, events, heard_after, report_of, tell};
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Context;
use crate::queue::{JobError, Key};
use crate::report::outcome::{Event, Own, added, may_be_taken_back, seen_from};
use crate::report::preview::{AppEnd, DefinitionChange, PreviewReport};
use crate::report::stored::END;
use crate::store::apps::{AppHealth, AppState};

/// Tells the pull requests of a repo how the apps ended that are at their merge, or behind it. What was told stays:
/// this only adds to it.
pub(in crate::jobs) async fn run(context: &Context, repo: &RepoName) -> Result<(), JobError> {
    let turn = context.store.turn(repo).await?;
    let pulls = turn.unfinished_pulls(heard_after(context)).await?;
    if pulls.is_empty() {
        return Ok(());
    }
    let base_refs = pulls.iter().map(|pull| pull.base_ref.as_str()).collect();
    let known_apps = Known::load(context, repo, &base_refs).await?;
    let mut contains = Contains::default();
    for mut pull in pulls {
        let Some(merge_commit) = pull.merge_commit.clone() else { continue };
        let Some(mut report) = report_of(&pull) else { continue };
        let Some(outcome) = report.outcome.clone() else { continue };
        let mut told = events(context, &pull).await?;
        let mut merge = Merge::new(context, &pull, &merge_commit);
        for known in &outcome.apps {
            let seen = told.entry(known.app.clone()).or_default();
            let changes = Changes::of(&report, &known.app);
            let own = Own::of(&report, &known.app);
            let since = seen.last_id;
            for end in
                known_apps.ends.iter().filter(|end| end.app == known.app && since.is_none_or(|since| end.id > since))
            {
                // One that was written by another version is left out: it will end again.
                let Some(said) = END.read_if_known(&end.app, &end.ended) else { continue };
                if !contains.ask(context, repo, &merge_commit, &end.revision).await? {
                    continue;
                }
                let Some(said) = seen_from(&own, said) else { continue };
                let event = Event { revision: end.revision.clone(), end: said };
                let event = of_merge(&mut merge, &known.app, context, &mut contains, &seen.events, event).await?;
                let Some(event) = event else { continue };
                if let Some(event) = added(&seen.events, changes.removes, event) {
                    add(context, &pull, &known.app, Some(end.id), &event, end.at).await?;
                    seen.events.push(event);
                }
            }
            if seen.events.is_empty()
                && let Some(event) =
                    without_sync(context, &known_apps, &mut contains, &mut merge, &known.app, changes).await?
            {
                add(context, &pull, &known.app, None, &event, context.clock.now_millis()).await?;
            }
        }
        tell(context, &mut pull, &mut report, &known_apps).await?;
    }
    Ok(())
}

/// What a pull request does to an app, as far as its outcome depends on it.
#[derive(Clone, Copy)]
struct Changes {
    removes: bool,
    objects: bool,
}

impl Changes {
    fn of(report: &PreviewReport, app: &AppId) -> Self {
        let mut reports = report.apps.iter().filter(|report| report.app == *app && !report.leaves);
        let removes = reports.clone().any(|report| report.definition == DefinitionChange::Removed);
        Self { removes, objects: reports.any(|report| report.counts().changes() > 0) }
    }
}

/// Which merges are contained in which revisions. Apps of one push are at one revision: it is looked up once.
#[derive(Default)]
struct Contains(HashMap<(Oid, Oid), bool>);

impl Contains {
    async fn ask(&mut self, context: &Context, repo: &RepoName, merge: &Oid, revision: &Oid) -> Result<bool, JobError> {
        let key = (merge.clone(), revision.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        // What is told of the merge itself holds also where Git cannot be reached.
        if merge == revision {
            return Ok(true);
        }
        // What a force push has taken away is in nobody's history.
        let is_here = context.mirrors.has_commit(repo, revision).await;
        let within = is_here && context.mirrors.is_ancestor(repo, merge, revision).await?;
        self.0.insert(key, within);
        Ok(within)
    }
}

/// What an end says of a merge that its revision contains. None: nothing.
async fn of_merge(
    merge: &mut Merge<'_>,
    app: &AppId,
    context: &Context,
    contains: &mut Contains,
    told: &[Event],
    event: Event,
) -> Result<Option<Event>, JobError> {
    // What was taken back before it was applied has not become healthy, and what fails then is not what it brought.
    if may_be_taken_back(told, &event.end)
        && event.revision != *merge.commit
        && merge.taken_back(app, &event.revision).await?
    {
        return Ok(Some(Event { end: AppEnd::Superseded { by: event.revision.clone() }, ..event }));
    }
    // Who pins an app to what has the merge as well takes nothing of it back.
    if let AppEnd::RolledBack { to, .. } = &event.end {
        let has_it = contains.ask(context, &merge.pull.repo, merge.commit, to).await?;
        return Ok((!has_it).then_some(event));
    }
    let AppEnd::Replaced { by, .. } = &event.end else { return Ok(Some(event)) };
    // What still has all that the merge changed tells by its own end how that fares; so does what comes after one that
    // goes back before the merge.
    let is_told =
        contains.ask(context, &merge.pull.repo, merge.commit, by).await? && merge.changed_since(app, by).await?;
    Ok(is_told.then_some(event))
}

/// The outcome for an app that no sync comes for, because what its ref has by now is what was applied before.
async fn without_sync(
    context: &Context,
    known: &Known,
    contains: &mut Contains,
    merge: &mut Merge<'_>,
    app: &AppId,
    changes: Changes,
) -> Result<Option<Event>, JobError> {
    let pull = merge.pull;
    // Written at the end of the look at a ref, which has queued the syncs that are due.
    let (Some(row), Some(head)) = (known.rows.get(app), known.heads.get(&pull.base_ref)) else { return Ok(None) };
    let source = &row.app.source;
    let follows = source.repo == pull.repo && source.ref_name == pull.base_ref;
    // Or what was merged is its definition, and that is applied.
    let base = Key::Push { repo: pull.repo.clone(), ref_name: pull.base_ref.clone() };
    let is_defined =
        app.repo == pull.repo && is_defined_elsewhere(context, row) && !known.busy.contains(&base.to_string());
    let as_defined = || row.applied_app.as_ref().is_some_and(|applied| applied.same_definition(&row.app));
    let follows = follows || (is_defined && as_defined());
    let is_settled = row.state == AppState::Active
        && row.synced_ok
        && row.health != AppHealth::Progressing
        && row.identity.is_some()
        && row.identity == row.applied_identity;
    if !follows || changes.removes || !is_settled || known.is_busy(row) {
        return Ok(None);
    }
    if !contains.ask(context, &pull.repo, merge.commit, head).await? {
        return Ok(None);
    }
    let end = if changes.objects && merge.taken_back(app, head).await? {
        AppEnd::Superseded { by: head.clone() }
    } else {
        AppEnd::Unchanged
    };
    Ok(Some(Event { revision: head.clone(), end }))
}
