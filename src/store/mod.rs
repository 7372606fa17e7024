//! What Driftless remembers, in one SQLite file: the only module that speaks SQL.
//!
//! There is one connection that writes and a few that read, so that no write ever meets another. A commit survives the
//! process when it returns (`synchronous = NORMAL`), and a loss of power once [`Store::sync`] has returned. Each area
//! keeps its statements in a file of its own, in SQL that SQLite and PostgreSQL both understand: `$1`, BIGINT
//! milliseconds, TEXT, `ON CONFLICT … RETURNING`. Times come from the clock that it was opened with.
//!
//! A list goes into one statement as JSON, which `json_each` takes apart (PostgreSQL has other names for that): each
//! statement is a way to the connection's thread and back, which costs more than what it does there.

mod disk;
mod error;
mod lock;
mod probe;
mod retention;
#[cfg(test)]
mod schema_tests;
mod skipped;
#[cfg(test)]
mod skipped_tests;
mod snapshot;
#[cfg(test)]
mod tests;
mod transaction;
mod turn;
mod words;

pub mod approvals;
pub mod apps;
pub mod commands;
pub mod confirmable;
pub mod deliveries;
pub mod ends;
pub mod group_reads;
pub mod inventory;
pub mod jobs;
pub mod previews;
pub mod pulls;
pub mod reads;
pub mod replaced;
pub mod reports;
pub mod rests;
pub mod runs;
pub mod stored;
pub mod subject;
pub mod transition;
pub mod unreviewed;
pub mod waits;

use std::collections::HashMap;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{FromRow, Row};

use crate::clock::Clock;
use crate::ids::RepoName;
use crate::random::{Random, SystemRandom};

use disk::Disk;
pub use error::{SqlError, StoreError};
use lock::{Lock, PRIVATE};
use probe::Probe;
use runs::RunIds;
use skipped::Skipped;
pub use snapshot::Snapshot;
pub use transaction::{Connection, Tx};
pub use turn::{HeldPull, Turn};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Longer than any transaction of ours takes on a slow disk.
const ACQUIRE: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    disk: Disk,
    clock: Arc<dyn Clock>,
    /// How often it was stored which apps there are.
    definition_changes: AtomicU64,
    probe: Probe,
    /// Whose turn it is to write what is known of the pull requests of a repo.
    turns: Mutex<HashMap<RepoName, Arc<tokio::sync::Mutex<()>>>>,
    run_ids: RunIds,
    skipped: Skipped,
    _lock: Lock,
}

impl Store {
    /// Opens the store at `path`, makes it if there is none, and brings its tables up to date.
    ///
    /// Refused while another process has it open, and if a newer Driftless has written it.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_with(path, clock, Arc::new(SystemRandom)).await
    }

    /// The same with random numbers of the caller's, which are in the names of runs.
    pub async fn open_with(path: &Path, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, StoreError> {
        let lock = Lock::acquire(path)?;
        private(path).map_err(|source| StoreError::Lock { path: path.to_owned(), source })?;
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let writer = pool(1).connect_with(writing(path)).await.map_err(open)?;
        MIGRATIONS.run(&writer).await.map_err(|source| StoreError::migrate(path, source))?;
        let readers = pool(READERS).connect_with(reading(path)).await.map_err(open)?;
        let disk = Disk::of(path).map_err(StoreError::Disk)?;
        let skipped = Skipped::new(Arc::clone(&clock));
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            writer,
            readers,
            disk,
            clock,
            definition_changes: AtomicU64::new(0),
            probe: Probe::default(),
            turns: Mutex::default(),
            run_ids: RunIds::new(random),
            skipped,
            _lock: lock,
        })))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The one connection that may write. Whoever holds it stops all other writers: keep transactions short, and do
    /// nothing else meanwhile.
    pub fn write(&self) -> &SqlitePool {
        &self.0.writer
    }

    /// Connections that can't write, and never wait for the one that does.
    pub fn read(&self) -> &SqlitePool {
        &self.0.readers
    }

    /// Begins a transaction on the writing connection. Dropped without `commit` it leaves no trace.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Tx::begin(&self.0.writer).await
    }

    /// Returns once everything that was committed before the call is on disk. To be waited for before anything is
    /// promised or done because of it that can not be taken back.
    pub async fn sync(&self) -> Result<(), StoreError> {
        if self.0.disk.is_in_doubt() {
            self.move_log().await?;
        }
        self.0.disk.sync().await.map_err(StoreError::Disk)
    }

    /// Moves the log into the database. After a sync that failed the system counts the log's pages as written, though
    /// they may not be: what is appended behind them would be lost with them, however often the log is synced again.
    async fn move_log(&self) -> Result<(), StoreError> {
        let (busy, _, _): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(self.write()).await?;
        if busy != 0 {
            return Err(StoreError::Disk(std::io::Error::other(
                "a reader keeps the log from being moved into the database",
            )));
        }
        self.0.disk.is_moved();
        Ok(())
    }

    /// Whether the store can commit and bring it onto the disk now, for the readiness probe. Asked often it answers
    /// from the last time.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.0.probe.ask(self.write_probe()).await
    }

    async fn write_probe(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO probe (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at")
            .bind(self.now())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.sync().await
    }

    fn turn_of(&self, repo: &RepoName) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(repo.clone()).or_default())
    }

    /// See [`Skipped::readable`].
    fn readable<T>(&self, rows: impl IntoIterator<Item = Result<T, StoreError>>) -> Vec<T> {
        self.0.skipped.readable(rows)
    }

    /// The rows that could not be read lately and were passed over, each as its error names it.
    pub fn skipped_rows(&self) -> Vec<String> {
        self.0.skipped.texts()
    }

    pub fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.0.clock.now_millis()
    }

    /// Waits for running statements, then closes the file. The lock goes when the last handle does.
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }
}

/// Each row as it is read, or which one cannot be; `keys` are the columns that name it.
fn decoded<R: for<'r> FromRow<'r, SqliteRow>>(
    rows: &[SqliteRow],
    table: &str,
    keys: &[&str],
) -> Vec<Result<R, StoreError>> {
    let key = |row: &SqliteRow, key: &str| {
        let text = row.try_get_unchecked::<String, _>(key);
        text.or_else(|_| row.try_get_unchecked::<i64, _>(key).map(|number| number.to_string())).unwrap_or_default()
    };
    let named = |row: &SqliteRow| {
        let keys: Vec<String> = keys.iter().map(|name| key(row, name)).collect();
        format!("row {} of table {table}", keys.join(" "))
    };
    rows.iter().map(|row| R::from_row(row).map_err(|error| StoreError::corrupt(named(row), error))).collect()
}

/// The store holds what was rendered and said: it is its owner's alone. SQLite gives its log the rights of the file
/// beside it.
fn private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path)?;
    for end in ["", "-wal", "-shm", ".lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let file = PathBuf::from(name);
        if file.exists()
            && let Err(error) = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(PRIVATE))
        {
            tracing::warn!(file = %file.display(), %error, "the rights of a file of the store could not be set: others \
                                                            may read it");
        }
    }
    Ok(())
}

fn pool(connections: u32) -> SqlitePoolOptions {
    transaction::guarded(SqlitePoolOptions::new())
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not go stale.
        .test_before_acquire(false)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(Duration::from_secs(10))
}

fn writing(path: &Path) -> SqliteConnectOptions {
    options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal)
}

fn reading(path: &Path) -> SqliteConnectOptions {
    // The system keeps the file's pages anyway; these would be kept once more for each reader.
    options(path).pragma("query_only", "ON").pragma("cache_size", "-256")
}
