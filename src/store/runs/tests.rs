use serde_json::json;

use super::step::RunStep;
use super::{Counts, LAST_OF_APPS, NewRun, OF_TARGET, REPLACED, RunId, RunKind, RunState, SUPERSEDED, Step};
use crate::store::Store;
use crate::store::apps::tests::{app, oid, store};

fn new(target: &str) -> NewRun {
    NewRun {
        kind: RunKind::Sync,
        target: target.into(),
        cause: json!({"push": "main"}),
        revision: None,
        from_revision: Some(oid("e")),
        author: None,
        begun: 400,
    }
}

async fn ended(store: &Store, target: &str) -> RunId {
    let run = store.begin_run(&new(target), 3).await.expect("begun");
    store.set_run_state(&run, RunState::Succeeded, None).await.expect("ended");
    run
}

#[tokio::test]
async fn a_run_tells_its_whole_story() {
    let (store, _dir) = store().await;
    let run = store.begin_run(&new("shop/web"), 10).await.expect("begun");
    store.set_run_revision(&run, &oid("a"), Some("ada")).await.expect("stored");
    let steps = [("render", 35), ("apply", 120)].map(|(name, millis)| Step { name: name.into(), millis });
    let counts = Counts { created: 2, ..Counts::default() };
    let step = |state, steps, counts| RunStep { run: &run, state, error: None, did: Some((steps, counts)) };
    store.write_run(step(RunState::Running, &steps[..1], Some(&counts))).await.expect("stored");
    store.write_run(step(RunState::Waiting, &steps[..], None)).await.expect("stored");
    assert_eq!(store.cancel_running().await.expect("none"), 0, "a wait outlives the process");
    store.set_run_state(&run, RunState::Failed, Some("Deployment shop/web makes no progress")).await.expect("stored");
    store.set_run_state(&run, RunState::Succeeded, None).await.expect("too late");

    let row = store.run(&run).await.expect("read").expect("there");
    assert_eq!((row.state, row.finished), (RunState::Failed, Some(1_000)));
    assert_eq!(row.started, 400, "T9: when the work began, not when it was written down");
    assert_eq!(row.error.as_deref(), Some("Deployment shop/web makes no progress"));
    assert_eq!((row.revision, row.author.as_deref()), (Some(oid("a").to_string()), Some("ada")));
    assert_eq!(row.counts.created, 2);
    assert_eq!(row.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["render", "apply"]);
    assert_eq!(row.cause, json!({"push": "main"}));
}

/// T1+, F6, F15: a run that applied something and was superseded while it waited says so, how much, and what it had
/// found and asked for.
#[tokio::test]
async fn a_superseded_run_says_that_it_applied() {
    let (store, _dir) = store().await;
    let counts = Counts { created: 2, ..Counts::default() };
    let mut ended = Vec::new();
    let waiting = RunState::Waiting;
    let nothing = Counts { unchanged: 3, ..Counts::default() };
    let asks = Some("deletes 1 of 7; to confirm: driftless sync");
    let paused = "healed: Service a was gone; its deletions have not begun because the app is paused. To continue: x";
    for (state, text, counts, by) in [
        (waiting, asks, counts, None),
        (waiting, None, counts, Some("ada")),
        (RunState::Running, None, counts, None),
        (waiting, asks, nothing, Some("ada")),
        (waiting, Some(paused), counts, None),
    ] {
        let run = store.begin_run(&new("shop/web"), 10).await.expect("begun");
        store
            .write_run(RunStep { run: &run, state, error: text, did: Some((&[], Some(&counts))) })
            .await
            .expect("stored");
        store.supersede_runs("shop/web", by).await.expect("superseded");
        let row = store.run(&run).await.expect("read").expect("there");
        assert_eq!((row.state, row.counts), (RunState::Cancelled, counts));
        ended.push(row.error);
    }
    let ended: Vec<String> = ended.into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(
        ended,
        [
            format!("deletes 1 of 7; not confirmed; {SUPERSEDED}"),
            SUPERSEDED.to_owned(),
            String::new(),
            format!("deletes 1 of 7; confirmed by ada; {REPLACED}"),
            format!("healed: Service a was gone; {SUPERSEDED}"),
        ],
        "and repeats no command that is out of date"
    );
}

#[tokio::test]
async fn the_history_of_a_target_is_bounded_and_keeps_what_has_not_ended() {
    let (store, _dir) = store().await;
    let waiting = store.begin_run(&new("shop/web"), 3).await.expect("begun");
    store.set_run_state(&waiting, RunState::Waiting, None).await.expect("waits");
    let other = ended(&store, "shop/api").await;
    for _ in 0..6 {
        ended(&store, "shop/web").await;
    }
    let runs = store.runs(Some("shop/web"), 100).await.expect("read");
    assert_eq!(runs.len(), 4, "three and the one that waits");
    assert!(runs.iter().any(|run| run.id == waiting));
    assert_eq!(store.runs(None, 100).await.expect("read").len(), 5);
    assert_eq!(store.runs(Some("shop/api"), 100).await.expect("read")[0].id, other);
    assert_eq!(store.runs(None, 2).await.expect("read").len(), 2);
}

#[tokio::test]
async fn a_restart_ends_what_was_in_the_middle() {
    let (store, _dir) = store().await;
    let run = store.begin_run(&new("shop/web"), 3).await.expect("begun");
    assert_eq!(store.cancel_running().await.expect("one"), 1);
    assert_eq!(store.run(&run).await.expect("read").expect("there").state, RunState::Cancelled);
}

/// A scrape of the metrics reads the newest run of each app, and no other.
#[tokio::test]
async fn the_newest_run_of_each_app_is_found_by_the_index() {
    let (store, _dir) = store().await;
    for name in ["shop/web", "shop/api"] {
        store.put_app(&app(name, "shop"), &oid("a")).await.expect("stored");
        ended(&store, name).await;
    }
    let newest = ended(&store, "shop/web").await;
    ended(&store, "shop#7").await;
    let last = store.last_runs().await.expect("read");
    let of_web = last.iter().find(|run| run.target == "shop/web").expect("there");
    assert_eq!((last.len(), &of_web.id, of_web.from_revision.as_deref()), (2, &newest, Some(oid("e").as_str())));
    for sql in [OF_TARGET, LAST_OF_APPS] {
        let plan = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let query = sqlx::query_as::<_, (i64, i64, i64, String)>(plan);
        let steps: Vec<String> =
            query.fetch_all(store.read()).await.expect("a plan").into_iter().map(|row| row.3).collect();
        assert!(steps.iter().all(|step| !step.contains("SCAN runs")), "{sql}: {steps:?}");
    }
}
