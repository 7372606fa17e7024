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
    let name = format!("deny-{namespace}");
    let client = cluster::client().await;
    let (policies, bindings): (Api<ValidatingAdmissionPolicy>, Api<ValidatingAdmissionPolicyBinding>) =
        (Api::all(client.clone()), Api::all(client));
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": ["configmaps"]}]},
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
