//! What is removed from Git, and what becomes of it in the cluster.

use driftless::store::apps::AppState;
use driftless::store::runs::RunState;
use kube::api::PostParams;

use super::manifests::{config_map, kustomization};
use super::push::shop;
use crate::support::world::{Files, World};

/// A `ConfigMap` that is none of ours.
async fn somebody_elses(world: &World, name: &str) {
    let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"whose": "mine"}});
    let object = serde_json::from_value(object).expect("an object");
    world.api("v1 ConfigMap").await.create(&PostParams::default(), &object).await.expect("created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_file_is_announced_and_its_object_pruned() {
    let world = World::start("removed-file").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    somebody_elses(&world, "neighbour").await;

    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml"]))
        .without("deploy/settings.yaml");
    let pull = world.open_pull("less", files).await;
    world.status_is(&pull.head, "success", "1 to delete").await;
    let comment = world.comment(pull.number, "Merging").await;
    assert!(comment.lines().any(|line| line == "**Merging changes 1 app and DELETES 1 object.**"), "{comment}");
    assert!(comment.contains("settings") && !comment.contains("neighbour"), "{comment}");
    assert!(world.live("v1 ConfigMap", "settings").await.is_some(), "a preview deletes nothing");

    let merge = world.merge_pull(pull.number).await;
    let run = world.healthy("shop", &merge).await;
    assert_eq!(run.counts.pruned, 1, "{}", world.story().await);
    assert!(world.live("v1 ConfigMap", "settings").await.is_none());
    assert!(world.live("v1 ConfigMap", "neighbour").await.is_some());
    assert_eq!(world.inventory("shop").await, ["Deployment web", "Service web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_to_stay_stays() {
    let world = World::start("asks-to-stay").await;
    let settings = config_map("settings", "one")
        .replace("metadata:\n", "metadata:\n  annotations: {helm.sh/resource-policy: keep}\n");
    assert!(settings.contains("resource-policy"), "{settings}");
    let base = world.push(shop(&world).file("deploy/settings.yaml", settings)).await;
    world.healthy("shop", &base).await;
    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml"]))
        .without("deploy/settings.yaml");
    let pull = world.open_pull("less", files).await;
    assert_eq!(world.status(&pull.head).await.state, "success");
    let comment = world.comment(pull.number, "resource-policy: keep").await;
    assert!(
        comment.contains("settings is no longer rendered by this app") && !comment.contains("DELETES"),
        "{comment}"
    );
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    world.settled().await;
    assert!(world.live("v1 ConfigMap", "settings").await.is_some());
    assert_eq!(world.inventory("shop").await, ["Deployment web", "Service web"]);
    // Nor does a look by hand ask for it, which finds our marks on it.
    world.sync_by_hand("shop", false).await;
    world.settled().await;
    let run = world.runs("/shop").await.into_iter().next().expect("a run");
    assert_eq!(run.state, RunState::Succeeded, "{}", world.story().await);
    assert!(world.live("v1 ConfigMap", "settings").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_definition_deletes_nothing() {
    let world = World::start("removed-app").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("drop-it", Files::new().without("apps/shop.yaml")).await;
    assert_eq!(world.status(&pull.head).await.state, "success");
    world.comment(pull.number, "onDelete: keep").await;
    world.merge_pull(pull.number).await;
    world
        .eventually("the app removed", async || (world.app_row("shop").await?.state == AppState::Removed).then_some(()))
        .await;
    world.settled().await;
    world.resync().await;
    world.settled().await;
    for (kind, name) in [("apps/v1 Deployment", "web"), ("v1 Service", "web"), ("v1 ConfigMap", "settings")] {
        assert!(world.live(kind, name).await.is_some(), "{kind} {name}");
    }
    let comment = world.comment(pull.number, "Merged").await;
    assert!(comment.contains("definition removed, objects kept: `shop` on `prod`"), "{comment}");
}

/// A sync that waits for health ends with the definition of its app: nobody waits for that any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_ends_a_wait_for_health() {
    let world = World::start("removed-waiting").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.push(Files::new().file("deploy/web.yaml", super::states::nowhere())).await;
    let newest = async |state| world.runs("/shop").await.into_iter().next().filter(|run| run.state == state);
    let waits = world.eventually("a sync that waits", async || newest(RunState::Waiting).await).await;
    world.push(Files::new().without("apps/shop.yaml")).await;
    let over = world.eventually("its end", async || newest(RunState::Cancelled).await).await;
    assert_eq!(over.id, waits.id, "{}", world.story().await);
    let said = "its changes are applied; the app's definition was removed before the app was healthy";
    assert_eq!(over.error.as_deref(), Some(said));
    world.settled().await;
    assert!(world.context().store.waits().await.expect("read").is_empty());
    assert!(world.live("apps/v1 Deployment", "web").await.is_some());
}

/// T8: the commit that removed a definition is named, whatever came with it or after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_names_its_own_commit() {
    let world = World::start("removed-by").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let removal = world.commit("main", &Files::new().without("apps/shop.yaml"));
    world.push(Files::new().file("README", "words")).await;
    world
        .eventually("the app removed", async || (world.app_row("shop").await?.state == AppState::Removed).then_some(()))
        .await;
    let named = || async { world.app_row("shop").await.expect("the app").state_message };
    assert!(named().await.contains(&format!("removed by {}", removal.short())), "{}", named().await);
    world.push(Files::new().file("README", "other words")).await;
    world.settled().await;
    assert!(named().await.contains(&format!("removed by {}", removal.short())), "{}", named().await);
}

/// T8: also where its file has other definitions, and one of them was edited since.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_from_a_file_of_several_names_its_own_commit() {
    let world = World::start("removed-one").await;
    let (one, two) = (world.app("one", "one"), world.app("two", "two"));
    let base = Files::new()
        .file("apps/all.yaml", format!("{one}---\n{two}"))
        .file("one/map.yaml", config_map("one", "x"))
        .file("two/map.yaml", config_map("two", "x"));
    let base = world.push(base).await;
    world.healthy("one", &base).await;
    world.settled().await;
    let removal = world.commit("main", &Files::new().file("apps/all.yaml", two.clone()));
    let edited = world.push(Files::new().file("apps/all.yaml", format!("{two}  drift: report\n"))).await;
    let removed = async || Some(world.app_row("one").await?).filter(|row| row.state == AppState::Removed);
    let message = world.eventually("the app removed", removed).await.state_message;
    assert!(message.contains(&format!("removed by {}", removal.short())), "{message}, not {}", edited.short());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_definition_that_said_so_takes_its_objects_along() {
    let world = World::start("removed-all").await;
    let app = world.app_with("shop", "deploy", "  onDelete: prune\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.healthy("shop", &base).await;
    somebody_elses(&world, "neighbour").await;
    let pull = world.open_pull("drop-all", Files::new().without("apps/shop.yaml")).await;
    world.status_is(&pull.head, "success", "3 to delete, needs confirmation").await;
    world.comment(pull.number, "DELETES 3 objects").await;
    let merge = world.merge_pull(pull.number).await;
    // All of an app is too much to delete without a word.
    world.comment(pull.number, "**3 deletions need confirmation** for").await;
    world.settled().await;
    assert!(world.live("apps/v1 Deployment", "web").await.is_some());
    world.sync_by_hand("shop", true).await;
    for (kind, name) in [("apps/v1 Deployment", "web"), ("v1 Service", "web"), ("v1 ConfigMap", "settings")] {
        world.gone(kind, name).await;
    }
    world.settled().await;
    assert!(world.live("v1 ConfigMap", "neighbour").await.is_some());
    assert_eq!(world.inventory("shop").await, Vec::<String>::new());
    let run = world.runs("/shop").await.into_iter().next().expect("a run");
    assert_eq!(
        (run.state, run.revision.as_deref(), run.counts.pruned),
        (RunState::Succeeded, Some(merge.as_str()), 3),
        "{}",
        world.story().await
    );
    world.comment(pull.number, "deleted with its objects: `shop` on `prod`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_breaks_deletes_nothing() {
    let world = World::start("broken").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.push(Files::new().file("apps/shop.yaml", world.app("shop", "deploy").replace("source:", "sauce:"))).await;
    world
        .eventually("the app broken", async || (world.app_row("shop").await?.state == AppState::Broken).then_some(()))
        .await;
    world.settled().await;
    assert!(world.live("apps/v1 Deployment", "web").await.is_some());
    // Mended, it goes on.
    let mended = world.push(shop(&world).file("deploy/settings.yaml", config_map("settings", "mended"))).await;
    world.healthy("shop", &mended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_goes_and_comes_back() {
    let world = World::start("branch").await;
    let app = world.app("shop", "deploy").replace("{path: deploy}", "{path: deploy, ref: release}");
    world.push(Files::new().file("apps/shop.yaml", app)).await;
    let first = world.push_to("release", shop(&world)).await;
    world.healthy("shop", &first).await;
    world.delete_branch("release").await;
    world
        .eventually("the app without its branch", async || {
            (world.app_row("shop").await?.state == AppState::Missing).then_some(())
        })
        .await;
    world.settled().await;
    assert!(world.live("apps/v1 Deployment", "web").await.is_some());
    let back =
        world.push_to("release", shop(&world).file("deploy/settings.yaml", config_map("settings", "back"))).await;
    world.healthy("shop", &back).await;
    assert_eq!(world.app_row("shop").await.expect("the app").state, AppState::Active);
}

/// B14: what Git wants while it hangs in its deletion is made again once it has gone, and no success is told before.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_while_it_is_being_deleted_is_made_again() {
    let world = World::start("comes-back").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let maps = world.api("v1 ConfigMap").await;
    let finalizers = async |list: serde_json::Value| {
        let patch = serde_json::json!({"metadata": {"finalizers": list}});
        maps.patch("settings", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&patch))
            .await
            .expect("patched");
    };
    finalizers(serde_json::json!(["test.driftless.dev/hold"])).await;
    maps.delete("settings", &kube::api::DeleteParams::default()).await.expect("deleted");
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let waits = async || {
        world
            .context()
            .store
            .waits()
            .await
            .expect("the store")
            .into_iter()
            .find(|wait| wait.objects.iter().any(|object| object.key.name == "settings"))
    };
    world.eventually("a wait for the map", waits).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let run = world.runs("/shop").await.into_iter().next().expect("a run");
    assert_eq!(run.state, driftless::store::runs::RunState::Waiting, "{}", world.story().await);
    finalizers(serde_json::Value::Null).await;
    world.healthy("shop", &next).await;
    let map = world.live("v1 ConfigMap", "settings").await.expect("made again");
    assert_eq!(map["data"]["key"], "two");
    assert!(map["metadata"]["deletionTimestamp"].is_null(), "{map}");
}

/// X2+: what a removal does is shown by the `onDelete` that was applied last, as a sync does it, whatever Git says of
/// it since.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_shown_by_what_was_applied() {
    let world = World::start("removed-applied").await;
    let app = |on_delete: &str| world.app_with("shop", "deploy", &format!("  sync: manual\n  onDelete: {on_delete}\n"));
    let base = world.push(shop(&world).file("apps/shop.yaml", app("prune"))).await;
    world.eventually("the app", async || world.app_row("shop").await).await;
    world.settled().await;
    world.sync_by_hand("shop", false).await;
    world.healthy("shop", &base).await;
    world.push(Files::new().file("apps/shop.yaml", app("keep"))).await;
    world.settled().await;
    let pull = world.open_pull("drop", Files::new().without("apps/shop.yaml")).await;
    world.status_is(&pull.head, "success", "3 to delete, needs confirmation").await;
    let comment = world.comment(pull.number, "DELETES 3 objects").await;
    assert!(!comment.contains("onDelete: keep"), "{comment}");
}
