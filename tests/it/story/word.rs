//! What can't be undone needs confirmation, while all else goes on.

use driftless::ids::Oid;
use driftless::store::apps::{AppHealth, AppState};
use driftless::store::runs::{RunRow, RunState};

use super::manifests::{config_map, deployment};
use super::push::shop;
use crate::support::world::{Files, World};

const MAPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// An app of which most is removed by [`most_removed`].
async fn up(words: &str) -> World {
    let world = World::start(words).await;
    let mut files = Files::new()
        .file("apps/shop.yaml", world.app("shop", "deploy"))
        .file("deploy/web.yaml", deployment("web", "example.test/web:1", 1));
    for name in MAPS {
        files = files.file(format!("deploy/{name}.yaml"), config_map(name, name));
    }
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world
}

fn most_removed() -> Files {
    MAPS[..5].iter().fold(Files::new(), |files, name| files.without(&format!("deploy/{name}.yaml")))
}

/// The last run, once all of a revision is applied and healthy but what needs confirmation.
async fn waits(world: &World, revision: &Oid) -> RunRow {
    world
        .eventually(&format!("a run of {revision} that needs confirmation"), async || {
            let row = world.app_row("shop").await?;
            let there =
                row.applied_revision.as_ref() == Some(revision) && row.health == AppHealth::Healthy && row.synced_ok;
            let run = world.runs("/shop").await.into_iter().next()?;
            (there && run.state == RunState::Waiting && run.revision.as_deref() == Some(revision.as_str()))
                .then_some(run)
        })
        .await
}

/// What `driftless apps` says of the app.
async fn told(world: &World) -> (String, String, String) {
    let client = reqwest::Client::builder().unix_socket(world.socket()).no_proxy().build().expect("a client");
    let answer = client.get("http://driftless/api/v1/apps").send().await.expect("an answer");
    let apps: serde_json::Value = answer.json().await.expect("JSON");
    let text = |name: &str| apps[0][name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("health"), text("message"))
}

