//! What a pull request says of objects that move.

use super::*;
use crate::story::pull::redacted;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_says_what_moves_and_merging_does_that() {
    let world = World::start("move-pull").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let before = uid(&world, "x").await;
    let pull = world.open_pull("move-it", moved("2")).await;
    world.status_is(&pull.head, "success", "1 to update, 1 to move").await;
    let comment = world.comment(pull.number, "Merging").await;
    insta::assert_snapshot!("a_pull_request_that_moves_an_object", redacted(&world, &comment));
    let revision = world.merge_pull(pull.number).await;
    both_healthy(&world, &revision).await;
    world.comment(pull.number, "`shop/new` took over 1 object from `shop/old`").await;
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_all_that_an_app_has_is_neither_a_delete_nor_destructive() {
    let world = World::start("move-pull-all").await;
    let base = world.push(two(&world, "  onDelete: prune\n", "")).await;
    both_healthy(&world, &base).await;
    let all = || {
        Files::new()
            .without("old")
            .file("new/x.yaml", config_map("x", "1"))
            .file("new/old.yaml", config_map("old-stays", "1"))
    };
    // With the definition, which says that its objects go with it.
    let pull = world.open_pull("all", all().without("apps/old.yaml")).await;
    world.status_is(&pull.head, "success", "2 to move").await;
    let comment = world.comment(pull.number, "moves 2 objects").await;
    assert!(!comment.contains("DELETE") && !comment.contains("held until confirmed"), "{comment}");
    world.forge.close_pull(crate::support::world::PROJECT, pull.number);
    // And one that says that they stay.
    let keeps = Files::new().file("apps/old.yaml", world.app("old", "old"));
    world.push(keeps).await;
    world.settled().await;
    let pull = world.open_pull("all-kept", all().without("apps/old.yaml")).await;
    world.status_is(&pull.head, "success", "2 to move, 1 definition removed (old)").await;
    world.comment(pull.number, "All of its objects move to other apps").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_two_apps_is_refused_before_the_merge() {
    let world = World::start("move-twice").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    // Unchanged in the app that has it.
    let pull = world.open_pull("twice", Files::new().file("new/x.yaml", config_map("x", "2"))).await;
    let status = world.status(&pull.head).await;
    assert_eq!((status.state.as_str(), status.description.as_str()), ("failure", "1 rejected (new)"));
    world.comment(pull.number, "and app shop/new renders it as well").await;
    // Changed in both.
    let both = Files::new().file("new/x.yaml", config_map("x", "2")).file("old/x.yaml", config_map("x", "3"));
    let pull = world.open_pull("twice-changed", both).await;
    let status = world.status(&pull.head).await;
    assert_eq!((status.state.as_str(), status.description.as_str()), ("failure", "2 rejected (new, old)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_moves_shows_nothing_of_what_it_holds() {
    let world = World::start("move-secret").await;
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  labels: {{a: \"{value}x\"}}\nstringData:\n  \
             password: hunter2-{value}\n"
        )
    };
    let base = world.push(two(&world, "", "").file("old/s.yaml", secret("1"))).await;
    both_healthy(&world, &base).await;
    let pull = world.open_pull("secret", Files::new().without("old/s.yaml").file("new/s.yaml", secret("2"))).await;
    world.status_is(&pull.head, "success", "1 to update, 1 to move").await;
    let comment = world.comment(pull.number, "Merging").await;
    assert!(comment.contains("(hidden, new value)"), "{comment}");
    assert!(!comment.contains("2x"), "its labels are hidden as well: {comment}");
    assert!(!comment.contains("hunter2") && !comment.contains("aHVudGVyMi"), "{comment}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_of_a_moved_object_fails_the_gate() {
    let world = World::start("move-refused").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let wrong = config_map("x", "2").replace("\ndata:", "\nimmutable: sometimes\ndata:");
    let pull = world.open_pull("wrong", moved("2").file("new/x.yaml", wrong)).await;
    let status = world.status(&pull.head).await;
    assert_eq!((status.state.as_str(), status.description.as_str()), ("failure", "1 rejected (new)"));
    world.comment(pull.number, "immutable").await;
}
