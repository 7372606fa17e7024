//! After the merge: the outcome of each app.

use std::collections::BTreeMap;

use super::document::{Block, Document, Fold};
use super::ends::{before, called_off, deletion, line, replaced_by, rolled_back, time, were};
use super::escape::{html, span};
use super::places::{NAMED, handed_over, named, names, place};
use crate::forge::Flavour;
use crate::report::outcome::failure;
use crate::report::preview::{AppEnd, AppOutcome, AppReport, Outcome, PreviewReport};
use crate::report::words::{count, seconds};

pub(super) fn text(outcome: &Outcome) -> String {
    let merged = format!("Merged as {}", span(outcome.merged_as.short()));
    if outcome.apps.is_empty() && outcome.definitions.is_empty() {
        return format!("**{merged}**, which affected no app.");
    }
    let mut parts = Vec::new();
    if !outcome.definitions.is_empty() {
        parts.push(format!("{}; the apps defined there stay unchanged", wrong(outcome)));
    }
    let (over, failed): (Vec<&AppOutcome>, Vec<&AppOutcome>) =
        outcome.apps.iter().filter(|app| is_failed(app)).partition(|app| is_over(outcome, app));
    for (word, apps) in [("**FAILED** for", failed), ("failed at first, but applied since, for", over)] {
        if !apps.is_empty() {
            parts.push(format!("{word} {}", places(&apps)));
        }
    }
    let mut add = |word: &str, which: &dyn Fn(&AppEnd) -> bool| {
        let apps: Vec<&AppOutcome> = outcome.apps.iter().filter(|app| which(&app.end)).collect();
        if !apps.is_empty() {
            parts.push(format!("{word} {}", places(&apps)));
        }
    };
    add("not healthy yet:", &|end| matches!(end, AppEnd::Progressing { .. }));
    add("applied but **drifted** for", &|end| matches!(end, AppEnd::Drifted { .. }));
    let waiting: usize = outcome.apps.iter().map(|app| deletes(&app.end)).sum();
    let held = format!(
        "applied, but **{} confirmation** for",
        if waiting == 1 { "1 deletion needs".to_owned() } else { format!("{waiting} deletions need") }
    );
    add(&held, &|end| matches!(end, AppEnd::Waiting { .. }));
    add("applied, and **confirmed deletions** are in progress for", &|end| matches!(end, AppEnd::Confirmed { .. }));
    add("applied, and confirmed deletions are done for", &|end| matches!(end, AppEnd::Removed { lost: None, .. }));
    add("being applied for", &|end| matches!(end, AppEnd::Running));
    add("not applied (`sync: manual`):", &|end| matches!(end, AppEnd::Manual));
    add("not applied (`sync: never`):", &|end| matches!(end, AppEnd::Never));
    add("not applied (**paused**):", &|end| matches!(end, AppEnd::Paused));
    add("not applied (**pinned** to another revision):", &|end| matches!(end, AppEnd::Pinned));
    add("not applied (objects to take over belong to an app that is **paused** or **pinned**):", &|end| {
        matches!(end, AppEnd::Waits { .. })
    });
    add("nothing to apply for", &|end| matches!(end, AppEnd::Unchanged));
    add("**not applied** (reverted by a later commit):", &|end| matches!(end, AppEnd::Superseded { .. }));
    // How many: of those that a merge brought, some may have been done.
    let withdrawn = |was_confirmed: bool| -> u32 {
        let of = |app: &AppOutcome| match &app.end {
            AppEnd::Withdrawn { deletes, confirmed, .. } if *confirmed == was_confirmed => *deletes,
            _ => 0,
        };
        outcome.apps.iter().map(of).sum()
    };
    let word =
        |number: u32, one: &str, more: &str| if number == 1 { one.to_owned() } else { format!("{number} {more}") };
    let reverted =
        word(withdrawn(false), "1 deletion was reverted before it was", "deletions were reverted before they were");
    add(&format!("applied, and {reverted} confirmed, for"), &|end| {
        matches!(end, AppEnd::Withdrawn { confirmed: false, .. })
    });
    let cancelled = word(
        withdrawn(true),
        "1 deletion was **cancelled** before it was",
        "deletions were **cancelled** before they were",
    );
    add(&format!("applied, and {cancelled} done, for"), &|end| {
        matches!(end, AppEnd::Withdrawn { confirmed: true, .. })
    });
    add("applied, and **rolled back** to another revision, for", &|end| matches!(end, AppEnd::RolledBack { .. }));
    add(
        "definition removed, objects kept:",
        &|end| matches!(end, AppEnd::Kept { nothing: false, moves, stay } if moves.is_empty() || *stay),
    );
    add(
        "definition removed, no objects existed:",
        &|end| matches!(end, AppEnd::Kept { nothing: true, moves, .. } if moves.is_empty()),
    );
    add(
        "definition removed, objects move to other apps:",
        &|end| matches!(end, AppEnd::Kept { moves, stay: false, .. } if !moves.is_empty()),
    );
    let handed =
        |end: &AppEnd| matches!(end, AppEnd::Pruned { handed_over: to, left, .. } if *left > 0 || !to.is_empty());
    let has_deleted = |end: &AppEnd| matches!(end, AppEnd::Pruned { removed, .. } if *removed > 0);
    add("deleted with its objects:", &|end| matches!(end, AppEnd::Pruned { .. }) && !handed(end));
    add("removed, and its objects handed over to other apps:", &|end| handed(end) && !has_deleted(end));
    add("removed, and its objects deleted or handed over to other apps:", &|end| handed(end) && has_deleted(end));
    parts.extend(replaced(outcome));
    let slowest = outcome
        .apps
        .iter()
        .filter_map(|app| if let AppEnd::Healthy { after_seconds, .. } = app.end { Some(after_seconds) } else { None })
        .max();
    if let Some(slowest) = slowest {
        let apps: Vec<&AppOutcome> =
            outcome.apps.iter().filter(|app| matches!(app.end, AppEnd::Healthy { .. })).collect();
        parts.push(format!("applied for {}, healthy after {}", places(&apps), seconds(slowest)));
    }
    format!("**{merged}**: {}.", parts.join("; "))
}

