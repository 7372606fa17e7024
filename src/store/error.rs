//! The errors of the store.

use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

use crate::class::{Class, Classified};
use crate::ids::RepoName;

/// Why a statement failed, for those who hold a [`super::Connection`].
pub type SqlError = sqlx::Error;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {} is in use by {holder}: stop it, or use another path", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("cannot lock the store by {}: {source}; its directory has to exist and be writable", path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot open the store {}: {source}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error(
        "the store {} was written by a newer Driftless (its tables are of version {version}): run that one, or restore \
         a copy from before the upgrade",
        path.display()
    )]
    Newer { path: PathBuf, version: i64 },
    #[error("cannot bring the tables of the store {} up to date: {source}", path.display())]
    Migrate {
        path: PathBuf,
        #[source]
        source: Box<MigrateError>,
    },
    /// A row that this version cannot read: written by hand, or by a bug.
    #[error("the store contains an invalid {what}: {problem}")]
    Corrupt { what: String, problem: String },
    /// A stored form that this version cannot read.
    #[error("{column} of {row} cannot be read from the store: {problem}. {remedy}")]
    Unreadable { column: &'static str, row: String, problem: String, remedy: &'static str },
    #[error("the store's writes cannot be flushed to disk: {0}. Check the disk's health and free space")]
    Disk(#[source] std::io::Error),
    #[error(
        "the store cannot be written: {0}. Free space on its disk, or check the disk's health; Driftless then \
         continues."
    )]
    NotWritable(String),
    #[error(
        "the state of the pull requests of repo {repo} could not be written within {seconds} s, because other work \
         on them has not ended. Driftless retries"
    )]
    Busy { repo: RepoName, seconds: u64 },
    #[error("{}", sql(.0))]
    Sql(#[from] sqlx::Error),
}

fn sql(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => {
            "the store could not be used within 30 s, because other work uses all its connections. Driftless retries; \
             if this lasts, check the disk of the data folder"
                .to_owned()
        }
        error => format!("the store failed: {error}"),
    }
}

impl StoreError {
    pub(super) fn migrate(path: &Path, source: MigrateError) -> Self {
        let path = path.to_owned();
        match source {
            MigrateError::VersionMissing(version) => Self::Newer { path, version },
            source => Self::Migrate { path, source: Box::new(source) },
        }
    }

    /// Whoever writes for others has ended.
    pub fn stopped() -> Self {
        Self::Sql(sqlx::Error::WorkerCrashed)
    }

    /// For a stored text that does not parse.
    pub fn corrupt(what: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Corrupt { what: what.into(), problem: problem.to_string() }
    }
}

impl Classified for StoreError {
    fn class(&self) -> Class {
        match self {
            // A full disk, a busy file, a lost connection: all that time may heal.
            Self::Sql(error) if !is_ours(error) => Class::RETRY,
            Self::Disk(_) | Self::NotWritable(_) | Self::Busy { .. } => Class::RETRY,
            _ => Class::Fail,
        }
    }
}

/// Statements that break a rule of the tables, or rows that don't fit the types, stay wrong.
fn is_ours(error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind;
    match error {
        sqlx::Error::Database(error) => !matches!(error.kind(), ErrorKind::Other),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => true,
        _ => false,
    }
}
