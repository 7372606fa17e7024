//! No gate is older than what its verdict rests on: who owns the objects, who wants them, and what has to be there for
//! them.

use driftless::ids::{AppId, RepoName};

use super::manifests::config_map;
use super::push::shop;
use crate::support::git::Work;
use crate::support::world::{Files, LIBRARY, PROJECT, Pull, Setup, World};

async fn up(words: &str, setup: Setup) -> World {
    let world = World::with(words, setup).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world
}

/// A pull request that adds an app with one `ConfigMap` which is called `shared`.
async fn takes(world: &World, app: &str, more: &str) -> Pull {
    let files = Files::new()
        .file(format!("apps/{app}.yaml"), world.app_with(app, app, more))
        .file(format!("{app}/shared.yaml"), config_map("shared", app));
    world.open_pull(app, files).await
}

/// X7+: two pull requests take the same object, and both are green until one of them is merged. Whoever merges the
/// other one all the same is told why nothing came of it.
#[tokio::test(flavor = "multi_thread")]
async fn x7_what_another_merge_has_taken_is_refused() {
    let world = up("claims-merge", Setup::default()).await;
    let one = takes(&world, "one", "").await;
    let two = takes(&world, "two", "").await;
    world.status_is(&one.head, "success", "1 to create").await;
    world.status_is(&two.head, "success", "1 to create").await;
    let merge = world.merge_pull(one.number).await;
    world.healthy("one", &merge).await;
    world.status_is(&two.head, "failure", "1 rejected (two)").await;
    let comment = world.comment(two.number, "shop/one").await;
    assert!(comment.contains("own one object"), "{comment}");
    world.merge_pull(two.number).await;
    let comment = world.comment(two.number, "**FAILED** for `two` on `prod`").await;
    assert!(comment.contains("shop/one") && comment.contains("ConfigMap"), "{comment}");
    assert_eq!(world.live("v1 ConfigMap", "shared").await.expect("there")["data"]["key"], "one");
}

/// X7+: the Namespace that a pull request needs is deleted by another merge.
#[tokio::test(flavor = "multi_thread")]
async fn x7_a_namespace_that_goes_is_missed() {
    let world = World::start("claims-ns").await;
    let inner = format!("{}-inner", world.namespace);
    let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {inner}\n");
    let files = shop(&world)
        .file("apps/ground.yaml", world.app("ground", "ground"))
        .file("ground/namespace.yaml", namespace)
        .file("ground/map.yaml", config_map("stays", "x"));
    let base = world.push(files).await;
    world.healthy("ground", &base).await;
    world.first_looks().await;
    let app =
        world.app("inner", "inner").replace(&format!("namespace: {}", world.namespace), &format!("namespace: {inner}"));
    let files = Files::new().file("apps/inner.yaml", app).file("inner/map.yaml", config_map("inside", "x"));
    let pull = world.open_pull("inner", files).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    let drop = world.open_pull("drop", Files::new().without("ground/namespace.yaml")).await;
    world.status_is(&drop.head, "success", "1 to delete, needs confirmation").await;
    world.merge_pull(drop.number).await;
    world.comment(drop.number, "**1 deletion needs confirmation** for").await;
    assert_eq!(world.gate(&pull.head).map(|gate| gate.state), Some("success".into()), "it is still there");
    world.sync_by_hand("ground", true).await;
    let gate = world
        .eventually("the gate fails", async || world.gate(&pull.head).filter(|gate| gate.state == "failure"))
        .await;
    assert_eq!(gate.description, "1 rejected (inner)");
    world.comment(pull.number, &inner).await;
}

/// X7+: an app that waits for a person to sync it has no inventory, and what it renders is its own all the same.
#[tokio::test(flavor = "multi_thread")]
async fn x7_an_app_that_was_never_synced_has_a_claim() {
    let world = up("claims-manual", Setup::default()).await;
    // The pull request was green before the other app came.
    let early = takes(&world, "early", "").await;
    world.status_is(&early.head, "success", "1 to create").await;
    let manual = world.app_with("waits", "waits", "  sync: manual\n");
    world
        .push(Files::new().file("apps/waits.yaml", manual).file("waits/shared.yaml", config_map("shared", "waits")))
        .await;
    world.status_is(&early.head, "failure", "1 rejected (early)").await;
    let comment = world.comment(early.number, "shop/waits").await;
    assert!(comment.contains("has not applied it yet"), "{comment}");
    let late = takes(&world, "late", "").await;
    world.status_is(&late.head, "failure", "1 rejected (late)").await;
    // Once it is gone from there, whoever wants it may have it.
    world.push(Files::new().file("waits/shared.yaml", config_map("another", "waits"))).await;
    world.status_is(&early.head, "success", "1 to create").await;
    world.status_is(&late.head, "success", "1 to create").await;
}

