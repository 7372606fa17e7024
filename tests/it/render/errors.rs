//! What people read when a render fails: what happened, in which file and on which line, and what to do next.

use std::fmt::Write;

use driftless::tree::memory::MemoryTree;

use super::{chart, config_map, failure, render, renderer};

struct Case {
    name: &'static str,
    tree: MemoryTree,
    path: &'static str,
}

fn case(name: &'static str, path: &'static str, tree: MemoryTree) -> Case {
    Case { name, tree, path }
}

fn one(file: &str, content: impl AsRef<[u8]>) -> MemoryTree {
    MemoryTree::new().file(file, content)
}

fn kustomization(text: &str) -> MemoryTree {
    one("k/kustomization.yaml", text).file("k/cm.yaml", config_map("cm"))
}

async fn report(cases: Vec<Case>) -> String {
    let pool = renderer();
    let mut text = String::new();
    for case in cases {
        let message = failure(render(&pool, case.tree, case.path).await);
        let _ = writeln!(text, "## {}\n{message}\n", case.name);
    }
    text
}

#[tokio::test]
async fn plain_yaml() {
    let second = format!("{}---\n# the second\n{}", config_map("a"), "apiVersion: v1\nkind: [\n");
    let cases = vec![
        case("no such path", "nowhere", one("a.yaml", config_map("a"))),
        case("no manifests", "docs", one("docs/README.md", "")),
        case("not UTF-8", ".", one("a.yaml", b"a: \xff\xfe\n")),
        case("a tab", ".", one("a.yaml", "apiVersion: v1\nkind: A\n\tmetadata:\n")),
        case("an open bracket in the second document", ".", one("a.yaml", second)),
        case("bad indentation", ".", one("a.yaml", "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n namespace: b\n")),
        case("a key twice", ".", one("a.yaml", "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  name: b\n")),
        case(
            "a key twice in JSON",
            ".",
            one("a.json", r#"{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a", "name": "b"}}"#),
        ),
        case("truncated JSON", ".", one("a.json", "{\n\"apiVersion\": \"v1\",\n\"kind\": \"A\"")),
        case("text after a separator", ".", one("a.yaml", "a: b\n--- c\n")),
        case("a list", ".", one("a.yaml", "- a\n- b\n")),
        case("text", ".", one("a.yaml", "just text\n")),
        case("an empty object", ".", one("a.yaml", "{}\n")),
        case("no kind", ".", one("a.yaml", "\n# values\nreplicas: 1\n")),
        case("no name", ".", one("a.yaml", "apiVersion: v1\nkind: Pod\n")),
        case("generateName", ".", one("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n")),
        case("a number as a name", ".", one("a.yaml", "# a\napiVersion: v1\nkind: Pod\nmetadata:\n  name: 1234\n")),
        case(
            "a number as a namespace, in the second document",
            ".",
            one(
                "a.yaml",
                format!("{}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a,\n  namespace: 7}}\n", config_map("a")),
            ),
        ),
        case(
            "a label that is true",
            ".",
            one("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    b: c\n    x.io/on: true\n"),
        ),
        case(
            "an annotation that is a number, in a list and in JSON",
            ".",
            one(
                "a.json",
                r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "annotations": {"port": 80.5}}}]}"#,
            ),
        ),
        case("one object twice", ".", one("a.yaml", config_map("a")).file("b.yaml", config_map("a"))),
        case("one object twice in one file", ".", one("a.yaml", [config_map("a"), config_map("a")].join("---\n"))),
        case("a kustomization below", "all", one("all/x/kustomization.yaml", "").file("all/a.yaml", config_map("a"))),
        case("items that are no list", ".", one("a.yaml", "apiVersion: v1\nkind: List\nitems: {}\n")),
        case("an item that is no object", ".", one("a.yaml", "apiVersion: v1\nkind: List\nitems: [1]\n")),
        case("only empty documents", ".", one("a.yaml", "---\n---\n# nothing\n")),
        case(
            "a key that overrides a merged one twice (B4)",
            ".",
            one("a.yaml", format!("{}one: &one {{a: b}}\ntwo: {{<<: *one, a: c, a: d}}\n", config_map("a"))),
        ),
        case(
            "a Secret that is not base64 (B18)",
            ".",
            one(
                "a.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: \
                 {good: aHVudGVyMg==, password: hunter2hunter2!}\n",
            ),
        ),
        case(
            "a Secret with a number (B18)",
            ".",
            one("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {pin: 1234}\n"),
        ),
        case(
            "a Secret that is encrypted (B18)",
            ".",
            one("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: 'ENC[AES256_GCM,data:x]'}\n"),
        ),
        case("100,000 deep", ".", one("a.yaml", "[".repeat(100_000))),
        case("100,000 deep in JSON", ".", one("a.json", r#"{"a":"#.repeat(100_000))),
    ];
    insta::assert_snapshot!(report(cases).await);
}

