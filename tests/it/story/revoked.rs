//! What is taken out of `allow` while the server is down: from its start on nothing there is shown, written, healed or
//! pruned.

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::manifests::{config_map, kustomization};
use super::push::shop;
use crate::support::world::{Files, Setup, West, World};

async fn api(world: &World, west: bool, kind: &str) -> Api<DynamicObject> {
    if west { world.api_in_west(kind).await } else { world.api(kind).await }
}

async fn live(world: &World, west: bool, kind: &str, name: &str) -> Option<Value> {
    if west { world.live_in_west(kind, name).await } else { world.live(kind, name).await }
}

/// What must be as somebody left it, whatever Git says since.
async fn assert_untouched(world: &World, west: bool, when: &str) {
    let settings = live(world, west, "v1 ConfigMap", "settings").await.expect("the map is there");
    assert_eq!(settings["data"]["key"], "by-hand-4711", "{when}\n{}", world.story().await);
    for (kind, name) in [("v1 Service", "web"), ("apps/v1 Deployment", "web")] {
        assert!(live(world, west, kind, name).await.is_some(), "{when}: {kind} {name}\n{}", world.story().await);
    }
    assert!(live(world, west, "v1 ConfigMap", "fresh").await.is_none(), "{when}");
}

/// Everything that might touch it.
async fn look(world: &World, west: bool) {
    world.poll().await;
    world.settled().await;
    world.resync_of(if west { "west" } else { "prod" }).await;
    world.settled().await;
    world.sync_by_hand("shop", true).await;
    world.settled().await;
}

async fn nothing_is_done_where_it_is_no_longer_allowed(west: bool, rule: &str) {
    let setup = Setup { west: if west { West::Allowed } else { West::Unknown }, give_up: "2s", ..Setup::default() };
    let mut world = World::with(if west { "revoked-west" } else { "revoked-namespace" }, setup).await;
    let app = world.app("shop", "deploy");
    let app = if west { app.replace("cluster: prod", "cluster: west") } else { app };
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.healthy("shop", &base).await;

    world.stop().await;
    if west {
        world.say_of_west(West::Refused);
    } else {
        world.allow_namespace(false);
    }
    // Meanwhile: drift, a change, something new, and something that is no longer wanted.
    let patch = Patch::Merge(json!({"data": {"key": "by-hand-4711"}}));
    api(&world, west, "v1 ConfigMap").await.patch("settings", &PatchParams::default(), &patch).await.expect("patched");
    let files = Files::new()
        .file("deploy/settings.yaml", config_map("settings", "two"))
        .file("deploy/fresh.yaml", config_map("fresh", "x"))
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "settings.yaml", "fresh.yaml"]));
    world.push(files).await;
    world.start_again().await;
    look(&world, west).await;
    assert_untouched(&world, west, "after a push").await;
    let said = world.runs("/shop").await.into_iter().filter_map(|run| run.error).collect::<Vec<_>>().join("\n");
    let (_, _, stands) = world.stands("shop").await;
    assert!(said.contains(rule) || stands.contains(rule), "{said}\n{stands}");

    let pull =
        world.open_pull("three", Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    let status = world.status(&pull.head).await;
    // X4+: merging it changes nothing where it should, and nobody has to guess why.
    assert_eq!((status.state.as_str(), status.description.as_str()), ("failure", "destination not allowed (shop)"));
    world.comment(pull.number, rule).await;
    let elsewhere = world.open_pull("elsewhere", Files::new().file("README", "words")).await;
    world.status_is(&elsewhere.head, "success", "no app is affected").await;
    let shown = format!("{status:?}\n{}", world.comments(pull.number).concat());
    assert!(!shown.contains("by-hand-4711"), "what is live is not shown: {shown}");

    world.push(Files::new().without("apps/shop.yaml")).await;
    look(&world, west).await;
    assert_untouched(&world, west, "after its definition was removed").await;
}

/// X4: a namespace.
#[tokio::test(flavor = "multi_thread")]
async fn x4_a_namespace_that_was_taken_out_while_the_server_was_down() {
    nothing_is_done_where_it_is_no_longer_allowed(false, "allow.namespaces").await;
}

/// X4: a cluster.
#[tokio::test(flavor = "multi_thread")]
async fn x4_a_cluster_that_was_taken_out_while_the_server_was_down() {
    nothing_is_done_where_it_is_no_longer_allowed(true, "allow.clusters").await;
}

/// X14: a pull request that was green when the namespace was allowed is not any more, and nobody has to push for that.
#[tokio::test(flavor = "multi_thread")]
async fn x14_a_gate_follows_what_is_allowed() {
    let mut world = World::start("revoked-gate").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.stop().await;
    world.allow_namespace(false);
    world.start_again().await;
    world.status_is(&pull.head, "failure", "destination not allowed (shop)").await;
    world.stop().await;
    world.allow_namespace(true);
    world.start_again().await;
    world.status_is(&pull.head, "success", "1 to update").await;
    // Under the same configuration nothing is said again.
    world.settled().await;
    let states = world.states(&pull.head);
    world.restart().await;
    world.poll().await;
    world.settled().await;
    assert_eq!(world.states(&pull.head), states);
}

/// X4+: an app whose cluster the configuration no longer has, although `allow` would let it go there: its pull requests
/// are not green as if there were no such app.
#[tokio::test(flavor = "multi_thread")]
async fn x4_an_app_whose_cluster_is_gone_is_not_silent() {
    let world = World::start("revoked-gone").await;
    let gone = world.app("gone", "gone").replace("cluster: prod", "cluster: prod-gone");
    let files = shop(&world).file("apps/gone.yaml", gone).file("gone/map.yaml", config_map("map", "one"));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("two", Files::new().file("gone/map.yaml", config_map("map", "two"))).await;
    world.status_is(&pull.head, "failure", "destination not allowed (gone)").await;
    world.comment(pull.number, "cluster prod-gone is not in the configuration").await;
    let elsewhere = world.open_pull("elsewhere", Files::new().file("README", "words")).await;
    world.status_is(&elsewhere.head, "success", "no app is affected").await;
}
