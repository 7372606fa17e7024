//! The part of the API about apps, on the server's socket. It reads the store and queues jobs; the worker does the
//! work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::caller::Who;
use super::run_views::{command_view, hold_view, run_view, time};
use super::standing::{self, Standing};
use super::{Problem, RevisionError, Revisions, answers};
use crate::api::{Answer, AppView, PauseRequest, PreviewView, RunView, Shows, SyncRequest};
use crate::app_status::{self, AppStatus, Removal};
use crate::by_hand::{self, ResumeError};
use crate::command::{LONGEST_PAUSE, REASON};
use crate::forge::{GITHUB, StatusState};
use crate::ids::{Oid, RepoName};
use crate::queue::{Manual, Queue, QueueError};
use crate::report::preview::DefinitionChange;
use crate::report::stored::REPORT;
use crate::report::{self, PreviewReport, markdown};
use crate::store::Store;
use crate::store::apps::holds::PauseNote;
use crate::store::apps::{AppRow, AppState};

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
    /// Only those that differ from what was applied.
    #[serde(default)]
    drift: bool,
}

async fn apps(State(parts): State<Parts>, Query(query): Query<AppsQuery>) -> Result<Json<Vec<AppView>>, Problem> {
    let all = standing::all(&parts.store).await?;
    let views = all.into_iter().filter(|one| query.all || !one.is_over).map(app_view);
    let is_meant = |view: &AppView| !query.drift || view.drift.is_some() || view.drift_unknown.is_some();
    Ok(Json(views.filter(is_meant).collect()))
}

fn app_view(standing: Standing) -> AppView {
    let Standing { row, status: AppStatus { state, message }, health, objects, .. } = standing;
    let source = &row.app.source;
    AppView {
        app: row.app.id.to_string(),
        cluster: row.app.destination.cluster.to_string(),
        namespace: row.app.destination.namespace.clone(),
        source: format!("{} {} {}", source.repo, source.ref_name, source.path).trim_end().to_owned(),
        state: state.as_str().to_owned(),
        message,
        health: health.map(str::to_owned),
        applied_revision: row.applied_revision.as_ref().map(ToString::to_string),
        applied_at: row.applied_at.and_then(time),
        objects: u64::try_from(objects).unwrap_or(u64::MAX),
        drift: app_status::drift(&row),
        drift_unknown: app_status::drift_unknown(&row, state),
        drift_since: row.drift_since.and_then(time),
        paused_since: row.paused_since.and_then(time),
        paused_by: row.paused_by,
        paused_until: row.paused_until.and_then(time),
        pause_reason: row.pause_reason,
        pinned_revision: row.pinned_revision.as_ref().map(ToString::to_string),
        pinned_by: row.pinned_by,
        pinned_since: row.pinned_since.and_then(time),
        pinned_off_branch: row.pinned_off_branch,
    }
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
    let runs = parts.store.runs(target.as_deref(), limit).await?.into_iter().map(|row| (row.started, run_view(row)));
    // A pause that is over is told by nothing else. What has followed in the same moment stands above it.
    let holds = parts.store.holds(target.as_deref(), limit).await?.into_iter().map(|row| (row.at, hold_view(row)));
    // A command is given on a pull request, and is for its apps.
    let commands = match &target {
        Some(app) if !app.contains('#') => Vec::new(),
        target => parts.store.commands(target.as_deref(), limit).await?,
    };
    let commands = commands.into_iter().map(|row| (row.at, command_view(row)));
    let mut all: Vec<(i64, RunView)> = runs.chain(holds).chain(commands).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Json(all.into_iter().map(|(_, view)| view).collect()))
}

async fn sync(
    State(parts): State<Parts>,
    Path(app): Path<String>,
    Who(by): Who,
    Json(request): Json<SyncRequest>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    let id = &row.app.id;
    let SyncRequest { revision, allow_destructive: confirms, adopt, not_on_branch } = request;
    // It holds for what was shown, and nothing was.
    let allow_destructive = confirms && parts.store.awaiting_confirmation(id).await? > 0;
    by_hand::not_synced(&row, allow_destructive).map_or(Ok(()), refused)?;
    let found = match &revision {
        Some(text) => {
            let oid = commit(&parts, &row, text.trim()).await?;
            let is_on_ref = within(&row, text, parts.revisions.is_on_ref(&row.app.source, &oid)).await?;
            if !is_on_ref && !not_on_branch {
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, answers::not_on_branch(&row, &oid, text)));
            }
            Some(answers::To { oid, typed: text.trim(), is_on_ref })
        }
        None => None,
    };
    let confirms_nothing = confirms && !allow_destructive;
    let request = answers::Confirms { nothing: confirms_nothing, held: allow_destructive };
    let said = answers::synced(&row, found.as_ref(), request, &standing::removal(&parts.store, &row).await?);
    let revision = found.as_ref().map(|to| to.oid.to_string());
    tracing::info!(app = %id, by, revision, allow_destructive, adopt, "a sync was requested");
    // First, so that nothing is pinned that is not going to be synced; its job makes the pin as well.
    let manual = Manual { by: by.clone(), revision, allow_destructive, adopt, ..Manual::default() };
    by_hand::sync(&parts.queue, id, manual).await?;
    if let Some(to) = found.filter(|_| row.state == AppState::Active) {
        // Now, and not when its sync begins: whoever resumes it until then finds the pin, and it is in the history.
        parts.store.pin(id, &to.oid, Some(&by)).await?;
        parts.store.set_pinned_off_branch(id, !to.is_on_ref).await?;
    }
    Ok(accepted(said))
}

