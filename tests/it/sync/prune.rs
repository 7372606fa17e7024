//! What a prune deletes, and what it never does.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use driftless::class::{Class, Classified};
use driftless::manifest::ObjectKey;
use driftless::plan::{Action, Verdict};
use driftless::store::waits::WaitPurpose;
use driftless::sync::health::WaitOutcome;
use driftless::sync::{self, AllowDestructive, Permits};
use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::apply::delete;
use super::health::{api, rollouts};
use super::world::{How, World, config_map, deployment};
use crate::cluster::answers;
use crate::support::cluster;

async fn config_maps(world: &World) -> Api<ConfigMap> {
    Api::namespaced(cluster::client().await, &world.namespace)
}

async fn patch(world: &World, name: &str, patch: &Value) {
    config_maps(world).await.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("patched");
}

/// Three objects, of which the next revision has one.
async fn world_with_leftovers(words: &str) -> World {
    let world = World::new(words).await;
    let three: Vec<Value> = ["a", "b", "c"].iter().map(|name| config_map(name, &json!({}))).collect();
    world.sync('a', &three).await;
    world
}

#[tokio::test]
async fn what_is_no_longer_rendered_goes_and_only_that() {
    let world = world_with_leftovers("pruned").await;
    let foreign = serde_json::from_value(config_map("foreign", &json!({}))).expect("a ConfigMap");
    config_maps(&world).await.create(&PostParams::default(), &foreign).await.expect("created");
    let done = world.sync('b', &[config_map("a", &json!({}))]).await;
    assert!(done.prunes);
    assert!(world.live("", "ConfigMap", "b").await.is_some(), "nothing is deleted before health");
    let pruned = world.prune().await;
    let names: Vec<_> = pruned.deleted.iter().map(|key| key.name.as_str()).collect();
    assert_eq!((names, pruned.kept.len(), pruned.waits.len()), (vec!["c", "b"], 0, 0), "in reverse");
    assert!(world.live("", "ConfigMap", "b").await.is_none());
    assert!(world.live("", "ConfigMap", "a").await.is_some() && world.live("", "ConfigMap", "foreign").await.is_some());
    assert_eq!(world.names().await, ["ConfigMap NS/a"]);
    assert!(!world.sync('c', &[config_map("a", &json!({}))]).await.prunes);
}

/// C1: a prune that something newer has overtaken deletes nothing.
#[tokio::test]
async fn a_superseded_prune_deletes_nothing() {
    let world = world_with_leftovers("superseded-prune").await;
    world.sync('b', &[config_map("a", &json!({}))]).await;
    let (authority, not_wanted) = (world.grants().on(&world.app.destination.cluster), world.not_wanted().await);
    let pruned =
        sync::prune(&world.deps, &world.app, &world.marks, &not_wanted, &authority, Permits::new(&|| None)).await;
    let error = pruned.expect_err("superseded");
    assert_eq!(error.class(), Class::Cancelled);
    assert!(world.live("", "ConfigMap", "b").await.is_some() && world.live("", "ConfigMap", "c").await.is_some());
    assert_eq!(world.prune().await.deleted.len(), 2, "the next run does it");
}

#[tokio::test]
async fn an_object_that_somebody_made_anew_is_kept() {
    let world = world_with_leftovers("anew").await;
    let before = world.live("", "ConfigMap", "b").await.expect("there");
    world.sync('b', &[config_map("a", &json!({})), config_map("c", &json!({}))]).await;
    delete(&world, "", "ConfigMap", "b").await;
    // A copy of all that we wrote, marks included: only the uid tells.
    let mut copy = config_map("b", &json!({}));
    copy["metadata"]["labels"] = before["metadata"]["labels"].clone();
    copy["metadata"]["annotations"] = before["metadata"]["annotations"].clone();
    let copy = serde_json::from_value(copy).expect("a ConfigMap");
    config_maps(&world).await.create(&PostParams::default(), &copy).await.expect("created");
    let pruned = world.prune().await;
    assert_eq!(pruned.kept[0].1, "it is not the object that was applied, but another one of the same name");
    assert!(world.live("", "ConfigMap", "b").await.is_some());
    assert_eq!(world.names().await, ["ConfigMap NS/a", "ConfigMap NS/c"]);
}

