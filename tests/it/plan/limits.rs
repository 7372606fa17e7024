//! What comes or changes with a change and limits what else it brings.

use driftless::plan::{Change, NotValidated, Verdict};
use serde_json::{Value, json};

use super::Fixture;
use crate::cluster::{answers, key};

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}})
}

fn pod(name: &str, memory: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "serviceAccountName": "runner", "containers": [{"name": "main", "image": "registry.example/a:1",
        "resources": {"limits": {"memory": memory}}}]}})
}

fn range(most: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [
        {"type": "Container", "max": {"memory": most}}]}})
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn quota(name: &str, resource: &str, hard: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {
        "hard": {resource: hard}}})
}

fn service(name: &str, kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
        "type": kind, "selector": {"app": name}, "ports": [{"port": 80}]}})
}

fn one<'a>(changes: &'a [Change], name: &str) -> &'a Change {
    changes.iter().find(|change| change.key.name == name).expect("planned")
}

fn rejected(changes: &[Change]) -> Vec<&str> {
    changes.iter().filter(|change| change.is_rejected()).map(|change| change.key.name.as_str()).collect()
}

async fn counts(app: &Fixture, quota: &str, resource: &str, used: &str) {
    let key = key(&json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": quota,
        "namespace": app.namespace}}));
    answers::eventually(async || {
        let live = app.cluster.get(&key).await.expect("an answer").expect("the quota");
        live["status"]["used"][resource] == used
    })
    .await;
}

/// B20+: what the server takes under the limits of today is not validated where the change brings stricter ones.
#[tokio::test]
async fn what_the_change_itself_limits_is_not_validated() {
    let mut app = Fixture::new("limits-new").await;
    app.sync(&[account()]).await;
    let plan = app.change(&[account()], &[account(), range("100Mi"), pod("big", "1Gi")]).await;
    let Verdict::NotValidated { reason: NotValidated::LimitedInPlan { by } } =
        &one(&plan.changes.changes, "big").verdict
    else {
        panic!("{plan:?}")
    };
    assert_eq!((by.kind.as_str(), by.name.as_str()), ("LimitRange", "tight"));
    let reason = NotValidated::LimitedInPlan { by: by.clone() }.to_string().replace(&app.namespace, "NS");
    insta::assert_snapshot!(reason, @"LimitRange NS/tight, which comes or gets stricter with this change, decides whether it is accepted");
    // One that stays as it is has been asked.
    app.sync(&[account(), range("2Gi")]).await;
    let same = app.change(&[account(), range("2Gi")], &[account(), range("2Gi"), pod("big", "1Gi")]).await;
    assert_eq!(one(&same.changes.changes, "big").verdict, Verdict::Accepted);
}

/// B20+: a limit that is live as the change has it explains no refusal, whatever the base has.
#[tokio::test]
async fn a_limit_that_is_there_already_explains_nothing() {
    let mut app = Fixture::new("limits-live").await;
    app.sync(&[account(), range("100Mi")]).await;
    app.inventory.clear();
    let plan = app.change(&[account()], &[account(), range("100Mi"), pod("big", "1Gi")]).await;
    let Verdict::Rejected { message, .. } = &one(&plan.changes.changes, "big").verdict else { panic!("{plan:?}") };
    assert!(message.contains("maximum memory usage per Container is 100Mi"), "{message}");
    // One that is raised explains it.
    let raised = app.change(&[account()], &[account(), range("2Gi"), pod("big", "1Gi")]).await;
    let verdict = &one(&raised.changes.changes, "big").verdict;
    assert!(matches!(verdict, Verdict::NotValidated { .. }), "{verdict:?}");
}

/// H6+: another quota that the change brings does not stop the counting of those that are there.
#[tokio::test]
async fn a_quota_that_comes_leaves_the_others_counting() {
    let mut app = Fixture::new("limits-quota").await;
    let small = quota("small", "count/configmaps", "2");
    app.sync(std::slice::from_ref(&small)).await;
    counts(&app, "small", "count/configmaps", "1").await;
    let base = [small.clone()];
    let other = quota("other", "count/secrets", "50");
    let plan = app.change(&base, &[small.clone(), other, map("x"), map("y")]).await;
    assert_eq!(rejected(&plan.changes.changes), ["x", "y"]);
    let raised = quota("small", "count/configmaps", "3");
    let plan = app.change(&base, &[raised, map("x"), map("y")]).await;
    assert_eq!(rejected(&plan.changes.changes), [] as [&str; 0]);
    let brought = quota("new", "count/configmaps", "1");
    let plan = app.change(&base, &[quota("small", "count/configmaps", "9"), brought, map("x"), map("y")]).await;
    assert_eq!(rejected(&plan.changes.changes), ["x", "y"]);
}

/// H6+: an update that takes more of a quota is counted by what it adds, and a preview rests on the quota.
#[tokio::test]
async fn what_an_update_takes_of_a_quota_is_counted() {
    let mut app = Fixture::new("limits-ports").await;
    let ports = quota("ports", "services.nodeports", "1");
    let base = [ports.clone(), service("a", "ClusterIP"), service("b", "ClusterIP")];
    app.sync(&base).await;
    counts(&app, "ports", "services.nodeports", "0").await;
    let plan = app.change(&base, &[ports.clone(), service("a", "NodePort"), service("b", "NodePort")]).await;
    assert_eq!(rejected(&plan.changes.changes), ["a", "b"]);
    assert_eq!(plan.counted.iter().map(|id| id.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let plan = app.change(&base, &[ports, service("a", "NodePort"), service("b", "ClusterIP")]).await;
    assert_eq!(rejected(&plan.changes.changes), [] as [&str; 0]);
}
