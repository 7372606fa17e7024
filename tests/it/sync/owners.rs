//! Objects that belong to others: not taken without leave, then taken whole.

use std::collections::BTreeSet;
use std::time::Duration;

use driftless::app::Grants;
use driftless::class::{Class, Classified};
use driftless::dev::fault_proxy::{Fault, Rule, RuleId};
use driftless::plan::Marks;
use driftless::sync::{self, Permits, Pruned, SyncError};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::world::{How, World, allowed, config_map};
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
    let managers: Vec<_> = live["metadata"]["managedFields"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["manager"].clone())
        .collect();
    assert_eq!(managers, ["driftless"]);
}

#[tokio::test]
async fn two_apps_can_not_have_one_object() {
    let mut world = World::new("twice").await;
    world.sync('a', &[config_map("a", &json!({"of": "web"}))]).await;
    world.become_app("api").await;
    let error =
        world.sync_with('a', &[config_map("a", &json!({"of": "api"}))], How::default()).await.expect_err("refused");
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
    world.lose_inventory().await;
    world.become_app("api").await;
    let how = How { adopt: true, given_up: BTreeSet::new(), ..How::default() };
    let error = world.sync_with('a', &[config_map("a", &json!({}))], how).await.expect_err("refused");
    assert!(matches!(error, SyncError::OtherOwner { .. }), "{error}");
}

/// An app whose next revision has one object less, and a prune of it on its way whose delete is held for a while.
async fn held_prune(world: &World) -> tokio::task::JoinHandle<Pruned> {
    let (a, b) = (config_map("a", &json!({})), config_map("b", &json!({})));
    world.sync('a', &[a, b.clone()]).await;
    world.sync('b', &[b]).await;
    let held = world.proxy.add(Rule::all(Fault::Delay(Duration::from_secs(3))).method(http::Method::DELETE));
    let (deps, app, marks, not_wanted) =
        (world.deps.clone(), world.app.clone(), world.marks.clone(), world.not_wanted().await);
    let allow = world.allow.clone();
    let prune = tokio::spawn(async move {
        let authority = Grants { repo: &app.id.repo, allow: &allow, may_read: &[] }.on(&app.destination.cluster);
        sync::prune(&deps, &app, &marks, &not_wanted, &authority, Permits::new(&|| Some(allowed())))
            .await
            .expect("pruned")
    });
    struck(world, held).await;
    prune
}

async fn struck(world: &World, rule: RuleId) {
    for _ in 0..500 {
        if world.proxy.struck(rule) > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the delete was never asked for");
}

#[tokio::test]
async fn an_object_that_gets_another_apps_mark_while_its_delete_is_on_its_way_is_kept() {
    let world = World::new("taken-late").await;
    let prune = held_prune(&world).await;
    let before = world.live("", "ConfigMap", "a").await.expect("there");
    // As an app of another server would do it, which asks neither this store nor this proxy.
    let mut theirs = before.clone();
    let id = world.key("", "ConfigMap", "a").id();
    Marks::new("elsewhere", &"shop/api".parse().expect("an app")).put(&mut theirs, &id);
    let marks =
        json!({"metadata": {"labels": theirs["metadata"]["labels"], "annotations": theirs["metadata"]["annotations"]}});
    let maps = Api::<ConfigMap>::namespaced(cluster::client().await, &world.namespace);
    maps.patch("a", &PatchParams::default(), &Patch::Merge(marks)).await.expect("patched");
    let pruned = prune.await.expect("it ends");
    assert_eq!(pruned.deleted, []);
    assert_eq!(pruned.kept[0].1, "it belongs to app shop/api of the Driftless instance elsewhere");
    let live = world.live("", "ConfigMap", "a").await.expect("there");
    assert_eq!(live["metadata"]["uid"], before["metadata"]["uid"]);
}

#[tokio::test]
async fn an_object_whose_delete_has_begun_is_claimed_by_nobody_until_it_is_gone() {
    let mut world = World::new("begun").await;
    let prune = held_prune(&world).await;
    world.become_app("api").await;
    let error = world.sync_with('b', &[config_map("a", &json!({}))], How::default()).await.expect_err("too early");
    assert!(error.class().is_retry() && error.to_string().contains("is being deleted by app shop/web"), "{error}");
    assert_eq!(prune.await.expect("it ends").deleted.len(), 1);
    world.proxy.clear();
    assert_eq!(world.sync('b', &[config_map("a", &json!({}))]).await.counts.created, 1);
    assert_eq!(world.names().await, ["ConfigMap NS/a"]);
}

#[tokio::test]
async fn a_delete_that_was_refused_can_be_claimed_again() {
    let mut world = World::new("refused").await;
    let (a, b) = (config_map("a", &json!({})), config_map("b", &json!({})));
    world.sync('a', &[a.clone(), b.clone()]).await;
    let uid = world.live("", "ConfigMap", "a").await.expect("there")["metadata"]["uid"].clone();
    world.sync('b', &[b]).await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::FORBIDDEN)).method(http::Method::DELETE));
    world.try_prune().await.expect_err("refused");
    world.proxy.clear();
    world.become_app("api").await;
    assert_eq!(world.sync('b', &[a]).await.counts.updated, 1);
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["metadata"]["uid"], uid);
}
