//! CRDs that change under the objects and the charts of other apps.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::manifests::config_map;
use crate::support::world::{Files, Setup, World};

/// CRDs are the whole cluster's: each test has a group of its own.
async fn start(words: &str) -> (World, String) {
    let cluster_scoped = "[{kind: CustomResourceDefinition}]";
    let setup = Setup { admin: true, cluster_scoped, ..Setup::default() };
    let world = World::with(words, setup).await;
    let group = format!("{}.example.test", world.namespace);
    (world, group)
}

fn crd(group: &str, spec: &Value) -> String {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object",
        "properties": spec}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("wids.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": "Wid", "plural": "wids", "singular": "wid", "listKind": "WidList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
    .to_string()
}

fn wid(group: &str, spec: &Value) -> String {
    json!({"apiVersion": format!("{group}/v1"), "kind": "Wid", "metadata": {"name": "one"}, "spec": spec}).to_string()
}

async fn drop_crd(world: &World, group: &str) {
    let crds = world.api("apiextensions.k8s.io/v1 CustomResourceDefinition").await;
    let _ = crds.delete(&format!("wids.{group}"), &DeleteParams::default()).await;
}

/// T6+: what a CRD takes out of the objects of another app is drift there, and said before it is merged.
#[tokio::test(flavor = "multi_thread")]
async fn a_crd_that_drops_a_field_is_seen_in_the_objects_of_others() {
    let (world, group) = start("crd-drops").await;
    let (size, keep) = (json!({"type": "integer"}), json!({"type": "string"}));
    let files = Files::new()
        .file("apps/defs.yaml", world.app("defs", "defs"))
        .file("defs/crd.yaml", crd(&group, &json!({"size": size, "keep": keep})));
    let base = world.push(files).await;
    world.healthy("defs", &base).await;
    let files = Files::new()
        .file("apps/cr.yaml", world.app("cr", "cr"))
        .file("cr/wid.yaml", wid(&group, &json!({"size": 5, "keep": "precious"})));
    let base = world.push(files).await;
    world.healthy("cr", &base).await;
    world.settled().await;
    world.resync().await;
    world.settled().await;
    assert_eq!(world.stands("cr").await.0, "synced", "{}", world.story().await);

    let pull = world.open_pull("narrow", Files::new().file("defs/crd.yaml", crd(&group, &json!({"size": size})))).await;
    world.status_is(&pull.head, "success", "1 update").await;
    let comment = world.comment(pull.number, "1 Wid object (cr)").await;
    assert!(comment.contains("checked against the new schema only after the merge"), "{comment}");
    let merge = world.merge_pull(pull.number).await;
    world.healthy("defs", &merge).await;
    // No resync is due for an hour: the sync of the CRD asks for the look.
    let drifts = async || Some(world.app_row("cr").await?.drift).filter(|drift| !drift.is_empty());
    let drift = world.eventually("drift of what the schema no longer has", drifts).await;
    assert!(drift.contains(".spec.keep"), "{drift}");
    assert_ne!(world.stands("cr").await.0, "synced");
    drop_crd(&world, &group).await;
}

/// X7+: a chart that reads what the cluster serves is previewed again once another pull request's CRD is there, and
/// what its sync deletes is a deletion in the gate.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_chart_rests_on_what_the_cluster_serves() {
    let (world, group) = start("crd-charts").await;
    let guarded = |annotation: &str| {
        format!(
            "{{{{- if not (.Capabilities.APIVersions.Has \"{group}/v1/Wid\") }}}}\napiVersion: v1\nkind: ConfigMap\n\
             metadata: {{name: keepme, annotations: {{touched: \"{annotation}\"}}}}\n{{{{- end }}}}\n"
        )
    };
    let plain = |annotation: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keepme, annotations: {{touched: \"{annotation}\"}}}}\n"
        )
    };
    let files = Files::new()
        .file("apps/chart.yaml", world.app("chart", "chart"))
        .file("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n")
        .file("chart/templates/a.yaml", config_map("stays", "one"))
        .file("chart/templates/keep.yaml", plain("no"))
        .file("apps/defs.yaml", world.app("defs", "defs"))
        .file("defs/map.yaml", config_map("defs", "one"));
    let base = world.push(files).await;
    world.healthy("chart", &base).await;
    world.healthy("defs", &base).await;
    world.first_looks().await;
    let pull = world.open_pull("touch", Files::new().file("chart/templates/keep.yaml", guarded("yes"))).await;
    world.status_is(&pull.head, "success", "1 update").await;
    let spec = json!({"size": {"type": "integer"}});
    let bring = world.open_pull("bring", Files::new().file("defs/crd.yaml", crd(&group, &spec))).await;
    world.status_is(&bring.head, "success", "1 create").await;
    world.merge_pull(bring.number).await;
    world.status_is(&pull.head, "success", "1 delete").await;
    world.comment(pull.number, "Delete").await;
    drop_crd(&world, &group).await;
}

/// A14+: an app whose chart renders otherwise because of another app's CRD says so in its history.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_renders_otherwise_names_the_crd_that_made_it_so() {
    let (world, group) = start("crd-cause").await;
    let template = format!(
        "{{{{- if .Capabilities.APIVersions.Has \"{group}/v1/Wid\" }}}}\napiVersion: v1\nkind: ConfigMap\nmetadata: \
         {{name: surprise}}\n{{{{- end }}}}\n"
    );
    let files = Files::new()
        .file("apps/chart.yaml", world.app("chart", "chart"))
        .file("chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n")
        .file("chart/templates/a.yaml", config_map("stays", "one"))
        .file("chart/templates/surprise.yaml", template)
        .file("apps/defs.yaml", world.app("defs", "defs"))
        .file("defs/map.yaml", config_map("defs", "one"));
    let base = world.push(files).await;
    world.healthy("chart", &base).await;
    world.healthy("defs", &base).await;
    world.first_looks().await;
    world.resync().await;
    world.settled().await;
    world.push(Files::new().file("defs/crd.yaml", crd(&group, &json!({"size": {"type": "integer"}})))).await;
    world.eventually("the surprise", async || world.live("v1 ConfigMap", "surprise").await).await;
    world.settled().await;
    let (runs, _) = world.cli(&["runs", "shop/chart"]).await;
    let cause = format!("cluster prod now serves {group}/v1/Wid (CRD of shop/defs)");
    assert!(runs.contains(&cause), "{runs}");
    drop_crd(&world, &group).await;
}
