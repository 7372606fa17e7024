//! What an object needs, when it comes with the same change.

use driftless::plan::{Action, NotValidated, Verdict};
use driftless::sync::SyncError;
use serde_json::{Value, json};

use super::world::{How, World, config_map};
use crate::support::{cluster, deployed};

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}})
}

fn pod(class: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, "spec": {
        "serviceAccountName": "runner", "priorityClassName": class, "containers": [{"name": "main",
        "image": "registry.example/a:1"}]}})
}

fn class(name: &str) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 10})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn role_and_binding(verbs: &[&str]) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    [
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "reader"},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]}),
        json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "reads"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "runner"}]}),
    ]
}

/// B1, case 41: a Pod and the `ServiceAccount` and `PriorityClass` that it names.
#[tokio::test]
async fn a_pod_comes_with_what_it_names() {
    let world = World::new("siblings").await;
    let name = format!("{}-high", world.namespace);
    let objects = [pod(&name), account(), class(&name)];
    let plan = world.plan('a', &objects, &How::default()).await;
    let change = plan.changes.iter().find(|change| change.key.kind == "Pod").expect("the pod");
    let Verdict::NotValidated { reason: NotValidated::SiblingInPlan { needs } } = &change.verdict else {
        panic!("{change:?}")
    };
    assert!(["ServiceAccount", "PriorityClass"].contains(&needs.kind.as_str()), "{needs}");
    assert_eq!(world.sync('a', &objects).await.counts.created, 3);
    assert!(world.live("", "Pod", "once").await.is_some());
    // Alone it is at fault itself.
    let alone = World::new("siblings").await;
    let error = alone
        .sync_with('a', &[account(), pod("nobody-has-it")], How::default())
        .await
        .expect_err("rejected")
        .to_string();
    assert!(error.contains("nobody-has-it"), "{error}");
}

/// B1: with its Namespace in the same change nothing of it can be asked about until that is there, and then only in
/// this order.
#[tokio::test]
async fn a_pod_comes_with_its_namespace_and_what_it_names() {
    let world = World::in_namespace(cluster::namespace_name("siblings")).await;
    let name = format!("{}-high", world.namespace);
    let [role, binding] = role_and_binding(&["get"]);
    let objects = [pod(&name), binding, role, account(), class(&name), namespace(&world.namespace)];
    assert_eq!(world.sync('a', &objects).await.counts.created, 6);
    assert!(world.live("", "Pod", "once").await.is_some());
}

/// B1: the role of `deploy/base` may not bind what it does not know; so a `RoleBinding` is judged once its Role is
/// there.
#[tokio::test]
async fn a_binding_comes_with_its_role_under_the_shipped_role() {
    let world = World::new_as("siblings", deployed::identity().await).await;
    let [role, binding] = role_and_binding(&["get", "list"]);
    let objects = [binding.clone(), role.clone(), account()];
    let plan = world.plan('a', &objects, &How::default()).await;
    let change = plan.changes.iter().find(|change| change.key.kind == "RoleBinding").expect("the binding");
    let Verdict::NotValidated { reason: NotValidated::SiblingInPlan { needs } } = &change.verdict else {
        panic!("{change:?}")
    };
    assert_eq!(needs.kind, "Role");
    assert_eq!(world.sync('a', &objects).await.counts.created, 3);
    let plan = world.plan('b', &objects, &How::default()).await;
    assert!(plan.changes.iter().all(|change| change.action == Action::None), "{:?}", plan.changes);
}

/// B1: with the Namespace in the same change as well.
#[tokio::test]
async fn a_binding_comes_with_its_role_and_namespace_under_the_shipped_role() {
    let world = World::in_namespace_as(cluster::namespace_name("siblings"), deployed::identity().await).await;
    let [role, binding] = role_and_binding(&["get", "list"]);
    let objects = [binding, role, account(), namespace(&world.namespace), config_map("a", &json!({}))];
    assert_eq!(world.sync('a', &objects).await.counts.created, 5);
}

/// B1: what waits for a sibling is still validated before it is written: here it is wrong in another way.
#[tokio::test]
async fn what_waits_for_a_sibling_is_validated_before_its_own_stage() {
    let world = World::new("siblings").await;
    let name = format!("{}-high", world.namespace);
    let mut wrong = pod(&name);
    wrong["spec"]["runtimeClassName"] = json!("nobody-has-it");
    let error = world.sync_with('a', &[wrong, account(), class(&name)], How::default()).await.expect_err("rejected");
    assert!(matches!(&error, SyncError::Rejected(rejections) if rejections[0].object.kind == "Pod"), "{error}");
    assert!(error.to_string().contains("nobody-has-it"), "{error}");
}

/// X2: a Namespace whose name looks generated is deleted, not renamed.
#[tokio::test]
async fn a_namespace_with_a_hash_for_a_name_is_held() {
    let world = World::new("hashed").await;
    let [old, new] = ["2222222222", "4444444444"].map(|hash| format!("{}-{hash}", world.namespace));
    world.sync('a', &[config_map("a", &json!({})), config_map("b", &json!({})), namespace(&old)]).await;
    let maps = [config_map("a", &json!({})), config_map("b", &json!({})), namespace(&new)];
    let plan = world.plan('b', &maps, &How::default()).await;
    let actions: Vec<_> =
        plan.changes.iter().filter(|change| change.key.kind == "Namespace").map(|change| change.action).collect();
    assert_eq!(actions, [Action::Create, Action::Prune]);
    let held = world.sync_held('b', &maps, How::default()).await;
    assert_eq!(held.reasons, [format!("deletes Namespace {old} and with it everything in it: no objects found")]);
}

/// B1+: a value of the manifest that reads as the server's own words is a mistake in the manifest.
#[tokio::test]
async fn a_manifest_cannot_say_that_a_sibling_is_missing() {
    let world = World::new("siblings-quoted").await;
    let fake = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fake"}, "spec": {
        "type": "serviceaccount runner not found", "ports": [{"port": 80}]}});
    let plan = world.plan('a', &[fake.clone(), account()], &How::default()).await;
    let change = plan.changes.iter().find(|change| change.key.kind == "Service").expect("the service");
    assert!(change.is_rejected(), "{change:?}");
    world.sync_with('a', &[fake, account()], How::default()).await.expect_err("rejected");
    assert!(world.live("", "ServiceAccount", "runner").await.is_none(), "nothing of it is written");
}
