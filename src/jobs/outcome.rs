//! What became of a merged pull request: the first line of its comment, once its apps are synced.
//!
//! The end of a sync is one small row. A job of its own, which waits until no more of them come, brings what they say into the reports: a merge
//! may change a thousand apps, and its comment has all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::reviewed::{self, Affected, Reviewed};
use crate::app::{OnDelete, SyncPolicy};
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::queue::{Cause, JobError, Key, Request};
use crate::report::markdown;
use crate::report::outcome::{self, Event, added};
use crate::report::preview::{AppEnd, AppOutcome, AppReport, DefinitionChange, Differs, DiffersAt, LaterEnd, Outcome, PreviewReport};
use crate::source::Change;
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::ends::EventRow;
use crate::store::pulls::{Pull, PullRow};

/// So many changed paths are compared to tell whether a merge was taken back.
const PATHS: usize = 5_000;
/// After this long nobody reads what became of a merge.
const REMEMBERED: Duration = Duration::from_hours(14 * 24);

/// The pull request was merged: its apps are about to be synced.
pub(super) async fn merged(engine: &Engine, pull: &mut Pull, merge_commit: &Oid) -> Result<(), JobError> {
    let reviewed = Box::pin(reviewed::compare(engine, pull, merge_commit)).await?;
    let _turn = engine.outcomes.lock().await;
    // The push of a merge and the forge's word on it are heard at once, and only the first of them begins the outcome: syncs may have added
    // to it while this compared.
    if let Some(told) = engine.store.pull(&pull.repo, pull.number).await?.filter(|told| told.is_merged_at(&pull.head)) {
        *pull = told;
        return Ok(());
    }
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
    for (app, (cluster, definition)) in affected(&mut report, of_merge, again).into_iter().filter(|(app, _)| !refused.contains(app)) {
        if definition == DefinitionChange::Removed && known.rows.get(&app).is_none_or(|row| row.on_delete() == OnDelete::Keep) {
            add(engine, pull, &app, None, &Event { revision: merge_commit.clone(), end: AppEnd::Kept }, engine.clock.now_millis()).await?;
        }
        let end = known.stands(&app);
        apps.push(AppOutcome { app, cluster, end, later: Vec::new() });
    }
    report.outcome = Some(Outcome { merged_as: merge_commit.clone(), apps, people: Vec::new(), differs, definitions });
    // Some may have ended before anybody knew that this waits for them. The job waits for its turn, until the row is written.
    ask(engine, &pull.repo, Key::Preview { repo: pull.repo.clone(), number: pull.number }).await?;
    tell(engine, pull, &mut report, &known).await
}

/// Whom a merge concerns: they are told of its failure. The push may have told of the merge before the forge did.
pub(super) async fn concerns(engine: &Engine, repo: &RepoName, number: u64, people: Vec<String>) -> Result<(), JobError> {
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
    tell(engine, &mut pull, &mut report, &Known::load(engine).await?).await
}

/// What is known of all apps, read in one go.
struct Known {
    /// Where the refs were last seen, before anything else was read: what they had queued is among `busy`, or has ended.
    heads: HashMap<String, Oid>,
    /// The keys of the jobs that are not over.
    busy: BTreeSet<String>,
    rows: BTreeMap<AppId, AppRow>,
    /// When what an app waits for counts as failed.
    deadlines: HashMap<AppId, i64>,
}

impl Known {
    async fn load(engine: &Engine) -> Result<Self, JobError> {
        let busy = engine.store.unfinished_keys().await?;
        let rows = engine.store.apps().await?.into_iter().map(|row| (row.app.id.clone(), row)).collect();
        let deadlines = engine.store.waits().await?.into_iter().map(|wait| (wait.app, wait.deadline)).collect();
        Ok(Self { heads: HashMap::new(), busy, rows, deadlines })
    }

    /// Where an app stands whose sync has not come to an end.
    fn stands(&self, app: &AppId) -> AppEnd {
        let Some(row) = self.rows.get(app).filter(|row| row.state == AppState::Active) else { return AppEnd::Running };
        match row.app.sync {
            SyncPolicy::Never => AppEnd::Never,
            _ if row.health == AppHealth::Progressing => {
                let until = self.deadlines.get(app).and_then(|until| Timestamp::from_millisecond(*until).ok());
                AppEnd::Progressing { message: row.health_message.clone(), until }
            }
            _ if row.paused => AppEnd::Paused,
            _ if row.pinned_revision.is_some() => AppEnd::Pinned,
            SyncPolicy::Manual => AppEnd::Manual,
            SyncPolicy::Auto => AppEnd::Running,
        }
    }

