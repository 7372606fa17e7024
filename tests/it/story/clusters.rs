//! An app goes from one cluster to another: what it leaves behind.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::{ClusterName, Oid};
use driftless::store::runs::{RunRow, RunState};
use kube::api::DeleteParams;

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, Setup, West, World, app_id};

const OBJECTS: [(&str, &str); 3] = [("apps/v1 Deployment", "web"), ("v1 Service", "web"), ("v1 ConfigMap", "settings")];

/// A world whose shop is healthy in the west.
async fn in_west(words: &str) -> World {
    let world = World::with(words, Setup { west: West::Allowed, give_up: "2s", ..Setup::default() }).await;
    let app = world.app("shop", "deploy").replace("cluster: prod", "cluster: west");
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.healthy("shop", &base).await;
    assert!(world.live("v1 ConfigMap", "settings").await.is_none());
    all_in_west(&world).await;
    world
}

fn to_prod(world: &World) -> Files {
    Files::new().file("apps/shop.yaml", world.app("shop", "deploy"))
}

async fn all_in_west(world: &World) {
    for (kind, name) in OBJECTS {
        assert!(world.live_in_west(kind, name).await.is_some(), "{kind} {name}\n{}", world.story().await);
    }
}

async fn none_in_west(world: &World) {
    for (kind, name) in OBJECTS {
        world
            .eventually(&format!("{kind} {name} gone from the west"), async || {
                world.live_in_west(kind, name).await.is_none().then_some(())
            })
            .await;
    }
}

/// Waits for a run of the shop at a revision with this state and text.
async fn run_says(world: &World, revision: &Oid, state: RunState, text: &str) -> RunRow {
    world
        .eventually(&format!("a run at {revision} that is {state:?} and says {text:?}"), async || {
            let run = world.runs("/shop").await.into_iter().next()?;
            let is_it = run.state == state && run.revision.as_deref() == Some(revision.as_str());
            (is_it && run.error.as_deref().unwrap_or_default().contains(text)).then_some(run)
        })
        .await
}

