//! What is wrong with one app is said of that app, and the others of the pull request are shown.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::store::jobs::State;

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, Setup, West, World};

fn change(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

/// X6: a definition with a ref that is none fails by itself; it wedges neither the pull request that brings it nor any
/// other one of its repo.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_an_impossible_ref_is_the_only_one_at_fault() {
    let world = World::start("per-app-ref").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let odd = world.app("odd", "deploy").replace("{path: deploy}", "{path: deploy, ref: 'a b'}");
    let pull = world.open_pull("odd", change("two").file("apps/odd.yaml", odd)).await;
    let status = world.status(&pull.head).await;
    assert_eq!(status.state, "failure", "{status:?}");
    assert!(status.description.contains("(odd)"), "{status:?}");
    let comment = world.comment(pull.number, "a b").await;
    assert!(comment.contains("settings"), "the other app is shown: {comment}");
    world.settled().await;
    let jobs = world.context().store.jobs(100).await.expect("the store");
    let preview = jobs.iter().find(|job| job.key.starts_with("preview:")).expect("its job");
    assert_eq!((preview.state, preview.attempt), (State::Done, 1), "it is neither tried again nor failed");

    world.merge_pull(pull.number).await;
    let next = world.open_pull("next", change("three")).await;
    world.status_is(&next.head, "success", "1 to update").await;
    let without = world.open_pull("without", Files::new().without("apps/odd.yaml")).await;
    assert_eq!(world.status(&without.head).await.state, "success");
}

/// X6: an app whose cluster is away is named, the others are shown meanwhile, and it is tried until it can be compared.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_cluster_is_away_hides_no_other() {
    let world = World::with("per-app-away", Setup { west: West::Allowed, ..Setup::default() }).await;
    let far = world.app("far", "far").replace("cluster: prod", "cluster: west");
    let base = world.push(shop(&world).file("apps/far.yaml", far).file("far/map.yaml", config_map("far", "one"))).await;
    world.healthy("shop", &base).await;
    world.healthy("far", &base).await;
    world.settled().await;
    let west = world.west.as_ref().expect("a second cluster");
    west.add(Rule::all(Fault::Reset));
    let pull = world.open_pull("both", change("two").file("far/map.yaml", config_map("far", "two"))).await;
    let status = world.status(&pull.head).await;
    assert_eq!(status.state, "error", "{status:?}");
    assert!(status.description.contains("far"), "{status:?}");
    let comment = world.comment(pull.number, "settings").await;
    assert!(comment.contains("far"), "{comment}");
    west.clear();
    world.status_is(&pull.head, "success", "2 to update").await;
}
