//! What a chart may be told and may ask for.

use std::sync::Arc;

use driftless::manifest::Manifest;
use driftless::render::{Nondeterministic, RenderError, RenderRequest, Rendered, Renderer, RendererKind};
use driftless::tree::Tree;
use driftless::tree::memory::MemoryTree;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{asker, chart, failure, listed, renderer, request};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn secret(value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n  a: {value}\n  fixed: b\n")
}

fn asking(change: impl FnOnce(&mut RenderRequest)) -> RenderRequest {
    let mut request = request("c", RendererKind::Auto);
    change(&mut request);
    request
}

async fn render(
    pool: &Renderer,
    request: RenderRequest,
    tree: MemoryTree,
) -> std::result::Result<Rendered, RenderError> {
    let tree: Arc<dyn Tree> = Arc::new(tree);
    pool.render(request, tree, CancellationToken::new()).await
}

fn value<'a>(rendered: &'a Rendered, pointer: &str) -> Option<&'a str> {
    rendered.manifests.iter().map(|Manifest { object, .. }| object).find_map(|object| object.pointer(pointer)?.as_str())
}

#[tokio::test]
async fn values_come_from_files_in_order_and_then_from_the_app() -> Result {
    let tree = chart("")
        .file("c/values.yaml", "one: chart\ntwo: chart\nthree: chart\nmap: {a: chart, b: chart}\n")
        .file("envs/base.yaml", "two: base\nthree: base\nmap: {b: base}\n")
        .file("c/prod.yaml", "three: prod\n")
        .file(
            "c/templates/a.yaml",
            secret(
                "{{ list .Values.one .Values.two .Values.three .Values.map.a .Values.map.b .Values.four | \
                    join \"-\" }}",
            ),
        );
    let request = asking(|request| {
        request.options.helm.values_files = vec!["envs/base.yaml".into(), "c/prod.yaml".into()];
        request.options.helm.values = json!({"four": "app", "map": {"a": "app"}});
    });
    let pool = renderer();
    let rendered = render(&pool, request.clone(), tree.clone()).await?;
    assert_eq!(value(&rendered, "/stringData/a"), Some("chart-base-prod-app-base-app"));
    assert!(rendered.trace.iter().any(|(path, _)| path == "envs/base.yaml"));
    let answer = failure(render(&pool, request, tree.without("envs/base.yaml")).await);
    assert_eq!(
        answer,
        "envs/base.yaml: a values file that is not in the repository (helm.valuesFiles are paths from the root of the \
         repository)"
    );
    Ok(())
}

#[tokio::test]
async fn a_chart_is_told_of_its_release_and_its_cluster() -> Result {
    let text = secret(
        "{{ .Release.Name }}-{{ .Release.Namespace }}-{{ .Capabilities.KubeVersion.Version }}-{{ \
         .Capabilities.APIVersions.Has \"batch/v1\" }}-{{ .Capabilities.APIVersions.Has \"policy/v1\" }}",
    );
    let tree = chart("").file("c/templates/a.yaml", text);
    let pool = renderer();
    let rendered = render(&pool, asking(|_| {}), tree.clone()).await?;
    assert_eq!(value(&rendered, "/stringData/a"), Some("shop-shop-v1.36.3-true-false"));
    let answer = failure(render(&pool, asking(|request| request.cluster = None), tree).await);
    assert_eq!(answer, "c: a chart needs the version and the API versions of its cluster, which are not known");
    Ok(())
}

#[tokio::test]
async fn what_differs_each_time_can_be_kept_and_is_named() -> Result {
    let tree = chart("").file("c/templates/a.yaml", secret("{{ randInt 0 1000000 | quote }}"));
    let keep = asking(|request| request.options.helm.nondeterministic = Nondeterministic::Keep);
    let rendered = render(&renderer(), keep, tree).await?;
    let nondeterministic: Vec<String> =
        rendered.nondeterministic.iter().map(|field| format!("{} {}", field.object, field.pointer)).collect();
    assert_eq!(nondeterministic, ["Secret s /stringData/a"]);
    Ok(())
}

#[tokio::test]
async fn lookup_finds_nothing_where_it_is_allowed() -> Result {
    let tree =
        chart("").file("c/templates/a.yaml", secret("{{ lookup \"v1\" \"Secret\" \"shop\" \"s\" | len | quote }}"));
    let rendered = render(&renderer(), asking(|request| request.options.helm.allow_lookup = true), tree).await?;
    assert_eq!(value(&rendered, "/stringData/a"), Some("0"));
    Ok(())
}

