//! The first line: what merging does.

use super::escape::span;
use crate::report::preview::{AppReport, AppResult, PreviewReport, Stopped};
use crate::report::words::count;

pub(super) fn text(report: &PreviewReport) -> String {
    match &report.stopped {
        Some(stopped) => stopped_text(stopped, &report.base_ref),
        None => merging(report),
    }
}

fn stopped_text(stopped: &Stopped, base: &str) -> String {
    match stopped {
        Stopped::MergeConflict { files } => {
            format!("**This cannot be merged:** it conflicts with {} in {}.", span(base), count(files.len(), "file"))
        }
        Stopped::UnrelatedHistory => format!("**This cannot be merged:** it shares no history with {}.", span(base)),
        Stopped::Fork => "**Not previewed:** this comes from a fork, and previews of forks are off.".into(),
        Stopped::Definitions { errors } => format!("**Merging would break the definitions of apps:** {}.", count(errors.len(), "error")),
        Stopped::Unavailable { .. } => "**What merging changes could not be found out yet.** It is tried again.".into(),
    }
}

fn merging(report: &PreviewReport) -> String {
    let counts = report.counts();
    let changed = report.apps_that(|app| app.counts().changes() > 0);
    let problems = problems(report);
    let mut text = match (report.apps_that(|_| true), changed) {
        (0, _) if report.not_checked.is_empty() => "Merging affects no app".to_owned(),
        (0, _) => "Merging affects no app that could be checked".to_owned(),
        // Only where everything was validated may it say that nothing changes.
        (all, 0) if problems.is_empty() => format!("Merging changes no object of {}", count(all, "affected app")),
        (all, 0) => format!("Merging affects {}", count(all, "app")),
        (_, changed) => format!("Merging changes {}", count(changed, "app")),
    };
    if counts.moves > 0 {
        text.push_str(&format!(" and moves {} from one app to another", count(counts.moves, "object")));
    }
    if counts.deletes > 0 {
        text.push_str(&format!(" and DELETES {}", count(counts.deletes, "object")));
    }
    if counts.replaces > 0 {
        text.push_str(&format!(" and REPLACES {}", count(counts.replaces, "object")));
    }
    for problem in problems {
        text.push_str("; ");
        text.push_str(&problem);
    }
    format!("**{text}.**")
}

fn problems(report: &PreviewReport) -> Vec<String> {
    let counts = report.counts();
    let apps = |which: fn(&AppReport) -> bool| report.apps_that(which);
    [
        (counts.rejected_by_server(), "the server rejects", "object"),
        (counts.not_allowed, "the configuration of Driftless does not allow", "object"),
        (counts.refused, "Driftless refuses", "object"),
        (apps(|app| matches!(app.result, AppResult::RenderFailed { .. })), "it breaks the render of", "app"),
        (apps(|app| matches!(app.result, AppResult::NotAllowed { .. })), "the destination is not allowed for", "app"),
        (apps(|app| matches!(app.result, AppResult::Unavailable { .. })), "nothing is known yet of", "app"),
        (counts.not_validated, "not validated:", "object"),
        (apps(|app| app.held_back.is_some()), "not applied by itself:", "app"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, what, word)| format!("{what} {}", count(number, word)))
    .collect()
}
