//! CRDs that change under the objects and the charts of other apps.

use driftless::ids::{AppId, RepoName};
use driftless::store::apps::AppRow;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::claims::push_library;
use super::manifests::config_map;
use crate::support::git::Work;
use crate::support::world::{Files, Setup, World};

/// CRDs are the whole cluster's: each test has a group of its own.
async fn start(words: &str) -> (World, String) {
    start_with(words, Setup::default()).await
}

async fn start_with(words: &str, setup: Setup) -> (World, String) {
    let cluster_scoped = "[{kind: CustomResourceDefinition}]";
    let setup = Setup { admin: true, cluster_scoped, ..setup };
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
    world.status_is(&pull.head, "success", "1 to update").await;
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
    world.status_is(&pull.head, "success", "1 to update").await;
    let spec = json!({"size": {"type": "integer"}});
    let bring = world.open_pull("bring", Files::new().file("defs/crd.yaml", crd(&group, &spec))).await;
    world.status_is(&bring.head, "success", "1 to create").await;
    world.merge_pull(bring.number).await;
    world.status_is(&pull.head, "success", "1 to delete").await;
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
    // Other tests bring CRDs to the same cluster, and these may be found in the same look.
    let is_cause = |line: &str| {
        let named = |text: &str| line.contains(text);
        named("cluster prod now serves") && named(&format!("{group}/v1/Wid")) && named("(CRD of shop/defs")
    };
    assert!(runs.lines().any(is_cause), "{runs}");
    drop_crd(&world, &group).await;
}

/// A `ConfigMap` that a chart has as long as the cluster does not serve the kind.
fn unless_served(group: &str, name: &str) -> String {
    format!(
        "{{{{- if not (.Capabilities.APIVersions.Has \"{group}/v1/Wid\") }}}}\napiVersion: v1\nkind: ConfigMap\n\
         metadata: {{name: {name}}}\n{{{{- end }}}}\n"
    )
}

fn chart(name: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
}

/// A14+: what a chart of another repo no longer renders, as a CRD has come, was shown by no pull request of that repo:
/// it is held, and says which CRD. The pull request of the CRD names the charts that render otherwise for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_chart_no_longer_renders_for_anothers_crd_is_held() {
    let (world, group) = start_with("crd-holds", Setup { with_library: true, ..Setup::default() }).await;
    let files = Files::new()
        .file("apps/chart.yaml", world.app("chart", "chart"))
        .file("chart/Chart.yaml", chart("chart"))
        .file("chart/templates/a.yaml", config_map("stays", "one"))
        .file("chart/templates/b.yaml", unless_served(&group, "mine"))
        .file("apps/defs.yaml", world.app("defs", "defs"))
        .file("defs/map.yaml", config_map("defs", "one"));
    let base = world.push(files).await;
    world.healthy("chart", &base).await;
    world.healthy("defs", &base).await;
    let theirs = [
        ("apps/theirs.yaml", world.app("theirs", "theirs")),
        ("theirs/Chart.yaml", chart("theirs")),
        ("theirs/templates/a.yaml", config_map("theirs", "one")),
        ("theirs/templates/b.yaml", unless_served(&group, "keepme")),
    ];
    push_library(&world, &Work::new(), &theirs).await;
    world.eventually("their chart", async || world.live("v1 ConfigMap", "keepme").await).await;
    world.settled().await;
    world.first_looks().await;
    let bring = Files::new().file("defs/crd.yaml", crd(&group, &json!({"size": {"type": "integer"}})));
    let pull = world.open_pull("bring", bring).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    let comment = world.comment(pull.number, "differently").await;
    assert!(
        comment.contains("2 apps render differently: chart (1 to delete), 1 app of other repos, 1 with deletions"),
        "{comment}"
    );
    assert!(!comment.contains("theirs"), "{comment}");
    let merge = world.merge_pull(pull.number).await;
    world.healthy("defs", &merge).await;
    let app = |repo: &str, name: &str| AppId::new(&RepoName::new(repo), name);
    for id in [app("shop", "chart"), app("library", "theirs")] {
        let held = async || {
            Some(world.context().store.awaiting_confirmation(&id).await.expect("the store")).filter(|n| *n > 0)
        };
        assert_eq!(world.eventually("a deletion is held", held).await, 1);
    }
    world.settled().await;
    let (runs, _) = world.cli(&["runs", "library/theirs"]).await;
    let why = format!("cluster prod now serves {group}/v1/Wid (CRD wids.{group})");
    assert!(runs.contains("which no commit requests") && runs.contains(&why), "{runs}");
    let (runs, _) = world.cli(&["runs", "shop/chart"]).await;
    assert!(runs.contains(&format!("(CRD wids.{group} of defs)")), "{runs}");
    // It is said again by each later sync, and no restart, look or push lets it go.
    world.resync().await;
    world.settled().await;
    world.push(Files::new().file("chart/templates/a.yaml", config_map("stays", "two"))).await;
    world.settled().await;
    let (runs, _) = world.cli(&["runs", "shop/chart"]).await;
    assert!(runs.contains("which no commit requests"), "{runs}");
    for name in ["mine", "keepme"] {
        assert!(world.live("v1 ConfigMap", name).await.is_some(), "{name}: {}", world.story().await);
    }
    world.cli(&["sync", "library/theirs", "--allow-destructive"]).await;
    world.gone("v1 ConfigMap", "keepme").await;
    assert!(world.live("v1 ConfigMap", "mine").await.is_some(), "nobody has confirmed that");
    // Without the CRD it is rendered again, and nothing is left to confirm.
    world.push(Files::new().without("defs/crd.yaml")).await;
    world.settled().await;
    world.cli(&["sync", "shop/defs", "--allow-destructive"]).await;
    let id = app("shop", "chart");
    world
        .eventually("it is wanted again", async || {
            world.resync().await;
            world.settled().await;
            (world.context().store.awaiting_confirmation(&id).await.expect("the store") == 0).then_some(())
        })
        .await;
    assert!(world.live("v1 ConfigMap", "mine").await.is_some());
}

