//! Keeping mirrors compact: each fetch adds a pack, and many packs make every lookup slow.
//!
//! `git` does it where there is one. It is the only program that this module starts: with fixed arguments, without the
//! environment and without any configuration but the mirror's own. Without it the mirror is cloned anew.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::mirror::Mirror;
use super::{Mirrors, Remote, SourceError};

/// Where programs are looked for, as nothing of our own environment is passed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
                let cause = super::chain(&error);
                tracing::warn!(repo = %remote.repo, error = cause, "a mirror could not be made compact");
            }
        });
    }

    async fn compact(&self, mirror: &Arc<Mirror>, remote: &Remote, stop: &CancellationToken) -> Result<(), SourceError> {
        let lock = Arc::clone(&mirror.lock).lock_owned().await;
        if mirror.packs() < self.shared.config.repack_after {
            return Ok(());
        }
        if self.repack(mirror).await? {
            self.shared.open.invalidate(&mirror.repo);
            return Ok(());
        }
        let url = remote.checked()?;
        let (this, mirror, owned) = (self.clone(), Arc::clone(mirror), remote.clone());
        self.blocking(&remote.repo, stop, move |stop| {
            let _lock = lock;
            let connection = this.connection(&mirror, &owned, url, stop);
            mirror.replace(&this.shared, &connection, &BTreeSet::new()).map(drop)
        })
        .await
    }

    /// `false` where there is no `git`.
    async fn repack(&self, mirror: &Mirror) -> Result<bool, SourceError> {
        let failed = |error| SourceError::io(&mirror.repo, "git repack could not be run", error);
        let child = Command::new(&self.shared.config.git)
            .args(["repack", "-a", "-d", "-q"])
            .current_dir(mirror.dir())
            .env_clear()
            .env("PATH", PATH)
            .env("GIT_DIR", ".")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(true);
        }
        let text: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(400).collect();
        Err(SourceError::git(&mirror.repo, "git repack failed", text))
    }
}
