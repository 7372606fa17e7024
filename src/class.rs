//! The class of an error: the only thing about it that the worker needs to know.

use std::time::Duration;

/// The class of an error decides what the worker does with the job that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Our side, the network, the cluster or the forge is at fault: try again later, not before `after` if it is known.
    Retry { after: Option<Duration> },
    /// The change or the configuration is at fault: trying the same again gives the same answer.
    Fail,
    /// Superseded, stopping or paused: nobody's fault, and no attempt was used up.
    Cancelled,
}

impl Class {
    /// A retry with no hint when.
    pub const RETRY: Self = Self::Retry { after: None };

    pub fn is_retry(self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}

/// Implemented by every module's error.
pub trait Classified {
    fn class(&self) -> Class;
}
