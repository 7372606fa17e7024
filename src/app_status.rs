//! How an app stands, told from its rows: the one place that says so, for the command line, the API, pages and pull
//! requests. Pure.

use jiff::Timestamp;

use crate::app::{DriftPolicy, OnDelete, SyncPolicy};
use crate::ids::{AppId, Oid};
use crate::manifest::ObjectKey;
use crate::report::words::{count, join};
use crate::store::apps::{AppHealth, AppRow, AppState, HEALTH_UNKNOWN, HealCount, STAYS, SUSPENDED};
use crate::store::runs::{PAUSED_BEFORE_DELETIONS, RunRow, RunState, without};

/// How many objects or apps a message names.
const NAMED: usize = 3;
/// How long a removed app is listed.
const REMOVED_LISTED: i64 = 24 * 3_600_000;

/// What is known of an app.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub row: &'a AppRow,
    /// Where its ref was last seen.
    pub head: Option<&'a Oid>,
    /// Its newest run.
    pub last: Option<&'a RunRow>,
    /// The deadline of what it waits for, in milliseconds since 1970.
    pub waits_until: Option<i64>,
    /// What needs confirmation, in words.
    pub held: Option<&'a str>,
    /// How many deletions were confirmed and are still to come.
    pub confirmed: usize,
    /// What it has left behind on other clusters, in words.
    pub kept: Option<&'a str>,
    /// How many objects it has in the cluster where it is.
    pub objects: usize,
    /// Which apps have objects that were its, and how many.
    pub taken_over: &'a [(AppId, usize)],
    /// What was deleted to be made again, and is not there.
    pub missing: &'a [ObjectKey],
    /// Work on it, or on the ref that it follows, that fails and is tried again.
    pub retried: Option<&'a Retried>,
}

/// Work that fails and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub of: Of,
    /// In milliseconds since 1970.
    pub since: i64,
    pub error: String,
    /// It has failed for good, until the next look.
    pub is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The app's own sync.
    Sync,
    /// The look at its ref, or at the branch that defines it: what Git says by now is not known.
    Ref,
    /// The look for what no webhook told.
    Poll,
    /// The look at its cluster.
    Cluster,
}

/// The state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The cluster has what Git says.
    Synced,
    /// It has not, and nothing is done about that by itself.
    OutOfSync,
    /// A sync is due or under way.
    Pending,
    /// The last sync failed. It stays so while it is tried again.
    Failed,
    /// For health, for deletions, or for confirmation.
    Waiting,
    /// Its definition or ref is not there.
    Missing,
    /// Its definition cannot be read, or is not allowed.
    Invalid,
    Removed,
    Paused,
    Pinned,
    /// `sync: never`.
    Never,
}

impl State {
    /// Each of them, as `driftless apps` and the metrics name it.
    pub const ALL: [Self; 11] = [
        Self::Synced,
        Self::OutOfSync,
        Self::Pending,
        Self::Failed,
        Self::Waiting,
        Self::Missing,
        Self::Invalid,
        Self::Removed,
        Self::Paused,
        Self::Pinned,
        Self::Never,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::OutOfSync => "out-of-sync",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Removed => "removed",
            Self::Paused => "paused",
            Self::Pinned => "pinned",
            Self::Never => "never",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStatus {
    pub state: State,
    /// What a person should know beside it, and what to do.
    pub message: Option<String>,
}

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
        return said(State::Pending, vec![Some("a sync is under way".to_owned()), retried(), pinned(row), unpin(row)]);
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
            vec![Some(behind), Some(format!("synced by hand: driftless sync {}", row.app.id)), retried()],
        ),
        (_, Some(behind)) => said(State::Pending, vec![Some(behind), retried()]),
        (_, None) if row.synced_ok => said(State::Synced, vec![retried(), kept.map(str::to_owned), health_note(row)]),
        (SyncPolicy::Manual, None) => {
            said(State::OutOfSync, vec![Some(format!("synced by hand: driftless sync {}", row.app.id)), retried()])
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
            // Where its objects go with it, that waits for the end of the pause.
            let goes = row.paused && row.on_delete() == OnDelete::Prune && facts.objects > 0;
            let resume = goes.then(|| resume(row));
            let held = facts.held.map(str::to_owned);
            Some(said(State::Removed, vec![Some(removed(facts)), paused(row), resume, held]))
        }
        AppState::Active if row.app.sync == SyncPolicy::Never => {
            let why = "`sync: never`: pull requests are previewed, nothing is applied";
            Some(said(State::Never, vec![Some(why.to_owned())]))
        }
        AppState::Active => None,
    }
}

