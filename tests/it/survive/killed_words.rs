//! The server is killed while deletes need confirmation, while it does what the word allows, and while it replaces an
//! object.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::{ClusterName, Oid};
use driftless::store::inventory::ObjectState;
use http::Method;
use serde_json::json;

use super::{config_map, shop, succeeded, value};
use crate::support::world::{Files, Setup, World, app_id};

/// Removes all maps but brings another: all but the Deployment goes, which is more than half.
fn without_maps() -> Files {
    ["more", "settings", "three", "four"]
        .iter()
        .fold(Files::new(), |files, name| files.without(&format!("deploy/{name}.yaml")))
}

async fn up(words: &str) -> World {
    let world = World::with_process(words, Setup::default()).await;
    let maps = |files: Files, name: &str| files.file(format!("deploy/{name}.yaml"), config_map(name, "one"));
    let first = world.push(maps(maps(shop(&world), "three"), "four")).await;
    succeeded(&world, &first).await;
    world
}

/// Waits until the app is as a revision says but for what waits.
async fn waits(world: &World, revision: &Oid) {
    world
        .eventually("a run that needs confirmation", async || {
            let runs = world.told_runs().await?;
            let last = runs.iter().find(|run| run["app"] == "shop/shop")?;
            (last["state"] == "waiting"
                && last["revision"] == revision.as_str()
                && last["error"].as_str()?.contains("to confirm"))
            .then_some(())
        })
        .await;
}

async fn all_there(world: &World) {
    for name in ["more", "settings", "three", "four"] {
        assert!(value(world, name).await.is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_waited_for_however_often_the_server_dies() {
    let mut world = up("kill-word").await;
    let second = world.push(without_maps().file("deploy/new.yaml", config_map("new", "one"))).await;
    waits(&world, &second).await;
    for _ in 0..2 {
        world.kill();
        world.spawn().await;
        waits(&world, &second).await;
        all_there(&world).await;
    }
    // Killed in the middle of another sync.
    let rule = world.proxy.add(Rule::all(Fault::Swallow).method(Method::PATCH).containing("force=true"));
    let third = world.push(Files::new().file("deploy/new.yaml", config_map("new", "two"))).await;
    world.eventually("that it applies", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    world.kill();
    world.spawn().await;
    waits(&world, &third).await;
    assert_eq!(value(&world, "new").await.as_deref(), Some("two"));
    all_there(&world).await;

    // Killed before the word is carried out: it holds.
    let rule = world.proxy.add(Rule::all(Fault::Hang).method(Method::DELETE).containing("configmaps/"));
    world.told("apps/shop+shop/sync", &json!({"allowDestructive": true})).await;
    world.eventually("that it prunes", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    world.kill();
    world.spawn().await;
    succeeded(&world, &third).await;
    let store = world.end().await;
    let rows = store.inventory(&app_id("shop")).await.expect("the store");
    let left: Vec<_> = rows.iter().map(|row| (row.key.name.as_str(), row.state)).collect();
    assert_eq!(left, [("new", ObjectState::Applied), ("web", ObjectState::Applied)]);
    assert!(
        store.confirmable(&app_id("shop"), &ClusterName::new("prod")).await.expect("the store").is_empty(),
        "a word holds once"
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_the_delete_and_the_create_of_a_replaced_object() {
    let service = |text: &str| format!("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n{text}");
    let mut world = World::with_process("kill-replace", Setup::default()).await;
    let spec = "spec: {selector: {app: web}, ports: [{port: 80}]}\n";
    let first = world.push(shop(&world).file("deploy/service.yaml", service(spec))).await;
    succeeded(&world, &first).await;
    let rule = world.proxy.add(Rule::all(Fault::Hang).method(Method::PATCH).containing("force=true"));
    let asks = "  annotations: {driftless.dev/replace: \"true\"}\nspec: \
                {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}\n";
    let second = world.push(Files::new().file("deploy/service.yaml", service(asks))).await;
    world.eventually("that it is to be made anew", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    assert!(world.live("v1 Service", "web").await.is_none(), "it was deleted");
    world.kill();
    world.spawn().await;
    succeeded(&world, &second).await;
    assert_eq!(world.live("v1 Service", "web").await.expect("made anew")["spec"]["clusterIP"], "None");
    super::left_in_order(&mut world, &["push", "push"], &second).await;
}