#[tokio::test]
async fn crds_come_and_tests_are_left_out() -> Result {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.example.com}\n";
    let test = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: t\n  annotations: {helm.sh/hook: test}\n";
    let tree = chart("dependencies: [{name: sub, version: 1.0.0}]\n")
        .file("c/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n")
        .file("c/charts/sub/templates/b.yaml", secret("b").replace("name: s", "name: sub"))
        .file("c/crds/a.yaml", crd)
        .file("c/templates/tests/t.yaml", test)
        .file("c/templates/a.yaml", secret("a"))
        .file("c/templates/NOTES.txt", "thanks");
    let rendered = render(&renderer(), asking(|_| {}), tree).await?;
    insta::assert_snapshot!(listed(&rendered).join("\n"), @r"
    CustomResourceDefinition a.example.com < c/crds/a.yaml
    Secret sub < c/charts/sub/templates/b.yaml
    Secret s < c/templates/a.yaml
    ");
    Ok(())
}

/// X11+: what a subchart makes comes from a file that is there, whatever the subchart is called: by an alias, or in a
/// folder of another name.
#[tokio::test]
async fn the_file_of_a_subchart_is_the_one_that_is_there() -> Result {
    let named = |name: &str| secret("b").replace("name: s", &format!("name: {name}"));
    let dependencies = "dependencies:\n- {name: sub, version: 1.0.0, alias: als}\n- {name: sub, version: 1.0.0, alias: \
                        bls}\n- {name: other, version: 1.0.0}\n";
    let tree = chart(dependencies)
        .file("c/charts/sub/Chart.yaml", "apiVersion: v2\nname: sub\nversion: 1.0.0\n")
        .file("c/charts/sub/templates/b.yaml", named("{{ .Chart.Name }}"))
        .file("c/charts/sub/charts/deep/Chart.yaml", "apiVersion: v2\nname: deep\nversion: 1.0.0\n")
        .file("c/charts/sub/charts/deep/templates/d.yaml", named("deep-{{ .Template.Name | sha256sum | trunc 6 }}"))
        .file("c/charts/elsewhere/Chart.yaml", "apiVersion: v2\nname: other\nversion: 1.0.0\n")
        .file("c/charts/elsewhere/templates/o.yaml", named("other"));
    let pool = renderer();
    let rendered = render(&pool, asking(|_| {}), tree.clone()).await?;
    let files: std::collections::BTreeSet<&str> =
        rendered.manifests.iter().filter_map(|manifest| manifest.origin.as_deref()).collect();
    let real = [
        "c/charts/elsewhere/templates/o.yaml",
        "c/charts/sub/charts/deep/templates/d.yaml",
        "c/charts/sub/templates/b.yaml",
    ];
    assert_eq!(files.into_iter().collect::<Vec<_>>(), real);
    assert_eq!(rendered.manifests.len(), 5, "{:?}", listed(&rendered));
    let failing = tree.file("c/charts/sub/templates/f.yaml", "a: b\n{{ fail \"no\" }}\n");
    let answer = failure(render(&pool, asking(|_| {}), failing).await);
    assert!(answer.starts_with("c/charts/sub/templates/f.yaml:2:"), "{answer}");
    Ok(())
}

/// The cluster's upgrade changes what a chart may make, and nothing else.
#[tokio::test]
async fn the_identity_of_a_chart_knows_the_cluster() -> Result {
    let pool = renderer();
    let upgraded = |request: &mut RenderRequest| {
        let mut facts = request.cluster.as_deref().cloned().unwrap_or_default();
        facts.version = "v1.37.0".to_owned();
        request.cluster = Some(Arc::new(facts));
    };
    let helm = chart("").file("c/templates/a.yaml", secret("a"));
    let plain = MemoryTree::new().file("c/a.yaml", secret("a"));
    for (tree, knows) in [(helm, true), (plain, false)] {
        let tree: Arc<dyn Tree> = Arc::new(tree);
        let ask =
            |request| pool.render_cached(asker("repo"), "repo", request, Arc::clone(&tree), CancellationToken::new());
        let (before, after) = (ask(asking(|_| {})).await?, ask(asking(upgraded)).await?);
        assert_eq!(before.identity != after.identity, knows);
        assert_eq!(!Arc::ptr_eq(&before, &after), knows);
    }
    Ok(())
}
