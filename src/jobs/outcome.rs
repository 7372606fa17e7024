//! What became of a merged pull request: the first line of its comment, once its apps are synced.

use std::time::Duration;

use super::{Engine, finish};
use crate::app::OnDelete;
use crate::ids::{AppId, Oid, RepoName};
use crate::queue::JobError;
use crate::report::markdown;
use crate::report::preview::{AppEnd, AppOutcome, DefinitionChange, Outcome, PreviewReport};
use crate::store::apps::{AppRow, AppState};
use crate::store::pulls::{Pull, PullRow};

/// After this long nobody reads what became of a merge.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// The pull request was merged: its apps are about to be synced.
pub(super) async fn merged(engine: &Engine, pull: &mut Pull, merge_commit: &Oid) -> Result<(), JobError> {
    let _turn = engine.outcomes.lock().await;
    pull.state = PullRow::Merged;
    pull.merge_commit = Some(merge_commit.clone());
    let Some(mut report) = report_of(pull) else {
        engine.store.put_pull(pull).await?;
        return Ok(());
    };
    let mut apps = Vec::new();
    for app in report.apps.iter().filter(|app| !app.leaves) {
        let row = engine.store.app(&app.app).await?;
        let mut end = first_end(app.definition, row.as_ref(), merge_commit);
        if let (Some(row), AppEnd::Healthy { .. }) = (&row, &end) {
            end = finish::end_of(engine, row, Duration::ZERO).await?;
        }
        apps.push(AppOutcome { app: app.app.clone(), cluster: app.cluster.clone(), end });
    }
    report.outcome = Some(Outcome { merged_as: merge_commit.clone(), apps });
    put(engine, pull, &report).await
}

fn first_end(definition: DefinitionChange, row: Option<&AppRow>, merge_commit: &Oid) -> AppEnd {
    use crate::app::SyncPolicy::{Manual, Never};
    let keeps = row.is_none_or(|row| row.app.on_delete == OnDelete::Keep);
    match row {
        _ if definition == DefinitionChange::Removed && keeps => AppEnd::Kept,
        // The sync of the push may have been faster than the word of the merge.
        Some(row) if row.applied_revision.as_ref() == Some(merge_commit) && row.synced_ok => AppEnd::Healthy { after_seconds: 0 },
        Some(row) if matches!(row.app.sync, Manual | Never) => AppEnd::Manual,
        Some(_) | None => AppEnd::Running,
    }
}

/// A sync of an app came to an end at a revision: pull requests whose merge is in it say so.
pub(super) async fn ended(engine: &Engine, row: &AppRow, revision: &Oid, end: &AppEnd) -> Result<(), JobError> {
    let (app, source) = (&row.app.id, &row.app.source.repo);
    let _turn = engine.outcomes.lock().await;
    // An app that is removed is so by a commit of the repo that defined it.
    if row.state == AppState::Removed {
        return tell(engine, app, &app.repo, revision, end).await;
    }
    tell(engine, app, source, revision, end).await?;
    if app.repo != *source {
        // What was merged there is the definition.
        tell(engine, app, &app.repo, &row.definition_commit, end).await?;
    }
    Ok(())
}

/// Tells the pull requests of one repo whose merge is in `revision`.
async fn tell(engine: &Engine, app: &AppId, repo: &RepoName, revision: &Oid, end: &AppEnd) -> Result<(), JobError> {
    let after = engine.clock.now_millis() - i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX);
    for mut pull in engine.store.unfinished_pulls(repo, after).await? {
        let Some(merge_commit) = pull.merge_commit.clone() else { continue };
        if !pull.apps.contains(app) || !engine.mirrors.is_ancestor(repo, &merge_commit, revision).await? {
            continue;
        }
        let Some(mut report) = report_of(&pull) else { continue };
        let Some(outcome) = report.outcome.as_mut() else { continue };
        let mut changed = false;
        for known in outcome.apps.iter_mut().filter(|known| known.app == *app && known.end != *end) {
            known.end = end.clone();
            changed = true;
        }
        if changed {
            put(engine, &mut pull, &report).await?;
        }
    }
    Ok(())
}

async fn put(engine: &Engine, pull: &mut Pull, report: &PreviewReport) -> Result<(), JobError> {
    let is_final = |end: &AppEnd| matches!(end, AppEnd::Healthy { .. } | AppEnd::Kept | AppEnd::Pruned);
    pull.unfinished = report.outcome.as_ref().is_some_and(|outcome| outcome.apps.iter().any(|app| !is_final(&app.end)));
    pull.report = Some(serde_json::to_string(report).map_err(|error| JobError::new(crate::class::Class::Fail, error))?);
    engine.store.put_pull(pull).await?;
    engine.outbox.put_comment(&pull.repo, pull.number, &markdown::comment(report)).await?;
    Ok(())
}

/// What was shown last. A report of another version counts as none: the next preview writes a new one.
pub(super) fn report_of(pull: &Pull) -> Option<PreviewReport> {
    pull.report.as_deref().and_then(|text| serde_json::from_str(text).ok())
}
