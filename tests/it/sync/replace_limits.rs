//! Objects that are replaced while what decides over them comes with the same change.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::plan::{Action, NotValidated, Verdict};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{How, World, config_map};
use crate::support::cluster;

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}})
}

fn pod(memory: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runner",
        "annotations": {"driftless.dev/replace": "true"}}, "spec": {"serviceAccountName": "runner",
        "containers": [{"name": "main", "image": "registry.example/a:1", "resources": {"limits": {"memory": memory}}}]}})
}

fn namespace(name: &str, level: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    if let Some(level) = level {
        object["metadata"]["labels"] = json!({"pod-security.kubernetes.io/enforce": level});
    }
    object
}

fn range(most: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [
        {"type": "Container", "max": {"memory": most}}]}})
}

async fn is_left_alone(world: &World, next: &[Value], limiter: &str, why: &str) {
    let before = world.live("", "Pod", "runner").await.expect("there");
    let plan = world.plan('b', next, &How::default()).await;
    let change = plan.changes.iter().find(|change| change.key.kind == "Pod").expect("the pod");
    assert_eq!(change.action, Action::Replace);
    let Verdict::NotValidated { reason: NotValidated::LimitedInPlan { by } } = &change.verdict else {
        panic!("{change:?}")
    };
    assert_eq!(by.kind, limiter);
    let error = world.sync_with('b', next, How::default()).await.expect_err("refused").to_string();
    assert!(error.contains(why), "{error}");
    let after = world.live("", "Pod", "runner").await.expect("it is not deleted");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert!(after["metadata"].get("deletionTimestamp").is_none());
}

/// B19+: a replacement that the change's own labels for Pod Security refuse deletes nothing.
#[tokio::test]
async fn what_pod_security_of_the_same_change_refuses_is_not_deleted() {
    let world = World::in_namespace(cluster::namespace_name("replace-psa")).await;
    world.sync('a', &[namespace(&world.namespace, None), account(), pod("1Gi")]).await;
    let next = [namespace(&world.namespace, Some("restricted")), account(), pod("2Gi")];
    is_left_alone(&world, &next, "Namespace", "violates PodSecurity").await;
}

/// B19+: nor does one that a range of the same change refuses; and one that it takes is made.
#[tokio::test]
async fn what_a_range_of_the_same_change_refuses_is_not_deleted() {
    let world = World::new("replace-range").await;
    world.sync('a', &[account(), pod("1Gi")]).await;
    is_left_alone(&world, &[account(), range("100Mi"), pod("2Gi")], "LimitRange", "maximum memory usage").await;
    let before = world.live("", "Pod", "runner").await.expect("there");
    let done = world.sync('c', &[account(), range("4Gi"), pod("2Gi")]).await;
    assert_eq!(done.counts.replaced, 1);
    let after = world.live("", "Pod", "runner").await.expect("made again");
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
}

/// B19+: whatever came after the plan: it is asked again right before the delete.
#[tokio::test]
async fn what_is_refused_right_before_the_delete_is_not_deleted() {
    let world = World::new("replace-asked").await;
    let map = |value: &str| {
        let mut object = config_map("x", &json!({"k": value}));
        object["metadata"]["annotations"] = json!({"driftless.dev/replace": "true"});
        object["immutable"] = true.into();
        object
    };
    world.sync('a', &[map("1")]).await;
    let before = world.live("", "ConfigMap", "x").await.expect("there");
    let refused = Fault::status(StatusCode::FORBIDDEN);
    let rule = world.proxy.add(Rule::all(refused).method(Method::POST).containing("dryRun").after(1));
    let error = world.sync_with('b', &[map("2")], How::default()).await.expect_err("refused").to_string();
    assert!(
        world.proxy.struck(rule) > 0 && error.contains("It was not replaced: the cluster does not accept"),
        "{error}"
    );
    let after = world.live("", "ConfigMap", "x").await.expect("it is not deleted");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    world.proxy.clear();
    assert_eq!(world.sync('b', &[map("2")]).await.counts.replaced, 1);
}
