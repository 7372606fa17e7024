//! What a look found different and what was put back, in words. Pure.

use crate::plan::{Action, Change, Plan, Verdict, is_destructive};
use crate::sync::heal::{DriftedFields, Judgement};

/// What is different and stays so, and who made it so, in words; what the server refuses to change back is among it.
pub(super) fn found(judgement: &Judgement, plan: &Plan) -> String {
    let mut parts: Vec<String> =
        judgement.drifted.iter().map(|drifted| differs(drifted, "is gone", "differs")).collect();
    let known = |change: &Change| judgement.drifted.iter().any(|drifted| drifted.object == change.key.id());
    for change in plan.changes.iter().filter(|change| !known(change)) {
        match &change.verdict {
            Verdict::Rejected { message, .. } => parts.push(format!("{} is refused: {message}", change.key)),
            _ if is_replacement(change) => {
                parts.push(format!("{} differs so that it would have to be replaced", change.key));
            }
            _ => {}
        }
    }
    format!("drift: {}", parts.join("; "))
}

/// What a heal does not put back: lost fights, and what the server refuses.
pub(super) fn not_healed(judgement: &Judgement, plan: &Plan) -> String {
    let refused = plan.changes.iter().filter_map(|change| match &change.verdict {
        Verdict::Rejected { message, .. } if !judgement.given_up.contains(&change.key.id()) => {
            Some(format!("{} is refused: {message}", change.key))
        }
        _ => None,
    });
    judgement.surrender().into_iter().chain(refused).collect::<Vec<_>>().join("; ")
}

/// What was different and has been put back.
pub(super) fn healed(judgement: &Judgement) -> Option<String> {
    let healed = judgement.drifted.iter().filter(|drifted| !judgement.given_up.contains(&drifted.object));
    let parts: Vec<String> = healed.map(|drifted| differs(drifted, "was gone", "differed")).collect();
    (!parts.is_empty()).then(|| format!("healed: {}", parts.join("; ")))
}

fn differs(drifted: &DriftedFields, gone: &str, differs: &str) -> String {
    let what =
        if drifted.fields.is_empty() { gone.to_owned() } else { format!("{differs} in {}", drifted.fields.join(", ")) };
    let by = drifted.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
    format!("{} {what}{by}", drifted.object)
}

/// Whether a change takes more along than it may without confirmation, so that it is never healed by itself.
pub(super) fn is_replacement(change: &Change) -> bool {
    change.action == Action::Replace && is_destructive(change)
}
