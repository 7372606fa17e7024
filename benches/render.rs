//! Compares renders of a warm pool with kustomize's library alone, warm in one process, and with one kustomize process
//! for each render, on the same directory.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use driftless::render::{RenderOptions, RenderRequest, Renderer, RendererConfig};
use driftless::tree::Tree;
use driftless::tree::disk::DirTree;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 40;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(compare())
}

async fn compare() -> Outcome<()> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let worker = std::env::var_os("DRIFTLESS_RENDERER").ok_or("DRIFTLESS_RENDERER names no worker: run make bench")?;
    let pool = Renderer::new(RendererConfig::new(env!("CARGO_BIN_EXE_driftless"), PathBuf::from(worker)))?;
    let kustomize = kustomize(house)?;
    let bare = bare(house)?;
    let large = tempfile::tempdir()?;
    write_large(large.path())?;
    let stack = tempfile::tempdir()?;
    write_stack(stack.path())?;
    let mut apps = vec![
        (house.join("renderer/testdata/kustomize"), "overlay"),
        (large.path().to_path_buf(), "large"),
        (large.path().to_path_buf(), "sorted"),
        (stack.path().to_path_buf(), "stack"),
    ];
    if let Some(samples) = std::env::var_os("DRIFTLESS_SAMPLES") {
        apps.push((PathBuf::from(&samples).join("online-boutique"), "kustomize"));
        apps.push((PathBuf::from(&samples).join("podinfo"), "kustomize"));
    }
    for (root, path) in apps {
        let ours = median(warm(&pool, &root, path).await?);
        let theirs = median(processes(&kustomize, &root.join(path))?);
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let library = alone(&bare, &root.join(path))?;
        let cost = ours.as_secs_f64() / library.as_secs_f64();
        let name = root.file_name().unwrap_or_default().display();
        writeln!(
            std::io::stdout(),
            "{name}/{path}: warm render {ours:.1?}; the library alone {library:.1?}: {cost:.2} times its cost (aim: \
             1.5); \
             a process each {theirs:.1?}: {ratio:.1} times as fast"
        )?;
    }
    Ok(())
}

/// The library without a box, a pipe or a tree of Git.
fn bare(house: &Path) -> Outcome<PathBuf> {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bare");
    let built = Command::new("go")
        .env("CGO_ENABLED", "0")
        .current_dir(house.join("renderer"))
        .args(["build", "-o"])
        .arg(&program)
        .arg("./bare")
        .stderr(Stdio::inherit())
        .status()?;
    if built.success() { Ok(program) } else { Err("go build ./bare failed".into()) }
}

fn alone(bare: &Path, dir: &Path) -> Outcome<Duration> {
    let said = Command::new(bare).arg(ROUNDS.to_string()).arg(dir).stderr(Stdio::inherit()).output()?;
    if !said.status.success() {
        return Err("the library rendered nothing".into());
    }
    Ok(Duration::from_nanos(String::from_utf8(said.stdout)?.trim().parse()?))
}

/// An overlay over a base of a hundred Deployments, each in a file of its own.
fn write_large(root: &Path) -> Outcome<()> {
    std::fs::create_dir_all(root.join("base"))?;
    std::fs::create_dir_all(root.join("large"))?;
    let mut names = Vec::new();
    for index in 0..100 {
        let name = format!("d{index}.yaml");
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d{index}\n  labels: {{app: d{index}}}\nspec:\n  \
             selector:\n    matchLabels: \
             {{app: d{index}}}\n  template:\n    metadata:\n      labels: {{app: d{index}}}\n    spec:\n      \
             containers:\n      - name: main\n        \
             image: example.com/d:1\n        env:\n        - {{name: A, value: b}}\n        ports: [{{containerPort: \
             80}}]\n"
        );
        std::fs::write(root.join("base").join(&name), text)?;
        names.push(name);
    }
    std::fs::write(root.join("base/kustomization.yaml"), format!("resources: [{}]\n", names.join(", ")))?;
    let overlay = "namespace: shop\nresources: [../base]\ncommonAnnotations: {a: b}\nimages: \
                   [{name: example.com/d, newTag: '2'}]\n";
    std::fs::write(root.join("large/kustomization.yaml"), overlay)?;
    std::fs::create_dir_all(root.join("sorted"))?;
    std::fs::write(root.join("sorted/kustomization.yaml"), format!("{overlay}sortOptions: {{order: legacy}}\n"))?;
    Ok(())
}

