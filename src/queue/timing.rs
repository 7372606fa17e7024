//! How long events are debounced, and how long a failed job waits.

use std::time::Duration;

/// How the queue behaves; the defaults are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// A key is due when no event came for this long…
    pub quiet: Duration,
    /// …or when the first event is this old.
    pub maximum: Duration,
    /// Jobs that run at once.
    pub workers: usize,
    /// How long another process has to wait before it takes a job whose worker is silent.
    pub lease: Duration,
    /// A job that has been failing for longer is reported, and tried on.
    pub give_up: Duration,
    /// A run that takes longer is cancelled, and tried again.
    pub longest_run: Duration,
    /// Deliveries are refused while more jobs than this wait.
    pub max_pending: usize,
    /// A job is set aside when so many processes in a row have ended while it was running.
    pub most_kills: i64,
    /// How long a look that nobody but the schedule asks for stays set aside.
    pub set_aside: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(1),
            maximum: Duration::from_secs(15),
            workers: 16,
            lease: Duration::from_secs(30),
            give_up: Duration::from_mins(10),
            longest_run: Duration::from_hours(1),
            max_pending: 50_000,
            most_kills: 3,
            set_aside: Duration::from_hours(1),
        }
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// The pause before the attempt that follows `attempt` failed ones: doubled each time, from a second to five minutes.
///
/// `jitter` is in 0..1 and moves it by up to a quarter, so that what failed together is not tried together.
pub fn backoff(attempt: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(LONGEST).mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0)).clamp(FIRST, LONGEST)
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let seconds: Vec<_> = (1..=10).map(|attempt| backoff(attempt, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST);
        assert_eq!(backoff(0, 0.0), FIRST);
    }

    #[test]
    fn jitter_moves_a_pause_by_a_quarter() {
        assert_eq!(backoff(4, 0.0), Duration::from_secs(6));
        assert_eq!(backoff(4, 1.0), Duration::from_secs(10));
    }
}
