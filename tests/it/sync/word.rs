//! What needs confirmation waits for it, and nothing else does.

use std::collections::BTreeSet;
use std::time::Duration;

use driftless::manifest::{ObjectId, ObjectKey};
use driftless::store::inventory::ObjectState;
use driftless::store::waits::WaitPurpose;
use driftless::sync::health::WaitOutcome;
use driftless::sync::{AllowDestructive, PendingConfirmation};
use serde_json::{Value, json};

use super::world::{How, World, config_map};
use crate::support::cluster;

fn maps(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| config_map(name, &json!({}))).collect()
}

fn given(word: &PendingConfirmation) -> How {
    How { allow: AllowDestructive::Shown(shown(word)), ..How::default() }
}

fn shown(word: &PendingConfirmation) -> BTreeSet<ObjectId> {
    word.deletes.iter().map(ObjectKey::id).collect()
}

async fn states(world: &World) -> Vec<(String, ObjectState)> {
    world.inventory().await.into_iter().map(|row| (row.key.name, row.state)).collect()
}

async fn is_there(world: &World, name: &str) -> bool {
    world.live("", "ConfigMap", name).await.is_some()
}

#[tokio::test]
async fn all_of_an_app_is_not_deleted_without_a_word_and_all_else_is_done() {
    let world = World::new("word").await;
    world.sync('a', &maps(&["a", "b"])).await;
    let other = maps(&["c"]);
    let word = world.sync_held('b', &other, How::default()).await;
    assert_eq!(
        word.to_string(),
        "deletes all 2 objects of the app; to confirm: driftless sync shop/web --allow-destructive"
    );
    assert!(is_there(&world, "c").await, "what harms nobody is done");
    assert_eq!(world.prune().await.deleted, []);
    assert!(is_there(&world, "a").await && is_there(&world, "b").await);
    let held = [("a", ObjectState::Held), ("b", ObjectState::Held), ("c", ObjectState::Applied)];
    assert_eq!(states(&world).await, held.map(|(name, state)| (name.to_owned(), state)));

    assert!(world.sync_with('b', &other, given(&word)).await.expect("synced").prunes);
    assert_eq!(world.prune().await.deleted.len(), 2);
    assert_eq!(world.names().await, ["ConfigMap NS/c"]);
}

#[tokio::test]
async fn a_word_holds_for_what_was_shown_and_for_nothing_else() {
    let world = World::new("word-shown").await;
    world.sync('a', &maps(&["a", "b", "c"])).await;
    let word = world.sync_held('b', &maps(&["d"]), How::default()).await;
    let part = AllowDestructive::Shown(shown(&word).into_iter().take(1).collect());
    let left = world.sync_held('b', &maps(&["d"]), How { allow: part, ..How::default() }).await;
    let reasons = left.reasons.join("").replace(&world.namespace, "NS");
    assert_eq!(
        reasons,
        "deletes ConfigMap NS/c, ConfigMap NS/b, which was not listed when the deletions were confirmed"
    );
    assert_eq!(world.prune().await.deleted.len(), 1);
    assert_eq!(world.names().await, ["ConfigMap NS/b", "ConfigMap NS/c", "ConfigMap NS/d"]);
}

#[tokio::test]
async fn what_waits_goes_on_waiting_however_the_app_grows_and_others_wait_with_it() {
    let world = World::new("word-grows").await;
    world.sync('a', &maps(&["a", "b"])).await;
    world.sync_held('b', &maps(&["c"]), How::default()).await;
    // Two of six are no destructive share, but they were held back.
    let word = world.sync_held('c', &maps(&["c", "d", "e", "f"]), How::default()).await;
    let reasons = word.reasons.join("").replace(&world.namespace, "NS");
    assert_eq!(reasons, "deletes ConfigMap NS/b, ConfigMap NS/a, held by an earlier run");
    let word = world.sync_held('d', &maps(&["c", "d", "e"]), How::default()).await;
    assert_eq!(word.deletes.len(), 3, "a harmless delete waits with them: {word:?}");
    assert_eq!(world.prune().await.deleted, []);
}

#[tokio::test]
async fn what_is_wanted_again_waits_no_longer() {
    let world = World::new("word-revert").await;
    let before = maps(&["a", "b"]);
    world.sync('a', &before).await;
    world.sync_held('b', &maps(&["c"]), How::default()).await;
    let done = world.sync('c', &before).await;
    assert_eq!((done.counts.unchanged, done.counts.created, done.prunes), (2, 0, true));
    assert_eq!(world.prune().await.deleted.len(), 1, "what came with the change goes");
    assert_eq!(states(&world).await, [("a".into(), ObjectState::Applied), ("b".into(), ObjectState::Applied)]);
}

#[tokio::test]
async fn deletes_that_were_on_their_way_are_held_when_the_next_change_needs_a_word() {
    let world = World::new("word-both").await;
    let six = ["a", "b", "c", "d", "e", "f"];
    world.sync('a', &maps(&six)).await;
    assert!(world.sync('b', &maps(&six[2..])).await.prunes, "to be pruned after health");
    world.sync_held('c', &maps(&six[4..]), How::default()).await;
    assert_eq!(world.prune().await.deleted, [], "the end of an earlier wait deletes nothing either");
    assert_eq!(world.names().await.len(), 6);
}

