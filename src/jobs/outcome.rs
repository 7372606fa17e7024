//! What became of a merged pull request: the first line of its comment, once its apps are synced.
//!
//! The end of a sync is one small row. A job of its own, which waits until no more of them come, brings what they say into the reports: a merge
//! may change a thousand apps, and its comment has all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::reviewed::{self, Affected};
use super::{Engine, finish};
use crate::app::OnDelete;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::queue::{Cause, JobError, Key, Request};
use crate::report::markdown;
use crate::report::preview::{AppEnd, AppOutcome, AppReport, DefinitionChange, Differs, DiffersAt, Outcome, PreviewReport};
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::pulls::{Pull, PullRow};

/// After this long nobody reads what became of a merge.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// The pull request was merged: its apps are about to be synced.
pub(super) async fn merged(engine: &Engine, pull: &mut Pull, merge_commit: &Oid) -> Result<(), JobError> {
    let reviewed = Box::pin(reviewed::compare(engine, pull, merge_commit)).await?;
    let _turn = engine.outcomes.lock().await;
    pull.state = PullRow::Merged;
    pull.merge_commit = Some(merge_commit.clone());
    let report = report_of(pull).or_else(|| (!reviewed.affected.is_empty()).then(|| never_shown(engine, pull, merge_commit)));
    let Some(mut report) = report else {
        engine.store.put_pull(pull).await?;
        return Ok(());
    };
    let apps = affected(&mut report, reviewed.affected, reviewed.again);
    let mut ends = Vec::new();
    for (app, (cluster, definition)) in apps {
        let row = engine.store.app(&app).await?;
        let mut end = first_end(definition, row.as_ref(), merge_commit);
        if let (Some(row), AppEnd::Healthy { .. }) = (&row, &end) {
            end = finish::end_of(engine, row, Duration::ZERO).await?;
        }
        ends.push(AppOutcome { app, cluster, end });
    }
    report.outcome = Some(Outcome { merged_as: merge_commit.clone(), apps: ends, differs: reviewed.differs });
    // Some may have ended before anybody knew that this waits for them. The job waits for its turn, until the row is written.
    ask(engine, &pull.repo, Key::Preview { repo: pull.repo.clone(), number: pull.number }).await?;
    put(engine, pull, &report).await
}

/// What is said of a pull request that was merged before there was a preview of it.
fn never_shown(engine: &Engine, pull: &Pull, merge_commit: &Oid) -> PreviewReport {
    PreviewReport {
        repo: pull.repo.clone(),
        number: Some(pull.number),
        head: pull.head.clone(),
        base: pull.base.clone().unwrap_or_else(|| merge_commit.clone()),
        base_ref: pull.base_ref.trim_start_matches("refs/heads/").to_owned(),
        at: engine.clock.now(),
        stopped: None,
        apps: Vec::new(),
        not_checked: Vec::new(),
        outcome: None,
    }
}

/// Every app that the merge affects, with its cluster and what becomes of its definition: those that were previewed, as they were previewed
/// last, and those that only the merge itself tells of.
fn affected(
    report: &mut PreviewReport,
    affected: Vec<Affected>,
    again: Vec<AppReport>,
) -> BTreeMap<AppId, (ClusterName, DefinitionChange)> {
    for new in again {
        match report.apps.iter_mut().find(|old| !old.leaves && old.app == new.app) {
            Some(old) => *old = new,
            None => report.apps.push(new),
        }
    }
    let mut apps: BTreeMap<AppId, (ClusterName, DefinitionChange)> =
        affected.into_iter().map(|one| (one.app, (one.cluster, one.definition))).collect();
    for app in report.apps.iter().filter(|app| !app.leaves) {
        apps.insert(app.app.clone(), (app.cluster.clone(), app.definition));
    }
    apps
}

/// A sync is about to change objects of an app in a way that a merged pull request has not shown, or no longer does.
pub(super) async fn differs(engine: &Engine, repo: &RepoName, number: u64, app: &AppId, objects: &[String]) -> Result<(), JobError> {
    let _turn = engine.outcomes.lock().await;
    let Some(mut pull) = engine.store.pull(repo, number).await? else { return Ok(()) };
    let Some(mut report) = report_of(&pull) else { return Ok(()) };
    let Some(outcome) = report.outcome.as_mut() else { return Ok(()) };
    // What was said when it was merged is said.
    let told: BTreeSet<String> = outcome.differs.iter().filter(|one| one.app == *app).flat_map(|one| one.objects.clone()).collect();
    let objects: Vec<String> = objects.iter().filter(|object| !told.contains(*object)).cloned().collect();
    if objects.is_empty() {
        return Ok(());
    }
    outcome.differs.push(Differs { app: app.clone(), at: DiffersAt::Sync, objects });
    put(engine, &mut pull, &report).await
}

