use std::collections::BTreeSet;

use super::{AppliedObject, Claim, ClaimError, Fingerprint, ObjectState};
use crate::class::{Class, Classified};
use crate::ids::{AppId, ClusterName};
use crate::manifest::{ObjectId, ObjectKey};
use crate::store::Store;
use crate::store::apps::tests::{app, app_id, oid, store};

fn prod() -> ClusterName {
    ClusterName::new("prod")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn write(name: &str) -> Claim {
    Claim { key: key(name), write: true }
}

fn applied(name: &str) -> AppliedObject {
    AppliedObject {
        key: key(name),
        uid: format!("uid-{name}"),
        resource_version: "7".into(),
        manifest_hash: "hash".into(),
        fingerprint: Fingerprint { digest: "print".into(), settled: true },
    }
}

async fn claim(store: &Store, app: &AppId, wanted: &[Claim]) -> Result<(), ClaimError> {
    store.claim(&prod(), app, wanted, &BTreeSet::new(), &BTreeSet::new()).await
}

async fn states(store: &Store, app: &AppId) -> Vec<(String, ObjectState)> {
    store.inventory(app).await.expect("read").into_iter().map(|row| (row.key.name, row.state)).collect()
}

#[tokio::test]
async fn a_claim_is_stored_before_the_apply_and_what_is_left_out_is_pruned() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    claim(&store, &web, &[write("a"), write("b")]).await.expect("claimed");
    assert_eq!(states(&store, &web).await, [("a".into(), ObjectState::Claimed), ("b".into(), ObjectState::Claimed)]);
    store.record_applied(&prod(), &web, &oid("a"), &[applied("a"), applied("b")]).await.expect("recorded");
    let rows = store.inventory(&web).await.expect("read");
    assert_eq!(rows[0].uid.as_deref(), Some("uid-a"));
    assert_eq!(rows[0].fingerprint, Some(Fingerprint { digest: "print".into(), settled: true }));
    assert_eq!(rows[0].applied_revision, Some(oid("a")));

    let unchanged = Claim { key: key("a"), write: false };
    claim(&store, &web, &[unchanged]).await.expect("claimed");
    assert_eq!(states(&store, &web).await, [("a".into(), ObjectState::Applied), ("b".into(), ObjectState::Pruning)]);
    store.record_revision(&prod(), &web, &oid("b")).await.expect("recorded");
    assert_eq!(store.inventory(&web).await.expect("read")[0].applied_revision, Some(oid("b")));
    store.forget_objects(&prod(), &web, &[key("a").id(), key("b").id()]).await.expect("forgotten");
    assert_eq!(
        states(&store, &web).await,
        [("a".into(), ObjectState::Applied)],
        "only what is to be pruned can be forgotten"
    );
}

#[tokio::test]
async fn what_is_about_to_be_written_is_not_known_to_be_unchanged() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    claim(&store, &web, &[write("a")]).await.expect("claimed");
    store.record_applied(&prod(), &web, &oid("a"), &[applied("a")]).await.expect("recorded");
    claim(&store, &web, &[write("a")]).await.expect("claimed");
    let row = store.inventory(&web).await.expect("read").remove(0);
    assert_eq!((row.state, row.manifest_hash, row.uid.as_deref()), (ObjectState::Claimed, None, Some("uid-a")));
}

#[tokio::test]
async fn an_object_has_one_owner_and_all_claims_of_a_sync_stand_or_fall_together() {
    let (store, _dir) = store().await;
    let (web, api) = (app_id("shop/web"), app_id("shop/api"));
    claim(&store, &web, &[write("a")]).await.expect("claimed");
    let error = claim(&store, &api, &[write("free"), write("a")]).await.expect_err("taken");
    assert_eq!(
        error.to_string(),
        "Deployment shop/a in cluster prod belongs to app shop/web, and app shop/api renders it as well: two apps \
         cannot own one object: remove it from one of them"
    );
    assert_eq!(error.class(), Class::Fail);
    assert_eq!(states(&store, &api).await, [], "nothing of a refused claim is left");
    let owned = store.owners(&prod(), &api, &[key("a").id(), key("free").id()]).await.expect("read");
    assert_eq!(owned, [(key("a").id(), web.clone())]);
    store
        .claim(&ClusterName::new("test"), &api, &[write("a")], &BTreeSet::new(), &BTreeSet::new())
        .await
        .expect("another cluster's is another object");
}

