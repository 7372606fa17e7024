//! What could not be validated before the merge: why, and what that means for it.

use super::document::{Block, Document};
use super::escape::span;
use crate::plan::{NotValidated, REPAIR_CONVERSION, Verdict};
use crate::report::preview::{AppReport, ObjectReport, PreviewReport};

const MEANS: &str = "A dry run cannot tell yet whether the cluster accepts these, which does not fail the check. The \
                     sync after the merge finds out: if the cluster rejects one of them, the sync fails, and that is \
                     reported here.";

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
    let Verdict::NotValidated { reason } = &object.verdict else { return None };
    Some(match reason {
        NotValidated::NamespaceInPlan { namespace } => {
            format!("its namespace {} comes with this change", span(namespace))
        }
        NotValidated::CrdInPlan { crd } => {
            format!("its definition {} comes or changes with this change", span(crd))
        }
        NotValidated::Drifted { message } => {
            format!(
                "the object was changed in the cluster, and the server refuses what is applied now as well: {}",
                span(message)
            )
        }
        NotValidated::SiblingInPlan { needs } => {
            format!("it needs {}, which comes with this change", span(&needs.to_string()))
        }
        NotValidated::LimitedInPlan { by } => {
            let by = span(&by.to_string());
            format!("{by}, which comes or gets stricter with this change, decides whether it is accepted")
        }
        NotValidated::Unread { message } => format!("it cannot be read: {}. {REPAIR_CONVERSION}", span(message)),
        NotValidated::Replaced => {
            "it is deleted and created again, and cannot be validated while the existing object is present".to_owned()
        }
        NotValidated::WebhookWithoutDryRun { message } => {
            format!("an admission webhook cannot be asked without effects: {}", span(message))
        }
    })
}
