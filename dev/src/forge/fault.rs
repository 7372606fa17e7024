//! What is to go wrong with requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiFault {
    /// The hourly limit is used up, and resets after so many seconds.
    PrimaryLimit {
        reset_after: u64,
    },
    /// Too fast; without a hint unless one is given.
    SecondaryLimit {
        retry_after: Option<u64>,
    },
    Status(u16),
    /// Never answers.
    Hang,
    /// Answers late.
    Slow(Duration),
    /// Closes the connection before it did anything.
    Reset,
    /// Does what was asked for, and closes the connection instead of saying so.
    LoseAnswer,
    /// Does what was asked for, and never answers.
    Swallow,
    /// Sends the request on to a path below the API, as for a repository that was renamed.
    Redirect {
        to: String,
    },
    /// Says that the token is wrong.
    Unauthorized,
    /// Lists as they were so many entries ago: the newest are left out.
    Stale {
        newest: usize,
    },
}

#[derive(Debug)]
struct Rule {
    method: Option<Method>,
    path: String,
    times: usize,
    fault: ApiFault,
}

/// What is to go wrong; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    rules: VecDeque<Rule>,
    requests: Vec<String>,
}

/// Requests that are remembered.
const REMEMBERED: usize = 10_000;

impl Faults {
    /// The next `times` requests of this method (any, if none) whose path has `path` in it fail like this.
    pub fn add(&self, method: Option<Method>, path: &str, times: usize, fault: ApiFault) {
        self.lock().rules.push_back(Rule { method, path: path.to_owned(), times, fault });
    }

    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// `METHOD PATH` of each request to the API so far, faults included.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with this request, which is noted.
    pub(super) fn strike(&self, request: &Request) -> Option<ApiFault> {
        let mut inner = self.lock();
        let line = format!("{} {}", request.method(), request.uri());
        if inner.requests.len() < REMEMBERED {
            inner.requests.push(line);
        }
        let path = request.uri().path();
        let rule = inner.rules.iter_mut().find(|rule| {
            rule.times > 0
                && path.contains(&rule.path)
                && rule.method.as_ref().is_none_or(|method| method == request.method())
        })?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }
}

/// How many of the newest entries a list leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stale(pub usize);
