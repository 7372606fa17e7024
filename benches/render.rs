//! Renders of a warm pool against kustomize's library alone, warm in one process, and against its own program, a process for each, on the same
//! directory.

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
    let mut apps = vec![(house.join("renderer/testdata/kustomize"), "overlay"), (large.path().to_path_buf(), "large")];
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
            "{name}/{path}: warm render {ours:.1?}; the library alone {library:.1?}: {cost:.2} times its cost (aim: 1.5); \
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
        return Err("the library made nothing".into());
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
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d{index}\n  labels: {{app: d{index}}}\nspec:\n  selector:\n    matchLabels: \
             {{app: d{index}}}\n  template:\n    metadata:\n      labels: {{app: d{index}}}\n    spec:\n      containers:\n      - name: main\n        \
             image: example.com/d:1\n        env:\n        - {{name: A, value: b}}\n        ports: [{{containerPort: 80}}]\n"
        );
        std::fs::write(root.join("base").join(&name), text)?;
        names.push(name);
    }
    std::fs::write(root.join("base/kustomization.yaml"), format!("resources: [{}]\n", names.join(", ")))?;
    let overlay = "namespace: shop\nresources: [../base]\ncommonAnnotations: {a: b}\nimages: [{name: example.com/d, newTag: '2'}]\n";
    std::fs::write(root.join("large/kustomization.yaml"), overlay)?;
    Ok(())
}

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
            return Err("kustomize made nothing".into());
        }
    }
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
