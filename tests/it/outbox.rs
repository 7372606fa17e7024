//! The outbox against the embedded forge: what people end up seeing, whatever went wrong on the way.

mod gates;
mod gitlab;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::ApiFault;
use driftless::forge::{CommentLimits, Forge as _, NewStatus, StatusState};
use driftless::ids::{Oid, RepoName};
use driftless::lifecycle::Tasks;
use driftless::report::{Destination, Outbox, OutboxOptions, Target};
use driftless::store::Store;
use driftless::store::reports::WantedReport;
use http::Method;
use tokio::time::Instant;

use crate::support::forge::{Forge, PROJECT};

struct Scene {
    forge: Forge,
    outbox: Outbox,
    tasks: Tasks,
    store: Store,
    repo: RepoName,
    number: u64,
    _dir: tempfile::TempDir,
}

fn options() -> OutboxOptions {
    OutboxOptions {
        between_writes: Some(Duration::from_millis(5)),
        first_retry: Duration::from_millis(20),
        last_retry: Duration::from_millis(100),
        look_again: Duration::from_millis(300),
        comment_grace: Duration::from_millis(200),
        ..OutboxOptions::new("test")
    }
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(options()).await
    }

    async fn start_with(options: OutboxOptions) -> Self {
        let forge = Forge::start().await;
        let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("store.db"), Arc::new(SystemClock)).await.expect("opened");
        let (outbox, tasks) = Self::open(&forge, &store, options);
        Self { forge, outbox, tasks, store, repo: RepoName::new("shop"), number, _dir: dir }
    }

    fn open(forge: &Forge, store: &Store, options: OutboxOptions) -> (Outbox, Tasks) {
        let to = Destination { forge: Arc::new(forge.client()), project: PROJECT.to_owned() };
        let outbox = Outbox::new(store.clone(), HashMap::from([(RepoName::new("shop"), to)]), options);
        let tasks = Tasks::new();
        outbox.run_sender(&tasks);
        (outbox, tasks)
    }

    /// Stops the sender wherever it is and starts another on the same store.
    async fn restart(&mut self) {
        self.tasks.stop(Duration::from_secs(5)).await;
        (self.outbox, self.tasks) = Self::open(&self.forge, &self.store, options());
    }

    fn status(&self, state: StatusState, text: &str) -> NewStatus {
        NewStatus { sha: self.head(), context: "driftless".into(), state, description: text.into(), target_url: None }
    }

    fn head(&self) -> Oid {
        self.forge.head("topic")
    }

    fn status_target(&self) -> Target {
        Target::Status { repo: self.repo.clone(), sha: self.head(), context: "driftless".into() }
    }

    async fn put_status(&self, state: StatusState, text: &str) {
        self.outbox.put_status(&self.repo, &self.status(state, text)).await.expect("put");
    }

    async fn put_comment(&self, parts: &[&str]) {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        self.outbox.put_comment(&self.repo, self.number, &parts).await.expect("put");
    }

    fn comment_target(&self) -> Target {
        Target::Comment { repo: self.repo.clone(), number: self.number }
    }

    async fn sent(&self, target: &Target) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !self.outbox.sent(target).await.expect("asked") {
            assert!(Instant::now() < deadline, "{target} was not sent");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Until the head shows this.
    async fn succeeds(&self, last: &str) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while self.states().last().map(String::as_str) != Some(last) {
            assert!(Instant::now() < deadline, "{last} is not shown: {:?}", self.states());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Our comments without the marker.
    fn shown(&self) -> Vec<String> {
        let comments = self.forge.forge.comments(PROJECT, self.number);
        let ours = comments.iter().filter(|comment| comment.author == "driftless-bot");
        ours.map(|comment| comment.body.split_once(" -->\n").expect("a marker").1.to_owned()).collect()
    }

    fn states(&self) -> Vec<String> {
        let statuses = self.forge.forge.statuses(PROJECT, &self.head());
        statuses.into_iter().rev().map(|status| format!("{} {}", status.state, status.description)).collect()
    }

    fn requests(&self, method: &str) -> usize {
        self.forge.forge.faults().requests().iter().filter(|line| line.starts_with(method)).count()
    }

    fn fault(&self, method: Method, path: &str, times: usize, fault: ApiFault) {
        self.forge.forge.faults().add(Some(method), path, times, fault);
    }
}

/// S1: what is to be shown and cannot be read, as after a downgrade, holds up nothing else and says why it is not sent;
/// a comment of which it cannot be read what the forge has is looked for there.
#[tokio::test]
async fn s1_a_report_that_cannot_be_read_holds_up_nothing() {
    let scene = Scene::start().await;
    let scope = scene.forge.client().name().to_owned();
    let future = r#"{"format":99,"data":{}}"#;
    for target in ["comment:shop:99", "status:shop:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:driftless"] {
        let report = WantedReport { target, scope: &scope, rank: 0, repo: "shop", wanted: future };
        scene.store.put_report(report).await.expect("put");
    }
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.comment_target()).await;
    scene.store.note_report(&scene.comment_target().to_string(), future).await.expect("noted");
    scene.put_comment(&["two"]).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown(), ["two"], "edited, and not made once more");
    let late = scene.store.late_reports(10).await.expect("read");
    assert_eq!(late.len(), 2, "{late:?}");
    for report in late {
        let error = report.error.unwrap_or_default();
        assert!(report.due.is_none() && error.contains("reports.wanted") && error.contains(&report.target), "{error}");
    }
}