fn refused(why: String) -> Result<(), Problem> {
    Err(Problem::new(StatusCode::CONFLICT, why))
}

/// The commit that is meant. Nothing is queued for one that is not there.
async fn commit(parts: &Parts, row: &AppRow, revision: &str) -> Result<Oid, Problem> {
    within(row, revision, parts.revisions.find(&row.app.source, revision)).await
}

/// What Git answers about a revision, if it does in time.
async fn within<T>(
    row: &AppRow,
    revision: &str,
    asked: impl Future<Output = Result<T, RevisionError>>,
) -> Result<T, Problem> {
    let unavailable = |why: &str| {
        let id = &row.app.id;
        Problem::overloaded(format!(
            "app {id} was not synced: revision {revision:?} cannot be resolved now: {why}. Try again"
        ))
    };
    match tokio::time::timeout(FOUND_WITHIN, asked).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(RevisionError::Unknown(message))) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message)),
        Ok(Err(RevisionError::Unavailable(why))) => Err(unavailable(&why)),
        Err(_) => Err(unavailable(&format!("Git did not answer within {} s", FOUND_WITHIN.as_secs()))),
    }
}

async fn pause(
    State(parts): State<Parts>,
    Path(app): Path<String>,
    Who(by): Who,
    Json(request): Json<PauseRequest>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    by_hand::not_paused(&row).map_or(Ok(()), refused)?;
    let note = pause_note(&request, parts.store.clock().now())?;
    // When it was paused first is told as long as it is. Another end or reason counts from now on.
    let says_more = note != PauseNote::default();
    if !row.paused || says_more {
        tracing::info!(app = %row.app.id, by, "an app was paused");
        parts.store.pause(&row.app.id, &by, &note).await?;
    }
    Ok(accepted(answers::paused(&row, &note)))
}

fn pause_note(request: &PauseRequest, now: Timestamp) -> Result<PauseNote, Problem> {
    let lasts =
        request.seconds.map(|seconds| i64::try_from(seconds).map_or(SignedDuration::MAX, SignedDuration::from_secs));
    if lasts.is_some_and(|lasts| lasts.is_zero() || lasts > LONGEST_PAUSE) {
        let problem = "a pause that ends by itself lasts for at most 30 days, and not for 0 s";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem));
    }
    let reason: String = request.reason.iter().flat_map(|reason| reason.trim().chars()).take(REASON).collect();
    Ok(PauseNote {
        until: lasts.map(|lasts| (now + lasts).as_millisecond()),
        reason: (!reason.is_empty()).then_some(reason),
    })
}

async fn resume(
    State(parts): State<Parts>,
    Path(app): Path<String>,
    Who(by): Who,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let row = find(&parts.store, &app).await?;
    if row.paused || row.pinned_revision.is_some() {
        tracing::info!(app = %row.app.id, by, "an app was resumed");
        let resumed = by_hand::resume(&parts.store, &parts.queue, &row.app.id, &by).await?;
        return Ok(accepted(answers::resumed(&row, resumed, &removal(&parts, &row).await?)));
    }
    Ok(accepted(answers::resumed(&row, None, &removal(&parts, &row).await?)))
}

/// What is left of an app, if its definition was removed: read only then.
async fn removal(parts: &Parts, row: &AppRow) -> Result<Removal, Problem> {
    Ok(if row.state == AppState::Removed { standing::removal(&parts.store, row).await? } else { Removal::default() })
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
        (None, _) => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no app {name}; `driftless apps` lists them")))
        }
        (Some(_), false) => {
            Err(Problem::new(StatusCode::CONFLICT, format!("several repos have an app {name}; use REPO/{name}")))
        }
    }
}

async fn preview(
    State(parts): State<Parts>,
    Path((repo, number)): Path<(String, u64)>,
) -> Result<Json<PreviewView>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("no preview of {repo}#{number} is known"));
    let pull = parts.store.pull(&RepoName::new(&repo), number).await?.ok_or_else(unknown)?;
    let pull_request = format!("{repo}#{number}");
    let report =
        pull.report.as_deref().and_then(|text| REPORT.read_if_known(format!("{}#{}", pull.repo, pull.number), text));
    let Some(report) = report else {
        // One that affects no app has a preview, and nothing to tell.
        let made = parts.store.preview(&RepoName::new(&repo), number).await?;
        made.filter(|made| pull.report.is_none() && made.head == pull.head).ok_or_else(unknown)?;
        let markdown = "Merging changes nothing in the clusters.".to_owned();
        return Ok(Json(PreviewView { pull_request, markdown, shows: Shows::Nothing }));
    };
    let shows = shows(&report);
    Ok(Json(PreviewView { pull_request, markdown: markdown::whole(&report), shows }))
}

/// What a preview comes to, as its gate and the ends of its apps have it.
fn shows(report: &PreviewReport) -> Shows {
    let is_bad = report::gate(report, "", None, &GITHUB).state != StatusState::Success;
    let has_failed = report.outcome.as_ref().is_some_and(|outcome| {
        !outcome.definitions.is_empty() || outcome.apps.iter().any(|app| report::outcome::failure(&app.end).is_some())
    });
    let defines = report.apps.iter().any(|app| app.definition != DefinitionChange::None);
    match report.counts() {
        _ if is_bad || has_failed => Shows::Wrong,
        counts if counts.changes() + counts.kept > 0 || defines => Shows::Changes,
        _ => Shows::Nothing,
    }
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        match error {
            ResumeError::Store(error) => error.into(),
            ResumeError::Queue(error) => error.into(),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "the queue does not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}
