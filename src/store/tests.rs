//! The store as a file: locks, upgrades, what survives.

use std::collections::HashMap;
use std::sync::Arc;

use super::deliveries::{NewDelivery, copies, record};
use super::{Store, StoreError};
use crate::class::{Class, Classified};
use crate::clock::ManualClock;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at_millis(1_000))
}

fn delivery(id: &str) -> NewDelivery {
    NewDelivery {
        hook: "github".into(),
        hook_id: "7".into(),
        delivery_id: id.into(),
        event: "push".into(),
        project: Some("acme/shop".into()),
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let store = Store::open(&path, clock()).await.expect("opens");
    let error = Store::open(&path, clock()).await.err().expect("refused");
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    assert_eq!(error.class(), Class::Fail);
    drop(store);
    Store::open(&path, clock()).await.expect("free again");
}

#[tokio::test]
async fn a_lock_that_is_just_being_released_is_waited_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let held = std::fs::File::create(dir.path().join("driftless.db.lock")).expect("creates");
    held.lock().expect("locks");
    let released = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(held);
    });
    Store::open(&path, clock()).await.expect("opens");
    released.join().expect("ends");
}

#[tokio::test]
async fn a_store_of_the_future_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let store = Store::open(&path, clock()).await.expect("opens");
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1")
        .execute(store.write())
        .await
        .expect("updates");
    store.close().await;
    drop(store);
    let error = Store::open(&path, clock()).await.err().expect("refused");
    assert!(matches!(error, StoreError::Newer { version: 9999, .. }), "{error}");
    assert!(error.to_string().contains("newer Driftless"), "{error}");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = Store::open(&dir.path().join("none/driftless.db"), clock()).await.err().expect("refused");
    assert!(error.to_string().contains("none/driftless.db.lock"), "{error}");
}

#[tokio::test]
async fn readers_cannot_write_and_commits_are_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    sqlx::query("DELETE FROM jobs").execute(store.read()).await.expect_err("read only");
    let pragma = |name: &'static str| {
        let store = store.clone();
        async move { sqlx::query_scalar::<_, String>(name).fetch_one(store.write()).await.expect("a pragma") }
    };
    assert_eq!(pragma("SELECT journal_mode FROM pragma_journal_mode").await, "wal");
    assert_eq!(pragma("SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous").await, "1");
    assert_eq!(pragma("SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys").await, "1");
}

#[tokio::test]
async fn deliveries_are_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    let mut tx = store.begin().await.expect("begins");
    let (a, b) = (delivery("a"), delivery("b"));
    record(&mut tx, &[(&a, 1)], 1_000).await.expect("recorded");
    assert_eq!(copies(&mut tx, &[a.name(), b.name()]).await.expect("read"), HashMap::from([(a.name(), 1)]));
    record(&mut tx, &[(&a, 2)], 2_000).await.expect("recorded");
    record(&mut tx, &[(&b, 1)], 3_000).await.expect("recorded");
    assert_eq!(
        copies(&mut tx, &[a.name(), b.name()]).await.expect("read"),
        HashMap::from([(a.name(), 2), (b.name(), 1)])
    );
    tx.commit().await.expect("commits");

    let rows = store.deliveries(10).await.expect("lists");
    let seen: Vec<_> =
        rows.iter().map(|row| (row.delivery_id.as_str(), row.received_at, row.copies, row.last_at)).collect();
    assert_eq!(seen, [("b", 3_000, 1, 3_000), ("a", 1_000, 2, 2_000)]);
}

#[tokio::test]
async fn an_abandoned_transaction_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    let mut tx = store.begin().await.expect("begins");
    record(&mut tx, &[(&delivery("a"), 1)], 1_000).await.expect("recorded");
    drop(tx);
    assert_eq!(store.deliveries(10).await.expect("lists"), []);
}

#[tokio::test]
async fn many_wait_for_the_disk_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    let waits = (0..50).map(|number| {
        let store = store.clone();
        async move {
            let mut tx = store.begin().await?;
            record(&mut tx, &[(&delivery(&number.to_string()), 1)], 1_000).await?;
            tx.commit().await?;
            store.sync().await
        }
    });
    futures::future::try_join_all(waits).await.expect("on disk");
    assert_eq!(store.deliveries(100).await.expect("lists").len(), 50);
}

#[tokio::test]
async fn a_log_that_cannot_be_brought_onto_the_disk_is_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    std::fs::remove_file(dir.path().join("driftless.db-wal")).expect("there is a log");
    let error = store.sync().await.expect_err("nothing to bring onto the disk");
    assert!(matches!(error, StoreError::Disk(_)), "{error}");
}

/// Lets the writing connection allocate no more pages: its next big write meets `SQLITE_FULL`.
async fn fill(store: &Store) {
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(store.write()).await.expect("a count");
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")))
        .execute(store.write())
        .await
        .expect("set");
}

