//! What must come to the same end whatever goes wrong on the way: a server that is killed, forges and clusters that are
//! away, answers and deliveries that are lost, and apps beside each other.

mod deliveries;
mod full_disk;
mod gate;
mod half_done;
mod killed_previews;
mod killed_runs;
mod killed_words;
mod memory;
mod neighbours;

use driftless::ids::Oid;
use driftless::store::apps::AppHealth;
use driftless::store::jobs::State;
use driftless::store::runs::RunState;

use crate::support::world::{Files, PROJECT, Pull, World};

/// A small app: a Deployment and two maps.
fn shop(world: &World) -> Files {
    Files::new()
        .file("apps/shop.yaml", world.app("shop", "deploy"))
        .file("deploy/web.yaml", deployment())
        .file("deploy/settings.yaml", config_map("settings", "one"))
        .file("deploy/more.yaml", config_map("more", "one"))
}

fn deployment() -> &'static str {
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 1\n  selector: \
     {matchLabels: {app: web}}\n  \
     template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: server, image: 'example.test/web:1'}]}\n"
}

fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: \"{value}\"}}\n")
}

/// A change of one object.
fn change(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

/// The value that is live.
async fn value(world: &World, name: &str) -> Option<String> {
    world.live("v1 ConfigMap", name).await.and_then(|object| object["data"]["key"].as_str().map(str::to_owned))
}

/// How often the forge's API was asked this.
fn asked(world: &World, method: &str, path: &str) -> usize {
    let requests = world.forge.faults().requests();
    requests.iter().filter(|line| line.starts_with(&format!("{method} ")) && line.contains(path)).count()
}

/// Waits until the last run of the app has succeeded at a revision.
async fn succeeded(world: &World, revision: &Oid) {
    world
        .eventually(&format!("a run that succeeded at {revision}"), async || {
            let runs = world.told_runs().await?;
            let last = runs.iter().find(|run| run["app"] == "shop/shop")?;
            (last["state"] == "succeeded" && last["revision"] == revision.as_str()).then_some(())
        })
        .await;
}

/// Waits until a pull request shows what it must: one comment, and a status that is final and the only one of its kind.
async fn previewed(world: &World, pull: &Pull) {
    world.comment(pull.number, "Merging changes 1 app").await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let states = world.states(&pull.head);
    assert!(states.iter().all(|state| state == "pending" || state == "success"), "{states:?}");
}

/// Ends the server, and looks at what it leaves: the deliveries of these events once each, and nothing half done.
async fn left_in_order(world: &mut World, events: &[&str], revision: &Oid) {
    let app = crate::support::world::app_id("shop");
    let store = world.end().await;
    let deliveries = store.deliveries(100).await.expect("the store");
    let mut stored: Vec<&str> = deliveries.iter().map(|delivery| delivery.event.as_str()).collect();
    stored.sort_unstable();
    assert_eq!(stored, events, "each delivery is stored");
    assert!(deliveries.iter().all(|delivery| delivery.copies == 1), "{deliveries:?}");
    let runs = store.runs(None, 100).await.expect("the store");
    assert!(!runs.iter().any(|run| matches!(run.state, RunState::Running | RunState::Waiting)), "{runs:#?}");
    assert!(runs.iter().all(|run| run.finished.is_some()), "{runs:#?}");
    let jobs = store.jobs(100).await.expect("the store");
    assert!(!jobs.iter().any(|job| matches!(job.state, State::Running | State::Failed)), "{jobs:#?}");
    assert!(store.waits().await.expect("the store").is_empty());
    let row = store.app(&app).await.expect("the store").expect("the app is known");
    assert_eq!((row.applied_revision.as_ref(), row.health, row.synced_ok), (Some(revision), AppHealth::Healthy, true));
    let pulls = world.forge.comments(PROJECT, 1);
    assert!(pulls.len() <= 1, "one comment set: {pulls:#?}");
    store.close().await;
}
