//! No webhook comes: the slow look brings the same end.

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn without_any_webhook_the_look_brings_the_same_end() {
    let world = World::with("lost", Setup { webhooks: false, ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.poll().await;
    world.healthy("shop", &base).await;

    let pull = world.open_pull("quiet", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "Merging changes 1 app").await;

    let next = world.push_to("quiet", Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.poll().await;
    world.status_is(&next, "success", "1 to update").await;

    let merge = world.merge_pull(pull.number).await;
    world.poll().await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "three");

    world.settled().await;
    let requests = world.forge.faults().requests().len();
    world.poll().await;
    world.settled().await;
    assert_eq!(world.forge.faults().requests().len(), requests + 1, "nothing moved: one question");
    assert!(world.context().store.deliveries(10).await.expect("the store").is_empty(), "no webhook came");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_server_was_away_is_found_after_its_start() {
    let mut world = World::start("away").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.stop().await;
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let pull =
        world.open_pull("meanwhile", Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.forge.delivered().await;
    world.restart().await;
    world.healthy("shop", &next).await;
    world.status_is(&pull.head, "success", "1 to update").await;
}
