//! Waits on the real API server, where controllers and KWOK make things healthy.

use std::collections::HashMap;
use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::ClusterName;
use driftless::store::runs::{NewRun, RunKind};
use driftless::store::waits::{Wait, WaitPurpose};
use driftless::sync::health::{WaitOutcome, Waits};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::world::{World, config_map, deployment};
use crate::support::{cluster, others};

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
    assert!(text.contains("cannot be watched") && text.contains("forbids it"), "{text}");
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

pub async fn api(world: &World, group: &str, kind: &str) -> kube::Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    kube::Api::namespaced_with(cluster::client().await, &world.namespace, &kind)
}

async fn patch(world: &World, group: &str, kind: &str, name: &str, patch: &Value) {
    api(world, group, kind).await.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
}

/// A definition of Rollouts in a group of its own, as somebody has installed it.
pub async fn rollouts(world: &World) -> String {
    let group = format!("{}.example", world.namespace);
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": any, "status": any}}});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": schema});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("rollouts.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": "Rollout", "plural": "rollouts", "singular": "rollout"}}});
    let key = driftless::manifest::ObjectKey::of(&definition).expect("a name");
    let mode = driftless::cluster::ApplyMode { dry_run: false, force: false };
    world.deps.cluster.apply(&key, &definition, mode).await.expect("installed");
    for _ in 0..600 {
        if world.deps.cluster.refresh_discovery().await.expect("discovery").resolve(&group, "v1", "Rollout").is_some() {
            return group;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the definition is never served");
}

/// H1, H3, H9, B13: what nobody has spoken of is not healthy at once, and what says so of an older generation is not
/// healthy at all.
#[tokio::test]
async fn a_custom_resource_is_healthy_once_its_controller_says_so() {
    let mut world = World::new("custom").await;
    let group = rollouts(&world).await;
    let rollout = |image: &str| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Rollout",
        "metadata": {"name": "web"}, "spec": {"image": image}})
    };
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {
        "storageClassName": "on-first-use", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let started = tokio::time::Instant::now();
    world.sync_healthy('a', &[rollout("a:1"), claim.clone()]).await;
    assert!(started.elapsed() >= Duration::from_secs(9), "nobody has said anything: {:?}", started.elapsed());

    let done = world.sync('b', &[rollout("a:2"), claim]).await;
    let wait = world.wait_row(WaitPurpose::Health, done.health, Duration::from_mins(1));
    world.waits.add(wait).await.expect("a wait");
    let rollouts = api(&world, &group, "Rollout").await;
    let says = async |generation: &str| {
        let status = json!({"status": {"observedGeneration": generation, "phase": "Healthy"}});
        rollouts.patch_status("web", &PatchParams::default(), &Patch::Merge(&status)).await.expect("said");
    };
    says("1").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.ended.try_recv().is_err(), "that was said of the first one");
    says("2").await;
    assert_eq!(world.end().await, WaitOutcome::Done);
}

/// H6, H8: built-in kinds are waited for until their controllers have seen them, and what stands still on purpose is
/// told beside the run.
#[tokio::test]
async fn what_stands_beside_a_deployment_is_waited_for() {
    let mut world = World::new("beside").await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    let mut paused = deployment("paused", 1);
    paused["spec"]["paused"] = json!(true);
    let done = world.sync('a', &[deployment("web", 1), autoscaler, budget, paused]).await;
    assert_eq!(done.health.len(), 4);
    let (target, begun) = (world.app.id.to_string(), world.deps.store.now());
    let (revision, from_revision, author) = (None, None, None);
    let new = NewRun { kind: RunKind::Sync, target, cause: json!([]), revision, from_revision, author, begun };
    let run = world.deps.store.begin_run(&new, 10).await.expect("a run");
    let wait = world.wait_row(WaitPurpose::Health, done.health, Duration::from_mins(1));
    world.waits.add(Wait { run: run.clone(), ..wait }).await.expect("a wait");
    assert_eq!(world.end().await, WaitOutcome::Done);
    let told = world.deps.store.run(&run).await.expect("read").expect("there").error.unwrap_or_default();
    assert_eq!(told.replace(&world.namespace, "NS"), "suspended: Deployment NS/paused (it is paused)");
    let key = driftless::manifest::ObjectKey {
        version: "v2".into(),
        ..world.key("autoscaling", "HorizontalPodAutoscaler", "web")
    };
    let autoscaler = world.deps.cluster.get(&key).await.expect("an answer").expect("there");
    assert!(autoscaler["status"]["conditions"].to_string().contains("AbleToScale"), "{autoscaler}");
}

/// B14: Git brings back what hangs in its deletion: an apply does not take that back, so it is no success.
#[tokio::test]
async fn what_is_applied_while_it_is_being_deleted_is_waited_for_until_it_has_gone() {
    let mut world = World::new("dying").await;
    world.sync('a', &[config_map("a", &json!({}))]).await;
    patch(&world, "", "ConfigMap", "a", &json!({"metadata": {"finalizers": ["test.driftless.dev/hold"]}})).await;
    others::deletes(&world.key("", "ConfigMap", "a")).await;
    let done = world.sync('b', &[config_map("a", &json!({"k": "v"}))]).await;
    assert_eq!(done.health.len(), 1, "a map is waited for, too");
    let wait = world.wait_row(WaitPurpose::Health, done.health, Duration::from_mins(1));
    world.waits.add(wait).await.expect("a wait");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.ended.try_recv().is_err(), "it is still being deleted");
    patch(&world, "", "ConfigMap", "a", &json!({"metadata": {"finalizers": null}})).await;
    let WaitOutcome::Gone(text) = world.end().await else { panic!("it has gone") };
    assert_eq!(
        text.replace(&world.namespace, "NS"),
        "ConfigMap NS/a: it was being deleted while it was applied, and is gone now; it is created again"
    );
}

/// C2: what was lost between the store and the watches is taken up by the next look, an end that nobody acted on is
/// told again.
#[tokio::test]
async fn a_lost_wait_and_a_lost_end_are_taken_up_again() {
    let mut world = World::new("swept").await;
    let done = world.sync('a', &[deployment("web", 1)]).await;
    let wait = world.wait_row(WaitPurpose::Health, done.health, Duration::from_mins(1));
    world.deps.store.put_wait(&wait).await.expect("stored, and begun by nobody");
    assert_eq!(world.waits.sweep().await.expect("swept"), 1);
    let end = world.next_end().await;
    assert_eq!((&end.outcome, &end.wait), (&WaitOutcome::Done, &wait));
    // It was written down, and what should have come of it was lost.
    assert!(world.deps.store.note_wait_end(&end).await.expect("noted"));
    assert_eq!(world.waits.sweep().await.expect("swept"), 1);
    assert_eq!(world.next_end().await, end);
    assert!(world.deps.store.end_wait(&wait).await.expect("acted on"));
    assert_eq!(world.waits.sweep().await.expect("swept"), 0);
}
