//! The API's part about apps, on the server's socket. It reads the store and queues; the work is done by the worker.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Problem, RevisionError, Revisions};
use crate::api::{Answer, AppView, PreviewView, RunView, StepView, SyncRequest};
use crate::app::{OnDelete, SyncPolicy};
use crate::app_status::{self, AppStatus, Facts};
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::queue::{Cause, Key, Manual, Queue, QueueError, Request};
use crate::report::{PreviewReport, markdown};
use crate::store::Store;
use crate::store::apps::{AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::runs::{Counts, RunKind, RunRow, RunState};

const MOST_RUNS: u32 = 1_000;
/// For Git to say which commit is meant; whoever asks waits a little longer.
const FOUND_WITHIN: Duration = Duration::from_secs(25);

#[derive(Clone)]
struct Parts {
    store: Store,
    queue: Queue,
    revisions: Arc<dyn Revisions>,
}

pub fn router(store: Store, queue: Queue, revisions: Arc<dyn Revisions>) -> Router {
    Router::new()
        .route("/api/v1/apps", get(apps))
        .route("/api/v1/runs", get(runs))
        .route("/api/v1/apps/{app}/sync", post(sync))
        .route("/api/v1/apps/{app}/pause", post(pause))
        .route("/api/v1/apps/{app}/resume", post(resume))
        .route("/api/v1/previews/{repo}/{number}", get(preview))
        .with_state(Parts { store, queue, revisions })
}

#[derive(Debug, Deserialize)]
struct AppsQuery {
    /// Removed apps that nothing is left to do for as well.
    #[serde(default)]
    all: bool,
}

async fn apps(State(parts): State<Parts>, Query(query): Query<AppsQuery>) -> Result<Json<Vec<AppView>>, Problem> {
    let store = &parts.store;
    let waits = store.waits().await?;
    let mut views = Vec::new();
    for row in store.apps().await? {
        let objects = objects(store, &row).await?;
        let last = store.runs(Some(&row.app.id.to_string()), 1).await?.into_iter().next();
        let head = store.last_seen(&row.app.source.repo, &row.app.source.ref_name).await?;
        let (held, kept) = (held(&row, &objects), kept(&row, &objects));
        let facts = Facts {
            row: &row,
            head: head.as_ref(),
            last: last.as_ref(),
            waits_until: waits.iter().find(|wait| wait.app == row.app.id).map(|wait| wait.deadline),
            held: held.as_deref(),
            kept: kept.as_deref(),
        };
        if query.all || !app_status::is_over(facts, store.now()) {
            views.push(app_view(facts, &objects));
        }
    }
    Ok(Json(views))
}

/// What an app owns: where it is, and on clusters that it has left.
struct Objects {
    here: Vec<ObjectRow>,
    left: Vec<(ClusterName, Vec<ObjectRow>)>,
}

async fn objects(store: &Store, row: &AppRow) -> Result<Objects, Problem> {
    let (id, here) = (&row.app.id, &row.app.destination.cluster);
    let mut left = Vec::new();
    for cluster in store.left_clusters(id).await? {
        let rows = store.inventory_of(&cluster, id).await?;
        left.push((cluster, rows));
    }
    Ok(Objects { here: store.inventory_of(here, id).await?, left })
}

fn app_view(facts: Facts<'_>, objects: &Objects) -> AppView {
    let row = facts.row;
    let AppStatus { state, message } = app_status::app_status(facts);
    let source = &row.app.source;
    AppView {
        app: row.app.id.to_string(),
        cluster: row.app.destination.cluster.to_string(),
        namespace: row.app.destination.namespace.clone(),
        source: format!("{} {} {}", source.repo, source.ref_name, source.path).trim_end().to_owned(),
        state: state.as_str().to_owned(),
        message,
        health: app_status::health(row).map(str::to_owned),
        applied_revision: row.applied_revision.as_ref().map(ToString::to_string),
        applied_at: row.applied_at.and_then(time),
        objects: u64::try_from(objects.here.len()).unwrap_or(u64::MAX),
    }
}

/// What needs confirmation, and what to type: known from the objects, whatever the last run was about.
fn held(row: &AppRow, objects: &Objects) -> Option<String> {
    let of_left = objects.left.iter().map(|(cluster, rows)| (rows, format!(" on cluster {cluster}, which it has left")));
    let parts: Vec<String> =
        std::iter::once((&objects.here, String::new())).chain(of_left).filter_map(|(rows, place)| held_of(rows, &place)).collect();
    (!parts.is_empty()).then(|| format!("{}; to confirm: driftless sync {} --allow-destructive", parts.join("; "), row.app.id))
}

fn held_of(objects: &[ObjectRow], place: &str) -> Option<String> {
    let held: Vec<String> = objects.iter().filter(|row| row.state.waits_for_word()).map(|row| row.key.to_string()).collect();
    let shown = held.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match held.len() {
        0 => None,
        count @ 1..=3 => Some(format!("{count} to be deleted or replaced{place} ({shown})")),
        count => Some(format!("{count} to be deleted or replaced{place} ({shown} and {} more)", count - 3)),
    }
}

/// What stays on clusters that the app has left, because nobody may delete it there.
fn kept(row: &AppRow, objects: &Objects) -> Option<String> {
    let is_kept = |row: &&ObjectRow| !row.state.waits_for_word() && row.state != ObjectState::Pruning;
    let counts = objects.left.iter().map(|(cluster, rows)| (cluster, rows.iter().filter(is_kept).count()));
    let texts: Vec<String> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(cluster, count)| format!("{count} stay on cluster {cluster}, which it has left"))
        .collect();
    (!texts.is_empty()).then(|| format!("{}; see `driftless runs {}`", texts.join("; "), row.app.id))
}

