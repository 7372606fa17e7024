//! What becomes of the rows of a key when something happens: an event, a claim, an end. All pure, so that every order of events can be tried.

use super::cause::{self, Cause, Request};
use super::timing::{QueueConfig, millis};
use crate::store::StoreError;
use crate::store::jobs::{JobRow, State};

/// The rows of one key, by state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub pending: Option<JobRow>,
    pub running: Option<JobRow>,
    pub failed: Option<JobRow>,
    pub done: Option<JobRow>,
}

impl Rows {
    pub(super) fn new(rows: Vec<JobRow>) -> Self {
        let mut sorted = Self::default();
        for row in rows {
            let place = match row.state {
                State::Pending => &mut sorted.pending,
                State::Running => &mut sorted.running,
                State::Failed => &mut sorted.failed,
                State::Done => &mut sorted.done,
            };
            *place = Some(row);
        }
        sorted
    }

    fn last_event(&self) -> Option<i64> {
        [&self.pending, &self.running, &self.failed, &self.done].into_iter().flatten().map(|row| row.last_event).max()
    }
}

/// An event: the pending row as it is afterwards.
pub(super) fn after_event(rows: &Rows, request: &Request, now: i64, config: &QueueConfig) -> Result<JobRow, StoreError> {
    let (quiet, maximum) = (millis(config.quiet), millis(config.maximum));
    let debounced = request.cause.is_debounced() || request.key.is_debounced();
    let younger = vec![request.cause.clone()];
    let Some(pending) = &rows.pending else {
        let idle = rows.last_event().is_none_or(|last| now - last > quiet);
        let due = if debounced && !idle { now + quiet.min(maximum) } else { now };
        return Ok(JobRow { due, ..fresh(request, now, &younger) });
    };
    let due = if !debounced {
        pending.due.min(now)
    } else if pending.attempt > 0 {
        // It waits for its next try: there may be something new to try now.
        pending.due.min(now + quiet)
    } else {
        (now + quiet).min(pending.first_event + maximum)
    };
    Ok(JobRow {
        hint: request.hint.clone().or_else(|| pending.hint.clone()),
        causes: cause_text(&cause::merge(causes(pending)?, younger)),
        last_event: now,
        due: due.max(pending.not_before),
        changed_at: now,
        ..pending.clone()
    })
}

fn fresh(request: &Request, now: i64, causes: &[Cause]) -> JobRow {
    JobRow {
        key: request.key.to_string(),
        state: State::Pending,
        priority: request.key.priority() as i64,
        tenant: request.key.tenant().to_owned(),
        hint: request.hint.clone(),
        causes: cause_text(causes),
        first_event: now,
        last_event: now,
        due: now,
        not_before: 0,
        attempt: 0,
        failing_since: None,
        error: None,
        reported: None,
        lease_owner: None,
        lease_until: None,
        changed_at: now,
    }
}

/// A worker takes the pending row: the running row that replaces it.
pub(super) fn claimed(pending: &JobRow, owner: &str, now: i64, config: &QueueConfig) -> JobRow {
    JobRow {
        state: State::Running,
        attempt: pending.attempt + 1,
        lease_owner: Some(owner.to_owned()),
        lease_until: Some(now + millis(config.lease)),
        changed_at: now,
        ..pending.clone()
    }
}

/// How a run ended without having succeeded or failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// Nobody's fault: the attempt does not count. Due after `pause`, unless an event says otherwise.
    Cancelled { pause: i64 },
    /// Its process ended: the attempt counts.
    Lost { pause: i64 },
    /// It failed in a way that may pass. `wait` is what the other side asked for, what people were told
    /// of it now, if they were.
    Failing { pause: i64, wait: i64, error: String, reported: Option<String> },
}

/// The run is to be repeated: the pending row as it is afterwards, merged with what has come in meanwhile.
pub(super) fn back_to_pending(running: &JobRow, pending: Option<&JobRow>, again: &Again, now: i64) -> Result<JobRow, StoreError> {
    let mut row = JobRow { state: State::Pending, lease_owner: None, lease_until: None, changed_at: now, ..running.clone() };
    match again {
        Again::Cancelled { pause } => {
            row.attempt -= 1;
            row.due = now + pause;
        }
        Again::Lost { pause } => row.due = now + pause,
        Again::Failing { pause, wait, error, reported } => {
            row.failing_since.get_or_insert(now);
            row.not_before = now + wait;
            row.due = (now + pause).max(row.not_before);
            row.error = Some(error.clone());
            if reported.is_some() {
                row.reported.clone_from(reported);
            }
        }
    }
    let Some(newer) = pending else { return Ok(row) };
    row.hint = newer.hint.clone().or(row.hint);
    row.causes = cause_text(&cause::merge(causes(&row)?, causes(newer)?));
    // The newest burst has its own window, else an old event would make every later one due at once.
    row.first_event = newer.first_event;
    row.last_event = newer.last_event.max(row.last_event);
    row.due = match again {
        Again::Cancelled { .. } => newer.due,
        Again::Lost { .. } | Again::Failing { .. } => newer.due.min(row.due),
    }
    .max(row.not_before);
    Ok(row)
}

pub(super) fn done(running: &JobRow, now: i64) -> JobRow {
    JobRow {
        state: State::Done,
        failing_since: None,
        error: None,
        reported: None,
        lease_owner: None,
        lease_until: None,
        changed_at: now,
        ..running.clone()
    }
}

/// `reported` is what people were told of it, now or before.
pub(super) fn failed(running: &JobRow, error: &str, reported: Option<&str>, now: i64) -> JobRow {
    JobRow {
        state: State::Failed,
        failing_since: Some(running.failing_since.unwrap_or(now)),
        error: Some(error.to_owned()),
        reported: reported.map(str::to_owned),
        lease_owner: None,
        lease_until: None,
        changed_at: now,
        ..running.clone()
    }
}

pub(super) fn causes(row: &JobRow) -> Result<Vec<Cause>, StoreError> {
    serde_json::from_str(&row.causes).map_err(|error| StoreError::corrupt(format!("causes of the job {}", row.key), error))
}

fn cause_text(causes: &[Cause]) -> String {
    // Texts, numbers and booleans under fixed names: nothing in there can fail to be written.
    serde_json::to_string(causes).unwrap_or_else(|_| "[]".to_owned())
}
