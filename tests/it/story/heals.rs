//! What a heal leaves, and what is told of it: nothing is called healed that is still there, and an app's health is
//! that of all its objects.

use driftless::store::runs::{RunKind, RunRow, RunState};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, World};

const CONTAINERS: &str = "/spec/template/spec/containers";

async fn edit(world: &World, patch: Value) {
    let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let patch = Patch::Json::<()>(serde_json::from_value(patch).expect("a patch"));
    world.api("apps/v1 Deployment").await.patch("web", &params, &patch).await.expect("patched");
}

async fn names(world: &World, list: &str, key: &str) -> Vec<String> {
    let live = world.live("apps/v1 Deployment", "web").await.expect("there");
    let items = live.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> = items.iter().map(|item| item[key].to_string().replace('"', "")).collect();
    names.sort();
    names
}

async fn newest_heal(world: &World, app: &str) -> RunRow {
    let runs = world.runs(app).await;
    let heal = runs.into_iter().find(|run| run.kind == RunKind::Heal);
    match heal {
        Some(heal) => heal,
        None => panic!("no heal: {}", world.story().await),
    }
}

async fn look(world: &World) {
    world.resync().await;
    world.settled().await;
}

/// B24+: a container, a variable and a volume that were renamed by hand are what they were; one that is another one as
/// well stays, and the heal says so.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_renamed_by_hand_does_not_stay_beside_ours() {
    let world = World::start("renamed").await;
    let more = "          env: [{name: A, value: \"https://a.example.test\"}]\n      volumes: [{name: v, configMap: {name: settings}}]\n";
    let web = deployment("web", "example.test/web:1", 1) + more;
    let base = world.push(shop(&world).file("deploy/web.yaml", web)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;

    let env = format!("{CONTAINERS}/0/env");
    let volumes = "/spec/template/spec/volumes";
    for (list, is) in [(CONTAINERS, "server"), (env.as_str(), "A"), (volumes, "v")] {
        look(&world).await;
        edit(&world, json!([{"op": "replace", "path": format!("{list}/0/name"), "value": "other"}])).await;
        assert_eq!(names(&world, list, "name").await, ["other"]);
        look(&world).await;
        assert_eq!(names(&world, list, "name").await, [is], "{}", world.story().await);
        let told = newest_heal(&world, "/shop").await.error.unwrap_or_default();
        assert!(told.starts_with("healed: ") && !told.contains("stays"), "{list}: {told}");
    }

    look(&world).await;
    edit(
        &world,
        json!([{"op": "replace", "path": format!("{CONTAINERS}/0/name"), "value": "cc"},
        {"op": "replace", "path": format!("{CONTAINERS}/0/image"), "value": "example.test/other:1"}]),
    )
    .await;
    look(&world).await;
    assert_eq!(names(&world, CONTAINERS, "name").await, ["cc", "server"], "{}", world.story().await);
    let told = newest_heal(&world, "/shop").await.error.unwrap_or_default();
    let stays = "spec.template.spec.containers[cc] stays: it was added by kubectl-edit";
    assert!(told.contains("healed: ") && told.contains(stays), "{told}");
}

fn job(name: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\nspec:\n  suspend: true\n  template:\n    spec:\n      \
         restartPolicy: Never\n      \
         containers: [{{name: c, image: \"example.test/c:1\"}}]\n"
    )
}

/// H8+: a sync that does not touch what is suspended does not make the app healthy.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspended_stays_so_for_an_unchanged_object() {
    let world = World::start("suspended").await;
    let files = shop(&world)
        .file("deploy/job.yaml", job("once"))
        .file("deploy/kustomization.yaml", kustomization(&["job.yaml", "settings.yaml"]));
    let base = world.push(files).await;
    world.healthy("shop", &base).await;
    assert_eq!(world.stands("shop").await.1, "suspended", "{}", world.story().await);
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.healthy("shop", &next).await;
    world.settled().await;
    let (state, health, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), health.as_str()), ("synced", "suspended"), "{message}");
    assert!(message.contains("Job ") && message.contains("/once"), "{message}");
}

