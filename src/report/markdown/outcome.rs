//! After the merge: what became of it.

use std::collections::BTreeMap;

use super::document::{Block, Document};
use super::escape::{html, span};
use crate::report::preview::{AppEnd, AppOutcome, Outcome, PreviewReport};
use crate::report::words::{count, seconds};

/// How many apps of one sort the first line names.
const NAMED: usize = 5;

pub(super) fn text(outcome: &Outcome) -> String {
    let merged = format!("Merged as {}", span(outcome.merged_as.short()));
    if outcome.apps.is_empty() {
        return format!("**{merged}**, which affected no app.");
    }
    let mut parts = Vec::new();
    let mut add = |word: &str, which: fn(&AppEnd) -> bool| {
        let apps: Vec<&AppOutcome> = outcome.apps.iter().filter(|app| which(&app.end)).collect();
        if !apps.is_empty() {
            parts.push(format!("{word} {}", places(&apps)));
        }
    };
    add("**FAILED** for", |end| matches!(end, AppEnd::Failed { .. }));
    add("applied but **drifted** for", |end| matches!(end, AppEnd::Drifted { .. }));
    let waiting: usize = outcome.apps.iter().map(|app| deletes(&app.end)).sum();
    let held = format!(
        "applied, but **{} for a word** for",
        if waiting == 1 { "1 delete waits".to_owned() } else { format!("{waiting} deletes wait") }
    );
    add(&held, |end| matches!(end, AppEnd::Waiting { .. }));
    add("being applied for", |end| matches!(end, AppEnd::Running));
    add("to be synced by hand for", |end| matches!(end, AppEnd::Manual));
    add("no longer followed, with its objects left as they are:", |end| matches!(end, AppEnd::Kept));
    add("deleted with its objects:", |end| matches!(end, AppEnd::Pruned));
    let slowest = outcome
        .apps
        .iter()
        .filter_map(|app| if let AppEnd::Healthy { after_seconds } = app.end { Some(after_seconds) } else { None })
        .max();
    if let Some(slowest) = slowest {
        let apps: Vec<&AppOutcome> = outcome.apps.iter().filter(|app| matches!(app.end, AppEnd::Healthy { .. })).collect();
        parts.push(format!("applied for {}, healthy after {}", places(&apps), seconds(slowest)));
    }
    format!("**{merged}**: {}.", parts.join("; "))
}

fn deletes(end: &AppEnd) -> usize {
    match end {
        AppEnd::Waiting { deletes } => usize::try_from(*deletes).unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn places(apps: &[&AppOutcome]) -> String {
    let shown: Vec<String> =
        apps.iter().take(NAMED).map(|app| format!("{} on {}", span(&app.app.name), span(app.cluster.as_str()))).collect();
    match apps.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), count(more, "more app")),
    }
}

/// Which of the apps took objects over from others.
pub(super) fn taken_over(report: &PreviewReport, outcome: &Outcome) -> Option<String> {
    let healthy = |to: &str| outcome.apps.iter().any(|app| matches!(app.end, AppEnd::Healthy { .. }) && app.app.to_string() == to);
    let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
    for one in report.moves().into_iter().filter(|one| healthy(&one.to)) {
        *taken.entry((one.to, one.from)).or_default() += 1;
    }
    let line = |((to, from), number): ((String, String), usize)| {
        format!("{} took over {} from {}.", span(&to), count(number, "object"), span(&from))
    };
    let lines: Vec<String> = taken.into_iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

/// Why it failed, and what lets go on what waits.
pub(super) fn failures(outcome: &Outcome, document: &mut Document) {
    for app in &outcome.apps {
        match &app.end {
            AppEnd::Failed { message } => {
                document.head(folded(format!("Why {} failed on {}", html(&app.app.name), html(app.cluster.as_str())), message));
            }
            AppEnd::Drifted { message } => {
                document.head(folded(format!("What drifted of {} on {}", html(&app.app.name), html(app.cluster.as_str())), message));
            }
            AppEnd::Waiting { .. } => {
                let held = count(deletes(&app.end), "delete");
                let command = span(&format!("driftless sync {} --allow-destructive", app.app));
                document.head(Block::Lines(format!("- {held} of {} on {}: {command}", span(&app.app.name), span(app.cluster.as_str()))));
            }
            AppEnd::Manual => document.head(Block::Lines(format!("- {}", span(&format!("driftless sync {}", app.app))))),
            AppEnd::Running | AppEnd::Healthy { .. } | AppEnd::Kept | AppEnd::Pruned => {}
        }
    }
}

fn folded(summary: String, text: &str) -> Block {
    Block::Fold { summary, notes: String::new(), language: "text", text: text.to_owned() }
}
