use serde_json::{Value, json};

use super::degree::Health;
use super::status::{never_waits, of, waits};

fn progress(text: &str) -> Health {
    Health::Progressing(text.to_owned())
}

fn failed(text: &str) -> Health {
    Health::Failed(text.to_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "fixtures read better as values")]
fn with(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": 2}, "spec": spec,
        "status": status})
}

fn deployment(status: Value) -> Value {
    with("apps/v1", "Deployment", json!({"replicas": 3}), status)
}

#[test]
fn a_status_of_an_older_generation_says_nothing() {
    let healthy = json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
    assert_eq!(of(&deployment(healthy)), progress("its controller has not seen generation 2 yet"));
    assert_eq!(of(&deployment(json!({}))), progress("its controller has not seen generation 2 yet"));
    let custom = with(
        "example.test/v1",
        "Thing",
        json!({}),
        json!({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}),
    );
    assert_eq!(of(&custom), progress("its controller has not seen generation 2 yet"));
}

#[test]
fn what_is_being_deleted_is_terminating_and_says_for_what_it_waits() {
    let mut dying = deployment(json!({"observedGeneration": 2}));
    dying["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(of(&dying), Health::Terminating("is being deleted since 2026-01-01T00:00:00Z".to_owned()));
    dying["metadata"]["finalizers"] = json!(["example.test/clean"]);
    assert_eq!(of(&dying).message(), "is being deleted since 2026-01-01T00:00:00Z, and waits for example.test/clean");
}

#[test]
fn a_deployment_is_current_when_all_replicas_are_updated_and_available() {
    let status = |replicas: i64, updated: i64, available: i64| {
        deployment(json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available}))
    };
    assert_eq!(of(&status(3, 3, 3)), Health::Healthy);
    assert_eq!(of(&status(3, 1, 3)), progress("1 of 3 replicas are updated"));
    assert_eq!(of(&status(4, 3, 3)), progress("1 old replicas are still there"));
    assert_eq!(of(&status(3, 3, 2)), progress("2 of 3 replicas are available"));
    let stuck = json!({"observedGeneration": 2, "conditions": [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "ReplicaSet \"web-1\" has timed out progressing."}]});
    assert_eq!(
        of(&deployment(stuck)),
        failed("it makes no progress (ProgressDeadlineExceeded: ReplicaSet \"web-1\" has timed out progressing.)")
    );
    let none = with("apps/v1", "Deployment", json!({"replicas": 0}), json!({"observedGeneration": 2}));
    assert_eq!(of(&none), Health::Healthy);
}

#[test]
fn a_stateful_set_is_current_when_ready_at_one_revision() {
    let set = |spec: Value, status: Value| with("apps/v1", "StatefulSet", spec, status);
    let at = |current: &str, ready: i64| {
        json!({"observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": 1,
        "currentRevision": current, "updateRevision": "b"})
    };
    assert_eq!(of(&set(json!({"replicas": 2}), at("b", 2))), Health::Healthy);
    assert_eq!(of(&set(json!({"replicas": 2}), at("b", 1))), progress("1 of 2 replicas are ready"));
    assert_eq!(of(&set(json!({"replicas": 2}), at("a", 2))), progress("1 of 2 replicas are at the new revision"));
    let by_hand = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
    assert_eq!(of(&set(by_hand, at("a", 2))), Health::Healthy);
    let partition =
        |n: i64| json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": n}}});
    assert_eq!(of(&set(partition(1), at("a", 2))), Health::Healthy);
    assert_eq!(
        of(&set(json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 1}}}), at("a", 3))),
        progress("1 of 2 replicas are updated")
    );
}

#[test]
fn a_daemon_set_is_current_when_all_nodes_have_the_new_pod() {
    let set = |updated: i64, available: i64| {
        let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
            "updatedNumberScheduled": updated, "numberAvailable": available});
        with("apps/v1", "DaemonSet", json!({}), status)
    };
    assert_eq!(of(&set(2, 2)), Health::Healthy);
    assert_eq!(of(&set(1, 2)), progress("1 of 2 pods are updated"));
    assert_eq!(of(&set(2, 0)), progress("0 of 2 pods are available"));
}

#[test]
fn a_job_completes_or_fails() {
    let job = |spec: Value, status: Value| with("batch/v1", "Job", spec, status);
    let ended = |name: &str| json!({"conditions": [{"type": name, "status": "True", "reason": "R", "message": "m"}]});
    assert_eq!(of(&job(json!({}), ended("Complete"))), Health::Healthy);
    assert_eq!(of(&job(json!({}), ended("Failed"))), failed("it failed (R: m)"));
    assert_eq!(
        of(&job(json!({}), json!({"active": 1}))),
        progress("it has not completed yet: 1 pods run, 0 have succeeded")
    );
    assert_eq!(of(&job(json!({"suspend": true}), json!({}))), Health::Suspended("it is suspended".to_owned()));
    assert_eq!(of(&job(json!({"suspend": true}), ended("Complete"))), Health::Healthy, "it had ended before");
}