/// F25+: what fails the same way at each look is one row, which says how often, and what was to be healed.
#[tokio::test(flavor = "multi_thread")]
async fn a_heal_that_fails_again_and_again_is_one_row() {
    let world = World::start("again").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    look(&world).await;
    let before = world.runs("/shop").await.len();
    world.proxy.add(
        driftless::dev::fault_proxy::Rule::all(driftless::dev::fault_proxy::Fault::status(http::StatusCode::FORBIDDEN))
            .method(http::Method::PATCH)
            .containing("force=true"),
    );
    world.api("v1 ConfigMap").await.delete("settings", &DeleteParams::default()).await.expect("deleted");
    look(&world).await;
    // What failed is tried again with the look at the repo.
    for _ in 0..2 {
        world.poll().await;
        world.settled().await;
    }
    let runs = world.runs("/shop").await;
    assert_eq!(runs.len(), before + 1, "{}", world.story().await);
    let heal = &runs[0];
    assert_eq!((heal.kind, heal.state, heal.times), (RunKind::Heal, RunState::Failed, 3), "{heal:?}");
    assert!(heal.since.is_some_and(|since| since < heal.started), "{heal:?}");
    let told = heal.error.as_deref().unwrap_or_default();
    let gone = format!("to be healed: ConfigMap {}/settings was missing", world.namespace);
    assert!(told.contains(&gone), "{told}");
    let (said, _) = world.cli(&["runs", "shop", "-n", "1"]).await;
    assert!(said.contains("failed the same way 3 times since "), "{said}");
    world.proxy.clear();
    world.poll().await;
    world.settled().await;
    let heal = newest_heal(&world, "/shop").await;
    assert!(heal.state == RunState::Succeeded && heal.error.is_some_and(|told| told.starts_with("healed: ")));
    assert_eq!(world.runs("/shop").await.len(), before + 2, "{}", world.story().await);
}

/// F7: who ends a pause leaves the pin of somebody else, is told so, and how to end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_resume_ends_the_pause_and_leaves_the_pin() {
    let world = World::start("resume").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    let bad = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "bad"))).await;
    world.healthy("shop", &bad).await;
    world.cli(&["sync", "shop", "--revision", first.short(), "--by", "nina"]).await;
    world.healthy("shop", &first).await;
    world.cli(&["pause", "shop", "--by", "tom"]).await;
    world.settled().await;
    let (_, _, message) = world.stands("shop").await;
    assert!(message.contains("to end the pin as well, run it again"), "{message}");

    let (told, code) = world.cli(&["resume", "shop", "--by", "eve"]).await;
    assert!(code == 0 && told.contains("no longer paused"), "{told}");
    assert!(told.contains(&format!("It stays pinned to {}", first.short())), "{told}");
    world.settled().await;
    let row = world.app_row("shop").await.expect("the app");
    assert_eq!((row.paused, row.pinned_revision.as_ref()), (false, Some(&first)), "{}", world.story().await);
    assert_eq!(row.applied_revision, Some(first.clone()));
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "one");

    let (told, _) = world.cli(&["resume", "shop", "--by", "eve"]).await;
    assert!(told.contains(&format!("no longer pinned to {}", first.short())), "{told}");
    world.healthy("shop", &bad).await;
    assert_eq!(world.stands("shop").await.0, "synced");
    let (told, _) = world.cli(&["resume", "shop"]).await;
    assert!(told.contains("neither paused nor pinned"), "{told}");
}

/// F8: a commit that was never merged is refused, unless it is said that this is meant; then the app is not called
/// behind, until the commit is merged.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_beside_the_branch_is_pinned_on_purpose_alone() {
    let world = World::start("beside").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    let files = Files::new().file("deploy/settings.yaml", config_map("settings", "team"));
    let pull = world.open_pull("team", files).await;
    world.status(&pull.head).await;
    for said in ["team", pull.head.short(), pull.head.as_str()] {
        let (told, code) = world.cli(&["sync", "shop", "--revision", said]).await;
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("is not in the history of main") && told.contains("--not-on-branch"), "{told}");
    }
    world.settled().await;
    assert_eq!(world.app_row("shop").await.expect("the app").pinned_revision, None);

    let (told, code) = world.cli(&["sync", "shop", "--revision", "team", "--not-on-branch"]).await;
    assert!(code == 0 && told.contains("which is not on main"), "{told}");
    world.healthy("shop", &pull.head).await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert_eq!(state, "pinned");
    assert!(message.contains("which is not on main") && !message.contains("behind"), "{message}");

    let merge = world.merge_pull(pull.number).await;
    let merged = async || {
        let (_, _, message) = world.stands("shop").await;
        (!message.contains("not on main")).then_some(message)
    };
    world.eventually("the pinned commit is on main", merged).await;
    world.cli(&["resume", "shop"]).await;
    world.healthy("shop", &merge).await;
}

