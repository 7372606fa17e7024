//! Discovery, reads, deletes, lists of metadata and watches.

use driftless::class::Classified;
use driftless::cluster::{Cluster, ClusterConfig, ClusterError, Deleted, PartialMeta, WatchEvent};
use driftless::ids::ClusterName;
use driftless::plan::adoption_patch;
use driftless::plan::deletion::MayDelete;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{DRY, REAL, apply, config_map, connect, connect_as, deployment, key};
use crate::support::cluster;
use crate::support::others::ours;

/// A delete of exactly this object, in whatever version.
pub fn by_uid(live: &Value) -> MayDelete {
    let mut object = live.clone();
    object["metadata"]["resourceVersion"] = json!("");
    ours(&object).replaced()
}

#[tokio::test]
async fn discovery_knows_kinds_scopes_and_versions() {
    let cluster = connect().await;
    let discovery = cluster.discovery().await.expect("discovery");
    let deployment = discovery.resolve("apps", "v1", "Deployment").expect("deployments");
    assert!(deployment.namespaced && deployment.plural == "deployments" && deployment.can("patch"));
    assert!(!discovery.resolve("", "v1", "Namespace").expect("namespaces").namespaced);
    assert_eq!(discovery.preferred("autoscaling", "HorizontalPodAutoscaler").expect("autoscalers").version, "v2");
    assert_eq!(discovery.server_version(), "v1.36.3");
    for entry in ["v1", "apps/v1", "apps/v1/Deployment", "v1/ConfigMap"] {
        assert!(discovery.api_versions().iter().any(|known| known == entry), "{entry}");
    }
    let listable: Vec<_> = discovery.listable().map(|resource| resource.kind.as_str()).collect();
    assert!(listable.contains(&"Deployment") && !listable.contains(&"TokenReview"), "{listable:?}");
    let again = cluster.discovery().await.expect("discovery");
    assert!(std::sync::Arc::ptr_eq(&discovery, &again), "it is kept");
}

#[tokio::test]
async fn what_is_not_there_is_none_and_what_is_unknown_an_error() {
    let (cluster, namespace) = (connect().await, cluster::namespace("get").await);
    assert!(cluster.get(&key(&config_map(&namespace, "none", &json!({})))).await.expect("an answer").is_none());
    let widget =
        json!({"apiVersion": "none.example/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": namespace}});
    assert!(matches!(cluster.get(&key(&widget)).await, Err(ClusterError::UnknownKind { .. })));
    let homeless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    assert!(matches!(cluster.get(&key(&homeless)).await, Err(ClusterError::NoNamespace { .. })));
}

#[tokio::test]
async fn a_delete_happens_to_the_very_object_only() {
    let (cluster, namespace) = (connect().await, cluster::namespace("delete").await);
    let object = config_map(&namespace, "a", &json!({"k": "v"}));
    let live = apply(&cluster, &object, REAL).await.expect("applied");
    let but = |field: &str, value: &str| {
        let mut other = live.clone();
        other["metadata"][field] = json!(value);
        ours(&other).replaced()
    };
    let other = but("uid", "00000000-0000-0000-0000-000000000000");
    assert!(matches!(cluster.delete(&key(&object), &other).await, Err(ClusterError::Conflict { .. })));
    let stale = but("resourceVersion", "1");
    assert!(cluster.delete(&key(&object), &stale).await.expect_err("stale").class().is_retry());
    cluster.try_delete(&key(&object), &ours(&live)).await.expect("accepted");
    assert!(cluster.get(&key(&object)).await.expect("an answer").is_some(), "a dry-run deletes nothing");
    assert_eq!(cluster.delete(&key(&object), &by_uid(&live)).await.expect("deleted"), Deleted::Gone);
    assert_eq!(cluster.delete(&key(&object), &by_uid(&live)).await.expect("an answer"), Deleted::NotFound);
}

#[tokio::test]
async fn a_finalizer_makes_a_delete_a_wait() {
    let (cluster, namespace) = (connect().await, cluster::namespace("finalizer").await);
    let mut object = config_map(&namespace, "held", &json!({}));
    object["metadata"]["finalizers"] = json!(["test.driftless.dev/hold"]);
    let live = apply(&cluster, &object, REAL).await.expect("applied");
    assert_eq!(cluster.delete(&key(&object), &by_uid(&live)).await.expect("an answer"), Deleted::Accepted);
    let stale = json!([{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}, {"op": "remove",
        "path": "/metadata/finalizers"}]);
    assert!(matches!(cluster.patch_json(&key(&object), &stale, false).await, Err(ClusterError::Conflict { .. })));
    cluster
        .patch_json(&key(&object), &json!([{"op": "remove", "path": "/metadata/finalizers"}]), false)
        .await
        .expect("released");
    assert!(cluster.get(&key(&object)).await.expect("an answer").is_none());
}

