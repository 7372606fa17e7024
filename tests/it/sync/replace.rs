//! Objects that are deleted and made anew, where their manifest asks for it and a field can not change.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::manifest::ObjectKey;
use driftless::plan::{Action, NotValidated, Verdict};
use driftless::store::inventory::ObjectState;
use driftless::sync::{AllowDestructive, SyncError};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{How, World, config_map, deployment};

fn replaceable(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({"driftless.dev/replace": "true"});
    object
}

fn service(ip: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    if let Some(ip) = ip {
        object["spec"]["clusterIP"] = ip.into();
    }
    object
}

fn job(image: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "web", "image": image}]}}}})
}

fn stateful_set(service: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}, "spec": {
        "serviceName": service, "replicas": 0, "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "web", "image": "example.test/web:1"}]}}}})
}

/// The Deployment with another selector.
fn selected(label: &str) -> Value {
    let mut object = deployment("web", 0);
    object["spec"]["selector"]["matchLabels"]["of"] = label.into();
    object["spec"]["template"]["metadata"]["labels"]["of"] = label.into();
    object
}

async fn uid(world: &World, group: &str, kind: &str) -> Option<Value> {
    Some(world.live(group, kind, "web").await?["metadata"]["uid"].clone())
}

const KINDS: [(&str, &str); 3] = [("", "Service"), ("batch", "Job"), ("apps", "Deployment")];

#[tokio::test]
async fn what_asks_for_it_is_replaced_and_nothing_else() {
    let world = World::new("replaced").await;
    world.sync('a', &[service(None), job("example.test/a:1"), selected("one")]).await;
    let mut before = Vec::new();
    for (group, kind) in KINDS {
        before.push(uid(&world, group, kind).await.expect("there"));
    }
    let next = [service(Some("None")), job("example.test/b:1"), selected("two")];
    let SyncError::Rejected(rejections) = world.sync_with('b', &next, How::default()).await.expect_err("rejected") else {
        panic!("another error")
    };
    assert_eq!(rejections.len(), 3, "{rejections:#?}");
    assert!(rejections.iter().all(|one| one.message.contains("annotate it with `driftless.dev/replace: \"true\"`")), "{rejections:#?}");

    let next = next.map(replaceable);
    let plan = world.plan('b', &next, &How::default()).await;
    for change in &plan.changes {
        assert_eq!((change.action, &change.verdict), (Action::Replace, &Verdict::Accepted), "{change:?}");
        assert!(change.before.is_some() && change.after.as_ref().is_some_and(|after| after["metadata"]["name"] == "web"), "{change:?}");
    }
    let notes: Vec<&str> = plan.changes.iter().flat_map(|change| &change.notes).map(String::as_str).collect();
    assert!(
        notes.iter().any(|note| note.contains("spec.selector can not change. The new one was validated under another name")),
        "{notes:?}"
    );
    let done = world.sync('b', &next).await;
    assert_eq!(done.counts.replaced, 3, "{done:?}");
    for ((group, kind), before) in KINDS.iter().zip(before) {
        assert_ne!(uid(&world, group, kind).await.expect("made anew"), before, "{kind}");
    }
    assert_eq!(world.live("", "Service", "web").await.expect("there")["spec"]["clusterIP"], "None");
    // What can change is changed, not replaced.
    let before = uid(&world, "apps", "Deployment").await;
    let mut scaled = replaceable(selected("two"));
    scaled["spec"]["replicas"] = 1.into();
    world.sync('c', &[next[0].clone(), next[1].clone(), scaled]).await;
    assert_eq!(uid(&world, "apps", "Deployment").await, before);
}

