//! Apps whose definitions name a place where they may not be.

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, World};

/// X16+: a move to a cluster that is not there changes nothing, and is previewed as that. The pull request that takes
/// it back is compared with what is applied.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_to_nowhere_deletes_nothing_and_is_taken_back_as_nothing() {
    let world = World::start("misplaced").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let moved = world.app("shop", "deploy").replace("cluster: prod", "cluster: nowhere");
    let pull = world.open_pull("move", Files::new().file("apps/shop.yaml", moved)).await;
    world.status_is(&pull.head, "failure", "destination not allowed (shop)").await;
    let comment = world.comment(pull.number, "destination not allowed for `shop`").await;
    for untrue in ["DELETES", "allow-destructive", "leaves this cluster", "**Deletes**"] {
        assert!(!comment.contains(untrue), "{untrue}: {comment}");
    }
    world.merge_pull(pull.number).await;
    let (_, _, message) = world
        .eventually("that it is invalid", async || {
            Some(world.stands("shop").await).filter(|(state, _, _)| state == "invalid")
        })
        .await;
    // One reason, before the merge and after it.
    let why = message.trim_end_matches("; its objects are kept");
    assert!(comment.contains(why), "{why}: {comment}");

    let back = world.open_pull("back", Files::new().file("apps/shop.yaml", world.app("shop", "deploy"))).await;
    world.status_is(&back.head, "success", "1 definition changed; no objects change").await;
    let comment = world.comment(back.number, "definition repaired here").await;
    for untrue in ["removed from Git", "not applied yet", "leaves this cluster", "render error"] {
        assert!(!comment.contains(untrue), "{untrue}: {comment}");
    }
    let merge = world.merge_pull(back.number).await;
    world.healthy("shop", &merge).await;
}

/// X16+: where the base does not render, nothing is called "no longer in Git". What another app owns is told as that.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_base_does_not_render_is_not_told_to_be_gone_from_git() {
    let world = World::start("misplaced-base").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let broken = world.push(Files::new().file("deploy/settings.yaml", "a: [\n")).await;
    world
        .eventually("that it fails", async || {
            Some(world.stands("shop").await).filter(|(state, _, _)| state == "failed")
        })
        .await;
    assert_ne!(broken, base);
    let back = world.open_pull("back", Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.status(&back.head).await;
    let comment = world.comment(back.number, "The base does not render").await;
    assert!(!comment.contains("removed from Git"), "{comment}");
    // T6+: what is applied of an app whose sync fails is looked at for drift all the same.
    world.resync().await;
    world.settled().await;
    let views = world.ask("apps?drift=true", None).await;
    assert!(views[0]["driftUnknown"].is_null(), "{views}");
    let (told, code) = world.cli(&["apps", "--drift"]).await;
    assert!(code == 0 && !told.contains("not checked"), "{told}");
}