#[tokio::test]
async fn metadata_comes_in_pages_and_without_objects() {
    let (cluster, namespace) = (connect().await, cluster::namespace("list").await);
    let label = json!({"list-test": namespace});
    let each = (0..510).map(|number| {
        let mut object = config_map(&namespace, &format!("m{number:03}"), &json!({"k": "v"}));
        object["metadata"]["labels"] = label.clone();
        let cluster = cluster.clone();
        async move { apply(&cluster, &object, REAL).await.map(drop) }
    });
    futures::stream::iter(each).buffer_unordered(16).for_each(async |done| done.expect("applied")).await;
    let discovery = cluster.discovery().await.expect("discovery");
    let maps = discovery.resolve("", "v1", "ConfigMap").expect("config maps");
    let list = cluster.list_metadata(maps, Some(&format!("list-test={namespace}"))).await.expect("a list");
    assert_eq!(list.items.len(), 510);
    let names: std::collections::HashSet<_> = list.items.iter().map(|item| &item.name).collect();
    assert_eq!(names.len(), 510);
    assert!(!list.resource_version.is_empty());
    let first = &list.items[0];
    let live = cluster
        .get(&key(&config_map(&namespace, &first.name, &json!({}))))
        .await
        .expect("an answer")
        .expect("the object");
    assert_eq!(PartialMeta::of(&live).as_ref(), Some(first));
    assert_eq!(
        (first.managed_fields[0].manager.as_str(), first.managed_fields[0].operation.as_str()),
        ("driftless", "Apply")
    );
    assert!(first.managed_fields[0].fields["f:data"]["f:k"].is_object());
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_what_changes() {
    let (cluster, namespace) = (connect().await, cluster::namespace("watch").await);
    let object = config_map(&namespace, "a", &json!({"k": "1"}));
    apply(&cluster, &object, REAL).await.expect("applied");
    let discovery = cluster.discovery().await.expect("discovery");
    let maps = discovery.resolve("", "v1", "ConfigMap").expect("config maps");
    let mut events = std::pin::pin!(cluster.watch(maps, Some(&namespace), None));
    let mut told = Vec::new();
    for step in 0..3 {
        while told.len() < [2, 3, 4][step] {
            let event = tokio::time::timeout(std::time::Duration::from_secs(20), events.next())
                .await
                .expect("in time")
                .expect("endless");
            match event.expect("an event") {
                WatchEvent::Applied(object) if object["metadata"]["name"] == "a" => {
                    told.push(format!("applied {}", object["data"]["k"]));
                }
                WatchEvent::Deleted(object) => told.push(format!("deleted {}", object["metadata"]["name"])),
                WatchEvent::Synced => told.push("synced".to_owned()),
                WatchEvent::Applied(_) | WatchEvent::Began => {}
            }
        }
        match step {
            0 => drop(apply(&cluster, &config_map(&namespace, "a", &json!({"k": "2"})), REAL).await.expect("applied")),
            1 => {
                let live = cluster.get(&key(&object)).await.expect("an answer").expect("the object");
                cluster.delete(&key(&object), &by_uid(&live)).await.expect("deleted");
            }
            _ => {}
        }
    }
    assert_eq!(told, ["applied \"1\"", "synced", "applied \"2\"", "deleted \"a\""]);
}

/// What `kubectl apply` without `--server-side` leaves, and what our apply makes of it: a field that the manifest drops
/// goes.
#[tokio::test]
async fn fields_of_client_side_apply_are_adopted() {
    let (cluster, namespace) = (connect().await, cluster::namespace("adopt").await);
    let kubectl = connect_as("kubectl-client-side-apply").await;
    let object = key(&config_map(&namespace, "a", &json!({})));
    apply(&kubectl, &config_map(&namespace, "a", &json!({"kept": "1", "dropped": "2"})), REAL).await.expect("applied");
    // kubectl writes by Update, and keeps what it applied in an annotation.
    let live = cluster.get(&object).await.expect("an answer").expect("the object");
    let mut entries = live["metadata"]["managedFields"].clone();
    entries[0]["operation"] = json!("Update");
    let as_kubectl = json!([{"op": "replace", "path": "/metadata/managedFields", "value": entries}]);
    let live = cluster.patch_json(&object, &as_kubectl, false).await.expect("patched");

    let ours = config_map(&namespace, "a", &json!({"kept": "1"}));
    let without = apply(&cluster, &ours, DRY).await.expect("accepted");
    assert_eq!(without["data"], json!({"kept": "1", "dropped": "2"}), "an apply alone leaves it there");
    let patch = adoption_patch(&live, "driftless").expect("an adoption");
    cluster.patch_json(&object, &patch, false).await.expect("adopted");
    let with = apply(&cluster, &ours, REAL).await.expect("applied");
    assert_eq!(with["data"], json!({"kept": "1"}));
    let again = cluster.patch_json(&object, &patch, false).await.expect_err("the object has changed since");
    assert!(again.class().is_retry(), "{again}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_a_retry_and_a_missing_file_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("kubeconfig");
    let missing =
        Cluster::connect(ClusterConfig::new(ClusterName::new("none"), Some(path.clone()))).await.expect_err("no file");
    assert!(!missing.class().is_retry(), "{missing}");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: \
                [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\n";
    std::fs::write(&path, text).expect("written");
    let cluster = Cluster::connect(ClusterConfig::new(ClusterName::new("none"), Some(path))).await.expect("a cluster");
    let error = cluster.discovery().await.expect_err("nobody answers");
    assert!(error.class().is_retry() && matches!(error, ClusterError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_deployments_metadata_has_a_generation() {
    let (cluster, namespace) = (connect().await, cluster::namespace("generation").await);
    let applied = apply(&cluster, &deployment(&namespace, "web"), REAL).await.expect("applied");
    assert_eq!(PartialMeta::of(&applied).expect("metadata").generation, Some(1));
}