#[derive(Debug, Deserialize)]
struct RunsQuery {
    limit: Option<u32>,
    app: Option<String>,
}

async fn runs(State(parts): State<Parts>, Query(query): Query<RunsQuery>) -> Result<Json<Vec<RunView>>, Problem> {
    let limit = query.limit.unwrap_or(20).min(MOST_RUNS);
    let target = match &query.app {
        // Previews are runs too, of a pull request: REPO#NUMBER.
        Some(name) if name.contains('#') => Some(name.clone()),
        Some(name) => Some(find(&parts.store, name).await?.app.id.to_string()),
        None => None,
    };
    let rows = parts.store.runs(target.as_deref(), limit).await?;
    Ok(Json(rows.into_iter().map(run_view).collect()))
}

fn run_view(row: RunRow) -> RunView {
    let causes: Vec<Cause> = serde_json::from_value(row.cause).unwrap_or_default();
    RunView {
        run: row.id.to_string(),
        app: row.target,
        kind: word(&row.kind),
        cause: cause_text(&causes),
        revision: row.revision,
        author: row.author,
        state: word(&row.state),
        error: row.error,
        started_at: time(row.started).unwrap_or_default(),
        finished_at: row.finished.and_then(time),
        summary: summary(row.kind, row.state, &row.counts),
        steps: row.steps.into_iter().map(|step| StepView { step: step.name, millis: step.millis }).collect(),
    }
}

/// The word that the store and the API use for it.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Why a run was made, in words.
fn cause_text(causes: &[Cause]) -> String {
    let text = |cause: &Cause| match cause {
        Cause::Webhook { hook, .. } => format!("webhook of {hook}"),
        Cause::Poll => "poll".to_owned(),
        Cause::Resync => "resync".to_owned(),
        Cause::Manual(manual) => format!("{} by hand", manual.by),
        Cause::Follow { key } => key.kind().to_owned(),
    };
    let mut words: Vec<String> = causes.iter().map(text).collect();
    words.dedup();
    words.join(", ")
}

fn summary(kind: RunKind, state: RunState, counts: &Counts) -> String {
    if kind == RunKind::Preview {
        return "reported at the forge".to_owned();
    }
    let Counts { created, updated, replaced, unchanged, pruned, kept, failed } = *counts;
    let parts = [
        (created, "created"),
        (updated, "updated"),
        (replaced, "replaced"),
        (pruned, "pruned"),
        (kept, "kept"),
        (failed, "failed"),
        (unchanged, "unchanged"),
    ];
    let said: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if said.is_empty() && state == RunState::Succeeded { "nothing to do".to_owned() } else { said.join(", ") }
}

fn time(millis: i64) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|at| at.to_string())
}

