//! The only way to get a transaction, or a connection that may write.
//!
//! SQLite ends a transaction by itself on a full disk, an I/O error, or without memory. The library's own ROLLBACK then
//! fails, and it continues to count one open transaction: every later BEGIN of that connection would be a SAVEPOINT
//! within nothing, and data that is "committed" there can be lost although it is acknowledged. So a connection that the
//! library believes to be within a transaction is never used again: it is closed, and the next caller gets a new one.

use std::ops::{Deref, DerefMut};

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use sqlx::{Connection as _, Sqlite};

use super::StoreError;

/// One connection, within a transaction or not: what statements of several areas are made on.
pub type Connection = sqlx::SqliteConnection;

/// A statement with what is bound to it so far.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

/// A transaction on the writing connection. Dropped without [`Tx::commit`] it leaves no trace.
#[must_use = "dropped without `commit` it leaves no trace"]
pub struct Tx(sqlx::Transaction<'static, Sqlite>);

impl Tx {
    pub(super) async fn begin(writer: &SqlitePool) -> Result<Self, StoreError> {
        let tx = writer.begin().await?;
        Ok(Self(tx))
    }

    /// Keeps what was written. An error says that nothing of it was kept, or that it is not known whether it was.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A pool that takes back no connection within a transaction.
pub(super) fn guarded(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    pool.after_release(|connection, _| {
        Box::pin(async move {
            if !connection.is_in_transaction() {
                return Ok(true);
            }
            // The rollback of a dropped transaction is under way: it is done when the connection answers.
            connection.ping().await?;
            let sound = !connection.is_in_transaction();
            if !sound {
                tracing::warn!("the store's connection lost its transaction to an error, and is replaced");
            }
            Ok(sound)
        })
    })
}
