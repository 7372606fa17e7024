//! The outbox against the embedded forge: what people end up seeing, whatever went wrong on the way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use driftless::clock::SystemClock;
use driftless::dev::forge::ApiFault;
use driftless::forge::{NewStatus, StatusState};
use driftless::ids::{Oid, RepoName};
use driftless::lifecycle::Tasks;
use driftless::report::{Destination, Outbox, OutboxOptions, Target};
use driftless::store::Store;
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
        between_writes: Duration::from_millis(5),
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

#[tokio::test]
async fn pending_is_there_within_a_second_and_an_unchanged_status_is_not_posted_again() {
    let scene = Scene::start().await;
    let start = Instant::now();
    scene.put_status(StatusState::Pending, "looking").await;
    scene.sent(&scene.status_target()).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    scene.put_status(StatusState::Pending, "looking").await;
    scene.put_status(StatusState::Success, "1 update").await;
    scene.sent(&scene.status_target()).await;
    scene.put_status(StatusState::Success, "1 update").await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states(), ["pending looking", "success 1 update"]);
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

#[tokio::test]
async fn pull_requests_that_share_a_head_show_the_worst() {
    let scene = Scene::start().await;
    let gate = |state, text| scene.status(state, text);
    let put = async |number, status: NewStatus| {
        scene.outbox.put_gate(&scene.repo, number, &status).await.expect("put");
        scene.sent(&scene.status_target()).await;
        scene.states().last().cloned().unwrap_or_default()
    };
    assert_eq!(put(1, gate(StatusState::Success, "fine")).await, "success fine");
    assert_eq!(put(2, gate(StatusState::Pending, "looking")).await, "pending looking");
    assert_eq!(put(2, gate(StatusState::Failure, "bad")).await, "failure bad");
    assert_eq!(put(1, gate(StatusState::Success, "fine again")).await, "failure bad");
    scene.outbox.drop_gate(&scene.repo, 2, "driftless").await.expect("dropped");
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("success fine again"));
}

/// C9: the worst is chosen where it is written down: of gates that come at the same moment none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn c9_of_gates_that_come_at_once_the_worst_is_shown() {
    let scene = Scene::start().await;
    for round in 0..10 {
        let success = format!("fine {round}");
        let failure = format!("bad {round}");
        let puts = (1..=8_u64).map(|number| {
            let status = match number {
                5 => scene.status(StatusState::Failure, &failure),
                _ => scene.status(StatusState::Success, &success),
            };
            let (outbox, repo) = (scene.outbox.clone(), scene.repo.clone());
            tokio::spawn(async move { outbox.put_gate(&repo, number, &status).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.expect("it ends").expect("put");
        }
        scene.sent(&scene.status_target()).await;
        assert_eq!(scene.states().last(), Some(&format!("failure {failure}")), "{:?}", scene.states());
    }
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

#[tokio::test]
async fn a_pull_request_that_moves_on_does_not_hold_up_who_shares_the_head_it_left() {
    let scene = Scene::start().await;
    let put = async |number, status: NewStatus| scene.outbox.put_gate(&scene.repo, number, &status).await.expect("put");
    put(1, scene.status(StatusState::Success, "fine")).await;
    put(2, scene.status(StatusState::Pending, "looking")).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("pending looking"));
    let elsewhere = "b".repeat(40).parse().expect("an id");
    put(2, NewStatus { sha: elsewhere, ..scene.status(StatusState::Pending, "looking") }).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("success fine"));
}

/// What the forge was asked to write, in its order: `comment`, or the state and the text of a status.
fn written(scene: &Scene) -> Vec<String> {
    let mut states = scene.states().into_iter();
    let requests = scene.forge.forge.faults().requests();
    let of = |line: String| match line {
        line if line.starts_with("POST ") && line.contains("/statuses/") => states.next(),
        line if (line.starts_with("POST ") || line.starts_with("PATCH ")) && line.contains("/comments") => {
            Some("comment".to_owned())
        }
        _ => None,
    };
    requests.into_iter().filter_map(of).collect()
}

/// H1: a gate that lets a merge pass comes after the comment that it rests on, and says so where that takes long.
#[tokio::test]
async fn h1_a_gate_passes_only_once_the_forge_shows_its_comment() {
    let scene = Scene::start().await;
    let put = async |text: &str, state: StatusState| {
        scene.put_comment(&[text]).await;
        scene.outbox.put_gate(&scene.repo, scene.number, &scene.status(state, text)).await.expect("put");
    };
    put("1 update", StatusState::Success).await;
    scene.succeeds("success 1 update").await;
    assert_eq!(written(&scene), ["comment", "success 1 update"], "quietly");
    // What blocks waits for nothing.
    scene.fault(Method::PATCH, "/comments", 1, ApiFault::Slow(Duration::from_millis(100)));
    put("1 rejected", StatusState::Failure).await;
    scene.succeeds("failure 1 rejected").await;
    scene.sent(&scene.comment_target()).await;
    scene.fault(Method::PATCH, "/comments", 6, ApiFault::Status(502));
    put("2 updates", StatusState::Success).await;
    scene.succeeds("pending its comment is being posted").await;
    assert_eq!(scene.shown(), ["1 rejected"]);
    scene.succeeds("success 2 updates").await;
    assert_eq!(scene.shown(), ["2 updates"]);
    // The same comment again is shown already.
    put("2 updates", StatusState::Success).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("success 2 updates"));
    assert_eq!(scene.states().len(), 4, "{:?}", scene.states());
}