#[tokio::test]
async fn a_mistake_replaces_nothing() {
    let world = World::new("replace-typo").await;
    world.sync('a', &[selected("one")]).await;
    let before = uid(&world, "apps", "Deployment").await;
    let mut wrong = replaceable(selected("two"));
    wrong["spec"]["replicas"] = (-1).into();
    world.sync_with('b', &[wrong], How::default()).await.expect_err("rejected");
    let mut unclear = selected("two");
    unclear["metadata"]["annotations"] = json!({"driftless.dev/replace": "Force=true"});
    let error = world.sync_with('b', &[unclear], How::default()).await.expect_err("rejected").to_string();
    assert!(error.contains("The annotation driftless.dev/replace is \"Force=true\": it may be \"true\" or \"false\"."), "{error}");
    assert_eq!(uid(&world, "apps", "Deployment").await, before);
}

#[tokio::test]
async fn what_holds_data_is_replaced_on_a_word_alone() {
    let world = World::new("replace-word").await;
    world.sync('a', &[stateful_set("one"), config_map("a", &json!({"k": "1"})), config_map("b", &json!({}))]).await;
    let before = uid(&world, "apps", "StatefulSet").await;
    let next = [replaceable(stateful_set("two")), config_map("a", &json!({"k": "2"}))];
    let word = world.sync_held('b', &next, How::default()).await;
    assert!(word.reasons[0].starts_with("replaces StatefulSet"), "{word:?}");
    assert_eq!(word.deletes.len(), 2, "what it may refer to waits with it: {word:?}");
    assert_eq!(uid(&world, "apps", "StatefulSet").await, before);
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"]["k"], "2", "all else is applied");
    let states: Vec<_> = world.inventory().await.into_iter().map(|row| (row.key.name, row.state)).collect();
    let expected = [("a", ObjectState::Applied), ("b", ObjectState::Held), ("web", ObjectState::Outdated)];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
    // Back again, nothing waits.
    let back = world.sync('c', &[stateful_set("one"), config_map("a", &json!({})), config_map("b", &json!({}))]).await;
    assert_eq!(back.counts.replaced, 0);
    assert!(world.inventory().await.iter().all(|row| row.state == ObjectState::Applied));

    let allow = AllowDestructive::Shown(word.deletes.iter().map(ObjectKey::id).collect());
    let done = world.sync_with('d', &next, How { allow, ..How::default() }).await.expect("synced");
    assert_eq!((done.counts.replaced, done.waits_for_word), (1, None));
    assert_ne!(uid(&world, "apps", "StatefulSet").await, before);
}

#[tokio::test]
async fn what_was_deleted_and_not_made_anew_is_made_by_the_next_run() {
    let world = World::new("replace-half").await;
    world.sync('a', &[service(None)]).await;
    let next = [replaceable(service(Some("None")))];
    let rule = Rule::all(Fault::status(StatusCode::INTERNAL_SERVER_ERROR)).method(Method::PATCH).containing("force=true");
    let rule = world.proxy.add(rule);
    world.sync_with('b', &next, How::default()).await.expect_err("it fails");
    assert!(world.proxy.struck(rule) > 0 && world.live("", "Service", "web").await.is_none(), "deleted, and not made");
    world.proxy.clear();
    assert_eq!(world.sync('b', &next).await.counts.created, 1);
    assert_eq!(world.live("", "Service", "web").await.expect("there")["spec"]["clusterIP"], "None");
}

#[tokio::test]
async fn what_is_not_clearly_ours_is_not_replaced() {
    let world = World::new("replace-foreign").await;
    world.sync('a', &[service(None)]).await;
    let api = kube::Api::<k8s_openapi::api::core::v1::Service>::namespaced(crate::support::cluster::client().await, &world.namespace);
    let unmark = json!({"metadata": {"annotations": {"driftless.dev/owner": null}}});
    api.patch("web", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&unmark)).await.expect("patched");
    let plan = world.plan('b', &[replaceable(service(Some("None")))], &How::default()).await;
    let change = &plan.changes[0];
    assert!(
        change.is_rejected() && change.notes.iter().any(|note| note.starts_with("It is not replaced:")),
        "{change:?} {:?}",
        change.notes
    );
    assert_ne!(change.verdict, Verdict::NotValidated { reason: NotValidated::Replaced });
}