async fn left(world: &World) -> usize {
    let store = &world.context().store;
    store.inventory_of(&ClusterName::new("west"), &app_id("shop")).await.expect("the store").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_moves_leaves_nothing_behind_once_a_person_says_so() {
    let world = in_west("moves").await;
    let pull = world.open_pull("move", to_prod(&world)).await;
    world.status_is(&pull.head, "success", "3 to create, 3 to delete, needs confirmation").await;
    let comment = world.comment(pull.number, "Merging changes 1 app and DELETES 3 objects").await;
    assert!(comment.contains("deletes 3 objects on cluster west, which the app leaves"), "{comment}");
    assert!(comment.contains("driftless sync shop/shop --allow-destructive"), "{comment}");
    let row = |cluster: &str| {
        comment.lines().find(|line| line.starts_with("| `shop`") && line.contains(cluster)).map(str::to_owned)
    };
    insta::assert_snapshot!(format!("{}\n{}", row("prod").expect("a row"), row("west").expect("a row")), @r"
    | `shop` | `prod` | 3 |  | definition changed here |
    | `shop` | `west` |  | **3** | definition changed here, the app leaves this cluster, **deletions need confirmation** |
    ");

    let merge = world.merge_pull(pull.number).await;
    let run =
        run_says(&world, &merge, RunState::Waiting, "deletes 3 objects on cluster west, which the app has left").await;
    assert!(run.error.is_some_and(|text| text.contains("driftless sync shop/shop --allow-destructive")));
    world.comment(pull.number, "3 deletions need confirmation").await;
    world.settled().await;
    assert_eq!(world.live("apps/v1 Deployment", "web").await.expect("there")["status"]["availableReplicas"], 2);
    all_in_west(&world).await;

    // What is left is not looked after any more, and not deleted by a look either.
    world.api_in_west("v1 ConfigMap").await.delete("settings", &DeleteParams::default()).await.expect("deleted");
    let runs = world.runs("/shop").await.len();
    for cluster in ["west", "prod"] {
        world.resync_of(cluster).await;
        world.settled().await;
    }
    assert_eq!(world.runs("/shop").await.len(), runs, "{}", world.story().await);
    assert!(world.live_in_west("v1 ConfigMap", "settings").await.is_none());
    assert!(world.live_in_west("v1 Service", "web").await.is_some());

    world.sync_by_hand("shop", true).await;
    none_in_west(&world).await;
    let run = world.healthy("shop", &merge).await;
    assert_eq!(run.counts.pruned, 3, "{}", world.story().await);
    assert_eq!(left(&world).await, 0);
    for (kind, name) in OBJECTS {
        assert!(world.live(kind, name).await.is_some(), "{kind} {name}");
    }
    world.comment(pull.number, "confirmed deletions are done for").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_holds_nothing_up_and_is_cleaned_when_it_is_back() {
    let world = in_west("away-west").await;
    let west = world.west.as_ref().expect("a second cluster");
    west.add(Rule::all(Fault::Reset));
    let pull = world.open_pull("move", to_prod(&world)).await;
    world.status_is(&pull.head, "success", "3 to create, 3 to delete, needs confirmation").await;
    world.comment(pull.number, "could not be read").await;
    let merge = world.merge_pull(pull.number).await;
    run_says(&world, &merge, RunState::Waiting, "deletes 3 objects on cluster west").await;
    world.sync_by_hand("shop", true).await;
    run_says(&world, &merge, RunState::Waiting, "could not be deleted; retrying").await;
    // After the limit people hear of it.
    world.comment(pull.number, "**FAILED**").await;

    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world
        .eventually("the next revision where the app is", async || {
            (world.live("v1 ConfigMap", "settings").await?["data"]["key"] == "two").then_some(())
        })
        .await;
    run_says(&world, &next, RunState::Waiting, "could not be deleted").await;
    west.clear();
    none_in_west(&world).await;
    world.healthy("shop", &next).await;
    assert_eq!(left(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_does_not_reach_stays_and_is_told() {
    let mut world = in_west("kept-west").await;
    world.stop().await;
    world.say_of_west(West::Refused);
    let moved = world.push(to_prod(&world)).await;
    world.start_again().await;
    let run = world.healthy("shop", &moved).await;
    let told = run.error.expect("a text");
    assert!(
        told.contains("3 objects of app shop/shop stay on cluster west, which the app has left")
            && told.contains("allow.clusters"),
        "{told}"
    );
    world.sync_by_hand("shop", true).await;
    world.settled().await;
    all_in_west(&world).await;

    world.stop().await;
    world.say_of_west(West::Unknown);
    world.start_again().await;
    world.sync_by_hand("shop", true).await;
    run_says(&world, &moved, RunState::Succeeded, "cluster west is not in the configuration; put it back").await;
    all_in_west(&world).await;
    assert_eq!(left(&world).await, 3, "they are not forgotten");

    world.stop().await;
    world.say_of_west(West::Allowed);
    world.start_again().await;
    // What was never shown is not deleted by a word.
    world.sync_by_hand("shop", true).await;
    run_says(&world, &moved, RunState::Waiting, "deletes 3 objects on cluster west").await;
    all_in_west(&world).await;
    world.sync_by_hand("shop", true).await;
    none_in_west(&world).await;
}

/// Waits until the app's objects in the west are held.
async fn held_in_west(world: &World, merge: &Oid) {
    run_says(world, merge, RunState::Waiting, "deletes 3 objects on cluster west, which the app has left").await;
    world.settled().await;
}

/// X2+: an app that has left a cluster is removed: what one confirmation deletes was shown, by cluster, on the pull
/// request, in its outcome, and in the answer to the command.
#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_an_app_that_moved_names_each_cluster() {
    let world = in_west("moved-removed").await;
    let prunes = world.app_with("shop", "deploy", "  onDelete: prune\n");
    let moved = world.open_pull("move", to_prod(&world).file("apps/shop.yaml", prunes)).await;
    assert!(world.status(&moved.head).await.description.contains("needs confirmation"));
    let merge = world.merge_pull(moved.number).await;
    held_in_west(&world, &merge).await;
    // Where they are, and not where the app is.
    let comment = world.comment(moved.number, "**3 deletions need confirmation** for `shop` on `west`").await;
    assert!(comment.contains("- 3 deletions of `shop` on `west` ("), "{comment}");

    let removed = world.open_pull("remove", Files::new().without("apps/shop.yaml")).await;
    world.status_is(&removed.head, "success", "6 to delete, needs confirmation").await;
    let comment = world.comment(removed.number, "DELETES 6 objects").await;
    assert!(comment.contains("deletes 3 objects on cluster west, which the app has left"), "{comment}");
    let is_of = |line: &&str, cluster: &str| line.starts_with("- `") && line.ends_with(&format!("on `{cluster}`"));
    let lines = |cluster: &str| comment.lines().filter(|line| is_of(line, cluster)).count();
    assert_eq!([lines("west"), lines("prod")], [3, 3], "{comment}");
    world.merge_pull(removed.number).await;
    let comment =
        world.comment(removed.number, "**6 deletions need confirmation** for `shop` on `prod` and `west`").await;
    assert!(comment.contains(" on `prod`; ") && comment.contains(" on `west`)"), "{comment}");
    world.settled().await;
    let (told, _) = world.cli(&["sync", "shop", "--allow-destructive", "--by", "ada"]).await;
    assert!(told.contains("6 deletions (3 on prod, 3 on west) confirmed and in progress"), "{told}");
    none_in_west(&world).await;
    for (kind, name) in OBJECTS {
        world.gone(kind, name).await;
    }
    world.settled().await;
    assert_eq!(world.inventory("shop").await, Vec::<String>::new());
    let comment = world.comment(moved.number, "confirmed deletions are done for `shop` on `west`").await;
    assert!(comment.contains("confirmed by `uid"), "{comment}");
}

/// L15+: what a removed app has left elsewhere can be confirmed by the command that is named for it, though its objects
/// stay; what it has there is in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_app_has_left_elsewhere_can_still_be_confirmed() {
    let world = in_west("moved-kept").await;
    let moved = world.open_pull("move", to_prod(&world)).await;
    assert!(world.status(&moved.head).await.description.contains("needs confirmation"));
    let merge = world.merge_pull(moved.number).await;
    held_in_west(&world, &merge).await;
    let removed = world.open_pull("remove", Files::new().without("apps/shop.yaml")).await;
    assert_eq!(world.status(&removed.head).await.state, "success");
    let said = "3 objects on cluster west, which the app has left, still held until confirmed";
    world.comment(removed.number, said).await;
    world.merge_pull(removed.number).await;
    let command = "driftless sync shop/shop --allow-destructive";
    let told = async || {
        let (state, _, message) = world.stands("shop").await;
        (state == "removed" && message.contains(command)).then_some(message)
    };
    world.eventually("the removed app", told).await;
    world.settled().await;

    // Its old place is free for the next one.
    let back = world.app("back", "deploy").replace("cluster: prod", "cluster: west");
    let taking = world.open_pull("back", Files::new().file("apps/back.yaml", back)).await;
    assert_eq!(world.status(&taking.head).await.state, "success");
    let comment = world.comment(taking.number, "moves 3 objects").await;
    assert!(!comment.contains("Driftless refuses"), "{comment}");

    let (told, code) = world.cli(&["sync", "shop", "--allow-destructive", "--by", "ada"]).await;
    assert!(code == 0 && told.contains("3 deletions (3 on west) confirmed and in progress"), "{told}");
    none_in_west(&world).await;
    world.settled().await;
    for (kind, name) in OBJECTS {
        assert!(world.live(kind, name).await.is_some(), "{kind} {name} stays");
    }
    let (_, _, message) = world.stands("shop").await;
    assert!(!message.contains("to confirm") && message.contains("its objects stay"), "{message}");
    world.comment(moved.number, "confirmed deletions are done for `shop` on `west`").await;
    let (told, code) = world.cli(&["sync", "shop", "--allow-destructive", "--by", "ada"]).await;
    assert!(code != 0 && told.contains("its objects are kept"), "nothing is held any more: {told}");
}
