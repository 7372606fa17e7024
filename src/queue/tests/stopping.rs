//! Stops, soft and hard, and what a dead process leaves behind.

use std::time::Duration;

use super::bench::{Bench, Step, push_key};
use crate::lifecycle::{Stopped, Tasks};
use crate::queue::{Queue, QueueConfig, Request, Trigger};
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
    bench.queue.enqueue(&[Request::new(other.clone(), Trigger::Resync)]).await.expect("taken in while stopping");
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

/// X10: a job that was running each time the process was killed is set aside and told of; what merely ran beside it
/// goes on.
#[tokio::test]
async fn a_job_that_ends_its_process_is_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = std::sync::Arc::new(crate::clock::ManualClock::at_millis(1_000_000));
    let store = crate::store::Store::open(&dir.path().join("driftless.db"), clock.clone()).await.expect("opens");
    let stop = tokio_util::sync::CancellationToken::new();
    let (killer, innocent) = (push_key(), crate::queue::Key::Poll(crate::ids::RepoName::new("other")));
    let mut queue = Queue::start(store.clone(), QueueConfig::default(), &Tasks::new()).await.expect("starts");
    let asked =
        [Request::new(killer.clone(), Trigger::Poll).with_hint("a"), Request::new(innocent.clone(), Trigger::Resync)];
    queue.enqueue(&asked).await.expect("enqueued");
    for kill in 1..=3 {
        clock.advance(Duration::from_mins(10));
        let mut taken = Vec::new();
        while let Some(claimed) = queue.claim(&stop).await.expect("claims") {
            taken.push(claimed);
        }
        assert!(taken.iter().any(|claimed| claimed.job.key == killer) || kill == 3);
        if kill == 3 {
            // Both are under suspicion, and one at a time runs: the innocent one comes to its end, and then the other
            // is alone.
            assert_eq!(taken.len(), 1);
            if taken[0].job.key == innocent {
                let done = crate::queue::lease::Ended::Done(crate::queue::Finish::Done);
                queue.finish(&taken[0], &done).await.expect("ends");
                assert_eq!(queue.claim(&stop).await.expect("claims").expect("the other").job.key, killer);
            }
        }
        // Killed: nobody says that a run ended.
        queue = Queue::start(store.clone(), QueueConfig::default(), &Tasks::new()).await.expect("starts");
    }
    let row = store.job(&killer.to_string(), State::Pending).await.expect("reads").expect("is told of next");
    assert_eq!(row.kills, 3);
    drop(queue);
}

/// X10: what is set aside is failed, in words, and no look tries it again; a new commit does.
#[tokio::test(start_paused = true)]
async fn what_was_set_aside_is_told_once_and_left_alone() {
    let bench = Bench::new([]).await;
    let store = bench.queue.store().clone();
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    assert_eq!(bench.scribe.seen().len(), 1);
    bench.push("2", "a").await.expect("accepted");
    sqlx::query("UPDATE jobs SET kills = 3 WHERE state = 'pending'").execute(store.write()).await.expect("updates");
    bench.pass_ms(3_000).await;
    assert_eq!(bench.scribe.seen().len(), 1, "it is not run");
    let reports = bench.scribe.reports();
    assert!(
        matches!(&reports[..], [(text, false)] if text.contains("set aside") && text.contains("killed 3 times")),
        "{reports:?}"
    );
    assert!(store.job(&push_key().to_string(), State::Failed).await.expect("reads").is_some());
    let tenant = push_key().tenant();
    assert_eq!(bench.queue.look_again(&tenant).await.expect("enqueued"), 0);
    bench.queue.enqueue(&[Request::new(push_key(), Trigger::Poll).with_hint("a")]).await.expect("enqueued");
    bench.pass_ms(3_000).await;
    assert_eq!(bench.scribe.seen().len(), 1, "nothing is new");
    bench.push("3", "b").await.expect("accepted");
    bench.pass_ms(3_000).await;
    assert_eq!(bench.scribe.seen().len(), 2);
    assert_eq!(store.job(&push_key().to_string(), State::Failed).await.expect("reads"), None);
}
