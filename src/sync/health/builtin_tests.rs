//! The kinds that Kubernetes itself has, and what holds for every kind.

use serde_json::{Value, json};

use super::rules_tests::{check, one};
use super::status::of;

/// H6 to H9: the built-in kinds.
#[test]
fn built_in_kinds_wait_for_what_they_are_for() {
    let seen = |mut status: Value| {
        status["observedGeneration"] = json!(3);
        status
    };
    let none = || json!({});
    let quota = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded \
                                                                                                          quota: small"}]);
    let class = |class: Option<&str>| class.map_or_else(|| json!({}), |class| json!({"storageClassName": class}));
    check(vec![
        ("autoscaling/v2/HorizontalPodAutoscaler", "progressing", none(), json!({"desiredReplicas": 0})),
        ("autoscaling/v2/HorizontalPodAutoscaler", "degraded", none(), one("AbleToScale", "False", "FailedGetScale")),
        ("autoscaling/v2/HorizontalPodAutoscaler", "healthy", none(), one("AbleToScale", "True", "SucceededGetScale")),
        ("policy/v1/PodDisruptionBudget", "progressing", none(), none()),
        ("policy/v1/PodDisruptionBudget", "degraded", none(), seen(one("DisruptionAllowed", "False", "SyncFailed"))),
        (
            "policy/v1/PodDisruptionBudget",
            "healthy",
            none(),
            seen(one("DisruptionAllowed", "False", "InsufficientPods")),
        ),
        ("networking.k8s.io/v1/Ingress", "unknown", none(), json!({"loadBalancer": {}})),
        (
            "networking.k8s.io/v1/Ingress",
            "healthy",
            none(),
            json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        ),
        (
            "apps/v1/StatefulSet",
            "progressing",
            json!({"replicas": 1}),
            seen(json!({"replicas": 3, "readyReplicas": 3, "currentRevision": "a", "updateRevision": "a"})),
        ),
        (
            "apps/v1/StatefulSet",
            "progressing",
            json!({"replicas": 0}),
            seen(json!({"replicas": 1, "readyReplicas": 1})),
        ),
        (
            "apps/v1/StatefulSet",
            "progressing",
            json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}}),
            seen(json!({"replicas": 2, "readyReplicas": 2})),
        ),
        ("apps/v1/StatefulSet", "healthy", json!({"replicas": 0}), seen(none())),
        (
            "apps/v1/Deployment",
            "progressing",
            json!({"replicas": 1}),
            seen(json!({"replicas": 4, "updatedReplicas": 4, "availableReplicas": 4})),
        ),
        (
            "apps/v1/Deployment",
            "progressing",
            json!({"replicas": 0}),
            seen(json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})),
        ),
        (
            "apps/v1/ReplicaSet",
            "progressing",
            json!({"replicas": 1}),
            seen(json!({"replicas": 2, "availableReplicas": 2})),
        ),
        (
            "v1/ReplicationController",
            "progressing",
            json!({"replicas": 1}),
            json!({"replicas": 1, "availableReplicas": 1}),
        ),
        (
            "apps/v1/Deployment",
            "degraded",
            json!({"replicas": 2}),
            seen(json!({"replicas": 1, "updatedReplicas": 1, "conditions": quota})),
        ),
        (
            "apps/v1/Deployment",
            "suspended",
            json!({"replicas": 2, "paused": true}),
            seen(one("Progressing", "Unknown", "DeploymentPaused")),
        ),
        ("batch/v1/Job", "suspended", json!({"suspend": true}), one("Suspended", "True", "JobSuspended")),
        ("batch/v1/CronJob", "suspended", json!({"suspend": true}), none()),
        ("batch/v1/CronJob", "healthy", json!({"suspend": false}), none()),
        ("v1/PersistentVolumeClaim", "unknown", class(Some("local-path")), json!({"phase": "Pending"})),
        ("v1/PersistentVolumeClaim", "progressing", class(Some("")), json!({"phase": "Pending"})),
        ("v1/PersistentVolumeClaim", "progressing", class(None), json!({"phase": "Pending"})),
        (
            "v1/PersistentVolumeClaim",
            "progressing",
            json!({"storageClassName": "nfs", "volumeName": "pv-7"}),
            json!({"phase": "Pending"}),
        ),
    ]);
}

/// H8: the refusal of the pods is in the message.
#[test]
fn a_quota_is_named() {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "generation": 1},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "pods \"x-1\" is \
                                                                                               forbidden: exceeded \
                                                                                               quota: small"}]}});
    assert_eq!(
        of(&object).message(),
        "0 of 2 replicas are updated; its pods cannot be created (FailedCreate: pods \"x-1\" is forbidden: exceeded \
         quota: small)"
    );
}

/// H9: a claim of which the provisioning has begun is waited for.
#[test]
fn a_claim_that_is_being_provisioned_is_waited_for() {
    for begun in ["volume.kubernetes.io/storage-provisioner", "volume.kubernetes.io/selected-node"] {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "x",
            "annotations": {begun: "n"}},
            "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
        assert_eq!(of(&claim).word(), "progressing", "{begun}");
    }
}

/// B14: whatever its status says, a dying object is not healthy.
#[test]
fn what_is_being_deleted_is_not_healthy_whatever_its_kind() {
    for (api_version, kind) in
        [("v1", "ConfigMap"), ("rbac.authorization.k8s.io/v1", "Role"), ("example.test/v1", "Widget")]
    {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x",
            "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"suspend": true}, "status": {"phase": "Ready"}});
        let health = of(&object);
        assert!(!health.is_settled() && health.word() == "progressing", "{kind}: {health:?}");
    }
}
