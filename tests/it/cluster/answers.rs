//! What an apply answers, case by case, and what is made of it. A Secret's values are never in it.

use std::time::Duration;

use driftless::class::{Class, Classified};
use driftless::cluster::{ApplyError, ApplyMode, Cluster};
use serde_json::{Value, json};

use super::{DRY, REAL, apply, config_map, connect, connect_as, deployment, secret};
use crate::support::cluster;

async fn refused(cluster: &Cluster, object: &Value) -> ApplyError {
    apply(cluster, object, DRY).await.expect_err("a refusal")
}

/// The words of a refusal without what differs between runs.
fn words(error: &ApplyError, namespace: &str) -> String {
    format!("{:?}: {}", error.class(), error.to_string().replace(namespace, "NS"))
}

#[tokio::test]
async fn an_unchanged_apply_changes_nothing() {
    let (cluster, namespace) = (connect().await, cluster::namespace("unchanged").await);
    let object = config_map(&namespace, "a", &json!({"k": "v"}));
    let first = apply(&cluster, &object, REAL).await.expect("applied");
    let second = apply(&cluster, &object, REAL).await.expect("applied");
    assert_eq!(first, second);
}

/// What lets a plan see that an object changed between being read and being asked about.
#[tokio::test]
async fn a_dry_run_answers_with_the_version_that_it_started_from() {
    let (cluster, namespace) = (connect().await, cluster::namespace("version").await);
    let live = apply(&cluster, &config_map(&namespace, "a", &json!({"k": "v"})), REAL).await.expect("applied");
    let changed = apply(&cluster, &config_map(&namespace, "a", &json!({"k": "w"})), DRY).await.expect("accepted");
    assert_eq!(changed["metadata"]["resourceVersion"], live["metadata"]["resourceVersion"]);
    let created = apply(&cluster, &config_map(&namespace, "b", &json!({"k": "w"})), DRY).await.expect("accepted");
    assert!(created["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty));
}

#[tokio::test]
async fn a_dry_run_creates_nothing() {
    let (cluster, namespace) = (connect().await, cluster::namespace("dry").await);
    let object = config_map(&namespace, "a", &json!({"k": "v"}));
    apply(&cluster, &object, DRY).await.expect("accepted");
    assert!(cluster.get(&super::key(&object)).await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_namespace_that_is_not_there() {
    let (cluster, missing) = (connect().await, cluster::namespace_name("missing"));
    let error = refused(&cluster, &config_map(&missing, "a", &json!({}))).await;
    assert!(matches!(&error, ApplyError::NamespaceMissing { namespace } if *namespace == missing), "{error:?}");
}

#[tokio::test]
async fn a_kind_that_is_not_there() {
    let (cluster, namespace) = (connect().await, cluster::namespace("kind").await);
    let object =
        json!({"apiVersion": "none.example/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": namespace}});
    let error = refused(&cluster, &object).await;
    assert!(
        matches!(&error, ApplyError::UnknownKind { group, version, kind } if (group.as_str(), version.as_str(),
            kind.as_str()) == ("none.example", "v1", "Widget")),
        "{error:?}"
    );
    let version =
        json!({"apiVersion": "apps/v9", "kind": "Deployment", "metadata": {"name": "a", "namespace": namespace}});
    assert!(matches!(refused(&cluster, &version).await, ApplyError::UnknownKind { .. }));
}

/// Discovery that was read before the CRD went: the server's own plain text decides.
#[tokio::test]
async fn a_kind_that_went_away() {
    let cluster = connect().await;
    let group = format!("{}.example", cluster::namespace_name("gone"));
    let crd = crd(&group);
    apply(&cluster, &crd, REAL).await.expect("a CRD");
    let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "a",
        "namespace": "default"}});
    eventually(async || {
        cluster.refresh_discovery().await.expect("discovery");
        apply(&cluster, &object, DRY).await.is_ok()
    })
    .await;
    let live = cluster.get(&super::key(&crd)).await.expect("an answer").expect("the CRD");
    cluster.delete(&super::key(&crd), &super::objects::by_uid(&live)).await.expect("deleted");
    eventually(async || matches!(apply(&cluster, &object, DRY).await, Err(ApplyError::UnknownKind { .. }))).await;
}

