//! A pull request: what merging would do, said before; what became of it, said after.

use driftless::ids::{Oid, RepoName};

use super::push::shop;
use crate::support::world::{Files, REPO, World};

/// The text without what differs from run to run.
pub fn redacted(world: &World, text: &str) -> String {
    let mut text =
        text.replace(&world.namespace, "NAMESPACE").replace(&world.namespace.replace('-', "%2d"), "INSTANCE");
    for (open, close, by) in [
        (" at `", "`, ", "BASE"),
        ("`, ", " UTC", "TIME"),
        ("Compared: `", "` merged", "HEAD"),
        ("Merged as `", "`", "COMMIT"),
        ("Compared before the merge: `", "` merged", "HEAD"),
        ("healthy after ", ".", "SOON"),
        ("https://127.0.0.1:", "/", "PORT"),
    ] {
        text = between(&text, open, close, by);
    }
    text
}

/// Replaces what stands between two words in the first place where they enclose a line's part.
fn between(text: &str, open: &str, close: &str, by: &str) -> String {
    let lines = text.lines().map(|line| {
        let Some(start) = line.find(open).map(|at| at + open.len()) else { return line.to_owned() };
        let Some(end) = line[start..].find(close).map(|at| at + start) else { return line.to_owned() };
        format!("{}{by}{}", &line[..start], &line[end..])
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_previewed_merged_and_applied() {
    let world = World::start("pull").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let web = super::manifests::deployment("web", "example.test/web:2", 2);
    let pull = world.open_pull("newer", Files::new().file("deploy/web.yaml", web)).await;

    let status = world.status(&pull.head).await;
    assert_eq!(
        (status.state.as_str(), status.description.as_str()),
        ("success", "1 to update"),
        "{}",
        world.story().await
    );
    assert_eq!(world.states(&pull.head), ["pending", "success"]);
    let comment = world.comment(pull.number, "Merging").await;
    insta::assert_snapshot!("a_pull_request_before_its_merge", redacted(&world, &comment));
    assert_eq!(
        world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.test/web:1"
    );

    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    assert_eq!(
        world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["template"]["spec"]["containers"][0]["image"],
        "example.test/web:2"
    );
    let comment = world.comment(pull.number, "healthy after").await;
    insta::assert_snapshot!("a_pull_request_after_its_merge", redacted(&world, &comment));
    world.settled().await;
    assert_eq!(world.states(&pull.head), ["pending", "success"], "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_closed_changes_nothing() {
    let world = World::start("closed").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world
        .open_pull(
            "off",
            Files::new().file("deploy/web.yaml", super::manifests::deployment("web", "example.test/web:2", 1)),
        )
        .await;
    world.status(&pull.head).await;
    world.forge.close_pull(crate::support::world::PROJECT, pull.number);
    world.forge.delivered().await;
    world.settled().await;
    assert_eq!(world.gate(&pull.head).expect("a status").state, "success");
    assert_eq!(world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["replicas"], 2);
}

/// Waits until a pull request was compared with this commit of its base.
async fn previewed_at(world: &World, number: u64, base: &Oid) {
    let store = &world.context().store;
    let repo = RepoName::new(REPO);
    let is_there = async || {
        store.preview(&repo, number).await.expect("the store").filter(|preview| preview.base == *base).map(drop)
    };
    world.eventually(&format!("a preview of #{number} at {base}"), is_there).await;
}

/// H1: a base that moves and changes nothing of what a pull request says edits no comment, also where the preview is
/// made again each time.
#[tokio::test(flavor = "multi_thread")]
async fn h1_a_base_that_moves_edits_no_comment() {
    let world = World::start("quiet-base").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let broken = super::manifests::service("web").replace("port: 80\n", "port: 99999\n");
    let pull = world.open_pull("broken", Files::new().file("deploy/service.yaml", broken)).await;
    assert_eq!(world.status(&pull.head).await.state, "failure");
    let comment = world.comment(pull.number, "rejects").await;
    for text in ["one", "two"] {
        let moved = world.push(Files::new().file("README.md", text)).await;
        previewed_at(&world, pull.number, &moved).await;
        world.resync().await;
        world.settled().await;
    }
    assert_eq!(world.comments(pull.number), [comment]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_push_to_the_branch_renews_comment_and_status() {
    let world = World::start("again").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world
        .open_pull(
            "two-steps",
            Files::new().file("deploy/settings.yaml", super::manifests::config_map("settings", "two")),
        )
        .await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "settings").await;
    let next = world
        .push_to(
            "two-steps",
            Files::new().file("deploy/service.yaml", super::manifests::service("web").replace("80\n", "81\n")),
        )
        .await;
    world.status_is(&next, "success", "2 to update").await;
    world.comment(pull.number, &next.as_str()[..10]).await;
    // The base moves under the app: the same pull request is looked at again, and says what it said.
    let moved = world
        .push(Files::new().file("deploy/web.yaml", super::manifests::deployment("web", "example.test/web:3", 2)))
        .await;
    previewed_at(&world, pull.number, &moved).await;
    world.settled().await;
    world.status_is(&next, "success", "2 to update").await;
    assert_eq!(world.comments(pull.number).len(), 1);
}
