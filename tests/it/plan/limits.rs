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

fn asks(resources: &Value) -> Value {
    json!({"serviceAccountName": "runner", "containers": [{"name": "main", "image": "registry.example/a:1",
        "resources": resources}]})
}

fn asking_pod(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": asks(&json!({"requests": {"cpu": cpu}}))})
}

fn deployment(replicas: u32, resources: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
        "spec": asks(resources)}}})
}

fn claim(name: &str, size: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}})
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
    insta::assert_snapshot!(reason, @"LimitRange NS/tight, which this change adds or tightens, decides whether it is accepted");
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

/// B22+: CPU and storage that pods and claims of one change ask for are summed; the server takes each of them alone.
#[tokio::test]
async fn what_pods_and_claims_ask_for_together_is_refused() {
    let mut app = Fixture::new("limits-sum").await;
    let both = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {
        "hard": {"requests.cpu": "1", "requests.storage": "1Gi"}}});
    let base = [account(), both.clone()];
    app.sync(&base).await;
    counts(&app, "small", "requests.cpu", "0").await;
    let with = |more: [Value; 2]| [base.to_vec(), more.to_vec()].concat();
    let plan = app.change(&base, &with([asking_pod("a", "600m"), asking_pod("b", "0.6")])).await;
    assert_eq!(rejected(&plan.changes.changes), ["a", "b"]);
    let Verdict::Rejected { message, .. } = &one(&plan.changes.changes, "a").verdict else { panic!("{plan:?}") };
    assert!(
        message.contains("has room for 1 more requests.cpu (0 of 1 used), and this change requests 1200m"),
        "{message}"
    );
    let plan = app.change(&base, &with([asking_pod("a", "600m"), asking_pod("b", "0.4")])).await;
    assert_eq!(rejected(&plan.changes.changes), [] as [&str; 0]);
    let plan = app.change(&base, &with([claim("a", "600Mi"), claim("b", "600Mi")])).await;
    assert_eq!(rejected(&plan.changes.changes), ["a", "b"]);
    let plan = app.change(&base, &with([claim("a", "512Mi"), claim("b", "0.5Gi")])).await;
    assert_eq!(rejected(&plan.changes.changes), [] as [&str; 0]);
}

/// B22+: pods that controllers make later are an estimate: a warning, and no refusal.
#[tokio::test]
async fn pods_of_workloads_that_would_not_fit_are_warned_of() {
    let mut app = Fixture::new("limits-pods").await;
    let small = quota("small", "limits.memory", "1Gi");
    let base = [account(), small.clone()];
    app.sync(&base).await;
    counts(&app, "small", "limits.memory", "0").await;
    let with = |more: &[Value]| [&base[..], more].concat();
    let limit = |memory: &str| json!({"limits": {"memory": memory}});
    let plan = app.change(&base, &with(&[deployment(3, &limit("512Mi"))])).await;
    let web = one(&plan.changes.changes, "web");
    assert_eq!(web.verdict, Verdict::Accepted);
    let said = web.remarks.join("\n").replace(&app.namespace, "NS");
    insta::assert_snapshot!(said, @"Some of its pods may not start: the quota small of the namespace NS has room for 1Gi more limits.memory (0 of 1Gi used), and this change needs about 1536Mi. Raise the quota, or request less");
    let plan = app.change(&base, &with(&[deployment(2, &limit("512Mi"))])).await;
    assert_eq!(one(&plan.changes.changes, "web").remarks, [] as [&str; 0]);
    let plan = app.change(&base, &with(&[deployment(1, &json!({}))])).await;
    let said = one(&plan.changes.changes, "web").remarks.join("\n").replace(&app.namespace, "NS");
    insta::assert_snapshot!(said, @"Its pods would be refused: the quota small of the namespace NS requires limits.memory of each container, and the container main does not set it. Set it, or add a LimitRange with a default");
    // What a LimitRange that comes with the change gives them is theirs.
    let plan = app.change(&base, &with(&[deployment(1, &json!({})), range("100Mi")])).await;
    assert_eq!(one(&plan.changes.changes, "web").remarks, [] as [&str; 0]);
    // What is there counts as what it is.
    app.sync(&with(&[deployment(2, &limit("512Mi"))])).await;
    let plan = app.change(&with(&[deployment(2, &limit("512Mi"))]), &with(&[deployment(2, &limit("500Mi"))])).await;
    assert_eq!(one(&plan.changes.changes, "web").remarks, [] as [&str; 0], "less than it has");
}
