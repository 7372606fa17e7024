//! Apps that are made from another ref or repo than a pull request changes: what was read of it is what the gate rests
//! on.

use driftless::dev::forge::DeliveryFault;
use driftless::ids::{Oid, RepoName};
use driftless::queue::{Key, Request, Trigger};

use super::manifests::config_map;
use super::push::shop;
use crate::support::git::{Work, git};
use crate::support::world::{Files, LIBRARY, PROJECT, Pull, Setup, World};

async fn up(words: &str, setup: Setup) -> World {
    let world = World::with(words, setup).await;
    let base = world.push(shop(&world)).await;
    world.poll().await;
    world.healthy("shop", &base).await;
    world
}

fn feature(value: &str) -> Files {
    Files::new().file("feat/map.yaml", config_map("map", value))
}

/// A pull request that adds an app which is made from the branch `feature`.
async fn adds(world: &World) -> Pull {
    let app = world.app("feat", "feat").replace("path: feat", "path: feat, ref: feature");
    world.open_pull("adds", Files::new().file("apps/feat.yaml", app)).await
}

/// X12: a push to the ref that only the pull request's app reads.
#[tokio::test(flavor = "multi_thread")]
async fn x12_a_push_to_a_ref_that_a_preview_read_is_previewed() {
    let world = up("reads-ref", Setup::default()).await;
    world.push_to("feature", feature("reviewed")).await;
    let pull = adds(&world).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.comment(pull.number, "reviewed").await;
    world.push_to("feature", feature("changed-since")).await;
    world.comment(pull.number, "changed-since").await;
    world.status_is(&pull.head, "success", "1 to create").await;
    // What changes nothing that was read is not told of, and nobody asks the forge.
    world.settled().await;
    let (states, comments, asked) =
        (world.states(&pull.head), world.comments(pull.number), world.forge.faults().requests().len());
    world.push_to("feature", Files::new().file("README", "words")).await;
    world.forge.delivered().await;
    world.settled().await;
    assert_eq!((world.states(&pull.head), world.comments(pull.number)), (states, comments));
    assert_eq!(world.forge.faults().requests().split_off(asked), Vec::<String>::new());
    world.delete_branch("feature").await;
    world.status_is(&pull.head, "failure", "1 render error (feat)").await;
    world.push_to("feature", feature("back-again")).await;
    world.comment(pull.number, "back-again").await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "Merged as").await;
    world.eventually("it is applied", async || world.live("v1 ConfigMap", "map").await).await;
    assert!(!world.comments(pull.number).concat().contains("Not as previewed"));
}

/// X12: the same when nobody tells of the push.
#[tokio::test(flavor = "multi_thread")]
async fn x12_a_look_finds_that_such_a_ref_has_moved() {
    let world = up("reads-poll", Setup::default()).await;
    world.push_to("feature", feature("reviewed")).await;
    let pull = adds(&world).await;
    world.comment(pull.number, "reviewed").await;
    world.settled().await;
    world.forge.delivered().await;
    world.forge.fail_deliveries([DeliveryFault::Drop]);
    world.push_to("feature", feature("changed-since")).await;
    world.forge.delivered().await;
    world.poll().await;
    world.comment(pull.number, "changed-since").await;
}

/// X12+: a merge group is looked at again when a ref moves that one of its apps reads, until it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn x12_a_push_to_a_ref_that_a_merge_group_read_is_looked_at() {
    let world = up("reads-group", Setup::default()).await;
    world.push_to("feature", feature("reviewed")).await;
    let branch = "gh-readonly-queue/main/pr-7-0123456789012345678901234567890123456789";
    let app = world.app("feat", "feat").replace("path: feat", "path: feat, ref: feature");
    let head = world.commit(branch, &Files::new().file("apps/feat.yaml", app));
    let (repo, ref_name) = (RepoName::new("shop"), format!("refs/heads/{branch}"));
    let key = Key::MergeGroup { repo: repo.clone(), ref_name: ref_name.clone() };
    let request = Request::new(key, Trigger::Poll).with_hint(head.as_str());
    world.context().queue.enqueue(&[request]).await.expect("queued");
    world.status_is(&head, "success", "1 to create").await;
    world.settled().await;
    let typo = config_map("map", "changed").replace("data:", "datum:");
    world.push_to("feature", Files::new().file("feat/map.yaml", typo)).await;
    world.status_is(&head, "failure", "1 render error (feat)").await;
    world.push_to("feature", feature("back-again")).await;
    world.status_is(&head, "success", "1 to create").await;
    world.settled().await;
    // The group is gone: nobody follows the ref any more.
    world.delete_branch(branch).await;
    let asked = world.context().store.refs_that_previews_read(&repo).await.expect("the store");
    assert_eq!(asked, ["refs/heads/feature"]);
    world.push_to("feature", feature("once-more")).await;
    let store = &world.context().store;
    let is_over = async || store.refs_that_previews_read(&repo).await.expect("the store").is_empty().then_some(());
    world.eventually("nobody reads it", is_over).await;
    assert_eq!(world.gate(&head).map(|gate| gate.state), Some("success".into()));
}

