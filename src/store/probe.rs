//! Whether the store can be written now, for readiness probes.

use std::time::Duration;

use tokio::time::Instant;

use super::StoreError;

/// How long the answer of a probe holds, so that asking often costs nothing.
const PROBED: Duration = Duration::from_secs(1);
/// Whoever asks for readiness does not wait as long as a job does.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// What the last probe of the writer found, for whoever asks soon after.
#[derive(Default)]
pub(super) struct Probe(tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>);

impl Probe {
    /// What `commit` comes to, or what it came to a moment ago.
    pub(super) async fn ask(&self, commit: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
        let mut last = self.0.lock().await;
        if let Some((at, result)) = last.as_ref()
            && at.elapsed() < PROBED
        {
            return result.clone().map_err(StoreError::NotWritable);
        }
        let result = match tokio::time::timeout(PROBE_LIMIT, commit).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the writing connection was not free within {} s", PROBE_LIMIT.as_secs())),
        };
        *last = Some((Instant::now(), result.clone()));
        result.map_err(StoreError::NotWritable)
    }
}
