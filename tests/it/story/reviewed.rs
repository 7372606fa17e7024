//! What was reviewed is what is applied, or the pull request says where it is not.

use driftless::dev::forge::DeliveryFault;
use driftless::ids::{Oid, RepoName};
use driftless::queue::{Key, Request, Trigger};
use driftless::store::pulls::PullRow;

use super::manifests::{config_map, deployment};
use super::push::shop;
use crate::support::git::git;
use crate::support::world::{Files, PROJECT, Pull, REPO, Setup, World};

async fn up(words: &str) -> World {
    let world = World::start(words).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world
}

/// With a pull request that changes one object and was previewed.
async fn previewed(words: &str) -> (World, Pull) {
    let world = up(words).await;
    let pull =
        world.open_pull("change", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.forge.delivered().await;
    (world, pull)
}

/// Nobody tells of the base's next commit.
async fn push_untold(world: &World, files: Files) {
    world.forge.fail_deliveries([DeliveryFault::Drop]);
    world.push(files).await;
    world.forge.delivered().await;
}

/// X1: a merge commit with other content than the preview's merge is told on the pull request.
#[tokio::test(flavor = "multi_thread")]
async fn x1_a_merge_that_is_not_the_previewed_one_is_told() {
    let world = up("reviewed-evil").await;
    let pull =
        world.open_pull("change", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let merge =
        world.merge_with(&pull, &Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:unseen", 2)));
    world.show(&merge).await;
    let comment = world.comment(pull.number, "Not as previewed").await;
    assert!(comment.contains("the merge also changes") && comment.contains("web"), "{comment}");
    assert!(comment.contains("example.test/web:unseen"), "what was merged is shown: {comment}");
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
}

/// X1: the base moved between the preview and the merge, and the sync brings more than was shown.
#[tokio::test(flavor = "multi_thread")]
async fn x1_a_sync_that_does_more_than_was_shown_is_told() {
    let (world, pull) = previewed("reviewed-moved").await;
    push_untold(&world, Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "Not as previewed").await;
    assert!(comment.contains("the sync also changes") && comment.contains("Deployment"), "{comment}");
}

/// X1: whoever still takes a merged pull request for open takes nothing back of what was told of it.
#[tokio::test(flavor = "multi_thread")]
async fn x1_who_is_late_takes_nothing_back_of_a_merge() {
    let (world, pull) = previewed("reviewed-late").await;
    push_untold(&world, Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    // The push tells of the merge, and the forge's API is behind.
    let merge = world.merge_with(&pull, &Files::new());
    world.show(&merge).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "Not as previewed").await;
    world.comment(pull.number, "healthy after").await;
    world.settled().await;
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
    world.settled().await;
    let row = world
        .context()
        .store
        .pull(&RepoName::new(REPO), pull.number)
        .await
        .expect("the store")
        .expect("a pull request");
    assert_eq!((row.state, row.merge_commit), (PullRow::Merged, Some(merge)));
    let comment = world.comment(pull.number, "Merged as").await;
    assert!(comment.contains("Not as previewed") && comment.contains("healthy after"), "{comment}");
}

/// X1: a merge as it was previewed makes no noise, also where the base moved by what does not concern it.
#[tokio::test(flavor = "multi_thread")]
async fn x1_a_merge_as_previewed_makes_no_noise() {
    let (world, pull) = previewed("reviewed-quiet").await;
    push_untold(&world, Files::new().file("docs/notes", "moved")).await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(!comment.contains("Not as previewed"), "{comment}");
}

/// X1: what the forge itself gets when it merges is what is previewed, while it is of both heads.
#[tokio::test(flavor = "multi_thread")]
async fn x1_the_forges_own_test_merge_is_previewed() {
    let world = up("reviewed-test-merge").await;
    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    let pull =
        world.open_pull("change", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.forge.delivered().await;
    let tested: Oid = world
        .merge_with(&pull, &Files::new().file("deploy/settings.yaml", config_map("settings", "as-the-forge-merges")));
    let tested_ref = format!("refs/pull/{}/merge", pull.number);
    git(&world.forge.repo_dir(PROJECT), &["update-ref", &tested_ref, tested.as_str()]);
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "as-the-forge-merges").await;
}

/// T14: a pull request that is opened and merged between two looks has its outcome, and says that it was never
/// previewed.
#[tokio::test(flavor = "multi_thread")]
async fn t14_a_pull_request_merged_between_two_looks_has_its_outcome() {
    let world = World::with("reviewed-unseen", Setup { webhooks: false, ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.poll().await;
    world.healthy("shop", &base).await;
    world.settled().await;
    let pull =
        world.open_pull("change", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let merge = world.merge_pull(pull.number).await;
    world.poll().await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "Merged as").await;
    assert!(comment.contains("merged before it was previewed") && comment.contains("shop"), "{comment}");
}

/// X1: a squash is compared by its tree, before its push is synced, also where the base moved unseen before it.
#[tokio::test(flavor = "multi_thread")]
async fn x1_a_squash_is_compared_as_well() {
    let (world, pull) = previewed("reviewed-squash").await;
    // The base's next commit touches the same object, elsewhere in its file.
    let labelled =
        config_map("settings", "one").replace("  name: settings", "  name: settings\n  labels: {unseen: yes-it-is}");
    push_untold(&world, Files::new().file("deploy/settings.yaml", labelled)).await;
    // Only the push is told of.
    world.forge.fail_deliveries([DeliveryFault::None, DeliveryFault::Drop]);
    let Ok(squashed) = world.forge.squash_pull(PROJECT, pull.number).await else {
        panic!("git merges it: the lines are apart")
    };
    let comment = world.comment(pull.number, "Not as previewed").await;
    assert!(comment.contains("the base moved from") && comment.contains("settings"), "{comment}");
    world.healthy("shop", &squashed).await;
    world.comment(pull.number, "healthy after").await;
}

fn with_cpu(cpu: &str) -> String {
    let image = "          image: example.test/web:1\n";
    deployment("web", "example.test/web:1", 2)
        .replace(image, &format!("{image}          resources: {{limits: {{cpu: {cpu}}}}}\n"))
}

/// X1+: another spelling of what is there is no change, neither in the preview nor in the sync.
#[tokio::test(flavor = "multi_thread")]
async fn x1_another_spelling_makes_no_noise() {
    let world = World::start("reviewed-spelling").await;
    let base = world.push(shop(&world).file("deploy/web.yaml", with_cpu("1"))).await;
    world.healthy("shop", &base).await;
    let files = Files::new()
        .file("deploy/web.yaml", with_cpu("1000m"))
        .file("deploy/settings.yaml", config_map("settings", "two"));
    let pull = world.open_pull("spelling", files).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(!comment.contains("Not as previewed"), "{comment}");
}

/// X1+: what another push does is not put to a pull request that says nothing of that app, nor is what comes after its
/// merge.
#[tokio::test(flavor = "multi_thread")]
async fn x1_other_pushes_are_not_put_to_a_pull_request() {
    let world = World::with("reviewed-others", Setup { webhooks: false, ..Setup::default() }).await;
    let files = shop(&world)
        .file("apps/other.yaml", world.app("other", "other"))
        .file("other/map.yaml", config_map("other", "1"));
    let base = world.push(files).await;
    world.poll().await;
    world.healthy("shop", &base).await;
    world.healthy("other", &base).await;
    // Pushed, and not acted on yet when the pull request is previewed: the other app is looked at for it, and the same
    // on both sides.
    world.push(Files::new().file("other/map.yaml", config_map("other", "2"))).await;
    let pull =
        world.open_pull("change", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    world.merge_pull(pull.number).await;
    let last = world.push(Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:later", 2))).await;
    world.poll().await;
    world.healthy("shop", &last).await;
    world.healthy("other", &last).await;
    world.settled().await;
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(!comment.contains("Not as previewed"), "{comment}");
}
