//! The transitions of a key's rows: an event, a claim, an end. Pure, so that every order of events can be tested.

use super::Finish;
use super::timing::{QueueConfig, millis};
use super::trigger::{self, Request, Trigger};
use crate::store::StoreError;
use crate::store::jobs::{JobRow, State};
use crate::store::stored::Stored;

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
pub(super) fn after_event(rows: &Rows, request: &Request, now: i64, config: &QueueConfig) -> JobRow {
    let (quiet, maximum) = (millis(config.quiet), millis(config.maximum));
    let debounced = request.cause.is_debounced() || request.key.kind().is_debounced;
    let younger = vec![request.cause.clone()];
    let Some(pending) = &rows.pending else {
        let idle = rows.last_event().is_none_or(|last| now - last > quiet);
        let due = if debounced && !idle { now + quiet.min(maximum) } else { now };
        let kills = inherited_kills(rows.failed.as_ref(), request, config);
        return JobRow { due, kills, ..fresh(request, now, &younger) };
    };
    let due = if !debounced {
        pending.due.min(now)
    } else if pending.attempt > 0 {
        // It waits for its next try: there may be something new to try now.
        pending.due.min(now + quiet)
    } else {
        (now + quiet).min(pending.first_event + maximum)
    };
    JobRow {
        hint: request.hint.clone().or_else(|| pending.hint.clone()),
        causes: cause_text(&trigger::merge(known_causes(pending), younger)),
        last_event: now,
        due: due.max(pending.not_before),
        changed_at: now,
        ..pending.clone()
    }
}

/// Whether an event asks in vain: the job was set aside because it ended the process, and nothing is new. What the
/// schedule alone asks for may have been there by chance, and is tried again after a while.
pub(super) fn is_set_aside(rows: &Rows, request: &Request, now: i64, config: &QueueConfig) -> bool {
    let Some(failed) = rows.failed.as_ref().filter(|failed| failed.kills >= config.most_kills) else { return false };
    let asks_again = matches!(request.cause, Trigger::Resync | Trigger::Poll);
    let rested = request.key.kind().is_periodic && now - failed.changed_at >= millis(config.set_aside);
    asks_again && !rested && !is_new_commit(failed, request)
}

fn is_new_commit(failed: &JobRow, request: &Request) -> bool {
    request.hint.is_some() && request.hint != failed.hint
}

/// What was set aside is given one more try, unless it is about another commit: then it is another thing.
fn inherited_kills(failed: Option<&JobRow>, request: &Request, config: &QueueConfig) -> i64 {
    match failed {
        Some(failed) if failed.kills >= config.most_kills && !is_new_commit(failed, request) => config.most_kills - 1,
        _ => 0,
    }
}

