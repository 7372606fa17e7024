//! What a pull request does not change and what is in its way all the same.

use driftless::plan::{Action, Change, Verdict};
use driftless::reconcile::ChangePlan;
use serde_json::{Value, json};

use super::Fixture;
use crate::support::policy;

fn map(name: &str, value: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

/// A name that no object may have.
fn wrong(name: &str) -> Value {
    map(&format!("{name}_"), &json!("1"))
}

fn rejected(plan: &ChangePlan) -> Vec<String> {
    let refused = plan.changes.changes.iter().filter(|change| change.is_rejected());
    refused.map(|change| change.key.name.clone()).collect()
}

fn one<'a>(plan: &'a ChangePlan, name: &str) -> &'a Change {
    plan.changes.changes.iter().find(|change| change.key.name == name).expect("planned")
}

/// X16+: what the server refuses on the base holds up what is merged beside it: the change is refused with it, and not
/// where it mends that or does nothing.
#[tokio::test]
async fn what_is_refused_on_the_base_is_refused_beside_each_change() {
    let mut app = Fixture::new("plan-blocked").await;
    app.sync(&[map("a", &json!("1"))]).await;
    let base = [map("a", &json!("1")), wrong("b"), map("new", &json!("1"))];
    let beside = app.change(&base, &[map("a", &json!("2")), wrong("b"), map("new", &json!("1"))]).await;
    assert_eq!(rejected(&beside), ["b_"]);
    let refused = one(&beside, "b_");
    assert!(refused.notes.iter().any(|note| note.contains("rejected on the base as well")), "{:?}", refused.notes);
    assert!(refused.before.is_none() && refused.after.is_none(), "nothing of it changes");
    assert_eq!((one(&beside, "a").action, &one(&beside, "a").verdict), (Action::Update, &Verdict::Accepted));
    let mended = app.change(&base, &[map("a", &json!("2")), map("new", &json!("1"))]).await;
    assert_eq!(rejected(&mended), [] as [&str; 0]);
    let nothing = app.change(&base, &base).await;
    assert_eq!(nothing.changes.changes.len(), 0);
}

/// X16+: what is refused together on the base is refused beside each change as well, also where the change touches it
/// without mending it.
#[tokio::test]
async fn rivals_of_the_base_are_refused_until_one_of_them_is_changed() {
    let app = Fixture::new("plan-rivals").await;
    let service = |name: &str, port: u32, label: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {
            "type": "NodePort", "selector": {"app": label}, "ports": [{"port": 80, "nodePort": port}]}})
    };
    let base = [service("n1", 30_761, "a"), service("n2", 30_761, "a")];
    let touched = app.change(&base, &[service("n1", 30_761, "b"), service("n2", 30_761, "b")]).await;
    assert_eq!(rejected(&touched), ["n1", "n2"]);
    let Verdict::Rejected { message, .. } = &one(&touched, "n1").verdict else { panic!("{touched:?}") };
    assert!(message.contains("node port 30761"), "{message}");
    let beside = app.change(&base, &[base[0].clone(), base[1].clone(), map("a", &json!("1"))]).await;
    assert_eq!(rejected(&beside), ["n1", "n2"]);
    let mended = app.change(&base, &[service("n1", 30_761, "b"), service("n2", 30_762, "b")]).await;
    assert_eq!(rejected(&mended), [] as [&str; 0]);
}

/// X16+: what is refused on the base for what the change brings is taken with it.
#[tokio::test]
async fn what_the_change_brings_is_not_missing() {
    let mut app = Fixture::new("plan-brings").await;
    app.allow = serde_json::from_value(json!({"clusters": ["*"], "namespaces": ["*"],
        "clusterScoped": [{"kind": "*"}]}))
    .expect("grants");
    let inner = format!("{}-inner", app.namespace);
    let mut inside = map("a", &json!("1"));
    inside["metadata"]["namespace"] = json!(inner);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": inner}});
    let beside = app.change(std::slice::from_ref(&inside), &[inside.clone(), map("b", &json!("1"))]).await;
    assert_eq!(rejected(&beside), ["a"], "nobody brings its namespace");
    let brought = app.change(std::slice::from_ref(&inside), &[inside.clone(), namespace]).await;
    assert_eq!(rejected(&brought), [] as [&str; 0]);
}

/// X16+: what is applied and refused since, as a policy came or somebody has changed it, is left as it is by a sync of
/// something else, and fails no gate.
#[tokio::test]
async fn what_is_applied_and_refused_since_holds_up_nothing() {
    let mut app = Fixture::new("plan-since").await;
    let old = map("legacy", &json!("1"));
    app.sync(std::slice::from_ref(&old)).await;
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "legacy-probe"}});
    let counts = async || policy::is_denied(&app.namespace, &probe).await;
    policy::deny(&app.namespace, "*", "!object.metadata.name.startsWith('legacy')", "no more of these", counts).await;
    let beside = app.change(std::slice::from_ref(&old), &[old.clone(), map("b", &json!("1"))]).await;
    assert_eq!(rejected(&beside), [] as [&str; 0]);
}

/// C3+: one app renders one object under two groups: the second one is refused, with both files.
#[tokio::test]
async fn one_object_under_two_groups_is_rendered_twice() {
    let app = Fixture::new("plan-twins").await;
    let regarding = json!({"kind": "Namespace", "name": app.namespace, "namespace": app.namespace});
    let time = "2026-01-01T00:00:00.000000Z";
    let old = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": regarding,
        "eventTime": time, "reason": "Made", "action": "Make", "message": "one", "type": "Normal",
        "reportingComponent": "example.test/x", "reportingInstance": "x"});
    let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "regarding": regarding, "eventTime": time, "reason": "Made", "action": "Make", "note": "one",
        "type": "Normal", "reportingController": "example.test/x", "reportingInstance": "x"});
    let plan = app.plan(&[old.clone(), new.clone()]).await;
    let refused: Vec<_> = plan.changes.iter().filter(|change| change.is_rejected()).collect();
    let [Change { verdict: Verdict::Rejected { message, .. }, .. }] = refused.as_slice() else { panic!("{plan:?}") };
    let said = message.replace(&app.namespace, "NS");
    insta::assert_snapshot!(said, @"Event NS/e of the group events.k8s.io is the same object as Event NS/e of the core group, and both are rendered: by web.yaml and by web.yaml. Remove one of them.");
    let change = app.change(std::slice::from_ref(&old), &[old.clone(), new.clone()]).await;
    assert_eq!(rejected(&change), ["e"]);
    // Kinds that are called the same and are not the same have nothing to do with each other.
    let mut other = new;
    other["metadata"]["name"] = json!("other");
    assert!(!app.plan(&[old, other]).await.changes.iter().any(Change::is_rejected));
}
