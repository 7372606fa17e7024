//! Objects that could not be validated before the merge: the reason, and what it means.

use super::document::{Block, Document};
use super::escape::span;
use crate::plan::Verdict;
use crate::report::preview::{AppReport, ObjectReport, PreviewReport};

const MEANS: &str = "A dry run cannot tell yet whether the cluster accepts these objects. This does not fail the \
     check. If the cluster rejects one of them after the merge, the sync fails, and the failure is reported here.";

pub(super) fn write(report: &PreviewReport, document: &mut Document) {
    let lines: Vec<String> = report.apps.iter().flat_map(of_app).collect();
    if lines.is_empty() {
        return;
    }
    document.tail(Block::Lines("**Not validated**".into()));
    // It is no forecast any more once it is merged.
    if report.outcome.is_none() {
        document.tail(Block::Lines(MEANS.into()));
    }
    document.tail(Block::Lines(lines.join("\n")));
}

fn of_app(app: &AppReport) -> Vec<String> {
    let line = |object: &ObjectReport| {
        Some(format!("- {} of {}: {}", span(&object.key.to_string()), span(&app.app.name), why(object)?))
    };
    app.objects().iter().filter_map(line).collect()
}

/// Why an object could not be validated; None where it could.
pub(super) fn why(object: &ObjectReport) -> Option<String> {
    match &object.verdict {
        Verdict::NotValidated { reason } => Some(reason.describe(span)),
        Verdict::Accepted | Verdict::Rejected { .. } => None,
    }
}
