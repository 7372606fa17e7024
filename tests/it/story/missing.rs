//! An object that was deleted to be made again, and that the cluster lets nobody make.

use driftless::store::apps::AppHealth;

use super::manifests::config_map;
use super::push::shop;
use crate::support::policy;
use crate::support::world::{Files, World};

fn fixed(value: &str) -> String {
    let more =
        "metadata:\n  name: legacy\n  labels: {par: \"yes\"}\n  annotations: {driftless.dev/replace: \"true\"}\n";
    format!("immutable: true\n{}", config_map("legacy", value).replacen("metadata:\n  name: legacy\n", more, 1))
}

/// B19+: a policy asks for the very object that is replaced, so that once it is deleted neither the new one nor the old
/// one is taken. What it held outlives a restart, the app says what is missing, and it is put back once that is
/// possible.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_lets_nobody_make_is_kept_until_it_can_be() {
    let mut world = World::start("missing").await;
    let files = shop(&world).file("apps/par.yaml", world.app("par", "par")).file("par/map.yaml", fixed("one"));
    let base = world.push(files).await;
    world.healthy("par", &base).await;
    policy::deny_first(&world.namespace, "legacy").await;
    let (old, new) = denied(&world).await;
    let fails = async |world: &World, says: &str| {
        world
            .eventually("it says what is missing", async || {
                Some(world.stands("par").await).filter(|(state, _, text)| state == "failed" && text.contains(says))
            })
            .await
            .2
    };
    fails(&world, "could not be restored").await;
    assert!(world.live("v1 ConfigMap", "legacy").await.is_none(), "neither is taken");
    // B19+: of a paused app nothing is put back, and it says so.
    world.cli(&["pause", "par"]).await;
    let (_, _, said) = world.stands("par").await;
    assert!(said.contains("restored only after the app is resumed"), "{said}");
    world.cli(&["resume", "par"]).await;
    world.settled().await;
    world.restart().await;
    world.poll().await;
    let said = fails(&world, "ConfigMap").await;
    let said_again = fails(&world, "is missing in the cluster since").await;
    assert!(said_again.contains("it was deleted to be recreated"), "{said}\n{said_again}");
    // The next try may have begun, and says nothing before its end.
    let newest = async || world.runs("/par").await.into_iter().next()?.error;
    let says = |error: &String| error.contains("is missing in the cluster");
    world.eventually("the newest run says so", async || newest().await.filter(says)).await;
    // The new one is still denied while the old one may come back: another policy does not let it be made.
    let probe = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe-x"},
        "data": {"key": new}});
    let counts = async || policy::is_denied(&world.namespace, &probe).await;
    let expression = format!("!has(object.data) || !('key' in object.data) || object.data.key != '{new}'");
    policy::deny(&world.namespace, "CREATE", &expression, "no more of these", counts).await;
    policy::allow_first(&world.namespace).await;
    world.poll().await;
    let live = world.eventually("it is put back", async || world.live("v1 ConfigMap", "legacy").await).await;
    assert_eq!(live["data"]["key"], old);
    let said = fails(&world, "was restored").await;
    assert!(said.contains("no more of these"), "{said}");
}

/// Replaces it until neither the new one nor the old one is taken: what the policy looks up is in a cache of the
/// server, which may still have the old one when the new one comes.
async fn denied(world: &World) -> (&'static str, &'static str) {
    for (old, new) in [("one", "two"), ("two", "one")].into_iter().cycle().take(10) {
        let revision = world.push(Files::new().file("par/map.yaml", fixed(new))).await;
        let is_denied = async || {
            let row = world.app_row("par").await?;
            let is_done = row.applied_revision.as_ref() == Some(&revision) && row.health == AppHealth::Healthy;
            (is_done || world.stands("par").await.0 == "failed").then_some(!is_done)
        };
        if world.eventually("its end", is_denied).await {
            return (old, new);
        }
    }
    panic!("each of ten was taken");
}