/// F20: who has the objects of an app that was renamed is told, and an app without objects is not healthy.
#[tokio::test(flavor = "multi_thread")]
async fn the_objects_of_a_renamed_app_are_the_other_ones() {
    let world = World::start("rename").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let next = Files::new().without("apps/shop.yaml").file("apps/store.yaml", world.app("store", "deploy"));
    let next = world.push(next).await;
    world.healthy("store", &next).await;
    world.settled().await;
    let (state, health, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), health.as_str()), ("removed", ""), "{message}");
    assert!(message.contains("3 objects now belong to shop/store"), "{message}");
    assert!(!message.contains("onDelete"), "{message}");
}

/// T3+: an object that Kubernetes would delete after each sync is named before the merge; what the app may not read is
/// not looked at for that.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_not_there_is_named_before_the_merge() {
    let world = World::start("left-told").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let settings = world.live("v1 ConfigMap", "settings").await.expect("there");
    let uid = settings["metadata"]["uid"].as_str().expect("a uid");
    let none = "11111111-1111-1111-1111-111111111111";
    let owned = |name: &str, version: &str, kind: &str, owner: &str, uid: &str| {
        let owners = format!("  ownerReferences: [{{apiVersion: {version}, kind: {kind}, name: {owner}, uid: {uid}}}]");
        let named = format!("  name: {name}\n");
        let text = config_map(name, "one").replace(&named, &format!("{named}{owners}\n"));
        assert!(text.contains(&owners), "{text}");
        text
    };
    let files = Files::new()
        .file("apps/owned.yaml", world.app("owned", "owned"))
        .file("owned/lost.yaml", owned("lost", "v1", "ConfigMap", "nothing", none))
        .file("owned/another.yaml", owned("another", "v1", "ConfigMap", "settings", none))
        .file("owned/kept.yaml", owned("kept", "v1", "ConfigMap", "settings", uid))
        .file("owned/hidden.yaml", owned("hidden", "rbac.authorization.k8s.io/v1", "ClusterRole", "nothing", none));
    let pull = world.open_pull("owned", files).await;
    world.status_is(&pull.head, "success", "4 to create").await;
    let comment = world.comment(pull.number, "Kubernetes would delete it after each sync").await;
    assert_eq!(comment.matches("Kubernetes would delete it").count(), 2, "{comment}");
    for (name, owner) in [("lost", "nothing"), ("another", "settings")] {
        let said = format!("ConfigMap {}/{name}", world.namespace);
        let line = comment.lines().find(|line| line.contains(&said) && line.contains("would delete it"));
        assert!(line.is_some_and(|line| line.contains(&format!("ConfigMap {owner}"))), "{name}: {comment}");
    }
}

/// T3+: an app of which an object is deleted each time it is healed has failed and is not healthy, and the owner that
/// is not there is named; another revision that does not touch it changes nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_after_each_heal_has_failed() {
    let world = World::start("left-gone").await;
    let owners = "  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: nothing, uid: 11111111-1111-1111-1111-111111111111}]";
    let named = "  name: settings\n";
    let owned = config_map("settings", "one").replace(named, &format!("{named}{owners}\n"));
    assert!(owned.contains(owners), "{owned}");
    let base = world.push(shop(&world).file("deploy/settings.yaml", owned)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    for _ in 0..=3 {
        // Kubernetes' garbage collector may have been faster.
        let _ = world.api("v1 ConfigMap").await.delete("settings", &DeleteParams::default()).await;
        world.gone("v1 ConfigMap", "settings").await;
        look(&world).await;
    }
    let (state, health, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), health.as_str()), ("failed", "degraded"), "{message}");
    let cause = "after each heal (3 times), because its `ownerReferences` name ConfigMap nothing, which does not exist";
    assert!(message.contains(cause), "{message}");

    world.push(Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    let next = async || world.live("apps/v1 Deployment", "web").await?.to_string().contains("web:2").then_some(());
    world.eventually("the other change", next).await;
    world.settled().await;
    let (state, health, message) = world.stands("shop").await;
    assert_eq!((state.as_str(), health.as_str()), ("failed", "degraded"), "{message}");
    assert!(message.contains("is no longer healed: somebody has deleted it after each of 3 heals"), "{message}");

    let mended = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.healthy("shop", &mended).await;
    world.settled().await;
    assert_eq!(world.stands("shop").await, ("synced".into(), "healthy".into(), String::new()));
}
