//! What one job keeps in memory for the next: caches and hints that may be lost when the process ends.

pub(in crate::jobs) mod could;
pub(in crate::jobs) mod definitions;
pub(in crate::jobs) mod looked;
pub(in crate::jobs) mod looked_through;
pub(in crate::jobs) mod unclaimed;
pub(in crate::jobs) mod unrecorded;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ids::AppId;

/// One thing per app that one job leaves for another. Bounded by the number of apps.
pub struct Remembered<T>(Mutex<BTreeMap<AppId, T>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Remembered<T> {
    pub fn put(&self, app: &AppId, thing: T) {
        self.lock().insert(app.clone(), thing);
    }

    pub fn get(&self, app: &AppId) -> Option<T> {
        self.lock().get(app).cloned()
    }

    pub fn forget(&self, app: &AppId) {
        self.lock().remove(app);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AppId, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
