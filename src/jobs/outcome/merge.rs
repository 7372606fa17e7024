//! A pull request was merged: its apps are about to be synced.

use std::collections::BTreeMap;

use super::end::ask;
use super::known::Known;
use super::reviewed;
use super::reviewed::{Affected, Reviewed};
use super::told::{add, report_of, tell};
use crate::app::OnDelete;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::jobs::Context;
use crate::queue::{JobError, Key};
use crate::report::outcome::Event;
use crate::report::preview::{
    AppEnd, AppOutcome, AppReport, ComparedAfter, DefinitionChange, HandedOver, Outcome, PreviewReport, Previewed,
    Stopped,
};
use crate::store::HeldPull;
use crate::store::pulls::{Pull, PullRow};

/// Who says that a pull request is merged. The forge's API may be behind a push, and has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum ToldBy {
    Push,
    Forge,
}

/// So often a merge is compared again, because its pull request was previewed once more meanwhile.
const TRIES: u32 = 3;

/// The pull request was merged with the head that it was `seen` with: its apps are about to be synced. Compared before
/// the turn in which it is told, as that takes long, with the preview that was shown last.
pub(in crate::jobs) async fn merged(
    context: &Context,
    seen: &Pull,
    merge_commit: &Oid,
    told_by: ToldBy,
) -> Result<(), JobError> {
    let mut seen = seen.clone();
    let mut tries = 1;
    loop {
        let reviewed = Box::pin(reviewed::compare(context, &seen, merge_commit)).await?;
        let turn = context.store.turn(&seen.repo).await?;
        let Some(mut now) = turn.pull(seen.number).await? else { return Ok(()) };
        // The push of a merge and the forge's word on it are heard at once, and only the first of them begins the
        // outcome: syncs may have added to it while this compared. Nor is a head merged that was pushed since.
        if now.head != seen.head || now.state == PullRow::Merged {
            return Ok(());
        }
        if now.report == seen.report || tries == TRIES {
            now.merge_confirmed = told_by == ToldBy::Forge;
            return begin(context, &mut now, merge_commit, reviewed).await;
        }
        seen = Pull::clone(&now);
        tries += 1;
    }
}

async fn begin(
    context: &Context,
    pull: &mut HeldPull<'_>,
    merge_commit: &Oid,
    reviewed: Reviewed,
) -> Result<(), JobError> {
    pull.state = PullRow::Merged;
    pull.merge_commit = Some(merge_commit.clone());
    let Reviewed {
        affected: of_merge,
        differs,
        again,
        definitions,
        refused,
        invalid,
        is_unseen,
        previewed: commits,
        base,
    } = reviewed;
    let is_told = !of_merge.is_empty() || !definitions.is_empty();
    let shown = report_of(pull);
    let previewed = match &shown {
        _ if is_unseen || shown.as_ref().is_some_and(was_not_made) => Previewed::Never,
        Some(_) => Previewed::Shown,
        None if commits.is_none() => Previewed::Never,
        None => Previewed::NoApp,
    };
    let report = shown.or_else(|| is_told.then(|| never_shown(context, pull, commits)));
    let Some(mut report) = report else { return Ok(pull.put().await?) };
    let compared = ComparedAfter {
        base: base.unwrap_or_else(|| report.base.clone()),
        at: context.clock.now(),
        apps: again.iter().map(|app| app.app.clone()).collect(),
    };
    let known = Known::about(context, pull).await?;
    let mut apps = Vec::new();
    for (app, (cluster, definition)) in
        affected(&mut report, of_merge, again).into_iter().filter(|(app, _)| !refused.contains(app))
    {
        if definition == DefinitionChange::Removed
            && known.rows.get(&app).is_none_or(|row| row.on_delete() == OnDelete::Keep)
        {
            let nothing = context.store.inventory(&app).await?.is_empty();
            let event = Event { revision: merge_commit.clone(), end: kept(&report, &app, nothing) };
            add(context, pull, &app, None, &event, context.clock.now_millis()).await?;
        }
        if let Some(why) = invalid.get(&app) {
            let event = Event { revision: merge_commit.clone(), end: AppEnd::Failed { message: why.clone() } };
            add(context, pull, &app, None, &event, context.clock.now_millis()).await?;
        }
        let end = known.stands(&app, known.has_merge(context, pull, &app).await?);
        apps.push(AppOutcome { app, cluster, end, later: Vec::new() });
    }
    report.outcome = Some(Outcome {
        merged_as: merge_commit.clone(),
        apps,
        people: Vec::new(),
        differs,
        definitions,
        previewed,
        head: Some(pull.head.clone()),
        compared: Some(compared).filter(|compared| !compared.apps.is_empty()),
    });
    // Some may have ended before anybody knew that this waits for them. The job waits for its turn, until the row is
    // written.
    ask(context, &pull.repo, Key::Preview { repo: pull.repo.clone(), number: pull.number }).await?;
    tell(context, pull, &mut report, &known).await
}

/// What only the forge knows of a merge: the head that was merged, and whom it concerns, who are told of its failure.
/// The push may have told of the merge before, with the head that was seen last.
pub(in crate::jobs) async fn concerns(
    context: &Context,
    repo: &RepoName,
    number: u64,
    head: &Oid,
    people: Vec<String>,
) -> Result<(), JobError> {
    let turn = context.store.turn(repo).await?;
    let Some(mut pull) = turn.pull(number).await? else { return Ok(()) };
    if pull.state == PullRow::Merged && !pull.merge_confirmed {
        pull.merge_confirmed = true;
        pull.put().await?;
    }
    let Some(mut report) = report_of(&pull) else { return Ok(()) };
    let Some(outcome) = report.outcome.as_mut() else { return Ok(()) };
    if !outcome.people.is_empty() && outcome.head.as_ref() == Some(head) {
        return Ok(());
    }
    outcome.head = Some(head.clone());
    if outcome.people.is_empty() {
        outcome.people = people;
    }
    let known = Known::about(context, &pull).await?;
    tell(context, &mut pull, &mut report, &known).await
}

/// What becomes of the objects of an app whose definition is removed and keeps them.
fn kept(report: &PreviewReport, app: &AppId, nothing: bool) -> AppEnd {
    let own = app.to_string();
    let mut moves: BTreeMap<String, u32> = BTreeMap::new();
    for one in report.moves().into_iter().filter(|one| one.from == own) {
        *moves.entry(one.to).or_default() += 1;
    }
    let to = |(app, objects): (String, u32)| Some(HandedOver { app: app.parse().ok()?, objects });
    let stay = report.apps.iter().filter(|one| one.app == *app).any(|one| one.stays.is_some_and(|stays| stays > 0));
    AppEnd::Kept { nothing, moves: moves.into_iter().filter_map(to).collect(), stay }
}

/// Whether a report shows that there is no preview.
fn was_not_made(report: &PreviewReport) -> bool {
    matches!(report.stopped, Some(Stopped::Fork | Stopped::Unavailable { .. }))
}

/// What is said of a pull request of which nothing was shown: no preview was made before it was merged, or one of these
/// commits, its head and its base, that affected no app.
fn never_shown(context: &Context, pull: &Pull, commits: Option<[Oid; 2]>) -> PreviewReport {
    let [head, base] = commits.unwrap_or_else(|| [pull.head.clone(), pull.head.clone()]);
    PreviewReport {
        repo: pull.repo.clone(),
        number: Some(pull.number),
        head,
        base,
        base_ref: pull.base_ref.trim_start_matches("refs/heads/").to_owned(),
        at: context.clock.now(),
        stopped: None,
        apps: Vec::new(),
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
