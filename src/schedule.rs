//! The schedule: queues a check of every repo and every cluster at a fixed interval, independent of webhooks.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::by_hand;
use crate::queue::{Key, Queue, Request, Trigger};
use crate::store::Store;

/// After a start everything is checked once, spread over at most this long.
pub const FIRST_SPREAD: Duration = Duration::from_secs(5);
/// The jitter of each key, as a share of the interval, so that not all keys are due at once.
const JITTER: f64 = 0.1;

/// The intervals and their jitter.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub every: Duration,
    /// The first checks are spread over this long.
    pub first: Duration,
    pub seed: u64,
}

/// Queues each key at its pace, and once soon after the start. Ends with `stop`.
pub async fn run(queue: Queue, keys: Vec<Key>, pace: Pace, stop: CancellationToken) {
    let mut rng = StdRng::seed_from_u64(pace.seed);
    let mut next = first(keys, pace, &mut rng);
    while let Some(index) = earliest(&next) {
        let (at, key) = &next[index];
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(*at) => {}
        }
        if let Err(error) = queue.enqueue(&[Request::new(key.clone(), Trigger::Resync)]).await {
            tracing::error!(%key, %error, "the resync could not be queued; it will be at the next interval");
        }
        next[index].0 = Instant::now() + pace.every.mul_f64(1.0 + JITTER * (2.0 * rng.random::<f64>() - 1.0));
    }
}

/// How late a pause may end.
const PAUSES: Duration = Duration::from_secs(10);

/// Ends the pauses whose time is over. Ends with `stop`.
pub async fn end_pauses(store: Store, queue: Queue, stop: CancellationToken) {
    loop {
        if let Err(error) = by_hand::end_pauses(&store, &queue).await {
            tracing::error!(%error, "pauses that are over could not be ended; retrying");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSES) => {}
        }
    }
}

fn first(keys: Vec<Key>, pace: Pace, rng: &mut StdRng) -> Vec<(Instant, Key)> {
    let (now, spread) = (Instant::now(), pace.first.min(pace.every));
    let total = u32::try_from(keys.len()).unwrap_or(u32::MAX).max(1);
    keys.into_iter()
        .zip(0u32..)
        .map(|(key, index)| {
            let slot = spread / total;
            (now + slot * index + slot.mul_f64(rng.random()), key)
        })
        .collect()
}

fn earliest(next: &[(Instant, Key)]) -> Option<usize> {
    next.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(index, _)| index)
}
