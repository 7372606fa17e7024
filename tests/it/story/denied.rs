//! What a policy of the cluster denies is refused as it is: nothing walks around it.

use driftless::store::runs::RunState;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::manifests::deployment;
use super::push::shop;
use crate::support::cluster;
use crate::support::policy::deny;
use crate::support::world::{Files, World};

/// X4+ and B9+: an object that may be replaced is not deleted and made again where a policy denies its change, also one
/// that says so in the words of a field that cannot be set. The preview and the sync tell the policy's own words.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_denies_is_neither_written_nor_replaced() {
    let world = World::start("denied").await;
    let replaced = |replicas| {
        let annotated = "metadata:\n  name: web\n  annotations: {driftless.dev/replace: \"true\"}\n";
        deployment("web", "example.test/web:1", replicas).replacen("metadata:\n  name: web\n", annotated, 1)
    };
    let base = world.push(shop(&world).file("deploy/web.yaml", replaced(2))).await;
    world.healthy("shop", &base).await;
    let uid = async || world.live("apps/v1 Deployment", "web").await.expect("there")["metadata"]["uid"].clone();
    let first = uid().await;

    let name = format!("freeze-{}", world.namespace);
    let client = cluster::client().await;
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(client.clone()), Api::all(client));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": world.namespace}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}]},
        "validations": [{"expression": "object.spec.replicas <= \
                                        3", "message": "change freeze until Monday", "reason": "Invalid"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).expect("a policy")).await.expect("created");
    bindings
        .create(&PostParams::default(), &serde_json::from_value(binding).expect("a binding"))
        .await
        .expect("created");
    // A policy counts a moment after it was made.
    let deployments = world.api("apps/v1 Deployment").await;
    let patch = json!({"spec": {"replicas": 9}});
    let params = kube::api::PatchParams { dry_run: true, ..kube::api::PatchParams::default() };
    world
        .eventually("a policy that counts", async || {
            deployments.patch("web", &params, &kube::api::Patch::Merge(&patch)).await.is_err().then_some(())
        })
        .await;

    let pull = world.open_pull("scale", Files::new().file("deploy/web.yaml", replaced(5))).await;
    let status = world.status(&pull.head).await;
    let comment = world.comment(pull.number, "change freeze until Monday").await;
    assert_eq!(status.state, "failure", "{comment}");
    let merge = world.merge_pull(pull.number).await;
    let run = world
        .eventually("a sync that is refused", async || {
            let runs = world.runs("/shop").await;
            runs.into_iter().find(|run| run.revision.as_deref() == Some(merge.as_str()) && run.finished.is_some())
        })
        .await;
    assert!(run.error.as_deref().unwrap_or_default().contains("change freeze until Monday"), "{run:?}");
    world.sync_by_hand("shop", true).await;
    world.settled().await;
    assert_eq!(uid().await, first, "it is the same object: {}", world.story().await);
    bindings.delete(&name, &DeleteParams::default()).await.expect("deleted");
    policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
}

/// B6: a heal that is refused is tried once for each look, not by the look and by the poll; once it is not refused any
/// more it is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_heal_that_is_refused_is_tried_once_at_each_look() {
    let world = World::start("denied-heal").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let deployments = world.api("apps/v1 Deployment").await;
    let scale = json!({"spec": {"replicas": 5}});
    deployments
        .patch("web", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&scale))
        .await
        .expect("scaled");

    let name = format!("up-{}", world.namespace);
    let client = cluster::client().await;
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(client.clone()), Api::all(client));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": world.namespace}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}]},
        "validations": [{"expression": "object.spec.replicas >= 5", "message": "never scaled down"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).expect("a policy")).await.expect("created");
    bindings
        .create(&PostParams::default(), &serde_json::from_value(binding).expect("a binding"))
        .await
        .expect("created");
    let down = json!({"spec": {"replicas": 2}});
    let dry = kube::api::PatchParams { dry_run: true, ..kube::api::PatchParams::default() };
    world
        .eventually("a policy that counts", async || {
            deployments.patch("web", &dry, &kube::api::Patch::Merge(&down)).await.is_err().then_some(())
        })
        .await;

    world.resync().await;
    world
        .eventually("a heal that is refused", async || {
            (world.stands("shop").await.2.contains("never scaled down")).then_some(())
        })
        .await;
    world.settled().await;
    // T6+: it is not as Git has it, and nobody says that it is.
    assert_ne!(world.stands("shop").await.0, "synced");
    for _ in 0..2 {
        let before = world.jobs_ended("sync", "failed").await;
        world.resync().await;
        world.poll().await;
        world.settled().await;
        assert_eq!(world.jobs_ended("sync", "failed").await, before + 1, "{}", world.story().await);
    }
    bindings.delete(&name, &DeleteParams::default()).await.expect("deleted");
    policies.delete(&name, &DeleteParams::default()).await.expect("deleted");
    world
        .eventually("a policy that is gone", async || {
            deployments.patch("web", &dry, &kube::api::Patch::Merge(&down)).await.is_ok().then_some(())
        })
        .await;
    world.resync().await;
    world.poll().await;
    world.eventually("that it is healed", async || (world.stands("shop").await.0 == "synced").then_some(())).await;
    assert_eq!(
        world.live("apps/v1 Deployment", "web").await.expect("there")["spec"]["replicas"],
        2,
        "{}",
        world.story().await
    );
}

/// P5+: a policy that comes later denies an object that nobody changes: it stays as it is, and holds up neither a sync
/// by hand nor a heal of another object. What is only reported while a sync fails counts as no heal.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_policy_denies_and_nobody_changes_holds_up_nothing() {
    let world = World::start("denied-later").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let maps = world.api("v1 ConfigMap").await;
    let dry = kube::api::PatchParams { dry_run: true, ..kube::api::PatchParams::default() };
    let touch = json!({"metadata": {"labels": {"touched": "yes"}}});
    deny(
        &world.namespace,
        "*",
        "request.operation == 'DELETE' || (has(object.metadata.labels) && 'team' in object.metadata.labels)",
        "a team, please",
        async || maps.patch("settings", &dry, &kube::api::Patch::Merge(&touch)).await.is_err(),
    )
    .await;

    world.sync_by_hand("shop", false).await;
    world.settled().await;
    let run = world.runs("/shop").await.into_iter().next().expect("a run");
    assert_eq!(run.state, RunState::Succeeded, "{}", world.story().await);

    let deployments = world.api("apps/v1 Deployment").await;
    let patch = json!({"spec": {"replicas": 7}});
    let params = kube::api::PatchParams::default();
    deployments.patch("web", &params, &kube::api::Patch::Merge(&patch)).await.expect("scaled by hand");
    world.resync().await;
    let healed = async || {
        let live = world.live("apps/v1 Deployment", "web").await?;
        (live["spec"]["replicas"] != 7).then_some(())
    };
    world.eventually("a heal", healed).await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), message.as_str()), ("synced", ""));

    // One that is gone cannot be made, and no other is called missing.
    maps.delete("settings", &DeleteParams::default()).await.expect("deleted by hand");
    for _ in 0..4 {
        world.resync().await;
        world.settled().await;
    }
    let row = world.app_row("shop").await.expect("there");
    assert!(!row.drift.contains("after each heal") && !row.drift.contains("web"), "{}", row.drift);
    let settings = row.heals.iter().filter(|(object, _)| object.ends_with("/settings"));
    assert!(settings.clone().count() <= 1 && settings.clone().all(|(_, heal)| heal.count == 0), "{:?}", row.heals);
}