/// X7+: an app whose first sync fails owns what it renders.
#[tokio::test(flavor = "multi_thread")]
async fn x7_an_app_whose_first_sync_fails_has_a_claim() {
    let world = up("claims-failed", Setup::default()).await;
    let broken = config_map("broken", "x").replace("\ndata:", "\ndta:");
    let files = Files::new()
        .file("apps/fails.yaml", world.app("fails", "fails"))
        .file("fails/shared.yaml", config_map("shared", "fails"))
        .file("fails/broken.yaml", broken);
    world.push(files).await;
    world
        .eventually("it fails", async || Some(world.stands("fails").await).filter(|(state, ..)| state == "failed"))
        .await;
    assert!(world.live("v1 ConfigMap", "shared").await.is_none(), "a bad revision changes nothing");
    let pull = takes(&world, "other", "").await;
    world.status_is(&pull.head, "failure", "1 rejected (other)").await;
    world.comment(pull.number, "shop/fails").await;
}

pub(super) async fn push_library(world: &World, work: &Work, files: &[(&str, String)]) {
    for (path, text) in files {
        work.write(path, text);
    }
    work.commit_all("Change the library");
    work.git(&["push", "-q", &world.forge.repo_dir(LIBRARY).display().to_string(), "HEAD:refs/heads/main"]);
    world.forge.refs_changed(LIBRARY).await.expect("seen");
}

/// X7+: the same across repos: an app of one that waits, and a pull request of the other.
#[tokio::test(flavor = "multi_thread")]
async fn x7_an_app_of_another_repo_that_was_never_synced_has_a_claim() {
    let world = up("claims-repos", Setup { with_library: true, ..Setup::default() }).await;
    let work = Work::new();
    let pull = takes(&world, "mine", "").await;
    world.status_is(&pull.head, "success", "1 to create").await;
    let definition = world.app_with("theirs", "theirs", "  sync: manual\n");
    push_library(
        &world,
        &work,
        &[("apps/theirs.yaml", definition), ("theirs/shared.yaml", config_map("shared", "theirs"))],
    )
    .await;
    world.status_is(&pull.head, "failure", "1 rejected (mine)").await;
    world.comment(pull.number, "library/theirs").await;
    assert_eq!(
        world.forge.latest_status(PROJECT, &pull.head, "driftless").map(|gate| gate.state),
        Some("failure".into())
    );
}

/// Has the library define an app in a namespace of its own, which renders an object of the world's namespace.
async fn squat(world: &World, work: &Work, sync: &str) {
    let own = format!("namespace: {}-own", world.namespace);
    let definition = world.app_with("squat", "squat", sync).replace(&format!("namespace: {}", world.namespace), &own);
    let shared = config_map("shared", "theirs")
        .replace("name: shared", &format!("name: shared\n  namespace: {}", world.namespace));
    push_library(world, work, &[("apps/squat.yaml", definition), ("squat/shared.yaml", shared)]).await;
}

/// X13: what a repo may not write it cannot claim from others, whatever it renders.
#[tokio::test(flavor = "multi_thread")]
async fn x13_nobody_claims_what_he_may_not_write() {
    let world = up("claims-squat", Setup { with_library: true, allows_library: "-own", ..Setup::default() }).await;
    squat(&world, &Work::new(), "").await;
    world
        .eventually("it is refused", async || {
            let squat = AppId::new(&RepoName::new("library"), "squat");
            world.context().store.app(&squat).await.expect("the store").filter(|row| row.failure.contains("allow"))
        })
        .await;
    world.settled().await;
    let pull = takes(&world, "mine", "").await;
    world.status_is(&pull.head, "success", "1 to create").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("mine", &merge).await;
}

/// X13, X14: a claim that was stored goes with the right to it, and the gates that it has closed open.
#[tokio::test(flavor = "multi_thread")]
async fn x13_a_claim_ends_with_the_right_to_it() {
    let mut world = up("claims-revoked", Setup { with_library: true, ..Setup::default() }).await;
    squat(&world, &Work::new(), "  sync: manual\n").await;
    let pull = takes(&world, "mine", "").await;
    world.status_is(&pull.head, "failure", "1 rejected (mine)").await;
    world.stop().await;
    world.allow_library("-own");
    world.start_again().await;
    world.status_is(&pull.head, "success", "1 to create").await;
}

/// X7+: what a quota counts in one namespace: a pull request is looked at again once another merge has used up what was
/// left.
#[tokio::test(flavor = "multi_thread")]
async fn x7_what_another_merge_has_used_up_is_missed() {
    let world = World::start("claims-quota").await;
    // The control plane makes one config map in each namespace.
    let quota =
        "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: small\nspec:\n  hard:\n    count/secrets: \"1\"\n";
    let files = shop(&world).file("apps/ground.yaml", world.app("ground", "ground")).file("ground/quota.yaml", quota);
    let base = world.push(files).await;
    world.healthy("ground", &base).await;
    world.first_looks().await;
    world
        .eventually("the quota counts", async || {
            world.live("v1 ResourceQuota", "small").await?["status"]["hard"]["count/secrets"].as_str().map(drop)
        })
        .await;
    let adds = async |app: &str| {
        let secret = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {app}\n");
        let files = Files::new().file(format!("apps/{app}.yaml"), world.app(app, app));
        world.open_pull(app, files.file(format!("{app}/secret.yaml"), secret)).await
    };
    only_the_first_passes(&world, adds("one").await, adds("two").await).await;
}