#[tokio::test]
async fn an_object_that_does_not_have_the_form_of_its_kind() {
    let (cluster, namespace) = (connect().await, cluster::namespace("form").await);
    let mut unknown = deployment(&namespace, "web");
    unknown["spec"]["replica"] = json!(2);
    let mut typed = deployment(&namespace, "web");
    typed["spec"]["replicas"] = json!("two");
    let mut twice = deployment(&namespace, "web");
    let container = twice["spec"]["template"]["spec"]["containers"][0].clone();
    twice["spec"]["template"]["spec"]["containers"] = json!([container, container]);
    let mut said = Vec::new();
    for object in [unknown, typed, twice] {
        let error = refused(&cluster, &object).await;
        assert!(matches!(&error, ApplyError::Malformed { causes, .. } if !causes.is_empty()), "{error:?}");
        said.push(words(&error, &namespace));
    }
    insta::assert_snapshot!(said.join("\n"));
}

/// A CRD whose second version lacks the fields that are named, or has only the first one.
fn versions(group: &str, first: &Value, second: Option<&Value>) -> Value {
    let version = |name: &str, spec: &Value, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
            "properties": spec}}}}})
    };
    let mut crd = crd(group);
    crd["spec"]["versions"] = match second {
        Some(second) => json!([version("v1", first, true), version("v2", second, false)]),
        None => json!([version("v1", first, true)]),
    };
    crd
}