    fn is_busy(&self, row: &AppRow) -> bool {
        let source = &row.app.source;
        let push = Key::Push { repo: source.repo.clone(), ref_name: source.ref_name.clone() };
        [Key::Sync(row.app.id.clone()), push].iter().any(|key| self.busy.contains(&key.to_string()))
    }
}

/// How an app stands that is applied already.
pub(super) fn as_it_is(row: &AppRow) -> AppEnd {
    match row.health {
        AppHealth::Progressing => AppEnd::Running,
        _ if !row.drift.is_empty() => AppEnd::Drifted { message: row.drift.clone() },
        AppHealth::Degraded => AppEnd::Drifted { message: row.health_message.clone() },
        _ => AppEnd::Healthy { after_seconds: 0, removed: 0 },
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

/// Tells the pull requests of a repo how the apps ended that are at their merge, or behind it. What was told stays: this only adds to it.
pub(super) async fn run(engine: &Engine, repo: &RepoName) -> Result<(), JobError> {
    let _turn = engine.outcomes.lock().await;
    let pulls = engine.store.unfinished_pulls(repo, heard_after(engine)).await?;
    if pulls.is_empty() {
        return Ok(());
    }
    // In this order: what is not among the jobs any more is among the ends.
    let mut heads = HashMap::new();
    for ref_name in pulls.iter().map(|pull| &pull.base_ref).collect::<BTreeSet<_>>() {
        heads.extend(engine.store.last_seen(repo, ref_name).await?.map(|head| (ref_name.clone(), head)));
    }
    let known_apps = Known { heads, ..Known::load(engine).await? };
    let ends = engine.store.ends(repo).await?;
    let mut contains = Contains::default();
    for mut pull in pulls {
        let Some(merge_commit) = pull.merge_commit.clone() else { continue };
        let Some(mut report) = report_of(&pull) else { continue };
        let Some(outcome) = report.outcome.clone() else { continue };
        let mut told = events(engine, &pull).await?;
        for known in &outcome.apps {
            let seen = told.entry(known.app.clone()).or_default();
            let changes = Changes::of(&report, &known.app);
            let since = seen.last_id;
            for end in ends.iter().filter(|end| end.app == known.app && since.is_none_or(|since| end.id > since)) {
                // One that was written by another version is left out: it will end again.
                let Ok(said) = serde_json::from_str(&end.ended) else { continue };
                if !contains.ask(engine, repo, &merge_commit, &end.revision).await? {
                    continue;
                }
                let said = match said {
                    // What was taken back before it was applied has not become healthy.
                    AppEnd::Healthy { .. } | AppEnd::Unchanged
                        if seen.events.is_empty() && taken_back(engine, &pull, &merge_commit, &end.revision).await? =>
                    {
                        AppEnd::Superseded { by: end.revision.clone() }
                    }
                    said => said,
                };
                if let Some(event) = added(&seen.events, changes.removes, Event { revision: end.revision.clone(), end: said }) {
                    add(engine, &pull, &known.app, Some(end.id), &event, end.at).await?;
                    seen.events.push(event);
                }
            }
            if seen.events.is_empty()
                && let Some(event) = without_sync(engine, &known_apps, &mut contains, &pull, &merge_commit, &known.app, changes).await?
            {
                add(engine, &pull, &known.app, None, &event, engine.clock.now_millis()).await?;
            }
        }
        tell(engine, &mut pull, &mut report, &known_apps).await?;
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
    async fn ask(&mut self, engine: &Engine, repo: &RepoName, merge: &Oid, revision: &Oid) -> Result<bool, JobError> {
        let key = (merge.clone(), revision.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        let within = engine.mirrors.is_ancestor(repo, merge, revision).await?;
        self.0.insert(key, within);
        Ok(within)
    }
}

/// Whether a later revision has none of what a merge changed: it was taken back. Compared with the base of the preview, so that where that has
/// moved before the merge, nothing is called taken back that may not be.
async fn taken_back(engine: &Engine, pull: &Pull, merge: &Oid, revision: &Oid) -> Result<bool, JobError> {
    let Some(base) = pull.base.as_ref().filter(|_| merge != revision) else { return Ok(false) };
    let changes = engine.mirrors.changed_paths(&pull.repo, base, merge, PATHS).await?;
    let now = engine.mirrors.changed_paths(&pull.repo, base, revision, PATHS).await?;
    if changes.truncated || now.truncated || changes.changes.is_empty() {
        return Ok(false);
    }
    let now: BTreeSet<&str> = now.changes.iter().map(Change::path).collect();
    Ok(changes.changes.iter().all(|change| !now.contains(change.path())))
}

/// The outcome for an app that no sync comes for, because what its ref has by now is what was applied before.
async fn without_sync(
    engine: &Engine,
    known: &Known,
    contains: &mut Contains,
    pull: &Pull,
    merge: &Oid,
    app: &AppId,
    changes: Changes,
) -> Result<Option<Event>, JobError> {
    // Written at the end of the look at a ref, which has queued the syncs that are due.
    let (Some(row), Some(head)) = (known.rows.get(app), known.heads.get(&pull.base_ref)) else { return Ok(None) };
    let source = &row.app.source;
    let follows = source.repo == pull.repo && source.ref_name == pull.base_ref;
    let is_settled = row.state == AppState::Active
        && row.synced_ok
        && row.health != AppHealth::Progressing
        && row.identity.is_some()
        && row.identity == row.applied_identity;
    if !follows || changes.removes || !is_settled || known.is_busy(row) {
        return Ok(None);
    }
    if !contains.ask(engine, &pull.repo, merge, head).await? {
        return Ok(None);
    }
    let end = if changes.objects && taken_back(engine, pull, merge, head).await? {
        AppEnd::Superseded { by: head.clone() }
    } else {
        AppEnd::Unchanged
    };
    Ok(Some(Event { revision: head.clone(), end }))
}

/// What was told of an app.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    times: Vec<i64>,
    /// The last end that was told from.
    last_id: Option<i64>,
}

async fn events(engine: &Engine, pull: &Pull) -> Result<BTreeMap<AppId, Told>, JobError> {
    let mut told: BTreeMap<AppId, Told> = BTreeMap::new();
    for row in engine.store.outcome_events(&pull.repo, pull.number).await? {
        let Ok(end) = serde_json::from_str(&row.ended) else { continue };
        let known = told.entry(row.app).or_default();
        known.events.push(Event { revision: row.revision, end });
        known.times.push(row.at);
        known.last_id = known.last_id.max(row.end_id);
    }
    Ok(told)
}

async fn add(engine: &Engine, pull: &Pull, app: &AppId, end_id: Option<i64>, event: &Event, at: i64) -> Result<(), JobError> {
    let row = EventRow { app: app.clone(), end_id, revision: event.revision.clone(), ended: json(&event.end)?, at };
    Ok(engine.store.add_outcome_event(&pull.repo, pull.number, &row).await?)
}

pub(super) fn heard_after(engine: &Engine) -> i64 {
    engine.clock.now_millis() - i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, JobError> {
    serde_json::to_string(value).map_err(|error| JobError::new(crate::class::Class::Fail, error))
}

/// Brings what was told into the report, and has it shown.
async fn tell(engine: &Engine, pull: &mut Pull, report: &mut PreviewReport, known: &Known) -> Result<(), JobError> {
    let told = events(engine, pull).await?;
    let Some(mut outcome) = report.outcome.take() else { return Ok(()) };
    let mut settled = true;
    for app in &mut outcome.apps {
        let none = Told::default();
        let told = told.get(&app.app).unwrap_or(&none);
        settled &= told.events.iter().any(|event| outcome::is_settled(&event.end));
        let Some(first) = outcome::first(&told.events) else {
            app.end = known.stands(&app.app);
            continue;
        };
        app.end = told.events[first].end.clone();
        let later = told.events.iter().zip(&told.times).skip(first + 1);
        let later = later.filter_map(|(event, at)| {
            Some(LaterEnd { at: Timestamp::from_millisecond(*at).ok()?, revision: event.revision.clone(), end: event.end.clone() })
        });
        app.later = later.collect();
    }
    let notice = markdown::notice(&outcome);
    report.outcome = Some(outcome);
    let after = Some(json(report)?);
    if pull.report == after && pull.unfinished != settled {
        // Nothing new: what nothing is heard of for long is given up.
        return Ok(());
    }
    (pull.unfinished, pull.report) = (!settled, after);
    engine.outbox.put_comment(&pull.repo, pull.number, &markdown::comment(report, engine.config.comment_parts)).await?;
    if let Some(text) = notice {
        engine.outbox.put_notice(&pull.repo, pull.number, &text).await?;
    }
    // The row last: whoever is stopped before finds that it is still to be said.
    engine.store.put_pull(pull).await?;
    Ok(())
}

/// What was shown last. A report of another version counts as none: the next preview writes a new one.
pub(super) fn report_of(pull: &Pull) -> Option<PreviewReport> {
    pull.report.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// Somebody's pull requests may wait to tell where an app of this repo stands.
pub(super) async fn stands_elsewhere(engine: &Engine, repo: &RepoName, follows: Key) -> Result<(), JobError> {
    if engine.store.awaits_ends(repo, heard_after(engine)).await? {
        ask(engine, repo, follows).await?;
    }
    Ok(())
}
