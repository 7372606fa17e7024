//! Drift: seen by metadata alone, healed, and given up on when somebody fights back.

use std::collections::BTreeSet;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::ids::AppId;
use driftless::manifest::ObjectId;
use driftless::plan::{Action, Verdict};
use driftless::store::apps::Heals;
use driftless::sync::drift::{self, Drifted, accept};
use driftless::sync::{SyncError, heal};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::apply::delete;
use super::world::{How, World, config_map, deployment};
use crate::support::cluster;

async fn look(world: &World) -> Vec<Drifted> {
    let mut found = drift::look(&world.deps.store, &world.deps.cluster, "driftless").await.expect("a look");
    found.apps.remove(&world.app.id).unwrap_or_default()
}

fn ids(drifted: &[Drifted]) -> BTreeSet<ObjectId> {
    drifted.iter().map(|drifted| drifted.id.clone()).collect()
}

async fn scale(world: &World, replicas: i64) {
    let deployments = Api::<Deployment>::namespaced(cluster::client().await, &world.namespace);
    let patch = json!({"spec": {"replicas": replicas}});
    let params = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    deployments.patch_scale("web", &params, &Patch::Merge(patch)).await.expect("scaled");
}

async fn edit(world: &World, name: &str, patch: &Value) {
    let maps = Api::<ConfigMap>::namespaced(cluster::client().await, &world.namespace);
    let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    maps.patch(name, &params, &Patch::Merge(patch)).await.expect("edited");
}

async fn healed(
    world: &World,
    objects: &[Value],
    drifted: &[Drifted],
    given_up: BTreeSet<ObjectId>,
) -> Result<u32, SyncError> {
    let how = How { drifted: Some(ids(drifted)), given_up, ..How::default() };
    let done = world.sync_with('a', objects, how).await?;
    Ok(done.counts.updated + done.counts.created)
}

#[tokio::test]
async fn what_controllers_do_is_no_drift_and_a_look_costs_one_list_a_kind() {
    let mut world = World::new("calm").await;
    let objects: Vec<Value> =
        (0..20).map(|n| config_map(&format!("m{n}"), &json!({}))).chain([deployment("web", 2)]).collect();
    world.sync_healthy('a', &objects).await;
    world.become_app("api").await;
    world.sync_healthy('a', &[deployment("api", 1)]).await;
    world.proxy.forget_counts();
    let found = drift::look(&world.deps.store, &world.deps.cluster, "driftless").await.expect("a look");
    assert!(found.apps.is_empty(), "{found:?}");
    assert_eq!((found.objects, found.kinds), (22, 2));
    let counts = world.proxy.counts();
    // The tests share one cluster, and another one may have more config maps in it than a page holds; nobody has that
    // many deployments.
    assert_eq!(counts.of("LIST", "apps/v1/deployments"), 1, "{counts}");
    let listed = counts.of("LIST", "apps/v1/deployments") + counts.of("LIST", "v1/configmaps");
    assert_eq!(counts.sum(|asked| asked.method == "LIST"), listed, "{counts}");
    assert_eq!(counts.sum(|asked| !matches!(asked.method.as_str(), "LIST" | "WATCH")), 0, "{counts}");
}

#[tokio::test]
async fn a_scale_by_hand_is_seen_and_healed_and_its_author_named() {
    let mut world = World::new("scaled").await;
    let objects = [deployment("web", 2)];
    world.sync_healthy('a', &objects).await;
    scale(&world, 5).await;
    let drifted = look(&world).await;
    assert_eq!(drifted.len(), 1, "{drifted:?}");
    let plan = world.plan('a', &objects, &How { drifted: Some(ids(&drifted)), ..How::default() }).await;
    let judgement = heal::judge(&plan, &drifted, &Heals::new(), world.deps.cluster.field_manager(), 3);
    assert_eq!(judgement.drifted[0].fields, ["spec.replicas"]);
    let by = judgement.drifted[0].by.clone().expect("the cluster tells who");
    assert!(by.starts_with("kubectl (Update of scale"), "{by}");
    assert_eq!(healed(&world, &objects, &drifted, judgement.given_up).await.expect("healed"), 1);
    assert_eq!(world.live("apps", "Deployment", "web").await.expect("there")["spec"]["replicas"], 2);
    assert!(look(&world).await.is_empty(), "it is as it was left");
}

#[tokio::test]
async fn an_edit_and_a_deletion_are_healed_too() {
    let world = World::new("edited").await;
    let objects = [config_map("a", &json!({"k": "1"})), config_map("b", &json!({}))];
    world.sync('a', &objects).await;
    edit(&world, "a", &json!({"data": {"k": "2"}})).await;
    delete(&world, "", "ConfigMap", "b").await;
    let drifted = look(&world).await;
    assert_eq!(drifted.len(), 2, "{drifted:?}");
    assert_eq!(healed(&world, &objects, &drifted, BTreeSet::new()).await.expect("healed"), 2);
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"]["k"], "1");
    assert!(world.live("", "ConfigMap", "b").await.is_some());
    assert!(look(&world).await.is_empty());
}

