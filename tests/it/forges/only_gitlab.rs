//! What only GitLab has: one pipeline that decides alone, and merge requests that are locked while they are merged.

use std::time::Duration;

use driftless::dev::forge::{DeliveryFault, Dialect, PipelineKind};

use super::{failed, settings, up};
use crate::story::manifests::kustomization;
use crate::support::world::{Files, PROJECT};

/// With a pipeline of GitLab's own for the merge request, a status on the branch would gate nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_the_merge_request_has_the_gate() {
    let (world, _) = up("pipeline", Dialect::GitLab).await;
    for (branch, kind) in [("head", PipelineKind::MergeRequest), ("merge", PipelineKind::MergedResult)] {
        let missing = kustomization(&["web.yaml", "missing.yaml"]);
        let head = world.commit(branch, &Files::new().file("deploy/kustomization.yaml", missing));
        // The hook of the branch, and the one of the merge request, which comes when its pipeline is there.
        world.forge.fail_deliveries([DeliveryFault::None, DeliveryFault::Late(Duration::from_millis(500))]);
        let number = world.forge.open_pull(PROJECT, branch, "main", branch).await.expect("opened");
        world.forge.add_pipeline(PROJECT, number, kind).await.expect("added");
        world.status_is(&head, failed(Dialect::GitLab), "1 render error (shop)").await;
        world.settled().await;
        assert_eq!(world.forge.gate(PROJECT, number), Some("failed"), "{kind:?}: {}", world.story().await);
    }
}

/// Without any, the status makes a pipeline, and that decides.
#[tokio::test(flavor = "multi_thread")]
async fn without_pipelines_the_status_is_the_gate() {
    let (world, _) = up("gate", Dialect::GitLab).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    assert_eq!(world.forge.gate(PROJECT, pull.number), Some("success"));
}

/// It is in no list of open ones then, and neither closed nor merged.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_request_that_is_being_merged_is_still_open() {
    let (world, _) = up("locked", Dialect::GitLab).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    let said = world.comments(pull.number);
    world.forge.lock_pull(PROJECT, pull.number, true);
    world.poll().await;
    world.settled().await;
    assert_eq!(world.comments(pull.number), said);
    assert_eq!(world.gate(&pull.head).expect("a status").state, "success");
    world.forge.lock_pull(PROJECT, pull.number, false);
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
}
