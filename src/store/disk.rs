//! Flushes commits to the disk. One flush serves all callers that wait for it.
//!
//! A commit survives the end of the process by itself, together with all earlier ones. A power failure may lose the
//! last commits, which is acceptable for most: a finished job runs once more and finds nothing to do. Callers wait here
//! if a promise depends on a commit: before a forge is told that its delivery is safe, and before an object is written.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

/// How long a disk may take.
const WAIT: Duration = Duration::from_secs(30);

/// The log that commits are appended to.
pub(super) struct Disk {
    log: PathBuf,
    /// The last try failed, and it is not known what of the log is on disk.
    doubt: AtomicBool,
    /// How many have asked.
    asked: AtomicU64,
    /// How many of these have been served. Held while the disk works.
    served: Mutex<u64>,
}

impl Disk {
    /// Of the store at `path`, which is open: its log is there, and so it stays.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        // That the files are there has to survive as well.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(Self {
            log: PathBuf::from(name),
            doubt: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            served: Mutex::default(),
        })
    }

    /// Returns once everything that was committed before the call is on disk.
    pub(super) async fn sync(&self) -> io::Result<()> {
        let synced = tokio::time::timeout(WAIT, self.sync_when_due()).await;
        synced.unwrap_or_else(|_| {
            // What becomes of what is under way nobody will hear.
            self.doubt.store(true, Ordering::SeqCst);
            let message = format!("nothing was written within {} s", WAIT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }

    async fn sync_when_due(&self) -> io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut served = self.served.lock().await;
        if *served >= mine {
            return Ok(());
        }
        let all = self.asked.load(Ordering::SeqCst);
        let log = self.log.clone();
        // SQLite keeps no locks on this file, so that closing it here takes none away. What it has moved on into the
        // database is on disk: that is how it begins and ends such a move.
        let synced = tokio::task::spawn_blocking(move || File::open(log)?.sync_data());
        let synced = synced.await.map_err(io::Error::other).flatten();
        if synced.is_err() {
            self.doubt.store(true, Ordering::SeqCst);
        }
        synced?;
        *served = all;
        Ok(())
    }

    /// Whether a sync has failed, so that the next one that succeeds proves nothing.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.load(Ordering::SeqCst)
    }

    /// What was in the log is in the database, and on disk.
    pub(super) fn is_moved(&self) {
        self.doubt.store(false, Ordering::SeqCst);
    }
}
