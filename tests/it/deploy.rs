//! What `deploy/` promises, on a real API server: its objects are accepted, its pod is admitted to a restricted
//! namespace, its configuration is one, and its identity can do what driftless does and little else.

use std::path::Path;
use std::time::Duration;

use driftless::config::{Config, Environment};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::support::{cluster, deployed};

#[tokio::test]
async fn the_pod_is_admitted_to_its_restricted_namespace() {
    deployed::identity().await;
    let pods = Api::<Pod>::namespaced(cluster::client().await, deployed::NAME);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let list = pods.list(&ListParams::default().labels("app.kubernetes.io/name=driftless")).await.expect("a list");
        if let Some(pod) = list.items.first() {
            let spec = pod.spec.as_ref().expect("a spec");
            assert_eq!(spec.service_account_name.as_deref(), Some(deployed::NAME));
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the controller could not create the pod: admission refused it"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Secrets come from files alone here.
struct NoVariables;

impl Environment for NoVariables {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

#[test]
fn its_configuration_is_one_that_driftless_accepts() {
    let files = deployed::files();
    let file = files.iter().find(|file| file.ends_with("config.yaml")).expect("a config.yaml");
    let text = deployed::object(file).data["data"]["driftless.yaml"].as_str().expect("the configuration").to_owned();
    let secrets = tempfile::tempdir().expect("a directory");
    for name in ["webhook-secret", "github-token"] {
        std::fs::write(secrets.path().join(name), "value").expect("written");
    }
    let text = text.replace("/etc/driftless-secrets", &secrets.path().display().to_string());
    let config =
        Config::parse(Path::new("/etc/driftless/driftless.yaml"), &text, &NoVariables).expect("a valid configuration");
    assert_eq!(config.listen.port(), 8080, "the port that the Deployment names");
    assert_eq!(config.probes.port(), 8081, "the port that the probes ask");
    assert_eq!(config.data, Path::new("/var/lib/driftless"), "where the Deployment mounts its volume");
    assert_eq!(config.renderer, Path::new("/usr/local/bin/driftless-renderer"), "where the image has it");
}

/// One question to the API server about the identity's rights, cluster-wide.
async fn may(client: &kube::Client, verb: &str, group: &str, resource: &str, subresource: Option<&str>) -> bool {
    let attributes = ResourceAttributes {
        verb: Some(verb.into()),
        group: Some(group.into()),
        resource: Some(resource.into()),
        subresource: subresource.map(Into::into),
        ..Default::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
        ..Default::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    reviews.create(&PostParams::default(), &review).await.expect("an answer").status.expect("a status").allowed
}

#[tokio::test]
async fn the_identity_may_what_a_sync_needs_and_not_more() {
    let client = deployed::client().await;
    for (group, resource) in [
        ("", "configmaps"),
        ("", "secrets"),
        ("", "services"),
        ("", "namespaces"),
        ("apps", "deployments"),
        ("batch", "cronjobs"),
        ("networking.k8s.io", "ingresses"),
        ("policy", "poddisruptionbudgets"),
        ("rbac.authorization.k8s.io", "roles"),
    ] {
        for verb in ["get", "list", "watch", "create", "patch", "delete"] {
            assert!(may(&client, verb, group, resource, None).await, "{verb} {resource}");
        }
    }
    for (verb, group, resource, subresource) in [
        ("patch", "", "pods", None),
        ("get", "", "pods", None),
        ("create", "", "pods", Some("exec")),
        ("get", "", "pods", Some("log")),
        ("list", "", "nodes", None),
        ("update", "apps", "deployments", None),
        ("deletecollection", "", "secrets", None),
        ("create", "", "serviceaccounts", Some("token")),
        ("impersonate", "", "users", None),
        ("escalate", "rbac.authorization.k8s.io", "roles", None),
        ("bind", "rbac.authorization.k8s.io", "clusterroles", None),
        ("create", "rbac.authorization.k8s.io", "clusterroles", None),
        ("patch", "apiextensions.k8s.io", "customresourcedefinitions", None),
        ("patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations", None),
        ("list", "example.test", "anythings", None),
    ] {
        assert!(!may(&client, verb, group, resource, subresource).await, "{verb} {resource} {subresource:?}");
    }
}

#[tokio::test]
async fn the_identity_previews_applies_and_deletes() {
    let client = deployed::client().await;
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = cluster::namespace_name("deployed");
    let own = PatchParams::apply("driftless");
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    namespaces.patch(&namespace, &own, &Patch::Apply(object)).await.expect("a namespace");

    let deployments = Api::<Deployment>::namespaced(client, &namespace);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "example.test/web:1" }] },
            },
        },
    });
    let dry_run = PatchParams { dry_run: true, ..own.clone() };
    deployments.patch("web", &dry_run, &Patch::Apply(&object)).await.expect("previewed");
    assert!(deployments.get_opt("web").await.expect("an answer").is_none(), "a dry-run makes nothing");
    deployments.patch("web", &own, &Patch::Apply(&object)).await.expect("applied");
    assert_eq!(deployments.list_metadata(&ListParams::default()).await.expect("metadata").items.len(), 1);
    deployments.delete("web", &DeleteParams::background()).await.expect("pruned");
    namespaces.delete(&namespace, &DeleteParams::background()).await.expect("deleted");
}

#[tokio::test]
async fn the_identity_is_refused_what_it_was_not_given() {
    let client = deployed::client().await;
    let namespace = cluster::namespace("refused-to").await;
    let forbidden = |error: kube::Error| matches!(&error, kube::Error::Api(status) if status.code == 403);

    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    assert!(nodes.is_err_and(forbidden), "nodes are none of its business");
    let roles = Api::<ClusterRole>::all(client.clone()).list(&ListParams::default()).await;
    assert!(roles.is_err_and(forbidden), "nor are cluster roles");

    // An app can't be used to get more: a role that grants what driftless hasn't is refused.
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "more" },
        "rules": [{ "apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"] }],
    });
    let roles = Api::<Role>::namespaced(client.clone(), &namespace);
    let granted = roles.patch("more", &PatchParams::apply("driftless"), &Patch::Apply(role)).await;
    assert!(granted.is_err_and(forbidden), "an escalation");

    // The default service account of another namespace got nothing from all this.
    let others = Api::<Secret>::namespaced(cluster::client_as(&namespace, "default").await, deployed::NAME)
        .list(&ListParams::default())
        .await;
    assert!(others.is_err_and(forbidden), "driftless's own secrets");
}
