//! Compacts mirrors: each fetch adds a pack, and many packs make every lookup slow.
//!
//! Uses `git` if it is installed; otherwise the mirror is cloned again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::chain;
use super::mirror::Mirror;
use super::program::{self, Call, ProgramError};
use super::{Mirrors, Remote, SourceError};

/// For one mirror; fetches into it wait meanwhile.
const REPACK: Duration = Duration::from_mins(30);

impl Mirrors {
    /// Compacts in the background, so that the fetch that was one too many does not wait for it. The next fetch does.
    pub(super) fn compact_if_due(&self, mirror: &Arc<Mirror>, remote: &Remote) {
        if mirror.packs() < self.shared.config.repack_after || self.shared.tasks.soft().is_cancelled() {
            return;
        }
        let (this, mirror, remote) = (self.clone(), Arc::clone(mirror), remote.clone());
        self.shared.tasks.spawn("compact a mirror", async move {
            let stop = this.shared.tasks.soft().clone();
            let done = tokio::select! {
                done = this.compact(&mirror, &remote, &stop) => done,
                () = stop.cancelled() => return,
            };
            if let Err(error) = done {
                let cause = chain(&error);
                tracing::warn!(repo = %remote.repo, error = cause, "a mirror could not be compacted");
            }
        });
    }

    async fn compact(
        &self,
        mirror: &Arc<Mirror>,
        remote: &Remote,
        stop: &CancellationToken,
    ) -> Result<(), SourceError> {
        let lock = Arc::clone(&mirror.lock).lock_owned().await;
        if mirror.packs() < self.shared.config.repack_after {
            return Ok(());
        }
        if self.repack(mirror).await? {
            self.shared.open.close(&mirror.repo);
            return Ok(());
        }
        let url = remote.checked()?;
        let (this, mirror, owned) = (self.clone(), Arc::clone(mirror), remote.clone());
        self.blocking(&remote.repo, stop, move |stop| {
            let _lock = lock;
            let connection = this.connection(&mirror, &owned, url, stop);
            mirror.replace(&this.shared.open, &connection, &BTreeSet::new()).map(drop)
        })
        .await
    }

    /// `false` where there is no `git`.
    async fn repack(&self, mirror: &Mirror) -> Result<bool, SourceError> {
        let config = &self.shared.config;
        let call = Call {
            git: &config.git,
            dir: mirror.dir(),
            args: &["repack", "-a", "-d", "-q"],
            objects: None,
            deadline: REPACK,
        };
        match program::run(&call, &CancellationToken::new()).await {
            Ok(answer) if answer.code == Some(0) => Ok(true),
            Ok(answer) => Err(SourceError::git(&mirror.repo, "git repack failed", answer.complaint())),
            Err(ProgramError::Missing(_)) => Ok(false),
            Err(error) => Err(SourceError::git(&mirror.repo, "git repack could not be run", error)),
        }
    }
}
