//! The state of an app, computed from its rows: the only place that words it, for the command line, the API, pages and
//! pull requests. Pure.

mod facts;
mod removal;
mod texts;

pub use facts::{AppStatus, Facts, Of, Retried, State};
pub use removal::Removal;

use texts::{
    behind, confirmed, fought, health_note, missing, paused, pinned, reason, resume, retrying, since, unpin, waiting,
};

use crate::app::{DriftPolicy, OnDelete, SyncPolicy};
use crate::ids::Oid;
use crate::store::apps::{AppHealth, AppRow, AppState, HEALTH_UNKNOWN, SUSPENDED};
use crate::store::runs::{RunRow, RunState};

/// How long a removed app is listed.
const REMOVED_LISTED: i64 = 24 * 3_600_000;

/// How an app stands.
pub fn app_status(facts: Facts<'_>) -> AppStatus {
    let Facts { row, last, held, kept, .. } = facts;
    let held = || held.map(str::to_owned);
    let drift = || Some(row.drift.clone());
    let retried = || facts.retried.map(|retried| retrying(facts, retried));
    let active = last.filter(|run| matches!(run.state, RunState::Running | RunState::Waiting));
    let waits = || active.is_some_and(|run| run.state == RunState::Waiting) && row.health == AppHealth::Progressing;
    if let Some(defined) = as_defined(facts) {
        return defined;
    }
    if is_failing(row, active) {
        let now = active.map(|_| "retrying now".to_owned());
        let (paused, pinned) = (paused(row), pinned(row));
        let resume = (row.paused || pinned.is_some()).then(|| resume(row));
        return said(
            State::Failed,
            vec![
                Some(row.failure.clone()),
                since("failing", row.failing_since),
                now,
                paused,
                missing(facts),
                pinned,
                resume,
            ],
        );
    }
    if row.paused {
        return said(
            State::Paused,
            vec![paused(row), missing(facts), pinned(row), behind(facts), drift(), held(), Some(resume(row))],
        );
    }
    if waits() {
        return said(
            State::Waiting,
            vec![
                Some(waiting(row, facts.waits_until)),
                confirmed(facts.confirmed),
                held(),
                // What was applied since is over, though its job may still have to write that down.
                facts.retried.filter(|one| one.of != Of::Sync || !one.is_over).map(|one| retrying(facts, one)),
                pinned(row),
                unpin(row),
            ],
        );
    }
    if let Some(run) = active
        && run.state == RunState::Running
    {
        return said(
            State::Pending,
            vec![Some("a sync is in progress".to_owned()), retried(), pinned(row), unpin(row)],
        );
    }
    if is_left_gone(row) && row.app.drift == DriftPolicy::Heal {
        return said(State::Failed, vec![drift(), pinned(row), behind(facts), held(), retried()]);
    }
    if held().is_some() {
        // The run that was left waiting says why; what it holds is known without it as well.
        let reason = active.and_then(reason);
        return said(State::Waiting, vec![reason.or_else(held), drift(), behind(facts), pinned(row), unpin(row)]);
    }
    if let Some(run) = active {
        return said(State::Waiting, vec![reason(run), pinned(row), unpin(row)]);
    }
    if row.pinned_revision.is_some() {
        return said(State::Pinned, vec![pinned(row), behind(facts), drift(), Some(resume(row)), retried()]);
    }
    if let Some(Retried { of: Of::Sync, is_over: true, error, .. }) = facts.retried {
        // What could not be healed says why once.
        let drift = drift().filter(|drift| !drift.contains(error.as_str()));
        return said(State::Failed, vec![drift, behind(facts), retried()]);
    }
    if !row.drift.is_empty() {
        return said(State::OutOfSync, vec![drift(), behind(facts), retried()]);
    }
    // What is tried again is not done, whatever was applied before.
    if facts.retried.is_some_and(|retried| retried.of == Of::Sync) {
        return said(State::Pending, vec![retried(), behind(facts)]);
    }
    match (row.app.sync, behind(facts)) {
        (SyncPolicy::Manual, Some(behind)) => said(
            State::OutOfSync,
            vec![Some(behind), Some(format!("to sync: driftless sync {}", row.app.id)), retried()],
        ),
        (_, Some(behind)) => said(State::Pending, vec![Some(behind), retried()]),
        (_, None) if row.synced_ok => said(State::Synced, vec![retried(), kept.map(str::to_owned), health_note(row)]),
        (SyncPolicy::Manual, None) => {
            said(State::OutOfSync, vec![Some(format!("to sync: driftless sync {}", row.app.id)), retried()])
        }
        (_, None) => said(State::Pending, vec![retried()]),
    }
}

fn said(state: State, parts: Vec<Option<String>>) -> AppStatus {
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    AppStatus { state, message: (!parts.is_empty()).then(|| parts.join("; ")) }
}