#[tokio::test]
async fn what_somebody_deletes_by_hand_needs_no_word_any_more() {
    let world = World::new("word-by-hand").await;
    world.sync('a', &maps(&["a", "b"])).await;
    world.sync_held('b', &maps(&["c"]), How::default()).await;
    for name in ["a", "b"] {
        super::apply::delete(&world, "", "ConfigMap", name).await;
    }
    world.sync('b', &maps(&["c"])).await;
    world.prune().await;
    assert_eq!(world.names().await, ["ConfigMap NS/c"]);
}

#[tokio::test]
async fn a_namespace_is_deleted_only_on_a_word_and_its_end_is_waited_for() {
    let mut world = World::new("word-ns").await;
    let other = cluster::namespace_name("doomed");
    let doomed = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    let kept = maps(&["a", "b", "c", "d"]);
    let with: Vec<Value> = kept.iter().cloned().chain([doomed]).collect();
    world.sync('a', &with).await;
    let word = world.sync_held('b', &kept, How::default()).await;
    assert_eq!(word.reasons, [format!("deletes Namespace {other} and with it everything in it: no objects found")]);
    assert_eq!(world.prune().await.deleted, []);
    world.sync_with('b', &kept, given(&word)).await.expect("synced");
    let pruned = world.prune().await;
    assert_eq!((pruned.deleted.len(), pruned.waits.len()), (1, 1), "a namespace goes when all in it has gone");
    // While it goes, a hot fix is no reason to ask again.
    world.sync('c', &kept).await;
    assert_eq!(world.wait(WaitPurpose::Deletion, pruned.waits, Duration::from_mins(1)).await, WaitOutcome::Done);
    world.prune().await;
    assert_eq!(world.names().await.len(), 4);
}

#[tokio::test]
async fn another_app_may_take_over_what_waits_to_be_deleted() {
    let mut world = World::new("word-moved").await;
    world.sync('a', &maps(&["a", "b"])).await;
    world.sync_held('b', &maps(&["c"]), How::default()).await;
    world.become_app("other").await;
    world.sync('b', &maps(&["a"])).await;
    assert_eq!(world.names().await, ["ConfigMap NS/a"]);
    world.become_app("web").await;
    let word = world.sync_held('b', &maps(&["c"]), How::default()).await;
    assert_eq!(word.deletes.len(), 1, "{word:?}");
}

async fn post(namespace: &str, object: Value) {
    let client = cluster::client().await;
    let kind = kube::core::GroupVersionKind::gvk("", "v1", object["kind"].as_str().expect("a kind"));
    let resource = kube::discovery::ApiResource::from_gvk(&kind);
    let api = kube::Api::<kube::core::DynamicObject>::namespaced_with(client, namespace, &resource);
    api.create(&kube::api::PostParams::default(), &serde_json::from_value(object).expect("an object"))
        .await
        .expect("created");
}

/// T13+: what goes with a Namespace is said before it is confirmed, with whose it is. What the repo may not touch is
/// counted alone, and no Secret's value is told.
#[tokio::test]
async fn what_is_in_a_namespace_is_told_before_it_is_deleted() {
    let world = World::new("word-contents").await;
    let other = cluster::namespace_name("full");
    let doomed = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}});
    let inside =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": other}});
    let rest: Vec<Value> = maps(&["a", "b", "c", "d"]).into_iter().chain([inside("stays")]).collect();
    let all: Vec<Value> = rest.iter().cloned().chain([inside("goes"), doomed]).collect();
    world.sync('a', &all).await;
    let metadata = json!({"name": "theirs", "annotations": {"meta.helm.sh/release-name": "db"}});
    post(
        &other,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
        "stringData": {"password": "hunter2-hunter2"}}),
    )
    .await;
    post(&other, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "somebody"}})).await;
    let word = world.sync_held('b', &rest, How::default()).await;
    let told = word.to_string().replace(&other, "FULL");
    insta::assert_snapshot!(told, @"deletes Namespace FULL and with it everything in it: 2 objects of this app (2 ConfigMap); Git still contains ConfigMap FULL/stays, so the app cannot be applied after this deletion; 2 objects that are not this app's (1 Secret, 1 ServiceAccount): Secret FULL/theirs of Helm db, ServiceAccount FULL/somebody; also deletes ConfigMap FULL/goes; to confirm: driftless sync shop/web --allow-destructive");
}

/// T13+: the same for all objects of a CRD's kind, in whatever namespace they are; of those that the repo may not touch
/// only the number is told.
#[tokio::test]
async fn what_is_of_a_crds_kind_is_told_before_it_is_deleted() {
    let mut world = World::new("word-crd").await;
    let elsewhere = cluster::namespace("hidden").await;
    world.allow.namespaces = vec![driftless::app::Pattern::try_from(world.namespace.clone()).expect("a pattern")];
    let group = format!("{}.example.test", world.namespace);
    let crd = super::stages::crd(&group);
    let rest = maps(&["a", "b", "c", "d"]);
    let all: Vec<Value> = rest.iter().cloned().chain([crd]).collect();
    world.sync('a', &all).await;
    for (namespace, name) in [(&world.namespace, "one"), (&elsewhere, "private")] {
        let widget = json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": name,
            "namespace": namespace}});
        let key = ObjectKey::of(&widget).expect("a name");
        world.deps.cluster.apply(&key, &widget, driftless::cluster::ApplyMode::default()).await.expect("applied");
    }
    let word = world.sync_held('b', &rest, How::default()).await;
    let told = word.reasons.join("").replace(&world.namespace, "NS");
    insta::assert_snapshot!(told, @"deletes CustomResourceDefinition widgets.NS.example.test and with it every object of its kind: 1 object that is not this app's (1 Widget): Widget NS/one; 1 object of other owners that this repo may not change");
}
