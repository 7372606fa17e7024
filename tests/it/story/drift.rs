//! What people change by hand, and what Driftless makes of it.

use driftless::store::apps::AppHealth;
use driftless::store::runs::{RunKind, RunState};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, World};

async fn scale(world: &World, replicas: u32) {
    let params = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    let patch = json!({"spec": {"replicas": replicas}});
    world
        .api("apps/v1 Deployment")
        .await
        .patch_subresource("scale", "web", &params, &Patch::Merge(&patch))
        .await
        .expect("scaled");
}

async fn replicas(world: &World) -> i64 {
    world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["replicas"].as_i64().expect("a number")
}

/// Waits until the controllers write no more, so that what is counted afterwards is ours.
async fn look(world: &World) {
    world.resync().await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_by_hand_is_healed_and_recorded_once() {
    let world = World::start("scale").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    look(&world).await;
    let before = world.runs("/shop").await.len();

    scale(&world, 5).await;
    look(&world).await;
    assert_eq!(replicas(&world).await, 2, "{}", world.story().await);
    let runs = world.runs("/shop").await;
    assert_eq!(runs.len(), before + 1, "{}", world.story().await);
    let heal = &runs[0];
    assert_eq!(
        (heal.kind, heal.state, heal.revision.as_deref()),
        (RunKind::Heal, RunState::Succeeded, Some(base.as_str())),
        "{heal:?}"
    );
    let told = heal.error.as_deref().unwrap_or_default();
    // T6+: what was healed is told as what it was.
    let name = format!("healed: Deployment {}/web differed in spec.replicas, by kubectl", world.namespace);
    assert!(told.starts_with(&name), "{}", world.story().await);
    assert_eq!(world.stands("shop").await.0, "synced");

    // What follows by itself, such as the controllers' words about it, is accepted at the next look; after that,
    // nothing.
    look(&world).await;
    let runs = world.runs("/shop").await.len();
    assert_eq!(runs, before + 1, "{}", world.story().await);
    world.proxy.forget_counts();
    look(&world).await;
    let counts = world.proxy.counts();
    // What the cluster serves is asked anew each time; of objects there are lists alone.
    let objects =
        counts.sum(|asked| !matches!(asked.method.as_str(), "LIST" | "WATCH") && !asked.kind.starts_with('/'));
    assert_eq!(objects, 0, "{counts}");
    assert_eq!(world.runs("/shop").await.len(), runs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_comes_back() {
    let world = World::start("deleted").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.api("v1 ConfigMap").await.delete("settings", &kube::api::DeleteParams::default()).await.expect("deleted");
    look(&world).await;
    assert!(world.live("v1 ConfigMap", "settings").await.is_some(), "{}", world.story().await);
    // T6+: it was gone, and is not.
    let views = world.ask("apps?drift=true", None).await;
    let told = views[0]["drift"].as_str().unwrap_or_default();
    assert!(told.ends_with("/settings was missing, healed once"), "{views}");
}

/// T6: reported drift is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn drift_is_only_reported_where_the_app_says_so() {
    let world = World::start("report").await;
    let app = world.app_with("shop", "deploy", "  drift: report\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    look(&world).await;
    scale(&world, 5).await;
    look(&world).await;
    look(&world).await;
    assert_eq!(replicas(&world).await, 5);
    let row = world.app_row("shop").await.expect("the app");
    // T6: it is out of sync, and neither failed nor degraded.
    assert_eq!((row.health, row.failure.as_str()), (AppHealth::Healthy, ""));
    assert!(row.drift.contains("spec.replicas") && row.drift.contains("kubectl"), "{}", row.drift);
    let runs = world.runs("/shop").await;
    let told: Vec<RunState> = runs.iter().filter(|run| run.kind == RunKind::Heal).map(|run| run.state).collect();
    assert_eq!(told, [RunState::Succeeded], "once: {}", world.story().await);

    let (state, _, message) = world.stands("shop").await;
    assert!(state == "out-of-sync" && message.contains("differs in spec.replicas"), "{state}: {message}");
    // A merge that leaves the objects as they are does not make them healthy.
    let app = world.app_with("shop", "deploy", "  drift: report\n  onDelete: prune\n");
    let pull = world.open_pull("prune", Files::new().file("apps/shop.yaml", app)).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "applied but **drifted** for").await;
    assert!(comment.contains("spec.replicas") && !comment.contains("healthy after"), "{comment}");
    assert_eq!(world.stands("shop").await.0, "out-of-sync");

    scale(&world, 2).await;
    look(&world).await;
    let row = world.app_row("shop").await.expect("the app");
    assert_eq!((row.health, row.drift.as_str()), (AppHealth::Healthy, ""), "put back by hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_once_at_each_look() {
    let world = World::start("once").await;
    let broken = config_map("settings", "two").replace("data:", "dta:");
    world.push(shop(&world).file("deploy/settings.yaml", broken)).await;
    world
        .eventually("a failed run", async || {
            world.runs("/shop").await.first().filter(|run| run.state == RunState::Failed).map(drop)
        })
        .await;
    world.first_looks().await;
    let before = world.jobs_ended("sync", "failed").await;
    world.resync().await;
    world.poll().await;
    world.settled().await;
    assert_eq!(world.jobs_ended("sync", "failed").await, before + 1, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_drift_from_what_it_changes() {
    let world = World::start("drifted").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    // Else the look that follows a start may heal it before the preview.
    world.first_looks().await;
    scale(&world, 5).await;
    let pull = world.open_pull("other", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let comment = world.comment(pull.number, "Merging").await;
    assert!(comment.contains("spec.replicas"), "{comment}");
    // T6+: once it is healed the open pull request says so no more.
    look(&world).await;
    assert_eq!(replicas(&world).await, 2, "{}", world.story().await);
    world
        .eventually("a preview without drift", async || {
            let comments = world.comments(pull.number).concat();
            (comments.contains("Merging") && !comments.contains("spec.replicas")).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_namespace_is_not_made_again_by_any_look() {
    let world = World::start("namespace-lost").await;
    let namespace = format!("{}-own", world.namespace);
    let app =
        world.app("own", "own").replace(&format!("namespace: {}", world.namespace), &format!("namespace: {namespace}"));
    let files = Files::new()
        .file("apps/own.yaml", app)
        .file("own/namespace.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n"))
        .file("own/map.yaml", super::manifests::config_map("own", "x"));
    let base = world.push(files).await;
    world.healthy("own", &base).await;
    world.first_looks().await;

    let namespaces = kube::Api::<k8s_openapi::api::core::v1::Namespace>::all(crate::support::cluster::client().await);
    namespaces.delete(&namespace, &kube::api::DeleteParams::default()).await.expect("deleted");
    world
        .eventually("the namespace gone", async || {
            namespaces.get_opt(&namespace).await.expect("an answer").is_none().then_some(())
        })
        .await;
    for _ in 0..3 {
        look(&world).await;
        assert!(namespaces.get_opt(&namespace).await.expect("an answer").is_none(), "{}", world.story().await);
    }
    let row = world.app_row("own").await.expect("the app");
    assert_eq!(row.health, AppHealth::Degraded, "{}", world.story().await);
    assert!(row.health_message.contains("driftless sync shop/own"), "{}", row.health_message);
    // A person's word is another matter.
    world.sync_by_hand("own", false).await;
    world
        .eventually("the namespace again", async || namespaces.get_opt(&namespace).await.expect("an answer").map(drop))
        .await;
    world.healthy("own", &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_cleaned_up_is_no_drift() {
    let world = World::start("job-done").await;
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\nspec:\n  ttlSecondsAfterFinished: 0\n  \
               template:\n    spec:\n      \
               restartPolicy: Never\n      containers: [{name: m, image: example.test/m}]\n";
    let files = shop(&world)
        .file("deploy/kustomization.yaml", super::manifests::kustomization(&["settings.yaml", "job.yaml"]))
        .file("deploy/job.yaml", job);
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    world.gone("batch/v1 Job", "migrate").await;
    world.first_looks().await;
    look(&world).await;
    let before = world.runs("/shop").await.len();
    for value in ["1", "2"] {
        // Not ours, but the app is looked at because of it.
        let theirs = json!({"data": {"theirs": value}});
        let params = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
        world.api("v1 ConfigMap").await.patch("settings", &params, &Patch::Merge(&theirs)).await.expect("edited");
        look(&world).await;
    }
    assert_eq!(world.runs("/shop").await.len(), before, "{}", world.story().await);
    let pull = world
        .open_pull("other", Files::new().file("deploy/settings.yaml", super::manifests::config_map("settings", "two")))
        .await;
    let comment = world.comment(pull.number, "Merging").await;
    assert!(!comment.contains("migrate"), "{comment}");
}

/// P4+: a pull request that takes a field out which another manager keeps changes nothing, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_manager_keeps_is_said_although_nothing_changes() {
    let world = World::start("stays").await;
    let map = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata: {data}\n");
    let base = world.push(shop(&world).file("deploy/settings.yaml", map("{one: a, two: b}"))).await;
    world.healthy("shop", &base).await;
    let theirs =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"one": "a"}});
    let params = PatchParams::apply("team-b");
    world.api("v1 ConfigMap").await.patch("settings", &params, &Patch::Apply(&theirs)).await.expect("applied");
    let pull = world.open_pull("drop", Files::new().file("deploy/settings.yaml", map("{two: b}"))).await;
    world
        .comment(pull.number, "data.one is no longer in Git, but stays in the cluster: it is also set by team-b")
        .await;
}