/// What its definition decides alone: it is not there, cannot be used, or says that nothing is applied.
fn as_defined(facts: Facts<'_>) -> Option<AppStatus> {
    let row = facts.row;
    let because = |state| Some(said(state, vec![Some(row.state_message.clone())]));
    match row.state {
        AppState::Missing => because(State::Missing),
        AppState::Broken => because(State::Invalid),
        AppState::Removed => {
            // Where its objects go with it, that waits for the end of the pause or the pin.
            let is_held = row.paused || row.pinned_revision.is_some();
            let goes = is_held && row.on_delete() == OnDelete::Prune && facts.removal.objects > 0;
            let resume = goes.then(|| resume(row));
            let (held, kept) = (facts.held.map(str::to_owned), facts.kept.map(str::to_owned));
            let parts = vec![Some(facts.removal.says(row)), paused(row), pinned(row), resume, held, kept];
            Some(said(State::Removed, parts))
        }
        AppState::Active if row.app.sync == SyncPolicy::Never => {
            let why = "`sync: never`: pull requests are previewed, nothing is applied";
            Some(said(State::Never, vec![Some(why.to_owned())]))
        }
        AppState::Active => None,
    }
}

/// Why it is not known whether the cluster differs from what was applied, where nobody has looked.
pub fn drift_unknown(row: &AppRow, state: State) -> Option<String> {
    if row.applied_revision.is_none() || row.state == AppState::Removed || !row.drift.is_empty() {
        return None;
    }
    let why = match state {
        State::Missing | State::Invalid | State::Never => state.as_str(),
        _ if row.app.drift == DriftPolicy::Ignore => "drift: ignore",
        // What is applied of it is compared with the next look at its cluster.
        _ if !row.synced_ok && !was_looked_at(row) => state.as_str(),
        _ => return None,
    };
    Some(why.to_owned())
}

/// Whether what is applied was compared with the cluster since syncs fail.
fn was_looked_at(row: &AppRow) -> bool {
    row.drift_looked.zip(row.failing_since).is_some_and(|(looked, failing)| looked >= failing)
}

/// How the cluster differs from what was applied, as far as the last look knows: what nobody puts back; and what it was
/// that the last look has put back.
pub fn drift(row: &AppRow) -> Option<String> {
    if row.state != AppState::Active {
        return None;
    }
    if !row.drift.is_empty() {
        return Some(row.drift.strip_prefix("drift: ").unwrap_or(&row.drift).to_owned());
    }
    let fought: Vec<String> = row.heals.iter().map(|(object, count)| fought(object, count)).collect();
    (!fought.is_empty()).then(|| fought.join("; "))
}

/// Whether what it wants is not there and stays away, as the last look has found it.
fn is_left_gone(row: &AppRow) -> bool {
    !row.drift.is_empty() && row.heals.values().any(|count| count.is_left_gone)
}

/// Whether its objects are healthy, where it has any and that is known: what only nobody has contradicted is not.
pub fn health(facts: Facts<'_>) -> Option<&'static str> {
    let row = facts.row;
    match row.health {
        AppHealth::Healthy if row.state == AppState::Active && is_left_gone(row) => Some("degraded"),
        AppHealth::Healthy if facts.objects == 0 => None,
        AppHealth::Healthy if row.health_message.contains(HEALTH_UNKNOWN) => Some("unknown"),
        AppHealth::Healthy if row.health_message.contains(SUSPENDED) => Some("suspended"),
        AppHealth::Unknown => None,
        AppHealth::Progressing => Some("progressing"),
        AppHealth::Healthy => Some("healthy"),
        AppHealth::Degraded => Some("degraded"),
    }
}

/// Whether it is of interest to nobody any more: removed a while ago, with nothing to do or to decide.
pub fn is_over(facts: Facts<'_>, now: i64) -> bool {
    let old = facts.row.state_since.is_none_or(|since| now.saturating_sub(since) > REMOVED_LISTED);
    let idle = facts.last.is_none_or(|run| !matches!(run.state, RunState::Running | RunState::Waiting));
    facts.row.state == AppState::Removed && old && idle && facts.held.is_none()
}

/// A failure lasts until a sync succeeds: trying the same revision again does not change it, only another revision
/// does. Where what was applied has failed, another revision that renders the same does not, either.
fn is_failing(row: &AppRow, active: Option<&RunRow>) -> bool {
    let failed = row.failed_revision.as_ref().map(Oid::as_str);
    let is_same = row.failed_applied && row.identity == row.applied_identity;
    let is_news = active.is_some_and(|run| !is_same && failed.is_some() && run.revision.as_deref() != failed);
    !row.failure.is_empty() && !is_news
}

#[cfg(test)]
mod removal_tests;
#[cfg(test)]
pub(crate) mod tests;
