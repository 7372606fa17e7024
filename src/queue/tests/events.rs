//! From events to runs: when, how many, and which are cancelled.

use std::time::Duration;

use super::bench::{Bench, Step, delivery, push_key, push_request};
use crate::queue::{Accepted, Key, QueueConfig, QueueError, Request, Trigger};

const WORK: Step = Step::Work(Duration::from_mins(1));

#[tokio::test(start_paused = true)]
async fn an_idle_key_is_due_at_once() {
    let bench = Bench::new([]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.settle().await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].at, Duration::ZERO);
    assert_eq!((seen[0].job.key.clone(), seen[0].job.attempt, seen[0].job.hint.as_deref()), (push_key(), 1, Some("a")));
    assert_eq!(seen[0].job.causes, [Trigger::Webhook { hook: "github".into(), delivery: "1".into() }]);
}

#[tokio::test(start_paused = true)]
async fn ten_pushes_in_a_second_make_two_runs() {
    let bench = Bench::new([]).await;
    for number in 0..10 {
        bench.push(&number.to_string(), &format!("sha{number}")).await.expect("accepted");
        bench.pass_ms(100).await;
    }
    bench.pass_ms(3_000).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[1].job.hint.as_deref(), Some("sha9"));
    assert_eq!(seen[1].job.causes.len(), 9);
    // The last event came after 900 ms.
    assert_eq!(seen[1].at, Duration::from_millis(1_900));
}

#[tokio::test(start_paused = true)]
async fn pushes_without_end_are_answered_every_fifteen_seconds() {
    let bench = Bench::new([]).await;
    for number in 0..42 {
        bench.push(&number.to_string(), &format!("sha{number}")).await.expect("accepted");
        bench.pass(Duration::from_millis(800), Duration::from_millis(400)).await;
    }
    let at: Vec<_> = bench.scribe.seen().iter().map(|seen| seen.at.as_millis()).collect();
    // The second run's first event is that of 800 ms, the third's the one after it has begun.
    assert_eq!(at, [0, 16_000, 31_200], "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_newer_commit_cancels_the_run_within_a_second() {
    let bench = Bench::new([WORK]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(2_000).await;
    bench.push("2", "b").await.expect("accepted");
    bench.pass_ms(1_500).await;
    let seen = bench.scribe.seen();
    assert!(seen[0].cancelled);
    assert_eq!(seen[0].ended, Some(Duration::from_secs(2)), "at once");
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].job.hint.as_deref(), Some("b"));
    assert_eq!(seen[1].job.attempt, 1, "what was cancelled does not count");
    assert_eq!(seen[1].job.causes.len(), 2, "the next run answers both");
}

#[tokio::test(start_paused = true)]
async fn neither_the_same_commit_nor_one_unknown_cancels() {
    let bench = Bench::new([WORK]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(2_000).await;
    bench.push("2", "a").await.expect("accepted");
    bench.queue.enqueue(&[Request::new(push_key(), Trigger::Poll)]).await.expect("enqueued");
    bench.pass_ms(2_000).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 1, "one run of a key at a time");
    assert_eq!(seen[0].ended, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_writes_is_finished() {
    let bench = Bench::new([Step::Write(Duration::from_secs(5))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(2_000).await;
    bench.push("2", "b").await.expect("accepted");
    bench.pass_ms(5_000).await;
    let seen = bench.scribe.seen();
    assert_eq!(
        (seen[0].ended, seen[0].cancelled),
        (Some(Duration::from_secs(5)), true),
        "at the end of the write, not before"
    );
    assert_eq!(seen[1].job.hint.as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_counts_once_unless_its_work_fails() {
    let bench = Bench::new([Step::Succeed, Step::Fail("no such path")]).await;
    assert_eq!(bench.push("1", "a").await.expect("accepted"), Accepted::New);
    bench.pass_ms(2_000).await;
    assert_eq!(bench.push("1", "a").await.expect("accepted"), Accepted::Duplicate);
    bench.pass_ms(2_000).await;
    assert_eq!(bench.scribe.seen().len(), 1);

    assert_eq!(bench.push("2", "b").await.expect("accepted"), Accepted::New);
    bench.pass_ms(2_000).await;
    assert_eq!(bench.scribe.reports(), [("no such path".into(), false)]);
    assert_eq!(
        bench.push("2", "b").await.expect("accepted"),
        Accepted::New,
        "redelivered in the hope that it works now"
    );
    bench.pass_ms(2_000).await;
    assert_eq!(bench.scribe.seen().len(), 3);
    assert_eq!(bench.push("2", "b").await.expect("accepted"), Accepted::Duplicate, "as it did");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_deliveries_and_takes_what_jobs_ask_for() {
    let config = QueueConfig { max_pending: 1, workers: 1, ..QueueConfig::default() };
    let bench = Bench::with_config(config, [WORK]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.settle().await;
    let other = |ref_name: &str| Key::Push { repo: crate::ids::RepoName::new("shop"), ref_name: ref_name.into() };
    bench.queue.accept(delivery("2"), vec![Request::new(other("x"), Trigger::Poll)]).await.expect("accepted");
    let refused = bench.queue.accept(delivery("3"), vec![Request::new(other("y"), Trigger::Poll)]).await;
    assert!(matches!(refused, Err(QueueError::Overloaded { pending: 1 })), "{refused:?}");
    bench.queue.enqueue(&[Request::new(other("z"), Trigger::Poll)]).await.expect("enqueued");
    let deliveries = bench.queue.store().deliveries(10).await.expect("lists");
    assert!(deliveries.iter().all(|row| row.delivery_id != "3"), "refused means: not remembered either");
}

#[tokio::test(start_paused = true)]
async fn what_arrives_together_is_committed_together() {
    let bench = Bench::new([]).await;
    let accepts = (0..500).map(|number| {
        let id = number.to_string();
        let queue = bench.queue.clone();
        async move { queue.accept(delivery(&id), vec![push_request(&id, "a")]).await }
    });
    let results = futures::future::join_all(accepts).await;
    assert!(results.iter().all(|result| matches!(result, Ok(Accepted::New))));
    assert_eq!(bench.queue.store().deliveries(1_000).await.expect("lists").len(), 500);
}