/// X12: an app that is made from another repo.
#[tokio::test(flavor = "multi_thread")]
async fn x12_a_push_to_a_repo_that_a_preview_read_is_previewed() {
    let world = up("reads-repo", Setup { with_library: true, ..Setup::default() }).await;
    let work = Work::new();
    let push = async |value: &str| {
        work.write("lib/map.yaml", &config_map("map", value));
        work.commit_all("Change the library");
        work.git(&["push", "-q", &world.forge.repo_dir(LIBRARY).display().to_string(), "HEAD:refs/heads/side"]);
        world.forge.refs_changed(LIBRARY).await.expect("seen");
    };
    push("reviewed").await;
    let app = world.app("lib", "lib").replace("path: lib", "repo: library, ref: side, path: lib");
    let pull = world.open_pull("adds", Files::new().file("apps/lib.yaml", app)).await;
    world.comment(pull.number, "reviewed").await;
    push("changed-since").await;
    world.comment(pull.number, "changed-since").await;
}

/// X12: what was pushed to such a ref and seen by nobody before the merge is told at the sync.
#[tokio::test(flavor = "multi_thread")]
async fn x12_a_sync_of_such_an_app_that_does_more_than_was_shown_is_told() {
    let world = up("reads-sync", Setup::default()).await;
    world.push_to("feature", feature("reviewed")).await;
    let app = world.app_with("feat", "feat", "  sync: manual\n").replace("path: feat", "path: feat, ref: feature");
    let pull = world.open_pull("adds", Files::new().file("apps/feat.yaml", app)).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.settled().await;
    world.forge.delivered().await;
    world.forge.fail_deliveries([DeliveryFault::Drop]);
    world.push_to("feature", feature("never-seen")).await;
    world.forge.delivered().await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "Merged as").await;
    world.settled().await;
    world.sync_by_hand("feat", false).await;
    let comment = world.comment(pull.number, "Not as previewed").await;
    assert!(comment.contains("the sync also changes") && comment.contains("ConfigMap"), "{comment}");
    world.settled().await;
    assert_eq!(world.live("v1 ConfigMap", "map").await.expect("there")["data"]["key"], "never-seen");
}

/// X10+: a tree of a few objects with more folders than anybody can list keeps nobody busy.
#[tokio::test(flavor = "multi_thread")]
async fn x10_a_tree_without_an_end_is_previewed_like_any_other() {
    let world = up("reads-bomb", Setup::default()).await;
    let work = Work::new();
    let bare = world.forge.repo_dir(PROJECT).display().to_string();
    work.shell(&format!(
        "git fetch -q {bare} main
         tree=$(printf '100644 blob %s\\ta.yaml\\n' $(echo a: b | git hash-object -w --stdin) | git mktree)
         for level in 1 2 3 4 5 6 7 8 9 10 11 12; do
             tree=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\\td%s\\n' $tree $n; done | git mktree)
         done
         apps=$( (git ls-tree FETCH_HEAD:apps; printf '040000 tree %s\\tbomb\\n' $tree) | git mktree)
         root=$( (git ls-tree FETCH_HEAD | grep -v 'apps$'; printf '040000 tree %s\\tapps\\n' $apps; printf '040000 \
         tree %s\\tbomb\\n' $tree) | git mktree)
         git push -q {bare} $(git commit-tree -p FETCH_HEAD -m Bomb $root):refs/heads/bomb"
    ));
    let head: Oid = git(&world.forge.repo_dir(PROJECT), &["rev-parse", "refs/heads/bomb"]).parse().expect("a commit");
    world.forge.open_pull(PROJECT, "bomb", "main", "Many folders").await.expect("opened");
    world.status_is(&head, "success", "no app is affected").await;
    // As its owner merges it. A working copy of it is nothing that anybody could make.
    git(&world.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/main", head.as_str()]);
    world.forge.refs_changed(PROJECT).await.expect("seen");
    world
        .eventually("the branch is looked at", async || {
            let seen =
                world.context().store.last_seen(&RepoName::new("shop"), "refs/heads/main").await.expect("the store");
            (seen.as_ref() == Some(&head)).then_some(())
        })
        .await;
    world.settled().await;
}
