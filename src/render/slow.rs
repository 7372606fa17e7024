//! Inputs that took long and failed: they are not rendered again at once, whoever requests it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::error::{Failure, RenderError};
use crate::trace::Trace;
use crate::tree::Tree;

/// A failure that took less is found again as quickly.
pub(super) const SLOW: Duration = Duration::from_secs(2);

/// How long an input is left alone after its first failure, and doubled with each one, at most. A machine that was busy
/// may be idle later.
const FIRST: Duration = Duration::from_mins(10);
const LONGEST: Duration = Duration::from_hours(6);

/// What an entry of a trace weighs beside its path.
const ENTRY: usize = 250;

const BYTES: u64 = 8 << 20;

/// Inputs that are remembered for one question: a branch and a few pull requests.
const PER_KEY: usize = 8;

pub(super) struct Slow(Cache<String, Arc<Vec<Arc<Known>>>>);

struct Known {
    trace: Trace,
    failure: Failure,
    times: Mutex<(u32, Instant)>,
}

impl Slow {
    pub(super) fn new() -> Self {
        let weigh = |key: &String, all: &Arc<Vec<Arc<Known>>>| {
            let paths = all.iter().flat_map(|known| known.trace.iter());
            let bytes: usize = paths.map(|(path, _)| path.len() + ENTRY).sum();
            u32::try_from(key.len() + bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(BYTES).weigher(weigh).build())
    }

    /// The failure of an input that looked the same, while it is to be left alone.
    pub(super) async fn find(&self, key: &str, tree: &Arc<dyn Tree>) -> Result<Option<RenderError>, RenderError> {
        let Some(all) = self.0.get(key) else { return Ok(None) };
        let (tree, now) = (Arc::clone(tree), Instant::now());
        let looked = tokio::task::spawn_blocking(move || {
            for known in all.iter().filter(|known| known.until() > now) {
                if known.trace.differs(tree.as_ref())?.is_none() {
                    return Ok(Some(known.error()));
                }
            }
            Ok(None)
        });
        looked.await.map_err(|error| RenderError::Start(error.to_string()))?
    }

    /// Remembers a failure that took `took`.
    pub(super) fn note(&self, key: String, error: &RenderError, took: Duration) {
        let RenderError::Failed { failure, trace } = error else { return };
        if took < SLOW {
            return;
        }
        let known = self.0.get(&key).unwrap_or_default();
        if let Some(same) = known.iter().find(|known| known.trace == **trace) {
            same.again();
            return;
        }
        let newest = Known {
            trace: (**trace).clone(),
            failure: (**failure).clone(),
            times: Mutex::new((1, Instant::now() + FIRST)),
        };
        let all = std::iter::once(Arc::new(newest)).chain(known.iter().take(PER_KEY - 1).cloned());
        self.0.insert(key, Arc::new(all.collect()));
    }
}

impl Known {
    fn until(&self) -> Instant {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn again(&self) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let left_alone = FIRST.saturating_mul(1 << times.0.min(16)).min(LONGEST);
        *times = (times.0 + 1, Instant::now() + left_alone);
    }

    fn error(&self) -> RenderError {
        RenderError::Failed { failure: Box::new(self.failure.clone()), trace: Box::new(self.trace.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Asked;
    use crate::tree::memory::MemoryTree;

    fn failed(path: &str) -> RenderError {
        let mut trace = Trace::default();
        trace.record(path, Asked::Missing);
        RenderError::Failed { failure: Box::new(Failure::new("did not end")), trace: Box::new(trace) }
    }

    /// X9: the same input does not loop again and again; another one, and the same one much later, does.
    #[tokio::test(start_paused = true)]
    async fn an_input_that_took_long_is_left_alone_for_a_while() -> Result<(), RenderError> {
        let slow = Slow::new();
        let same: Arc<dyn Tree> = Arc::new(MemoryTree::new());
        let other: Arc<dyn Tree> = Arc::new(MemoryTree::new().file("a", "b"));
        slow.note("key".into(), &failed("a"), Duration::from_millis(10));
        assert!(slow.find("key", &same).await?.is_none(), "that was quick");
        slow.note("key".into(), &failed("a"), SLOW);
        assert!(slow.find("key", &same).await?.is_some());
        assert!(slow.find("key", &other).await?.is_none(), "another input");
        assert!(slow.find("other", &same).await?.is_none(), "another question");
        tokio::time::advance(FIRST).await;
        assert!(slow.find("key", &same).await?.is_none(), "the machine may have been busy");
        slow.note("key".into(), &failed("a"), SLOW);
        tokio::time::advance(FIRST).await;
        assert!(slow.find("key", &same).await?.is_some(), "twice as long");
        for _ in 0..40 {
            slow.note("key".into(), &failed("a"), SLOW);
        }
        tokio::time::advance(LONGEST).await;
        assert!(slow.find("key", &same).await?.is_none());
        Ok(())
    }
}
