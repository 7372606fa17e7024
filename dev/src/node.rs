//! The one node of the control plane: made by us, kept ready by KWOK.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::access::{Access, AccessError};

/// Its name; nothing depends on it.
const NAME: &str = "driftless-node";

/// Between two looks at whether it is ready.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why there is no ready node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("the API server did not answer about the node {NAME}")]
    Request(#[source] reqwest::Error),
    #[error("the API server refused the node {NAME}: {status} {answer}")]
    Refused { status: StatusCode, answer: String },
    #[error("the node {NAME} was not ready within {0:?}")]
    Late(Duration),
}

/// Creates the node; one that is there from an earlier start is kept.
pub(super) async fn create(access: &Access) -> Result<(), NodeError> {
    let answer = access
        .client()?
        .post(format!("{}/api/v1/nodes", access.server))
        .bearer_auth(access.token.expose_secret())
        .json(&manifest())
        .send()
        .await
        .map_err(NodeError::Request)?;
    match answer.status() {
        status if status.is_success() || status == StatusCode::CONFLICT => Ok(()),
        status => Err(NodeError::Refused { status, answer: answer.text().await.unwrap_or_default() }),
    }
}

/// Waits until its condition `Ready` holds.
pub(super) async fn wait_until_ready(access: &Access, limit: Duration) -> Result<(), NodeError> {
    let client = access.client()?;
    let ready = async {
        loop {
            let answer = client
                .get(format!("{}/api/v1/nodes/{NAME}", access.server))
                .bearer_auth(access.token.expose_secret())
                .send()
                .await
                .map_err(NodeError::Request)?;
            let node: Value = answer.json().await.map_err(NodeError::Request)?;
            if is_ready(&node) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(limit, ready).await.map_err(|_| NodeError::Late(limit))?
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    // The controllers take the taint of a new node away; until then nothing is scheduled to it.
    ready && node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
}

fn manifest() -> Value {
    let capacity = json!({ "cpu": "1000", "memory": "4Ti", "ephemeral-storage": "16Ti", "pods": "100000" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": NAME,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "pretended",
            },
        },
        "status": { "allocatable": capacity, "capacity": capacity },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_only_without_taints() {
        let condition = json!([{ "type": "Ready", "status": "True" }]);
        assert!(is_ready(&json!({ "status": { "conditions": condition } })));
        assert!(!is_ready(&json!({ "status": { "conditions": condition },
                "spec": { "taints": [{ "key": "node.kubernetes.io/not-ready" }] } })));
        assert!(!is_ready(&json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } })));
        assert!(!is_ready(&json!({})));
    }
}
