//! The pull request was merged: its apps are about to be synced.

use std::collections::BTreeMap;

use tokio::sync::MutexGuard;

use super::end::ask;
use super::known::Known;
use super::reviewed;
use super::reviewed::{Affected, Reviewed};
use super::told::{add, report_of, tell};
use crate::app::OnDelete;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::jobs::Engine;
use crate::queue::{JobError, Key};
use crate::report::outcome::Event;
use crate::report::preview::{AppEnd, AppOutcome, AppReport, DefinitionChange, Outcome, PreviewReport};
use crate::store::pulls::{Pull, PullRow};

/// The pull request was merged: its apps are about to be synced.
pub(in crate::jobs) async fn merged(engine: &Engine, pull: &mut Pull, merge_commit: &Oid) -> Result<(), JobError> {
    let Some((reviewed, _turn)) = compared(engine, pull, merge_commit).await? else { return Ok(()) };
    pull.state = PullRow::Merged;
    pull.merge_commit = Some(merge_commit.clone());
    let Reviewed { affected: of_merge, differs, again, definitions, refused } = reviewed;
    let is_told = !of_merge.is_empty() || !definitions.is_empty();
    let report = report_of(pull).or_else(|| is_told.then(|| never_shown(engine, pull, merge_commit)));
    let Some(mut report) = report else {
        engine.store.put_pull(pull).await?;
        return Ok(());
    };
    let known = Known::load(engine).await?;
    let mut apps = Vec::new();
    for (app, (cluster, definition)) in
        affected(&mut report, of_merge, again).into_iter().filter(|(app, _)| !refused.contains(app))
    {
        if definition == DefinitionChange::Removed
            && known.rows.get(&app).is_none_or(|row| row.on_delete() == OnDelete::Keep)
        {
            add(
                engine,
                pull,
                &app,
                None,
                &Event { revision: merge_commit.clone(), end: AppEnd::Kept },
                engine.clock.now_millis(),
            )
            .await?;
        }
        let end = known.stands(&app, known.has_merge(engine, pull, &app).await?);
        apps.push(AppOutcome { app, cluster, end, later: Vec::new() });
    }
    report.outcome = Some(Outcome { merged_as: merge_commit.clone(), apps, people: Vec::new(), differs, definitions });
    // Some may have ended before anybody knew that this waits for them. The job waits for its turn, until the row is
    // written.
    ask(engine, &pull.repo, Key::Preview { repo: pull.repo.clone(), number: pull.number }).await?;
    tell(engine, pull, &mut report, &known).await
}

/// So often a merge is compared anew, because its pull request was previewed once more meanwhile.
const TRIES: u32 = 3;

/// The merge compared with the preview that was shown last, and the turn in which it is told. None where it is told by
/// now.
async fn compared<'e>(
    engine: &'e Engine,
    pull: &mut Pull,
    merge_commit: &Oid,
) -> Result<Option<(Reviewed, MutexGuard<'e, ()>)>, JobError> {
    let mut tries = 1;
    loop {
        let reviewed = Box::pin(reviewed::compare(engine, pull, merge_commit)).await?;
        let turn = engine.outcomes.lock().await;
        let now = engine.store.pull(&pull.repo, pull.number).await?.filter(|now| now.head == pull.head);
        let Some(now) = now else { return Ok(Some((reviewed, turn))) };
        // The push of a merge and the forge's word on it are heard at once, and only the first of them begins the
        // outcome: syncs may have added to it while this compared.
        let (is_told, is_old) = (now.is_merged_at(&pull.head), now.report != pull.report);
        *pull = now;
        match (is_told, is_old && tries < TRIES) {
            (true, _) => return Ok(None),
            (false, false) => return Ok(Some((reviewed, turn))),
            (false, true) => tries += 1,
        }
    }
}

/// Whom a merge concerns: they are told of its failure. The push may have told of the merge before the forge did.
pub(in crate::jobs) async fn concerns(
    engine: &Engine,
    repo: &RepoName,
    number: u64,
    people: Vec<String>,
) -> Result<(), JobError> {
    let _turn = engine.outcomes.lock().await;
    let Some(mut pull) = engine.store.pull(repo, number).await? else { return Ok(()) };
    let Some(mut report) = report_of(&pull) else { return Ok(()) };
    match report.outcome.as_mut() {
        Some(outcome) if outcome.people.is_empty() => outcome.people = people,
        _ => return Ok(()),
    }
    tell(engine, &mut pull, &mut report, &Known::load(engine).await?).await
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

/// Every app that the merge affects, with its cluster and what becomes of its definition: those that were previewed, as
/// they were previewed last, and those that only the merge itself tells of.
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
