//! A push tells of a merge before the forge's API does: what is told stays told, as long as nothing contradicts it.

use driftless::dev::forge::DeliveryFault;
use driftless::ids::{Oid, RepoName};
use driftless::queue::{Key, Request, Trigger};
use driftless::store::pulls::{Pull as Row, PullRow};

use super::manifests::{config_map, deployment};
use super::push::shop;
use super::states::nowhere;
use crate::support::git::git;
use crate::support::world::{Files, PROJECT, Pull, REPO, Setup, World};

fn settings(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

async fn previewed(words: &str) -> (World, Pull) {
    let world = World::start(words).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    (world, pull)
}

/// Pushes to the pull request, and nobody is told.
async fn push_untold(world: &World, value: &str) -> Oid {
    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    let head = world.push_to("two", settings(value)).await;
    world.forge.delivered().await;
    head
}

/// Moves `main`, of which the forge's API knows nothing, and has it looked at.
async fn look_at_main(world: &World, at: &Oid) {
    git(&world.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/main", at.as_str()]);
    let key = Key::Push { repo: RepoName::new(REPO), ref_name: "refs/heads/main".into() };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
}

async fn look_at_pull(world: &World, number: u64) {
    let key = Key::Preview { repo: RepoName::new(REPO), number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
}

async fn row(world: &World, number: u64) -> Row {
    world.context().store.pull(&RepoName::new(REPO), number).await.expect("the store").expect("a pull request")
}

/// X1+: the forge's API calls it open, with a head that is newer than the one that the push was told of and that is
/// merged all the same: nothing is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn x1_what_a_push_has_merged_is_not_open_again_with_a_newer_head() {
    let (world, pull) = previewed("behind-newer").await;
    push_untold(&world, "three").await;
    let merge = world.merge_with(&pull, &Files::new());
    look_at_main(&world, &merge).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    world.settled().await;
    look_at_pull(&world, pull.number).await;
    world.settled().await;
    let row = row(&world, pull.number).await;
    assert_eq!((row.state, row.merge_commit), (PullRow::Merged, Some(merge)));
    let comment = world.comment(pull.number, "Merged as").await;
    assert!(comment.contains("healthy after") && !comment.contains("Merging"), "{comment}");
}

/// X1+: what was merged by way of another branch, and goes on with commits that the base lacks, is open: the forge is
/// believed after it has said so several times, and its own merge has its own outcome.
#[tokio::test(flavor = "multi_thread")]
async fn x1_the_forge_may_contradict_for_good() {
    let (world, pull) = previewed("behind-open").await;
    let merge = world.merge_with(&pull, &Files::new());
    let newer = push_untold(&world, "three").await;
    look_at_main(&world, &merge).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    look_at_pull(&world, pull.number).await;
    let comment = world.comment(pull.number, "**Merging changes 1 app.**").await;
    assert!(comment.contains(newer.short()) && !comment.contains("Merged as"), "{comment}");
    assert_eq!(row(&world, pull.number).await.state, PullRow::Open);
    world.status_is(&newer, "success", "1 to update").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(comment.contains(&format!("Merged as `{}`", merge.short())), "{comment}");
    assert!(row(&world, pull.number).await.merge_confirmed);
}

/// F4+: an app that is defined here and renders another branch: a definition that is replaced before it was healthy is
/// told as that, where it was merged.
#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_replaced_before_it_was_healthy_is_told_as_that() {
    let world = World::with("behind-defined", Setup { health: "50s", ..Setup::default() }).await;
    let app = |path: &str| {
        world.app("feat", path).replace(&format!("{{path: {path}}}"), &format!("{{path: {path}, ref: feature}}"))
    };
    let base = world.push(Files::new().file("docs/readme", "x")).await;
    let files =
        Files::new().file("good/web.yaml", deployment("web", "example.test/web:1", 1)).file("bad/web.yaml", nowhere());
    let feature = world.push_to("feature", files).await;
    assert_ne!(base, feature);
    world.push(Files::new().file("apps/feat.yaml", app("good"))).await;
    world.healthy("feat", &feature).await;
    world.first_looks().await;
    let pull = world.open_pull("bad", Files::new().file("apps/feat.yaml", app("bad"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "not healthy yet: `feat` on `prod`").await;
    let revert = world.push(Files::new().file("apps/feat.yaml", app("good"))).await;
    let comment = world.comment(pull.number, "before the app was healthy").await;
    let replaced = format!("**replaced** by `{}` before the app was healthy", revert.short());
    assert!(comment.contains(&replaced), "{comment}");
    world.settled().await;
    let comment = world.comment(pull.number, "before the app was healthy").await;
    assert!(!comment.contains("healthy after"), "{comment}");
}

/// F4+: a merge of two apps that is taken back for one of them: each has its own end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_for_one_app_is_told_of_that_app() {
    let world = World::start("behind-one").await;
    let files = shop(&world)
        .file("apps/other.yaml", world.app("other", "other"))
        .file("other/map.yaml", config_map("other", "one"));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    world.healthy("other", &base).await;
    let broken = config_map("settings", "two").replace("data:", "dta:");
    let files = Files::new().file("deploy/settings.yaml", broken).file("other/map.yaml", config_map("other", "two"));
    let pull = world.open_pull("both", files).await;
    world.status(&pull.head).await;
    let merge = world.merge_pull(pull.number).await;
    world.comment(pull.number, "**FAILED** for `shop` on `prod`").await;
    world.healthy("other", &merge).await;
    world.comment(pull.number, "applied for `other` on `prod`").await;
    let revert = world.push(settings("one")).await;
    world.healthy("shop", &revert).await;
    let comment = world.comment(pull.number, &format!("reverted by `{}`", revert.short())).await;
    assert!(comment.contains("**Since then**"), "{comment}");
    assert!(!comment.contains(&format!("applied as `{}`", revert.short())), "{comment}");
    assert!(comment.contains("applied for `other` on `prod`"), "{comment}");
}
