//! What the same change takes away is still there when the rest of it is applied: who is in the way is named.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::manifests::config_map;
use crate::support::cluster;
use crate::support::world::{Files, Setup, World};

const STEPS: &str = "Make the change in two steps: merge the deletion of ";

fn node_port(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  type: NodePort\n  ports:\n    - port: 80\n      \
         nodePort: 31873\n"
    )
}

async fn up(words: &str, files: Files) -> World {
    let world = World::with(words, Setup { admin: true, ..Setup::default() }).await;
    let files = files.file("apps/np.yaml", world.app("np", "np")).file("np/map.yaml", config_map("np", "one"));
    let base = world.push(files).await;
    world.healthy("np", &base).await;
    world.first_looks().await;
    world
}

/// H6+: a Service with a fixed node port is renamed. The preview and the sync name the one that has the port and say
/// what to do; doing that works.
#[tokio::test(flavor = "multi_thread")]
async fn h6_who_has_the_node_port_until_it_is_deleted_is_named() {
    let world = up("way-port", Files::new().file("np/service.yaml", node_port("np-old"))).await;
    let renamed = Files::new().file("np/service.yaml", node_port("np-new"));
    let pull = world.open_pull("rename", renamed.clone()).await;
    world.status_is(&pull.head, "failure", "1 rejected (np)").await;
    let comment = world.comment(pull.number, "Merging would fail").await;
    let holder = format!("Service {}/np-old uses the node port 31873 until it is deleted", world.namespace);
    assert!(comment.contains(&holder) && comment.contains(STEPS), "{comment}");
    assert!(!comment.contains("DELETES") && !comment.contains("--allow-destructive"), "{comment}");
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "**FAILED** for `np` on `prod`").await;
    assert!(comment.contains(&holder), "{comment}");

    let without = world.push(Files::new().without("np/service.yaml")).await;
    world.healthy("np", &without).await;
    world.gone("v1 Service", "np-old").await;
    let with = world.push(renamed).await;
    world.healthy("np", &with).await;
}

/// H6+, B20+: what decides over an object and goes with the same change decides until it is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn h6_what_decides_until_it_is_deleted_is_named() {
    let limit = "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: tight\nspec:\n  limits:\n    - type: Container\n      \
                 max: {memory: 100Mi}\n      default: {memory: 50Mi}\n";
    let world = up("way-limit", Files::new().file("np/limit.yaml", limit)).await;
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: runner\nspec:\n  containers:\n    - name: c\n      image: \
               example.test/c:1\n      resources: {limits: {memory: 1Gi}}\n";
    let files = Files::new().without("np/limit.yaml").file("np/pod.yaml", pod);
    let pull = world.open_pull("runner", files).await;
    world.status_is(&pull.head, "failure", "1 rejected (np)").await;
    let comment = world.comment(pull.number, "Merging would fail").await;
    let decides = format!("LimitRange {}/tight applies to it until it is deleted", world.namespace);
    assert!(comment.contains(&decides) && comment.contains(STEPS), "{comment}");
    // The base has it no more, and it is still there.
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "**FAILED** for `np` on `prod`").await;
    assert!(comment.contains(&decides), "{comment}");
}

/// X6+: a kind is not refused as unknown by what was read of the cluster a moment ago.
#[tokio::test(flavor = "multi_thread")]
async fn x6_a_kind_that_is_a_moment_old_is_known() {
    let world = World::with("way-kind", Setup { admin: true, ..Setup::default() }).await;
    let base = world
        .push(Files::new().file("apps/np.yaml", world.app("np", "np")).file("np/map.yaml", config_map("np", "one")))
        .await;
    world.healthy("np", &base).await;
    let group = format!("{}.example.test", world.namespace);
    let boxed = |name: &str| format!("apiVersion: {group}/v1\nkind: Box\nmetadata: {{name: {name}}}\n");
    let unknown = world.open_pull("one", Files::new().file("np/one.yaml", boxed("one"))).await;
    world.status_is(&unknown.head, "failure", "1 rejected (np)").await;
    let comment = world.comment(unknown.number, "does not know kind Box").await;
    assert!(!comment.contains("no longer rendered"), "{comment}");
    let name = format!("boxes.{group}");
    let crd: CustomResourceDefinition = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }))
    .expect("a definition");
    let client = cluster::client().await;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.create(&PostParams::default(), &crd).await.expect("created");
    let serves = async || client.list_api_group_resources(&format!("{group}/v1")).await.ok();
    world.eventually("the kind", serves).await;
    let known = world.open_pull("two", Files::new().file("np/two.yaml", boxed("two"))).await;
    world.status_is(&known.head, "success", "1 to create").await;
    crds.delete(&name, &DeleteParams::default()).await.expect("deleted");
}

/// X6+: a definition that may not be applied is still in the change: nobody is told that it is not.
#[tokio::test(flavor = "multi_thread")]
async fn x6_a_definition_that_is_not_allowed_is_told_as_that() {
    let world = World::with("way-crd", Setup { admin: true, ..Setup::default() }).await;
    let group = format!("{}.example.test", world.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: boxes.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{plural: boxes, singular: box, kind: Box, listKind: BoxList}}\n  \
         versions:\n    - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}\n"
    );
    let boxed = format!("apiVersion: {group}/v1\nkind: Box\nmetadata: {{name: one}}\n");
    let files =
        Files::new().file("apps/np.yaml", world.app("np", "np")).file("np/crd.yaml", crd).file("np/one.yaml", boxed);
    world.push(files).await;
    let failed = async || Some(world.stands("np").await).filter(|(state, ..)| state == "failed");
    let (_, _, message) = world.eventually("the failure", failed).await;
    assert!(message.contains("does not allow CustomResourceDefinition"), "{message}");
    assert!(!message.contains("no CRD in this change"), "{message}");
}