/// How a pin ends, where there is one.
fn unpin(row: &AppRow) -> Option<String> {
    row.pinned_revision.as_ref().map(|_| resume(row))
}

fn resume(row: &AppRow) -> String {
    let id = &row.app.id;
    match &row.pinned_revision {
        Some(pinned) if row.paused => {
            format!("to continue at {}: driftless resume {id}; to end the pin as well, run it again", pinned.short())
        }
        _ => format!("to continue: driftless resume {id}"),
    }
}

/// What of an app that is paused is not put back before it is resumed.
fn missing(facts: Facts<'_>) -> Option<String> {
    let named: Vec<String> = facts.missing.iter().map(ToString::to_string).collect();
    (facts.row.paused && !named.is_empty()).then(|| {
        let (is, was) = if named.len() == 1 { ("is", "it was") } else { ("are", "they were") };
        format!(
            "{} {is} missing in the cluster: {was} deleted to be created again, and could not be; put back only after \
             the app is resumed",
            join(&named, NAMED)
        )
    })
}

/// What has become of the objects of an app that was removed.
fn removed(facts: Facts<'_>) -> String {
    let said = &facts.row.state_message;
    let objects = |number: usize| count(number, "object");
    let taken = facts.taken_over.iter().take(NAMED).map(|(app, number)| {
        format!("{} that it had {} {app}'s now", objects(*number), if *number == 1 { "is" } else { "are" })
    });
    let mut parts: Vec<String> = taken.collect();
    let (why, then) = said.split_once(STAYS).map_or((said.as_str(), None), |(why, then)| (why, Some(then)));
    match then {
        // What the policy says is of interest where there is something left.
        Some(then) if facts.objects > 0 && parts.is_empty() => return format!("{why}{STAYS}{then}"),
        Some(then) if facts.objects > 0 => {
            let stay = if facts.objects == 1 { "stays" } else { "stay" };
            parts.push(format!("{} {stay}{then}", objects(facts.objects)));
        }
        Some(_) if parts.is_empty() => parts.push("none of its objects is in the cluster".to_owned()),
        Some(_) | None => {}
    }
    [vec![why.to_owned()], parts].concat().join("; ")
}

fn pinned(row: &AppRow) -> Option<String> {
    let revision = row.pinned_revision.as_ref()?;
    let what = format!("pinned to {}", revision.short());
    let since = since(&what, row.pinned_since).unwrap_or(what);
    let off = if row.pinned_off_branch { format!(", which is not on {}", branch(row)) } else { String::new() };
    Some(format!("{since}{}{off}", by(row.pinned_by.as_ref())))
}

fn paused(row: &AppRow) -> Option<String> {
    let since = since("paused", row.paused_since.filter(|_| row.paused))?;
    Some(format!("{since}{}", by(row.paused_by.as_ref())))
}

fn by(who: Option<&String>) -> String {
    who.map(|who| format!(" by {who}")).unwrap_or_default()
}

