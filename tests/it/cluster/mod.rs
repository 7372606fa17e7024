//! The cluster module against a real API server: each answer that an apply can get, discovery, lists, watches and
//! deletes.

pub mod answers;
mod busy;
mod objects;

use driftless::cluster::{ApplyError, ApplyMode, Cluster, ClusterConfig};
use driftless::ids::ClusterName;
use driftless::manifest::ObjectKey;
use serde_json::{Value, json};

use crate::support::cluster;

pub const DRY: ApplyMode = ApplyMode { dry_run: true, force: false };
pub const REAL: ApplyMode = ApplyMode { dry_run: false, force: false };

/// The shared control plane as the administrator.
pub async fn connect() -> Cluster {
    connect_as("driftless").await
}

/// The same under another field manager.
pub async fn connect_as(manager: &str) -> Cluster {
    let kubeconfig = cluster::control_plane().await.kubeconfig().to_owned();
    let config = ClusterConfig {
        field_manager: manager.to_owned(),
        ..ClusterConfig::new(ClusterName::new("test"), Some(kubeconfig))
    };
    Cluster::connect(config).await.expect("a cluster")
}

pub fn key(object: &Value) -> ObjectKey {
    ObjectKey::of(object).expect("a name")
}

pub async fn apply(cluster: &Cluster, object: &Value, mode: ApplyMode) -> Result<Value, ApplyError> {
    cluster.apply(&key(object), object, mode).await.map(|applied| applied.object)
}

pub fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data})
}

pub fn secret(namespace: &str, name: &str, extra: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}});
    for (field, value) in extra.as_object().expect("fields") {
        object[field] = value.clone();
    }
    object
}

pub fn deployment(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": "example.test/web:1",
                "resources": {"requests": {"cpu": "0.5"}}}]},
            },
        },
    })
}