#[tokio::test]
async fn what_lost_our_mark_or_has_anothers_is_kept() {
    let world = world_with_leftovers("marks").await;
    world.sync('b', &[config_map("a", &json!({}))]).await;
    patch(&world, "b", &json!({"metadata": {"annotations": {"driftless.dev/owner": null}}})).await;
    patch(
        &world,
        "c",
        &json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "r",
        "meta.helm.sh/release-namespace": "n"}}}),
    )
    .await;
    let pruned = world.prune().await;
    let reasons: Vec<_> = pruned.kept.iter().map(|(key, reason)| (key.name.as_str(), reason.as_str())).collect();
    let unmarked = "its annotation `driftless.dev/owner` is not this object's";
    assert_eq!(reasons, [("c", "it is managed by Helm (n/r)"), ("b", unmarked)]);
    assert!(world.live("", "ConfigMap", "b").await.is_some() && world.live("", "ConfigMap", "c").await.is_some());
}

/// C3+: both marks are needed: who takes the label alone off keeps the object as well, and the reason names it.
#[tokio::test]
async fn what_lost_the_label_alone_is_kept() {
    let world = world_with_leftovers("label").await;
    world.sync('b', &[config_map("a", &json!({}))]).await;
    patch(&world, "b", &json!({"metadata": {"labels": {"driftless.dev/app": null}}})).await;
    let pruned = world.prune().await;
    let reasons: Vec<_> = pruned.kept.iter().map(|(key, reason)| (key.name.as_str(), reason.as_str())).collect();
    assert_eq!(reasons, [("b", "its label `driftless.dev/app` is not this app's")]);
    assert!(world.live("", "ConfigMap", "b").await.is_some() && world.live("", "ConfigMap", "c").await.is_none());
}

fn in_namespace(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

/// A Namespace with two objects in it, and one that stays in Git.
fn guarded(world: &World) -> (String, [Value; 4]) {
    let space = format!("{}-guarded", world.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
    let [data, more] = ["data", "more"].map(|name| in_namespace(config_map(name, &json!({})), &space));
    let objects = [namespace, data, more, config_map("stays", &json!({}))];
    (space, objects)
}

async fn there(world: &World, space: &str) -> [bool; 3] {
    let of = async |kind: &str, namespace: Option<&str>, name: &str| {
        let key = ObjectKey { namespace: namespace.map(str::to_owned), ..world.key("", kind, name) };
        let live = world.deps.cluster.get(&key).await.expect("an answer");
        live.is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_none())
    };
    [
        of("Namespace", None, space).await,
        of("ConfigMap", Some(space), "data").await,
        of("ConfigMap", Some(space), "more").await,
    ]
}

/// X2+: what asks to stay keeps the Namespace that it is in, which needs no confirmation then.
#[tokio::test]
async fn what_asks_to_stay_keeps_its_namespace() {
    let world = World::new("keeps-namespace").await;
    let (space, mut objects) = guarded(&world);
    objects[1]["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-options": "Prune=false"});
    world.sync('a', &objects).await;
    let plan = world.plan('b', &objects[3..], &How::default()).await;
    let namespace = plan.changes.iter().find(|change| change.key.kind == "Namespace").expect("the Namespace");
    let said = format!(
        "Kept: ConfigMap {space}/data would be deleted with it, and has the annotation \
         `argocd.argoproj.io/sync-options: Prune=false`."
    );
    assert_eq!((namespace.action, namespace.notes.as_slice()), (Action::None, [said].as_slice()));
    world.sync('b', &objects[3..]).await;
    let pruned = world.prune().await;
    assert_eq!(pruned.deleted.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["more"]);
    assert_eq!(there(&world, &space).await, [true, true, false]);
}

/// X2+: also where it asks for that only once the deletion is confirmed.
#[tokio::test]
async fn what_asks_to_stay_at_last_keeps_its_namespace() {
    let world = World::new("keeps-late").await;
    let (space, objects) = guarded(&world);
    world.sync('a', &objects).await;
    let shown = world.inventory().await.into_iter().map(|row| row.key.id()).collect();
    let how = How { allow: AllowDestructive::Shown(shown), ..How::default() };
    world.sync_with('b', &objects[3..], how).await.expect("synced");
    let maps: Api<ConfigMap> = Api::namespaced(cluster::client().await, &space);
    let guard = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/prune": "disabled"}}});
    maps.patch("data", &PatchParams::default(), &Patch::Merge(&guard)).await.expect("patched");
    let pruned = world.prune().await;
    let reason = pruned.kept.iter().find(|(key, _)| key.kind == "Namespace").map(|(_, reason)| reason.as_str());
    let said = format!(
        "ConfigMap {space}/data would be deleted with it, and has the label \
         `kustomize.toolkit.fluxcd.io/prune: disabled`"
    );
    assert_eq!(reason, Some(said.as_str()));
    assert_eq!(there(&world, &space).await, [true, true, false]);
}

