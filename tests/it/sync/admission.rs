//! What comes of what is applied in the hands of admission and of the server's merge.

use std::time::Duration;

use driftless::cluster::ApplyMode;
use driftless::manifest::ObjectKey;
use driftless::plan::{Action, Verdict};
use serde_json::{Value, json};

use super::world::{How, World, deployment};

const MAKE: ApplyMode = ApplyMode { dry_run: false, force: false };

async fn make(world: &World, object: &Value) {
    world.deps.cluster.apply(&ObjectKey::of(object).expect("a name"), object, MAKE).await.expect("made");
}

/// Lets a policy set fields of all Deployments of the app's namespace.
async fn mutate(world: &World, expression: &str) {
    let api = "admissionregistration.k8s.io/v1";
    let name = format!("set-{}", world.namespace);
    let rules = json!([{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"]}]);
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": world.namespace}});
    let mutation = json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}});
    let policy = json!({"apiVersion": api, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
        "failurePolicy": "Fail", "reinvocationPolicy": "Never",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": rules}, "mutations": [mutation]}});
    let binding = json!({"apiVersion": api, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name}});
    make(world, &policy).await;
    make(world, &binding).await;
}

/// X1+: what a policy makes of a field that Git sets is said before and after it is applied, of a new object and of one
/// that is there.
#[tokio::test]
async fn what_a_policy_sets_otherwise_is_named() {
    let world = World::new("mutated").await;
    mutate(&world, "Object{spec: Object.spec{replicas: 2}}").await;
    let remarks = async |revision, replicas| {
        let plan = world.plan(revision, &[deployment("web", replicas)], &How::default()).await;
        plan.changes[0].remarks.clone()
    };
    // A policy counts a moment after it was made.
    for _ in 0..150 {
        if !remarks('a', 5).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(remarks('a', 5).await, ["spec.replicas is 5 in Git, but the cluster sets it to 2"]);
    let said = "the cluster sets spec.replicas to another value than Git";
    for (revision, replicas) in [('a', 5), ('b', 6)] {
        let done = world.sync(revision, &[deployment("web", replicas)]).await;
        let told: Vec<&String> = done.remains.values().flat_map(|remains| &remains.added).collect();
        assert_eq!(told, [said], "{replicas}");
    }
    assert_eq!(remarks('c', 7).await, ["spec.replicas is 7 in Git, but the cluster sets it to 2"]);
    assert_eq!(remarks('c', 2).await, Vec::<String>::new(), "it is what Git says");
}

/// A definition of Things, whose `spec.sel` has a schema and whose `spec.any` has none.
async fn things(world: &World) -> String {
    let group = format!("{}.example", world.namespace);
    let labels = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let spec = json!({"type": "object", "properties": {
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "sel": {"type": "object", "properties": {"matchLabels": labels}}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things",
            "singular": "thing"}, "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    make(world, &definition).await;
    for _ in 0..600 {
        if world.deps.cluster.refresh_discovery().await.expect("discovery").resolve(&group, "v1", "Thing").is_some() {
            return group;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the definition is never served");
}

/// X1+: what Git empties is empty in the preview and in the cluster, and not null, with and without a schema.
#[tokio::test]
async fn what_git_empties_is_empty() {
    let world = World::new("emptied").await;
    let group = things(&world).await;
    let thing = |spec: &Value| json!({"apiVersion": format!("{group}/v1"), "kind": "Thing", "metadata": {"name": "one"}, "spec": spec});
    let full = json!({"any": {"d": {"e": {"f": 1}}, "keep": 1}, "sel": {"matchLabels": {"a": "b"}}});
    let untyped = json!({"any": {"d": {"e": {}}, "keep": 1}, "sel": {"matchLabels": {"a": "b"}}});
    let typed = json!({"any": {"d": {"e": {}}, "keep": 2}, "sel": {}});
    world.sync('a', &[thing(&full)]).await;
    for (revision, spec) in [('b', untyped), ('c', typed)] {
        let plan = world.plan(revision, &[thing(&spec)], &How::default()).await;
        let change = &plan.changes[0];
        assert_eq!((change.action, &change.verdict), (Action::Update, &Verdict::Accepted), "{spec}");
        assert_eq!(change.after.as_ref().expect("an object")["spec"], spec);
        let done = world.sync(revision, &[thing(&spec)]).await;
        assert!(done.remains.is_empty(), "{:?}", done.remains);
        assert_eq!(world.live(&group, "Thing", "one").await.expect("there")["spec"], spec);
    }
}
