//! Limits the concurrent requests to a cluster: the configured number, and fewer while it responds with 429.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After this many answers in a row without a 429 one more request may run at once again.
const CALM: usize = 50;

/// A semaphore whose size follows what the cluster can take: it shrinks by one with each 429 and grows back slowly,
/// never above the configured size and never below one.
#[derive(Debug)]
pub(super) struct Limiter {
    permits: Arc<Semaphore>,
    most: usize,
    size: AtomicUsize,
    calm: AtomicUsize,
}

pub(super) struct Permit(OwnedSemaphorePermit);

impl Limiter {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { permits: Arc::new(Semaphore::new(most)), most, size: AtomicUsize::new(most), calm: AtomicUsize::new(0) }
    }

    /// Waits for a free place. None when the cluster is being dropped.
    pub(super) async fn acquire(&self) -> Option<Permit> {
        Arc::clone(&self.permits).acquire_owned().await.ok().map(Permit)
    }

    /// Gives a place back after an answer that was not a 429.
    pub(super) fn calm(&self, permit: Permit) {
        drop(permit);
        if self.size.load(Ordering::Relaxed) >= self.most || self.calm.fetch_add(1, Ordering::Relaxed) + 1 < CALM {
            return;
        }
        self.calm.store(0, Ordering::Relaxed);
        let grow = |size| (size < self.most).then_some(size + 1);
        if self.size.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_ok() {
            self.permits.add_permits(1);
        }
    }

    /// Takes the place of a request that was answered with a 429 away, unless it is the last one.
    pub(super) fn too_many(&self, permit: Permit) {
        self.calm.store(0, Ordering::Relaxed);
        let shrink = |size: usize| (size > 1).then(|| size - 1);
        if self.size.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shrink).is_ok() {
            permit.0.forget();
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_shrinks_to_one_and_grows_back_to_what_was_configured() {
        let limiter = Limiter::new(3);
        for left in [2, 1, 1, 1] {
            let permit = limiter.acquire().await.expect("open");
            limiter.too_many(permit);
            assert_eq!((limiter.size(), limiter.permits.available_permits()), (left, left));
        }
        for _ in 0..CALM * 5 {
            let permit = limiter.acquire().await.expect("open");
            limiter.calm(permit);
        }
        assert_eq!((limiter.size(), limiter.permits.available_permits()), (3, 3));
    }
}
