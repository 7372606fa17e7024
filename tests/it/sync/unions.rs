//! Fields that exclude each other, where the server has set one of them by itself; and fields that others have set as
//! well.

use driftless::plan::{Action, Verdict};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::world::{How, World, config_map, deployment};
use crate::support::cluster;

fn changed(mut object: Value) -> Value {
    object["spec"]["strategy"] = json!({"type": "Recreate"});
    object["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "configMap": {"name": "c"}}]);
    object
}

/// B9+: `kubectl apply` does both in place, and so do we: what the server has set for the other choice goes.
#[tokio::test]
async fn a_default_of_the_other_choice_is_in_nobodys_way() {
    let world = World::new("unions").await;
    let mut first = deployment("web", 1);
    first["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v"}]);
    world.sync('a', std::slice::from_ref(&first)).await;
    let before = world.live("apps", "Deployment", "web").await.expect("there");
    assert!(
        before.pointer("/spec/strategy/rollingUpdate").is_some()
            && before.pointer("/spec/template/spec/volumes/0/emptyDir").is_some()
    );
    let mut strategy = first.clone();
    strategy["spec"]["strategy"] = json!({"type": "Recreate"});
    for (revision, next) in [('b', strategy), ('c', changed(first))] {
        let plan = world.plan(revision, std::slice::from_ref(&next), &How::default()).await;
        let change = &plan.changes[0];
        assert_eq!((change.action, &change.verdict), (Action::Update, &Verdict::Accepted), "{change:?}");
        assert_eq!(world.sync(revision, std::slice::from_ref(&next)).await.counts.updated, 1);
        let plan = world.plan(revision, &[next], &How::default()).await;
        assert!(plan.is_empty(), "{plan:?}");
    }
    let after = world.live("apps", "Deployment", "web").await.expect("there");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"], "in place");
    assert_eq!(after["spec"]["strategy"], json!({"type": "Recreate"}));
    assert_eq!(
        after["spec"]["template"]["spec"]["volumes"],
        json!([{"name": "v", "configMap": {"name": "c", "defaultMode": 420}}])
    );
}

/// P4+: what Git drops and another manager keeps is named in the plan and in the run.
#[tokio::test]
async fn what_another_manager_keeps_is_said() {
    let world = World::new("stays").await;
    world.sync('a', &[config_map("a", &json!({"one": "1", "two": "2"}))]).await;
    let maps =
        kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster::client().await, &world.namespace);
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"one": "1"}});
    maps.patch("a", &PatchParams::apply("team-b"), &Patch::Apply(&theirs)).await.expect("applied");
    // The last write is ours, so that nothing tells that there is somebody else.
    world.sync('b', &[config_map("a", &json!({"one": "1", "two": "3"}))]).await;
    let said = "data.one is no longer in Git, but stays in the cluster: it is also set by team-b";
    let next = [config_map("a", &json!({"two": "3"}))];
    let plan = world.plan('c', &next, &How::default()).await;
    assert_eq!(plan.changes[0].remarks, [said], "{plan:?}");
    let done = world.sync('c', &next).await;
    assert_eq!(done.warnings.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), [said]);
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"], json!({"one": "1", "two": "3"}));
    let plan = world.plan('d', &next, &How::default()).await;
    assert!(plan.is_empty() && plan.changes[0].remarks.is_empty(), "it is not ours any more");
}
