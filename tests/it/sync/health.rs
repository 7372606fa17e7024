//! Waits on the real API server, where controllers and KWOK make things healthy.

use std::collections::HashMap;
use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::ClusterName;
use driftless::store::waits::WaitPurpose;
use driftless::sync::health::{WaitOutcome, Waits};
use serde_json::json;

use super::world::{World, config_map, deployment};

#[tokio::test]
async fn a_deployment_becomes_healthy_and_so_does_its_next_revision() {
    let mut world = World::new("healthy").await;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let done = world.sync_healthy('a', &[deployment("web", 2), service.clone(), config_map("a", &json!({}))]).await;
    assert_eq!(done.health.len(), 2);
    let mut next = deployment("web", 2);
    next["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.test/web:2");
    world.sync_healthy('b', &[next, service, config_map("a", &json!({}))]).await;
    let live = world.live("apps", "Deployment", "web").await.expect("there");
    assert_eq!(live["status"]["updatedReplicas"], 2, "the old status did not count");
    let counts = world.proxy.counts();
    assert_eq!(counts.of("WATCH", "apps/v1/deployments"), 1, "one watch serves both waits\n{counts}");
}

#[tokio::test]
async fn a_deadline_says_what_was_waited_for() {
    let mut world = World::new("late").await;
    let mut never = deployment("web", 1);
    never["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "where"});
    let done = world.sync('a', &[never]).await;
    let outcome = world.wait(WaitPurpose::Health, done.health, Duration::from_secs(2)).await;
    let WaitOutcome::TimedOut(text) = outcome else { panic!("{outcome:?}") };
    assert_eq!(text.replace(&world.namespace, "NS"), "Deployment NS/web: 0 of 1 replicas are available");
}

#[tokio::test]
async fn what_fails_for_good_ends_the_wait_before_its_deadline() {
    let mut world = World::new("failed").await;
    let mut stuck = deployment("web", 1);
    stuck["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "where"});
    stuck["spec"]["progressDeadlineSeconds"] = json!(1);
    let done = world.sync('a', &[stuck]).await;
    let outcome = world.wait(WaitPurpose::Health, done.health, Duration::from_secs(50)).await;
    let WaitOutcome::Failed(text) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("ProgressDeadlineExceeded"), "{text}");
}

#[tokio::test]
async fn where_a_kind_may_not_be_watched_its_objects_are_asked_about() {
    let mut world = World::new("unwatched").await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::FORBIDDEN)).containing("/apis/apps/v1/deployments?"));
    world.sync_healthy('a', &[deployment("web", 2)]).await;
    let live = world.live("apps", "Deployment", "web").await.expect("there");
    assert_eq!(live["status"]["availableReplicas"], 2);
}

#[tokio::test]
async fn a_deadline_says_why_nothing_could_be_seen() {
    let mut world = World::new("blind").await;
    let done = world.sync('a', &[deployment("web", 1)]).await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::FORBIDDEN)).containing("/deployments"));
    let outcome = world.wait(WaitPurpose::Health, done.health, Duration::from_secs(3)).await;
    let WaitOutcome::TimedOut(text) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("can't be watched") && text.contains("forbids it"), "{text}");
}

#[tokio::test]
async fn a_wait_outlives_the_process() {
    let mut world = World::new("outlives").await;
    let done = world.sync('a', &[deployment("web", 1)]).await;
    let wait = world.wait_row(WaitPurpose::Health, done.health, Duration::from_mins(1));
    // Stored, and the process dies before anything came of it.
    world.deps.store.put_wait(&wait).await.expect("stored");
    let (ends, mut ended) = tokio::sync::mpsc::channel(1);
    let clusters = HashMap::from([(ClusterName::new("prod"), world.deps.cluster.clone())]);
    let next = Waits::start(world.deps.store.clone(), world.tasks.clone(), clusters, ends);
    assert_eq!(next.resume().await.expect("resumed"), 1);
    let end = tokio::time::timeout(Duration::from_mins(1), ended.recv()).await.expect("in time").expect("an end");
    assert_eq!((end.outcome, end.wait), (WaitOutcome::Done, wait));
    assert_eq!(world.deps.store.waits().await.expect("read").len(), 1, "the row stays until somebody has acted");
    // A wait that is no longer wanted ends without a word.
    next.cancel(&world.app.id).await.expect("cancelled");
    assert_eq!(world.deps.store.waits().await.expect("read"), []);
    world.tasks.stop(Duration::from_secs(5)).await;
    assert!(ended.try_recv().is_err());
    let _ = &mut world;
}