#[tokio::test]
async fn fields_that_others_add_are_no_drift() {
    let world = World::new("added").await;
    let objects = [config_map("a", &json!({"k": "1"}))];
    world.sync('a', &objects).await;
    edit(&world, "a", &json!({"data": {"theirs": "2"}})).await;
    let drifted = look(&world).await;
    assert_eq!(drifted.len(), 1, "the metadata differ");
    let plan = world.plan('a', &objects, &How { drifted: Some(ids(&drifted)), ..How::default() }).await;
    let judgement = heal::judge(&plan, &drifted, &Heals::new(), world.deps.cluster.field_manager(), 3);
    assert!(judgement.drifted.is_empty(), "{judgement:?}");
    accept(&world.deps.store, &world.deps.cluster, &drifted, &plan).await.expect("accepted");
    assert!(look(&world).await.is_empty(), "the next look does not stop at it again");
    assert_eq!(world.live("", "ConfigMap", "a").await.expect("there")["data"], json!({"k": "1", "theirs": "2"}));
}

#[tokio::test]
async fn three_changes_by_one_manager_within_a_second_do_not_hide() {
    let world = World::new("second").await;
    let objects = [config_map("a", &json!({"k": "1"}))];
    world.sync('a', &objects).await;
    for value in ["2", "3", "4"] {
        edit(&world, "a", &json!({"data": {"k": value}})).await;
        let drifted = look(&world).await;
        assert_eq!(drifted.len(), 1, "k: {value}");
        let plan = world.plan('a', &objects, &How { drifted: Some(ids(&drifted)), ..How::default() }).await;
        accept(&world.deps.store, &world.deps.cluster, &drifted, &plan).await.expect("nothing to accept");
    }
    let drifted = look(&world).await;
    assert_eq!(healed(&world, &objects, &drifted, BTreeSet::new()).await.expect("healed"), 1);
}

#[tokio::test]
async fn a_fight_is_given_up_after_three_heals_and_the_other_side_named() {
    let mut world = World::new("fight").await;
    let objects = [deployment("web", 2), config_map("a", &json!({}))];
    world.sync_healthy('a', &objects).await;
    let mut heals = Heals::new();
    for round in 0..3 {
        scale(&world, 5 + round).await;
        let drifted = look(&world).await;
        let plan = world.plan('a', &objects, &How { drifted: Some(ids(&drifted)), ..How::default() }).await;
        let judgement = heal::judge(&plan, &drifted, &heals, world.deps.cluster.field_manager(), 3);
        assert!(judgement.heals_anything(), "round {round}");
        healed(&world, &objects, &drifted, judgement.given_up.clone()).await.expect("healed");
        heals = judgement.heals;
    }
    scale(&world, 9).await;
    let drifted = look(&world).await;
    let plan = world.plan('a', &objects, &How { drifted: Some(ids(&drifted)), ..How::default() }).await;
    let judgement = heal::judge(&plan, &drifted, &heals, world.deps.cluster.field_manager(), 3);
    let text = judgement.surrender().join("\n").replace(&world.namespace, "NS");
    assert!(text.starts_with("Deployment NS/web: kubectl (Update of scale"), "{text}");
    assert!(
        text.ends_with("changes spec.replicas after each heal (3 times); it is not healed until the next revision"),
        "{text}"
    );
    assert_eq!(healed(&world, &objects, &drifted, judgement.given_up).await.expect("nothing to do"), 0);
    assert_eq!(world.live("apps", "Deployment", "web").await.expect("there")["spec"]["replicas"], 9);
}

#[tokio::test]
async fn a_kind_that_can_not_be_listed_does_not_hide_the_drift_of_the_others() {
    let world = World::new("half-blind").await;
    let objects = [deployment("web", 1), config_map("a", &json!({"k": "1"}))];
    world.sync('a', &objects).await;
    edit(&world, "a", &json!({"data": {"k": "2"}})).await;
    world
        .proxy
        .add(Rule::all(Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR)).containing("/apps/v1/deployments?"));
    let drifted = look(&world).await;
    assert!(drifted.iter().any(|drifted| drifted.id.name == "a"), "{drifted:?}");
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR)));
    drift::look(&world.deps.store, &world.deps.cluster, "driftless").await.expect_err("nothing could be seen");
}

#[tokio::test]
async fn where_only_namespaces_may_be_listed_they_are() {
    let world = World::new("namespaced").await;
    world.sync('a', &[config_map("a", &json!({"k": "1"}))]).await;
    edit(&world, "a", &json!({"data": {"k": "2"}})).await;
    world.proxy.add(Rule::all(Fault::status(http::StatusCode::FORBIDDEN)).containing("/api/v1/configmaps?"));
    assert_eq!(look(&world).await.len(), 1);
}

