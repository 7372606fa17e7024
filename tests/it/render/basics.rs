//! What each renderer makes of honest input.

use driftless::tree::memory::MemoryTree;

use super::{config_map, listed, render, renderer};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

#[tokio::test]
async fn plain_files_are_read_recursively_as_kubectl_reads_them() -> Result {
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}},
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two"}}]}]}"#;
    let tree = MemoryTree::new()
        .file(
            "apps/a.yaml",
            format!("# first\n---\n{}---\n\n---\n# nothing\n---\n{}", config_map("a1"), config_map("a2")),
        )
        .file("apps/deep/er/b.yml", config_map("b"))
        .file("apps/list.json", list)
        .file("apps/README.md", "no manifest: [")
        .file("shared/c.yaml", config_map("c"))
        .link("apps/linked", "../shared");
    let rendered = render(&renderer(), tree, "apps").await?;
    insta::assert_snapshot!(listed(&rendered).join("\n"), @r"
    ConfigMap a1 < apps/a.yaml
    ConfigMap a2 < apps/a.yaml
    ConfigMap b < apps/deep/er/b.yml
    ConfigMap c < apps/linked/c.yaml
    Secret one < apps/list.json
    Secret two < apps/list.json
    ");
    Ok(())
}

#[tokio::test]
async fn numbers_and_words_are_what_kubectl_makes_of_them() -> Result {
    let text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec: \
                {mode: 0644, on: yes, big: 9007199254740993, float: 1e3, half: 0.5, text: '1', none: ~}\n";
    let rendered = render(&renderer(), MemoryTree::new().file("a.yaml", text), ".").await?;
    let spec = rendered.manifests[0].object["spec"].to_string();
    insta::assert_snapshot!(spec, @r#"{"big":9007199254740993,"float":1000,"half":0.5,"mode":420,"none":null,"text":"1","true":true}"#);
    Ok(())
}

/// B4: what kubectl, helm and kustomize take: a key beside a merge wins over the merged one.
#[tokio::test]
async fn a_key_overrides_a_merged_one() -> Result {
    let text = format!("{}one: &one {{name: one, x: 1}}\ntwo:\n  <<: *one\n  name: two\n", config_map("a"));
    let kustomized = MemoryTree::new().file("c/kustomization.yaml", "resources: [a.yaml]\n").file("c/a.yaml", &text);
    for tree in
        [MemoryTree::new().file("c/a.yaml", &text), kustomized, super::chart("").file("c/templates/a.yaml", &text)]
    {
        let rendered = render(&renderer(), tree, "c").await?;
        assert_eq!(rendered.manifests[0].object["two"], serde_json::json!({"name": "two", "x": 1}));
    }
    Ok(())
}

#[tokio::test]
async fn a_kustomization_is_built_with_origins_and_a_trace() -> Result {
    let tree = MemoryTree::new()
        .file(
            "apps/base/kustomization.yaml",
            "resources: [cm.yaml]\nconfigMapGenerator: [{name: gen, files: [data.txt]}]\n",
        )
        .file("apps/base/cm.yaml", config_map("cm"))
        .file("apps/base/data.txt", "hello")
        .file("apps/base/unused.yaml", config_map("unused"))
        .file("apps/over/kustomization.yaml", "resources: [../base, own.yaml]\nnamePrefix: x-\nnamespace: shop\n")
        .file("apps/over/own.yaml", config_map("own"));
    let pool = renderer();
    let rendered = render(&pool, tree.clone(), "apps/over").await?;
    insta::assert_snapshot!(listed(&rendered).join("\n"), @r"
    ConfigMap shop/x-cm < apps/base/cm.yaml
    ConfigMap shop/x-gen-62d9dc7k4m < apps/base/kustomization.yaml
    ConfigMap shop/x-own < apps/over/own.yaml
    ");
    let asked: Vec<&str> = rendered.trace.iter().map(|(path, _)| path).collect();
    insta::assert_snapshot!(asked.join("\n"));
    assert_eq!(rendered.trace.differs(&tree.clone().file("apps/base/unused.yaml", "changed"))?, None);
    let changed = rendered.trace.differs(&tree.file("apps/base/data.txt", "changed"))?;
    assert_eq!(changed.as_deref(), Some("apps/base/data.txt"));
    Ok(())
}
