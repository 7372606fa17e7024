//! The one way to a transaction, and to a connection that may write.
//!
//! SQLite ends a transaction by itself when it meets a full disk, an I/O error, or has no memory. The library's own
//! ROLLBACK then fails, and it goes on to count one open transaction: every later BEGIN of that connection would be a
//! SAVEPOINT within nothing, and what is "committed" there can be lost while it is acknowledged. So no connection is
//! used again that the library believes to be within a transaction: it is closed, and the next caller gets a new one.

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
