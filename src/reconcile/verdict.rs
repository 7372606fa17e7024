//! What a rejected dry run means for a plan. Pure.

use crate::class::{Class, Classified};
use crate::cluster::ApplyError;
use crate::plan::siblings::without_namespace;
use crate::plan::{Cause, NotValidated, PreparedObject, REPLACE_ANNOTATION, Siblings, Verdict};

/// The verdict on the object, or the error where the object is not at fault. `coming` is what all apps of the change
/// bring.
pub(super) fn verdict(wanted: &PreparedObject, error: ApplyError, coming: &Siblings) -> Result<Verdict, ApplyError> {
    let key = &wanted.key;
    let rejected = |message: String, causes: Vec<Cause>| Verdict::Rejected { message, causes };
    if let Some(needs) = error.may_name_others().and_then(|text| coming.needed_by(key, &wanted.manifest, text)) {
        return Ok(Verdict::NotValidated { reason: NotValidated::SiblingInPlan { needs } });
    }
    Ok(match error {
        ApplyError::NamespaceMissing { namespace } if coming.has_namespace(&namespace) => {
            Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace } }
        }
        ApplyError::NamespaceMissing { namespace } => rejected(without_namespace(&namespace), Vec::new()),
        ApplyError::UnknownKind { group, version, kind } => {
            if let Some(crd) = coming.crds().get(&group, &kind) {
                return Ok(Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd: crd.name.clone() } });
            }
            let group = if group.is_empty() { "the core group" } else { &group };
            rejected(
                format!(
                    "The cluster does not know kind {kind} in version {version} of {group}, and no CRD in this change \
                     defines it."
                ),
                Vec::new(),
            )
        }
        ApplyError::WebhookWithoutDryRun { message } => {
            Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message } }
        }
        ApplyError::Malformed { message, causes } | ApplyError::Invalid { message, causes } => {
            rejected(message, causes)
        }
        ApplyError::Immutable { message, causes } => {
            let hint = format!("To let Driftless do that, annotate it with `{REPLACE_ANNOTATION}: \"true\"`");
            rejected(format!("{message}. {key} can only be changed by deleting it first. {hint}."), causes)
        }
        ApplyError::Forbidden { message } | ApplyError::Refused { message } => rejected(message, Vec::new()),
        ApplyError::Cluster(error) if error.class() == Class::Fail => rejected(error.to_string(), Vec::new()),
        error @ (ApplyError::NamespaceTerminating { .. }
        | ApplyError::Stale { .. }
        | ApplyError::Conflicts { .. }
        | ApplyError::Cluster(_)) => return Err(error),
    })
}
