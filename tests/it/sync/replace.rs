//! Objects that are deleted and made anew, where their manifest asks for it and a field can not change.

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::manifest::ObjectKey;
use driftless::plan::{Action, NotValidated, Verdict};
use driftless::store::inventory::ObjectState;
use driftless::sync::{AllowDestructive, SyncError};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{How, World, config_map, deployment};
use crate::support::policy;

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
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "web",
        "image": "example.test/web:1"}]}}}})
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
    let SyncError::Rejected(rejections) = world.sync_with('b', &next, How::default()).await.expect_err("rejected")
    else {
        panic!("another error")
    };
    assert_eq!(rejections.len(), 3, "{rejections:#?}");
    assert!(
        rejections.iter().all(|one| one.message.contains("annotate it with `driftless.dev/replace: \"true\"`")),
        "{rejections:#?}"
    );

    let next = next.map(replaceable);
    let plan = world.plan('b', &next, &How::default()).await;
    for change in &plan.changes {
        assert_eq!((change.action, &change.verdict), (Action::Replace, &Verdict::Accepted), "{change:?}");
        assert!(
            change.before.is_some() && change.after.as_ref().is_some_and(|after| after["metadata"]["name"] == "web"),
            "{change:?}"
        );
    }
    let notes: Vec<&str> = plan.changes.iter().flat_map(|change| &change.notes).map(String::as_str).collect();
    assert!(
        notes
            .iter()
            .any(|note| note
                .contains("spec.selector cannot be changed in place. The new one was validated by a dry run")),
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
    assert!(
        error.contains("The annotation driftless.dev/replace is \"Force=true\": use \"true\" or \"false\""),
        "{error}"
    );
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
    assert_eq!((done.counts.replaced, done.pending_confirmation), (1, None));
    assert_ne!(uid(&world, "apps", "StatefulSet").await, before);
}

#[tokio::test]
async fn what_was_deleted_and_not_made_anew_is_made_by_the_next_run() {
    let world = World::new("replace-half").await;
    world.sync('a', &[service(None)]).await;
    let next = [replaceable(service(Some("None")))];
    let rule =
        Rule::all(Fault::status(StatusCode::INTERNAL_SERVER_ERROR)).method(Method::PATCH).containing("force=true");
    let rule = world.proxy.add(rule);
    // Nor is the old one made again.
    let broken = Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    world.proxy.add(Rule::all(broken).method(Method::POST).containing("fieldManager=driftless").after(2));
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
    let api = kube::Api::<k8s_openapi::api::core::v1::Service>::namespaced(
        crate::support::cluster::client().await,
        &world.namespace,
    );
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

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

/// B9, case 34: whatever words the server finds for a field that cannot change.
#[tokio::test]
async fn whatever_the_server_calls_it_a_fixed_field_is_replaced() {
    let world = World::new("replace-words").await;
    let (name, group) = (format!("{}-x", world.namespace), format!("{}.example.test", world.namespace));
    let class = |value: u32| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {},
        "value": value})
    };
    let storage = |kind: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {},
        "provisioner": "example.com/disk", "parameters": {"kind": kind}})
    };
    let volume = |path: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {}, "spec": {"capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"], "storageClassName": name, "hostPath": {"path": path}}})
    };
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "Value is immutable"}]}}}}});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("fixed.{group}")}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"kind": "Fixed", "plural": "fixed"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    let fixed = |size: u32| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Fixed", "metadata": {},
        "spec": {"size": size}})
    };
    let all = |first: bool| {
        let pick = |one, other| if first { one } else { other };
        let objects = [
            class(pick(1, 2)),
            storage(if first { "a" } else { "b" }),
            volume(if first { "/a" } else { "/b" }),
            fixed(pick(1, 2)),
        ];
        let mut objects: Vec<Value> = objects.into_iter().map(|object| named(replaceable(object), &name)).collect();
        objects.push(crd.clone());
        objects
    };
    world.sync('a', &all(true)).await;
    let plan = world.plan('b', &all(false), &How::default()).await;
    let shown: Vec<String> = plan
        .changes
        .iter()
        .map(|change| format!("{:?} {} {:?}", change.action, change.key.kind, change.verdict))
        .collect();
    let replaced = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Replace && change.verdict == Verdict::Accepted)
        .count();
    assert_eq!(replaced, 4, "{shown:#?}");
}

