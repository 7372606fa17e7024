//! Gates that follow their base: whatever the base's next commit changes about a pull request, its gate says so, and
//! nothing is said twice.

use driftless::ids::Oid;

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, PROJECT, Pull, Setup, World};

async fn up(words: &str) -> (World, Oid) {
    let world = World::start(words).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    (world, base)
}

async fn settings(world: &World, branch: &str, value: &str) -> Pull {
    world.open_pull(branch, Files::new().file("deploy/settings.yaml", config_map("settings", value))).await
}

/// X7, B5: a pull request that touched no app, until an app comes to its base that renders what it changes.
#[tokio::test(flavor = "multi_thread")]
async fn x7_an_app_that_comes_later_is_previewed() {
    let (world, _) = up("base-later").await;
    let pull = world.open_pull("early", Files::new().file("w/later/a.yaml", config_map("later", "from-pr"))).await;
    world.status_is(&pull.head, "success", "no app is affected").await;
    world
        .push(
            Files::new()
                .file("apps/later.yaml", world.app("later", "w/later"))
                .file("w/later/b.yaml", config_map("b", "1")),
        )
        .await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.comment(pull.number, "ConfigMap").await;
}

/// X7, A6: the only affected app is removed from the base.
#[tokio::test(flavor = "multi_thread")]
async fn x7_an_app_that_goes_is_no_longer_affected() {
    let (world, _) = up("base-goes").await;
    let pull = settings(&world, "change", "two").await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world
        .push(
            Files::new()
                .without("apps/shop.yaml")
                .file("apps/other.yaml", world.app("other", "other"))
                .file("other/a.yaml", config_map("o", "1")),
        )
        .await;
    world.status_is(&pull.head, "success", "no app is affected").await;
    world.comment(pull.number, "Merging affects no app").await;
}

/// A6, B5: a conflict that the base takes back.
#[tokio::test(flavor = "multi_thread")]
async fn a6_a_conflict_that_goes_away_is_no_failure_any_more() {
    let (world, _) = up("base-conflict").await;
    let pull = settings(&world, "ours", "ours").await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "theirs"))).await;
    world.status_is(&pull.head, "failure", "conflicts with main in 1 file: deploy/settings.yaml").await;
    world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
}

/// A6: an app that the base comes to define as well, until it does not any more.
#[tokio::test(flavor = "multi_thread")]
async fn a6_a_duplicate_comes_and_is_taken_back() {
    let (world, _) = up("base-twice").await;
    let files =
        Files::new().file("apps/x.yaml", world.app("other", "other")).file("other/a.yaml", config_map("other", "1"));
    let pull = world.open_pull("adds", files).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world
        .push(Files::new().file("apps/y.yaml", world.app("other", "other")).file("other/b.yaml", config_map("b", "1")))
        .await;
    world
        .eventually("the duplicate is told", async || {
            world
                .gate(&pull.head)
                .filter(|gate| gate.state == "failure" && gate.description.ends_with("in app definitions"))
        })
        .await;
    world.push(Files::new().without("apps/y.yaml").without("other/b.yaml")).await;
    // What the base has made meanwhile is not in the pull request.
    world.status_is(&pull.head, "success", "1 to create, 1 to delete, needs confirmation").await;
}

/// A18: a history without a common commit is the change's fault: said once, and not tried for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a18_an_unrelated_history_is_a_failure() {
    let (world, _) = up("base-unrelated").await;
    let head =
        world.commit_unrelated("stranger", &Files::new().file("deploy/settings.yaml", config_map("settings", "x")));
    let number = world.forge.open_pull(PROJECT, "stranger", "main", "Out of nowhere").await.expect("opened");
    world.status_is(&head, "failure", "no common history with main").await;
    world.comment(number, "no common history with").await;
    world.settled().await;
}

/// A5: what a pull request begins to read belongs to it: when the base changes that, it is previewed again.
#[tokio::test(flavor = "multi_thread")]
async fn a5_what_only_the_change_side_reads_is_looked_at_again() {
    let (world, _) = up("base-lib").await;
    world
        .push(
            Files::new()
                .file("lib/kustomization.yaml", kustomization(&["extra.yaml"]))
                .file("lib/extra.yaml", config_map("extra", "first-value")),
        )
        .await;
    let files = ["web.yaml", "service.yaml", "settings.yaml", "../lib"];
    let pull = world.open_pull("reads", Files::new().file("deploy/kustomization.yaml", kustomization(&files))).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.comment(pull.number, "first-value").await;
    world.push(Files::new().file("lib/extra.yaml", config_map("extra", "second-value"))).await;
    world.comment(pull.number, "second-value").await;
}

/// X7: a base that moves without a change for the pull request costs no question to the forge, and nothing is posted.
#[tokio::test(flavor = "multi_thread")]
async fn x7_a_base_that_changes_nothing_for_it_is_not_told_of() {
    let (world, _) = up("base-quiet").await;
    let pull = settings(&world, "change", "two").await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let other = world.open_pull("words", Files::new().file("README", "words")).await;
    world.status_is(&other.head, "success", "no app is affected").await;
    world.settled().await;
    let (states, comments, asked) =
        (world.states(&pull.head), world.comments(pull.number), world.forge.faults().requests().len());
    for n in 0..3 {
        world.push(Files::new().file("docs/notes", format!("{n}"))).await;
        world.forge.delivered().await;
        world.settled().await;
    }
    assert_eq!(world.states(&pull.head), states);
    assert_eq!(world.comments(pull.number), comments);
    let asked: Vec<String> = world.forge.faults().requests().split_off(asked);
    assert_eq!(asked, Vec::<String>::new(), "nobody asks the forge");
    // What changes for one of them is told there alone, and without a pending in between.
    world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.status_is(&pull.head, "failure", "conflicts with main in 1 file: deploy/settings.yaml").await;
    assert_eq!(world.states(&pull.head), [states, vec!["failure".to_owned()]].concat());
    assert_eq!(world.states(&other.head), ["pending", "success"]);
}

/// A7: with the forge's API down and its Git up, a look still finds what was pushed.
#[tokio::test(flavor = "multi_thread")]
async fn a7_moved_refs_are_acted_on_while_the_api_is_down() {
    use driftless::dev::forge::ApiFault;
    let world = World::with("base-api-down", Setup { webhooks: false, ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.poll().await;
    world.healthy("shop", &base).await;
    world.forge.faults().add(None, "/", usize::MAX, ApiFault::Status(503));
    let next = world.push(Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    world.poll().await;
    world.healthy("shop", &next).await;
}

/// A11: after a rewrite of the branch that keeps a definition, the next commit that removes it does so on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn a11_a_removal_after_a_rewrite_is_on_purpose() {
    use driftless::store::apps::AppState;
    let (world, _) = up("base-rewritten").await;
    let rewritten = world.rewrite_main().await;
    world
        .eventually("the rewritten branch is seen", async || {
            let seen = world
                .context()
                .store
                .last_seen(&driftless::ids::RepoName::new("shop"), "refs/heads/main")
                .await
                .expect("the store");
            (seen.as_ref() == Some(&rewritten)).then_some(())
        })
        .await;
    world.push(Files::new().without("apps/shop.yaml").file("apps/README", "none")).await;
    world
        .eventually("the removal is recognised", async || {
            let row = world.app_row("shop").await?;
            (row.state == AppState::Removed).then_some(())
        })
        .await;
}