fn first_end(definition: DefinitionChange, row: Option<&AppRow>, merge_commit: &Oid) -> AppEnd {
    use crate::app::SyncPolicy::{Manual, Never};
    let keeps = row.is_none_or(|row| row.on_delete() == OnDelete::Keep);
    match row {
        _ if definition == DefinitionChange::Removed && keeps => AppEnd::Kept,
        // The sync of the push may have been faster than the word of the merge.
        Some(row) if row.applied_revision.as_ref() == Some(merge_commit) && row.synced_ok => as_it_is(row),
        Some(row) if matches!(row.app.sync, Manual | Never) => AppEnd::Manual,
        Some(_) | None => AppEnd::Running,
    }
}

/// How an app stands that is applied already.
pub(super) fn as_it_is(row: &AppRow) -> AppEnd {
    match row.health {
        AppHealth::Progressing => AppEnd::Running,
        _ if !row.drift.is_empty() => AppEnd::Drifted { message: row.drift.clone() },
        AppHealth::Degraded => AppEnd::Drifted { message: row.health_message.clone() },
        _ => AppEnd::Healthy { after_seconds: 0 },
    }
}

/// A sync of an app came to an end at a revision: pull requests whose merge is in it will say so.
pub(super) async fn ended(engine: &Engine, row: &AppRow, revision: &Oid, end: &AppEnd) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    // An app that is removed is so by a commit of the repo that defined it.
    if row.state == AppState::Removed {
        return note(engine, app, &app.repo, revision, end).await;
    }
    note(engine, app, source, revision, end).await?;
    if app.repo != *source {
        // What was merged there is the definition.
        note(engine, app, &app.repo, &row.definition_commit, end).await?;
    }
    Ok(())
}

async fn note(engine: &Engine, app: &AppId, repo: &RepoName, revision: &Oid, end: &AppEnd) -> Result<(), JobError> {
    engine.store.put_end(app, repo, revision, &json(end)?).await?;
    if engine.store.awaits_ends(repo, heard_after(engine)).await? {
        ask(engine, repo, Key::Sync(app.clone())).await?;
    }
    Ok(())
}

async fn ask(engine: &Engine, repo: &RepoName, follows: Key) -> Result<(), JobError> {
    Ok(engine.queue.enqueue(&[Request::new(Key::Outcome(repo.clone()), Cause::Follow { key: follows })]).await?)
}

/// Tells the pull requests of a repo how the apps ended that are at their merge, or behind it.
pub(super) async fn run(engine: &Engine, repo: &RepoName) -> Result<(), JobError> {
    let _turn = engine.outcomes.lock().await;
    let ends = ends(engine, repo).await?;
    let mut contains = HashMap::new();
    for mut pull in engine.store.unfinished_pulls(repo, heard_after(engine)).await? {
        let Some(merge_commit) = pull.merge_commit.clone() else { continue };
        let Some(mut report) = report_of(&pull) else { continue };
        let Some(outcome) = report.outcome.as_mut() else { continue };
        let mut changed = false;
        for known in &mut outcome.apps {
            let Some((revision, end)) = ends.get(&known.app).filter(|(_, end)| known.end != *end) else { continue };
            // Apps of one push are at one revision: it is looked up once.
            let within = match contains.get(&(merge_commit.clone(), revision.clone())) {
                Some(within) => *within,
                None => engine.mirrors.is_ancestor(repo, &merge_commit, revision).await?,
            };
            contains.insert((merge_commit.clone(), revision.clone()), within);
            if within {
                known.end = end.clone();
                changed = true;
            }
        }
        if changed {
            put(engine, &mut pull, &report).await?;
        }
    }
    Ok(())
}

/// How each app ended last, and at which revision of the repo. One that was written by another version is left out: it will end again.
async fn ends(engine: &Engine, repo: &RepoName) -> Result<BTreeMap<AppId, (Oid, AppEnd)>, JobError> {
    let rows = engine.store.ends(repo).await?;
    Ok(rows.into_iter().filter_map(|(app, revision, end)| Some((app, (revision, serde_json::from_str(&end).ok()?)))).collect())
}

pub(super) fn heard_after(engine: &Engine) -> i64 {
    engine.clock.now_millis() - i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, JobError> {
    serde_json::to_string(value).map_err(|error| JobError::new(crate::class::Class::Fail, error))
}

async fn put(engine: &Engine, pull: &mut Pull, report: &PreviewReport) -> Result<(), JobError> {
    let is_final = |end: &AppEnd| matches!(end, AppEnd::Healthy { .. } | AppEnd::Kept | AppEnd::Pruned);
    pull.unfinished = report.outcome.as_ref().is_some_and(|outcome| outcome.apps.iter().any(|app| !is_final(&app.end)));
    pull.report = Some(json(report)?);
    // The row last: whoever is stopped before finds that it is still to be said.
    engine.outbox.put_comment(&pull.repo, pull.number, &markdown::comment(report, engine.config.comment_parts)).await?;
    engine.store.put_pull(pull).await?;
    Ok(())
}

/// What was shown last. A report of another version counts as none: the next preview writes a new one.
pub(super) fn report_of(pull: &Pull) -> Option<PreviewReport> {
    pull.report.as_deref().and_then(|text| serde_json::from_str(text).ok())
}
