use proptest::prelude::*;
use serde_json::json;

use super::super::change::{Action, Verdict};
use super::*;

fn diff(change: &Change) -> ObjectDiff {
    super::diff(change, &Known::default())
}

fn changed(before: Option<Value>, after: Option<Value>) -> Change {
    let any = after.as_ref().or(before.as_ref()).expect("one side");
    let key = ObjectKey::of(any).expect("a name");
    Change { before, after, ..Change::new(key, Action::Update, Verdict::Accepted) }
}

fn deployment(image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": replicas, "resourceVersion": image,
            "labels": {"app": "web", "driftless.dev/app": image}, "annotations": {"driftless.dev/owner": "x"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"name": "web", "image": image, "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"},
                {"name": "B", "value": "2"}]},
            {"name": "side", "image": "busybox"},
        ]}}},
        "status": {"replicas": replicas},
    })
}

#[test]
fn a_change_of_one_value_is_a_change_of_one_line() {
    let diff = diff(&changed(Some(deployment("shop/web:1", 2)), Some(deployment("shop/web:2", 2))));
    assert_eq!(diff.fields, ["spec.template.spec.containers[web].image"]);
    assert_eq!(diff.counts(), (1, 1));
    insta::assert_snapshot!(diff);
}

#[test]
fn our_marks_and_the_servers_own_are_not_shown() {
    let (before, mut after) = (deployment("shop/web:1", 2), deployment("shop/web:1", 2));
    after["metadata"]["labels"]["driftless.dev/app"] = json!("another");
    assert!(diff(&changed(Some(before.clone()), Some(after.clone()))).is_empty());
    assert!(!same(&before, &after), "but they count");
    after = before.clone();
    after["metadata"]["resourceVersion"] = json!("99");
    after["status"]["replicas"] = json!(7);
    assert!(same(&before, &after));
}

#[test]
fn a_new_object_is_all_added_and_a_deleted_one_all_removed() {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    assert_eq!(diff(&changed(None, Some(object.clone()))).counts(), (6, 0));
    assert_eq!(diff(&changed(Some(object), None)).counts(), (0, 6));
}

#[test]
fn a_secret_shows_that_it_changes_and_nothing_more() {
    let secret = |password: &str, last: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "annotations": {LAST_APPLIED: last,
            "team": "storefront"}},
            "data": {"password": password, "user": "c2hvcA=="}})
    };
    let diff = diff(&changed(Some(secret("aHVudGVyMg==", "hunter2")), Some(secret("aHVudGVyMw==", "hunter3"))));
    insta::assert_snapshot!(diff);
    assert_eq!(diff.fields, ["data.password"]);
}

#[test]
fn far_changes_have_a_gap_between_them() {
    let map = |first: &str, last: &str| {
        let mut data: serde_json::Map<String, Value> = (0..20).map(|n| (format!("k{n:02}"), json!("same"))).collect();
        data["k02"] = json!(first);
        data["k16"] = json!(last);
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
    };
    insta::assert_snapshot!(diff(&changed(Some(map("old", "old")), Some(map("new", "new")))));
}

#[test]
fn repetitive_text_does_not_take_long() {
    let map = |odd: usize| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"t": "a\nb\n".repeat(20_000 + odd)}})
    };
    let start = tokio::time::Instant::now();
    assert!(!diff(&changed(Some(map(0)), Some(map(7_000)))).is_empty());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~\\n]{0,8}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z./]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn equal_objects_have_no_diff_and_different_ones_have_one(before in any_value(), after in any_value()) {
        let object = |spec: &Value| json!({"apiVersion": "v1", "kind": "Widget", "metadata": {"name": "a"},
            "spec": spec});
        let (before, after) = (object(&before), object(&after));
        prop_assert!(diff(&changed(Some(before.clone()), Some(before.clone()))).is_empty());
        let diff = diff(&changed(Some(before.clone()), Some(after.clone())));
        prop_assert_eq!(diff.fields.is_empty(), before == after);
        prop_assert_eq!(diff.is_empty(), before == after, "{}", diff);
    }
}