/// X6+: what a CRD's new version makes of an object is a refusal of that object, however often it is asked; the server
/// calls it a 500.
#[tokio::test]
async fn what_a_new_version_of_a_crd_does_not_declare_is_no_outage() {
    let cluster = connect().await;
    let namespace = cluster::namespace("versions").await;
    let text = json!({"type": "string"});
    let (full, less) = (json!({"size": text, "extra": text}), json!({"size": text}));
    let typed = json!({"size": {"type": "object", "properties": {"a": text}}});
    let mut said = Vec::new();
    for (name, before, after, first, then, about) in [
        // The field was ours, went from the version that applied last, and is sent by the other one.
        (
            "pruned",
            (&full, Some(&full)),
            (&full, Some(&less)),
            json!({"size": "1", "extra": "x"}),
            json!({"size": "2", "extra": "y"}),
            "managedFields",
        ),
        (
            "typed",
            (&typed, None),
            (&less, None),
            json!({"size": {"a": "1"}}),
            json!({"size": "2"}),
            "object in the cluster",
        ),
    ] {
        let group = format!("{}.example", cluster::namespace_name(name));
        let widget = |version: &str, spec: &Value| {
            json!({"apiVersion": format!("{group}/{version}"), "kind": "Widget",
            "metadata": {"name": "a", "namespace": namespace}, "spec": spec})
        };
        apply(&cluster, &versions(&group, before.0, before.1), REAL).await.expect("a CRD");
        eventually(async || {
            cluster.refresh_discovery().await.expect("discovery");
            apply(&cluster, &widget("v1", &first), REAL).await.is_ok()
        })
        .await;
        apply(&cluster, &versions(&group, after.0, after.1), REAL).await.expect("the CRD changes");
        let mut last = None;
        eventually(async || {
            if after.1.is_some() {
                let _ = apply(&cluster, &widget("v2", &json!({"size": "1"})), REAL).await;
            }
            last = apply(&cluster, &widget("v1", &then), DRY).await.err();
            // While the server takes in the CRD it may have other answers, those by the schema that was among them.
            let is_by_the_new_one = |error: &ApplyError| words(error, &namespace).contains(about);
            last.as_ref().is_some_and(|error| matches!(error, ApplyError::Malformed { .. }) && is_by_the_new_one(error))
        })
        .await;
        let error = last.expect("a refusal");
        said.push(words(&error, &namespace));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn values_that_are_not_valid() {
    let (cluster, namespace) = (connect().await, cluster::namespace("invalid").await);
    let mut object = deployment(&namespace, "web");
    object["spec"]["replicas"] = json!(-1);
    object["spec"]["template"]["spec"]["containers"][0]["name"] = json!("Not A Name");
    let error = refused(&cluster, &object).await;
    assert!(matches!(&error, ApplyError::Invalid { causes, .. } if causes.len() == 2), "{error:?}");
    insta::assert_snapshot!(words(&error, &namespace));
}

#[tokio::test]
async fn fields_that_can_not_change() {
    let (cluster, namespace) = (connect().await, cluster::namespace("immutable").await);
    let web = deployment(&namespace, "web");
    let mut selector = web.clone();
    selector["spec"]["selector"]["matchLabels"] = json!({"app": "other"});
    selector["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
        "spec": {"ports": [{"port": 80}]}});
    let mut address = service.clone();
    address["spec"]["clusterIP"] = json!("10.96.200.200");
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": namespace},
        "spec": {
        "suspend": true,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.test/a:1"}]}}}});
    let mut template = job.clone();
    template["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.test/a:2");
    template["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    let fixed = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fixed", "namespace": namespace},
        "immutable": true, "data": {"k": "old"}});
    let mut data = fixed.clone();
    data["data"]["k"] = json!("new");
    let mut said = Vec::new();
    for (before, after) in [(web, selector), (service, address), (job, template), (fixed, data)] {
        apply(&cluster, &before, REAL).await.expect("applied");
        let error = refused(&cluster, &after).await;
        assert!(matches!(&error, ApplyError::Immutable { .. }), "{error:?}");
        assert!(error.to_string().chars().count() < 500, "{error}");
        said.push(words(&error, &namespace));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[tokio::test]
async fn fields_that_another_manager_owns() {
    let namespace = cluster::namespace("conflict").await;
    let mut theirs = deployment(&namespace, "web");
    apply(&connect_as("somebody").await, &theirs, REAL).await.expect("applied");
    theirs["spec"]["replicas"] = json!(3);
    let cluster = connect().await;
    let ApplyError::Conflicts { conflicts } = refused(&cluster, &theirs).await else { panic!("conflicts") };
    let found: Vec<_> = conflicts.iter().map(|c| format!("{} {}", c.manager, c.field)).collect();
    // `cpu: "0.5"` is stored as `500m`, and so the same value conflicts.
    let cpu = r#"somebody .spec.template.spec.containers[name="web"].resources.requests.cpu"#;
    assert_eq!(found, ["somebody .spec.replicas", cpu]);
    let forced = apply(&cluster, &theirs, ApplyMode { dry_run: true, force: true }).await.expect("forced");
    assert_eq!(forced["spec"]["replicas"], 3);
}

#[tokio::test]
async fn fields_that_only_a_server_sets() {
    let (cluster, namespace) = (connect().await, cluster::namespace("server-set").await);
    let mut object = config_map(&namespace, "a", &json!({"k": "v"}));
    let applied = apply(&cluster, &object, REAL).await.expect("applied");
    object["data"]["k"] = json!("w");
    object["metadata"]["resourceVersion"] = json!("1");
    let stale = refused(&cluster, &object).await;
    assert!(matches!(&stale, ApplyError::Stale { .. }) && stale.class().is_retry(), "{stale:?}");
    object["metadata"]["resourceVersion"] = Value::Null;
    object["metadata"]["managedFields"] = applied["metadata"]["managedFields"].clone();
    let managed = refused(&cluster, &object).await;
    assert!(matches!(&managed, ApplyError::Refused { message } if message.contains("managedFields")), "{managed:?}");
    assert_eq!(managed.class(), Class::Fail);
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted() {
    let (cluster, namespace) = (connect().await, cluster::namespace("terminating").await);
    let mut held = config_map(&namespace, "held", &json!({}));
    held["metadata"]["finalizers"] = json!(["test.driftless.dev/hold"]);
    apply(&cluster, &held, REAL).await.expect("applied");
    let itself = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let live = cluster.get(&super::key(&itself)).await.expect("an answer").expect("the namespace");
    cluster.delete(&super::key(&itself), &super::objects::by_uid(&live)).await.expect("deleted");
    let error = refused(&cluster, &config_map(&namespace, "a", &json!({}))).await;
    assert!(matches!(&error, ApplyError::NamespaceTerminating { .. }) && error.class().is_retry(), "{error:?}");
    let release = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    cluster.patch_json(&super::key(&held), &release, false).await.expect("released");
}

#[tokio::test]
async fn an_api_that_is_deprecated() {
    let (cluster, namespace) = (connect().await, cluster::namespace("deprecated").await);
    // The type of Endpoints is the one that 1.33 deprecated.
    let object = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "a", "namespace": namespace}});
    let applied = cluster.apply(&super::key(&object), &object, DRY).await.expect("accepted");
    insta::assert_snapshot!(applied.warnings.join("\n"));
}

