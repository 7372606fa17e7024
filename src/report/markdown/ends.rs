//! How the end of one app is worded: in its line below the outcome, and in those of what happened later.

use super::escape::span;
use super::places::{handed_over, named, names, place};
use crate::report::preview::{AppEnd, AppOutcome, LaterEnd};
use crate::report::words::seconds;

/// What became of a deletion.
pub(super) fn deletion(app: &AppOutcome, end: &AppEnd) -> String {
    match end {
        AppEnd::Confirmed { objects, by } => {
            format!(
                "deletion of {} confirmed{}; it follows once the app is healthy",
                names(app, objects),
                by_whom(by.as_deref())
            )
        }
        AppEnd::Removed { objects, lost: Some(lost), .. } => {
            format!("**failed** after the deletion of {}: {}", names(app, objects), span(lost))
        }
        AppEnd::Removed { objects, replaced: true, by, .. } => {
            format!("replacement of {} confirmed{} and done", names(app, objects), by_whom(by.as_deref()))
        }
        AppEnd::Removed { objects, confirmed: true, by, .. } => {
            format!("deletion of {} confirmed{} and done", names(app, objects), by_whom(by.as_deref()))
        }
        AppEnd::Removed { objects, .. } => {
            let it = if objects.len() == 1 { "it is" } else { "they are" };
            format!("{} {} deleted, because {it} no longer kept", names(app, objects), were(objects))
        }
        _ => String::new(),
    }
}

pub(super) fn called_off(app: &AppOutcome, objects: &[String], confirmed: bool, by: Option<&str>) -> String {
    let confirmed = if confirmed { format!(", confirmed{},", by_whom(by)) } else { String::new() };
    format!("deletion of {}{confirmed} cancelled", names(app, objects))
}

/// When it was called off.
pub(super) fn before(confirmed: bool) -> &'static str {
    if confirmed { " before it was done" } else { " before it was confirmed" }
}

pub(super) fn rolled_back(app: &AppOutcome, to: &str, by: Option<&str>) -> String {
    let resume = span(&format!("driftless resume {}", app.app));
    format!("**rolled back** to {}{}, and pinned there; to continue: {resume}", span(to), by_whom(by))
}

fn by_whom(by: Option<&str>) -> String {
    by.map(|by| format!(" by {}", span(by))).unwrap_or_default()
}

pub(super) fn were(objects: &[String]) -> &'static str {
    if objects.len() == 1 { "was" } else { "were" }
}

pub(super) fn replaced_by(by: &str, healthy: bool, apps: usize) -> String {
    let before = match (healthy, apps) {
        (true, _) => "the deletions were done",
        (false, 1) => "the app was healthy",
        (false, _) => "the apps were healthy",
    };
    format!("**replaced** by {} before {before}", span(by))
}

/// What happened to an app after the merge had ended for it.
pub(super) fn line(app: &AppOutcome, later: &LaterEnd) -> String {
    let revision = span(later.revision.short());
    let what = match &later.end {
        AppEnd::Healthy { after_seconds, .. } => {
            format!("applied as {revision}, healthy after {}", seconds(*after_seconds))
        }
        AppEnd::Failed { message } => {
            format!("**failed** at {revision}: {}", span(message.lines().next().unwrap_or_default()))
        }
        AppEnd::Drifted { .. } => format!("drifted at {revision}"),
        AppEnd::Progressing { message, .. } if !message.is_empty() => {
            format!("applied as {revision}, waiting for health: {}", span(message))
        }
        AppEnd::Progressing { .. } => format!("applied as {revision}, waiting for health"),
        AppEnd::Confirmed { .. } | AppEnd::Removed { .. } => deletion(app, &later.end),
        AppEnd::Waiting { deletes, .. } => format!("applied as {revision}; {} confirmation", needs(*deletes)),
        AppEnd::Withdrawn { objects, confirmed, by, .. } if !objects.is_empty() => {
            let off = called_off(app, objects, *confirmed, by.as_deref());
            format!("{off} as of {revision},{}", before(*confirmed))
        }
        AppEnd::RolledBack { to, by } => rolled_back(app, to.short(), by.as_deref()),
        AppEnd::Withdrawn { deletes, .. } => {
            format!(
                "{} reverted by {revision} before being confirmed",
                if *deletes == 1 { "the deletion was" } else { "the deletions were" }
            )
        }
        AppEnd::Superseded { by } => format!("reverted by {}", span(by.short())),
        AppEnd::Replaced { by, healthy } => replaced_by(by.short(), *healthy, 1),
        AppEnd::Pruned { removed: 0, handed_over: to, left, .. } if handed_over(to, *left).is_some() => {
            handed_over(to, *left).unwrap_or_default()
        }
        AppEnd::Pruned { by, .. } => {
            let by = by.as_deref().map(|by| format!(", confirmed by {}", span(by))).unwrap_or_default();
            format!("all objects of the app were deleted{by}")
        }
        AppEnd::Kept { nothing: true, .. } => "its definition was removed, and it had no objects".to_owned(),
        AppEnd::Kept { .. } => "its definition was removed, and its objects were kept".to_owned(),
        AppEnd::Unchanged => format!("{revision} does not change the app"),
        AppEnd::Running | AppEnd::Manual | AppEnd::Never | AppEnd::Paused | AppEnd::Pinned | AppEnd::Waits { .. } => {
            format!("in progress at {revision}")
        }
    };
    format!("- {}: {}: {what}", time(later.at), place(app, named(&later.end)))
}

fn needs(deletes: u32) -> String {
    if deletes == 1 { "1 deletion needs".to_owned() } else { format!("{deletes} deletions need") }
}

pub(super) fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
