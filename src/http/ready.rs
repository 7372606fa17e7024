//! Readiness: each part holds a handle while it starts, and drops it when it has started.

use std::sync::{Arc, Mutex, PoisonError};

/// Who is not ready yet.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<&'static str>>>);

/// Keeps the server from being ready until it is dropped.
#[derive(Debug)]
#[must_use = "the server is ready as soon as this is dropped"]
pub struct Initialising {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// `name` is shown to whoever asks why the server is not ready.
    pub fn begin(&self, name: &'static str) -> Initialising {
        self.with(|waiting| waiting.push(name));
        Initialising { name, readiness: self.clone() }
    }

    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.with(|waiting| waiting.clone())
    }

    fn with<T>(&self, use_list: impl FnOnce(&mut Vec<&'static str>) -> T) -> T {
        use_list(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Initialising {
    fn drop(&mut self) {
        self.readiness.with(|waiting| {
            if let Some(index) = waiting.iter().position(|name| *name == self.name) {
                waiting.swap_remove(index);
            }
        });
    }
}
