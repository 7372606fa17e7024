//! Drift and heals in words. Pure.

use std::collections::BTreeMap;

use crate::manifest::ObjectId;
use crate::plan::{Action, Change, Plan, Verdict, is_destructive};
use crate::sync::Remains;
use crate::sync::heal::{DriftedFields, Judgement};

/// What is different and stays so, and who made it so, in words; what the server refuses to change back is among it.
pub(super) fn found(judgement: &Judgement, plan: &Plan) -> String {
    let told = || judgement.drifted.iter().filter(|drifted| !drifted.is_refused);
    let mut parts: Vec<String> = told().map(|drifted| differs(drifted, "is missing", "differs")).collect();
    let known = |change: &Change| told().any(|drifted| drifted.object == change.key.id());
    for change in plan.changes.iter().filter(|change| !known(change)) {
        match &change.verdict {
            Verdict::Rejected { message, .. } => parts.push(format!("{} is rejected: {message}", change.key)),
            _ if is_replacement(change) => {
                parts.push(format!("{} differs in a way that needs a replacement", change.key));
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
            Some(format!("{} is rejected: {message}", change.key))
        }
        _ => None,
    });
    judgement.surrender().into_iter().chain(refused).collect::<Vec<_>>().join("; ")
}

/// What is about to be put back.
pub(super) fn to_heal(judgement: &Judgement) -> Option<String> {
    let parts: Vec<String> =
        to_be_healed(judgement).map(|drifted| differs(drifted, "was missing", "differed")).collect();
    (!parts.is_empty()).then(|| format!("to be healed: {}", parts.join("; ")))
}

/// What was different and has been put back, as the answers to the applies say; what has not been is told apart from
/// it, and so is what others have added and stays.
pub(super) fn healed(judgement: &Judgement, remains: &BTreeMap<ObjectId, Remains>) -> Option<String> {
    let (mut healed, mut not, mut stays) = (Vec::new(), Vec::new(), Vec::new());
    for drifted in to_be_healed(judgement) {
        let Some(Remains { unchanged, added }) = remains.get(&drifted.object) else {
            healed.push(differs(drifted, "was missing", "differed"));
            continue;
        };
        let (still, fields) = drifted.fields.iter().cloned().partition(|field| unchanged.contains(field));
        let of =
            |fields: Vec<String>| Some(DriftedFields { fields, ..drifted.clone() }).filter(|of| !of.fields.is_empty());
        healed.extend(of(fields).map(|of| differs(&of, "was missing", "differed")));
        not.extend(
            of(still).map(|of| format!("not healed: {}, even after the apply", differs(&of, "is missing", "differs"))),
        );
        stays.extend(added.iter().map(|added| format!("{}: {added}", drifted.object)));
    }
    let healed = (!healed.is_empty()).then(|| format!("healed: {}", healed.join("; ")));
    let parts: Vec<String> = healed.into_iter().chain(not).chain(stays).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// What others have added and stays after a sync.
pub(super) fn stays(remains: &BTreeMap<ObjectId, Remains>) -> Option<String> {
    let of = |(object, remains): (&ObjectId, &Remains)| {
        remains.added.iter().map(|added| format!("{object}: {added}")).collect::<Vec<_>>()
    };
    let parts: Vec<String> = remains.iter().flat_map(of).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn to_be_healed(judgement: &Judgement) -> impl Iterator<Item = &DriftedFields> {
    judgement.drifted.iter().filter(|drifted| !judgement.given_up.contains(&drifted.object))
}

fn differs(drifted: &DriftedFields, gone: &str, differs: &str) -> String {
    let what = if drifted.is_refused {
        differs.to_owned()
    } else if drifted.is_gone() {
        gone.to_owned()
    } else {
        format!("{differs} in {}", drifted.fields.join(", "))
    };
    let by = drifted.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
    format!("{} {what}{by}", drifted.object)
}

/// Whether a change takes more along than it may without confirmation, so that it is never healed by itself.
pub(super) fn is_replacement(change: &Change) -> bool {
    change.action == Action::Replace && is_destructive(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B24+: `healed` is said of nothing that is as it was, and what stays is named.
    #[test]
    fn what_was_not_healed_is_not_told_as_healed() {
        let object = |name: &str| ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        };
        let drifted = |name: &str, fields: &[&str]| DriftedFields {
            object: object(name),
            fields: fields.iter().map(ToString::to_string).collect(),
            is_refused: false,
            by: Some("kubectl-edit".into()),
            healed_before: 0,
            lost_owners: Vec::new(),
        };
        let judgement = Judgement {
            drifted: vec![
                drifted("a", &["spec.replicas", "spec.paused"]),
                drifted("b", &[]),
                drifted("c", &["spec.x"]),
            ],
            ..Judgement::default()
        };
        let remains = BTreeMap::from([
            (object("a"), Remains { unchanged: vec!["spec.paused".into()], added: Vec::new() }),
            (object("c"), Remains { unchanged: Vec::new(), added: vec!["spec.x[y] stays: it was added by z".into()] }),
        ]);
        let told = healed(&judgement, &remains).expect("told");
        insta::assert_snapshot!(told.replace("; ", "\n").replace("Deployment shop/", "D "), @r"
        healed: D a differed in spec.replicas, by kubectl-edit
        D b was missing, by kubectl-edit
        D c differed in spec.x, by kubectl-edit
        not healed: D a differs in spec.paused, by kubectl-edit, even after the apply
        D c: spec.x[y] stays: it was added by z
        ");
    }
}
