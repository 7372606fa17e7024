//! Objects of one change that are each taken in a dry-run, and not all together.

use serde_json::{Value, json};

use super::world::{How, World, config_map};

fn node_port(name: &str, port: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": port}]}})
}

/// H6: two Services with one node port are refused before either is written; the server would take the first.
#[tokio::test]
async fn two_services_with_one_node_port_are_refused() {
    let world = World::new("together-ports").await;
    let error = world
        .sync_with('a', &[node_port("a", 31_987), node_port("b", 31_987)], How::default())
        .await
        .expect_err("rejected");
    assert!(error.to_string().contains("also requests the node port 31987"), "{error}");
    assert!(world.live("", "Service", "a").await.is_none() && world.live("", "Service", "b").await.is_none());
    world.sync('b', &[node_port("a", 31_987), node_port("b", 31_988)]).await;
    // Who holds it is not refused for somebody else's sake.
    let plan = world.plan('c', &[node_port("a", 31_987), node_port("c", 31_987)], &How::default()).await;
    let rejected: Vec<_> =
        plan.changes.iter().filter(|change| change.is_rejected()).map(|change| change.key.name.as_str()).collect();
    assert_eq!(rejected, ["c"]);
}

/// H6: a quota with room for one of three.
#[tokio::test]
async fn what_a_quota_has_no_room_for_together_is_refused() {
    let world = World::new("together-quota").await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"count/configmaps": "3"}}});
    world.sync('a', std::slice::from_ref(&quota)).await;
    for _ in 0..100 {
        // The cluster's own ConfigMap and this one.
        let used =
            world.live("", "ResourceQuota", "small").await.expect("a quota")["status"]["used"]["count/configmaps"]
                .clone();
        if used == "1" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let map = |name: &str| config_map(name, &json!({}));
    let error = world
        .sync_with('b', &[quota.clone(), map("a"), map("b"), map("c")], How::default())
        .await
        .expect_err("rejected");
    assert!(error.to_string().contains("The quota small of the namespace"), "{error}");
    assert!(world.live("", "ConfigMap", "a").await.is_none(), "nothing is written");
    let done = world.sync('c', &[quota, map("a"), map("b")]).await;
    assert_eq!(done.counts.created, 2);
}
