//! Why an operation on a remote failed, and its limits.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::protocol::transport::client::AuthenticationRequired;

/// How much a forge may make us wait and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For one whole operation.
    pub(super) total: Duration,
    /// Without a byte, and for the connection.
    pub(super) idle: Duration,
    /// For one answer.
    pub(super) bytes: u64,
}

/// Why the last request failed, kept here because Git's side passes on only a text.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer's code, and how long it asks us to wait.
    Status(u16, Option<Duration>),
    Redirect(String),
    Network(reqwest::Error),
    TimedOut(String),
    TooLarge(u64),
    Cancelled,
}

/// The failure of an operation, shared between its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome(Arc<Mutex<Option<Failure>>>);

impl Outcome {
    pub(super) fn set(&self, failure: Failure) -> io::Error {
        let error = match &failure {
            Failure::Status(401, _) => {
                io::Error::new(io::ErrorKind::PermissionDenied, AuthenticationRequired::default())
            }
            other => io::Error::other(format!("{other:?}")),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        error
    }

    pub(super) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