/// B9, case 04: no words that are known, and the change is refused all the same; as a new object it is taken.
#[tokio::test]
async fn a_change_that_only_a_new_object_can_make_is_replaced() {
    let world = World::new("replace-recreate").await;
    let group = format!("{}.example.test", world.namespace);
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "choose once"}]}}}}});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("fixed.{group}")}, "spec": {
        "group": group, "scope": "Namespaced", "names": {"kind": "Fixed", "plural": "fixed"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    let fixed = |size: u32| {
        json!({"apiVersion": format!("{group}/v1"), "kind": "Fixed", "metadata": {"name": "web"},
        "spec": {"size": size}})
    };
    world.sync('a', &[crd.clone(), fixed(1)]).await;
    let plan = world.plan('b', &[crd.clone(), fixed(2)], &How::default()).await;
    assert!(plan.changes.iter().any(driftless::plan::Change::is_rejected), "{plan:?}");
    let plan = world.plan('b', &[crd, replaceable(fixed(2))], &How::default()).await;
    let change = plan.changes.iter().find(|change| change.key.kind == "Fixed").expect("planned");
    assert_eq!((change.action, &change.verdict), (Action::Replace, &Verdict::Accepted), "{plan:?}");
}

/// B9: where it is asked and not done, the refusal says why.
#[tokio::test]
async fn a_replacement_that_is_not_made_says_why() {
    let world = World::new("replace-why").await;
    world.sync('a', &[selected("one")]).await;
    let mut wrong = replaceable(selected("one"));
    wrong["spec"]["replicas"] = (-1).into();
    let plan = world.plan('b', &[wrong], &How::default()).await;
    let Verdict::Rejected { message, .. } = &plan.changes[0].verdict else { panic!("{plan:?}") };
    assert!(
        message.ends_with(
            "`driftless.dev/replace` does not help: the cluster rejects the manifest as a new object as well."
        ),
        "{message}"
    );
}

fn fixed_map(name: &str, value: &str) -> Value {
    let mut object = replaceable(config_map(name, &json!({"k": value})));
    object["immutable"] = true.into();
    object
}

/// B9+: a policy that judges by the name denies the new object; so nothing is deleted for it, and the preview says so.
#[tokio::test]
async fn what_a_policy_does_not_let_be_made_again_is_not_deleted() {
    let world = World::new("replace-denied").await;
    world.sync('a', &[fixed_map("legacy-x", "1"), fixed_map("other", "1")]).await;
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "legacy-probe"}});
    let counts = async || policy::is_denied(&world.namespace, &probe).await;
    policy::deny(&world.namespace, "CREATE", "!object.metadata.name.startsWith('legacy-')", "no more of these", counts)
        .await;
    let next = [fixed_map("legacy-x", "2"), fixed_map("other", "2")];
    let plan = world.plan('b', &next, &How::default()).await;
    let [legacy, other] =
        ["legacy-x", "other"].map(|name| plan.changes.iter().find(|change| change.key.name == name).expect("planned"));
    let Verdict::Rejected { message, .. } = &legacy.verdict else { panic!("{legacy:?}") };
    assert!(
        message.contains("`driftless.dev/replace` does not help") && message.contains("no more of these"),
        "{message}"
    );
    assert_eq!((other.action, &other.verdict), (Action::Replace, &Verdict::Accepted));
    world.sync_with('b', &next, How::default()).await.expect_err("rejected");
    assert_eq!(world.live("", "ConfigMap", "legacy-x").await.expect("still there")["data"]["k"], "1");
}

/// B9+: where the new object is refused once the old one is deleted, the old one is put back, is the app's as before,
/// and can be replaced later.
#[tokio::test]
async fn what_cannot_be_made_again_is_put_back() {
    let world = World::new("replace-back").await;
    world.sync('a', &[fixed_map("x", "1")]).await;
    let before = world.live("", "ConfigMap", "x").await.expect("there");
    let refuse =
        |method: Method, what: &str| Rule::all(Fault::status(StatusCode::FORBIDDEN)).method(method).containing(what);
    world.proxy.add(refuse(Method::PATCH, "force=true"));
    let next = [fixed_map("x", "2")];
    let error = world.sync_with('b', &next, How::default()).await.expect_err("refused").to_string();
    assert!(error.contains("It was deleted to be recreated; the old object was restored"), "{error}");
    let back = world.live("", "ConfigMap", "x").await.expect("put back");
    assert_ne!(back["metadata"]["uid"], before["metadata"]["uid"]);
    for field in ["/data", "/immutable", "/metadata/labels", "/metadata/annotations", "/metadata/managedFields"] {
        assert_eq!(back.pointer(field), before.pointer(field), "{field}");
    }
    let rows = world.inventory().await;
    assert_eq!((rows[0].state, rows[0].uid.as_deref()), (ObjectState::Applied, back["metadata"]["uid"].as_str()));
    world.proxy.clear();
    assert_eq!(world.sync('c', &next).await.counts.replaced, 1);
    assert_eq!(world.live("", "ConfigMap", "x").await.expect("there")["data"]["k"], "2");

    // Nor can the old one be made again: then it is said that it is missing.
    world.proxy.add(refuse(Method::PATCH, "force=true"));
    world.proxy.add(refuse(Method::POST, "fieldManager=driftless").after(2));
    let error = world.sync_with('d', &[fixed_map("x", "3")], How::default()).await.expect_err("refused").to_string();
    assert!(error.contains("it is missing in the cluster"), "{error}");
    assert!(world.live("", "ConfigMap", "x").await.is_none());
}

/// B9+: a quota counts what was deleted for a moment longer, and others of the change take what is left of it.
#[tokio::test]
async fn a_quota_is_waited_for_that_still_counts_what_was_deleted() {
    let world = World::new("replace-quota").await;
    let quota = |hard: &str| {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"},
        "spec": {"hard": {"count/services": hard}}})
    };
    world.sync('a', &[service(None), quota("2")]).await;
    let services = async || {
        world.live("", "ResourceQuota", "small").await.expect("a quota")["status"]["used"]["count/services"] == "1"
    };
    for _ in 0..100 {
        if services().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let other = named(service(None), "other");
    let done = world.sync('b', &[replaceable(service(Some("None"))), other, quota("2")]).await;
    assert_eq!((done.counts.replaced, done.counts.created), (1, 1));
}
