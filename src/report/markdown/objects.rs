//! The lower half: each object that changes, folded, with its diff.

use super::document::{Block, Document};
use super::escape::{html, span};
use crate::plan::{Action, RefusedBy, TakeOver, Verdict};
use crate::report::preview::{AppReport, ObjectReport};

pub(super) fn write(app: &AppReport, document: &mut Document) {
    let heading = format!("#### {} on {}", span(&app.app.name), span(app.cluster.as_str()));
    for object in app.objects() {
        if let Some(diff) = &object.diff {
            let block = Block::Fold { summary: summary(object), notes: notes(object), language: "diff", text: diff.to_string() };
            document.may(&heading, block);
        }
    }
}

fn summary(object: &ObjectReport) -> String {
    let taken_over = matches!(object.takes_over, Some(TakeOver::HandedOver { .. }));
    let word = match object.action {
        _ if taken_over => "take over",
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "<b>replace</b>",
        Action::Prune => "<b>delete</b>",
        Action::None => "keep",
    };
    let verdict = match object.verdict {
        Verdict::Accepted => "",
        Verdict::Rejected { .. } if object.refused_by == RefusedBy::Configuration => ", <b>not allowed</b>",
        Verdict::Rejected { .. } => ", <b>rejected</b>",
        Verdict::NotValidated { .. } => ", not validated",
    };
    format!("{word} {}{verdict}", html(&object.key.to_string()))
}

fn notes(object: &ObjectReport) -> String {
    let origin = object.origin.as_ref().map(|file| format!("From {}.", span(file)));
    let renamed = object.replaces_name.as_ref().map(|key| format!("Takes the place of {}.", span(&key.to_string())));
    origin.into_iter().chain(renamed).collect::<Vec<_>>().join(" ")
}
