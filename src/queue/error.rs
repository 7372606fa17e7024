//! The errors of the queue and of jobs.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::class::{Class, Classified};
use crate::store::{SqlError, StoreError};

#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    #[error("the job queue is full ({pending} pending); retry later")]
    Overloaded { pending: usize },
    /// One commit serves several callers, so all of them share its error.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<SqlError> for QueueError {
    fn from(error: SqlError) -> Self {
        StoreError::from(error).into()
    }
}

impl Classified for QueueError {
    fn class(&self) -> Class {
        match self {
            Self::Overloaded { .. } => Class::Retry { after: Some(Duration::from_secs(5)) },
            Self::Store(error) => error.class(),
        }
    }
}

/// Why a job did not succeed: whatever error of a module, with its class.
///
/// It is no `std::error::Error` itself, so that `?` turns every classified error into one.
#[derive(Debug)]
pub struct JobError {
    pub class: Class,
    shown: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl JobError {
    pub fn new(class: Class, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { class, shown: false, source: source.into() }
    }

    /// People have been told of it, as a part of what was shown: the job is tried again all the same, and nothing is
    /// reported in its place.
    #[must_use]
    pub fn shown(self) -> Self {
        Self { shown: true, ..self }
    }

    /// The same error in other words, for one whose text may quote what must not be shown.
    #[must_use]
    pub fn reworded(self, reword: impl FnOnce(&str) -> String) -> Self {
        let text = reword(&self.message());
        Self { source: text.into(), ..self }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// The error itself, for a handler that words its own report.
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self.source.as_ref()
    }

    /// The error with the errors that led to it, leaving out those that an outer one already quotes.
    pub fn message(&self) -> String {
        let mut text = self.source.to_string();
        let mut inner = self.source.source();
        while let Some(error) = inner {
            let detail = error.to_string();
            if !text.contains(&detail) {
                let _ = write!(text, ": {detail}");
            }
            inner = error.source();
        }
        text
    }
}

impl<E: std::error::Error + Classified + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self { class: error.class(), shown: false, source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the forge did not answer")]
    struct Outer(#[source] std::io::Error);

    impl Classified for Outer {
        fn class(&self) -> Class {
            Class::RETRY
        }
    }

    #[test]
    fn a_job_error_tells_the_whole_chain_once() {
        let error = JobError::from(Outer(std::io::Error::other("connection reset")));
        assert_eq!(error.class, Class::RETRY);
        assert_eq!(error.message(), "the forge did not answer: connection reset");
    }
}