/// H1: a comment that the forge does not take leaves the gate closed, and says so; once it is taken, the gate says what
/// it had to.
#[tokio::test]
async fn h1_a_gate_whose_comment_is_not_taken_does_not_pass() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/comments", 10, ApiFault::Status(422));
    scene.put_comment(&["1 update"]).await;
    scene
        .outbox
        .put_gate(&scene.repo, scene.number, &scene.status(StatusState::Success, "1 update"))
        .await
        .expect("put");
    scene.succeeds("error its comment could not be posted; retrying").await;
    assert!(!scene.states().iter().any(|state| state.starts_with("success")), "{:?}", scene.states());
    scene.outbox.try_again(&scene.repo).await.expect("asked");
    scene.succeeds("success 1 update").await;
    assert_eq!(scene.shown(), ["1 update"]);
}

/// H1: edits leave a part of the hour to first comments, outcomes and notices, hold up no status, and are told as held
/// back.
#[tokio::test]
async fn h1_what_is_new_is_shown_however_many_comments_are_edited() {
    let scene = Scene::start_with(OutboxOptions { comments_per_hour: 6, reserved_per_hour: 3, ..options() }).await;
    for text in ["one", "two", "three"] {
        scene.put_comment(&[text]).await;
        scene.sent(&scene.comment_target()).await;
    }
    scene.put_comment(&["four"]).await;
    scene.outbox.put_gate(&scene.repo, scene.number, &scene.status(StatusState::Success, "4")).await.expect("put");
    scene.succeeds("pending its comment is being posted").await;
    assert_eq!(scene.shown(), ["three"]);
    let other = scene.forge.forge.open_pull(PROJECT, "main", "topic", "t").await.expect("opened");
    scene.outbox.put_comment(&scene.repo, other, &["first".to_owned()]).await.expect("put");
    scene.outbox.put_notice(&scene.repo, other, "it failed").await.expect("put");
    scene.sent(&Target::Comment { repo: scene.repo.clone(), number: other }).await;
    scene.sent(&Target::Notice { repo: scene.repo.clone(), number: other }).await;
    scene.outbox.put_outcome(&scene.repo, other, &["merged".to_owned()]).await.expect("put");
    scene.sent(&Target::Comment { repo: scene.repo.clone(), number: other }).await;
    // One more than the hour has: nothing is sent, and statuses go on.
    scene.outbox.put_notice(&scene.repo, other, "again").await.expect("put");
    scene.put_status(StatusState::Failure, "no").await;
    scene.succeeds("failure no").await;
    let deadline = Instant::now() + Duration::from_secs(15);
    let late = loop {
        let late = scene.store.late_reports(10).await.expect("read");
        if late.len() == 2 {
            break late;
        }
        assert!(Instant::now() < deadline, "{late:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(late[0].target, scene.comment_target().to_string());
    let minutes = (late[0].held_until.expect("held back") - scene.store.now()) / 60_000;
    assert!((58..60).contains(&minutes), "{minutes}");
    let backlog = scene.store.backlog().await.expect("read");
    assert_eq!((backlog[0].due, backlog[0].held), (2, 2));
}
