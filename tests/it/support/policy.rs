//! Policies of the real API server.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::cluster;

/// Lets a policy deny the config maps of one namespace that `expression` is not true of, and waits until `counts` says
/// that it does.
pub async fn deny(namespace: &str, operation: &str, expression: &str, message: &str, counts: impl AsyncFn() -> bool) {
    deny_kind(namespace, "configmaps", operation, expression, message, counts).await;
}

/// The same for any kind of the core group.
pub async fn deny_kind(
    namespace: &str,
    resource: &str,
    operation: &str,
    expression: &str,
    message: &str,
    counts: impl AsyncFn() -> bool,
) {
    let name = format!("deny-{namespace}");
    let client = cluster::client().await;
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(client.clone()), Api::all(client));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]}]},
        "validations": [{"expression": expression, "message": message, "reason": "Invalid"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).expect("a policy")).await.expect("created");
    bindings
        .create(&PostParams::default(), &serde_json::from_value(binding).expect("a binding"))
        .await
        .expect("created");
    // A policy counts a moment after it was made.
    for _ in 0..150 {
        if counts().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the policy {name} does not count");
}

/// Whether the server refuses to create this object in a namespace.
pub async fn is_denied(namespace: &str, object: &Value) -> bool {
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(cluster::client().await, namespace);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&params, &serde_json::from_value(object.clone()).expect("a map")).await.is_err()
}

/// Lets a policy deny that a config map is made while there is none of its name: what it asks for as its parameter is
/// that very object. Waits until it counts.
pub async fn deny_first(namespace: &str, name: &str) {
    let policy_name = format!("first-{namespace}");
    let client = cluster::client().await;
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(client.clone()), Api::all(client));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": policy_name}, "spec": {
        "failurePolicy": "Fail", "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]},
        "matchConditions": [{"name": "labelled", "expression": "has(object.metadata.labels) && 'par' in \
                                                                object.metadata.labels"}],
        "validations": [{"expression": "true"}]}});
    let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": policy_name}, "spec": {"policyName": policy_name, "validationActions": ["Deny"],
        "paramRef": {"name": name, "namespace": namespace, "parameterNotFoundAction": "Deny"}}});
    policies.create(&PostParams::default(), &serde_json::from_value(policy).expect("a policy")).await.expect("created");
    // It counts once it denies what asks for a parameter that is not there, and then it is given the right one.
    let mut wrong = binding.clone();
    wrong["spec"]["paramRef"]["name"] = json!("nobody");
    let made = bindings.create(&PostParams::default(), &serde_json::from_value(wrong).expect("a binding")).await;
    made.expect("created");
    let probe =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "labels": {"par": "yes"}}});
    until(async || is_denied(namespace, &probe).await).await;
    let patch = json!({"spec": {"paramRef": {"name": name}}});
    let params = kube::api::PatchParams::default();
    bindings.patch(&policy_name, &params, &kube::api::Patch::Merge(&patch)).await.expect("patched");
    until(async || !is_denied(namespace, &probe).await).await;
}

/// Takes back what [`deny_first`] denies, and waits until nothing of it counts.
pub async fn allow_first(namespace: &str) {
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(cluster::client().await);
    let name = format!("first-{namespace}");
    bindings.delete(&name, &kube::api::DeleteParams::default()).await.expect("deleted");
    let probe =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "labels": {"par": "yes"}}});
    until(async || !is_denied(namespace, &probe).await).await;
}

async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..150 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the policy does not count");
}
