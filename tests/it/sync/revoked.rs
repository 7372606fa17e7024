//! What is taken out of `allow` stops at the next step, wherever that is.

use std::sync::atomic::{AtomicUsize, Ordering};

use driftless::app::{Allow, Authority, Grants, Refusal, Verb};
use driftless::class::{Class, Classified};
use driftless::ids::{ClusterName, RepoName};
use driftless::manifest::ObjectId;
use driftless::sync::SyncError;
use serde_json::{Value, json};

use super::world::{How, World, config_map};

/// The rules of a repo until so many questions were asked, and none of them from then on.
struct Revoked {
    left: AtomicUsize,
    repo: RepoName,
    cluster: ClusterName,
    allow: Allow,
}

impl Revoked {
    fn after(questions: usize, world: &World) -> Self {
        let app = &world.app;
        Self {
            left: AtomicUsize::new(questions),
            repo: app.id.repo.clone(),
            cluster: app.destination.cluster.clone(),
            allow: world.allow.clone(),
        }
    }
}

impl Authority for Revoked {
    fn ask(&self, verb: Verb, object: &ObjectId) -> Result<(), Refusal> {
        let granted = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let (all, nothing) = (&self.allow, Allow { namespaces: Vec::new(), ..self.allow.clone() });
        Grants { repo: &self.repo, allow: if granted { all } else { &nothing }, may_read: &[] }
            .on(&self.cluster)
            .ask(verb, object)
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn maps(names: &[&str], value: &str) -> Vec<Value> {
    names.iter().map(|name| config_map(name, &json!({"key": value}))).collect()
}

fn assert_refused(error: &SyncError, rule: &str) {
    assert!(matches!(error, SyncError::NotAllowed(_)), "{error}");
    assert_eq!(error.class(), Class::Fail);
    assert!(error.to_string().contains(rule), "{error}");
}

async fn with_value(world: &World, value: &str) -> usize {
    let mut found = 0;
    for name in NAMES {
        found += usize::from(world.live("", "ConfigMap", name).await.is_some_and(|live| live["data"]["key"] == value));
    }
    found
}

/// X4: wherever in a sync the rule goes, nothing is written from then on, and the error names the rule.
#[tokio::test]
async fn a_sync_stops_at_the_write_at_which_it_is_no_longer_allowed() {
    let mut world = World::new("revoked-sync").await;
    world.sync('a', &maps(&NAMES, "0")).await;
    for granted in [0, 1, 4, 5] {
        world.become_app("web").await;
        let value = granted.to_string();
        let how = How { authority: Some(Box::new(Revoked::after(granted, &world))), ..How::default() };
        let error = world.sync_with('b', &maps(&NAMES, &format!("to-{value}")), how).await.expect_err("revoked");
        assert_refused(&error, "repos[shop].allow.namespaces");
        assert_eq!(with_value(&world, &format!("to-{value}")).await, granted, "after {granted}");
    }
    let all = maps(&NAMES, "granted again");
    world.sync('c', &all).await;
    assert_eq!(with_value(&world, "granted again").await, NAMES.len());
}

/// X4: a prune under way stops at the object at which it is no longer allowed; what it has not deleted stays in the
/// inventory, and goes once it is granted again.
#[tokio::test]
async fn a_prune_under_way_stops_and_goes_on_when_it_is_granted_again() {
    let world = World::new("revoked-prune").await;
    world.sync('a', &maps(&NAMES, "0")).await;
    world.sync('b', &maps(&NAMES[..3], "0")).await;
    let error = world.prune_as(&Revoked::after(1, &world)).await.expect_err("revoked");
    assert_eq!(error.class(), Class::Fail);
    assert!(error.to_string().contains("deleting ConfigMap"), "{error}");
    assert_eq!(with_value(&world, "0").await, 5, "one was deleted before");
    let error = world.prune_as(&Revoked::after(0, &world)).await.expect_err("revoked");
    assert!(error.to_string().contains("repos[shop].allow.namespaces"), "{error}");
    assert_eq!(with_value(&world, "0").await, 5);
    assert_eq!(world.prune().await.deleted.len(), 2);
    assert_eq!(with_value(&world, "0").await, 3);
}

/// X4: a cluster that is taken out is as good as none, whatever the namespaces say.
#[tokio::test]
async fn a_heal_of_a_cluster_that_is_no_longer_allowed_writes_nothing() {
    let mut world = World::new("revoked-heal").await;
    world.sync('a', &maps(&NAMES, "0")).await;
    world.allow.clusters.clear();
    let drifted = Some(world.inventory().await.iter().map(|row| row.key.id()).collect());
    let error = world.sync_with('a', &maps(&NAMES, "1"), How { drifted, ..How::default() }).await.expect_err("revoked");
    assert_refused(&error, "repos[shop].allow.clusters");
    assert_eq!(with_value(&world, "1").await, 0);
}