#[tokio::test]
async fn pending_is_there_within_a_second_and_an_unchanged_status_is_not_posted_again() {
    let scene = Scene::start().await;
    let start = Instant::now();
    scene.put_status(StatusState::Pending, "looking").await;
    scene.sent(&scene.status_target()).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    scene.put_status(StatusState::Pending, "looking").await;
    scene.put_status(StatusState::Success, "1 to update").await;
    scene.sent(&scene.status_target()).await;
    scene.put_status(StatusState::Success, "1 to update").await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states(), ["pending looking", "success 1 to update"]);
}

#[tokio::test]
async fn the_latest_wins() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/statuses/", 1, ApiFault::Slow(Duration::from_millis(100)));
    for n in 0..20 {
        scene.put_status(StatusState::Pending, &format!("try {n}")).await;
    }
    scene.put_status(StatusState::Failure, "no").await;
    scene.sent(&scene.status_target()).await;
    let states = scene.states();
    assert!(states.len() < 10, "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("failure no"));
}

#[tokio::test]
async fn comments_are_edited_in_place_and_parts_come_and_go() {
    let scene = Scene::start().await;
    for parts in [&["one"][..], &["one", "two", "three"], &["eins", "two"]] {
        scene.put_comment(parts).await;
        scene.sent(&scene.comment_target()).await;
        assert_eq!(scene.shown(), parts);
    }
    assert_eq!(scene.requests("POST /repos/shop/deploy/issues"), 3, "edited, not made anew");
}

#[tokio::test]
async fn statuses_go_before_comments() {
    let scene = Scene::start().await;
    scene.fault(Method::GET, "/comments", 1, ApiFault::Slow(Duration::from_millis(100)));
    scene.put_comment(&["1", "2", "3", "4", "5", "6"]).await;
    scene.put_status(StatusState::Success, "ok").await;
    scene.sent(&scene.status_target()).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown().len(), 6);
    let writes =
        scene.forge.forge.faults().requests().into_iter().filter(|line| line.starts_with("POST ")).collect::<Vec<_>>();
    let status = writes.iter().position(|line| line.contains("/statuses/")).expect("a status was sent");
    // The part that was under way when the status came may be the one before it.
    assert!(status < 2, "{writes:?}");
}

#[tokio::test]
async fn after_a_lost_answer_there_is_one_comment_and_one_status() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/comments", 1, ApiFault::LoseAnswer);
    scene.fault(Method::POST, "/statuses/", 1, ApiFault::LoseAnswer);
    scene.put_status(StatusState::Success, "ok").await;
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.status_target()).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown(), ["one"]);
    assert_eq!(scene.states(), ["success ok"]);
    assert_eq!(scene.requests("POST"), 2);
}