/// X7+: a node port that another merge has taken.
#[tokio::test(flavor = "multi_thread")]
async fn x7_a_node_port_that_another_merge_has_taken_is_missed() {
    let world = up("claims-port", Setup::default()).await;
    let adds = async |app: &str| {
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {app}\nspec:\n  type: NodePort\n  ports:\n    - port: \
             80\n      nodePort: 30762\n"
        );
        let files = Files::new().file(format!("apps/{app}.yaml"), world.app(app, app));
        world.open_pull(app, files.file(format!("{app}/service.yaml"), service)).await
    };
    only_the_first_passes(&world, adds("one").await, adds("two").await).await;
}

/// Two pull requests of the apps `one` and `two`, each of which could be merged alone: the second is refused once the
/// first is merged.
async fn only_the_first_passes(world: &World, one: Pull, two: Pull) {
    world.status_is(&one.head, "success", "1 to create").await;
    world.status_is(&two.head, "success", "1 to create").await;
    let merge = world.merge_pull(one.number).await;
    world.healthy("one", &merge).await;
    world.status_is(&two.head, "failure", "1 rejected (two)").await;
}

/// The same Event under either of its API groups.
fn event(world: &World, group: &str) -> String {
    let (version, regarding, message, by) = match group {
        "" => ("v1", "involvedObject", "message", "reportingComponent"),
        _ => ("events.k8s.io/v1", "regarding", "note", "reportingController"),
    };
    let namespace = &world.namespace;
    format!(
        "apiVersion: {version}\nkind: Event\nmetadata:\n  name: once\n{regarding}:\n  kind: Namespace\n  \
         name: {namespace}\n  namespace: {namespace}\neventTime: '2026-01-01T00:00:00.000000Z'\nreason: Made\naction: \
         Make\n{message}: one\ntype: Normal\n{by}: example.test/x\nreportingInstance: x\n"
    )
}

/// C3+: two apps that render one object under two API groups are told before the merge, whether both come with the pull
/// request or one of them is there already.
#[tokio::test(flavor = "multi_thread")]
async fn c3_one_object_under_two_groups_has_one_app() {
    let world = up("claims-groups", Setup { admin: true, ..Setup::default() }).await;
    let both = Files::new()
        .file("apps/old.yaml", world.app("old", "old"))
        .file("old/event.yaml", event(&world, ""))
        .file("apps/new.yaml", world.app("new", "new"))
        .file("new/event.yaml", event(&world, "events.k8s.io"));
    let pull = world.open_pull("both", both).await;
    world.status_is(&pull.head, "failure", "2 rejected (new, old)").await;
    let comment = world.comment(pull.number, "under the API group events.k8s.io").await;
    assert!(comment.contains("under the core API group") && comment.contains("own one object"), "{comment}");
    // One alone may have it, and what is green before it comes is not green after it.
    let files = Files::new()
        .file("apps/new.yaml", world.app_with("new", "new", "  adopt: true\n"))
        .file("new/event.yaml", event(&world, "events.k8s.io"));
    let new = world.open_pull("new", files).await;
    world.status_is(&new.head, "success", "1 to create").await;
    let manual = world.app_with("old", "old", "  sync: manual\n");
    world.push(Files::new().file("apps/old.yaml", manual).file("old/event.yaml", event(&world, ""))).await;
    world.status_is(&new.head, "failure", "1 rejected (new)").await;
    let comment = world.comment(new.number, "shop/old").await;
    assert!(comment.contains("under the core API group, which has not applied it yet"), "{comment}");
    world.sync_by_hand("old", false).await;
    world.settled().await;
    let comment = world.comment(new.number, "which still renders it").await;
    assert!(comment.contains("belongs to app shop/old under the core API group"), "{comment}");
    // The pull request that moves it from there is not refused for that.
    let moves = Files::new()
        .without("old/event.yaml")
        .file("old/map.yaml", config_map("stays", "x"))
        .file("apps/taker.yaml", world.app_with("taker", "taker", "  adopt: true\n"))
        .file("taker/event.yaml", event(&world, "events.k8s.io"));
    let moved = world.open_pull("moves", moves).await;
    let gate = world.status(&moved.head).await;
    assert_eq!(gate.state, "success", "{gate:?}\n{}", world.comments(moved.number).concat());
}
