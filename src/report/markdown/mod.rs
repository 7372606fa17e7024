//! The comment on a pull request. Pure: a report in, the texts of its parts out.
//!
//! It begins with the effect of merging. It never calls anything safe, and never says that nothing changes if an object
//! could not be validated. Every external text goes through `escape`.

mod commands;
mod compared;
mod document;
mod ends;
mod escape;
mod first_line;
mod head;
mod held;
mod highlights;
mod long;
mod objects;
mod outcome;
mod places;
mod reviewed;
mod table;
mod unvalidated;

pub use outcome::notice;

use super::preview::PreviewReport;
use crate::forge::{Flavour, GITHUB};
use crate::report::given::Given;
use document::Document;

/// The parts of the comment, in order, without the outbox's marker: at least one, and at most so many as the
/// configuration says. What does not fit is left to the command line. `commands`: those of its comments.
pub fn comment(report: &PreviewReport, commands: &[Given], most_parts: usize, flavour: &Flavour) -> Vec<String> {
    let command = report.number.map(|number| format!("driftless preview --pr {}#{number}", report.repo));
    let mut document = document(report, flavour);
    commands::write(commands, &mut document);
    document.parts(most_parts, command.as_deref())
}

/// The same text without a comment's limits, for the command line, whose word is "pull request" for all forges.
pub fn whole(report: &PreviewReport) -> String {
    document(report, &GITHUB).parts(usize::MAX, None).join("\n\n")
}

fn document(report: &PreviewReport, flavour: &Flavour) -> Document {
    let mut document = Document::new(flavour);
    head::write(report, &mut document);
    objects::write(report, &mut document);
    head::write_tail(report, &mut document);
    document
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
pub(crate) mod tests;