#[tokio::test]
async fn an_object_that_moves_within_a_repo_is_handed_over() {
    let (store, _dir) = store().await;
    let (web, api, other) = (app_id("shop/web"), app_id("shop/api"), app_id("fleet/api"));
    claim(&store, &web, &[write("a"), write("b")]).await.expect("claimed");
    store.record_applied(&prod(), &web, &oid("a"), &[applied("a"), applied("b")]).await.expect("recorded");
    claim(&store, &web, &[write("b")]).await.expect("a is to be pruned now");
    claim(&store, &other, &[write("a")]).await.expect_err("another repo's app gets nothing");
    claim(&store, &api, &[write("a")]).await.expect("handed over");
    assert_eq!(states(&store, &web).await, [("b".into(), ObjectState::Claimed)], "nothing to prune is left behind");

    let released = BTreeSet::from([web.clone()]);
    store
        .claim(&prod(), &other, &[write("b")], &BTreeSet::new(), &released)
        .await
        .expect_err("also when it is said to be released");
    store.claim(&prod(), &api, &[write("a"), write("b")], &BTreeSet::new(), &released).await.expect("handed over");
    assert_eq!(states(&store, &web).await, []);
    let row = store.inventory(&api).await.expect("read").remove(0);
    assert_eq!((row.uid.as_deref(), row.manifest_hash), (Some("uid-a"), None));
}

#[tokio::test]
async fn what_is_held_is_neither_written_nor_pruned_until_it_is_claimed_without() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    claim(&store, &web, &[write("a"), write("b"), write("c")]).await.expect("claimed");
    store
        .record_applied(&prod(), &web, &oid("a"), &[applied("a"), applied("b"), applied("c")])
        .await
        .expect("recorded");
    let wanted = |name: &str| Claim { key: key(name), write: false };
    claim(&store, &web, &[wanted("a"), wanted("b")]).await.expect("claimed");
    let held = BTreeSet::from([key("b").id(), key("c").id()]);
    store.claim(&prod(), &web, &[wanted("a"), wanted("b")], &held, &BTreeSet::new()).await.expect("claimed");
    let expected =
        [("a".into(), ObjectState::Applied), ("b".into(), ObjectState::Outdated), ("c".into(), ObjectState::Held)];
    assert_eq!(states(&store, &web).await, expected, "what was to be pruned is held as well");
    assert_eq!(store.awaiting_confirmation(&web).await.expect("read"), 2);
    store.forget_objects(&prod(), &web, &[key("c").id()]).await.expect("forgotten");
    assert_eq!(states(&store, &web).await, expected, "what waits is owned");
    claim(&store, &web, &[wanted("a"), wanted("b"), wanted("c")]).await.expect("claimed");
    assert!(states(&store, &web).await.iter().all(|(_, state)| *state == ObjectState::Applied));
    assert_eq!(
        store.inventory(&web).await.expect("read")[2].manifest_hash.as_deref(),
        Some("hash"),
        "and known to be as it was"
    );
}

#[tokio::test]
async fn a_job_that_completed_is_remembered_until_it_is_another_one() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    claim(&store, &web, &[write("a")]).await.expect("claimed");
    store.record_applied(&prod(), &web, &oid("a"), &[applied("a")]).await.expect("recorded");
    store.record_job_done(&prod(), &key("a").id()).await.expect("recorded");
    store.record_applied(&prod(), &web, &oid("b"), &[applied("a")]).await.expect("recorded");
    assert!(store.inventory(&web).await.expect("read")[0].job_done);
    let again = AppliedObject { uid: "other".into(), ..applied("a") };
    store.record_applied(&prod(), &web, &oid("b"), &[again]).await.expect("recorded");
    assert!(!store.inventory(&web).await.expect("read")[0].job_done);
}

#[tokio::test]
async fn an_object_without_a_namespace_and_an_unowned_one_have_rows_too() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    let shop = ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: "Namespace".into(),
        namespace: None,
        name: "shop".into(),
    };
    assert!(store.adopt_for_pruning(&prod(), &web, &shop, "u", false).await.expect("stored"));
    assert!(!store.adopt_for_pruning(&prod(), &app_id("shop/api"), &shop, "u", false).await.expect("stored"));
    let row = store.inventory_on(&prod()).await.expect("read").remove(0);
    assert_eq!((row.key.clone(), row.state), (shop, ObjectState::Pruning));
    let print = Fingerprint { digest: "p".into(), settled: false };
    let ids: Vec<ObjectId> = vec![row.key.id()];
    store.record_prints(&prod(), &[(ids[0].clone(), print.clone(), "9".into())]).await.expect("recorded");
    let row = store.inventory_on(&prod()).await.expect("read").remove(0);
    assert_eq!((row.fingerprint, row.resource_version.as_deref()), (Some(print), Some("9")));
    store.forget_objects(&prod(), &web, &ids).await.expect("forgotten");
    assert_eq!(store.inventory_on(&prod()).await.expect("read"), []);
}