/// A14+: what a commit deletes is not held, although the chart renders otherwise for the same push's CRD.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_commit_deletes_is_not_held_where_the_cluster_is_another_one_as_well() {
    let (world, group) = start("crd-commit").await;
    let seen = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: seen}}\ndata: {{wid: {{{{ \
         .Capabilities.APIVersions.Has \"{group}/v1/Wid\" | quote }}}}}}\n"
    );
    let files = Files::new()
        .file("apps/chart.yaml", world.app("chart", "chart"))
        .file("chart/Chart.yaml", chart("chart"))
        .file("chart/templates/a.yaml", seen)
        .file("chart/templates/b.yaml", config_map("extra", "one"))
        .file("apps/defs.yaml", world.app("defs", "defs"))
        .file("defs/map.yaml", config_map("defs", "one"));
    let base = world.push(files).await;
    world.healthy("chart", &base).await;
    world.healthy("defs", &base).await;
    world.first_looks().await;
    let crd = crd(&group, &json!({"size": {"type": "integer"}}));
    world.push(Files::new().file("defs/crd.yaml", crd).without("chart/templates/b.yaml")).await;
    world.gone("v1 ConfigMap", "extra").await;
    let is_served = async || world.live("v1 ConfigMap", "seen").await.filter(|map| map["data"]["wid"] == "true");
    world.eventually("the chart is told of the kind", is_served).await;
    drop_crd(&world, &group).await;
}

/// T6+: the drift of an app whose sync fails is looked for in what is applied of it, and reported.
#[tokio::test(flavor = "multi_thread")]
async fn the_drift_of_an_app_whose_sync_fails_is_reported() {
    let world = World::start("fails-drifts").await;
    let files = Files::new()
        .file("apps/app.yaml", world.app("app", "app"))
        .file("app/map.yaml", config_map("map", "one"))
        .file("app/other.yaml", config_map("other", "one"));
    let base = world.push(files).await;
    world.healthy("app", &base).await;
    world.first_looks().await;
    let typo = config_map("bad", "x").replace("data:", "datum:");
    world.push(Files::new().file("app/bad.yaml", typo).file("app/other.yaml", config_map("other", "two"))).await;
    let row = async || world.app_row("app").await.filter(|row: &AppRow| !row.failure.is_empty());
    world.eventually("a sync that fails", row).await;
    world.settled().await;
    let look = async || {
        world.resync().await;
        world.settled().await;
        world.poll().await;
        world.settled().await;
        world.app_row("app").await
    };
    let looked = async || look().await.filter(|row| row.drift_looked >= row.failing_since);
    assert_eq!(world.eventually("a look", looked).await.drift, "", "what is applied is as it was left");
    let maps = world.api("v1 ConfigMap").await;
    let patch = json!({"data": {"key": "by hand"}});
    maps.patch("map", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&patch)).await.expect("patched");
    let drift = async || Some(look().await?.drift).filter(|drift| !drift.is_empty());
    let drift = world.eventually("its drift", drift).await;
    assert!(drift.contains("/map differs in") && drift.contains("data.key"), "{drift}");
    assert!(!drift.contains("other") && !drift.contains("bad"), "what Git wants since is no drift: {drift}");
    assert_eq!(world.live("v1 ConfigMap", "map").await.expect("there")["data"]["key"], "by hand", "nothing is healed");
    world.push(Files::new().without("app/bad.yaml")).await;
    let over = async || world.app_row("app").await.filter(|row| row.failure.is_empty() && row.drift.is_empty());
    world.eventually("the sync that puts it right", over).await;
    assert_eq!(world.live("v1 ConfigMap", "map").await.expect("there")["data"]["key"], "one");
}
