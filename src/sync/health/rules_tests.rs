//! The rules by objects of kinds that many clusters have, with statuses as their documentation describes them.

use serde_json::{Value, json};

use super::status::of;

/// `API VERSION/KIND`, the word for its health, and spec and status. Generation 3 everywhere.
type Case = (&'static str, &'static str, Value, Value);

fn ready(status: &str, reason: &str) -> Value {
    one("Ready", status, reason)
}

pub(super) fn one(kind: &str, status: &str, reason: &str) -> Value {
    json!({"conditions": [{"type": kind, "status": status, "reason": reason}]})
}

pub(super) fn check(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (kind, word, spec, status) in cases {
        let (api_version, name) = kind.rsplit_once('/').expect("a version and a kind");
        let object = json!({"apiVersion": api_version, "kind": name, "metadata": {"name": "x", "generation": 3},
            "spec": spec, "status": status});
        let health = of(&object);
        if health.word() != word {
            wrong.push(format!("{kind} {status}: {} ({}), and {word} is right", health.word(), health.message()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// H1: before a controller has said anything, nothing is healthy.
#[test]
fn what_nobody_has_looked_at_is_not_healthy() {
    let none = || (json!({}), json!(null));
    let kinds = [
        "argoproj.io/v1alpha1/Rollout",
        "argoproj.io/v1alpha1/Application",
        "flagger.app/v1beta1/Canary",
        "cert-manager.io/v1/Certificate",
        "gateway.networking.k8s.io/v1/Gateway",
        "gateway.networking.k8s.io/v1/HTTPRoute",
        "external-secrets.io/v1/ExternalSecret",
        "serving.knative.dev/v1/Service",
        "keda.sh/v1alpha1/ScaledObject",
        "kafka.strimzi.io/v1beta2/Kafka",
        "kustomize.toolkit.fluxcd.io/v1/Kustomization",
        "postgresql.cnpg.io/v1/Cluster",
        "monitoring.coreos.com/v1/ServiceMonitor",
        "s3.aws.upbound.io/v1beta1/Bucket",
    ];
    check(kinds.into_iter().map(|kind| (kind, "unknown", none().0, none().1)).collect());
    let empty = json!({"conditions": [], "parents": [], "components": {}});
    check(vec![
        ("gateway.networking.k8s.io/v1/HTTPRoute", "unknown", json!({}), empty),
        // A status that says nothing about health.
        (
            "example.test/v1/Widget",
            "unknown",
            json!({}),
            json!({"color": "green", "conditions": [{"type": "Painted", "status": "True"}]}),
        ),
        // One that has seen this generation and complains of nothing.
        ("example.test/v1/Widget", "healthy", json!({}), json!({"observedGeneration": 3})),
    ]);
}

/// H2, H3, B13: what was said of an older generation is not about this one, whether it is a number, text or beside a
/// condition.
#[test]
fn what_is_said_of_an_older_generation_does_not_count() {
    let healthy = |observed: Value| json!({"observedGeneration": observed, "phase": "Healthy"});
    let dated = |kind: &str, observed: i64| {
        json!({"conditions": [{"type": kind, "status": "True",
        "observedGeneration": observed}]})
    };
    let in_part = |list: &str, observed: i64| json!({list: [dated("Accepted", observed)]});
    check(vec![
        ("argoproj.io/v1alpha1/Rollout", "progressing", json!({}), healthy(json!("2"))),
        ("argoproj.io/v1alpha1/Rollout", "healthy", json!({}), healthy(json!("3"))),
        ("argoproj.io/v1alpha1/Rollout", "healthy", json!({}), healthy(json!("6b8f4d9c7"))),
        ("kafka.strimzi.io/v1beta2/KafkaTopic", "progressing", json!({}), healthy(json!(-1))),
        ("kafka.strimzi.io/v1beta2/KafkaTopic", "progressing", json!({}), healthy(json!("-1"))),
        ("kustomize.toolkit.fluxcd.io/v1/Kustomization", "progressing", json!({}), healthy(json!(2))),
        ("cert-manager.io/v1/Certificate", "progressing", json!({}), dated("Ready", 2)),
        ("cert-manager.io/v1/Certificate", "healthy", json!({}), dated("Ready", 3)),
        ("gateway.networking.k8s.io/v1/Gateway", "progressing", json!({}), dated("Programmed", 1)),
        ("gateway.networking.k8s.io/v1/HTTPRoute", "progressing", json!({}), in_part("parents", 2)),
        ("gateway.networking.k8s.io/v1/BackendTLSPolicy", "progressing", json!({}), in_part("ancestors", 2)),
        ("gateway.networking.k8s.io/v1/HTTPRoute", "healthy", json!({}), in_part("parents", 3)),
        // An old complaint is no complaint about this generation either.
        (
            "example.test/v1/Widget",
            "progressing",
            json!({}),
            json!({"conditions": [{"type": "Stalled", "status": "True", "observedGeneration": 2}]}),
        ),
        // What says nothing about health may be as old as it likes.
        (
            "example.test/v1/Widget",
            "healthy",
            json!({}),
            json!({"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}, {"type": "Painted",
                "status": "True", "observedGeneration": 1}]}),
        ),
    ]);
}

/// H4: a phase or state says what it says.
#[test]
fn a_phase_is_understood() {
    let phase = |word: &str| json!({"phase": word});
    let state = |word: &str| json!({"state": word});
    let none = || json!({});
    check(vec![
        ("argoproj.io/v1alpha1/Rollout", "progressing", none(), phase("Progressing")),
        (
            "argoproj.io/v1alpha1/Rollout",
            "degraded",
            none(),
            json!({"phase": "Degraded", "message": "ProgressDeadlineExceeded: timed out"}),
        ),
        ("argoproj.io/v1alpha1/Rollout", "suspended", none(), json!({"phase": "Paused", "message": "CanaryPauseStep"})),
        ("argoproj.io/v1alpha1/Workflow", "progressing", none(), phase("Running")),
        ("argoproj.io/v1alpha1/Workflow", "healthy", none(), phase("Succeeded")),
        ("argoproj.io/v1alpha1/Workflow", "degraded", none(), phase("Failed")),
        (
            "argoproj.io/v1alpha1/Application",
            "degraded",
            none(),
            json!({"health": {"status": "Degraded"}, "sync": {"status": "Synced"}}),
        ),
        ("argoproj.io/v1alpha1/Application", "healthy", none(), json!({"health": {"status": "Healthy"}})),
        ("flagger.app/v1beta1/Canary", "progressing", none(), phase("WaitingPromotion")),
        ("flagger.app/v1beta1/Canary", "healthy", none(), phase("Initialized")),
        ("flagger.app/v1beta1/Canary", "degraded", none(), phase("Failed")),
        ("velero.io/v1/Backup", "degraded", none(), phase("PartiallyFailed")),
        ("velero.io/v1/Backup", "degraded", none(), phase("FailedValidation")),
        ("velero.io/v1/Backup", "progressing", none(), phase("InProgress")),
        ("velero.io/v1/BackupStorageLocation", "degraded", none(), phase("Unavailable")),
        ("cluster.x-k8s.io/v1beta1/Machine", "progressing", none(), phase("Provisioning")),
        ("cluster.x-k8s.io/v1beta1/Machine", "healthy", none(), phase("Running")),
        (
            "ceph.rook.io/v1/CephCluster",
            "progressing",
            none(),
            json!({"phase": "Progressing", "message": "Configuring the cluster"}),
        ),
        ("acme.cert-manager.io/v1/Order", "degraded", none(), state("errored")),
        ("acme.cert-manager.io/v1/Order", "progressing", none(), state("pending")),
        ("acme.cert-manager.io/v1/Order", "healthy", none(), state("valid")),
        (
            "elasticsearch.k8s.elastic.co/v1/Elasticsearch",
            "degraded",
            none(),
            json!({"health": "red", "phase": "Ready"}),
        ),
        (
            "elasticsearch.k8s.elastic.co/v1/Elasticsearch",
            "progressing",
            none(),
            json!({"health": "green", "phase": "ApplyingChanges"}),
        ),
        // A word that nobody here knows.
        ("postgresql.cnpg.io/v1/Cluster", "unknown", none(), phase("Cluster in a state of its own")),
    ]);
}

/// H5: conditions of either polarity, wherever they stand.
#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn conditions_are_understood_in_both_polarities() {
    let none = || json!({});
    let parent = |kind: &str, status: &str, reason: &str| {
        json!({"parents": [{"parentRef": {"name": "edge"},
        "conditions": [{"type": kind, "status": status, "reason": reason}]}]})
    };
    let two = |a: Value, b: Value| json!({"conditions": [a["conditions"][0].clone(), b["conditions"][0].clone()]});
    check(vec![
        ("cert-manager.io/v1/Certificate", "progressing", none(), ready("False", "DoesNotExist")),
        ("cert-manager.io/v1/ClusterIssuer", "degraded", none(), ready("False", "ErrRegisterACMEAccountFailed")),
        ("cert-manager.io/v1/CertificateRequest", "degraded", none(), one("Denied", "True", "PolicyViolation")),
        ("external-secrets.io/v1/ExternalSecret", "degraded", none(), ready("False", "SecretSyncedError")),
        ("external-secrets.io/v1/ExternalSecret", "healthy", none(), ready("True", "SecretSynced")),
        ("bitnami.com/v1alpha1/SealedSecret", "degraded", none(), one("Synced", "False", "")),
        ("bitnami.com/v1alpha1/SealedSecret", "healthy", none(), one("Synced", "True", "")),
        (
            "s3.aws.upbound.io/v1beta1/Bucket",
            "progressing",
            none(),
            two(ready("False", "Creating"), one("Synced", "True", "ReconcileSuccess")),
        ),
        (
            "s3.aws.upbound.io/v1beta1/Bucket",
            "degraded",
            none(),
            two(ready("True", "Available"), one("Synced", "False", "ReconcileError")),
        ),
        (
            "s3.aws.upbound.io/v1beta1/Bucket",
            "healthy",
            none(),
            two(ready("True", "Available"), one("Synced", "True", "ReconcileSuccess")),
        ),
        ("serving.knative.dev/v1/Service", "progressing", none(), ready("Unknown", "")),
        ("serving.knative.dev/v1/Service", "degraded", none(), ready("False", "RevisionFailed")),
        ("tekton.dev/v1/PipelineRun", "progressing", none(), one("Succeeded", "Unknown", "Running")),
        ("tekton.dev/v1/PipelineRun", "degraded", none(), one("Succeeded", "False", "Failed")),
        ("kafka.strimzi.io/v1beta2/Kafka", "progressing", none(), one("NotReady", "True", "Creating")),
        ("kafka.strimzi.io/v1beta2/Kafka", "degraded", none(), one("NotReady", "True", "InvalidResourceException")),
        (
            "keda.sh/v1alpha1/ScaledObject",
            "healthy",
            none(),
            two(ready("True", "ScaledObjectReady"), one("Active", "False", "ScalerNotActive")),
        ),
        (
            "keda.sh/v1alpha1/ScaledObject",
            "suspended",
            none(),
            two(ready("True", "ScaledObjectReady"), one("Paused", "True", "ScaledObjectPaused")),
        ),
        (
            "config.openshift.io/v1/ClusterOperator",
            "degraded",
            none(),
            two(one("Available", "True", ""), one("Degraded", "True", "Sync")),
        ),
        (
            "config.openshift.io/v1/ClusterOperator",
            "progressing",
            none(),
            two(one("Available", "False", "Rolling"), one("Degraded", "False", "")),
        ),
        ("example.test/v1/Widget", "degraded", none(), one("Failed", "True", "Boom")),
        ("gateway.networking.k8s.io/v1/Gateway", "progressing", none(), one("Programmed", "False", "Pending")),
        ("gateway.networking.k8s.io/v1/Gateway", "degraded", none(), one("Programmed", "False", "Invalid")),
        ("gateway.networking.k8s.io/v1/HTTPRoute", "degraded", none(), parent("Accepted", "False", "NoMatchingParent")),
        (
            "gateway.networking.k8s.io/v1/HTTPRoute",
            "degraded",
            none(),
            parent("ResolvedRefs", "False", "BackendNotFound"),
        ),
        ("gateway.networking.k8s.io/v1/HTTPRoute", "healthy", none(), parent("Accepted", "True", "Accepted")),
        (
            "gateway.networking.k8s.io/v1/BackendTLSPolicy",
            "degraded",
            none(),
            json!({"ancestors": [{"ancestorRef": {"name": "edge"}, "conditions": [{"type": "Accepted",
                "status": "False", "reason": "Conflicted"}]}]}),
        ),
        (
            "gateway.networking.k8s.io/v1/Gateway",
            "degraded",
            none(),
            json!({"conditions": [{"type": "Programmed", "status": "True"}], "listeners": [{"name": "web",
                "conditions": [{"type": "ResolvedRefs", "status": "False", "reason": "InvalidCertificateRef"}]}]}),
        ),
        (
            "kustomize.toolkit.fluxcd.io/v1/Kustomization",
            "suspended",
            json!({"suspend": true}),
            ready("False", "BuildFailed"),
        ),
        (
            "helm.toolkit.fluxcd.io/v2/HelmRelease",
            "degraded",
            none(),
            two(ready("False", "InstallFailed"), one("Stalled", "True", "RetriesExceeded")),
        ),
        (
            "helm.toolkit.fluxcd.io/v2/HelmRelease",
            "progressing",
            none(),
            two(ready("Unknown", "Progressing"), one("Reconciling", "True", "Progressing")),
        ),
    ]);
}