#[tokio::test]
async fn what_policy_forbids() {
    let (cluster, namespace) = (connect().await, cluster::namespace("quota").await);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none",
        "namespace": namespace}, "spec": {"hard": {"count/configmaps": "0"}}});
    apply(&cluster, &quota, REAL).await.expect("a quota");
    eventually(async || {
        matches!(
            apply(&cluster, &config_map(&namespace, "a", &json!({})), DRY).await,
            Err(ApplyError::Forbidden { .. })
        )
    })
    .await;
    let error = refused(&cluster, &config_map(&namespace, "a", &json!({}))).await;
    assert_eq!(error.class(), Class::Fail, "{error}");
}

/// Each way in which a server's text about a Secret holds its value.
#[tokio::test]
async fn a_secrets_value_is_in_no_refusal() {
    const VALUE: &str = "31337";
    let (cluster, namespace) = (connect().await, cluster::namespace("secret").await);
    let fixed = secret(&namespace, "fixed", &json!({"immutable": true, "data": {"pin": "MzEzMzc="}}));
    apply(&cluster, &fixed, REAL).await.expect("applied");
    let mut annotated = secret(&namespace, "odd", &json!({"data": {"pin": "MzEzMzc="}}));
    annotated["metadata"]["labels"] = json!({"not a label 31337": "x"});
    let cases = [
        secret(&namespace, "a", &json!({"stringData": {"pin": 31_337}})),
        secret(&namespace, "a", &json!({"data": {"pin": 31_337}})),
        secret(&namespace, "a", &json!({"data": {"pin": "not base64: 31337"}})),
        secret(&namespace, "a", &json!({"data": ["31337"]})),
        secret(&namespace, "a", &json!({"data": {"pin 31337": "MzEzMzc="}})),
        secret(&namespace, "a", &json!({"type": "kubernetes.io/tls", "stringData": {"tls.crt": "31337"}})),
        secret(&namespace, "a", &json!({"date": "31337"})),
        secret(&namespace, "fixed", &json!({"immutable": true, "stringData": {"pin": "31337-new"}})),
        annotated,
    ];
    let mut said = Vec::new();
    for object in cases {
        let error = refused(&cluster, &object).await;
        assert_eq!(error.class(), Class::Fail, "{error:?}");
        let shown = format!("{error}");
        // A key of a Secret is no value, even where it looks like one.
        let keyless = format!("{error:?}").replace("pin 31337", "KEY").replace("not a label 31337", "KEY");
        assert!(!keyless.contains(VALUE) && !keyless.contains("MzEzMzc"), "{error:?}");
        said.push(shown);
    }
    insta::assert_snapshot!(said.join("\n"));
}

pub fn crd(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
                "properties": {"size": {"type": "integer"}}}}}}}],
        },
    })
}

pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
