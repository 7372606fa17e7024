//! What the configuration, a definition and a person say is done, where nothing else would show that it is not.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::{Oid, RepoName};
use driftless::queue::{Key, Manual, Request, Trigger};
use driftless::store::apps::AppHealth;
use driftless::store::runs::{RunRow, RunState};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::git::Work;
use crate::support::world::{Files, LIBRARY, PROJECT, REPO, Setup, World};

fn settings(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

async fn value(world: &World) -> String {
    let map = world.live("v1 ConfigMap", "settings").await.expect("there");
    map["data"]["key"].as_str().expect("text").to_owned()
}

/// The newest run of the shop, once it is in this state.
async fn run_is(world: &World, state: RunState) -> RunRow {
    let newest = async || world.runs("/shop").await.into_iter().next().filter(|run| run.state == state);
    world.eventually(&format!("a run that is {state:?}"), newest).await
}

async fn look(world: &World) {
    world.resync().await;
    world.settled().await;
}

/// A20: an app that a person has put at a revision stays there, whatever is pushed.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_app_stays_where_it_is() {
    let world = World::start("pinned").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    let second = world.push(settings("two")).await;
    world.healthy("shop", &second).await;
    world.sync_as("shop", Manual { by: "ada".into(), revision: Some(first.to_string()), ..Manual::default() }).await;
    world.healthy("shop", &first).await;
    assert_eq!(value(&world).await, "one");

    world.push(settings("three")).await;
    world.settled().await;
    look(&world).await;
    assert_eq!(value(&world).await, "one", "{}", world.story().await);
    assert_eq!(world.app_row("shop").await.expect("the app").applied_revision, Some(first));
}

/// A20: what exists without a mark is taken over when a person says so, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_have_an_object_adopted() {
    let world = World::start("adopted").await;
    let theirs =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"key": "theirs"}});
    let theirs = serde_json::from_value(theirs).expect("an object");
    world.api("v1 ConfigMap").await.create(&PostParams::default(), &theirs).await.expect("created");
    let base = world.push(shop(&world)).await;
    let run = run_is(&world, RunState::Failed).await;
    assert!(run.error.as_deref().unwrap_or_default().contains("--adopt"), "{run:?}");
    assert_eq!(value(&world).await, "theirs");

    world.sync_as("shop", Manual { by: "ada".into(), adopt: true, ..Manual::default() }).await;
    world.healthy("shop", &base).await;
    assert_eq!(value(&world).await, "one");
}

/// A20: heals are counted, so that a fight over a field ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_fight_over_a_field_ends() {
    let world = World::start("fight").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let scaled = async || {
        let params = PatchParams { field_manager: Some("scaler".into()), ..PatchParams::default() };
        let patch = json!({"spec": {"replicas": 5}});
        world
            .api("apps/v1 Deployment")
            .await
            .patch_subresource("scale", "web", &params, &Patch::Merge(&patch))
            .await
            .expect("scaled");
        look(&world).await;
        world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["replicas"].as_i64()
    };
    for heal in 1..=3 {
        assert_eq!(scaled().await, Some(2), "heal {heal}\n{}", world.story().await);
    }
    assert_eq!(scaled().await, Some(5), "{}", world.story().await);
    let row = world.app_row("shop").await.expect("the app");
    assert!(row.heals.values().any(|heal| heal.count == 3), "{:?}", row.heals);
}

/// A20: how much may go without a confirmation is what the configuration says.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_how_much_is_destructive() {
    let setup = Setup { destructive: "{share: 0.2, count: 2}", ..Setup::default() };
    let world = World::with("limit", setup).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let without = kustomization(&["web.yaml", "service.yaml"]);
    world.push(Files::new().file("deploy/kustomization.yaml", without).without("deploy/settings.yaml")).await;
    let run = run_is(&world, RunState::Waiting).await;
    assert!(run.error.as_deref().unwrap_or_default().contains("--allow-destructive"), "{run:?}");
    world.settled().await;
    assert!(world.live("v1 ConfigMap", "settings").await.is_some(), "{}", world.story().await);
}

/// A pod that no node takes.
fn nowhere(more: &str) -> String {
    let text = deployment("web", "example.test/web:1", 1);
    text.replace("    spec:\n      containers", "    spec:\n      nodeSelector: {no: where}\n      containers")
        .replace("spec:\n  replicas", &format!("spec:\n{more}  replicas"))
}