/// T16: one object that is shown is one object that is counted.
#[tokio::test]
async fn a_delete_that_a_finalizer_holds_is_waited_for() {
    let mut world = world_with_leftovers("finalizer").await;
    patch(&world, "b", &json!({"metadata": {"finalizers": ["example.test/hold"]}})).await;
    world.sync('b', &[config_map("a", &json!({})), config_map("c", &json!({}))]).await;
    let pruned = world.prune().await;
    assert_eq!(pruned.waits.len(), 1);
    assert_eq!(world.names().await.len(), 3, "it is owned until it is gone");
    let outcome = world.wait(WaitPurpose::Deletion, pruned.waits.clone(), Duration::from_millis(500)).await;
    let WaitOutcome::TimedOut(text) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("waits for example.test/hold"), "{text}");
    let wait = world.wait_row(WaitPurpose::Deletion, pruned.waits, Duration::from_secs(30));
    world.waits.add(wait).await.expect("a wait");
    patch(&world, "b", &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(world.end().await, WaitOutcome::Done);
    // T16: what the first prune told of is not counted twice.
    assert_eq!(world.prune().await.deleted, []);
    assert_eq!(world.names().await.len(), 2);
}

#[tokio::test]
async fn what_only_its_marks_tell_of_is_pruned_on_a_word_alone() {
    let world = world_with_leftovers("orphans").await;
    let lost = world.key("", "ConfigMap", "b");
    let uid =
        world.live("", "ConfigMap", "b").await.expect("there")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    world.lose_inventory().await;
    assert!(
        world
            .deps
            .store
            .adopt_for_pruning(world.deps.cluster.name(), &world.app.id, &lost, &uid, false)
            .await
            .expect("adopted")
    );
    let pruned = world.prune().await;
    assert_eq!(pruned.deleted, [lost]);
    assert!(world.live("", "ConfigMap", "c").await.is_some(), "only what was confirmed");
}

/// C3+: an object that is wanted under another API group by now is not deleted under its old one.
#[tokio::test]
async fn what_is_wanted_under_another_group_is_not_pruned() {
    let world = World::new("pruned-groups").await;
    let regarding = json!({"kind": "Namespace", "name": world.namespace, "namespace": world.namespace});
    let common = |version: &str| {
        json!({"apiVersion": version, "kind": "Event", "metadata": {"name": "e"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reason": "Made", "action": "Make", "type": "Normal", "reportingInstance": "x"})
    };
    let (mut old, mut new) = (common("v1"), common("events.k8s.io/v1"));
    (old["involvedObject"], old["message"], old["reportingComponent"]) =
        (regarding.clone(), json!("one"), json!("example.test/x"));
    (new["regarding"], new["note"], new["reportingController"]) = (regarding, json!("one"), json!("example.test/x"));
    world.sync('a', &[config_map("a", &json!({})), old]).await;
    let uid = async || world.live("", "Event", "e").await.map(|live| live["metadata"]["uid"].clone());
    let made = uid().await;
    assert!(made.is_some());
    world.sync('b', &[config_map("a", &json!({})), new]).await;
    let pruned = world.prune().await;
    assert_eq!((pruned.deleted, pruned.kept.len()), (vec![], 1));
    assert_eq!(uid().await, made);
    assert!(
        world.inventory().await.iter().any(|row| row.key.group == "events.k8s.io")
            && world.inventory().await.len() == 2
    );
}

/// B25: whoever serves the finalizer of a custom resource may go in the same prune, and goes once that is gone.
#[tokio::test]
async fn custom_resources_go_before_what_may_look_after_them() {
    let mut world = World::new("finalized").await;
    let group = rollouts(&world).await;
    let rollout = json!({"apiVersion": format!("{group}/v1"), "kind": "Rollout",
        "metadata": {"name": "web", "finalizers": ["example.test/operator"]}, "spec": {"image": "a:1"}});
    let kept = config_map("a", &json!({}));
    world.sync('a', &[kept.clone(), config_map("config", &json!({})), deployment("operator", 1), rollout]).await;
    world.sync('b', &[kept]).await;
    let pruned = world.prune().await;
    let names = |deleted: &[ObjectKey]| deleted.iter().map(|key| key.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&pruned.deleted), pruned.waits.len()), (vec!["web".to_owned()], 1));
    assert!(world.live("apps", "Deployment", "operator").await.is_some(), "it has to take the finalizer off");
    assert_eq!(world.prune().await.deleted, [], "told once");

    let wait = world.wait_row(WaitPurpose::Deletion, pruned.waits, Duration::from_secs(30));
    world.waits.add(wait).await.expect("a wait");
    let merge = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api(&world, &group, "Rollout").await.patch("web", &PatchParams::default(), &merge).await.expect("let go");
    assert_eq!(world.end().await, WaitOutcome::Done);
    assert_eq!(names(&world.prune().await.deleted), ["operator", "config"]);
    assert_eq!(world.names().await, ["ConfigMap NS/a"]);
}

/// What the CRD of the test is to be: two versions, of which one is stored.
fn two_versions(group: &str, stored: &str, served: &[&str], broken: bool) -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &str| {
        let is_served = served.contains(&name);
        json!({"name": name, "served": is_served, "storage": name == stored, "schema": schema})
    };
    let webhook = json!({"conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "default", "name": "nope"}}});
    let conversion = if broken {
        json!({"strategy": "Webhook", "webhook": webhook})
    } else {
        json!({"strategy": "None", "webhook": null})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("wids.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Wid", "plural": "wids"},
            "versions": [version("v1"), version("v2")], "conversion": conversion}})
}

