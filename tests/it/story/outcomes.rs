//! What a merged pull request tells, and goes on telling.

use super::manifests::{config_map, deployment};
use super::push::shop;
use crate::support::world::{Files, Setup, World, app_id};

/// T1: a failure stays on its pull request when another one mends it, and its people are told by a comment of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_not_erased_by_a_later_fix() {
    let world = World::start("outcome-failed").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let broken = config_map("settings", "two").replace("data:", "dta:");
    let pull = world.open_pull("broken", Files::new().file("deploy/settings.yaml", broken)).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "**FAILED** for `shop` on `prod`").await;
    world.eventually("people are told", async || world.notices(pull.number).into_iter().next()).await;

    let fix = world.open_pull("fix", Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.status_is(&fix.head, "success", "1 update").await;
    let merge = world.merge_pull(fix.number).await;
    world.healthy("shop", &merge).await;
    world.comment(fix.number, "healthy after").await;
    let comment = world.comment(pull.number, "Since then").await;
    assert!(comment.contains("**FAILED** for `shop` on `prod`"), "{comment}");
    assert!(comment.contains(&format!("applied as `{}`, healthy after", merge.short())), "{comment}");
    let notices = world.notices(pull.number);
    assert!(notices.len() == 1 && notices[0].contains("@you") && notices[0].contains("**failed** for `shop` on `prod`"), "{notices:?}");
    assert_eq!(world.notices(fix.number), Vec::<String>::new());
}

/// T1: an app that the pull request removed and that is there again was not deleted, and is no success of the removal.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_taken_back_is_told_as_that() {
    let world = World::start("outcome-back").await;
    let app = world.app_with("shop", "deploy", "  onDelete: prune\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app.clone())).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("drop", Files::new().without("apps/shop.yaml")).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "**3 deletions need confirmation** for").await;
    let back = world.push(Files::new().file("apps/shop.yaml", app)).await;
    world.healthy("shop", &back).await;
    let comment = world.comment(pull.number, "**not applied**, because a later commit took it back").await;
    assert!(!comment.contains("healthy after"), "{comment}");
}

/// B10: merged and reverted before the sync: it ends as taken back, and no later sync makes it a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_is_reverted_before_its_sync_ends_as_superseded() {
    let world = World::with("outcome-reverted", Setup { webhooks: false, ..Setup::default() }).await;
    world.push(shop(&world)).await;
    world.poll().await;
    world.eventually("the app", async || world.live("v1 ConfigMap", "settings").await).await;
    world.settled().await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.poll().await;
    world.status_is(&pull.head, "success", "1 update").await;
    world.merge_pull(pull.number).await;
    world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.poll().await;
    world.comment(pull.number, "**not applied**, because a later commit took it back, for `shop` on `prod`").await;
    let next = world.push(Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    world.poll().await;
    world.healthy("shop", &next).await;
    world.settled().await;
    let comment = world.comment(pull.number, "**not applied**").await;
    assert!(!comment.contains("healthy after"), "{comment}");
}

/// T4: what merging does for a paused app is said before, after, and until it is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_is_told_as_paused() {
    let world = World::start("outcome-paused").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.ask("apps/shop+shop/pause", Some(serde_json::json!({}))).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 update").await;
    world.comment(pull.number, "not applied by itself: 1 app").await;
    let merge = world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "not applied, because it is **paused**, for `shop` on `prod`").await;
    assert!(comment.contains("`driftless resume shop/shop`"), "{comment}");
    let (state, _, message) = world
        .eventually("that it is behind", async || {
            Some(world.stands("shop").await).filter(|(_, _, message)| message.contains("behind: main"))
        })
        .await;
    assert!(state == "paused" && message.contains(merge.short()) && message.contains("paused since"), "{message}");
    // Its drift is seen, and left.
    world.api("v1 ConfigMap").await.delete("settings", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.resync().await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert!(state == "paused" && message.contains("settings is gone"), "{message}");
    assert!(world.live("v1 ConfigMap", "settings").await.is_none());

    world.ask("apps/shop+shop/resume", Some(serde_json::json!({}))).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// L15: `sync: never` is told as what it is, and not as something to be done by hand.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_never_synced_is_not_told_to_be_synced_by_hand() {
    let world = World::start("outcome-never").await;
    let app = world.app_with("shop", "deploy", "  sync: never\n");
    world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.settled().await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "not applied, because of `sync: never`, for `shop` on `prod`").await;
    assert!(!comment.contains("driftless sync"), "{comment}");
    assert!(world.engine().store.app(&app_id("shop")).await.expect("the store").is_some_and(|row| row.applied_revision.is_none()));
    assert_eq!(world.stands("shop").await.0, "never");
}
