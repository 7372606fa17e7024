//! What a refused dry-run means for a plan. Pure.

use std::collections::HashSet;

use crate::class::{Class, Classified};
use crate::cluster::ApplyError;
use crate::manifest::ObjectKey;
use crate::plan::{Cause, NotValidated, Verdict};

/// The verdict on the object, or the error where the object is not at fault. `coming` are the namespaces that the plan itself makes.
pub(super) fn verdict(key: &ObjectKey, error: ApplyError, coming: &HashSet<String>) -> Result<Verdict, ApplyError> {
    let rejected = |message: String, causes: Vec<Cause>| Verdict::Rejected { message, causes };
    Ok(match error {
        ApplyError::NamespaceMissing { namespace } if coming.contains(&namespace) => {
            Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace } }
        }
        ApplyError::NamespaceMissing { namespace } => {
            rejected(format!("The namespace {namespace} does not exist, and nothing in this change makes it."), Vec::new())
        }
        ApplyError::UnknownKind { group, version, kind } => {
            let group = if group.is_empty() { "the core group" } else { &group };
            rejected(
                format!("The cluster does not know kind {kind} in version {version} of {group}, and no CRD in this change defines it."),
                Vec::new(),
            )
        }
        ApplyError::WebhookWithoutDryRun { message } => Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message } },
        ApplyError::Malformed { message, causes } | ApplyError::Invalid { message, causes } => rejected(message, causes),
        ApplyError::Immutable { message, causes } => {
            rejected(format!("{message}. {key} can only be changed by deleting it first."), causes)
        }
        ApplyError::Forbidden { message } | ApplyError::Refused { message } => rejected(message, Vec::new()),
        ApplyError::Cluster(error) if error.class() == Class::Fail => rejected(error.to_string(), Vec::new()),
        error @ (ApplyError::NamespaceTerminating { .. }
        | ApplyError::Stale { .. }
        | ApplyError::Conflicts { .. }
        | ApplyError::Cluster(_)) => return Err(error),
    })
}
