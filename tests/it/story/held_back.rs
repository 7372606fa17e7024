//! What is held back stays so: a manual app is healed by what was applied, and a pause stops a prune.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::cluster;
use crate::support::world::{Files, World, app_id};

async fn value(world: &World, name: &str) -> Option<String> {
    world.live("v1 ConfigMap", name).await.and_then(|object| object["data"]["key"].as_str().map(str::to_owned))
}

/// A4: with `sync: manual`, healing takes the definition and the revision that were applied: a new path is not synced,
/// and nothing that the old one had is deleted, by a look at the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn a_manual_app_is_healed_by_the_definition_that_was_applied() {
    let world = World::start("heal-as-applied").await;
    let manual = |path: &str| world.app_with("shop", path, "  sync: manual\n");
    let files = Files::new()
        .file("apps/shop.yaml", manual("old"))
        .file("old/a.yaml", config_map("a", "one"))
        .file("old/b.yaml", config_map("b", "one"))
        .file("new/a.yaml", config_map("a", "two"))
        .file("new/c.yaml", config_map("c", "two"));
    let base = world.push(files).await;
    world.eventually("the app", async || world.app_row("shop").await).await;
    world.settled().await;
    world.sync_by_hand("shop", false).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;

    world.push(Files::new().file("apps/shop.yaml", manual("new"))).await;
    let is_known = async || (world.app_row("shop").await?.app.source.path == "new").then_some(());
    world.eventually("the new definition", is_known).await;
    world.settled().await;
    let params = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
    let edit = json!({"data": {"key": "edited"}});
    world.api("v1 ConfigMap").await.patch("a", &params, &Patch::Merge(&edit)).await.expect("edited");
    world.resync().await;
    world.settled().await;
    assert_eq!(value(&world, "a").await.as_deref(), Some("one"), "healed to what was applied: {}", world.story().await);
    assert_eq!(value(&world, "b").await.as_deref(), Some("one"), "{}", world.story().await);
    assert_eq!(value(&world, "c").await, None);
    assert_eq!(world.inventory("shop").await, ["ConfigMap a", "ConfigMap b"]);

    // By hand it goes to what is defined.
    world.sync_by_hand("shop", false).await;
    world
        .eventually("the new path", async || {
            (world.inventory("shop").await == ["ConfigMap a", "ConfigMap c"]).then_some(())
        })
        .await;
    assert_eq!(value(&world, "a").await.as_deref(), Some("two"));
}

/// A17: a pause while health is waited for: what was to be deleted after it stays until `resume`.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_a_prune_that_has_not_begun() {
    let world = World::start("pause-prune").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    // Not healthy before its pods may run somewhere.
    let label = world.namespace.clone();
    let waits = deployment("web", "example.test/web:2", 1)
        .replace("    spec:\n", &format!("    spec:\n      nodeSelector: {{{label}: here}}\n"));
    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml"]))
        .file("deploy/web.yaml", waits)
        .without("deploy/settings.yaml");
    world.push(files).await;
    world
        .eventually("a wait for health", async || {
            (!world.context().store.waits().await.expect("the store").is_empty()).then_some(())
        })
        .await;
    world
        .context()
        .store
        .pause(&app_id("shop"), "ada", &driftless::store::apps::holds::PauseNote::default())
        .await
        .expect("paused");
    let nodes = kube::Api::<k8s_openapi::api::core::v1::Node>::all(cluster::client().await);
    let node = nodes
        .list(&kube::api::ListParams::default())
        .await
        .expect("nodes")
        .items
        .remove(0)
        .metadata
        .name
        .expect("a name");
    let labels = json!({"metadata": {"labels": {label: "here"}}});
    nodes.patch(&node, &PatchParams::default(), &Patch::Merge(&labels)).await.expect("labelled");
    world.settled().await;
    assert!(world.live("v1 ConfigMap", "settings").await.is_some(), "{}", world.story().await);
    let text = world.runs("/shop").await.remove(0).error.unwrap_or_default();
    assert!(text.contains("its deletions have not begun") && text.contains("driftless resume shop/shop"), "{text}");

    world.context().store.resume(&app_id("shop"), "ada").await.expect("resumed");
    world.sync_by_hand("shop", false).await;
    world.gone("v1 ConfigMap", "settings").await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert!(state == "synced" && !message.contains("paused"), "{state}: {message}");
}