async fn sync(
    State(parts): State<Parts>,
    Path(app): Path<String>,
    Json(wish): Json<SyncRequest>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    let id = &row.app.id;
    can_be_synced(&row)?;
    let SyncRequest { revision, allow_destructive, adopt } = wish;
    let found = match &revision {
        Some(text) => Some(commit(&parts, &row, text.trim()).await?),
        None => None,
    };
    let to = match (&found, &revision) {
        (Some(oid), Some(text)) if text == oid.as_str() => format!(" to {}, and pinned to it until `driftless resume {id}`", oid.short()),
        (Some(oid), Some(text)) => format!(" to {} ({text}), and pinned to it until `driftless resume {id}`", oid.short()),
        _ => String::new(),
    };
    let revision = found.map(|oid| oid.to_string());
    // It holds for what was shown, and nothing was.
    let confirms_nothing = allow_destructive && parts.store.waiting_for_word(id).await? == 0;
    let nothing = if confirms_nothing {
        ". Nothing needs confirmation yet, so `--allow-destructive` has no effect: deletions are shown first"
    } else {
        ""
    };
    enqueue(&parts, id, Manual { by: "driftless sync".to_owned(), revision, allow_destructive, adopt, resume: false }).await?;
    Ok(accepted(format!("{id} is being synced{to}; `driftless runs {id}` shows how it ends{nothing}")))
}

/// What the job would leave alone is not promised.
fn can_be_synced(row: &AppRow) -> Result<(), Problem> {
    let id = &row.app.id;
    let why = match row.state {
        _ if row.app.sync == SyncPolicy::Never => "its definition says `sync: never`. Change it",
        AppState::Active => return Ok(()),
        AppState::Removed if row.on_delete() == OnDelete::Prune => return Ok(()),
        AppState::Removed => "its definition was removed, and its objects are kept. Restore the definition",
        AppState::Missing => "its definition, ref or path is missing. Restore it",
        AppState::Broken => "its definition cannot be used. Correct it",
    };
    let note = if row.state_message.is_empty() { String::new() } else { format!(" ({})", row.state_message) };
    Err(Problem::new(StatusCode::CONFLICT, format!("app {id} cannot be synced: {why}{note}")))
}

/// The commit that is meant. Nothing is queued for one that is not there.
async fn commit(parts: &Parts, row: &AppRow, revision: &str) -> Result<Oid, Problem> {
    let unavailable = |why: &str| {
        let id = &row.app.id;
        Problem::overloaded(format!("app {id} was not synced: revision {revision:?} cannot be resolved now: {why}. Try again"))
    };
    match tokio::time::timeout(FOUND_WITHIN, parts.revisions.find(&row.app.source, revision)).await {
        Ok(Ok(oid)) => Ok(oid),
        Ok(Err(RevisionError::Unknown(message))) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message)),
        Ok(Err(RevisionError::Unavailable(why))) => Err(unavailable(&why)),
        Err(_) => Err(unavailable(&format!("Git did not answer within {} s", FOUND_WITHIN.as_secs()))),
    }
}

async fn pause(State(parts): State<Parts>, Path(app): Path<String>) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    parts.store.set_paused(&row.app.id, true).await?;
    Ok(accepted(format!("{} is left alone until `driftless resume {}`", row.app.id, row.app.id)))
}

async fn resume(State(parts): State<Parts>, Path(app): Path<String>) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    parts.store.set_paused(&row.app.id, false).await?;
    parts.store.set_pinned(&row.app.id, None).await?;
    enqueue(&parts, &row.app.id, Manual { by: "driftless resume".to_owned(), resume: true, ..Manual::default() }).await?;
    Ok(accepted(format!("{} is synced again", row.app.id)))
}

async fn enqueue(parts: &Parts, app: &AppId, manual: Manual) -> Result<(), Problem> {
    Ok(parts.queue.enqueue(&[Request::new(Key::Sync(app.clone()), Cause::Manual(manual))]).await?)
}

fn accepted(message: String) -> (StatusCode, Json<Answer>) {
    (StatusCode::ACCEPTED, Json(Answer { message }))
}

/// By `REPO/NAME` (in a path its `/` is a `+`), or by a name that only one repo uses.
async fn find(store: &Store, name: &str) -> Result<AppRow, Problem> {
    let name = name.replace('+', "/");
    let named = |row: &AppRow| row.app.id.to_string() == name || row.app.id.name == name;
    let mut found: Vec<AppRow> = store.apps().await?.into_iter().filter(named).collect();
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (None, _) => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no app {name}; `driftless apps` lists them"))),
        (Some(_), false) => Err(Problem::new(StatusCode::CONFLICT, format!("several repos have an app {name}; use REPO/{name}"))),
    }
}

async fn preview(State(parts): State<Parts>, Path((repo, number)): Path<(String, u64)>) -> Result<Json<PreviewView>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no preview of {repo}#{number} is known"));
    let pull = parts.store.pull(&RepoName::new(&repo), number).await?.ok_or_else(unknown)?;
    let report: PreviewReport = pull.report.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(unknown)?;
    Ok(Json(PreviewView { pull_request: format!("{repo}#{number}"), markdown: markdown::whole(&report) }))
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "the queue does not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}