async fn value(world: &World, name: &str) -> Option<String> {
    world.live("v1 ConfigMap", name).await.and_then(|object| object["data"]["key"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_wait_for_a_word_and_a_hot_fix_does_not() {
    let world = up("word").await;
    let pull = world.open_pull("most", most_removed().file("deploy/f.yaml", config_map("f", "new"))).await;
    world.status_is(&pull.head, "success", "1 to update, 5 to delete, needs confirmation").await;
    world
        .comment(
            pull.number,
            "**After the merge, the deletions in `shop` are held until you confirm them; everything else is applied.**",
        )
        .await;
    let merge = world.merge_pull(pull.number).await;
    let run = waits(&world, &merge).await;
    let text = run.error.clone().unwrap_or_default();
    assert_eq!(text, "deletes 5 of the app's 7 objects; to confirm: driftless sync shop/shop --allow-destructive");
    let comment =
        world.comment(pull.number, "applied, but **5 deletions need confirmation** for `shop` on `prod`").await;
    assert!(
        comment.contains("- 5 deletions of `shop` on `prod` (")
            && comment.contains("; to confirm: `driftless sync shop/shop --allow-destructive`"),
        "{comment}"
    );
    assert_eq!((value(&world, "f").await.as_deref(), value(&world, "a").await.as_deref()), (Some("new"), Some("a")));
    assert_eq!(told(&world).await, ("waiting".into(), "healthy".into(), text));

    // At night, somebody mends something else.
    let fix = world.open_pull("fix", Files::new().file("deploy/f.yaml", config_map("f", "mended"))).await;
    world.status_is(&fix.head, "success", "1 to update").await;
    let comment = world.comment(fix.number, "Merging changes 1 app.").await;
    assert!(comment.contains("held until confirmed: `removed from Git`"), "{comment}");
    let merge = world.merge_pull(fix.number).await;
    let run = waits(&world, &merge).await;
    assert!(
        run.error.as_deref().is_some_and(|text| text.contains("driftless sync shop/shop --allow-destructive")),
        "{run:?}"
    );
    assert_eq!(value(&world, "f").await.as_deref(), Some("mended"));

    // Looks at the cluster and pushes that change nothing are no word, and no reason to say it again.
    let runs = world.runs("/shop").await.len();
    world.resync().await;
    world.settled().await;
    world.push(Files::new().file("README", "words")).await;
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), runs, "{}", world.story().await);
    assert_eq!(world.inventory("shop").await.len(), 7);

    world.sync_by_hand("shop", true).await;
    world.eventually("the deletes", async || (world.inventory("shop").await.len() == 2).then_some(())).await;
    world.settled().await;
    let run = world.runs("/shop").await.remove(0);
    assert_eq!((run.state, run.counts.pruned), (RunState::Succeeded, 5), "{}", world.story().await);
    // F15: what was confirmed, and by whom, stays in the history of the run that asked for it.
    let asked = world.runs("/shop").await.remove(1).error.unwrap_or_default();
    assert!(asked.starts_with("deletes 5 of the app's 7 objects; confirmed by ada; applied "), "{asked}");
    assert!(!asked.contains("driftless sync"), "{asked}");
    assert_eq!(world.inventory("shop").await, ["ConfigMap f", "Deployment web"]);
    // T18: the end of the deletions stands where they were proposed, and the fix tells of what it found held.
    let done = world.comment(pull.number, "applied, and confirmed deletions are done for `shop` on `prod`").await;
    assert!(
        done.contains("- `shop` on `prod`: deletion of `ConfigMap") && done.contains(" confirmed by `ada` and done"),
        "{done}"
    );
    let found = world.comment(fix.number, "applied for `shop` on `prod`, healthy after").await;
    assert!(
        found.contains(
            ", removed by an earlier change, still needed confirmation then; to confirm: `driftless sync shop/shop"
        ),
        "{found}"
    );
    assert!(!found.contains("deletions need confirmation"), "{found}");
    for (number, says) in [(pull.number, "confirmed by `ada` and done"), (fix.number, "healthy after")] {
        let comment = world.comment(number, says).await;
        assert!(!comment.contains("deletions need confirmation** for"), "{comment}");
        // X1+: the held deletions of one are nothing that the other has not shown.
        assert!(!comment.contains("Not as previewed"), "{comment}");
    }
    assert_eq!(told(&world).await.0, "synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_needs_no_word() {
    let world = up("word-revert").await;
    let pull = world.open_pull("most", most_removed()).await;
    world.status_is(&pull.head, "success", "5 to delete, needs confirmation").await;
    let merge = world.merge_pull(pull.number).await;
    waits(&world, &merge).await;
    let back = MAPS[..5]
        .iter()
        .fold(Files::new(), |files, name| files.file(format!("deploy/{name}.yaml"), config_map(name, name)));
    let revert = world.push(back).await;
    let run = world.healthy("shop", &revert).await;
    assert_eq!((run.counts.created, run.counts.pruned), (0, 0), "{}", world.story().await);
    // T1: what was taken back in Git never happened.
    world.comment(pull.number, "reverted before").await;
    assert_eq!(told(&world).await.0, "synced");
    // A word that comes too late deletes nothing.
    world.sync_by_hand("shop", true).await;
    world.settled().await;
    assert_eq!(world.inventory("shop").await.len(), 7, "{}", world.story().await);
    assert_eq!(value(&world, "a").await.as_deref(), Some("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_drifts_meanwhile_is_healed_and_the_deletes_wait_on() {
    let world = up("word-drift").await;
    let revision = world.push(most_removed()).await;
    waits(&world, &revision).await;
    world.settled().await;
    world.api("v1 ConfigMap").await.delete("f", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.resync().await;
    world.eventually("the map back", async || value(&world, "f").await).await;
    let run = waits(&world, &revision).await;
    let text = run.error.clone().unwrap_or_default();
    assert!(text.contains("healed: ConfigMap") && text.contains("--allow-destructive"), "{run:?}");
    world.settled().await;
    assert_eq!(value(&world, "a").await.as_deref(), Some("a"));
    // Also after a start on the same store.
    let mut world = world;
    world.restart().await;
    world.first_looks().await;
    assert_eq!(value(&world, "a").await.as_deref(), Some("a"));
    assert_eq!(told(&world).await.0, "waiting");
    world.sync_by_hand("shop", true).await;
    world.gone("v1 ConfigMap", "a").await;
    world.settled().await;
    assert_eq!(world.inventory("shop").await, ["ConfigMap f", "Deployment web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_comes_back_takes_its_objects_back() {
    let world = World::start("word-back").await;
    let app = world.app_with("shop", "deploy", "  onDelete: prune\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app.clone())).await;
    world.healthy("shop", &base).await;
    world.push(Files::new().without("apps/shop.yaml")).await;
    world
        .eventually("that all waits", async || {
            let waits = world
                .context()
                .store
                .awaiting_confirmation(&crate::support::world::app_id("shop"))
                .await
                .expect("the store");
            (waits == 3).then_some(())
        })
        .await;
    world.settled().await;
    assert_eq!(world.app_row("shop").await.expect("the app").state, AppState::Removed);
    let (state, _, message) = told(&world).await;
    assert!(state == "removed" && message.contains("--allow-destructive"), "{message}");
    let back = world.push(Files::new().file("apps/shop.yaml", app)).await;
    world.healthy("shop", &back).await;
    assert_eq!(told(&world).await.0, "synced");
    world.sync_by_hand("shop", true).await;
    world.settled().await;
    assert!(world.live("apps/v1 Deployment", "web").await.is_some());
    assert_eq!(world.inventory("shop").await.len(), 3);
}