/// Why it is not known whether the cluster differs from what was applied, where nobody has looked.
pub fn drift_unknown(row: &AppRow, state: State) -> Option<String> {
    if row.applied_revision.is_none() || row.state == AppState::Removed || !row.drift.is_empty() {
        return None;
    }
    let why = match state {
        State::Missing | State::Invalid | State::Never => state.as_str(),
        _ if row.app.drift == DriftPolicy::Ignore => "drift: ignore",
        // Until a sync succeeds that is tried, and what somebody changed meanwhile is not compared.
        _ if !row.synced_ok => state.as_str(),
        _ => return None,
    };
    Some(why.to_owned())
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

fn fought(object: &str, HealCount { fields, manager, count, .. }: &HealCount) -> String {
    let what = if fields.is_empty() { "was gone".to_owned() } else { format!("differed in {}", fields.join(", ")) };
    let times = if *count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
    let by = manager.as_ref().map(|manager| format!(", by {manager}")).unwrap_or_default();
    format!("{object} {what}{by}, healed {times}")
}

fn confirmed(number: usize) -> Option<String> {
    match number {
        0 => None,
        1 => Some("1 confirmed deletion follows once it is healthy".to_owned()),
        _ => Some(format!("{number} confirmed deletions follow once it is healthy")),
    }
}

fn retrying(facts: Facts<'_>, Retried { of, since, error, is_over }: &Retried) -> String {
    let since = time(*since).unwrap_or_default();
    let app = &facts.row.app;
    let what = match of {
        Of::Sync if !is_over => return format!("retrying since {since}: {error}"),
        Of::Sync => "syncs fail".to_owned(),
        Of::Ref => format!("what {} is by now is not known", app.source.ref_name.trim_start_matches("refs/heads/")),
        Of::Poll => format!("what no webhook tells of {} is not found out", app.source.repo),
        Of::Cluster => format!("drift on {} is not looked for", app.destination.cluster),
    };
    let then = if *is_over { "tried again with the next look" } else { "retrying" };
    format!("{what} since {since}, {then}: {error}")
}

/// Why a run waits. That its app was paused is over: one that is paused is told as such.
fn reason(run: &RunRow) -> Option<String> {
    run.error.as_deref().map(|text| without(text, PAUSED_BEFORE_DELETIONS))
}

/// What is suspended or of unknown health where nothing is left to wait for.
fn health_note(row: &AppRow) -> Option<String> {
    (row.health == AppHealth::Healthy).then(|| row.health_message.clone())
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
/// does.
fn is_failing(row: &AppRow, active: Option<&RunRow>) -> bool {
    let failed = row.failed_revision.as_ref().map(Oid::as_str);
    let is_news = active.is_some_and(|run| failed.is_some() && run.revision.as_deref() != failed);
    !row.failure.is_empty() && !is_news
}

/// What of Git is not applied.
fn behind(facts: Facts<'_>) -> Option<String> {
    let row = facts.row;
    let applied = row.applied_revision.as_ref()?;
    let name = branch(row);
    match &row.identity {
        None => Some(format!("its definition has changed since {} was applied", applied.short())),
        Some(identity) if row.applied_identity.as_ref() != Some(identity) => {
            let head = facts.head.or(row.rendered_revision.as_ref());
            let head = head.map(|head| format!(" at {}", head.short())).unwrap_or_default();
            if row.pinned_off_branch && row.pinned_revision.as_ref() == Some(applied) {
                // What was never on the branch is not behind it.
                return Some(format!("not what {name} has{head}"));
            }
            Some(format!("behind: {name} is{head}, applied is {}", applied.short()))
        }
        Some(_) => None,
    }
}

fn branch(row: &AppRow) -> &str {
    row.app.source.ref_name.trim_start_matches("refs/heads/")
}

fn waiting(row: &AppRow, until: Option<i64>) -> String {
    let until = until
        .and_then(time)
        .map(|until| format!("; fails at {until} if it does not become healthy"))
        .unwrap_or_default();
    let what = if row.health_message.is_empty() { String::new() } else { format!(": {}", row.health_message) };
    format!("not healthy yet{what}{until}")
}

fn since(what: &str, millis: Option<i64>) -> Option<String> {
    millis.and_then(time).map(|at| format!("{what} since {at}"))
}

fn time(millis: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
pub(crate) mod tests;
