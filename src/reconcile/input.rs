//! The input and the errors of a plan.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use crate::app::{Allow, App};
use crate::class::{Class, Classified};
use crate::cluster::{ApplyError, ClusterError};
use crate::ids::{AppId, Oid};
use crate::manifest::{Manifest, ObjectId, ObjectKey};
use crate::plan::{Marks, Plan, Siblings};

/// An app at one revision.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    pub app: &'a App,
    pub marks: &'a Marks,
    /// What the repo that defines the app may touch.
    pub allow: &'a Allow,
    pub revision: &'a Oid,
    pub manifests: &'a [Manifest],
    pub inventory: &'a [Owned],
    /// Whether an object is known to be as this manifest says, so that nothing has to be asked: its id, and the hash
    /// that [`crate::plan::Desired`] would have.
    pub unchanged: &'a (dyn Fn(&ObjectId, &str) -> bool + Sync),
    /// Objects that apps of the same repo have until now and are known to let go.
    pub handed_over: Option<&'a BTreeMap<ObjectId, AppId>>,
    /// Whether objects that exist without our mark may be taken over, by the app's `adopt` or for this run.
    pub adopt: bool,
    /// Whether what is live may be shown whosever it is: who asks has read it with rights of their own.
    pub reveals: bool,
    /// What other apps of the same change bring to the cluster.
    pub siblings: Option<&'a Siblings>,
}

/// An object of the app's inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub id: ObjectId,
    /// None while it is claimed and was never applied.
    pub uid: Option<String>,
    /// [`crate::plan::Desired::hash`] of the last apply.
    pub manifest_hash: Option<String>,
    /// The version that the last apply left. An object that still has it has not to be read, as it is known to be ours
    /// and as we left it; then its change has no `before`. None where what is live is to be shown or looked at.
    pub resource_version: Option<String>,
    /// A Job that has completed: when it is gone, it was cleaned up, and is not missed.
    pub done: bool,
    /// An earlier change has removed it, and its delete needs confirmation: a later change is not what deletes it.
    pub held: bool,
}

/// The two lenses of a preview.
#[derive(Debug, Clone)]
pub struct ChangePlan {
    /// What the change does. Only objects that differ between its sides are in it, so only they can fail a gate.
    pub changes: Plan,
    /// What is different already: drift, or pending while the base is not applied yet.
    pub already: Plan,
    /// What of it is made and counted by a quota.
    pub counted: BTreeSet<ObjectId>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// An answer about one object that is not the object's fault.
    #[error("{key}: {source}")]
    Object { key: ObjectKey, source: ApplyError },
    #[error("the plan was cancelled")]
    Cancelled,
}

/// Runs to the end or until it is cancelled.
pub(super) async fn until<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, ReconcileError>>,
) -> Result<T, ReconcileError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ReconcileError::Cancelled),
        done = work => done,
    }
}

impl ReconcileError {
    /// Whether only an admission webhook gave no answer.
    pub(super) fn is_unanswered_webhook(&self) -> bool {
        matches!(self, Self::Object { source, .. } if source.is_unanswered_webhook())
    }

    /// Whether the conversion webhook of a kind gave no answer.
    pub(super) fn is_conversion(&self) -> bool {
        match self {
            Self::Cluster(error) | Self::Object { source: ApplyError::Cluster(error), .. } => error.is_conversion(),
            Self::Object { .. } | Self::Cancelled => false,
        }
    }
}

impl Classified for ReconcileError {
    fn class(&self) -> Class {
        match self {
            Self::Cluster(error) => error.class(),
            Self::Object { source, .. } => source.class(),
            Self::Cancelled => Class::Cancelled,
        }
    }
}
