//! A push: definitions are found, objects applied, healthy, and written down.

use driftless::store::runs::RunState;

use super::manifests::{config_map, deployment, kustomization, service};
use crate::support::world::{Files, World};

/// A small shop: a Deployment with its Service, and a `ConfigMap`, by kustomize.
pub fn shop(world: &World) -> Files {
    Files::new()
        .file("apps/shop.yaml", world.app("shop", "deploy"))
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml"]))
        .file("deploy/web.yaml", deployment("web", "example.test/web:1", 2))
        .file("deploy/service.yaml", service("web"))
        .file("deploy/settings.yaml", config_map("settings", "one"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_applied_and_healthy() {
    let world = World::start("push").await;
    let revision = world.push(shop(&world)).await;
    let run = world.healthy("shop", &revision).await;
    assert_eq!(
        (run.state, run.revision.as_deref(), run.author.as_deref()),
        (RunState::Succeeded, Some(revision.as_str()), Some("Ada"))
    );
    assert_eq!((run.counts.created, run.counts.failed), (3, 0), "{}", world.story().await);
    let steps: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["render", "plan", "apply"]);
    assert_eq!(world.inventory("shop").await, ["ConfigMap settings", "Deployment web", "Service web"]);

    let web = world.live("apps/v1 Deployment", "web").await.expect("applied");
    assert_eq!(web["status"]["availableReplicas"], 2);
    assert_eq!(web["metadata"]["labels"]["driftless.dev/app"].as_str().map(str::len), Some(32));
    let owner = web["metadata"]["annotations"]["driftless.dev/owner"].as_str().expect("the owner");
    assert!(owner.contains(&world.namespace) && owner.contains("shop"), "{owner}");

    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    let run = world.healthy("shop", &next).await;
    assert_eq!((run.counts.created, run.counts.updated, run.counts.unchanged), (0, 1, 2));
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_touches_no_app_starts_no_run() {
    let world = World::start("push-none").await;
    let revision = world.push(shop(&world)).await;
    world.healthy("shop", &revision).await;
    world.first_looks().await;
    let before = world.runs("/shop").await.len();
    let (counts, next) = (world.proxy.counts().total(), world.push(Files::new().file("README", "words")).await);
    world
        .eventually("the push seen", async || {
            let seen = world
                .context()
                .store
                .last_seen(&driftless::ids::RepoName::new("shop"), "refs/heads/main")
                .await
                .expect("the store");
            (seen.as_ref() == Some(&next)).then_some(())
        })
        .await;
    world.settled().await;
    assert_eq!(world.runs("/shop").await.len(), before);
    assert_eq!(world.proxy.counts().total(), counts, "the cluster was asked for nothing");
}
