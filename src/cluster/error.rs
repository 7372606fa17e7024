//! The errors of requests to a cluster, and their classes.

use std::time::Duration;

use crate::class::{Class, Classified};
use crate::ids::ClusterName;
use crate::manifest::ObjectKey;
use crate::plan::{Cause, Conflict};

/// A request that did not end as asked, apart from what an apply may be refused for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    #[error("cluster {cluster}: {message}")]
    Configuration { cluster: ClusterName, message: String },
    #[error("cluster {cluster} could not be reached: {message}")]
    Unreachable { cluster: ClusterName, message: String },
    /// 429, more often than we waited for.
    #[error("cluster {cluster} rejects requests: too many requests")]
    TooMany { cluster: ClusterName, after: Duration },
    /// Others wait for its answers, and there was no room for one more.
    #[error("no request to cluster {cluster} could be sent within {seconds} s: {what}. Driftless retries")]
    Busy { cluster: ClusterName, what: &'static str, seconds: u64 },
    /// 5xx that are not the object's fault.
    #[error("cluster {cluster} failed ({status}): {message}")]
    Failed { cluster: ClusterName, status: u16, message: String, after: Option<Duration> },
    #[error("cluster {cluster} rejects the credentials: {message}")]
    Unauthorized { cluster: ClusterName, message: String },
    #[error("cluster {cluster} forbids it: {message}")]
    Forbidden { cluster: ClusterName, message: String },
    #[error("cluster {cluster} has no kind {kind} of {}", api(.group, .version))]
    UnknownKind { cluster: ClusterName, group: String, version: String, kind: String },
    #[error("{key} has no namespace, but its kind is namespaced")]
    NoNamespace { key: ObjectKey },
    #[error("{what:?} is not a valid name of an object or a namespace")]
    BadName { what: String },
    /// 409: a precondition did not hold, or the object changed meanwhile.
    #[error("cluster {cluster}: {message}")]
    Conflict { cluster: ClusterName, message: String },
    /// An admission webhook that has side effects: a dry-run can not ask it.
    #[error("{message}")]
    WebhookWithoutDryRun { message: String },
    /// Any other refusal.
    #[error("cluster {cluster} rejected the request ({status}): {message}")]
    Refused { cluster: ClusterName, status: u16, message: String },
    #[error("cluster {cluster} sent an answer that cannot be read: {message}")]
    Unreadable { cluster: ClusterName, message: String },
}

fn api(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

impl ClusterError {
    /// The error without what the server says, which may repeat what an object holds: for where nobody knows whose
    /// object that is. What RBAC refuses names no more than who asks for what.
    pub fn outline(&self) -> String {
        match self {
            Self::Failed { cluster, status, .. } => format!("cluster {cluster} failed ({status})"),
            Self::Conflict { cluster, .. } => format!("cluster {cluster}: conflict"),
            Self::WebhookWithoutDryRun { .. } => "an admission webhook does not support dry runs".to_owned(),
            Self::Refused { cluster, status, .. } => format!("cluster {cluster} rejected the request ({status})"),
            Self::Unreadable { cluster, .. } => format!("cluster {cluster} sent an answer that cannot be read"),
            Self::Configuration { .. }
            | Self::Unreachable { .. }
            | Self::TooMany { .. }
            | Self::Busy { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::UnknownKind { .. }
            | Self::NoNamespace { .. }
            | Self::BadName { .. } => self.to_string(),
        }
    }

    /// Whether the conversion webhook of a custom resource's kind gave no answer: the cluster may be well otherwise.
    pub fn is_conversion(&self) -> bool {
        let Self::Failed { message, .. } = self else { return false };
        message.trim_start_matches("Internal error occurred: ").starts_with("conversion webhook for ")
    }
}

impl Classified for ClusterError {
    fn class(&self) -> Class {
        match self {
            Self::TooMany { after, .. } => Class::Retry { after: Some(*after) },
            Self::Failed { after, .. } => Class::Retry { after: *after },
            // Credentials are rotated without any delivery that would tell.
            Self::Unreachable { .. }
            | Self::Busy { .. }
            | Self::Unauthorized { .. }
            | Self::Conflict { .. }
            | Self::Unreadable { .. } => Class::RETRY,
            Self::Configuration { .. }
            | Self::Forbidden { .. }
            | Self::UnknownKind { .. }
            | Self::NoNamespace { .. }
            | Self::BadName { .. }
            | Self::WebhookWithoutDryRun { .. }
            | Self::Refused { .. } => Class::Fail,
        }
    }
}

/// What an apply was refused for. No variant holds a text of the server about a Secret: such a text may contain its
/// values.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    #[error("the namespace {namespace} does not exist")]
    NamespaceMissing { namespace: String },
    #[error("the namespace {namespace} is being deleted")]
    NamespaceTerminating { namespace: String },
    #[error("the cluster has no kind {kind} of {}", api(.group, .version))]
    UnknownKind { group: String, version: String, kind: String },
    /// The object does not have the form of its kind: an unknown field, a wrong type, a list key that stands twice.
    #[error("{message}")]
    Malformed { message: String, causes: Vec<Cause> },
    /// Values that the server does not take.
    #[error("{message}")]
    Invalid { message: String, causes: Vec<Cause> },
    /// Like `Invalid`, and every cause is a field that can not change: the object can only be replaced.
    #[error("{message}")]
    Immutable { message: String, causes: Vec<Cause> },
    /// Other managers own these fields, and the apply was not forced.
    #[error("other managers own {} of its fields", .conflicts.len())]
    Conflicts { conflicts: Vec<Conflict> },
    /// The object changed while it was applied.
    #[error("the object was changed in the meantime: {message}")]
    Stale { message: String },
    /// An admission webhook that has side effects: it can not be asked by a dry-run.
    #[error("{message}")]
    WebhookWithoutDryRun { message: String },
    /// Refused by policy or by RBAC.
    #[error("{message}")]
    Forbidden { message: String },
    /// Any other refusal of this object.
    #[error("{message}")]
    Refused { message: String },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl ApplyError {
    /// Whether an admission webhook could not be asked.
    pub fn is_unanswered_webhook(&self) -> bool {
        matches!(self, Self::Cluster(ClusterError::Failed { message, .. }) if message.starts_with(NO_WEBHOOK))
    }

    /// The server's text where it may name what is missing or in the way. None where it quotes values of the manifest,
    /// which can say anything; what a webhook or a policy says is known by how it begins. That a webhook was not
    /// reached would be tried again.
    pub fn may_name_others(&self) -> Option<&str> {
        match self {
            Self::Forbidden { message } | Self::Refused { message } => Some(message),
            Self::Cluster(ClusterError::Failed { message, .. }) if self.is_unanswered_webhook() => Some(message),
            _ => None,
        }
    }
}

/// How the server begins where it could not ask a webhook.
const NO_WEBHOOK: &str = "Internal error occurred: failed calling webhook ";

impl Classified for ApplyError {
    fn class(&self) -> Class {
        match self {
            Self::NamespaceTerminating { .. } | Self::Stale { .. } => Class::RETRY,
            Self::Cluster(error) => error.class(),
            Self::NamespaceMissing { .. }
            | Self::UnknownKind { .. }
            | Self::Malformed { .. }
            | Self::Invalid { .. }
            | Self::Immutable { .. }
            | Self::Conflicts { .. }
            | Self::WebhookWithoutDryRun { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. } => Class::Fail,
        }
    }
}

/// An error with all that caused it: most of kube's say only at which layer they arose.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
