//! Objects that belong to others: not taken without leave, then taken whole.

use std::collections::BTreeSet;

use driftless::class::{Class, Classified};
use driftless::sync::SyncError;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::world::{How, World, config_map};
use crate::support::cluster;

/// As `kubectl apply` leaves it.
async fn apply_from_the_client_side(world: &World, name: &str, data: &Value) {
    let mut object = config_map(name, data);
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": object.to_string()});
    let maps = Api::<ConfigMap>::namespaced(cluster::client().await, &world.namespace);
    let params = PostParams { field_manager: Some("kubectl-client-side-apply".into()), ..PostParams::default() };
    maps.create(&params, &serde_json::from_value(object).expect("a ConfigMap")).await.expect("created");
}

#[tokio::test]
async fn what_is_nobodys_is_taken_only_with_leave_and_then_drops_what_the_manifest_drops() {
    let world = World::new("adopted").await;
    apply_from_the_client_side(&world, "a", &json!({"kept": "1", "dropped": "2"})).await;
    let wanted = [config_map("a", &json!({"kept": "3"}))];
    let error = world.sync_with('a', &wanted, How::default()).await.expect_err("refused");
    assert_eq!(error.class(), Class::Fail);
    assert!(error.to_string().contains("adopt: true"), "{error}");
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"]["kept"], "1");
    assert_eq!(world.names().await, Vec::<String>::new());

    world.sync_with('a', &wanted, How { adopt: true, ..How::default() }).await.expect("synced");
    let live = world.live("", "ConfigMap", "a").await.expect("there");
    assert_eq!(live["data"], json!({"kept": "3"}), "the field that only the client-side apply had is gone");
    assert!(live["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none());
    let managers: Vec<_> =
        live["metadata"]["managedFields"].as_array().expect("a list").iter().map(|entry| entry["manager"].clone()).collect();
    assert_eq!(managers, ["driftless"]);
}

#[tokio::test]
async fn two_apps_can_not_have_one_object() {
    let mut world = World::new("twice").await;
    world.sync('a', &[config_map("a", &json!({"of": "web"}))]).await;
    world.become_app("api").await;
    let error = world.sync_with('a', &[config_map("a", &json!({"of": "api"}))], How::default()).await.expect_err("refused");
    assert!(matches!(error, SyncError::Claim(_) | SyncError::Rejected(_)), "{error}");
    assert_eq!(error.class(), Class::Fail);
    assert!(error.to_string().contains("shop/web"), "{error}");
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"]["of"], "web");
}

#[tokio::test]
async fn an_object_that_moves_to_another_app_of_the_repo_is_handed_over_and_never_deleted() {
    let mut world = World::new("moved").await;
    let (a, b) = (config_map("a", &json!({})), config_map("b", &json!({})));
    world.sync('a', &[a.clone(), b.clone()]).await;
    let uid = world.live("", "ConfigMap", "a").await.expect("there")["metadata"]["uid"].clone();
    world.sync('b', &[b]).await;
    world.become_app("api").await;
    assert_eq!(world.sync('b', &[a]).await.counts.updated, 1);
    let label = world.marks.label().to_owned();
    world.become_app("web").await;
    assert_eq!(world.prune().await.deleted, [], "it is no longer the old app's to prune");
    let live = world.live("", "ConfigMap", "a").await.expect("there");
    assert_eq!((&live["metadata"]["uid"], &live["metadata"]["labels"]["driftless.dev/app"]), (&uid, &json!(label)));
}

#[tokio::test]
async fn what_bears_the_mark_of_an_app_that_no_row_knows_is_refused() {
    let mut world = World::new("unknown").await;
    world.sync('a', &[config_map("a", &json!({}))]).await;
    world.deps.store.release_all(&world.app.id).await.expect("released");
    world.become_app("api").await;
    let how = How { adopt: true, given_up: BTreeSet::new(), ..How::default() };
    let error = world.sync_with('a', &[config_map("a", &json!({}))], how).await.expect_err("refused");
    assert!(matches!(error, SyncError::OtherOwner { .. }), "{error}");
}