/// What was applied and did not come to an end, by what has taken its place.
fn replaced(outcome: &Outcome) -> Vec<String> {
    let mut apps: BTreeMap<(&str, bool), Vec<&AppOutcome>> = BTreeMap::new();
    for app in &outcome.apps {
        if let AppEnd::Replaced { by, healthy } = &app.end {
            apps.entry((by.short(), *healthy)).or_default().push(app);
        }
    }
    let one = |((by, healthy), apps): ((&str, bool), Vec<&AppOutcome>)| {
        format!("applied for {}, and {}", places(&apps), replaced_by(by, healthy, apps.len()))
    };
    apps.into_iter().map(one).collect()
}

fn wrong(outcome: &Outcome) -> String {
    format!("**{} in app definitions**", count(outcome.definitions.len(), "error"))
}

fn definitions(outcome: &Outcome, document: &mut Document) {
    for error in &outcome.definitions {
        document.head(folded("Error in a definition".into(), error));
    }
}

/// Whether what was held of a merge is confirmed, done or called off by now: there is nothing left to confirm.
pub(super) fn is_decided(report: &PreviewReport, app: &AppReport) -> bool {
    let all = report.outcome.iter().flat_map(|outcome| &outcome.apps);
    // What it waits for beside that, and what fails, says nothing about what was held.
    let decides = |end: &AppEnd| match end {
        AppEnd::Waiting { .. } => Some(false),
        end => is_decision(end).then_some(true),
    };
    let ends = all
        .filter(|one| one.app == app.app)
        .flat_map(|one| std::iter::once(&one.end).chain(one.later.iter().map(|later| &later.end)));
    ends.filter_map(decides).next_back().unwrap_or_default()
}

fn is_decision(end: &AppEnd) -> bool {
    matches!(
        end,
        AppEnd::Healthy { .. }
            | AppEnd::Confirmed { .. }
            | AppEnd::Removed { .. }
            | AppEnd::Withdrawn { .. }
            | AppEnd::Superseded { .. }
            | AppEnd::Replaced { .. }
            | AppEnd::Unchanged
            | AppEnd::Kept { .. }
            | AppEnd::Pruned { .. }
    )
}

