use jiff::Timestamp;
use serde_json::{Value, json};

use super::fingerprint::{Actor, fingerprint, who_changed};
use crate::cluster::PartialMeta;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().expect("a time")
}

/// A Deployment that we applied, whose controller has written its status and its revision.
fn deployment() -> Value {
    json!({"metadata": {
        "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "10", "generation": 1,
        "labels": {"driftless.dev/app": "x"},
        "annotations": {"deployment.kubernetes.io/revision": "1", "note": "a"},
        "managedFields": [
            {"manager": "driftless", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-11-21T11:00:00Z",
                "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:annotations": {"f:note": {}}}, "f:spec": {"f:replicas": {},
             "f:template": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1",
                "time": "2026-11-21T11:00:01Z",
             "subresource": "status", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
             "f:status": {}}},
        ],
    }})
}

fn config_map(time: &str) -> Value {
    json!({"metadata": {"name": "web", "resourceVersion": "10", "managedFields": [
        {"manager": "driftless", "operation": "Apply", "apiVersion": "v1", "time": time,
            "fieldsV1": {"f:data": {"f:a": {}}}}]}})
}

fn meta(object: &Value) -> PartialMeta {
    PartialMeta::of(object).expect("metadata")
}

fn digest(object: &Value) -> String {
    fingerprint(&meta(object), now()).digest
}

#[test]
fn what_controllers_do_to_the_status_leaves_the_fingerprint_alone() {
    let mut later = deployment();
    later["metadata"]["resourceVersion"] = json!("99");
    later["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    later["metadata"]["managedFields"][1]["time"] = json!("2026-11-21T11:30:00Z");
    later["metadata"]["managedFields"].as_array_mut().expect("a list").reverse();
    assert_eq!(digest(&deployment()), digest(&later));
}

#[test]
fn what_people_do_changes_it() {
    let changed = |pointer: &str, value: Value| {
        let mut object = deployment();
        *object.pointer_mut(pointer).expect("there") = value;
        digest(&object)
    };
    let before = digest(&deployment());
    assert_ne!(before, changed("/metadata/generation", json!(2)));
    assert_ne!(before, changed("/metadata/labels", json!({})));
    assert_ne!(before, changed("/metadata/annotations/note", json!("b")));
    assert_ne!(
        before,
        changed("/metadata/managedFields/0/fieldsV1/f:spec", json!({"f:template": {}})),
        "our entry shrank"
    );
    assert_ne!(before, changed("/metadata/managedFields/0/time", json!("2026-11-21T11:00:02Z")));
    let mut scaled = deployment();
    let entry = json!({"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}}});
    scaled["metadata"]["managedFields"].as_array_mut().expect("a list").push(entry);
    assert_ne!(before, digest(&scaled), "an entry without a time");
}

#[test]
fn parts_can_not_pass_for_one_another() {
    let with = |labels: Value, annotations: Value| {
        digest(&json!({"metadata": {"labels": labels, "annotations": annotations}}))
    };
    assert_ne!(with(json!({"a": "bc"}), json!({})), with(json!({"ab": "c"}), json!({})));
    assert_ne!(with(json!({"a": "b"}), json!({})), with(json!({}), json!({"a": "b"})));
}

#[test]
fn a_young_entry_of_a_kind_without_generation_is_looked_at_again() {
    let settled = |object: &Value| fingerprint(&meta(object), now()).settled;
    assert!(!settled(&config_map("2026-11-21T12:00:00Z")));
    assert!(!settled(&config_map("2026-11-21T11:59:00Z")));
    assert!(!settled(&config_map("2026-11-21T12:30:00Z")), "the cluster's clock is ahead");
    assert!(settled(&config_map("2026-11-21T11:58:59Z")));
    assert!(settled(&deployment()), "a generation shows every change");
}

#[test]
fn the_one_who_changed_a_field_is_the_one_who_owns_it_now() {
    let mut object = deployment();
    let entries = object["metadata"]["managedFields"].as_array_mut().expect("a list");
    entries.push(json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "apps/v1",
        "time": "2026-11-21T11:20:00Z",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}}}));
    entries.push(json!({"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}}}));
    let who = |field: &str| who_changed(&meta(&object), "driftless", field).map(|actor| actor.to_string());
    assert_eq!(who("spec.replicas").as_deref(), Some("kubectl (Update of scale)"));
    assert_eq!(
        who("spec.template.spec.containers[0].image").as_deref(),
        Some("kubectl-edit (Update at 2026-11-21T11:20:00Z)")
    );
    assert_eq!(who("data.a"), None);
    let ours_alone: Option<Actor> = who_changed(&meta(&deployment()), "driftless", "spec.replicas");
    assert_eq!(ours_alone, None);
}
