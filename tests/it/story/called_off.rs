//! Deletions that wait for confirmation, and are called off before they get it.

use serde_json::json;

use super::manifests::{config_map, kustomization};
use super::moves::two;
use crate::support::world::{Files, World, app_id};

/// A `StatefulSet` without pods: healthy at once, and never deleted without confirmation.
fn stateful() -> String {
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  replicas: 0\n  serviceName: db\n  selector:\n    \
     matchLabels: {app: db}\n  template:\n    metadata:\n      labels: {app: db}\n    spec:\n      containers:\n        - \
     name: db\n          image: example.test/db:1\n"
        .to_owned()
}

fn files(world: &World) -> Files {
    let maps = ["a", "b", "c", "d", "e", "f"];
    let files = Files::new().file("apps/shop.yaml", world.app("shop", "deploy")).file("deploy/db.yaml", stateful());
    maps.iter().fold(files, |files, name| files.file(format!("deploy/{name}.yaml"), config_map(name, "1")))
}

async fn waits(world: &World, app: &str) -> String {
    let (_, _, message) = world
        .eventually("that it waits for confirmation", async || {
            Some(world.stands(app).await)
                .filter(|(state, _, said)| state == "waiting" && said.contains("allow-destructive"))
                .filter(|(_, _, said)| !said.starts_with("not healthy yet"))
        })
        .await;
    message
}

