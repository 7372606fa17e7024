//! Waits, for a bounded time, until a commit from a webhook can be fetched: a webhook may be faster than the forge's
//! replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ids::Oid;
use crate::source::{Mirrors, Remote, SourceError};

/// Longer than replicas lag on a normal day; after it, what is there counts, and the poll brings the rest.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Fetches the refs until `hint` can be seen in the mirror. A ref that is not there is None.
pub(in crate::jobs) async fn fetch(
    mirrors: &Mirrors,
    remote: &Remote,
    refs: &[String],
    hint: Option<&Oid>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, Option<Oid>>, SourceError> {
    // What a forge tells of in 64 digits can't be fetched, now or later.
    if hint.is_some_and(|hint| hint.as_str().len() == 64) {
        return Err(SourceError::Sha256 { repo: remote.repo.clone() });
    }
    let mut fetched = mirrors.fetch(remote, refs, cancel).await?;
    let Some(hint) = hint else { return Ok(fetched) };
    for pause in PAUSES {
        if mirrors.has_commit(&remote.repo, hint).await {
            break;
        }
        tracing::debug!(repo = %remote.repo, commit = %hint, "a pushed commit is not visible yet");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => return Err(SourceError::Cancelled { repo: remote.repo.clone() }),
        }
        fetched = mirrors.fetch(remote, refs, cancel).await?;
    }
    Ok(fetched)
}
