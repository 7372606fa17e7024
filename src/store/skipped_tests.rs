//! A row that another version has written, or that was changed by hand, stops nothing but itself.

use std::collections::BTreeSet;

use super::Store;
use super::apps::tests::{app, app_id, oid, store};
use super::pulls::PullRow;
use super::runs::{NewRun, RunKind};
use crate::ids::{ClusterName, RepoName};

/// In each table that is listed: a row like the good one that cannot be read. SQLite's checks are off, as it refuses
/// words that it does not know.
const SPOILT: &str = "PRAGMA ignore_check_constraints = ON;
    INSERT INTO apps (id, repo, source_repo, cluster, definition, definition_commit, state)
        SELECT 'shop/future', repo, source_repo, cluster, '{\"format\":99,\"data\":{\"what\":\"ever\"}}',
               definition_commit, state FROM apps WHERE id = 'shop/web';
    INSERT INTO apps (id, repo, source_repo, cluster, definition, definition_commit, state)
        SELECT 'shop/torn', repo, source_repo, cluster, '{\"format\":1,', definition_commit, state
        FROM apps WHERE id = 'shop/web';
    INSERT INTO apps (id, repo, source_repo, cluster, definition, definition_commit, state)
        SELECT 'shop/asleep', repo, source_repo, cluster, definition, definition_commit, 'asleep'
        FROM apps WHERE id = 'shop/web';
    INSERT INTO objects (cluster, api_group, kind, namespace, name, version, app, state)
        VALUES ('prod', '', 'ConfigMap', 'shop', 'good', 'v1', 'shop/web', 'held'),
               ('prod', '', 'ConfigMap', 'shop', 'odd', 'v1', 'shop/torn', 'lost');
    INSERT INTO runs (id, kind, target, cause, state, started)
        VALUES ('odd', 'dream', 'shop/web', '[]', 'failed', 1);
    INSERT INTO waits (app, purpose, run, cluster, objects, deadline)
        VALUES ('shop/web', 'health', 'r', 'prod', '[]', 5), ('shop/torn', 'health', 'r', 'prod', '{\"format\":99,\"data\":[]}', 5),
               ('shop/torn', 'spring', 'r', 'prod', '[]', 5);
    INSERT INTO pulls (repo, number, state, head, base_ref, updated_at)
        SELECT 'shop', 7, 'open', definition_commit, 'refs/heads/main', 1 FROM apps WHERE id = 'shop/web';
    INSERT INTO pulls (repo, number, state, head, base_ref, updated_at)
        VALUES ('shop', 8, 'open', 'elsewhere', 'refs/heads/main', 1);
    INSERT INTO holds (app, at, what) VALUES ('shop/web', 1, 'pin'), ('shop/web', 1, 'dream');
    INSERT INTO jobs (key, state, priority, tenant, causes, first_event, last_event, due, not_before, attempt,
                      changed_at, failing_since, error)
        VALUES ('sync:shop/web', 'failed', 1, 'shop', '{\"format\":99,\"data\":[]}', 1, 1, 1, 0, 1, 1, 1, 'no'),
               ('sync:shop/torn', 'dreaming', 1, 'shop', '[]', 1, 1, 1, 0, 1, 1, 1, 'no');
    PRAGMA ignore_check_constraints = OFF;";

async fn spoilt() -> (Store, tempfile::TempDir) {
    let (store, dir) = store().await;
    store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
    let new = NewRun {
        kind: RunKind::Sync,
        target: "shop/web".into(),
        cause: serde_json::json!([{"kind": "poll"}]),
        revision: None,
        from_revision: None,
        author: None,
        begun: 400,
    };
    store.begin_run(&new, 10).await.expect("begun");
    sqlx::raw_sql(SPOILT).execute(store.write()).await.expect("spoilt");
    (store, dir)
}

