//! Apps beside each other: what one says about the schema of a kind must not reach the render of another, whoever comes
//! first.

use serde_json::{Value, json};

use crate::support::world::{Files, World};

/// An app whose overlay adds a variable to the one that its Deployment has.
fn overlay(files: Files, world: &World, name: &str, kustomization: &str, value: &str) -> Files {
    let deployment = |container: &str, selector: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n{selector}  template:\n    \
             metadata: {{labels: \
             {{app: {name}}}}}\n    spec:\n      containers:\n        - {container}\n"
        )
    };
    let selector = format!("  selector: {{matchLabels: {{app: {name}}}}}\n");
    let own = format!("{{name: web, image: 'example.test/web:1', env: [{{name: OWN, value: '{value}'}}]}}");
    let added = "{name: web, image: 'example.test/web:1', env: [{name: ADDED, value: x}]}";
    files
        .file(format!("apps/{name}.yaml"), world.app(name, name))
        .file(
            format!("{name}/kustomization.yaml"),
            format!("resources: [web.yaml]\npatches: [{{path: patch.yaml}}]\n{kustomization}"),
        )
        .file(format!("{name}/web.yaml"), deployment(&own, &selector))
        .file(format!("{name}/patch.yaml"), deployment(added, ""))
}

/// Merged as Kubernetes does it.
fn plain(files: Files, world: &World, value: &str) -> Files {
    overlay(files, world, "plain", "", value)
}

/// With a schema in which nothing is known of a Deployment: its lists are replaced.
fn custom(files: Files, world: &World, value: &str) -> Files {
    let unknown = json!({"definitions": {"v1.Deployment": {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}],
    }}});
    overlay(files, world, "custom", "openapi: {path: schema.json}\n", value)
        .file("custom/schema.json", unknown.to_string())
}

/// The variables of an app's Deployment.
async fn variables(world: &World, name: &str) -> Vec<(String, String)> {
    let live = world.live("apps/v1 Deployment", name).await.expect("applied");
    let list = live["spec"]["template"]["spec"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut variables: Vec<_> =
        list.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect();
    variables.sort();
    variables
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_one_app_changes_no_other() {
    let world = World::start("schema").await;
    let revision = world.push(plain(custom(Files::new(), &world, "0"), &world, "0")).await;
    world.healthy("plain", &revision).await;
    world.healthy("custom", &revision).await;
    for turn in ["1", "2", "3"] {
        let revision = world.push(custom(Files::new(), &world, turn)).await;
        world.healthy("custom", &revision).await;
        // With nothing of its own left in it, the last app's schema would show here.
        let revision = world.push(plain(Files::new(), &world, turn)).await;
        world.healthy("plain", &revision).await;
        assert_eq!(variables(&world, "plain").await, pairs(&[("ADDED", "x"), ("OWN", turn)]));
        assert_eq!(variables(&world, "custom").await, pairs(&[("ADDED", "x")]));
    }
}
