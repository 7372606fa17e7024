//! Objects that are deleted to be made again, and can be made neither new nor as they were: what they held is kept
//! until there is one of their name again.

use std::collections::BTreeSet;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::store::inventory::{Claim, ObjectState};
use driftless::store::replaced::Replaced;
use driftless::sync::{Lost, look_for};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{How, World, config_map};

fn fixed(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({"driftless.dev/replace": "true"});
    object["immutable"] = true.into();
    object
}

fn fixed_map(value: &str) -> Value {
    fixed(config_map("x", &json!({"k": value})))
}

fn secret(value: &str) -> Value {
    fixed(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"k": value}}))
}

/// Nothing is made any more, neither by an apply nor by a create that is no trial.
fn refuse(world: &World, status: StatusCode, trials: usize) {
    world.proxy.add(Rule::all(Fault::status(status)).method(Method::PATCH).containing("force=true"));
    world.proxy.add(Rule::all(Fault::status(status)).method(Method::POST).containing("fieldManager").after(trials));
}

async fn kept(world: &World) -> Vec<Replaced> {
    world.deps.store.replaced_of(&world.app.id).await.expect("read")
}

/// B19+: a server that fails between the delete and the create loses nothing: the old object is put back as where it
/// refuses the new one.
#[tokio::test]
async fn what_fails_after_the_delete_is_put_back() {
    let world = World::new("lost-500").await;
    world.sync('a', &[fixed_map("1")]).await;
    let before = world.live("", "ConfigMap", "x").await.expect("there");
    let broken = Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    world.proxy.add(Rule::all(broken).method(Method::PATCH).containing("force=true"));
    let error = world.sync_with('b', &[fixed_map("2")], How::default()).await.expect_err("it fails");
    assert!(error.to_string().contains("the old object was restored"), "{error}");
    let back = world.live("", "ConfigMap", "x").await.expect("put back");
    assert_ne!(back["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(
        (&back["data"], &back["metadata"]["managedFields"]),
        (&before["data"], &before["metadata"]["managedFields"])
    );
    assert!(kept(&world).await.is_empty());
    world.proxy.clear();
    assert_eq!(world.sync('b', &[fixed_map("2")]).await.counts.replaced, 1);
}

/// B19+: what is put back again and again is not deleted any more, until its manifest changes or a person asks.
#[tokio::test]
async fn what_is_put_back_again_and_again_is_left_alone() {
    let world = World::new("lost-again").await;
    world.sync('a', &[fixed_map("1")]).await;
    let broken = || Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    let rule = world.proxy.add(Rule::all(broken()).method(Method::PATCH).containing("force=true"));
    for _ in 0..3 {
        world.sync_with('b', &[fixed_map("2")], How::default()).await.expect_err("it fails");
    }
    let uid = async || world.live("", "ConfigMap", "x").await.expect("there")["metadata"]["uid"].clone();
    let (left, struck) = (uid().await, world.proxy.struck(rule));
    let error = world.sync_with('b', &[fixed_map("2")], How::default()).await.expect_err("it fails").to_string();
    assert!(error.contains("restored 3 times") && error.contains("left unchanged for an hour"), "{error}");
    assert_eq!((uid().await, world.proxy.struck(rule)), (left.clone(), struck), "it is not touched");
    let by_hand = How { by_hand: true, ..How::default() };
    world.sync_with('b', &[fixed_map("2")], by_hand).await.expect_err("it fails");
    let again = uid().await;
    assert_ne!(again, left, "a person asks for it");
    world.sync_with('c', &[fixed_map("3")], How::default()).await.expect_err("it fails");
    assert_ne!(uid().await, again, "another manifest is tried");
    world.proxy.clear();
    assert_eq!(world.sync('c', &[fixed_map("3")]).await.counts.replaced, 1);
}

/// B19+: what could not be put back either is kept by the store, and put back as soon as the server takes it: with its
/// fields in the hands of those who held them, and as the app's.
#[tokio::test]
async fn what_is_missing_is_put_back_by_a_later_look() {
    let world = World::new("lost-kept").await;
    world.sync('a', &[fixed_map("1")]).await;
    let before = world.live("", "ConfigMap", "x").await.expect("there");
    refuse(&world, StatusCode::FORBIDDEN, 2);
    let error = world.sync_with('b', &[fixed_map("2")], How::default()).await.expect_err("refused").to_string();
    assert!(error.contains("it is missing in the cluster. Driftless has stored the old object"), "{error}");
    let lost = kept(&world).await;
    assert_eq!(lost.len(), 1);
    assert!(world.live("", "ConfigMap", "x").await.is_none());
    let grants = world.grants();
    let authority = grants.on(&world.app.destination.cluster);
    let marks = &world.marks;
    let look = async || look_for(&world.deps, &authority, marks, &lost[0], true).await.expect("looked for");
    let Lost::Missing { why, .. } = look().await else { panic!("the server refuses it still") };
    assert!(why.contains("is missing in the cluster since ") && why.contains("could not be restored ("), "{why}");
    assert_eq!(kept(&world).await.len(), 1);

    world.proxy.clear();
    assert_eq!(look().await, Lost::PutBack(world.key("", "ConfigMap", "x")));
    let back = world.live("", "ConfigMap", "x").await.expect("put back");
    for field in ["/data", "/immutable", "/metadata/labels", "/metadata/annotations", "/metadata/managedFields"] {
        assert_eq!(back.pointer(field), before.pointer(field), "{field}");
    }
    assert!(kept(&world).await.is_empty());
    let rows = world.inventory().await;
    assert_eq!((rows[0].state, rows[0].uid.as_deref()), (ObjectState::Applied, back["metadata"]["uid"].as_str()));
    assert!(rows[0].manifest_hash.is_some());
    // What is there is not touched, and what is wanted no more is not made.
    assert_eq!(look().await, Lost::No);
    assert_eq!(look_for(&world.deps, &authority, marks, &lost[0], false).await.expect("looked for"), Lost::No);
}

/// B19+: no value of a Secret gets into the store, neither with the Secret nor with what quotes it, and the error says
/// what that means.
#[tokio::test]
async fn what_a_secret_held_is_not_kept() {
    let world = World::new("lost-secret").await;
    let map = |value: &str| fixed(config_map("x", &json!({"k": value, "url": "db://ada:sesame-opens-7@db"})));
    world.sync('a', &[secret("sesame-opens-7"), map("1")]).await;
    refuse(&world, StatusCode::FORBIDDEN, 4);
    let next = [secret("sesame-opens-8"), map("2")];
    let error = world.sync_with('b', &next, How::default()).await.expect_err("refused").to_string();
    assert!(error.contains("Its content is not stored, because it is a Secret or contains"), "{error}");
    let lost = kept(&world).await;
    assert_eq!(lost.len(), 2);
    for replaced in &lost {
        assert!(replaced.object.is_none(), "{}", replaced.key);
    }
    // The new ones are made by the next run, and nothing is missing then.
    world.proxy.clear();
    assert_eq!(world.sync('b', &next).await.counts.created, 2);
}

/// B19+: an object that moves to another app while it is missing is that app's to put back, under its own mark.
#[tokio::test]
async fn what_is_missing_moves_with_its_claim() {
    let mut world = World::new("lost-moves").await;
    world.sync('a', &[fixed_map("1")]).await;
    refuse(&world, StatusCode::FORBIDDEN, 2);
    world.sync_with('b', &[fixed_map("2")], How::default()).await.expect_err("refused");
    assert_eq!(kept(&world).await.len(), 1);
    let (store, cluster) = (world.deps.store.clone(), world.app.destination.cluster.clone());
    let old = world.app.id.clone();
    store.prune_all(&cluster, &old).await.expect("it is no longer wanted");
    world.become_app("other").await;
    let claim = Claim { key: world.key("", "ConfigMap", "x"), write: true };
    let nothing = (BTreeSet::new(), BTreeSet::new());
    store.claim(&cluster, &world.app.id, &[claim], &nothing.0, &nothing.1).await.expect("claimed");
    assert!(store.replaced_of(&old).await.expect("read").is_empty());
    let lost = kept(&world).await;
    assert_eq!(lost.len(), 1, "it is the other app's");
    world.proxy.clear();
    let grants = world.grants();
    let authority = grants.on(&cluster);
    let found = look_for(&world.deps, &authority, &world.marks, &lost[0], true).await.expect("looked for");
    assert_eq!(found, Lost::PutBack(world.key("", "ConfigMap", "x")));
    let back = world.live("", "ConfigMap", "x").await.expect("put back");
    assert_eq!(back["data"]["k"], "1");
    assert_eq!(back["metadata"]["labels"]["driftless.dev/app"], world.marks.label());
    assert_eq!(world.sync('c', &[fixed_map("3")]).await.counts.replaced, 1, "and goes on as that app's");
}