/// S1: each list has what can be read, and each row that cannot be is named once, with its table, its name, what is
/// wrong and what comes of it.
#[tokio::test]
async fn s1_a_row_that_cannot_be_read_stops_no_list() {
    let (store, _dir) = spoilt().await;
    let (repo, prod, web) = (RepoName::new("shop"), ClusterName::new("prod"), app_id("shop/web"));
    let ids = |rows: Vec<super::apps::AppRow>| rows.into_iter().map(|row| row.app.id.name).collect::<Vec<_>>();
    for _ in 0..2 {
        assert_eq!(ids(store.apps().await.expect("read")), ["web"]);
        assert_eq!(ids(store.apps_defined_by(&repo).await.expect("read")), ["web"]);
        assert_eq!(ids(store.apps_reading(&repo).await.expect("read")), ["web"]);
        assert_eq!(ids(store.apps_on(&prod).await.expect("read")), ["web"]);
        assert_eq!(ids(store.snapshot().await.expect("begun").apps().await.expect("read")), ["web"]);
        assert_eq!(store.followers(&repo).await.expect("read").len(), 1);
        assert_eq!(store.inventory_on(&prod).await.expect("read").len(), 1);
        assert_eq!(store.inventory_of_kind(&prod, "", "ConfigMap").await.expect("read").len(), 1);
        assert_eq!(store.overviews().await.expect("read")[&web][&prod].undecided.len(), 1);
        assert_eq!(store.put_off(&web).await.expect("read").len(), 1);
        assert_eq!(store.runs(None, 10).await.expect("read").len(), 1);
        assert_eq!(store.runs(Some("shop/web"), 10).await.expect("read").len(), 1);
        assert_eq!(store.last_runs().await.expect("read").len(), 1);
        assert_eq!(store.waits().await.expect("read").len(), 1);
        assert_eq!(store.pulls(&repo, PullRow::Open).await.expect("read").len(), 1);
        assert_eq!(store.holds(None, 10).await.expect("read").len(), 1);
        assert_eq!(store.jobs(10).await.expect("read").len(), 1);
        assert_eq!(store.failing_jobs().await.expect("read").len(), 1);
        assert_eq!(store.all_replaced().await.expect("read"), []);
    }
    let skipped = store.skipped_rows();
    assert_eq!(skipped.iter().collect::<BTreeSet<_>>().len(), skipped.len());
    insta::assert_snapshot!(skipped.join("\n"));
}

/// S1: what was written over is read again; nothing else of the row is lost.
#[tokio::test]
async fn s1_a_definition_that_cannot_be_read_is_replaced_by_a_push() {
    let (store, _dir) = spoilt().await;
    for name in ["shop/future", "shop/torn"] {
        store.pause(&app_id(name), "ada", &crate::store::apps::holds::PauseNote::default()).await.expect("paused");
        let error = store.app(&app_id(name)).await.expect_err("unreadable").to_string();
        assert!(error.contains(name) && error.contains("next push or resync"), "{error}");
        store.put_app(&app(name, "shop"), &oid("b")).await.expect("stored");
        assert!(store.app(&app_id(name)).await.expect("read").expect("there").paused);
    }
    assert_eq!(store.apps().await.expect("read").len(), 3);
}

/// S1: values of early releases have no format, and are read.
#[tokio::test]
async fn s1_values_without_a_format_are_read() {
    let (store, _dir) = spoilt().await;
    let bare = "UPDATE apps SET definition = json_extract(definition, '$.data'),
                    heals = '{\"Deployment shop/web\":{\"fields\":[\"spec.replicas\"],\"manager\":null,\"count\":2}}'
                WHERE id = 'shop/web';
                UPDATE runs SET cause = '[{\"kind\":\"poll\"}]', counts = '{\"created\":2,\"fromTheFuture\":1}',
                    steps = '[{\"name\":\"render\",\"millis\":3}]' WHERE id <> 'odd';
                UPDATE pulls SET apps = '[\"shop/web\"]' WHERE number = 7;";
    sqlx::raw_sql(bare).execute(store.write()).await.expect("written");
    let row = store.app(&app_id("shop/web")).await.expect("read").expect("there");
    assert_eq!((&row.app, row.heals.len()), (&app("shop/web", "shop"), 1));
    let run = store.runs(Some("shop/web"), 1).await.expect("read").remove(0);
    assert_eq!((run.counts.created, run.steps.len(), &run.cause[0]["kind"]), (2, 1, &"poll".into()));
    assert_eq!(store.pull(&RepoName::new("shop"), 7).await.expect("read").expect("there").apps, [app_id("shop/web")]);
}
