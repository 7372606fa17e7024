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
async fn a_store_of_the_future_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let store = Store::open(&path, clock()).await.expect("opens");
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(store.write()).await.expect("updates");
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
async fn deliveries_are_counted_and_forgotten() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(&dir.path().join("driftless.db"), clock()).await.expect("opens");
    let mut tx = store.begin().await.expect("begins");
    let (a, b) = (delivery("a"), delivery("b"));
    record(&mut tx, &[(&a, 1)], 1_000).await.expect("recorded");
    assert_eq!(copies(&mut tx, &[a.name(), b.name()]).await.expect("read"), HashMap::from([(a.name(), 1)]));
    record(&mut tx, &[(&a, 2)], 2_000).await.expect("recorded");
    record(&mut tx, &[(&b, 1)], 3_000).await.expect("recorded");
    assert_eq!(copies(&mut tx, &[a.name(), b.name()]).await.expect("read"), HashMap::from([(a.name(), 2), (b.name(), 1)]));
    tx.commit().await.expect("commits");

    let rows = store.deliveries(10).await.expect("lists");
    let seen: Vec<_> = rows.iter().map(|row| (row.delivery_id.as_str(), row.received_at, row.copies, row.last_at)).collect();
    assert_eq!(seen, [("b", 3_000, 1, 3_000), ("a", 1_000, 2, 2_000)]);
    assert_eq!(store.forget_deliveries(2_500).await.expect("forgets"), 1);
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
