//! What a refused dry-run means for a plan. Pure.

use std::collections::HashSet;

use crate::class::{Class, Classified};
use crate::cluster::ApplyError;
use crate::manifest::ObjectKey;
use crate::plan::{Cause, Crds, NotValidated, REPLACE_ANNOTATION, Verdict};

/// What a plan itself makes, and other objects of it need.
pub(super) struct Coming {
    pub(super) namespaces: HashSet<String>,
    pub(super) crds: Crds,
}

/// The verdict on the object, or the error where the object is not at fault.
pub(super) fn verdict(key: &ObjectKey, error: ApplyError, coming: &Coming) -> Result<Verdict, ApplyError> {
    let rejected = |message: String, causes: Vec<Cause>| Verdict::Rejected { message, causes };
    Ok(match error {
        ApplyError::NamespaceMissing { namespace } if coming.namespaces.contains(&namespace) => {
            Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace } }
        }
        ApplyError::NamespaceMissing { namespace } => {
            rejected(format!("The namespace {namespace} does not exist, and nothing in this change makes it."), Vec::new())
        }
        ApplyError::UnknownKind { group, version, kind } => {
            if let Some(crd) = coming.crds.get(&group, &kind) {
                return Ok(Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd: crd.name.clone() } });
            }
            let group = if group.is_empty() { "the core group" } else { &group };
            rejected(
                format!("The cluster does not know kind {kind} in version {version} of {group}, and no CRD in this change defines it."),
                Vec::new(),
            )
        }
        ApplyError::WebhookWithoutDryRun { message } => Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message } },
        ApplyError::Malformed { message, causes } | ApplyError::Invalid { message, causes } => rejected(message, causes),
        ApplyError::Immutable { message, causes } => {
            let hint = format!("to have that done for it, annotate it with `{REPLACE_ANNOTATION}: \"true\"`");
            rejected(format!("{message}. {key} can only be changed by deleting it first; {hint}."), causes)
        }
        ApplyError::Forbidden { message } | ApplyError::Refused { message } => rejected(message, Vec::new()),
        ApplyError::Cluster(error) if error.class() == Class::Fail => rejected(error.to_string(), Vec::new()),
        error @ (ApplyError::NamespaceTerminating { .. }
        | ApplyError::Stale { .. }
        | ApplyError::Conflicts { .. }
        | ApplyError::Cluster(_)) => return Err(error),
    })
}
