//! The errors of a render, and their classes.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;

use crate::class::{Class, Classified};
use crate::trace::Trace;
use crate::tree::TreeError;

/// What is wrong with the input, where, and the way out. Lines and columns count from 1 and are only there where they
/// are certain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Failure {
    pub message: String,
    /// From the root of the repository.
    pub file: Option<String>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `apps/web/a.yaml:3:7: message (hint)`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            for number in [self.line, self.column].into_iter().map_while(|number| number) {
                write!(f, ":{number}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A render that made nothing.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The input is at fault: it can't be rendered, or needs more than it may have. The trace says what would have to
    /// change for another answer.
    #[error("{failure}")]
    Failed { failure: Box<Failure>, trace: Box<Trace> },
    /// A worker could not be started in its box.
    #[error("the renderer's worker could not be started: {0}")]
    Start(String),
    #[error("cannot communicate with the renderer's worker")]
    Pipe(#[from] io::Error),
    /// The launcher started something else, or another version of it.
    #[error("the renderer's worker speaks another protocol: {0}")]
    Protocol(String),
    #[error("too many renders are waiting for a worker")]
    Overloaded,
    #[error(
        "the render did not begin within {seconds} s, because other renders take all workers that are left to this \
         repo. Driftless retries"
    )]
    Busy { seconds: u64 },
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What a render needs beside its tree cannot be had: a ref of another repo, or what the cluster serves.
    #[error("{message}")]
    Missing { message: String, class: Class },
    #[error("the render was cancelled")]
    Cancelled,
}

impl RenderError {
    /// What the input has to answer for, where it does.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            RenderError::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// What was looked at before it failed.
    pub fn trace(&self) -> Option<&Trace> {
        match self {
            RenderError::Failed { trace, .. } => Some(trace),
            _ => None,
        }
    }
}

impl Classified for RenderError {
    fn class(&self) -> Class {
        match self {
            RenderError::Failed { .. } => Class::Fail,
            RenderError::Cancelled => Class::Cancelled,
            RenderError::Missing { class, .. } => *class,
            RenderError::Overloaded => Class::Retry { after: Some(Duration::from_secs(1)) },
            RenderError::Busy { .. }
            | RenderError::Start(_)
            | RenderError::Pipe(_)
            | RenderError::Protocol(_)
            | RenderError::Tree(_) => Class::RETRY,
        }
    }
}
