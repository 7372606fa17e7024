//! Retries, reports, and what is set aside.

use std::time::Duration;

use super::bench::{Bench, Step, push_key};
use crate::ids::RepoName;
use crate::queue::{Accepted, Key, Request, Tenant, Trigger};
use crate::store::jobs::State;

const MINUTE: Duration = Duration::from_mins(1);

fn shop() -> Tenant {
    Tenant::repo(&RepoName::new("shop"))
}

#[tokio::test(start_paused = true)]
async fn a_failing_job_is_tried_ever_more_seldom_and_reported_once() {
    let bench = Bench::new(std::iter::repeat_n(Step::Retry("the forge is down", None), 12)).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass(9 * MINUTE, Duration::from_secs(1)).await;
    assert_eq!(bench.scribe.reports(), [], "not before ten minutes");
    bench.pass(11 * MINUTE, Duration::from_secs(5)).await;
    assert_eq!(bench.scribe.reports(), [("the forge is down".into(), true)]);

    let seen = bench.scribe.seen();
    let attempts: Vec<_> = seen.iter().map(|seen| seen.job.attempt).collect();
    assert_eq!(attempts, (1..).take(seen.len()).collect::<Vec<_>>());
    let pauses: Vec<_> = seen.windows(2).map(|pair| pair[1].at.as_secs_f64() - pair[0].at.as_secs_f64()).collect();
    for (pause, expected) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]) {
        assert!((0.75 * expected - 0.1..=1.25 * expected + 5.1).contains(pause), "{pause} for {expected}");
    }

    bench.pass(40 * MINUTE, Duration::from_secs(20)).await;
    let row =
        bench.queue.store().job(&push_key().to_string(), State::Done).await.expect("reads").expect("succeeded at last");
    assert_eq!((row.failing_since, row.error, row.reported), (None, None, None));
    assert_eq!(bench.scribe.reports().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_asks_for_is_honoured_even_when_events_come() {
    let bench = Bench::new([Step::Retry("slow down", Some(Duration::from_secs(20)))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(3_000).await;
    bench.push("2", "b").await.expect("accepted");
    bench.queue.enqueue(&[Request::new(push_key(), Trigger::Resync)]).await.expect("enqueued");
    bench.pass_ms(16_000).await;
    assert_eq!(bench.scribe.seen().len(), 1);
    bench.pass_ms(1_500).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].at, Duration::from_secs(20));
    assert!(seen[1].job.failing_since.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_event_brings_a_retry_forward() {
    let failing = std::iter::repeat_n(Step::Retry("the cluster is down", None), 6);
    let bench = Bench::new(failing).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(40_000).await;
    assert_eq!(bench.scribe.seen().len(), 6, "the next try is half a minute away");
    bench.push("2", "b").await.expect("accepted");
    bench.pass_ms(1_100).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[6].job.hint.as_deref(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_at_the_resync_and_reported_when_its_text_changes() {
    let steps = [Step::Fail("no such path"), Step::Fail("no such path"), Step::Fail("bad manifest"), Step::Succeed];
    let bench = Bench::new(steps).await;
    let key = push_key().to_string();
    bench.push("1", "a").await.expect("accepted");
    bench.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(bench.scribe.seen().len(), 1, "trying the same again gives the same");
    for _ in 0..3 {
        assert_eq!(bench.queue.look_again(&shop()).await.expect("enqueued"), 1);
        bench.pass_ms(1_000).await;
    }
    assert_eq!(bench.scribe.seen().len(), 4);
    assert_eq!(bench.scribe.reports(), [("no such path".into(), false), ("bad manifest".into(), false)]);
    assert_eq!(bench.queue.store().job(&key, State::Failed).await.expect("reads"), None, "mended");
    assert_eq!(bench.queue.look_again(&shop()).await.expect("enqueued"), 0);
}

/// A poll asks for what has failed to be tried again, and is not among it: it would begin itself at once, for ever.
#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_waits_for_the_schedule() {
    let bench = Bench::new([Step::Fail("the forge has no such project")]).await;
    let key = Key::Poll(RepoName::new("shop"));
    bench.queue.enqueue(&[Request::new(key.clone(), Trigger::Resync)]).await.expect("enqueued");
    bench.pass(MINUTE, MINUTE).await;
    let failed = bench.queue.store().job(&key.to_string(), State::Failed).await.expect("reads");
    assert!(failed.is_some());
    assert_eq!(bench.queue.look_again(&shop()).await.expect("enqueued"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_same_failure_of_another_commit_is_reported_too() {
    let steps = [
        Step::Fail("no such cluster"),
        Step::Fail("no such cluster"),
        Step::Fail("no such cluster"),
        Step::Fail("no such cluster"),
    ];
    let bench = Bench::new(steps).await;
    for (id, sha) in [("1", "a"), ("2", "b"), ("3", "b")] {
        bench.push(id, sha).await.expect("accepted");
        bench.pass_ms(3_000).await;
    }
    let report = ("no such cluster".to_owned(), false);
    assert_eq!(
        bench.scribe.reports(),
        [report.clone(), report.clone()],
        "one for each commit, as each has a gate of its own"
    );
    bench.queue.look_again(&shop()).await.expect("enqueued");
    bench.pass_ms(1_000).await;
    assert_eq!(bench.scribe.seen().len(), 4);
    assert_eq!(bench.scribe.reports().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_comes_while_all_fails_is_reported_too() {
    let bench = Bench::new(std::iter::repeat_n(Step::Retry("the cluster is down", None), 40)).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass(16 * MINUTE, Duration::from_secs(5)).await;
    assert_eq!(bench.scribe.reports().len(), 1);
    bench.push("2", "b").await.expect("accepted");
    bench.pass(20 * MINUTE, Duration::from_secs(5)).await;
    let report = ("the cluster is down".to_owned(), true);
    assert_eq!(bench.scribe.reports(), [report.clone(), report], "and once only");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_of_ours_and_stops_nobody() {
    let bench = Bench::new([Step::Panic]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(3_000).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].job.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_ends_is_stopped() {
    let bench = Bench::new([Step::Work(Duration::from_secs(100_000))]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass(62 * MINUTE, MINUTE).await;
    let seen = bench.scribe.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[1].job.attempt, 2);
}

/// T17: what is done and may change without a word is looked at again with each resync; it is no failure, and what
/// comes twice is a duplicate.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_looked_at_again_has_not_failed() {
    let bench = Bench::new([Step::LookAgain, Step::LookAgain, Step::Succeed]).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    let store = bench.queue.store().clone();
    assert_eq!(store.job(&push_key().to_string(), State::Failed).await.expect("reads"), None);
    assert!(store.job(&push_key().to_string(), State::Done).await.expect("reads").is_some());
    assert_eq!(bench.push("1", "a").await.expect("accepted"), Accepted::Duplicate);
    for _ in 0..2 {
        assert_eq!(bench.queue.look_again(&shop()).await.expect("enqueued"), 1);
        bench.pass_ms(1_000).await;
    }
    assert_eq!(bench.scribe.seen().len(), 3);
    assert_eq!(bench.queue.look_again(&shop()).await.expect("enqueued"), 0, "the last run had nothing to ask for");
    assert_eq!(bench.scribe.reports(), []);
}

/// X6: an error that people were shown as a part of the whole is tried again, and nothing is reported in its place.
#[tokio::test(start_paused = true)]
async fn what_was_shown_is_tried_again_and_not_reported() {
    let bench = Bench::new(std::iter::repeat_n(Step::Shown("cluster eu is away"), 30)).await;
    bench.push("1", "a").await.expect("accepted");
    bench.pass(16 * MINUTE, Duration::from_secs(5)).await;
    assert!(bench.scribe.seen().len() > 5);
    assert_eq!(bench.scribe.reports(), []);
    let row = bench
        .queue
        .store()
        .job(&push_key().to_string(), State::Pending)
        .await
        .expect("reads")
        .expect("waits for its next try");
    assert_eq!(row.error.as_deref(), Some("cluster eu is away"));
}

/// A19: a clock that is set back makes nothing wait for the time that it was.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_makes_no_job_wait() {
    let bench = Bench::new([Step::Succeed]).await;
    let store = bench.queue.store().clone();
    bench.push("1", "a").await.expect("accepted");
    bench.pass_ms(1_000).await;
    bench.push("2", "b").await.expect("accepted");
    // As if all of it had been written an hour from now.
    let later =
        "UPDATE jobs SET due = due + 3600000, first_event = first_event + 3600000, last_event = last_event + 3600000,
                 changed_at = changed_at + 3600000";
    sqlx::query(later).execute(store.write()).await.expect("updates");
    bench.pass(Duration::from_secs(30), Duration::from_secs(1)).await;
    assert_eq!(bench.scribe.seen().len(), 2);
}