/// X6+: what a broken conversion keeps from being read in one version is deleted as it is stored; where it cannot be
/// read at all, that is its own problem, and the rest is deleted.
#[tokio::test]
async fn what_cannot_be_converted_keeps_nothing_else_from_being_deleted() {
    let world = World::new("unread").await;
    let group = format!("{}.example.test", world.namespace);
    let crds: Api<CustomResourceDefinition> = Api::all(cluster::client().await);
    let name = format!("wids.{group}");
    let set = async |crd: Value| {
        crds.patch(&name, &PatchParams::default(), &Patch::Merge(crd)).await.expect("patched");
    };
    let first = serde_json::from_value(two_versions(&group, "v1", &["v1", "v2"], false)).expect("a CRD");
    crds.create(&PostParams::default(), &first).await.expect("created");
    let wid = |name: &str| {
        let metadata = json!({"name": name});
        json!({"apiVersion": format!("{group}/v2"), "kind": "Wid", "metadata": metadata, "spec": {"size": 1}})
    };
    answers::eventually(async || {
        let found = world.deps.cluster.refresh_discovery().await.expect("discovery");
        found.resolve(&group, "v2", "Wid").is_some()
    })
    .await;
    let maps = ["a", "b", "c"].map(|name| config_map(name, &json!({})));
    let [a, b, c] = maps;
    world.sync('a', &[wid("stored"), wid("stuck"), a.clone(), b, c.clone()]).await;
    world.sync('b', &[wid("stuck"), a.clone(), c.clone()]).await;
    let tested = AssertUnwindSafe(async {
        set(two_versions(&group, "v1", &["v1", "v2"], true)).await;
        let unread = async |name: &str| {
            let key = ObjectKey { version: "v2".into(), ..world.key(&group, "Wid", name) };
            world.deps.cluster.get(&key).await.is_err_and(|error| error.is_conversion())
        };
        answers::eventually(async || unread("stored").await).await;
        let plan = world.plan('b', &[a.clone(), c.clone()], &How::default()).await;
        let of_kind = plan.changes.iter().filter(|change| change.key.kind == "Wid");
        let planned: Vec<_> = of_kind.map(|change| (change.action, change.verdict.clone())).collect();
        let pruned = world.prune().await;
        let mut names: Vec<_> = pruned.deleted.iter().map(|key| key.name.clone()).collect();
        names.sort();
        let as_stored = (planned, names, pruned.unread.len());
        // What is stored in a version that is not served has to be converted.
        set(two_versions(&group, "v2", &["v2"], true)).await;
        answers::eventually(async || {
            world.deps.cluster.refresh_discovery().await.expect("discovery");
            unread("stuck").await
        })
        .await;
        world.sync('c', &[a]).await;
        (as_stored, world.prune().await)
    })
    .catch_unwind()
    .await;
    // A kind that cannot be listed keeps the namespaces of other tests from being deleted.
    set(two_versions(&group, "v2", &["v2"], false)).await;
    let (as_stored, pruned) = match tested {
        Ok(tested) => tested,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let planned = vec![(Action::Prune, Verdict::Accepted); 2];
    assert_eq!(as_stored, (planned, vec!["b".to_owned(), "stored".to_owned()], 0));
    assert_eq!(pruned.deleted.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["c"]);
    let told = pruned.not_read().expect("told");
    assert!(told.starts_with(&format!("could not delete Wid {}/stuck: ", world.namespace)), "{told}");
    assert!(told.contains("conversion webhook for") && told.contains("`spec.conversion` of its CRD"), "{told}");
    let left: Vec<_> = world.names().await;
    assert!(left.len() == 2 && left[1].ends_with("/stuck"), "{left:?}");
    let key = ObjectKey { version: "v2".into(), ..world.key(&group, "Wid", "stuck") };
    answers::eventually(async || world.deps.cluster.get(&key).await.is_ok()).await;
    let prune = world.prune().await;
    assert_eq!(prune.deleted.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["stuck"], "once it is repaired");
    crds.delete(&name, &kube::api::DeleteParams::default()).await.expect("deleted");
}