/// T18+, X2+: the pull request that puts back what is held says that it calls the deletion off, and what else is done
/// with that; the one that proposed it tells of it, and nothing is held any more that needs no confirmation.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_deletion_that_is_called_off_is_told_on_both_pull_requests() {
    let world = World::start("called-off").await;
    let base = world.push(files(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let drop = world.open_pull("drop", Files::new().without("deploy/db.yaml").without("deploy/a.yaml")).await;
    world.status_is(&drop.head, "success", "2 to delete, needs confirmation").await;
    world.merge_pull(drop.number).await;
    let message = waits(&world, "shop").await;
    // All that a confirmation is for is named.
    let [db, a] = [format!("StatefulSet {}/db", world.namespace), format!("ConfigMap {}/a", world.namespace)];
    assert!(message.starts_with(&format!("deletes {db} and with it its pods")), "{message}");
    assert!(message.contains(&format!("; also deletes {a}; to confirm: ")), "{message}");
    world.comment(drop.number, "applied, but **2 deletions need confirmation** for `shop`").await;

    let back = world.open_pull("back", Files::new().file("deploy/db.yaml", stateful())).await;
    world.status_is(&back.head, "success", "1 to delete, 1 deletion cancelled").await;
    let comment = world.comment(back.number, "Merging changes 1 app and cancels 1 held deletion").await;
    assert!(
        comment
            .contains(&format!("- deletion of `{db}` of `shop`, waiting for confirmation: the object is in Git again"))
    );
    assert!(comment.contains("and DELETES 1 object") && comment.contains("which no longer need confirmation"));
    assert!(!comment.contains("held until confirmed") && !comment.contains("allow-destructive"), "{comment}");
    let merge = world.merge_pull(back.number).await;
    world.healthy("shop", &merge).await;
    world.gone("v1 ConfigMap", "a").await;
    assert!(world.live("apps/v1 StatefulSet", "db").await.is_some());
    let comment = world.comment(drop.number, "cancelled before it was confirmed").await;
    assert!(comment.contains(&format!("deletion of `{db}` cancelled")), "{comment}");
    assert!(comment.contains(&format!("`{a}` was deleted, because it is no longer kept")), "{comment}");
    assert!(!comment.contains("allow-destructive") && !comment.contains("confirmed and done"), "{comment}");
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// H2+: what is kept for another app needs no confirmation yet, and none is asked for. Once it does, it is held;
/// and once that is called off, nobody is asked for it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_now_is_not_to_be_confirmed_and_may_be_called_off_later() {
    let world = World::start("called-off-kept").await;
    // It does not render, and what it is made from has the same object.
    let files = files(&world)
        .file("apps/other.yaml", world.app("other", "other"))
        .file("other/kustomization.yaml", kustomization(&["db.yaml", "none.yaml"]))
        .file("other/db.yaml", stateful());
    world.push(files).await;
    world.eventually("the object", async || world.live("apps/v1 StatefulSet", "db").await).await;
    world.first_looks().await;
    world.settled().await;
    let drop = world.open_pull("drop", Files::new().without("deploy/db.yaml")).await;
    world.status_is(&drop.head, "success", "1 kept").await;
    let comment = world.comment(drop.number, "kept for now, though no longer rendered: 1 object").await;
    assert!(!comment.contains("allow-destructive") && !comment.contains("need confirmation"), "{comment}");
    assert!(comment.contains("Once that app renders without it, its deletion needs confirmation"), "{comment}");
    let merge = world.merge_pull(drop.number).await;
    world.healthy("shop", &merge).await;
    world.comment(drop.number, "was **not deleted**").await;
    // T2+: who confirms it now has asked for a sync, and approved nothing.
    let answer = world.ask("apps/shop+shop/sync", Some(json!({"allowDestructive": true}))).await;
    assert!(answer["message"].as_str().unwrap_or_default().contains("has no effect"), "{answer}");
    world.settled().await;
    let runs = world.ask("runs?app=shop", None).await;
    let runs = runs.as_array().expect("runs");
    assert!(runs.iter().any(|run| run["cause"].as_str().unwrap_or_default().contains("requested by")), "{runs:?}");
    assert!(runs.iter().all(|run| run["confirmedBy"].is_null()), "{runs:?}");

    let mended = Files::new().without("other/kustomization.yaml").file("other/db.yaml", config_map("other", "x"));
    let mended = world.push(mended).await;
    world.healthy("other", &mended).await;
    world.resync().await;
    waits(&world, "shop").await;
    world.comment(drop.number, "1 deletion needs confirmation").await;
    let back = world.open_pull("back", Files::new().file("deploy/db.yaml", stateful())).await;
    world.status_is(&back.head, "success", "1 deletion cancelled").await;
    world.comment(back.number, "**Merging cancels 1 held deletion.**").await;
    let merge = world.merge_pull(back.number).await;
    world.healthy("shop", &merge).await;
    world.comment(drop.number, "cancelled as of").await;
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// X2+, T2+: that the last object of an app needs confirmation is said before the merge, also where the others move
/// to another app; who confirms that is told on the pull request.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_object_of_a_renamed_app_is_announced_and_held() {
    let world = World::start("called-off-rename").await;
    let base = world.push(two(&world, "  onDelete: prune\n", "")).await;
    world.healthy("old", &base).await;
    world.healthy("new", &base).await;
    world.first_looks().await;
    let rename = Files::new().without("apps/old.yaml").without("old").file("new/x.yaml", config_map("x", "1"));
    let pull = world.open_pull("rename", rename).await;
    world.status_is(&pull.head, "success", "1 to delete, 1 to move, needs confirmation").await;
    let comment = world.comment(pull.number, "deletes the last object of the app").await;
    assert!(comment.contains("**After the merge, the deletions in `old` are held until you confirm them"), "{comment}");
    let merge = world.merge_pull(pull.number).await;
    world.healthy("new", &merge).await;
    world.comment(pull.number, "**1 deletion needs confirmation** for `old`").await;
    let rows = world.context().store.inventory(&app_id("old")).await.expect("the store");
    assert_eq!(rows.len(), 1, "{rows:?}");

    // X16+: a mistake elsewhere is no reason to doubt that it was removed.
    world.push(Files::new().file("apps/broken.yaml", "apiVersion: driftless.dev/v1\nkind: App\nspec: 7\n")).await;
    world.settled().await;
    let (state, _, message) = world.stands("old").await;
    assert!(state == "removed" && message.contains("its definition was removed by"), "{state}: {message}");
    world.sync_by_hand("old", true).await;
    world.gone("v1 ConfigMap", "old-stays").await;
    let comment = world.comment(pull.number, "its objects deleted or handed over to other apps: `old` on `prod`").await;
    assert!(comment.contains("deletions confirmed by `ada`") && !comment.contains("allow-destructive"), "{comment}");
}
