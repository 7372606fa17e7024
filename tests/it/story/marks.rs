//! The store was lost, or is older than the objects are: what only their marks tell of.

use driftless::ids::Oid;
use driftless::manifest::ObjectId;
use driftless::plan::Marks;
use driftless::store::runs::{RunRow, RunState};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::manifests::{config_map, kustomization};
use super::push::shop;
use crate::support::world::{Files, World, app_id};
use crate::support::{cluster, logs};

/// The shop with one more map.
fn with_old(world: &World) -> Files {
    shop(world)
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml", "old.yaml"]))
        .file("deploy/old.yaml", config_map("old", "old"))
}

fn without_old() -> Files {
    Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml"]))
        .without("deploy/old.yaml")
}

fn map_id(namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    }
}

async fn create_map(namespace: &str, object: &Value) {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let api: Api<DynamicObject> = Api::namespaced_with(cluster::client().await, namespace, &resource);
    api.create(&PostParams::default(), &serde_json::from_value(object.clone()).expect("an object"))
        .await
        .expect("created");
}

/// A map that bears the marks of an app, which never made it.
async fn marked_map(instance: &str, app: &str, namespace: &str, name: &str) {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    Marks::new(instance, &app_id(app)).put(&mut object, &map_id(namespace, name));
    create_map(namespace, &object).await;
}

/// What must never be touched: a map with all marks of another map of the app, and one of another instance.
async fn neighbours(world: &World) {
    let settings = world.live("v1 ConfigMap", "settings").await.expect("there");
    let (labels, annotations) = (&settings["metadata"]["labels"], &settings["metadata"]["annotations"]);
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "copy", "labels": labels,
        "annotations": annotations}});
    create_map(&world.namespace, &copy).await;
    marked_map("another", "shop", &world.namespace, "foreign").await;
}

async fn are_there(world: &World, maps: &[&str]) {
    for name in maps {
        assert!(world.live("v1 ConfigMap", name).await.is_some(), "{name}\n{}", world.story().await);
    }
}

/// Waits for a run of the app that names an object and needs confirmation.
async fn pending_confirmation(world: &World, revisions: &[&Oid], object: &str) -> RunRow {
    let object = object.replace("NS", &world.namespace);
    world
        .eventually(&format!("a run that needs confirmation about {object}"), async || {
            let run = world.runs("/shop").await.into_iter().next()?;
            let text = run.error.clone().unwrap_or_default();
            let waits = run.state == RunState::Waiting
                && revisions.iter().any(|oid| run.revision.as_deref() == Some(oid.as_str()));
            (waits && text.contains(&object) && text.contains("--allow-destructive")).then_some(run)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_loss_of_the_store_a_word_deletes_what_git_no_longer_has() {
    let mut world = World::start("lost-store").await;
    let base = world.push(with_old(&world)).await;
    world.healthy("shop", &base).await;
    neighbours(&world).await;
    world.stop().await;
    world.lose_store();
    let next = world.push(without_old()).await;
    world.start_again().await;

    let run = pending_confirmation(
        &world,
        &[&next],
        "deletes ConfigMap NS/old, which carries this app's label but is missing from Driftless' inventory",
    )
    .await;
    let text = run.error.expect("a text");
    assert!(!text.contains("copy") && !text.contains("foreign") && !text.contains("Endpoint"), "{text}");
    world.settled().await;
    world.resync().await;
    world.settled().await;
    are_there(&world, &["old", "copy", "foreign", "settings"]).await;

    world.sync_by_hand("shop", true).await;
    world.gone("v1 ConfigMap", "old").await;
    world.healthy("shop", &next).await;
    world.settled().await;
    are_there(&world, &["copy", "foreign", "settings"]).await;
    assert!(world.live("v1 Endpoints", "web").await.is_some(), "what a controller made is not ours");
    assert_eq!(world.inventory("shop").await, ["ConfigMap settings", "Deployment web", "Service web"]);
    let runs = world.runs("/shop").await.len();
    world.proxy.forget_counts();
    world.resync().await;
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), runs, "there is nothing more to tell\n{}", world.story().await);
    let counts = world.proxy.counts();
    assert!(counts.of("LIST", "v1/configmaps") > 0 && counts.of("LIST", "apps/v1/deployments") == 1, "{counts}");
    assert_eq!(counts.of("LIST", "v1/secrets"), 0, "a kind that no inventory has is listed once in a while: {counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_older_than_an_object_finds_it_by_the_look_at_the_cluster() {
    let mut world = World::start("old-store").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.stop().await;
    let copy = world.copy_store();
    world.start_again().await;
    let late = world.push(with_old(&world)).await;
    world.healthy("shop", &late).await;
    world.stop().await;
    world.put_store_back(&copy);
    let next = world.push(without_old()).await;
    world.start_again().await;

    // The look at the cluster tells of it, or a sync that comes first.
    pending_confirmation(&world, &[&base, &next], "ConfigMap NS/old").await;
    world.settled().await;
    are_there(&world, &["old", "settings"]).await;
    let runs = world.runs("/shop").await.len();
    world.resync().await;
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), runs, "it is told once\n{}", world.story().await);

    world.sync_by_hand("shop", true).await;
    world.gone("v1 ConfigMap", "old").await;
    world.healthy("shop", &next).await;
    are_there(&world, &["settings"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_known_app_may_delete_is_told_and_left() {
    let world = World::start("unknown").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let elsewhere = cluster::namespace("elsewhere").await;
    marked_map(&world.namespace, "ghost", &world.namespace, "of-ghost").await;
    marked_map(&world.namespace, "shop", &elsewhere, "out-of-reach").await;
    let runs = world.runs("/shop").await.len();
    world.resync().await;
    world.settled().await;
    let log = logs::kept();
    let told = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(told(&[
        "WARN",
        "shop/ghost",
        &format!("ConfigMap {}/of-ghost", world.namespace),
        "this app is not defined"
    ]));
    assert!(told(&["WARN", &format!("ConfigMap {elsewhere}/out-of-reach"), "allow.namespaces"]));
    assert_eq!(world.runs("/shop").await.len(), runs, "{}", world.story().await);
    // A word does not reach what is not allowed either.
    world.sync_by_hand("shop", true).await;
    world.settled().await;
    are_there(&world, &["of-ghost"]).await;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
    let api: Api<DynamicObject> = Api::namespaced_with(cluster::client().await, &elsewhere, &resource);
    assert!(api.get_opt("out-of-reach").await.expect("an answer").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_of_them_beforehand() {
    let mut world = World::start("lost-preview").await;
    let app = world.app_with("shop", "deploy", "  sync: manual\n");
    let base = world.push(with_old(&world).file("apps/shop.yaml", app)).await;
    world.eventually("the app known", async || world.app_row("shop").await).await;
    world.sync_by_hand("shop", false).await;
    world.healthy("shop", &base).await;
    world.push(without_old()).await;
    world.settled().await;
    world.stop().await;
    world.lose_store();
    world.start_again().await;
    world.first_looks().await;

    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml"]))
        .without("deploy/settings.yaml");
    let pull = world.open_pull("less", files).await;
    world.status_is(&pull.head, "success", "1 to delete, needs confirmation").await;
    let comment = world.comment(pull.number, "DELETES 1 object").await;
    let said = |words: &[&str]| comment.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(said(&["settings", "carries this app's label but is missing from Driftless' inventory"]), "{comment}");
    assert!(said(&["old", "removed from Git", "missing from Driftless' inventory"]), "{comment}");
    assert!(comment.contains("driftless sync shop/shop --allow-destructive"), "{comment}");
    are_there(&world, &["old", "settings"]).await;
}
