//! Who asked for what, and what a person finds of it later.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::store::apps::AppState;
use serde_json::{Value, json};

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, World};

fn settings(value: &str) -> Files {
    Files::new().file("deploy/settings.yaml", config_map("settings", value))
}

async fn view(world: &World, path: &str, app: &str) -> Value {
    let views = world.ask(path, None).await;
    views.as_array().and_then(|views| views.iter().find(|view| view["app"] == app)).cloned().unwrap_or_default()
}

/// T2+: who paused, resumed, pinned and synced is told by the system's user and the name that the command gave; a run
/// says from where to where it went.
#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_told() {
    let world = World::start("who").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    let second = world.push(settings("two")).await;
    world.healthy("shop", &second).await;
    world.settled().await;
    let run = view(&world, "runs", "shop/shop").await;
    assert_eq!((run["fromRevision"].as_str(), run["revision"].as_str()), (Some(first.as_str()), Some(second.as_str())));
    assert_eq!(run["by"], Value::Null, "{run}");

    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(world.socket()).expect("a socket"));
    let who = |name: &str| format!("uid {uid} ({name})");
    world.cli(&["pause", "shop", "--by", "ada"]).await;
    let app = view(&world, "apps", "shop/shop").await;
    assert_eq!(app["pausedBy"], who("ada"), "{app}");
    let message = app["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("paused since ") && message.contains(&format!(" by {}", who("ada"))), "{message}");
    let (told, _) = world.cli(&["pause", "shop", "--by", "bob"]).await;
    assert!(told.contains("is already paused since") && told.contains(&who("ada")), "{told}");

    world.cli(&["resume", "shop", "--by", "bob"]).await;
    world.settled().await;
    let run = view(&world, "runs", "shop/shop").await;
    assert_eq!(run["by"], who("bob"), "{run}");
    assert!(run["cause"].as_str().unwrap_or_default().ends_with(&format!("resumed by {}", who("bob"))), "{run}");
    assert_eq!(view(&world, "apps", "shop/shop").await["pausedBy"], Value::Null);
    // F9: who paused it, and when, is in the history after it was resumed.
    let told = world.ask("runs", None).await;
    let of = |kind: &str| told.as_array().and_then(|runs| runs.iter().find(|run| run["kind"] == kind)).cloned();
    let (pause, resume) = (of("pause").expect("the pause"), of("resume").expect("that it was resumed"));
    assert_eq!((&pause["by"], &resume["by"]), (&who("ada").into(), &who("bob").into()), "{told}");
    assert!(pause["startedAt"].as_str() < resume["startedAt"].as_str(), "{told}");

    world.cli(&["sync", "shop", "--revision", first.short(), "--by", "eve <b>"]).await;
    world.healthy("shop", &first).await;
    let app = view(&world, "apps", "shop/shop").await;
    assert_eq!(app["pinnedBy"], who("eve--b-"), "{app}");
    assert!(app["message"].as_str().unwrap_or_default().contains(&format!("by {}", who("eve--b-"))), "{app}");
    assert!(app["pinnedSince"].is_string() && app["message"].as_str().unwrap_or_default().contains(" since "), "{app}");
    let (told, _) = world.cli(&["runs", "shop", "-n", "5"]).await;
    assert!(told.contains("pinned by") && told.contains("paused by"), "{told}");
    let (told, _) = world.cli(&["runs", "shop", "-n", "1"]).await;
    assert!(told.contains(second.short()) && told.contains(first.short()) && told.contains("pinned by uid"), "{told}");
}

/// T3+: an app whose ref was deleted is missing, whatever is pushed to its definitions, and well when the ref is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_its_ref_stays_missing() {
    let world = World::start("who-ref").await;
    let app = world.app("shop", "deploy").replace("{path: deploy}", "{path: deploy, ref: release}");
    world.push_to("release", shop(&world)).await;
    world.push(Files::new().file("apps/shop.yaml", app)).await;
    world.eventually("the app", async || Some(world.app_row("shop").await?.applied_revision?)).await;
    world.settled().await;
    world.delete_branch("release").await;
    let missing = async || {
        world.settled().await;
        let (state, _, message) = world.stands("shop").await;
        (state == "missing").then_some(message)
    };
    let said = world.eventually("the app without its branch", missing).await;
    assert!(said.starts_with("refs/heads/release is not in repo shop"), "{said}");
    let runs = world.runs("/shop").await.len();
    for words in ["one", "two"] {
        world.push(Files::new().file("README", words)).await;
        assert_eq!(world.eventually("the same", missing).await, said);
    }
    // A definition that says something new of it is no ref either.
    let app = world.app_with("shop", "deploy", "  drift: report\n");
    let app = app.replace("{path: deploy}", "{path: deploy, ref: release}");
    world.push(Files::new().file("apps/shop.yaml", app)).await;
    assert_eq!(world.eventually("the same", missing).await, said);
    world.poll().await;
    world.resync().await;
    assert_eq!(world.eventually("the same", missing).await, said);
    assert_eq!(world.runs("/shop").await.len(), runs, "{}", world.story().await);
    let (told, _) = world.cli(&["jobs", "--failing"]).await;
    assert!(told.contains("no failing jobs"), "{told}");
    let back =
        world.push_to("release", shop(&world).file("deploy/settings.yaml", config_map("settings", "back"))).await;
    world.healthy("shop", &back).await;
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// T12+, A19: a failing sync is over with its app, in the list and in the metrics.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_sync_of_a_removed_app_is_not_listed() {
    let world = World::start("who-jobs").await;
    world.push(shop(&world).file("deploy/settings.yaml", "kind: [\n")).await;
    let failing = async || world.cli(&["jobs", "--failing"]).await.0.contains("sync:shop/shop").then_some(());
    world.eventually("a failing sync", failing).await;
    assert_eq!((world.jobs_failing("sync").await, world.jobs_failing("poll").await), (1, 0));
    world.push(Files::new().without("apps/shop.yaml")).await;
    let removed = async || (world.app_row("shop").await?.state == AppState::Removed).then_some(());
    world.eventually("the app removed", removed).await;
    world.settled().await;
    let (told, _) = world.cli(&["jobs", "--failing"]).await;
    assert!(told.contains("no failing jobs"), "{told}");
    assert_eq!(world.jobs_failing("sync").await, 0);
}

