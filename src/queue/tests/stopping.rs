//! Stops, soft and hard, and what a dead process leaves behind.

use std::time::Duration;

use super::bench::{Bench, Step, push_key};
use crate::lifecycle::{Stopped, Tasks};
use crate::queue::{Cause, Queue, QueueConfig, Request};
use crate::store::jobs::State;

#[tokio::test(start_paused = true)]
async fn a_soft_stop_lets_runs_finish_and_takes_nothing_new() {
    let bench = Bench::new([Step::Work(Duration::from_secs(5))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    let tasks = bench.tasks.clone();
    let stopping = tokio::spawn(async move { tasks.stop(Duration::from_secs(30)).await });
    bench.pass_ms(1_000).await;
    let other = crate::queue::Key::Poll(crate::ids::RepoName::new("shop"));
    bench.queue.enqueue(&[Request::new(other.clone(), Cause::Resync)]).await.expect("taken in while stopping");
    bench.pass_ms(4_000).await;
    assert_eq!(stopping.await.expect("stops"), Stopped::Gracefully);
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].ended, seen[0].cancelled), (Some(Duration::from_secs(5)), false));
    let left = bench.queue.store().job(&other.to_string(), State::Pending).await.expect("reads");
    assert!(left.is_some(), "left for the next process");
}

#[tokio::test(start_paused = true)]
async fn a_hard_stop_puts_runs_back() {
    let bench = Bench::new([Step::Work(Duration::from_secs(500))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    let tasks = bench.tasks.clone();
    let stopping = tokio::spawn(async move { tasks.stop(Duration::from_secs(2)).await });
    bench.pass_ms(3_000).await;
    assert_eq!(stopping.await.expect("stops"), Stopped::Gracefully);
    let row = bench.queue.store().job(&push_key().to_string(), State::Pending).await.expect("reads").expect("is back");
    assert_eq!(row.attempt, 0, "it did not count");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_ran_is_free_at_once_and_counts() {
    let bench = Bench::new([Step::Work(Duration::from_secs(500))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    let store = bench.queue.store().clone();
    let key = push_key().to_string();
    assert!(store.job(&key, State::Running).await.expect("reads").is_some());

    // The store as the next process finds it: nobody said that the run ended.
    let next = Queue::start(store.clone(), QueueConfig::default(), &Tasks::new()).await.expect("starts");
    let row = store.job(&key, State::Pending).await.expect("reads").expect("is free");
    assert_eq!((row.attempt, row.due), (1, store.now()));
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_a_run_lasts() {
    let bench = Bench::new([Step::Work(Duration::from_secs(500))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass(Duration::from_mins(2), Duration::from_secs(2)).await;
    let store = bench.queue.store();
    let row = store.job(&push_key().to_string(), State::Running).await.expect("reads").expect("runs");
    assert!(row.lease_until.is_some_and(|until| until > store.now()), "{row:?}");
    assert_eq!(bench.scribe.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_lease_is_cancelled() {
    let bench = Bench::new([Step::Work(Duration::from_secs(500))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    sqlx::query("UPDATE jobs SET lease_owner = 'another', lease_until = lease_until + 100000 WHERE state = 'running'")
        .execute(bench.queue.store().write())
        .await
        .expect("updates");
    bench.pass(Duration::from_secs(12), Duration::from_secs(1)).await;
    let seen = bench.scribe.seen();
    assert!(seen[0].cancelled);
    assert_eq!(seen.len(), 1, "the other one has it");
}
