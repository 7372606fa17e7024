//! Gates: the worst of a head, and after the comment that they rest on.

use super::*;

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
    scene.outbox.drop_gate(&scene.repo, 2, "driftless", None).await.expect("dropped");
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

/// C9+: a merge group whose commit is a pull request's head as well does not overrule what that says.
#[tokio::test]
async fn c9_a_merge_group_and_a_pull_request_of_one_head_show_the_worst() {
    let scene = Scene::start().await;
    let group = async |status: NewStatus| scene.outbox.put_group_gate(&scene.repo, &status).await.expect("put");
    let pull = async |status: NewStatus| scene.outbox.put_gate(&scene.repo, 1, &status).await.expect("put");
    pull(scene.status(StatusState::Failure, "bad")).await;
    group(scene.status(StatusState::Success, "fine")).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("failure bad"));
    pull(scene.status(StatusState::Success, "mended")).await;
    scene.sent(&scene.status_target()).await;
    assert!(scene.states().last().is_some_and(|last| last.starts_with("success ")), "{:?}", scene.states());
    group(scene.status(StatusState::Failure, "together")).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("failure together"));
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
    put("1 to update", StatusState::Success).await;
    scene.succeeds("success 1 to update").await;
    assert_eq!(written(&scene), ["comment", "success 1 to update"], "quietly");
    // What blocks waits for nothing.
    scene.fault(Method::PATCH, "/comments", 1, ApiFault::Slow(Duration::from_millis(100)));
    put("1 rejected", StatusState::Failure).await;
    scene.succeeds("failure 1 rejected").await;
    scene.sent(&scene.comment_target()).await;
    scene.fault(Method::PATCH, "/comments", 6, ApiFault::Status(502));
    put("2 to update", StatusState::Success).await;
    scene.succeeds("pending its comment is being posted").await;
    assert_eq!(scene.shown(), ["1 rejected"]);
    scene.succeeds("success 2 to update").await;
    assert_eq!(scene.shown(), ["2 to update"]);
    // The same comment again is shown already.
    put("2 to update", StatusState::Success).await;
    scene.sent(&scene.status_target()).await;
    assert_eq!(scene.states().last().map(String::as_str), Some("success 2 to update"));
    assert_eq!(scene.states().len(), 4, "{:?}", scene.states());
}

/// H1: a comment that the forge does not take leaves the gate closed, and says so; once it is taken, the gate says what
/// it had to.
#[tokio::test]
async fn h1_a_gate_whose_comment_is_not_taken_does_not_pass() {
    let scene = Scene::start().await;
    scene.fault(Method::POST, "/comments", 10, ApiFault::Status(422));
    scene.put_comment(&["1 to update"]).await;
    scene
        .outbox
        .put_gate(&scene.repo, scene.number, &scene.status(StatusState::Success, "1 to update"))
        .await
        .expect("put");
    scene.succeeds("error its comment could not be posted; retrying").await;
    assert!(!scene.states().iter().any(|state| state.starts_with("success")), "{:?}", scene.states());
    scene.outbox.try_again(&scene.repo).await.expect("asked");
    scene.succeeds("success 1 to update").await;
    assert_eq!(scene.shown(), ["1 to update"]);
}

/// H1: edits leave a part of the hour to first comments, outcomes and notices, hold up no status, and are told as held
/// back.
#[tokio::test]
async fn h1_what_is_new_is_shown_however_many_comments_are_edited() {
    let comments = CommentLimits { per_minute: 80, per_hour: 6, reserved_per_hour: 3 };
    let scene = Scene::start_with(OutboxOptions { comments: Some(comments), ..options() }).await;
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
    let (late, backlog) = loop {
        let late = scene.store.late_reports(10).await.expect("read");
        let backlog = scene.store.backlog().await.expect("read");
        // A status that was on its way is through.
        if late.len() == 2 && backlog[0].due == 2 {
            break (late, backlog);
        }
        assert!(Instant::now() < deadline, "{late:?} {backlog:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(late[0].target, scene.comment_target().to_string());
    let minutes = (late[0].held_until.expect("held back") - scene.store.now()) / 60_000;
    assert!((58..60).contains(&minutes), "{minutes}");
    assert_eq!((backlog[0].due, backlog[0].held), (2, 2));
}
