//! A cluster that is another one than the app was rendered for.

use driftless::store::runs::{RunKind, RunState};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::json;

use crate::support::cluster;
use crate::support::world::{Files, World};

/// A14: a chart that looks at the cluster's APIs is rendered again at the resync after the cluster has gained one,
/// without a push; what comes out otherwise is synced, and the look after that finds nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_rendered_again_when_the_cluster_gains_an_api() {
    let world = World::start("upgrade").await;
    let group = format!("{}.example.test", world.namespace);
    let template = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: seen}}\ndata:\n  gadgets: {{{{ \
         .Capabilities.APIVersions.Has \"{group}/v1/Gadget\" | quote }}}}\n"
    );
    let files = Files::new()
        .file("apps/charted.yaml", world.app("charted", "chart"))
        .file("chart/Chart.yaml", "apiVersion: v2\nname: charted\nversion: 1.0.0\n")
        .file("chart/templates/seen.yaml", template);
    let base = world.push(files).await;
    world.healthy("charted", &base).await;
    world.first_looks().await;
    let seen = async || world.live("v1 ConfigMap", "seen").await.expect("there")["data"]["gadgets"].clone();
    assert_eq!(seen().await, "false");

    let name = format!("gadgets.{group}");
    let crd: CustomResourceDefinition = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }))
    .expect("a definition");
    let crds: Api<CustomResourceDefinition> = Api::all(cluster::client().await);
    crds.create(&kube::api::PostParams::default(), &crd).await.expect("created");
    world
        .eventually("a look that sees it", async || {
            world.resync().await;
            world.settled().await;
            (seen().await == "true").then_some(())
        })
        .await;
    let runs = world.runs("/charted").await;
    assert_eq!((runs[0].kind, runs[0].state), (RunKind::Sync, RunState::Succeeded), "{}", world.story().await);
    crds.delete(&name, &kube::api::DeleteParams::default()).await.expect("deleted");
}
