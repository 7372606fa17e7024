//! What a person has to agree to: deletions and replacements that are held after the merge, or approved before it.

use super::document::{Block, Document};
use super::escape::span;
use super::outcome;
use crate::report::preview::{AppReport, PreviewReport};

pub(super) fn write(report: &PreviewReport, app: &AppReport, document: &mut Document) {
    if let (Some(by), Some(_)) = (&app.approved_by, &report.outcome) {
        let name = span(&app.app.name);
        document.head(Block::Lines(format!("The deletions in {name} were approved by {} before the merge.", span(by))));
        return;
    }
    // What is rejected has to be mended first: there is nothing to confirm before.
    if app.destructive.is_empty() || !report.applies(&app.app) || outcome::is_decided(report, app) {
        return;
    }
    let reasons: Vec<String> = app.destructive.iter().map(|reason| format!("- {}", span(reason))).collect();
    let (name, reasons) = (span(&app.app.name), reasons.join("\n"));
    // Whoever copies the command has read what it does.
    let text = match &app.approved_by {
        Some(by) => {
            format!("**The deletions in {name} are approved by {}: merging makes them.**\n\n{reasons}", span(by))
        }
        None => format!(
            "**After the merge, the deletions in {name} are held until you confirm them; everything else is applied.**\n\n\
             {reasons}\n\nTo approve them before the merge, comment {}. To confirm them after it: {}",
            span(&format!("/driftless approve {}", app.app.name)),
            span(&format!("driftless sync {} --allow-destructive", app.app))
        ),
    };
    document.head(Block::Lines(text));
}
