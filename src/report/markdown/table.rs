//! One row per app: the effect of merging, in numbers and notes.

use super::document::{Block, Document};
use super::escape::cell;
use super::outcome;
use crate::report::preview::{AppEnd, AppReport, AppResult, DefinitionChange, HeldBack, PreviewReport};

pub(super) fn write(report: &PreviewReport, document: &mut Document) {
    if report.apps.is_empty() {
        return;
    }
    let confirms = |app: &AppReport| report.applies(&app.app) && !outcome::is_decided(report, app);
    let cells = |app| row(app, waits_for_people(report, app), confirms(app));
    let rows: Vec<[String; 8]> = report.apps.iter().map(cells).collect();
    // A column that says nothing of any app is left out.
    let says = |column: usize| rows.iter().any(|row| !row[column].is_empty());
    let columns: Vec<usize> = (0..HEADER.len()).filter(|column| says(*column)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| format!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    let titles = line(&mut columns.iter().map(|column| HEADER[*column].0));
    let rules: String = columns.iter().map(|column| format!("|{}", HEADER[*column].1)).collect();
    let rows = rows.iter().map(|row| line(&mut columns.iter().map(|column| row[*column].as_str()))).collect();
    document.must(Block::Table { head: format!("{titles}\n{rules}|"), rows });
}

/// The columns of the table, each with how it is aligned.
const HEADER: [(&str, &str); 8] = [
    ("App", "---"),
    ("Cluster", "---"),
    ("Create", "--:"),
    ("Update", "--:"),
    ("Replace", "--:"),
    ("Delete", "--:"),
    ("Not validated", "--:"),
    ("Note", "---"),
];

/// Whether what is said to hold it back still does: a merge that was applied since was not held back.
fn waits_for_people(report: &PreviewReport, app: &AppReport) -> bool {
    let Some(outcome) = &report.outcome else { return true };
    let waits = |end: &AppEnd| {
        matches!(end, AppEnd::Paused | AppEnd::Pinned | AppEnd::Manual | AppEnd::Never | AppEnd::Waits { .. })
    };
    outcome.apps.iter().find(|one| one.app == app.app).is_none_or(|one| waits(&one.end))
}

fn row(app: &AppReport, waits_for_people: bool, confirms: bool) -> [String; 8] {
    let counts = app.counts();
    let number = |number: usize| if number == 0 { String::new() } else { number.to_string() };
    let deletes = if counts.deletes == 0 { String::new() } else { format!("**{}**", counts.deletes) };
    let mut remarks = Vec::new();
    remarks.extend(match &app.result {
        AppResult::Planned { .. } if counts.rejected > 0 => Some(format!("**rejected: {}**", counts.rejected)),
        AppResult::Planned { .. } => None,
        AppResult::RenderFailed { .. } => Some("**render error**".to_owned()),
        AppResult::NotAllowed { .. } => Some("**destination not allowed**".to_owned()),
        AppResult::Invalid { .. } => Some("**definition invalid**".to_owned()),
        AppResult::Unavailable { .. } => Some("**preview failed, retrying**".to_owned()),
    });
    remarks.extend(match app.definition {
        DefinitionChange::None => None,
        DefinitionChange::Added => Some("definition added here".to_owned()),
        DefinitionChange::Edited => Some("definition changed here".to_owned()),
        DefinitionChange::Repaired => Some("definition repaired here".to_owned()),
        DefinitionChange::Removed => Some("definition removed here".to_owned()),
    });
    remarks.extend(app.held_back.filter(|_| waits_for_people).map(|held_back| held_back_text(held_back, app)));
    if app.leaves {
        let has_left = app.definition == DefinitionChange::Removed;
        remarks.push(if has_left { "the app has left this cluster" } else { "the app leaves this cluster" }.to_owned());
    }
    let moves_away = app.objects().iter().filter(|object| object.moves_to.is_some()).count();
    for (number, what) in [(moves_away, "moves away"), (counts.moves - moves_away, "taken over")] {
        remarks.extend((number > 0).then(|| format!("{what}: {number}")));
    }
    if counts.renames > 0 {
        remarks.push(format!("under a new name: {}", counts.renames));
    }
    if !app.called_off.is_empty() {
        remarks.push(format!("cancelled: {}", app.called_off.len()));
    }
    if counts.kept > 0 {
        remarks.push(format!("kept for now: {}", counts.kept));
    }
    // What is rejected has to be mended first: nothing is to be confirmed before.
    if app.needs_approval() && confirms {
        remarks.push(match app.approved_by {
            Some(_) => "deletions approved".to_owned(),
            None => "**deletions need confirmation**".to_owned(),
        });
    }
    [
        cell(&app.app.name),
        cell(app.cluster.as_str()),
        number(counts.creates),
        number(counts.updates),
        number(counts.replaces),
        deletes,
        number(counts.not_validated),
        remarks.join(", "),
    ]
}

fn held_back_text(held_back: HeldBack, app: &AppReport) -> String {
    let text = match held_back {
        HeldBack::Paused => "**paused: applied after `driftless resume`**",
        HeldBack::Pinned => "**pinned: applied after `driftless resume`**",
        HeldBack::Manual => "synced by hand",
        HeldBack::Never => "`sync: never`",
        HeldBack::Owner => match &app.waits_for {
            Some(owner) => {
                return format!(
                    "**waits for {}, which {}: applied after {}**",
                    cell(&owner.app.to_string()),
                    owner.is_held(),
                    cell(&format!("driftless resume {}", owner.app))
                );
            }
            None => "waits for another app",
        },
    };
    text.to_owned()
}