#[tokio::test]
async fn the_repository() {
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    let cases = vec![
        case("a link above the root", ".", MemoryTree::new().link("a.yaml", "../a.yaml")),
        case("an absolute link", ".", MemoryTree::new().link("a.yaml", "/etc/passwd")),
        case("a link to nothing", ".", MemoryTree::new().link("a.yaml", "b.yaml")),
        case("links in a circle", ".", MemoryTree::new().link("a", "b").link("b", "a")),
        case("a directory in itself", ".", one("d/a.yaml", config_map("a")).link("d/again", ".")),
        case("a submodule", ".", one("a.yaml", config_map("a")).submodule("lib")),
        case("a Git LFS pointer", ".", one("a.yaml", lfs)),
        case("a large file", ".", one("a.yaml", vec![b'#'; (16 << 20) + 1])),
        case("a path above the root", "../x", one("a.yaml", config_map("a"))),
        case("a path below a file", "a.yaml/x", one("a.yaml", config_map("a"))),
    ];
    insta::assert_snapshot!(report(cases).await);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one table")]
async fn kustomize() {
    let cases = vec![
        case("an empty kustomization", "k", kustomization("")),
        case("not YAML", "k", kustomization("resources:\n- cm.yaml\nnamePrefix: [\n")),
        case("an unknown field", "k", kustomization("resources: [cm.yaml]\nnamePrefixx: a-\n")),
        case("a wrong type", "k", kustomization("resources: cm.yaml\n")),
        case("a missing resource", "k", kustomization("resources: [cm.yaml, gone.yaml]\n")),
        case("a missing base", "k", kustomization("resources: [../base]\n")),
        case("a base without a kustomization", "k", kustomization("resources: [../base]\n").file("base/a.yaml", "")),
        case(
            "malformed YAML",
            "k",
            kustomization(
                "resources: \
                                                   [bad.yaml]\n",
            )
            .file(
                "k/bad.yaml",
                "apiVersion: v1\nkind: \
                                                                                      A\nmetadata: {name: a}\n---\na: \
                                                                                      b\n c: d\n",
            ),
        ),
        case(
            "a broken base",
            "k",
            kustomization(
                "resources: \
                                                  [../base]\n",
            )
            .file(
                "base/kustomization.yml",
                "resources: \
                                                                                                [a.yaml]\nx: 1\n",
            ),
        ),
        case(
            "above its directory",
            "k",
            kustomization(
                "configMapGenerator: \
                                                        [{name: a, files: [../x.txt]}]\n",
            )
            .file("x.txt", ""),
        ),
        case("above the root", "k", kustomization("resources: [../../../../etc/passwd]\n")),
        case("an absolute path", "k", kustomization("resources: [/etc/passwd]\n")),
        case("itself", "k", kustomization("resources: [../k]\n")),
        case("a circle", "k", kustomization("resources: [../b]\n").file("b/kustomization.yaml", "resources: [../k]\n")),
        case("a repository", "k", kustomization("resources: ['https://github.com/org/repo//path?ref=v1']\n")),
        case("a repository by ssh", "k", kustomization("components: ['git@github.com:org/repo.git']\n")),
        case("a repository in short", "k", kustomization("resources: [github.com/org/repo]\n")),
        case("a URL", "k", kustomization("resources: ['https://example.com/a.yaml']\n")),
        case("a URL of a CRD", "k", kustomization("resources: [cm.yaml]\ncrds: ['https://example.com/a.json']\n")),
        case(
            "a URL of a patch",
            "k",
            kustomization(
                "resources: [cm.yaml]\npatches: \
                                                     [{path: 'https://example.com/a.yaml'}]\n",
            ),
        ),
        case(
            "a URL of a file",
            "k",
            kustomization(
                "configMapGenerator: \
                                                    [{name: a, files: ['https://example.com/a.txt']}]\n",
            ),
        ),
        case("helmCharts", "k", kustomization("helmCharts: [{name: a, repo: 'https://example.com'}]\n")),
        case(
            "a program",
            "k",
            kustomization("resources: [cm.yaml]\ngenerators: [gen.yaml]\n").file(
                "k/gen.yaml",
                "apiVersion: v1\nkind: Gen\nmetadata:\n  name: g\n  annotations:\n    config.kubernetes.io/function: \
             |\n      exec: {path: ./gen.sh}\n",
            ),
        ),
        case(
            "a plugin",
            "k",
            kustomization("resources: [cm.yaml]\ntransformers: [t.yaml]\n")
                .file("k/t.yaml", "apiVersion: someteam.example.com/v1\nkind: T\nmetadata: {name: t}\n"),
        ),
        case(
            "a patch without a target",
            "k",
            kustomization("resources: [cm.yaml]\npatches: [{path: p.yaml}]\n")
                .file("k/p.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"),
        ),
        case(
            "one object twice",
            "k",
            kustomization(
                "resources: [cm.yaml, \
                                                     again.yaml]\n",
            )
            .file("k/again.yaml", config_map("cm")),
        ),
        case("a list item", "k", kustomization("resources: [l.yaml]\n").file("k/l.yaml", "- a\n")),
        case("a link out", "k", kustomization("resources: [l.yaml]\n").link("k/l.yaml", "../../l.yaml")),
        case(
            "a bad schema",
            "k",
            kustomization(
                "resources: [cm.yaml]\nopenapi: \
                                                 {path: s.json}\n",
            )
            .file("k/s.json", r#"{"definitions": {"a": {"x-kubernetes-group-version-kind": 1}}}"#),
        ),
        case(
            "a key that is no text (B18)",
            "k",
            kustomization("resources: [cm.yaml, odd.yaml]\nnamePrefix: a-\n").file(
                "k/odd.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndata:\n  a: b\n  80: http\n",
            ),
        ),
        case(
            "braces that nobody rendered (B18)",
            "k",
            kustomization("resources: [odd.yaml]\n").file(
                "k/odd.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndata:\n  a: {{ .Values.a \
                                 }}\n",
            ),
        ),
        case("an empty CRD", "k", kustomization("resources: [cm.yaml]\ncrds: [crd.json]\n").file("k/crd.json", "")),
    ];
    insta::assert_snapshot!(report(cases).await);
}

fn template(text: &str) -> MemoryTree {
    chart("").file("c/templates/a.yaml", text)
}

fn dependency(repository: &str) -> MemoryTree {
    chart(&format!("dependencies: [{{name: sub, version: 1.0.0, repository: '{repository}'}}]\n"))
        .file("c/templates/a.yaml", config_map("a"))
}

#[tokio::test]
async fn helm() {
    let hook =
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: h\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n";
    let sub = "apiVersion: v2\nname: sub\nversion: 1.0.0\n";
    let schema = |target: &str| {
        format!(
            r#"{{"$schema": "http://json-schema.org/draft-07/schema#", "properties": {{"a": {{"$ref": "{target}"}}}}}}"#
        )
    };
    let random = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  password: {{ randAlphaNum 12 }}\n";
    let cases = vec![
        case("no version", "c", one("c/Chart.yaml", "apiVersion: v2\nname: a\n")),
        case("a chart of version 3", "c", one("c/Chart.yaml", "apiVersion: v3\nname: a\nversion: 1.0.0\n")),
        case("not YAML", "c", one("c/Chart.yaml", "apiVersion: [\n")),
        case("a library", "c", chart("type: library\n")),
        case("nothing in it", "c", chart("")),
        case("a dependency that is not there", "c", dependency("https://charts.example.com")),
        case("a dependency on a folder", "c", dependency("file://../sub")),
        case(
            "a subchart's dependency",
            "c",
            dependency("")
                .file("c/charts/sub/Chart.yaml", format!("{sub}dependencies: [{{name: deep, version: 1.0.0}}]\n")),
        ),
        case(
            "a subchart twice",
            "c",
            dependency("").file("c/charts/sub/Chart.yaml", sub).file("c/charts/other/Chart.yaml", sub),
        ),
        case("another Kubernetes", "c", chart("kubeVersion: '>=2.0.0'\n")),
        case("bad values", "c", template("").file("c/values.yaml", "a: [\n")),
        case("a parse error", "c", template("a: b\n{{ if }}{{ end }}\n")),
        case("an unknown function", "c", template("a: b\nc: {{ env \"HOME\" }}\n")),
        case("a nil pointer", "c", template("a: b\n\nc: {{ .Values.a.b.c }}\n")),
        case("required", "c", template("a: {{ required \"set a\" .Values.a }}\n")),
        case("fail", "c", template("{{ fail \"no\" }}\n")),
        case(
            "endless recursion",
            "c",
            template("{{ define \"x\" }}{{ include \"x\" . }}{{ end }}{{ include \"x\" . }}\n"),
        ),
        case("what renders to no YAML", "c", template("a: b\n c: {{ 1 }}\n")),
        case("what renders to no object", "c", template("a: {{ 1 }}\n")),
        case("an object twice", "c", template(&config_map("a")).file("c/templates/b.yaml", config_map("a"))),
        case("a hook", "c", template(hook)),
        case(
            "several hooks (B18)",
            "c",
            template(&format!("{hook}---\n{}---\n{}", hook.replace("name: h", "name: h2"), config_map("a")))
                .file("c/templates/b.yaml", hook.replace("name: h", "name: h3")),
        ),
        case("an unknown hook", "c", template(&hook.replace("pre-install,pre-upgrade", "sometimes"))),
        case("lookup", "c", template("a: {{ (lookup \"v1\" \"Secret\" \"shop\" \"s\").data }}\n")),
        case("getHostByName", "c", template("a: {{ getHostByName \"localhost\" }}\n")),
        case("a random value", "c", template(random)),
        case("a random choice", "c", template(&random.replace("randAlphaNum 12", "randInt 0 2 | quote"))),
        case("the time", "c", template(&random.replace("randAlphaNum 12", "now | date \"2006-01-02\" | quote"))),
        case("the time by default", "c", template(&random.replace("randAlphaNum 12", "\"\" | date \"2006\" | quote"))),
        case("a certificate", "c", template(&random.replace("randAlphaNum 12", "(genCA \"a\" 1).Cert | b64enc"))),
        case("a random name", "c", template(&config_map("{{ uuidv4 }}"))),
        case("a schema's file", "c", template("").file("c/values.schema.json", schema("file:///etc/hostname"))),
        case("a schema's URL", "c", template("").file("c/values.schema.json", schema("http://127.0.0.1:1/a.json"))),
        case("a schema's neighbour", "c", template("").file("c/values.schema.json", schema("other.json#/a"))),
        case(
            "a value against the schema",
            "c",
            template(&config_map("a"))
                .file("c/values.yaml", "a: text\n")
                .file("c/values.schema.json", r#"{"properties": {"a": {"type": "number"}}}"#),
        ),
        case("a link out", "c", template("").link("c/files/x", "../../../x")),
        case("a bad .helmignore", "c", template("").file("c/.helmignore", "a/**/b\n")),
    ];
    insta::assert_snapshot!(report(cases).await);
}