fn big(id: &str) -> NewDelivery {
    NewDelivery { event: "x".repeat(200_000), ..delivery(id) }
}

async fn accept(store: &Store, new: &NewDelivery) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    record(&mut tx, &[(new, 1)], 1_000).await?;
    tx.commit().await?;
    store.sync().await
}

async fn ids(store: &Store) -> Vec<String> {
    let mut ids: Vec<_> =
        store.deliveries(1_000).await.expect("lists").into_iter().map(|row| row.delivery_id).collect();
    ids.sort();
    ids
}

/// A1: SQLite ends a transaction by itself on a full disk, and the library does not notice. What is acknowledged
/// afterwards is kept all the same.
#[tokio::test]
async fn a_full_disk_ends_one_transaction_and_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let store = Store::open(&path, clock()).await.expect("opens");
    accept(&store, &delivery("before")).await.expect("kept");
    fill(&store).await;
    let error = accept(&store, &big("full")).await.expect_err("there is no room");
    assert!(error.to_string().contains("full"), "{error}");
    assert!(error.class().is_retry());
    // One that is begun and dropped, as of a worker that finds nothing to do: within a transaction that the library
    // only believes in, it would leave a savepoint open for ever.
    drop(store.begin().await.expect("begins"));
    // Both ways to write: a transaction, and a statement of its own.
    accept(&store, &delivery("after")).await.expect("there is room again");
    store
        .set_ref(&crate::ids::RepoName::new("shop"), "refs/heads/main", Some(&"a".repeat(40).parse().expect("an id")))
        .await
        .expect("kept");
    for number in 0..20 {
        accept(&store, &delivery(&format!("after-{number:02}"))).await.expect("kept");
    }
    // As the files are found after a kill: nothing is closed.
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).expect("a directory");
    for file in ["driftless.db", "driftless.db-wal"] {
        std::fs::copy(dir.path().join(file), copy.join(file)).expect("copied");
    }
    let found = Store::open(&copy.join("driftless.db"), clock()).await.expect("opens");
    let found_ids = ids(&found).await;
    assert_eq!(found_ids.len(), 22, "{found_ids:?}");
    assert!(found_ids.contains(&"before".to_owned()) && !found_ids.contains(&"full".to_owned()), "{found_ids:?}");
    assert!(found.last_seen(&crate::ids::RepoName::new("shop"), "refs/heads/main").await.expect("read").is_some());
}

/// A1: the same where the error comes with the COMMIT or a statement is dropped half way: no connection within a
/// transaction is used again.
#[tokio::test]
async fn a_connection_that_is_left_within_a_transaction_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    for round in 0..3 {
        let mut tx = store.begin().await.expect("begins");
        record(&mut tx, &[(&delivery(&format!("lost-{round}")), 1)], 1_000).await.expect("recorded");
        // What SQLite does by itself on FULL, IOERR and NOMEM.
        sqlx::query("ROLLBACK").execute(&mut *tx).await.expect("ends");
        tx.commit().await.expect_err("there is no transaction to commit");
        drop(store.begin().await.expect("begins"));
        accept(&store, &delivery(&format!("kept-{round}"))).await.expect("kept");
        // One that is believed open, and never ended.
        let mut connection = store.write().acquire().await.expect("free");
        sqlx::query("SAVEPOINT left").execute(&mut *connection).await.expect("begun");
        sqlx::query("ROLLBACK").execute(&mut *connection).await.expect("ended");
    }
    assert_eq!(ids(&store).await, ["kept-0", "kept-1", "kept-2"]);
}

/// A1: a store that cannot commit says so, and that it can again once there is room.
#[tokio::test]
async fn a_store_that_cannot_be_written_is_not_ready() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    store.probe().await.expect("writable");
    let hold = store.begin().await.expect("begins");
    // The answer holds for a second.
    store.probe().await.expect("was writable just now");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let error = store.probe().await.expect_err("nobody can write");
    assert!(matches!(error, StoreError::NotWritable(_)), "{error}");
    assert!(error.class().is_retry());
    drop(hold);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    store.probe().await.expect("writable again");
    std::fs::remove_file(dir.path().join("driftless.db-wal")).expect("there is a log");
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    store.probe().await.expect_err("a commit cannot be brought onto the disk");
}

/// X11: the store is its owner's alone, also one that another release has made for everybody.
#[tokio::test]
async fn nobody_else_may_read_the_store() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("driftless.db");
    std::fs::write(&path, "")?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
    let store = Store::open(&path, Arc::new(crate::clock::SystemClock)).await?;
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path())? {
        let entry = entry?;
        seen += 1;
        assert_eq!(entry.metadata()?.permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
    }
    assert!(seen >= 3, "the log is there as well");
    store.close().await;
    Ok(())
}