#[tokio::test]
async fn healing_never_makes_a_namespace_again() {
    let world = World::in_namespace(cluster::namespace_name("lost")).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
    let objects = [namespace, config_map("a", &json!({}))];
    world.sync('a', &objects).await;
    let key = driftless::manifest::ObjectKey { namespace: None, ..world.key("", "Namespace", &world.namespace) };
    crate::support::others::deletes(&key).await;
    for _ in 0..600 {
        if world.deps.cluster.get(&key).await.expect("an answer").is_none() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let drifted = look(&world).await;
    assert_eq!(drifted.len(), 2, "{drifted:?}");
    let error = healed(&world, &objects, &drifted, BTreeSet::new()).await.expect_err("refused");
    assert!(matches!(error, SyncError::NamespaceGone { .. }), "{error}");
    let app: &AppId = &world.app.id;
    assert!(error.to_string().contains(&format!("driftless sync {app}")), "{error}");
    assert!(world.deps.cluster.get(&key).await.expect("an answer").is_none());
    world.sync('b', &objects).await;
}

/// Writes as somebody does who edits by hand.
async fn by_hand<K>(world: &World, name: &str, patch: &Value)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api = kube::Api::<K>::namespaced(crate::support::cluster::client().await, &world.namespace);
    let params = kube::api::PatchParams { field_manager: Some("kubectl-edit".into()), ..Default::default() };
    api.patch(name, &params, &kube::api::Patch::Strategic(patch)).await.expect("edited");
}

fn service(port: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "ports": [{"name": "http", "port": port, "targetPort": 8080}]}})
}

/// B6, case 03: the port of a Service was changed by hand. A heal takes over what is in its way, and names who left it.
#[tokio::test]
async fn a_port_that_was_changed_by_hand_is_healed() {
    let world = World::new("leftover-port").await;
    world.sync('a', &[service(80)]).await;
    let ports = json!({"spec": {"ports": [{"$patch": "replace"}, {"name": "http", "port": 8099, "targetPort": 8080}]}});
    by_hand::<k8s_openapi::api::core::v1::Service>(&world, "web", &ports).await;
    let drifted = || How { drifted: Some(world_ids(&world)), ..How::default() };
    let plan = world.plan('a', &[service(80)], &drifted()).await;
    let change = &plan.changes[0];
    assert_eq!((change.action, &change.verdict), (Action::Update, &Verdict::Accepted), "{change:?}");
    assert!(change.conflicts.iter().any(|conflict| conflict.manager == "kubectl-edit"), "{:?}", change.conflicts);
    world.sync_with('a', &[service(80)], drifted()).await.expect("healed");
    let ports = world.live("", "Service", "web").await.expect("there")["spec"]["ports"].clone();
    assert_eq!((ports.as_array().map(Vec::len), &ports[0]["port"]), (Some(1), &json!(80)), "{ports}");
    assert!(world.plan('a', &[service(80)], &drifted()).await.is_empty());
}

fn world_ids(world: &World) -> std::collections::BTreeSet<driftless::manifest::ObjectId> {
    [world.key("", "Service", "web").id()].into()
}

/// B6, case 05: a variable gets its value from a Secret, and somebody had set one by hand.
#[tokio::test]
async fn a_value_that_was_set_by_hand_gives_way_to_a_reference() {
    let world = World::new("leftover-env").await;
    let with = |env: Value| {
        let mut object = deployment("web", 0);
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([env]);
        object
    };
    world.sync('a', &[with(json!({"name": "PASSWORD", "value": "plain"}))]).await;
    let edit = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "PASSWORD",
        "value": "by hand"}]}]}}}});
    by_hand::<k8s_openapi::api::apps::v1::Deployment>(&world, "web", &edit).await;
    let next = with(json!({"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}));
    world.sync('b', std::slice::from_ref(&next)).await;
    let env = world.live("apps", "Deployment", "web").await.expect("there")["spec"]["template"]["spec"]["containers"]
        [0]["env"][0]
        .clone();
    assert!(env.get("value").is_none() && env.get("valueFrom").is_some(), "{env}");
}

/// B7: a field that the app leaves to others is neither drift nor written, and is Git's while nobody else sets it.
#[tokio::test]
async fn a_field_that_is_left_to_others_stays_theirs() {
    let mut world = World::new("ignored").await;
    let rule = json!([{"kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]);
    world.app.ignore_differences = serde_json::from_value(rule).expect("a rule");
    world.sync('a', &[deployment("web", 0)]).await;
    assert_eq!(world.live("apps", "Deployment", "web").await.expect("there")["spec"]["replicas"], 0);
    by_hand::<k8s_openapi::api::apps::v1::Deployment>(&world, "web", &json!({"spec": {"replicas": 2}})).await;
    let drifted = How { drifted: Some([world.key("apps", "Deployment", "web").id()].into()), ..How::default() };
    let plan = world.plan('a', &[deployment("web", 0)], &drifted).await;
    assert!(plan.is_empty(), "{plan:?}");
    let mut next = deployment("web", 0);
    next["metadata"]["labels"] = json!({"tier": "front"});
    world.sync_with('b', &[next], drifted).await.expect("synced");
    let live = world.live("apps", "Deployment", "web").await.expect("there");
    assert_eq!((&live["spec"]["replicas"], &live["metadata"]["labels"]["tier"]), (&json!(2), &json!("front")));
}
