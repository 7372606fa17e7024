//! What a job that was stopped in its middle left behind, and what was cleaned away behind our back.

use driftless::app::{App, OnDelete};
use driftless::ids::ClusterName;
use driftless::store::apps::AppState;

use super::{change, config_map, shop, value};
use crate::support::world::{Files, World, app_id};

async fn up(words: &str, more: &str) -> World {
    let world = World::start(words).await;
    let base = world.push(shop(&world).file("apps/shop.yaml", world.app_with("shop", "deploy", more))).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world
}

async fn stored(world: &World) -> App {
    world.app_row("shop").await.expect("the app").app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_was_stored_and_not_followed_by_a_sync() {
    let world = up("half-defined", "").await;
    let files = Files::new()
        .file("apps/shop.yaml", world.app("shop", "other"))
        .file("other/more.yaml", config_map("more", "two"));
    let files =
        files.file("other/settings.yaml", config_map("settings", "one")).file("other/web.yaml", super::deployment());
    // As a push leaves it that was cancelled by the next one between the two.
    let commit = world.commit("main", &files);
    let mut app = stored(&world).await;
    app.source.path = "other".into();
    world.context().store.put_app(&app, &commit).await.expect("stored");
    world.poll().await;
    world.healthy("shop", &commit).await;
    assert_eq!(value(&world, "more").await.as_deref(), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_noted_and_not_followed_by_a_sync() {
    let world = up("half-removed", "  onDelete: prune\n").await;
    assert_eq!(stored(&world).await.on_delete, OnDelete::Prune);
    let head = world.commit("main", &Files::new().without("apps/shop.yaml"));
    let message =
        format!("its definition was removed by {}; its objects are deleted (`onDelete: prune`)", head.short());
    world.context().store.set_app_state(&app_id("shop"), AppState::Removed, &message).await.expect("stored");
    world.poll().await;
    world.settled().await;
    let shown = world.context().store.confirmable(&app_id("shop"), &ClusterName::new("prod")).await.expect("the store");
    assert_eq!(shown.len(), 3, "it needs confirmation");
    // Shown once: the next look has nothing to add.
    let runs = world.runs("/shop").await.len();
    world.push(change("two")).await;
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), runs);
    world.sync_by_hand("shop", true).await;
    world.gone("apps/v1 Deployment", "web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_removed_while_the_server_was_away() {
    let mut world = up("half-mirrored", "").await;
    let mirrors = world.context().config.data.join("mirrors");
    world.stop().await;
    std::fs::remove_dir_all(mirrors).expect("removed");
    world.restart().await;
    let api = world.api("v1 ConfigMap").await;
    api.delete("settings", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.first_looks().await;
    world.resync().await;
    world
        .eventually("the object healed", async || value(&world, "settings").await.filter(|value| value == "one"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_needed_is_in_the_mirror() {
    let world = up("needed", "").await;
    let pull = world.open_pull("topic", change("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.push_to("elsewhere", change("three")).await;
    world.settled().await;
    let (context, repo) = (world.context(), app_id("shop").repo);
    let held = async |name: &str| context.mirrors.resolve(&repo, name).await.expect("the mirror").is_some();
    assert!(held("refs/heads/main").await);
    assert!(
        held(&format!("refs/pull/{}/head", pull.number)).await,
        "its commits are compared again when the base moves"
    );
    for branch in ["refs/heads/topic", "refs/heads/elsewhere"] {
        assert!(!held(branch).await, "nobody follows {branch}");
        assert_eq!(context.store.last_seen(&repo, branch).await.expect("the store"), None);
    }
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "Merged").await;
    world.settled().await;
    assert!(!held(&format!("refs/pull/{}/head", pull.number)).await, "it is merged");
}