#[tokio::test]
async fn when_the_list_lags_behind_the_double_is_found_later_and_the_oldest_stays() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/comments", 1, ApiFault::LoseAnswer);
    scene.fault(Method::GET, "/comments", 2, ApiFault::Stale { newest: 1 });
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.comment_target()).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while scene.requests("DELETE") == 0 {
        assert!(Instant::now() < deadline, "the double stayed: {:?}", scene.shown());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.requests("POST"), 2);
    let left = scene.forge.forge.comments(PROJECT, scene.number);
    assert_eq!(left.len(), 1);
    scene.put_comment(&["two"]).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.forge.forge.comments(PROJECT, scene.number)[0].id, left[0].id);
    assert_eq!(scene.shown(), ["two"]);
}

#[tokio::test]
async fn limits_and_failures_are_waited_out() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/statuses/", 1, ApiFault::SecondaryLimit { retry_after: Some(1) });
    scene.fault(Method::POST, "/statuses/", 3, ApiFault::Status(502));
    scene.fault(Method::POST, "/statuses/", 1, ApiFault::Reset);
    scene.fault(Method::POST, "/statuses/", 1, ApiFault::Unauthorized);
    let start = Instant::now();
    scene.put_status(StatusState::Success, "ok").await;
    scene.sent(&scene.status_target()).await;
    assert!(start.elapsed() >= Duration::from_secs(1), "the forge asked for a second");
    assert_eq!(scene.states(), ["success ok"]);
}

#[tokio::test]
async fn a_status_of_a_repository_that_is_hidden_for_a_while_is_not_given_up() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/statuses/", 7, ApiFault::Status(404));
    scene.put_status(StatusState::Success, "ok").await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states(), ["success ok"]);
}

#[tokio::test]
async fn a_deleted_pull_request_is_done_and_holds_up_nothing() {
    let scene = Scene::start().await;
    scene.outbox.put_comment(&scene.repo, 99, &["one".to_owned()]).await.expect("put");
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.comment_target()).await;
    let row = scene.store.report("comment:shop:99").await.expect("read").expect("there");
    assert_eq!(row.due, None, "it is not tried again");
}

#[tokio::test]
async fn a_comment_that_somebody_deleted_is_made_anew() {
    let scene = Scene::start().await;
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.comment_target()).await;
    let id = scene.forge.forge.comments(PROJECT, scene.number)[0].id;
    assert!(scene.forge.forge.delete_comment(PROJECT, id));
    scene.put_comment(&["two"]).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown(), ["two"]);
}

#[tokio::test]
async fn somebody_else_s_marker_is_left_alone() {
    let scene = Scene::start().await;
    let body = format!("{}1/1 -->\nforged", driftless::report::outbox::marker("test"));
    scene.forge.forge.comment_as(PROJECT, scene.number, "mallory", &body);
    scene.put_comment(&["one"]).await;
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown(), ["one"]);
    assert_eq!(scene.forge.forge.comments(PROJECT, scene.number)[0].body, body);
}

#[tokio::test]
async fn a_restart_at_any_point_leaves_one_set() {
    let mut scene = Scene::start().await;
    for round in 0..12_u64 {
        let parts = [format!("one {round}"), format!("two {round}"), format!("three {round}")];
        scene.outbox.put_comment(&scene.repo, scene.number, &parts).await.expect("put");
        tokio::time::sleep(Duration::from_millis(round * 3)).await;
        scene.restart().await;
    }
    scene.sent(&scene.comment_target()).await;
    assert_eq!(scene.shown(), ["one 11", "two 11", "three 11"]);
}

/// A13: what was given up, because the forge called it wrong, is sent once the forge takes it, without another word
/// from anybody.
#[tokio::test]
async fn a13_what_was_given_up_is_sent_again() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/statuses/", 10, ApiFault::Status(404));
    scene.put_status(StatusState::Success, "ok").await;
    let target = scene.status_target().to_string();
    let deadline = Instant::now() + Duration::from_secs(15);
    while scene.store.report(&target).await.expect("read").is_none_or(|row| row.due.is_some()) {
        assert!(Instant::now() < deadline, "it is not given up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(scene.states(), Vec::<String>::new());
    scene.outbox.try_again(&scene.repo).await.expect("asked");
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states(), ["success ok"]);
}
