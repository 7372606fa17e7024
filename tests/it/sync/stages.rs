//! CRDs and namespaces that come in the same plan as what needs them.

use driftless::plan::Verdict;
use driftless::sync::SyncError;
use serde_json::{Value, json};

use super::world::{How, World, config_map};
use crate::support::cluster;

/// A CRD of a group that no other test has.
pub fn crd(group: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer", "maximum": 9}}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}})
}

fn widget(group: &str, size: i64) -> Value {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "one"}, "spec": {"size": size}})
}

#[tokio::test]
async fn a_namespace_and_a_crd_come_before_what_needs_them() {
    let world = World::in_namespace(cluster::namespace_name("staged")).await;
    let group = format!("{}.example.test", world.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
    let objects = [widget(&group, 3), config_map("a", &json!({})), crd(&group), namespace];
    let plan = world.plan('a', &objects, &How::default()).await;
    let unasked = plan.changes.iter().filter(|change| matches!(change.verdict, Verdict::NotValidated { .. })).count();
    assert_eq!(unasked, 2, "{:?}", plan.changes);
    let done = world.sync('a', &objects).await;
    assert_eq!(done.counts.created, 4);
    assert_eq!(world.live(&group, "Widget", "one").await.expect("there")["spec"]["size"], 3);
    assert!(world.live("", "ConfigMap", "a").await.is_some());
}

#[tokio::test]
async fn what_the_first_stage_makes_askable_is_asked_before_anything_of_it_is_written() {
    let world = World::in_namespace(cluster::namespace_name("staged")).await;
    let group = format!("{}.example.test", world.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
    let objects = [widget(&group, 10), config_map("a", &json!({})), crd(&group), namespace];
    let error = world.sync_with('a', &objects, How::default()).await.expect_err("refused");
    let SyncError::Rejected(rejections) = &error else { panic!("{error}") };
    assert_eq!(rejections[0].object.kind, "Widget");
    assert!(error.to_string().contains("spec.size"), "{error}");
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing but the first stage was written");
    world.sync('b', &[widget(&group, 9), config_map("a", &json!({})), crd(&group), objects[3].clone()]).await;
}
