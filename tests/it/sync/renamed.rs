//! What others have added to an object of ours, and what came of ours under another name.

use std::collections::BTreeSet;

use driftless::plan::Plan;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::world::{How, World, deployment};
use crate::support::cluster;

const ENV: &str = "/spec/template/spec/containers/0/env";
const VOLUMES: &str = "/spec/template/spec/volumes";
/// A value that hardly anybody else has by chance.
const ADDRESS: &str = "https://cart.example.test:8443";

fn web(env: &Value, volumes: &Value) -> Value {
    let mut web = deployment("web", 1);
    let pod = &mut web["spec"]["template"]["spec"];
    pod["containers"][0]["env"] = env.clone();
    pod["volumes"] = volumes.clone();
    web
}

async fn patch(world: &World, manager: &str, patch: &Patch<Value>) {
    let api: Api<Deployment> = Api::namespaced(cluster::client().await, &world.namespace);
    let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    api.patch("web", &params, patch).await.expect("patched");
}

/// As another team does it that adds to what it did not make.
async fn add(world: &World, container: &Value, more: &Value) {
    let mut pod = more.clone();
    pod["containers"] = json!([{"name": "web"}]);
    for (field, value) in container.as_object().expect("fields") {
        pod["containers"][0][field] = value.clone();
    }
    patch(world, "team-b", &Patch::Strategic(json!({"spec": {"template": {"spec": pod}}}))).await;
}

async fn edit(world: &World, operations: Value) {
    patch(world, "kubectl-edit", &Patch::Json(serde_json::from_value(operations).expect("a patch"))).await;
}

async fn live(world: &World) -> Value {
    world.live("apps", "Deployment", "web").await.expect("there")
}

async fn names(world: &World, list: &str) -> Vec<String> {
    let live = live(world).await;
    let items = live.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> = items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

/// Whether a manager holds an item, by the names in its set of fields.
async fn holds(world: &World, manager: &str, item: &str) -> bool {
    let live = live(world).await;
    let entries = live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let of = entries.iter().filter(|entry| entry["manager"] == manager);
    of.map(|entry| entry["fieldsV1"].to_string()).any(|fields| fields.contains(&format!("\\\"{item}\\\"")))
}

/// All of it is looked at anew.
async fn plan(world: &World, web: &Value) -> Plan {
    world.plan('a', std::slice::from_ref(web), &again()).await
}

fn again() -> How {
    How { drifted: Some(BTreeSet::new()), ..How::default() }
}

/// X1+: a new item of Git takes nothing of others, whatever they say, and leaves an app that can be synced.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_item_of_git_takes_nothing_of_others() {
    let world = World::new("new-item").await;
    let base = json!({"name": "BASE", "value": "1"});
    world.sync('a', &[web(&json!([base]), &json!([]))]).await;
    let env = json!([{"name": "TEAM_B", "value": ADDRESS}, {"name": "TEAM_B_MODE", "value": "true"}]);
    let mount = json!([{"name": "scratch-b", "mountPath": "/scratch"}]);
    add(
        &world,
        &json!({"env": env, "volumeMounts": mount}),
        &json!({"volumes": [{"name": "scratch-b", "emptyDir": {}}]}),
    )
    .await;

    let ours = json!([base, {"name": "OURS", "value": ADDRESS}, {"name": "OURS_MODE", "value": "true"}]);
    let next = web(&ours, &json!([{"name": "cache", "emptyDir": {}}]));
    let plan = plan(&world, &next).await;
    assert!(plan.changes[0].conflicts.is_empty() && plan.changes[0].takes.is_none());
    world.sync('b', std::slice::from_ref(&next)).await;
    assert_eq!(names(&world, ENV).await, ["BASE", "OURS", "OURS_MODE", "TEAM_B", "TEAM_B_MODE"]);
    assert_eq!(names(&world, VOLUMES).await, ["cache", "scratch-b"]);
    assert!(holds(&world, "team-b", "scratch-b").await && !holds(&world, "driftless", "scratch-b").await);

    world.sync('c', &[web(&json!([base]), &json!([]))]).await;
    assert_eq!(names(&world, ENV).await, ["BASE", "TEAM_B", "TEAM_B_MODE"]);
    assert_eq!(names(&world, VOLUMES).await, ["scratch-b"]);
}

/// X1+: what the plan shows is what the sync does: where the server does not let an item go, nothing is taken over.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_go_is_not_taken_over() {
    let world = World::new("cannot-go").await;
    let ours = web(&json!([]), &json!([{"name": "settings", "configMap": {"name": "settings"}}]));
    world.sync('a', std::slice::from_ref(&ours)).await;
    edit(&world, json!([{"op": "replace", "path": format!("{VOLUMES}/0/name"), "value": "other"}])).await;
    add(&world, &json!({"volumeMounts": [{"name": "other", "mountPath": "/b"}]}), &json!({})).await;
    let plan = plan(&world, &ours).await;
    assert!(plan.changes[0].takes.is_none(), "the mount needs it");
    world.apply('a', &plan, again()).await.expect("synced");
    assert_eq!(names(&world, VOLUMES).await, ["other", "settings"]);
    assert!(holds(&world, "kubectl-edit", "other").await && !holds(&world, "driftless", "other").await);
}

/// X1+: a refused apply changes nothing: what was taken over for it is held by whoever held it, and an item that is not
/// as the plan saw it is not taken at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_apply_gives_back_what_it_took() {
    let world = World::new("give-back").await;
    let ours = web(&json!([]), &json!([{"name": "settings", "configMap": {"name": "settings"}}]));
    world.sync('a', std::slice::from_ref(&ours)).await;
    edit(&world, json!([{"op": "replace", "path": format!("{VOLUMES}/0/name"), "value": "other"}])).await;
    let plan = plan(&world, &ours).await;
    assert!(plan.changes[0].takes.is_some(), "{:?}", plan.changes[0].conflicts);
    // Between the plan and the write somebody begins to need it.
    add(&world, &json!({"volumeMounts": [{"name": "other", "mountPath": "/b"}]}), &json!({})).await;
    world.apply('a', &plan, again()).await.expect_err("the mount needs it");
    assert_eq!(names(&world, VOLUMES).await, ["other"]);
    assert!(holds(&world, "kubectl-edit", "other").await && !holds(&world, "driftless", "other").await);

    // What is planned now is done, and what was ours comes back once nobody needs the other name.
    world.sync_with('a', std::slice::from_ref(&ours), again()).await.expect("synced");
    assert_eq!(names(&world, VOLUMES).await, ["other", "settings"]);
}
