//! After the merge: where the applied changes differ from the preview.

use super::document::{Block, Document};
use super::escape::span;
use crate::report::preview::{Differs, DiffersAt, Outcome};
use crate::report::words::join;

/// How many objects of one app are named.
const NAMED: usize = 10;

pub(super) fn write(outcome: &Outcome, document: &mut Document) {
    if outcome.differs.is_empty() {
        return;
    }
    document.head(Block::Lines("**Not as previewed**".into()));
    let lines: Vec<String> = outcome.differs.iter().map(line).collect();
    document.head(Block::Lines(lines.join("\n")));
}

fn capital(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

fn line(one: &Differs) -> String {
    let app = span(&one.app.name);
    let why = match &one.at {
        DiffersAt::NeverPreviewed => "it was merged before it was previewed".to_owned(),
        DiffersAt::BaseMoved { from, to } => {
            format!("the base moved from {} to {} after the preview", span(from.short()), span(to.short()))
        }
        DiffersAt::Merge => "the merged files differ from the previewed ones".to_owned(),
        DiffersAt::Sync => "the cluster or the branch changed after the preview".to_owned(),
    };
    if one.at == DiffersAt::NeverPreviewed && !one.objects.is_empty() {
        return format!("- {app}: the merge {}. {}.", does(one), capital(&why));
    }
    if one.objects.is_empty() {
        return format!("- {app}: the merge could not be planned: {why}.");
    }
    let who = match &one.at {
        DiffersAt::Sync => "the sync",
        _ => "the merge",
    };
    format!("- {app}: {who} also {}, which the preview did not show: {why}.", does(one))
}

/// What is done to the objects, deletions first: `deletes A and changes B, C`.
fn does(one: &Differs) -> String {
    let verb = |object: &String| match object {
        object if one.deleted.contains(object) => "deletes",
        object if one.created.contains(object) => "creates",
        _ => "changes",
    };
    let part = |wanted: &str| {
        let objects: Vec<String> =
            one.objects.iter().filter(|object| verb(object) == wanted).map(|object| span(object)).collect();
        (!objects.is_empty()).then(|| format!("{wanted} {}", join(&objects, NAMED)))
    };
    let parts: Vec<String> = ["deletes", "creates", "changes"].into_iter().filter_map(part).collect();
    match parts.as_slice() {
        [first, second, third] => format!("{first}, {second} and {third}"),
        parts => parts.join(" and "),
    }
}
