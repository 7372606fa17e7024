//! Tells Git's blocking side to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Both say the same, as Git's side only knows the flag.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) token: CancellationToken,
    pub(super) flag: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn with(cancel: &CancellationToken) -> Self {
        Self { token: cancel.child_token(), flag: Arc::default() }
    }
}

/// Work that nobody waits for any more stops.
pub(super) struct StopOnDrop(pub(super) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.flag.store(true, Ordering::SeqCst);
        self.0.token.cancel();
    }
}
