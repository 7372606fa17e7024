//! What a person holds an app by holds what it owns as well, whatever Git makes of it meanwhile.

use super::*;

/// What the end of a rename comes to: the definition of `old` under the name `kit`, and another value of `x`.
fn renamed(world: &World, more: &str) -> Files {
    Files::new()
        .without("apps/old.yaml")
        .file("apps/kit.yaml", world.app_with("kit", "old", more))
        .file("old/x.yaml", config_map("x", "changed"))
}

async fn waits(world: &World, app: &str, for_: &str) -> String {
    let waiting = async || {
        let (state, _, message) = world.stands(app).await;
        (state == "waiting" && message.contains(&format!("driftless resume shop/{for_}"))).then_some(message)
    };
    world.eventually(&format!("{app} waits for {for_}"), waiting).await
}

async fn taken(world: &World, app: &str, value_of_x: &str) {
    let is_taken = async || {
        let owns = world.inventory(app).await.contains(&"ConfigMap x".to_owned());
        (owns && value(world, "x").await == value_of_x).then_some(())
    };
    world.eventually(&format!("{app} has x"), is_taken).await;
    world.settled().await;
}

/// A17+: nothing of a paused app is written under another name before it is resumed, and the pull request says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_does_not_end_a_pause() {
    let world = World::start("kept-pause").await;
    let base = world.push(two(&world, "  onDelete: prune\n", "")).await;
    both_healthy(&world, &base).await;
    let before = uid(&world, "x").await;
    set_paused(&world, "old", true).await;
    let pull = world.open_pull("rename", renamed(&world, "")).await;
    assert_eq!(world.status(&pull.head).await.state, "success");
    let comment = world.comment(pull.number, "not applied automatically: 2 apps").await;
    assert!(comment.contains("**waits for `shop/old`, which is paused: applied after `driftless resume shop/old`**"));
    world.merge_pull(pull.number).await;
    let message = waits(&world, "kit", "old").await;
    assert!(message.contains("it is paused and owns 2 objects that this app renders"), "{message}");
    world.comment(pull.number, "not applied (objects to take over belong to an app that is **paused**").await;
    let comment = world.comment(pull.number, "not applied (**paused**): `old`").await;
    assert!(comment.contains("which is paused: applied after"), "what it waits for stays: {comment}");
    // However often is looked; and a sync by hand of the new one is none of the old one.
    for _ in 0..2 {
        world.resync().await;
        world.settled().await;
    }
    world.sync_by_hand("kit", false).await;
    world.settled().await;
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before.clone(), "1"));
    assert_eq!(owner(&world, "x").await, "shop/old", "{}", world.story().await);
    let runs = world.runs("/kit").await.len();
    assert!(runs <= 2, "what waits is in the history once for each who asked: {}", world.story().await);

    let (told, _) = world.cli(&["resume", "shop/old", "--by", "ada"]).await;
    assert!(told.contains("no longer paused") && !told.contains("being deleted"), "{told}");
    taken(&world, "kit", "changed").await;
    assert_eq!(uid(&world, "x").await, before, "handed over, not made again");
    assert_eq!(world.inventory("old").await, Vec::<String>::new());
    // F20+: what went to another app was not deleted with its own.
    let comment = world.comment(pull.number, "its objects handed over to other apps: `old`").await;
    assert!(!comment.contains("deleted with its objects"), "{comment}");
    let (state, _, message) = world.stands("old").await;
    assert_eq!(state, "removed");
    assert!(message.ends_with("; 2 objects now belong to shop/kit"), "{message}");
    let (told, _) = world.cli(&["sync", "shop/old"]).await;
    assert!(told.contains("it has no objects left; nothing is deleted"), "{told}");
}

/// A17+: the same with a pin, and with an app whose objects stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_does_not_end_a_pin() {
    let world = World::start("kept-pin").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let (told, _) = world.cli(&["sync", "old", "--revision", base.as_str(), "--by", "ada"]).await;
    assert!(told.contains("pinned to it"), "{told}");
    world.settled().await;
    let merge = world.push(renamed(&world, "")).await;
    let message = waits(&world, "kit", "old").await;
    assert!(message.contains("it is pinned and owns 2 objects"), "{message}");
    world.resync().await;
    world.settled().await;
    assert_eq!((value(&world, "x").await, owner(&world, "x").await), ("1".to_owned(), "shop/old".to_owned()));
    world.cli(&["resume", "shop/old", "--by", "ada"]).await;
    taken(&world, "kit", "changed").await;
    world.healthy("kit", &merge).await;
    let message = world.stands("old").await.2;
    assert!(message.ends_with("2 objects now belong to shop/kit"), "{message}");
}

/// A17+: one object that moves between two apps waits for the resume of the one that has it, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_new_app_waits_for_the_old_one_to_be_resumed() {
    let world = World::start("move-new-first").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let before = uid(&world, "x").await;
    set_paused(&world, "old", true).await;
    let revision = world.push(moved("2")).await;
    waits(&world, "new", "old").await;
    assert_eq!(value(&world, "x").await, "1");
    world.cli(&["resume", "old", "--by", "ada"]).await;
    taken(&world, "new", "2").await;
    both_healthy(&world, &revision).await;
    assert_eq!((uid(&world, "x").await, owner(&world, "x").await.as_str()), (before, "shop/new"));
}

/// X2+: what asked to stay when its app no longer rendered it goes to the app that renders it next.
#[tokio::test(flavor = "multi_thread")]
async fn what_asked_to_stay_can_be_taken_by_the_next_app() {
    let world = World::start("kept-policy").await;
    let stays = |value: &str| {
        config_map("x", value).replace("\n  name: x", "\n  name: x\n  annotations: {helm.sh/resource-policy: keep}")
    };
    let base = world.push(two(&world, "", "").file("old/x.yaml", stays("1"))).await;
    both_healthy(&world, &base).await;
    let before = uid(&world, "x").await;
    let dropped = world.push(Files::new().without("old/x.yaml")).await;
    world.healthy("old", &dropped).await;
    world.settled().await;
    assert_eq!((uid(&world, "x").await, world.inventory("old").await.len()), (before.clone(), 1), "it stays");
    let pull = world.open_pull("take", Files::new().file("new/x.yaml", stays("2"))).await;
    world.status_is(&pull.head, "success", "1 to update, 1 to move").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("new", &merge).await;
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before, "2"));
    assert_eq!(owner(&world, "x").await, "shop/new");
}