#[tokio::test]
async fn what_an_app_left_on_another_cluster_is_decided_about_by_itself() {
    let (store, _dir) = store().await;
    let (web, id) = (app("shop/web", "shop"), app_id("shop/web"));
    let test = ClusterName::new("test");
    store.put_app(&web, &oid("a")).await.expect("stored");
    for cluster in [&prod(), &test] {
        let wanted = [write("a"), write("b"), write("c")];
        store.claim(cluster, &id, &wanted, &BTreeSet::new(), &BTreeSet::new()).await.expect("claimed");
    }
    assert_eq!(store.previous_clusters(&id).await.expect("read"), std::slice::from_ref(&test), "not where it is");
    let only = |name: &str| BTreeSet::from([key(name).id()]);
    store.set_left(&test, &id, &only("a"), &only("b")).await.expect("set");
    let left: Vec<_> = store.inventory_of(&test, &id).await.expect("read").into_iter().map(|row| row.state).collect();
    assert_eq!(left, [ObjectState::Held, ObjectState::Pruning, ObjectState::Applied]);
    assert!(store.inventory_of(&prod(), &id).await.expect("read").iter().all(|row| row.state == ObjectState::Claimed));
    store.prune_all(&prod(), &id).await.expect("set");
    assert_eq!(store.inventory_of(&test, &id).await.expect("read")[0].state, ObjectState::Held);
    assert_eq!(store.previous_clusters(&app_id("shop/none")).await.expect("read"), []);
}

/// A12: what a removed app kept can belong to an app of another repo once it is gone; what an app still has can't.
#[tokio::test]
async fn a12_a_claim_of_a_removed_app_to_what_is_gone_is_let_go() {
    let (store, _dir) = store().await;
    let (old, new) = (app("shop/old", "shop"), app_id("other/new"));
    store.put_app(&old, &oid("a")).await.expect("stored");
    claim(&store, &old.id, &[write("a"), write("b")]).await.expect("claimed");
    let gone = [key("a").id()];
    assert_eq!(store.disclaim_gone(&prod(), &old.id, &gone).await.expect("asked"), 0, "it is defined still");
    assert!(claim(&store, &new, &[write("a")]).await.is_err());
    store.set_app_state(&old.id, crate::store::apps::AppState::Removed, "removed").await.expect("stored");
    assert_eq!(store.disclaim_gone(&prod(), &old.id, &gone).await.expect("asked"), 1);
    claim(&store, &new, &[write("a")]).await.expect("free");
    assert!(claim(&store, &new, &[write("a"), write("b")]).await.is_err(), "what is there is kept");
}

/// T16+: what went with its namespace is not counted as being in the cluster, and stays the app's; what is to be
/// decided is named, the rest counted.
#[tokio::test]
async fn what_apps_own_at_a_glance() {
    let (store, _dir) = store().await;
    let web = app_id("shop/web");
    claim(&store, &web, &[write("a"), write("b"), write("c"), write("d")]).await.expect("claimed");
    let objects = [applied("a"), applied("b"), applied("c")];
    store.record_applied(&prod(), &web, &oid("a"), &objects).await.expect("recorded");
    let held = BTreeSet::from([key("c").id()]);
    let wanted = [Claim { write: false, ..write("b") }, write("d")];
    store.claim(&prod(), &web, &wanted, &held, &BTreeSet::new()).await.expect("claimed");
    store.lose(&prod(), &web, &[key("b").id(), key("c").id()]).await.expect("stored");
    let mut overviews = store.overviews().await.expect("read");
    let of_prod = overviews.get_mut(&web).and_then(|of_app| of_app.remove(&prod())).expect("there");
    let undecided: Vec<_> = of_prod.undecided.iter().map(|row| (row.key.name.as_str(), row.state)).collect();
    assert_eq!(undecided, [("a", ObjectState::Pruning), ("c", ObjectState::Held)], "what is held is not lost");
    let all = states(&store, &web).await;
    assert_eq!((of_prod.all, of_prod.in_cluster), (4, 2), "{all:?}");
}