/// T6+: the drift of all apps in one list, and nothing else in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_drift_of_all_apps_is_listed() {
    let world = World::start("who-drift").await;
    let app = world.app_with("shop", "deploy", "  drift: report\n");
    let files = shop(&world).file("apps/shop.yaml", app).file("apps/other.yaml", world.app("other", "other"));
    let base = world.push(files.file("other/map.yaml", config_map("other", "one"))).await;
    world.healthy("shop", &base).await;
    world.healthy("other", &base).await;
    world.first_looks().await;
    let (told, _) = world.cli(&["apps", "--drift"]).await;
    assert!(told.contains("no drift"), "{told}");
    let patch = kube::api::Patch::Merge(json!({"data": {"key": "by hand"}}));
    let params = kube::api::PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
    world.api("v1 ConfigMap").await.patch("settings", &params, &patch).await.expect("patched");
    world.resync().await;
    world.settled().await;
    let (told, _) = world.cli(&["apps", "--drift"]).await;
    assert!(told.contains("shop/shop") && !told.contains("shop/other"), "{told}");
    assert!(told.contains("differs in data.key, by kubectl-edit"), "{told}");
    let views = world.ask("apps?drift=true", None).await;
    assert_eq!(views.as_array().map(Vec::len), Some(1), "{views}");
    assert!(views[0]["driftSince"].is_string() && views[0]["drift"].is_string(), "{views}");
    world.sync_by_hand("shop", false).await;
    world.settled().await;
    assert_eq!(world.ask("apps?drift=true", None).await, json!([]));
}

/// T2+: a pin that is asked for while a sync runs is known at once: it has a line of its own, and who resumes the app
/// is told of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_known_before_its_sync_begins() {
    let world = World::start("who-pin").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    world.cli(&["pause", "shop", "--by", "ada"]).await;
    world.push(settings("two")).await;
    world.settled().await;
    // A sync that is under way until the cluster answers.
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)));
    world.cli(&["sync", "shop", "--by", "bob"]).await;
    let (told, code) = world.cli(&["sync", "shop", "--revision", first.short(), "--by", "eve"]).await;
    assert_eq!(code, 0, "{told}");
    let (told, _) = world.cli(&["resume", "shop", "--by", "ada"]).await;
    assert!(told.contains(&format!("It stays pinned to {}", first.short())), "{told}");
    let runs = world.ask("runs?app=shop", None).await;
    let pins: Vec<&Value> = runs.as_array().expect("runs").iter().filter(|run| run["kind"] == "pin").collect();
    assert!(pins.len() == 1 && pins[0]["by"].as_str().is_some_and(|by| by.contains("eve")), "{runs}");
    world.proxy.clear();
    world.settled().await;
    world.healthy("shop", &first).await;
    let row = world.app_row("shop").await.expect("the app");
    assert_eq!((row.paused, row.pinned_revision), (false, Some(first)), "{}", world.story().await);
    let runs = world.ask("runs?app=shop", None).await;
    let pins = runs.as_array().expect("runs").iter().filter(|run| run["kind"] == "pin").count();
    assert_eq!(pins, 1, "{runs}");
}

/// T2+: a paused app whose definition is removed says both, and to resume it is no failed sync; to sync it is one that
/// says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_that_is_removed_says_both() {
    let world = World::start("who-removed").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    world.cli(&["pause", "shop", "--by", "ada"]).await;
    world.push(Files::new().without("apps/shop.yaml")).await;
    let removed = async || (world.app_row("shop").await?.state == AppState::Removed).then_some(());
    world.eventually("the app removed", removed).await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert_eq!(state, "removed");
    assert!(message.contains("definition was removed") && message.contains("paused since "), "{message}");
    let before = world.runs("/shop").await.len();
    let (told, code) = world.cli(&["resume", "shop", "--by", "ada"]).await;
    assert!(code == 0 && told.contains("no longer paused"), "{told}");
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), before, "{}", world.story().await);
    assert!(!world.stands("shop").await.2.contains("paused"));
    world.sync_by_hand("shop", false).await;
    world.settled().await;
    let run = world.runs("/shop").await.remove(0);
    let told = run.error.unwrap_or_default();
    assert!(told.starts_with("nothing was synced: the app's definition was removed ("), "{told}");
}
