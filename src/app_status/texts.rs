//! The parts of an app's message, each of one fact.

use jiff::Timestamp;

use super::facts::{Facts, Of, Retried};
use crate::report::words::join;
use crate::store::apps::{AppHealth, AppRow, HealCount};
use crate::store::runs::{PAUSED_BEFORE_DELETIONS, RunRow, without};

/// How many objects or apps a message names.
const NAMED: usize = 3;

/// How a pin ends, where there is one.
pub(super) fn unpin(row: &AppRow) -> Option<String> {
    row.pinned_revision.as_ref().map(|_| resume(row))
}

pub(super) fn resume(row: &AppRow) -> String {
    let id = &row.app.id;
    match &row.pinned_revision {
        Some(pinned) if row.paused => {
            format!("to continue at {}: driftless resume {id}; to end the pin as well, run it again", pinned.short())
        }
        _ => format!("to continue: driftless resume {id}"),
    }
}

/// What of an app that is paused is not put back before it is resumed.
pub(super) fn missing(facts: Facts<'_>) -> Option<String> {
    let named: Vec<String> = facts.missing.iter().map(ToString::to_string).collect();
    (facts.row.paused && !named.is_empty()).then(|| {
        let (is, was) = if named.len() == 1 { ("is", "it was") } else { ("are", "they were") };
        format!(
            "{} {is} missing in the cluster: {was} deleted to be recreated, which failed; restored only after the app \
             is resumed",
            join(&named, NAMED)
        )
    })
}

pub(super) fn pinned(row: &AppRow) -> Option<String> {
    let revision = row.pinned_revision.as_ref()?;
    let what = format!("pinned to {}", revision.short());
    let since = since(&what, row.pinned_since).unwrap_or(what);
    let off = if row.pinned_off_branch { format!(", which is not on {}", branch(row)) } else { String::new() };
    Some(format!("{since}{}{off}", by(row.pinned_by.as_ref())))
}

pub(super) fn paused(row: &AppRow) -> Option<String> {
    let since = since("paused", row.paused_since.filter(|_| row.paused))?;
    let until = row.paused_until.and_then(time).map(|until| format!(", until {until}")).unwrap_or_default();
    let reason = row.pause_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!("{since}{}{until}{reason}", by(row.paused_by.as_ref())))
}

pub(super) fn by(who: Option<&String>) -> String {
    who.map(|who| format!(" by {who}")).unwrap_or_default()
}

pub(super) fn fought(object: &str, HealCount { fields, manager, count, .. }: &HealCount) -> String {
    let what = if fields.is_empty() { "was missing".to_owned() } else { format!("differed in {}", fields.join(", ")) };
    let times = if *count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
    let by = manager.as_ref().map(|manager| format!(", by {manager}")).unwrap_or_default();
    format!("{object} {what}{by}, healed {times}")
}

pub(super) fn confirmed(number: usize) -> Option<String> {
    match number {
        0 => None,
        1 => Some("1 confirmed deletion follows once the app is healthy".to_owned()),
        _ => Some(format!("{number} confirmed deletions follow once the app is healthy")),
    }
}

pub(super) fn retrying(facts: Facts<'_>, Retried { of, since, error, is_over }: &Retried) -> String {
    let since = time(*since).unwrap_or_default();
    let app = &facts.row.app;
    let then = if *is_over { "retried at the next resync" } else { "retrying" };
    let what = match of {
        // It says by itself what it means for the app.
        Of::Ref => return format!("{error}; failing since {since}, {then}"),
        Of::Sync if !is_over => return format!("retrying since {since}: {error}"),
        Of::Sync => "syncs fail".to_owned(),
        Of::Poll => format!("changes of {} without a webhook are not detected", app.source.repo),
        Of::Cluster => format!("drift on {} is not detected", app.destination.cluster),
    };
    format!("{what} since {since}, {then}: {error}")
}

/// Why a run waits. That its app was paused is over: one that is paused is told as such.
pub(super) fn reason(run: &RunRow) -> Option<String> {
    run.error.as_deref().map(|text| without(text, PAUSED_BEFORE_DELETIONS))
}

/// What is suspended or of unknown health where nothing is left to wait for.
pub(super) fn health_note(row: &AppRow) -> Option<String> {
    (row.health == AppHealth::Healthy).then(|| row.health_message.clone())
}

/// What of Git is not applied.
pub(super) fn behind(facts: Facts<'_>) -> Option<String> {
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
                return Some(format!("differs from {name}{head}"));
            }
            Some(format!("behind: {name} is{head}, {} is applied", applied.short()))
        }
        Some(_) => None,
    }
}

pub(super) fn branch(row: &AppRow) -> &str {
    row.app.source.ref_name.trim_start_matches("refs/heads/")
}

pub(super) fn waiting(row: &AppRow, until: Option<i64>) -> String {
    let until = until
        .and_then(time)
        .map(|until| format!("; fails at {until} if it does not become healthy"))
        .unwrap_or_default();
    let what = if row.health_message.is_empty() { String::new() } else { format!(": {}", row.health_message) };
    format!("not healthy yet{what}{until}")
}

pub(super) fn since(what: &str, millis: Option<i64>) -> Option<String> {
    millis.and_then(time).map(|at| format!("{what} since {at}"))
}

pub(super) fn time(millis: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(millis).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