fn deletes(end: &AppEnd) -> usize {
    match end {
        AppEnd::Waiting { deletes, .. } => usize::try_from(*deletes).unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn places(apps: &[&AppOutcome]) -> String {
    let shown: Vec<String> = apps.iter().take(NAMED).map(|app| place(app, named(&app.end))).collect();
    match apps.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {}", shown.join(", "), count(more, "more app")),
    }
}

/// Which of the apps took objects over from others.
pub(super) fn taken_over(report: &PreviewReport, outcome: &Outcome) -> Option<String> {
    let healthy = |to: &str| {
        outcome.apps.iter().any(|app| matches!(app.end, AppEnd::Healthy { .. }) && app.app.to_string() == to)
    };
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
    definitions(outcome, document);
    for app in &outcome.apps {
        match &app.end {
            AppEnd::Failed { message } | AppEnd::Removed { lost: Some(message), .. } => {
                document.head(folded(
                    format!("Why {} failed on {}", html(&app.app.name), html(app.cluster.as_str())),
                    message,
                ));
            }
            AppEnd::Removed { lost: None, .. } | AppEnd::Confirmed { .. } => {
                document.head(about(app, &deletion(app, &app.end)));
            }
            AppEnd::Healthy { held, kept, .. } => {
                document.head_all(still_held(app, held).into_iter().chain(still_there(app, kept)));
            }
            AppEnd::Drifted { message } => {
                document.head(folded(
                    format!("Drift of {} on {}", html(&app.app.name), html(app.cluster.as_str())),
                    message,
                ));
            }
            AppEnd::Waiting { objects, held: others, kept, .. } => {
                let held = count(deletes(&app.end), "deletion");
                let command = span(&format!("driftless sync {} --allow-destructive", app.app));
                let which = if objects.is_empty() { String::new() } else { format!(" ({})", names(app, objects)) };
                document
                    .head(Block::Lines(format!("- {held} of {}{which}; to confirm: {command}", place(app, objects))));
                document.head_all(still_held(app, others).into_iter().chain(still_there(app, kept)));
            }
            AppEnd::Progressing { message, until } => {
                let until = until.map(|until| format!(", fails at {}", time(until))).unwrap_or_default();
                let why = if message.is_empty() {
                    "the state of its objects is not known yet".to_owned()
                } else {
                    span(message)
                };
                document.head(Block::Lines(format!(
                    "- {} on {} is not healthy yet{until}: {why}",
                    span(&app.app.name),
                    span(app.cluster.as_str())
                )));
            }
            AppEnd::Paused | AppEnd::Pinned => {
                document
                    .head(Block::Lines(format!("- to continue: {}", span(&format!("driftless resume {}", app.app)))));
            }
            AppEnd::Waits { owner, pinned } => {
                let is = if *pinned { "pinned" } else { "paused" };
                let owner = owner.to_string();
                let resume = span(&format!("driftless resume {owner}"));
                document.head(about(app, &format!("waits for {}, which is {is}; to continue: {resume}", span(&owner))));
            }
            AppEnd::Superseded { by } => {
                document.head(Block::Lines(format!(
                    "- {} on {}: reverted by {}",
                    span(&app.app.name),
                    span(app.cluster.as_str()),
                    span(by.short())
                )));
            }
            AppEnd::Manual => {
                document.head(Block::Lines(format!("- to sync: {}", span(&format!("driftless sync {}", app.app)))));
            }
            AppEnd::Pruned { by, handed_over: to, left, .. } => {
                let by = by.as_ref().map(|by| format!("deletions confirmed by {}", span(by)));
                let said: Vec<String> = handed_over(to, *left).into_iter().chain(by).collect();
                if !said.is_empty() {
                    document.head(about(app, &said.join("; ")));
                }
            }
            AppEnd::Withdrawn { objects, confirmed, by, .. } if !objects.is_empty() => {
                let off = called_off(app, objects, *confirmed, by.as_deref());
                document.head(about(app, &format!("{off}{}", before(*confirmed))));
            }
            AppEnd::RolledBack { to, by } => {
                document.head(about(app, &rolled_back(app, to.short(), by.as_deref())));
            }
            AppEnd::Running
            | AppEnd::Kept { .. }
            | AppEnd::Never
            | AppEnd::Unchanged
            | AppEnd::Replaced { .. }
            | AppEnd::Withdrawn { .. } => {}
        }
    }
    let later: Vec<String> =
        outcome.apps.iter().flat_map(|app| app.later.iter().map(move |later| line(app, later))).collect();
    if !later.is_empty() {
        document.head(Block::Lines("**Since then**".into()));
        document.head(Block::Lines(later.join("\n")));
    }
}

fn about(app: &AppOutcome, what: &str) -> Block {
    about_these(app, named(&app.end), what)
}

fn about_these(app: &AppOutcome, objects: &[String], what: &str) -> Block {
    Block::Lines(format!("- {}: {what}", place(app, objects)))
}

/// What an earlier change has brought, and nobody has confirmed.
fn still_held(app: &AppOutcome, held: &[String]) -> Option<Block> {
    let command = span(&format!("driftless sync {} --allow-destructive", app.app));
    let deletion = if held.len() == 1 { "deletion" } else { "deletions" };
    let text = format!(
        "the {deletion} of {}, removed by an earlier change, still needed confirmation then; to confirm: {command}",
        names(app, held)
    );
    (!held.is_empty()).then(|| about_these(app, held, &text))
}

/// What should be gone, and is not yet.
fn still_there(app: &AppOutcome, kept: &[String]) -> Option<Block> {
    let (it, wants) = if kept.len() == 1 { ("It is", "it") } else { ("They are", "them") };
    let text = format!(
        "{} {} **not deleted**. {it} kept until Driftless knows that no other app renders {wants}",
        names(app, kept),
        were(kept)
    );
    (!kept.is_empty()).then(|| about_these(app, kept, &text))
}

fn folded(summary: String, text: &str) -> Block {
    Block::Fold(Fold::new(summary, "text", text))
}

/// The comment of its own that tells people of a failure. None where nothing failed.
pub fn notice(outcome: &Outcome, flavour: &Flavour) -> Option<String> {
    let failed: Vec<&AppOutcome> = outcome.apps.iter().filter(|app| is_failed(app)).collect();
    // Whom it concerns may not be known yet.
    if (failed.is_empty() && outcome.definitions.is_empty()) || outcome.people.is_empty() {
        return None;
    }
    let mentions: Vec<String> =
        outcome.people.iter().filter(|login| is_login(login)).map(|login| format!("@{login}")).collect();
    let mentions = if mentions.is_empty() { String::new() } else { format!("{}: ", mentions.join(" ")) };
    let merged = span(outcome.merged_as.short());
    let mut document = Document::new(flavour);
    let mut what = Vec::new();
    if !failed.is_empty() {
        what.push(format!("the deployment **failed** for {}", places(&failed)));
    }
    if !outcome.definitions.is_empty() {
        what.push(format!("the commit has {}; the apps defined there stay unchanged", wrong(outcome)));
    }
    document.must(Block::Lines(format!("{mentions}after the merge as {merged}, {}.", what.join("; "))));
    definitions(outcome, &mut document);
    for app in failed {
        if let Some(message) = failure(&app.end) {
            document
                .head(folded(format!("Why {} failed on {}", html(&app.app.name), html(app.cluster.as_str())), message));
        }
    }
    document.parts(1, None).into_iter().next()
}

/// Whether the very commit of the merge was applied after it had failed. What a later commit mends was wrong.
fn is_over(outcome: &Outcome, app: &AppOutcome) -> bool {
    app.later.last().is_some_and(|later| {
        later.revision == outcome.merged_as
            && matches!(later.end, AppEnd::Progressing { .. } | AppEnd::Healthy { .. } | AppEnd::Waiting { .. })
    })
}

fn is_failed(app: &AppOutcome) -> bool {
    failure(&app.end).is_some()
}

/// What no forge has as a login mentions nobody.
fn is_login(login: &str) -> bool {
    !login.is_empty()
        && login.len() <= 255
        && login.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;
