//! What pull requests are told of that no preview saw: definitions that were invalid, merges while nobody looked,
//! pauses that are over.

use driftless::store::apps::AppState;

use super::manifests::{config_map, deployment};
use super::push::shop;
use crate::support::world::{Files, World};

async fn up(words: &str) -> World {
    let world = World::start(words).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.settled().await;
    world
}

/// One whose base has a definition with a typo.
async fn up_with_a_typo(words: &str) -> World {
    let world = up(words).await;
    let typo = world.app("shop", "deploy").replace("destination:", "destnation:");
    world.push(Files::new().file("apps/shop.yaml", typo)).await;
    world
        .eventually("the typo is known", async || {
            world.app_row("shop").await.filter(|row| row.state == AppState::Broken).map(drop)
        })
        .await;
    world
}

fn settings(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

/// X16+: a definition that is invalid on the base. Who changes its app is told so, also once it is repaired; who
/// repairs it neither adds it nor removes its objects.
#[tokio::test(flavor = "multi_thread")]
async fn x16_a_definition_that_is_invalid_on_the_base_is_repaired() {
    let world = up_with_a_typo("repaired").await;
    let change = world.open_pull("change", settings("two")).await;
    world.status_is(&change.head, "failure", "1 invalid definition (shop)").await;
    let comment = world.comment(change.number, "invalid definition of `shop`").await;
    assert!(comment.contains("destnation") && comment.contains("**definition invalid**"), "{comment}");

    let valid = Files::new().file("apps/shop.yaml", world.app("shop", "deploy"));
    let repair = world.open_pull("repair", valid).await;
    world.status_is(&repair.head, "success", "1 definition changed; no objects change").await;
    let comment = world.comment(repair.number, "definition repaired here").await;
    assert!(!comment.contains("no longer in Git") && !comment.contains("Already different"), "{comment}");
    world.merge_pull(repair.number).await;
    world.status_is(&change.head, "success", "1 to update").await;
    let comment = world.comment(change.number, "**Merging changes 1 app.**").await;
    assert!(!comment.contains("invalid"), "{comment}");
}

/// X16+: what was merged while its app's definition was invalid is told as failed, and as applied once it is repaired.
#[tokio::test(flavor = "multi_thread")]
async fn x16_a_merge_into_an_invalid_definition_is_told_when_it_is_applied() {
    let world = up_with_a_typo("repaired-later").await;
    let change = world.open_pull("change", settings("two")).await;
    world.status_is(&change.head, "failure", "1 invalid definition (shop)").await;
    world.merge_pull(change.number).await;
    let comment = world.comment(change.number, "**FAILED** for `shop` on `prod`").await;
    assert!(comment.contains("destnation") && comment.contains("its objects stay as they are"), "{comment}");
    let repaired = world.push(Files::new().file("apps/shop.yaml", world.app("shop", "deploy"))).await;
    world.healthy("shop", &repaired).await;
    let comment = world.comment(change.number, "**Since then**").await;
    assert!(comment.contains(&format!("applied as `{}`, healthy after", repaired.short())), "{comment}");
}

/// T14+: of merges while the server was down it is said what was compared, with which commits, before and after.
#[tokio::test(flavor = "multi_thread")]
async fn t14_a_merge_while_the_server_was_down_says_what_was_compared() {
    let mut world = up("repaired-down").await;
    let older = world.open_pull("older", settings("two")).await;
    world.status_is(&older.head, "success", "1 to update").await;
    world.settled().await;
    world.stop().await;
    let newer = world.push_to("older", settings("three")).await;
    let never = world
        .open_pull("never", Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2)))
        .await;
    world.merge_pull(older.number).await;
    let merge = world.merge_pull(never.number).await;
    world.start_again().await;
    world.healthy("shop", &merge).await;

    let newer = format!("The merge contains `{}`, which was not previewed.", newer.short());
    let comment = world.comment(older.number, &newer).await;
    let before = format!("Compared before the merge: `{}` merged into `main` at", older.head.short());
    assert!(comment.contains(&before), "{comment}");
    let comment = world.comment(never.number, "This pull request was not previewed before the merge.").await;
    assert!(comment.contains("Merged as") && !comment.contains("Before the merge"), "{comment}");
}

/// T19+: what was merged while its app was paused is told as applied once it is, and nothing is left of the pause.
#[tokio::test(flavor = "multi_thread")]
async fn t19_a_merge_into_a_paused_app_is_told_after_it_is_resumed() {
    let world = up("repaired-resume").await;
    world.ask("apps/shop+shop/pause", Some(serde_json::json!({}))).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status(&pull.head).await;
    let comment = world.comment(pull.number, "Merging").await;
    assert!(comment.contains("**paused: applied after `driftless resume`**"), "{comment}");
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "not applied (**paused**): `shop` on `prod`").await;
    world.ask("apps/shop+shop/resume", Some(serde_json::json!({}))).await;
    let comment = world.comment(pull.number, ": applied for `shop` on `prod`, healthy after").await;
    assert!(!comment.contains("paused"), "{comment}");
}