/// A monitoring stack as it is published: large CRDs, lists of roles, custom resources, Deployments, and dashboards
/// that are generated, one of them merged into and one replaced by the overlay. 101 objects.
fn write_stack(root: &Path) -> Outcome<()> {
    for folder in ["stack", "parts/dashboards"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    let mut names = Vec::new();
    let mut put = |name: String, text: String| {
        let written = std::fs::write(root.join("parts").join(&name), text);
        names.push(name);
        written
    };
    for index in 0..8 {
        let fields: String = (0..300)
            .map(|field| {
                format!(
                    "              field{field}:\n                description: What it is for, in a sentence or \
                         two.\n                type: string\n"
                )
            })
            .collect();
        let text = format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: \
             kind{index}s.example.com\nspec:\n  group: \
             example.com\n  names: {{kind: Kind{index}, plural: kind{index}s}}\n  scope: Namespaced\n  versions:\n  - \
             name: v1\n    served: true\n    \
             storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        properties:\n          \
             spec:\n            type: object\n            \
             properties:\n{fields}"
        );
        put(format!("crd{index}.yaml"), text)?;
    }
    for (kind, rest) in
        [("Role", "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]"), ("RoleBinding", REFERS)]
    {
        let items: String = (0..4)
            .map(|index| {
                format!(
                    "- apiVersion: rbac.authorization.k8s.io/v1\n  kind: {kind}\n  metadata:\n    name: \
                         part{index}\n  {rest}\n"
                )
            })
            .collect();
        put(
            format!("{kind}s.yaml"),
            format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}List\nitems:\n{items}"),
        )?;
    }
    for index in 0..55 {
        let text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata:\n  name: part{index}\n  labels: \
             {{app: part{index}}}\nspec:\n  \
             endpoints:\n  - {{port: http, interval: 30s}}\n  selector:\n    matchLabels: {{app: part{index}}}\n"
        );
        put(format!("monitor{index}.yaml"), text)?;
    }
    for index in 0..20 {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: part{index}\nspec:\n  selector:\n    \
             matchLabels: {{app: part{index}}}\n  \
             template:\n    metadata:\n      labels: {{app: part{index}}}\n    spec:\n      containers:\n      - name: \
             main\n        image: \
             example.com/part:1\n        args: [--verbose]\n"
        );
        put(format!("deployment{index}.yaml"), text)?;
    }
    let mut generators = String::new();
    for index in 0..10 {
        let panel = "  {\"title\": \"Requests\", \"type\": \"timeseries\", \"expr\": \"sum(rate(http_requests_total[5m]))\"},\n";
        std::fs::write(
            root.join(format!("parts/dashboards/d{index}.json")),
            format!("[\n{}{{}}]\n", panel.repeat(200)),
        )?;
        generators.push_str(&format!("- name: dashboard{index}\n  files: [dashboards/d{index}.json]\n"));
    }
    let parts = format!("resources:\n- {}\nconfigMapGenerator:\n{generators}", names.join("\n- "));
    std::fs::write(root.join("parts/kustomization.yaml"), parts)?;
    let overlay = "namespace: shop\nresources: [../parts]\nimages: \
                   [{name: example.com/part, newTag: '2'}]\nconfigMapGenerator:\n- {name: \
                   dashboard0, behavior: merge, literals: [a=b]}\n- \
                   {name: dashboard1, behavior: replace, literals: [a=b]}\n";
    std::fs::write(root.join("stack/kustomization.yaml"), overlay)?;
    Ok(())
}

const REFERS: &str = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: part}\n  subjects: \
                      [{kind: ServiceAccount, name: part}]";

/// The program that the renderer is compared with; it is built once.
fn kustomize(house: &Path) -> Outcome<PathBuf> {
    let built = Command::new(house.join("scripts/tool")).arg("kustomize").stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        return Err("scripts/tool kustomize failed".into());
    }
    Ok(PathBuf::from(String::from_utf8(built.stdout)?.trim()))
}

async fn warm(pool: &Renderer, root: &Path, path: &str) -> Outcome<Vec<Duration>> {
    let request = RenderRequest {
        path: path.to_owned(),
        options: RenderOptions::default(),
        release: "bench".to_owned(),
        namespace: "bench".to_owned(),
        cluster: None,
    };
    let mut times = Vec::new();
    for _ in 0..=ROUNDS {
        let tree: Arc<dyn Tree> = Arc::new(DirTree::new(root));
        let started = Instant::now();
        let rendered = pool.render(request.clone(), tree, CancellationToken::new()).await?;
        times.push(started.elapsed());
        if rendered.manifests.is_empty() {
            return Err("nothing was rendered".into());
        }
    }
    // The first one started the worker.
    Ok(times.split_off(1))
}

fn processes(kustomize: &Path, dir: &Path) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let built = Command::new(kustomize).arg("build").arg(dir).stderr(Stdio::null()).output()?;
        times.push(started.elapsed());
        if !built.status.success() || built.stdout.is_empty() {
            return Err("kustomize rendered nothing".into());
        }
    }
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