fn fresh(request: &Request, now: i64, causes: &[Trigger]) -> JobRow {
    JobRow {
        key: request.key.to_string(),
        state: State::Pending,
        priority: request.key.priority() as i64,
        tenant: request.key.tenant().as_str().to_owned(),
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
        kills: 0,
        unsettled: 0,
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
pub(super) enum Requeue {
    /// Nobody's fault: the attempt does not count. Due after `pause`, unless an event says otherwise.
    Cancelled { pause: i64 },
    /// Its process ended (`killed`), or its lease did: the attempt counts.
    Lost { pause: i64, killed: bool },
    /// It failed in a way that may pass. `wait` is what the other side asked for, what people were told
    /// of it now, if they were.
    Failing { pause: i64, wait: i64, error: String, reported: Option<String> },
}

/// The run is to be repeated: the pending row as it is afterwards, merged with what has come in meanwhile.
pub(super) fn back_to_pending(running: &JobRow, pending: Option<&JobRow>, again: &Requeue, now: i64) -> JobRow {
    let mut row =
        JobRow { state: State::Pending, lease_owner: None, lease_until: None, changed_at: now, ..running.clone() };
    match again {
        Requeue::Cancelled { pause } => {
            row.attempt -= 1;
            row.due = now + pause;
        }
        Requeue::Lost { pause, killed } => {
            row.due = now + pause;
            row.kills += i64::from(*killed);
        }
        Requeue::Failing { pause, wait, error, reported } => {
            row.kills = 0;
            row.failing_since.get_or_insert(now);
            row.not_before = now + wait;
            row.due = (now + pause).max(row.not_before);
            row.error = Some(error.clone());
            if reported.is_some() {
                row.reported.clone_from(reported);
            }
        }
    }
    let Some(newer) = pending else { return row };
    if newer.hint.is_some() && newer.hint != row.hint {
        // Another commit is another thing.
        row.kills = 0;
    }
    row.hint = newer.hint.clone().or(row.hint);
    row.causes = cause_text(&trigger::merge(known_causes(&row), known_causes(newer)));
    // The newest burst has its own window, else an old event would make every later one due at once.
    row.first_event = newer.first_event;
    row.last_event = newer.last_event.max(row.last_event);
    row.due = match again {
        Requeue::Cancelled { .. } => newer.due,
        Requeue::Lost { .. } | Requeue::Failing { .. } => newer.due.min(row.due),
    }
    .max(row.not_before);
    row
}

pub(super) fn done(running: &JobRow, finish: Finish, now: i64) -> JobRow {
    JobRow {
        state: State::Done,
        kills: 0,
        unsettled: i64::from(finish == Finish::LookAgain),
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

/// A list of triggers; one that is not known is told apart from the others.
const CAUSES: Stored<Vec<serde_json::Value>> = Stored::new("jobs.causes", 1, "They count as a poll");

/// Why the job exists. A cause that this version does not know counts as "something may have changed": what is to be
/// done follows from what is there.
pub(super) fn causes(row: &JobRow) -> Result<Vec<Trigger>, StoreError> {
    let listed = CAUSES.read(&row.key, &row.causes)?;
    let known = |cause: serde_json::Value| {
        serde_json::from_value(cause).unwrap_or_else(|error| {
            tracing::warn!(key = row.key, %error, "a cause of a job is of another version, and counts as a poll");
            Trigger::Poll
        })
    };
    Ok(listed.into_iter().map(known).collect())
}

/// The same of a row that an event is merged with: one that cannot be read must not keep the event, and all that come
/// with it, from being stored.
pub fn known_causes(row: &JobRow) -> Vec<Trigger> {
    causes(row).unwrap_or_else(|error| {
        tracing::error!(%error, "the causes of a job are replaced by a poll");
        vec![Trigger::Poll]
    })
}

fn cause_text(causes: &[Trigger]) -> String {
    // Texts, numbers and booleans under fixed names: nothing in there can fail to be written.
    let listed = causes.iter().filter_map(|cause| serde_json::to_value(cause).ok()).collect();
    CAUSES.write(&listed).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoName;
    use crate::queue::Key;

    fn request(cause: Trigger, hint: Option<&str>) -> Request {
        let request = Request::new(Key::Preview { repo: RepoName::new("shop"), number: 7 }, cause);
        hint.map_or(request.clone(), |hint| request.with_hint(hint))
    }

    fn webhook() -> Trigger {
        Trigger::Webhook { hook: "github".into(), delivery: "1".into() }
    }

    fn pending(causes: &str) -> Rows {
        let row = fresh(&request(webhook(), Some("a")), 1_000, &[webhook()]);
        Rows { pending: Some(JobRow { causes: causes.into(), ..row }), ..Rows::default() }
    }

    /// C7: a row of another version, or one that is broken, stops neither its job nor the events that come with it.
    #[test]
    fn causes_that_cannot_be_read_count_as_a_poll() {
        let config = QueueConfig::default();
        for broken in ["{", r#"[{"kind":"moon_phase","full":true}]"#, "[7]"] {
            let row = after_event(&pending(broken), &request(webhook(), Some("b")), 2_000, &config);
            assert_eq!(causes(&row).expect("readable"), [Trigger::Poll, webhook()], "{broken}");
            assert_eq!(row.hint.as_deref(), Some("b"));
        }
    }

    /// X10: what ended the process again and again is asked for in vain, unless something is new.
    #[test]
    fn what_was_set_aside_is_tried_for_a_reason_only() {
        let config = QueueConfig::default();
        let mut row = fresh(&request(webhook(), Some("a")), 1_000, &[webhook()]);
        row.kills = config.most_kills;
        let rows = Rows { failed: Some(failed(&row, "set aside", None, 1_000)), ..Rows::default() };
        let vain =
            |cause: Trigger, hint: Option<&str>| is_set_aside(&rows, &request(cause, hint), 1_000_000_000, &config);
        let kills =
            |cause: Trigger, hint: Option<&str>| after_event(&rows, &request(cause, hint), 2_000, &config).kills;
        assert!(vain(Trigger::Resync, None) && vain(Trigger::Poll, Some("a")));
        assert!(!vain(Trigger::Poll, Some("b")) && !vain(webhook(), Some("a")));
        assert_eq!(
            (kills(webhook(), Some("a")), kills(webhook(), Some("b"))),
            (config.most_kills - 1, 0),
            "one more try, or a new thing"
        );

        let look = Key::Resync(crate::ids::ClusterName::new("prod"));
        let look = |now| is_set_aside(&rows, &Request::new(look.clone(), Trigger::Resync), now, &config);
        assert!(
            look(2_000) && !look(2_000 + millis(config.set_aside)),
            "what nobody but the schedule asks for comes back after a while"
        );
    }
}
