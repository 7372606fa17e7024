//! The rows that could not be read lately: each is named once in the log, and shown as long as it is met.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;
use crate::clock::Clock;

/// Lists are read at least this often.
const SHOWN: i64 = 2 * 3_600_000;
/// A store that is full of them is named by a few.
const MOST: usize = 1_000;

/// What was passed over; clones share it.
#[derive(Clone)]
pub(super) struct Skipped {
    clock: Arc<dyn Clock>,
    /// When each was met last, by its error.
    seen: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl Skipped {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, seen: Arc::default() }
    }

    /// The rows that can be read. One that cannot, because it was written by another version or by hand, is named and
    /// left out: it must not stop what has nothing to do with it.
    pub fn readable<T>(&self, rows: impl IntoIterator<Item = Result<T, StoreError>>) -> Vec<T> {
        rows.into_iter().filter_map(|row| row.inspect_err(|error| self.note(error)).ok()).collect()
    }

    /// A row was met that cannot be read.
    pub fn note(&self, error: &StoreError) {
        let (text, now) = (error.to_string(), self.clock.now_millis());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, last| *last > now - SHOWN);
        if seen.len() < MOST && seen.insert(text, now).is_none() {
            tracing::error!(%error, "a row of the store is skipped");
        }
    }

    /// Each row that was met lately, as its error names it.
    pub fn texts(&self) -> Vec<String> {
        let now = self.clock.now_millis();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|(_, last)| **last > now - SHOWN).map(|(text, _)| text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    /// S1: a row is shown while it is met, and no longer.
    #[test]
    fn s1_what_is_met_no_more_is_shown_no_more() {
        let clock = ManualClock::at_millis(1_000);
        let skipped = Skipped::new(Arc::new(clock.clone()));
        let bad = |row: &str| StoreError::corrupt(row, "is no object");
        let read: Vec<u8> = skipped.readable([Ok(1), Err(bad("row a")), Ok(2), Err(bad("row b")), Err(bad("row b"))]);
        assert_eq!(read, [1, 2]);
        assert_eq!(skipped.texts().len(), 2);
        clock.advance(Duration::from_hours(1));
        skipped.note(&bad("row b"));
        clock.advance(Duration::from_mins(90));
        assert!(matches!(&skipped.texts()[..], [one] if one.contains("row b")), "{:?}", skipped.texts());
    }
}
