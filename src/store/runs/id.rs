//! The names of runs. Later ones are greater, also as text, and also within one millisecond.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Builder;

use crate::random::Random;

/// So many runs may begin within one millisecond: the counter is what stands before the random part.
const TURNS: u16 = 1 << 12;

/// Names one run: a UUID of version 7. Earlier releases began it with the milliseconds as a decimal number, which
/// compares as greater: what is older is told by when it started, and by the name only among those of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// For an id that was stored or typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a run began, and how many had begun in the same millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    millis: u64,
    turn: u16,
}

impl Moment {
    /// The next one, as of `now`. It comes after this one, also where the clock was set back.
    fn next(self, now: i64) -> Self {
        let now = u64::try_from(now).unwrap_or_default();
        match self.turn + 1 {
            _ if now > self.millis => Self { millis: now, turn: 0 },
            TURNS => Self { millis: self.millis + 1, turn: 0 },
            turn => Self { millis: self.millis, turn },
        }
    }

    fn id(self, random: [u8; 8]) -> RunId {
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&self.turn.to_be_bytes());
        rest[2..].copy_from_slice(&random);
        let id = Builder::from_unix_timestamp_millis(self.millis, &rest);
        RunId(id.into_uuid().to_string())
    }
}

/// Names the runs of one store.
pub(in crate::store) struct RunIds {
    last: Mutex<Moment>,
    random: Arc<dyn Random>,
}

impl RunIds {
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { last: Mutex::default(), random }
    }

    /// For a run that begins at `now`, in milliseconds since 1970.
    pub fn next(&self, now: i64) -> RunId {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.next(now);
        last.id(self.random.bytes())
    }
}

#[cfg(test)]
mod tests {
    use uuid::{Uuid, Version};

    use super::*;
    use crate::random::{FixedRandom, SystemRandom};

    /// R7: the order in which runs begin is that of their names: within a millisecond, after more than fit into one,
    /// and with a clock that goes back.
    #[test]
    fn r7_names_are_in_the_order_in_which_runs_begin() {
        let ids = RunIds::new(Arc::new(SystemRandom));
        let times = std::iter::repeat_n(1_764_544_106_000, 10_000).chain([1_764_544_106_001, 1_764_544_100_000, 0, -1]);
        let made: Vec<RunId> = times.map(|now| ids.next(now)).collect();
        assert!(made.is_sorted_by(|a, b| a.as_str() < b.as_str()));
    }

    #[test]
    fn r7_a_name_is_a_uuid_of_version_7_made_of_what_was_injected() {
        let ids = RunIds::new(Arc::new(FixedRandom([0xff; 8])));
        let made = [ids.next(1_764_544_106_000), ids.next(1_764_544_106_000), ids.next(1_764_544_106_001)];
        assert_eq!(
            made.each_ref().map(RunId::as_str),
            [
                "019ad706-4e10-7000-bfff-ffffffffffff",
                "019ad706-4e10-7001-bfff-ffffffffffff",
                "019ad706-4e11-7000-bfff-ffffffffffff"
            ]
        );
        for id in &made {
            let parsed: Uuid = id.as_str().parse().expect("a UUID");
            assert_eq!(parsed.get_version(), Some(Version::SortRand));
        }
    }
}