#[test]
fn a_pod_is_ready_or_says_what_it_waits_for() {
    let pod = |status: Value| with("v1", "Pod", json!({}), status);
    assert_eq!(
        of(&pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}))),
        Health::Healthy
    );
    assert_eq!(of(&pod(json!({"phase": "Succeeded"}))), Health::Healthy);
    assert_eq!(of(&pod(json!({"phase": "Failed", "message": "Evicted"}))), failed("Evicted"));
    assert_eq!(of(&pod(json!({}))), progress("it is Pending"));
    let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/1 nodes"}]});
    assert_eq!(of(&pod(unscheduled)), progress("it has no node (Unschedulable: 0/1 nodes)"));
    for reason in ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull"] {
        let waiting = json!({"phase": "Running", "containerStatuses": [{"name": "web",
            "state": {"waiting": {"reason": reason}}}]});
        assert_eq!(of(&pod(waiting)), failed(&format!("container web: {reason}")));
    }
}

#[test]
fn claims_services_namespaces_and_definitions_by_their_own_fields() {
    let claim = |phase: &str| with("v1", "PersistentVolumeClaim", json!({}), json!({"phase": phase}));
    assert_eq!(of(&claim("Bound")), Health::Healthy);
    assert_eq!(of(&claim("Pending")), progress("it is not bound to a volume yet"));
    assert_eq!(of(&claim("Lost")), failed("its volume is lost"));
    let balanced = |status: Value| with("v1", "Service", json!({"type": "LoadBalancer"}), status);
    assert_eq!(of(&balanced(json!({"loadBalancer": {}}))), progress("its load balancer has no address yet"));
    assert_eq!(of(&balanced(json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}))), Health::Healthy);
    assert_eq!(of(&with("v1", "Service", json!({"type": "ClusterIP"}), json!({}))), Health::Healthy);
    assert_eq!(of(&with("v1", "Namespace", json!({}), json!({"phase": "Active"}))), Health::Healthy);
    let definition = |kind: &str, status: &str| {
        with(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({"conditions": [{"type": kind, "status": status, "reason": "R"}]}),
        )
    };
    assert_eq!(of(&definition("Established", "True")), Health::Healthy);
    assert_eq!(of(&definition("Established", "False")), progress("it is not Established (R)"));
    assert_eq!(of(&definition("NamesAccepted", "False")), failed("its names are not accepted (R)"));
}

#[test]
fn other_kinds_by_their_conditions_and_unknown_without_any() {
    let thing = |name: &str, status: &str| {
        with(
            "example.test/v1",
            "Thing",
            json!({}),
            json!({"conditions": [{"type": name, "status": status, "reason": "R", "message": "m"}]}),
        )
    };
    let silent = Health::Unknown("its controller has reported no status".to_owned());
    assert_eq!(of(&with("example.test/v1", "Thing", json!({}), json!({}))), silent);
    assert_eq!(of(&with("example.test/v1", "Thing", json!({}), json!({"conditions": [], "parents": []}))), silent);
    assert_eq!(
        of(&thing("Frobbed", "True")),
        Health::Unknown("Driftless cannot determine the health of this kind".to_owned())
    );
    assert_eq!(of(&thing("Ready", "True")), Health::Healthy);
    assert_eq!(of(&thing("Ready", "False")), progress("it is not ready (R: m)"));
    assert_eq!(of(&thing("Ready", "Unknown")), progress("it is not ready (R: m)"));
    assert_eq!(of(&thing("Reconciling", "True")), progress("it is being reconciled (R: m)"));
    assert_eq!(of(&thing("Stalled", "True")), failed("it is stalled (R: m)"));
}

#[test]
fn only_kinds_with_a_health_are_waited_for() {
    assert!(never_waits("", "ConfigMap"));
    assert!(!never_waits("", "Pod"));
    assert!(!waits(&json!({"apiVersion": "v1", "kind": "Service", "spec": {}})));
    assert!(waits(&json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"}})));
    assert!(waits(&json!({"apiVersion": "apps/v1", "kind": "Deployment"})));
    assert!(waits(&json!({"apiVersion": "example.test/v1", "kind": "Thing"})));
    assert!(waits(&json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"})));
    assert!(!waits(&json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"})));
    assert!(waits(&json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"})));
    assert!(waits(&json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"})));
    assert!(!waits(&json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"suspend": false}})));
    assert!(waits(&json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"suspend": true}})));
}

#[test]
fn odd_shapes_are_no_panic() {
    for odd in [
        json!(null),
        json!([]),
        json!({}),
        json!({"apiVersion": 1, "kind": "Pod", "status": []}),
        with("apps/v1", "Deployment", json!(7), json!("x")),
    ] {
        let _ = of(&odd);
    }
    let long = "é".repeat(1000);
    let pod = with("v1", "Pod", json!({}), json!({"phase": "Failed", "message": long}));
    assert_eq!(of(&pod).message().chars().count(), 301);
}
