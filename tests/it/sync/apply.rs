//! What an apply writes, what it asks for, and what it leaves alone.

use driftless::class::{Class, Classified};
use driftless::store::inventory::ObjectState;
use driftless::store::runs::{NewRun, RunKind};
use driftless::sync::SyncError;
use serde_json::{Value, json};

use super::world::{How, World, config_map, deployment, oid};

#[tokio::test]
async fn objects_are_applied_marked_and_in_the_inventory() {
    let world = World::new("applied").await;
    let done = world.sync('a', &[config_map("settings", &json!({"a": "1"})), deployment("web", 1)]).await;
    assert_eq!((done.counts.created, done.counts.unchanged, done.prunes), (2, 0, false));
    assert_eq!(done.health.len(), 1, "a ConfigMap has no health to wait for");

    let live = world.live("", "ConfigMap", "settings").await.expect("there");
    assert_eq!(live["metadata"]["labels"]["driftless.dev/app"], world.marks.label());
    let owner = format!("driftless:shop/web:/ConfigMap:{}/settings", world.namespace);
    assert_eq!(live["metadata"]["annotations"]["driftless.dev/owner"], owner);
    let rows = world.inventory().await;
    assert_eq!(world.names().await, ["ConfigMap NS/settings", "Deployment NS/web"]);
    assert!(
        rows.iter().all(|row| row.state == ObjectState::Applied && row.applied_revision == Some(oid('a'))),
        "{rows:?}"
    );
    assert_eq!(rows[0].uid.as_deref(), live["metadata"]["uid"].as_str());
}

#[tokio::test]
async fn a_thousand_unchanged_objects_cost_no_request() {
    let world = World::new("unchanged").await;
    let objects: Vec<Value> = (0..1_000).map(|n| config_map(&format!("m{n}"), &json!({"n": n.to_string()}))).collect();
    assert_eq!(world.sync('a', &objects).await.counts.created, 1_000);
    world.proxy.forget_counts();
    let done = world.sync('b', &objects).await;
    assert_eq!((done.counts.unchanged, done.counts.created + done.counts.updated), (1_000, 0));
    let counts = world.proxy.counts();
    assert_eq!(counts.total(), 0, "{counts}");
    assert!(
        world.inventory().await.iter().all(|row| row.applied_revision == Some(oid('b'))),
        "they are part of the new revision"
    );

    let mut one = objects;
    one[7] = config_map("m7", &json!({"n": "other"}));
    let done = world.sync('c', &one).await;
    assert_eq!((done.counts.unchanged, done.counts.updated), (999, 1));
    let counts = world.proxy.counts();
    assert_eq!((counts.writes(), counts.total()), (1, 2), "dry-run and apply of one object\n{counts}");
}

#[tokio::test]
async fn a_bad_revision_changes_nothing() {
    let world = World::new("bad").await;
    world.sync('a', &[config_map("a", &json!({"v": "1"}))]).await;
    let mut broken = deployment("web", 1);
    broken["spec"]["replica"] = json!(3);
    world.proxy.forget_counts();
    let error = world
        .sync_with('b', &[config_map("a", &json!({"v": "2"})), broken], How::default())
        .await
        .expect_err("refused");
    assert!(matches!(error, SyncError::Rejected(_)), "{error}");
    assert_eq!(error.class(), Class::Fail);
    let text = error.to_string().replace(&world.namespace, "NS");
    assert!(text.starts_with("the cluster rejects Deployment NS/web (deploy/app.yaml): "), "{text}");
    assert!(text.contains("replica"), "the field is named: {text}");
    assert_eq!(world.proxy.counts().writes(), 0, "{}", world.proxy.counts());
    assert_eq!(world.names().await, ["ConfigMap NS/a"], "not even a claim is left");
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"]["v"], "1");
}

#[tokio::test]
async fn a_job_that_is_gone_is_not_made_again_at_its_revision_but_at_the_next() {
    let world = World::new("job").await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "example.test/x:1"}]}}}});
    let objects = [config_map("a", &json!({})), job];
    world.sync('a', &objects).await;
    delete(&world, "batch", "Job", "migrate").await;
    let drifted = [world.key("batch", "Job", "migrate").id()].into();
    let done = world.sync_with('a', &objects, How { drifted: Some(drifted), ..How::default() }).await.expect("synced");
    assert_eq!(done.skipped[0].1, "it was applied at this revision and is gone; a Job is not created again");
    assert!(world.live("batch", "Job", "migrate").await.is_none());
    assert_eq!(done.health, [], "nothing is waited for that will not come");
}

#[tokio::test]
async fn a_cancelled_sync_finishes_the_part_that_has_begun() {
    let world = World::new("cancelled").await;
    let objects = [config_map("a", &json!({})), config_map("b", &json!({})), deployment("web", 1)];
    let (target, begun) = (world.app.id.to_string(), world.deps.store.now());
    let (revision, from_revision, author) = (None, None, None);
    let new = NewRun { kind: RunKind::Sync, target, cause: json!([]), revision, from_revision, author, begun };
    let run = world.deps.store.begin_run(&new, 10).await.expect("a run");
    let how = How { cancel_at_first_write: true, run: Some(run.clone()), ..How::default() };
    let error = world.sync_with('a', &objects, how).await.expect_err("cancelled");
    assert_eq!(error.class(), Class::Cancelled);
    // T1+: what it did until then is in the history.
    let counts = world.deps.store.run(&run).await.expect("read").expect("there").counts;
    assert_eq!((counts.created, counts.updated), (2, 0), "{counts:?}");
    assert!(
        world.live("", "ConfigMap", "a").await.is_some() && world.live("", "ConfigMap", "b").await.is_some(),
        "the part that had begun"
    );
    assert!(world.live("apps", "Deployment", "web").await.is_none());
    let states: Vec<_> = world.inventory().await.into_iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [ObjectState::Applied, ObjectState::Applied, ObjectState::Claimed],
        "what may be half done is still owned"
    );
    assert_eq!(world.sync('b', &objects).await.counts.created, 1);
}

/// C1: a sync that something newer has overtaken before its first write writes nothing, and claims nothing.
#[tokio::test]
async fn a_superseded_sync_writes_nothing() {
    let world = World::new("superseded").await;
    let how = How { superseded: true, ..How::default() };
    let error = world.sync_with('a', &[config_map("a", &json!({}))], how).await.expect_err("superseded");
    assert_eq!(error.class(), Class::Cancelled);
    assert!(world.live("", "ConfigMap", "a").await.is_none());
    assert_eq!(world.inventory().await.len(), 0);
}

pub async fn delete(world: &World, group: &str, kind: &str, name: &str) {
    crate::support::others::deletes(&world.key(group, kind, name)).await;
    for _ in 0..200 {
        if world.live(group, kind, name).await.is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{kind} {name} does not go");
}
