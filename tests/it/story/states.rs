//! How an app stands, as people are told: never better than it is.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::store::runs::RunState;
use serde_json::json;

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, Setup, World};

/// A Deployment whose pods run nowhere.
pub fn nowhere() -> String {
    deployment("web", "example.test/web:2", 1).replace("    spec:\n", "    spec:\n      nodeSelector: {no: where}\n")
}

/// T3: a manual app that is behind is out of sync, and says what it is behind of.
#[tokio::test(flavor = "multi_thread")]
async fn a_manual_app_that_is_behind_is_out_of_sync() {
    let world = World::start("state-manual").await;
    let app = world.app_with("shop", "deploy", "  sync: manual\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.eventually("the app", async || world.app_row("shop").await).await;
    world.settled().await;
    // T3+: nothing is due, and nothing happens by itself.
    let (state, _, message) = world.stands("shop").await;
    assert!(state == "out-of-sync" && message == "to sync: driftless sync shop/shop", "{state}: {message}");
    world.sync_by_hand("shop", false).await;
    world.healthy("shop", &base).await;
    world.settled().await;
    assert_eq!(world.stands("shop").await, ("synced".into(), "healthy".into(), String::new()));
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let (state, health, message) = world
        .eventually("that it is behind", async || {
            Some(world.stands("shop").await).filter(|(state, _, _)| state != "synced")
        })
        .await;
    assert_eq!((state.as_str(), health.as_str()), ("out-of-sync", "healthy"), "{message}");
    assert!(
        message.contains(&format!("behind: main is at {}, {} is applied", next.short(), base.short())),
        "{message}"
    );
}

/// T7: while health is waited for, the pull request and `apps` name the object, the reason and the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_waited_for_is_told() {
    let world = World::with("state-waits", Setup { health: "50s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("nowhere", Files::new().file("deploy/web.yaml", nowhere())).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "UTC: `Deployment ").await;
    assert!(
        comment.contains("not healthy yet: `shop` on `prod`") && comment.contains(" is not healthy yet, fails at "),
        "{comment}"
    );
    let (state, health, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), health.as_str()), ("waiting", "progressing"), "{message}");
    assert!(message.contains("fails at") && message.contains("Deployment") && message.contains("web"), "{message}");
}

/// T11: a restart while health is waited for does not forget what is known: the failure names the object and why. T5:
/// it stays failed while it is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_during_a_wait_tells_the_reason_all_the_same() {
    let mut world = World::with("state-restart", Setup { health: "3s", ..Setup::default() }).await;
    world.push(shop(&world).file("deploy/web.yaml", nowhere())).await;
    world
        .eventually("a wait for health", async || {
            (!world.context().store.waits().await.expect("the store").is_empty()).then_some(())
        })
        .await;
    world.stop().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.start_again().await;
    let failure = world
        .eventually("a failure", async || {
            Some(world.app_row("shop").await?.failure).filter(|failure| !failure.is_empty())
        })
        .await;
    assert!(failure.contains("Deployment") && !failure.contains("not known"), "{failure}");
    world.settled().await;
    let since = world.app_row("shop").await.expect("the app").failing_since;
    assert!(since.is_some());
    world.resync().await;
    for _ in 0..100 {
        let (state, _, message) = world.stands("shop").await;
        assert!(state == "failed" && message.contains("Deployment"), "{state}: {message}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.settled().await;
    // T10
    assert_eq!(world.app_row("shop").await.expect("the app").failing_since, since, "it fails since it failed first");
}

/// T13: who confirms the deletion of a Namespace is told what of the app went with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_with_a_namespace_is_told() {
    let world = World::start("state-namespace").await;
    let namespace = format!("{}-own", world.namespace);
    let app =
        world.app("own", "own").replace(&format!("namespace: {}", world.namespace), &format!("namespace: {namespace}"));
    let files = Files::new()
        .file("apps/own.yaml", app)
        .file("own/namespace.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n"))
        .file("own/map.yaml", config_map("own", "x"));
    let base = world.push(files).await;
    world.healthy("own", &base).await;
    let client = crate::support::cluster::client().await;
    let secrets = kube::Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, &namespace);
    let foreign = serde_json::json!({"metadata": {"name": "theirs"}, "stringData": {"password": "hunter2-hunter2"}});
    let foreign = serde_json::from_value(foreign).expect("a Secret");
    secrets.create(&kube::api::PostParams::default(), &foreign).await.expect("created");
    // T13+: all of it is said before, on the pull request and by what waits for confirmation.
    let said = [
        "1 object of this app (1 ConfigMap); Git still contains ConfigMap",
        "1 object that is not this app's (1 Secret): Secret",
    ];
    let pull = world.open_pull("no-namespace", Files::new().without("own/namespace.yaml")).await;
    let comment = world.comment(pull.number, "and with it everything in it").await;
    assert!(said.iter().all(|said| comment.contains(said)) && !comment.contains("hunter2"), "{comment}");
    world.merge_pull(pull.number).await;
    let (_, _, message) = world
        .eventually("that it is held, and why", async || {
            let told = |message: &String| said.iter().all(|said| message.contains(said));
            Some(world.stands("own").await).filter(|(state, _, message)| state == "waiting" && told(message))
        })
        .await;
    assert!(!message.contains("hunter2"), "{message}");
    world.settled().await;
    world.sync_by_hand("own", true).await;
    let (_, _, message) = world
        .eventually("that it is told", async || {
            Some(world.stands("own").await).filter(|(state, _, _)| state == "failed")
        })
        .await;
    assert!(message.contains("also deleted 1 object that Git still has"), "{message}");
    // Nothing of it is in the cluster any more.
    let apps = world.ask("apps", None).await;
    assert_eq!(apps[0]["objects"], 0, "{apps}");
}

/// P8, A15: a preview whose cluster does not answer says so in its status, and is in the history.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_cluster_that_does_not_answer_says_what_it_waits_for() {
    let world = World::start("state-away").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)));
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let status = world
        .eventually("what is waited for", async || {
            world.gate(&pull.head).filter(|status| status.description.contains("retrying since"))
        })
        .await;
    assert!(status.state == "pending" && status.description.contains("prod"), "{status:?}");
    let runs = world.runs(&format!("#{}", pull.number)).await;
    assert!(runs.len() == 1 && runs[0].state == RunState::Failed && runs[0].error.is_some(), "{runs:?}");
    world.proxy.clear();
    world.status_is(&pull.head, "success", "1 to update").await;
    let states = world.states(&pull.head);
    assert!(states.len() <= 4 && states.last().is_some_and(|state| state == "success"), "{states:?}");
}

/// T3+: what fails and is tried again is told of its app, and is over when it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_says_what_is_tried_again() {
    let world = World::start("state-again").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)));
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let says = async || {
        let (state, _, message) = world.stands("shop").await;
        (state == "pending" && message.contains("retrying since") && message.contains("prod")).then_some(())
    };
    world.eventually("an app that says what is tried again", says).await;
    world.proxy.clear();
    world.healthy("shop", &next).await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), message.as_str()), ("synced", ""));
}

/// T3+: a mistake that is taken back is over with the push that takes it back, although all is again as it was applied.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_that_is_taken_back_is_over_at_once() {
    let world = World::start("state-back").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.push(Files::new().file("deploy/settings.yaml", "kind: [\n")).await;
    let fails = async || (world.stands("shop").await.0 == "failed").then_some(());
    world.eventually("a failure", fails).await;
    let back = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.healthy("shop", &back).await;
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// T15: `--allow-destructive` where nothing was shown is answered with that.
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_of_nothing_is_answered() {
    let world = World::start("state-confirm").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let answer = world.ask("apps/shop+shop/sync", Some(json!({"allowDestructive": true}))).await;
    let message = answer["message"].as_str().unwrap_or_default();
    assert!(message.contains("`--allow-destructive` has no effect"), "{answer}");
    let answer = world.ask("apps/shop+shop/sync", Some(json!({}))).await;
    assert!(!answer["message"].as_str().unwrap_or_default().contains("allow-destructive"), "{answer}");
}

/// T5+: a refusal is over once its revision is applied, for the app and for its pull request, although health is still
/// waited for.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_over_once_it_is_applied() {
    let world = World::with("state-adopted", Setup { health: "50s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.settled().await;
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pre"}});
    let theirs = serde_json::from_value(theirs).expect("an object");
    world.api("v1 ConfigMap").await.create(&kube::api::PostParams::default(), &theirs).await.expect("created");
    let files = Files::new()
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml", "pre.yaml"]))
        .file("deploy/pre.yaml", config_map("pre", "ours"));
    let pull = world.open_pull("taken", files.file("deploy/web.yaml", nowhere())).await;
    world.status(&pull.head).await;
    let merged = world.merge_pull(pull.number).await;
    world.comment(pull.number, "**FAILED** for `shop` on `prod`").await;
    world.settled().await;
    assert_eq!(world.stands("shop").await.0, "failed");

    let (told, code) = world.cli(&["sync", "shop", "--adopt", "--by", "fay"]).await;
    assert_eq!(code, 0, "{told}");
    let waits = async || {
        let (state, health, message) = world.stands("shop").await;
        (state == "waiting" && health == "progressing").then_some(message)
    };
    let message = world.eventually("that it waits", waits).await;
    assert!(message.contains("not healthy yet") && !message.contains("exists"), "{message}");
    let row = world.app_row("shop").await.expect("the app");
    assert_eq!((row.failure.as_str(), row.failing_since, row.applied_revision), ("", None, Some(merged)));
    let comment = world.comment(pull.number, "failed at first, but applied since, for `shop` on `prod`").await;
    assert!(comment.contains("waiting for health") && !comment.contains("FAILED"), "{comment}");
}
