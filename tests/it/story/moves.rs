//! Objects that move from one app to another of the same repo: handed over, in whatever order the two are synced, and
//! never deleted.

mod kept;
mod shown;

use driftless::ids::{Oid, RepoName};
use driftless::queue::{Key, Request, Trigger};
use driftless::store::inventory::ObjectState;
use driftless::store::runs::RunState;

use super::manifests::{config_map, kustomization};
use crate::support::world::{Files, Setup, World, app_id};

/// Two apps, each with an object that stays; `old` has `x` besides. `more` goes into the definitions.
pub fn two(world: &World, more_of_old: &str, more_of_new: &str) -> Files {
    Files::new()
        .file("apps/old.yaml", world.app_with("old", "old", more_of_old))
        .file("apps/new.yaml", world.app_with("new", "new", more_of_new))
        .file("old/stays.yaml", config_map("old-stays", "1"))
        .file("old/x.yaml", config_map("x", "1"))
        .file("new/stays.yaml", config_map("new-stays", "1"))
}

fn moved(value: &str) -> Files {
    Files::new().without("old/x.yaml").file("new/x.yaml", config_map("x", value))
}

async fn uid(world: &World, name: &str) -> String {
    let live = world.live("v1 ConfigMap", name).await;
    live.unwrap_or_else(|| panic!("{name} is gone"))["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

async fn value(world: &World, name: &str) -> String {
    world.live("v1 ConfigMap", name).await.expect("there")["data"]["key"].as_str().expect("a value").to_owned()
}

async fn owner(world: &World, name: &str) -> String {
    let live = world.live("v1 ConfigMap", name).await.expect("there");
    let mark = live["metadata"]["annotations"]["driftless.dev/owner"].as_str().expect("a mark").to_owned();
    mark.split(':').nth(1).expect("an app").to_owned()
}

/// How the inventory of an app has an object.
async fn state(world: &World, app: &str, name: &str) -> Option<ObjectState> {
    let rows = world.context().store.inventory(&app_id(app)).await.expect("the store");
    rows.into_iter().find(|row| row.key.name == name).map(|row| row.state)
}

async fn set_paused(world: &World, app: &str, paused: bool) {
    let (store, id) = (&world.context().store, app_id(app));
    if paused {
        store.pause(&id, "ada", &driftless::store::apps::holds::PauseNote::default()).await.expect("stored");
    } else {
        store.resume(&id, "ada").await.expect("stored");
    }
}

async fn both_healthy(world: &World, revision: &Oid) {
    world.healthy("old", revision).await;
    world.healthy("new", revision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_app_comes_first_and_the_new_one_waits_for_a_person() {
    let world = World::start("move-old-first").await;
    let base = world.push(two(&world, "", "  sync: manual\n")).await;
    world.healthy("old", &base).await;
    world.sync_by_hand("new", false).await;
    world.healthy("new", &base).await;
    let before = uid(&world, "x").await;

    let revision = world.push(moved("2")).await;
    let run = world.healthy("old", &revision).await;
    assert_eq!(
        (run.counts.pruned, run.error.as_deref()),
        (0, Some("kept 1 object for app shop/new")),
        "{}",
        world.story().await
    );
    assert_eq!(state(&world, "old", "x").await, Some(ObjectState::Moving));
    // However often is looked.
    for _ in 0..2 {
        world.resync().await;
        world.settled().await;
    }
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before.clone(), "1"));

    world.sync_by_hand("new", false).await;
    let run = world.healthy("new", &revision).await;
    assert_eq!(
        (run.counts.updated, run.error.as_deref()),
        (1, Some("took over 1 object from app shop/old")),
        "{}",
        world.story().await
    );
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before.clone(), "2"));
    assert_eq!(owner(&world, "x").await, "shop/new");
    world.resync().await;
    world.settled().await;
    assert_eq!(uid(&world, "x").await, before);
    assert_eq!(
        (world.inventory("old").await, world.inventory("new").await.len()),
        (vec!["ConfigMap old-stays".to_owned()], 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_new_app_drops_before_it_took_it_is_pruned_after_all() {
    let world = World::start("move-dropped").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    set_paused(&world, "new", true).await;
    let revision = world.push(moved("2")).await;
    world.healthy("old", &revision).await;
    world.settled().await;
    assert_eq!(state(&world, "old", "x").await, Some(ObjectState::Moving));
    world.push(Files::new().without("new/x.yaml").file("new/more.yaml", config_map("more", "1"))).await;
    world.settled().await;
    assert!(world.live("v1 ConfigMap", "x").await.is_some(), "nobody has looked yet");
    world.resync().await;
    world.gone("v1 ConfigMap", "x").await;
    world.settled().await;
    assert_eq!(state(&world, "old", "x").await, None);
    let run = world.runs("/old").await.into_iter().next().expect("a run");
    assert_eq!((run.state, run.counts.pruned), (RunState::Succeeded, 1), "{}", world.story().await);
    assert!(world.live("v1 ConfigMap", "old-stays").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_app_that_prunes_leaves_what_another_one_takes() {
    let world = World::start("move-removed").await;
    let base = world.push(two(&world, "  onDelete: prune\n", "  sync: manual\n")).await;
    world.healthy("old", &base).await;
    world.sync_by_hand("new", false).await;
    world.healthy("new", &base).await;
    let before = [uid(&world, "x").await, uid(&world, "old-stays").await];
    let files = Files::new()
        .without("apps/old.yaml")
        .without("old")
        .file("new/x.yaml", config_map("x", "2"))
        .file("new/old.yaml", config_map("old-stays", "2"));
    let revision = world.push(files).await;
    // It waits for no word, as it deletes nothing.
    world
        .eventually("the end of the removed app", async || {
            let run = world.runs("/old").await.into_iter().next()?;
            (run.revision.as_deref() == Some(revision.as_str()) && run.state == RunState::Succeeded).then_some(())
        })
        .await;
    world.resync().await;
    world.settled().await;
    assert_eq!([uid(&world, "x").await, uid(&world, "old-stays").await], before);
    world.sync_by_hand("new", false).await;
    let run = world.healthy("new", &revision).await;
    assert_eq!(run.error.as_deref(), Some("took over 2 objects from app shop/old"), "{}", world.story().await);
    assert_eq!([uid(&world, "x").await, uid(&world, "old-stays").await], before);
    assert_eq!(world.inventory("old").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_an_app_has_moves_to_one_that_comes_with_the_same_push() {
    let world = World::start("move-all").await;
    let generated = |dir: &str| {
        let kustomization = kustomization(&["x.yaml"]) + "configMapGenerator:\n  - name: made\n    literals: [a=1]\n";
        Files::new()
            .file(format!("{dir}/kustomization.yaml"), kustomization)
            .file(format!("{dir}/x.yaml"), config_map("x", "1"))
    };
    let base = world.push(generated("old").file("apps/old.yaml", world.app("old", "old"))).await;
    world.healthy("old", &base).await;
    let made = world
        .inventory("old")
        .await
        .into_iter()
        .find_map(|name| Some(name.strip_prefix("ConfigMap made-")?.to_owned()));
    let made = format!("made-{}", made.expect("a generated name"));
    let before = [uid(&world, "x").await, uid(&world, &made).await];
    // The old app keeps one object; the new one says where its objects are.
    let said = config_map("x", "1").replace("  name: x", &format!("  name: x\n  namespace: {}", world.namespace));
    let files = generated("new")
        .file("new/x.yaml", said)
        .file("apps/new.yaml", world.app("new", "new"))
        .file("old/kustomization.yaml", kustomization(&["x.yaml"]))
        .file("old/x.yaml", config_map("stays", "1"));
    let revision = world.push(files).await;
    both_healthy(&world, &revision).await;
    world.settled().await;
    assert_eq!([uid(&world, "x").await, uid(&world, &made).await], before, "{}", world.story().await);
    assert_eq!(world.inventory("old").await, ["ConfigMap stays"]);
    assert_eq!(world.inventory("new").await, [format!("ConfigMap {made}"), "ConfigMap x".to_owned()]);
}

/// A3+: an app that does not render, and that could not render what another one drops, holds none of that.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_does_not_render_holds_only_what_it_could_render() {
    let world = World::start("move-apart").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let broken = Files::new()
        .file("apps/apart.yaml", world.app("apart", "apart"))
        .file("apart/kustomization.yaml", "resources: [none.yaml]\n")
        .file("apart/service.yaml", super::manifests::service("apart"));
    world.push(broken).await;
    world
        .eventually("it does not render", async || {
            Some(world.stands("apart").await).filter(|(state, ..)| state == "failed")
        })
        .await;
    let pull = world.open_pull("drop", Files::new().without("old/x.yaml")).await;
    world.status_is(&pull.head, "success", "1 to delete").await;
    assert!(!world.comment(pull.number, "DELETES").await.contains("held"), "{}", world.comments(pull.number).concat());
    let merge = world.merge_pull(pull.number).await;
    world.healthy("old", &merge).await;
    world.gone("v1 ConfigMap", "x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_while_another_app_does_not_render() {
    let world = World::start("move-broken").await;
    let base = world.push(two(&world, "", "")).await;
    both_healthy(&world, &base).await;
    let before = uid(&world, "x").await;
    let revision = world.push(moved("2").file("new/broken.yaml", "a: [\n")).await;
    let run = world.healthy("old", &revision).await;
    assert_eq!(run.counts.pruned, 0, "{}", world.story().await);
    assert!(
        run.error.as_deref().is_some_and(|said| said.starts_with("kept 1 object, because app shop/new")),
        "{:?}",
        run.error
    );
    world.resync().await;
    world.settled().await;
    assert_eq!(uid(&world, "x").await, before);
    let mended = world.push(Files::new().without("new/broken.yaml")).await;
    world.healthy("new", &mended).await;
    assert_eq!((uid(&world, "x").await, owner(&world, "x").await.as_str()), (before, "shop/new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_app_that_waits_for_a_person_does_not_fight_for_what_was_taken() {
    let world = World::start("move-manual-old").await;
    let base = world.push(two(&world, "  sync: manual\n", "")).await;
    world.healthy("new", &base).await;
    world.sync_by_hand("old", false).await;
    world.healthy("old", &base).await;
    let before = uid(&world, "x").await;
    let revision = world.push(moved("2")).await;
    world.healthy("new", &revision).await;
    // Its applied revision still has the object.
    world.api("v1 ConfigMap").await.delete("old-stays", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.resync().await;
    world.eventually("the other object healed", async || world.live("v1 ConfigMap", "old-stays").await).await;
    world.settled().await;
    let run = world.runs("/old").await.into_iter().next().expect("a run");
    assert_eq!((run.state, run.counts.created), (RunState::Succeeded, 1), "{}", world.story().await);
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before, "2"));
    assert_eq!(owner(&world, "x").await, "shop/new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_on_a_branch_that_nobody_told_of_gets_the_object() {
    let world = World::with("move-branch", Setup { webhooks: false, ..Setup::default() }).await;
    let on_release = world.app("new", "new").replace("{path: new}", "{path: new, ref: release}");
    let base = world.push(two(&world, "", "").file("apps/new.yaml", on_release)).await;
    let first = world.push_to("release", Files::new().file("new/more.yaml", config_map("more", "1"))).await;
    world.poll().await;
    world.healthy("old", &base).await;
    world.poll().await;
    world.healthy("new", &first).await;
    world.settled().await;
    let before = uid(&world, "x").await;
    // The branch has it before the other one drops it, and nobody is told of that.
    world.push_to("release", Files::new().file("new/x.yaml", config_map("x", "2"))).await;
    let revision = world.push(Files::new().without("old/x.yaml")).await;
    let main = Key::Push { repo: RepoName::new("shop"), ref_name: "refs/heads/main".into() };
    world.context().queue.enqueue(&[Request::new(main, Trigger::Poll)]).await.expect("queued");
    let run = world.healthy("old", &revision).await;
    assert_eq!(run.counts.pruned, 0, "{}", world.story().await);
    world.settled().await;
    assert_eq!(state(&world, "old", "x").await, Some(ObjectState::Moving));
    world.poll().await;
    world.eventually("the object taken over", async || (owner(&world, "x").await == "shop/new").then_some(())).await;
    world.settled().await;
    assert_eq!((uid(&world, "x").await, value(&world, "x").await.as_str()), (before, "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_drift_is_ignored_prunes_what_nobody_wants_any_more() {
    let world = World::start("move-ignore").await;
    let base = world.push(two(&world, "  drift: ignore\n", "")).await;
    both_healthy(&world, &base).await;
    set_paused(&world, "new", true).await;
    let revision = world.push(moved("2")).await;
    world.healthy("old", &revision).await;
    world.push(Files::new().without("new/x.yaml").file("new/more.yaml", config_map("more", "1"))).await;
    world.settled().await;
    world.resync().await;
    world.gone("v1 ConfigMap", "x").await;
    world.settled().await;
    assert_eq!(world.inventory("old").await, ["ConfigMap old-stays"]);
}