/// A20: health has a deadline, which the configuration sets.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_healthy_in_time_is_degraded() {
    let world = World::with("deadline", Setup { health: "2s", ..Setup::default() }).await;
    world.push(shop(&world).file("deploy/web.yaml", nowhere(""))).await;
    let run = run_is(&world, RunState::Failed).await;
    let text = run.error.clone().unwrap_or_default();
    assert!(text.contains("2 s") && text.contains("0 of 1 replicas are available"), "{text}");
    assert_eq!(world.app_row("shop").await.expect("the app").health, AppHealth::Degraded);
}

/// A20: what is degraded is looked at again by each look.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_degraded_is_looked_at_again() {
    let world = World::start("degraded").await;
    world.push(shop(&world).file("deploy/web.yaml", nowhere("  progressDeadlineSeconds: 1\n"))).await;
    run_is(&world, RunState::Failed).await;
    // More than once: a first look may find what the controllers have written since.
    for _ in 0..3 {
        world.settled().await;
        let before = world.runs("/shop").await.len();
        world.resync().await;
        world.eventually("another run", async || (world.runs("/shop").await.len() > before).then_some(())).await;
        run_is(&world, RunState::Failed).await;
    }
}

/// A20: a push affects the apps that read what it changes, and no other is even looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_looked_at_for_the_apps_that_it_affects() {
    let world = World::start("affected").await;
    let files = shop(&world)
        .file("apps/other.yaml", world.app("other", "other"))
        .file("other/map.yaml", config_map("other", "one"));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    world.healthy("other", &base).await;
    world.first_looks().await;
    let before = world.jobs_ended("sync", "done").await;
    let next = world.push(Files::new().file("other/map.yaml", config_map("other", "two"))).await;
    world.healthy("other", &next).await;
    world.settled().await;
    assert_eq!(world.jobs_ended("sync", "done").await, before + 1, "{}", world.story().await);
}

/// A20: a pull request that is closed while its preview is being made does not stay pending.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_closed_early_is_not_left_pending() {
    let world = World::start("closed-early").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let away = world.proxy.add(Rule::all(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)));
    let pull = world.open_pull("early", settings("two")).await;
    world.eventually("a look at the cluster", async || (world.proxy.struck(away) > 0).then_some(())).await;
    world.eventually("a pending gate", async || world.gate(&pull.head).filter(|gate| gate.state == "pending")).await;
    world.forge.close_pull(PROJECT, pull.number);
    world.status_is(&pull.head, "error", "closed before it was previewed").await;
}

/// A20: what a preview has said of a head stands when the pull request is merged while it is previewed once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_while_it_is_previewed_again_keeps_what_was_said() {
    let world = World::start("merged-again").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)));
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
    world.eventually("a pending gate", async || world.gate(&pull.head).filter(|gate| gate.state == "pending")).await;
    let merge = world.merge_pull(pull.number).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.proxy.clear();
    world.healthy("shop", &merge).await;
    world.settled().await;
    world.status_is(&pull.head, "success", "1 to update").await;
}

async fn push_library(world: &World, work: &Work, branch: &str, value: &str) -> Oid {
    work.write("deploy/map.yaml", &config_map("shared", value));
    let commit = work.commit_all("Change the library");
    let bare = world.forge.repo_dir(LIBRARY).display().to_string();
    work.git(&["push", "-q", &bare, &format!("HEAD:refs/heads/{branch}")]);
    world.forge.refs_changed(LIBRARY).await.expect("seen");
    commit
}

/// A20: a pull request of one repository shows what it does to the apps of another one that read it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_shows_the_apps_of_other_repositories() {
    let world = World::with("library", Setup { with_library: true, ..Setup::default() }).await;
    let work = Work::new();
    let base = push_library(&world, &work, "main", "one").await;
    let app = world.app("reader", "deploy").replace("source: {path: deploy}", "source: {repo: library, path: deploy}");
    world.push(Files::new().file("apps/reader.yaml", app)).await;
    world.healthy("reader", &base).await;
    let head = push_library(&world, &work, "next", "two").await;
    let number = world.forge.open_pull(LIBRARY, "next", "main", "Next").await.expect("opened");
    let comment = world
        .eventually("a comment on the library's pull request", async || {
            world
                .forge
                .comments(LIBRARY, number)
                .into_iter()
                .map(|comment| comment.body)
                .find(|body| body.contains("Merging"))
        })
        .await;
    assert!(comment.contains("shop/reader") || comment.contains("reader"), "{comment}");
    let gate = async || world.forge.latest_status(LIBRARY, &head, "driftless").filter(|gate| gate.state != "pending");
    let gate = world.eventually("the gate of the library", gate).await;
    assert_eq!((gate.state.as_str(), gate.description.as_str()), ("success", "1 to update"), "{comment}");
}
