//! The errors of a sync.

use std::time::Duration;

use crate::app::Refusal;
use crate::class::{Class, Classified};
use crate::cluster::{ApplyError, ClusterError};
use crate::manifest::ObjectKey;
use crate::plan::{Cause, RefusedBy};
use crate::store::StoreError;
use crate::store::inventory::ClaimError;

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Nothing was changed, as far as the stage had come that the error names.
    #[error("{}", rejected(.0))]
    Rejected(Vec<Rejection>),
    #[error(
        "{object} belongs to app {app} of the Driftless instance {instance}, and two apps cannot own one object: \
         remove it from one of them"
    )]
    OtherOwner { object: Box<ObjectKey>, app: String, instance: String },
    #[error(
        "{object} exists and is not managed by this app{}: set `adopt: true` in the app, or sync once with `--adopt`, \
         to take it over",
        .owner.as_ref().map(|owner| format!(" but by {owner}")).unwrap_or_default()
    )]
    NotAdopted { object: Box<ObjectKey>, owner: Option<String> },
    #[error(
        "the namespace {namespace} was deleted, and healing never creates a namespace: run `driftless sync {app}` to \
         create it"
    )]
    NamespaceGone { namespace: String, app: String },
    #[error("{}", failed(.0))]
    Apply(Vec<Failure>),
    #[error("{object} {message} after {} s: the objects that need it were not applied", .after.as_secs())]
    NotReady { object: Box<ObjectKey>, message: String, after: Duration },
    #[error("{object} still exists {} s after it was deleted to be replaced: {message}", .after.as_secs())]
    NotGone { object: Box<ObjectKey>, message: String, after: Duration },
    /// A rule of `allow` that is not there any more. What was done before stays done.
    #[error(transparent)]
    NotAllowed(Box<Refusal>),
    #[error(transparent)]
    Claim(Box<ClaimError>),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sync was cancelled")]
    Cancelled,
}

/// An object that the server does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub object: ObjectKey,
    pub origin: Option<String>,
    pub message: String,
    pub causes: Vec<Cause>,
    pub by: RefusedBy,
}

/// An object that could not be applied, although its dry-run had been accepted.
#[derive(Debug)]
pub struct Failure {
    pub object: ObjectKey,
    pub error: ApplyError,
    /// What became of it then, as a sentence without its dot.
    pub then: Option<String>,
}

impl Failure {
    pub fn new(object: &ObjectKey, error: ApplyError) -> Self {
        Self { object: object.clone(), error, then: None }
    }
}

/// How many objects a message names.
const NAMED: usize = 3;

fn rejected(rejections: &[Rejection]) -> String {
    let one = |rejection: &Rejection| {
        let place = rejection.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
        // Our own texts begin with the object.
        let message = rejection.message.trim_end_matches('.');
        match message.strip_prefix(&rejection.object.to_string()) {
            Some(rest) if rest.starts_with(' ') => format!("{}{place}{rest}", rejection.object),
            _ => format!("{}{place}: {message}", rejection.object),
        }
    };
    let (own, others): (Vec<_>, Vec<_>) = rejections.iter().partition(|one| one.by == RefusedBy::Driftless);
    let (not_allowed, refused): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|one| one.by == RefusedBy::Configuration);
    let mut parts = Vec::new();
    if !own.is_empty() {
        parts.push(format!("Driftless does not apply this: {}", listed(&own, |rejection| one(rejection))));
    }
    if !refused.is_empty() {
        parts.push(format!("the cluster rejects {}", listed(&refused, |rejection| one(rejection))));
    }
    if !not_allowed.is_empty() {
        parts.push(format!(
            "the configuration of Driftless does not allow {}",
            listed(&not_allowed, |rejection| one(rejection))
        ));
    }
    parts.join("; ")
}

fn failed(failures: &[Failure]) -> String {
    let then = |failure: &Failure| failure.then.as_ref().map(|then| format!(". {then}")).unwrap_or_default();
    format!(
        "could not apply {}",
        listed(failures, |failure| format!("{}: {}{}", failure.object, failure.error, then(failure)))
    )
}

fn listed<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let listed = items.iter().take(NAMED).map(text).collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(NAMED) {
        0 => listed,
        more => format!("{listed}; and {more} more"),
    }
}

impl SyncError {
    /// See [`ClusterError::outline`].
    pub fn outline(&self) -> String {
        match self {
            Self::Cluster(error) => error.outline(),
            error => error.to_string(),
        }
    }
}

impl From<Refusal> for SyncError {
    fn from(refusal: Refusal) -> Self {
        Self::NotAllowed(Box::new(refusal))
    }
}

impl From<ClaimError> for SyncError {
    fn from(error: ClaimError) -> Self {
        Self::Claim(Box::new(error))
    }
}

impl Classified for SyncError {
    fn class(&self) -> Class {
        match self {
            Self::Rejected(_)
            | Self::NotAllowed(_)
            | Self::OtherOwner { .. }
            | Self::NotAdopted { .. }
            | Self::NamespaceGone { .. } => Class::Fail,
            Self::Apply(failures) => worst(failures),
            Self::NotReady { .. } | Self::NotGone { .. } => Class::RETRY,
            Self::Claim(error) => error.class(),
            Self::Cluster(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Cancelled => Class::Cancelled,
        }
    }
}

/// One object that will never be taken makes the whole fail: trying again would only hide it.
fn worst(failures: &[Failure]) -> Class {
    let classes = failures.iter().map(|failure| failure.error.class());
    classes.reduce(|one, other| if one.is_retry() { other } else { one }).unwrap_or(Class::Fail)
}
