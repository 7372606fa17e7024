//! What a render may not do, and what becomes of one that tries: each ends with a clear answer, and the next render is
//! as good as any.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use driftless::class::{Class, Classified};
use driftless::render::{RenderError, Renderer, RendererConfig, RendererKind};
use driftless::tree::Tree;
use driftless::tree::memory::MemoryTree;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{asker, chart, config, config_map, failure, listed, render, request};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn template(text: &str) -> MemoryTree {
    chart("").file("c/templates/a.yaml", text)
}

fn good() -> MemoryTree {
    MemoryTree::new().file("c/a.yaml", config_map("a"))
}

fn pool(change: impl FnOnce(&mut RendererConfig)) -> std::result::Result<Arc<Renderer>, RenderError> {
    let mut config = config();
    change(&mut config);
    Ok(Arc::new(Renderer::new(config)?))
}

/// An alias bomb: each line holds ten of the one before.
fn aliases(depth: usize) -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..=depth {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{ten}]");
    }
    text
}

#[tokio::test]
async fn what_needs_too_much_memory_ends_and_says_so() -> Result {
    let pool = pool(|_| {})?;
    let doubling =
        "{{- $s := \"0123456789\" }}{{ range until 40 }}{{ $s = printf \"%s%s\" $s $s }}{{ end }}a: {{ $s }}\n";
    let answer = failure(render(&pool, template(doubling), "c").await);
    assert_eq!(
        answer,
        "c: needs more than the 256 MiB of memory that a render may use (look for a template or an alias that repeats \
         itself, or split the app)"
    );
    assert_eq!(listed(&render(&pool, good(), "c").await?), ["ConfigMap a < c/a.yaml"]);
    Ok(())
}

#[tokio::test]
async fn alias_bombs_are_refused_by_each_renderer() -> Result {
    let pool = pool(|_| {})?;
    let bomb = format!("apiVersion: v1\nkind: A\nmetadata: {{name: a}}\n{}", aliases(9));
    let kustomized =
        MemoryTree::new().file("c/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: a-\n").file("c/a.yaml", &bomb);
    for tree in [
        MemoryTree::new().file("c/a.yaml", &bomb),
        kustomized,
        template(&config_map("a")).file("c/values.yaml", aliases(9)),
    ] {
        let answer = failure(render(&pool, tree, "c").await);
        let clear = answer.contains("excessive aliasing") || answer.contains("needs more than the 256 MiB");
        assert!(clear && answer.starts_with('c'), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_loop_ends_at_the_deadline() -> Result {
    let pool = pool(|config| config.deadline = Duration::from_secs(3))?;
    let endless = "{{ range until 200000000 }}{{ end }}\n";
    let nested = "{{ range until 20000 }}{{ range until 20000 }}{{ end }}{{ end }}\n";
    for text in [endless, nested] {
        let answer = failure(render(&pool, template(text), "c").await);
        let deadline = answer == "c: did not end within 3 seconds (look for a loop in a template, or split the app)";
        assert!(deadline || answer.contains("needs more than the 256 MiB"), "{answer}");
    }
    assert_eq!(listed(&render(&pool, good(), "c").await?), ["ConfigMap a < c/a.yaml"]);
    Ok(())
}

#[tokio::test]
async fn a_library_that_panics_takes_its_worker_with_it() -> Result {
    let pool = pool(|_| {})?;
    let empty = MemoryTree::new()
        .file("c/kustomization.yaml", "resources: [a.yaml]\ncrds: [crd.json]\n")
        .file("c/a.yaml", config_map("a"))
        .file("c/crd.json", "");
    let Err(error) = render(&pool, empty, "c").await else { unreachable!("kustomize panics at an empty CRD") };
    assert_eq!(error.class(), Class::Fail);
    assert_eq!(error.failure().and_then(|failure| failure.file.as_deref()), Some("c/crd.json"));
    assert_eq!(pool.idle_workers(), 0);
    assert_eq!(listed(&render(&pool, good(), "c").await?), ["ConfigMap a < c/a.yaml"]);
    Ok(())
}

/// The schema is a global of kustomize: what one app says about it must not reach the next, in the same worker.
#[tokio::test]
async fn a_schema_of_one_app_does_not_change_the_next() -> Result {
    let pool = pool(|config| config.size = 1)?;
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    \
                      spec:\n      containers:\n      - {name: web, image: web, env: [{name: A, value: a}]}\n";
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      \
                 containers:\n      - {name: web, env: [{name: B, value: b}]}\n";
    let plain = MemoryTree::new()
        .file("c/kustomization.yaml", "resources: [a.yaml]\npatches: [{path: p.yaml}]\n")
        .file("c/a.yaml", deployment)
        .file("c/p.yaml", patch);
    let before = render(&pool, plain.clone(), "c").await?;
    // A Deployment of which nothing is known: its lists are replaced, not merged.
    let unknown = json!({"definitions": {"v1.Deployment": {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}],
    }}});
    let custom = "resources: [a.yaml]\nopenapi: {path: s.json}\npatches: [{path: p.yaml}]\n";
    let schema = plain.clone().file("c/kustomization.yaml", custom).file("c/s.json", unknown.to_string());
    let changed = render(&pool, schema, "c").await?;
    assert_ne!(before.manifests, changed.manifests, "the schema counts for its own app");
    let after = render(&pool, plain, "c").await?;
    assert_eq!(before, after);
    let env = &before.manifests[0].object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env.as_array().map(Vec::len), Some(2));
    assert_eq!(pool.idle_workers(), 1);
    Ok(())
}

#[tokio::test]
async fn output_and_questions_have_a_limit() -> Result {
    let pool = pool(|config| {
        config.max_output = 100_000;
        config.max_callbacks = 50;
    })?;
    let many: Vec<String> = (0..1000).map(|index| config_map(&format!("a{index}"))).collect();
    let many = many.join("---\n");
    let answer = failure(render(&pool, MemoryTree::new().file("c/a.yaml", many), "c").await);
    assert_eq!(answer, "c: renders to more than the limit of one render");
    let files = (0..60)
        .fold(MemoryTree::new(), |tree, index| tree.file(&format!("c/{index}.yaml"), config_map(&format!("a{index}"))));
    let answer = failure(render(&pool, files, "c").await);
    assert_eq!(answer, "c: asks for more than 50 paths of the repository");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_render_ends_at_once() -> Result {
    let pool = pool(|_| {})?;
    let cancel = CancellationToken::new();
    let tree: Arc<dyn Tree> = Arc::new(template("{{ range until 5000 }}{{ range until 500000 }}{{ end }}{{ end }}\n"));
    let running = tokio::spawn({
        let (pool, cancel) = (Arc::clone(&pool), cancel.clone());
        async move { pool.render(request("c", RendererKind::Auto), tree, cancel).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let asked = tokio::time::Instant::now();
    cancel.cancel();
    let Err(error) = running.await? else { unreachable!("it never ends by itself") };
    assert_eq!(error.class(), Class::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    assert_eq!(listed(&render(&pool, good(), "c").await?), ["ConfigMap a < c/a.yaml"]);
    Ok(())
}

#[tokio::test]
async fn workers_are_kept_warm_replaced_and_ended() -> Result {
    let pool = pool(|config| {
        config.renders_per_worker = 2;
        config.idle = Duration::from_millis(200);
    })?;
    render(&pool, good(), "c").await?;
    assert_eq!(pool.idle_workers(), 1);
    render(&pool, good(), "c").await?;
    assert_eq!(pool.idle_workers(), 0, "it had rendered twice");
    render(&pool, good(), "c").await?;
    let stop = CancellationToken::new();
    let reaper = tokio::spawn({
        let (pool, stop) = (Arc::clone(&pool), stop.clone());
        async move { pool.reap(stop).await }
    });
    for _ in 0..100 {
        if pool.idle_workers() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pool.idle_workers(), 0, "it had nothing to do");
    stop.cancel();
    reaper.await?;
    Ok(())
}

#[tokio::test]
async fn the_queue_has_an_end() -> Result {
    let pool = pool(|config| {
        config.size = 1;
        config.queue = 1;
    })?;
    let render_one = || {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { render(&pool, good(), "c").await })
    };
    let (first, second, third) = tokio::join!(render_one(), render_one(), render_one());
    let answers = [first?, second?, third?];
    let overloaded: Vec<_> = answers.iter().filter(|answer| matches!(answer, Err(RenderError::Overloaded))).collect();
    assert_eq!(overloaded.len(), 1);
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() == 2);
    Ok(())
}

#[tokio::test]
async fn a_launcher_or_a_worker_that_is_not_one_says_what_is_wrong() -> Result {
    let missing = Renderer::new(RendererConfig { worker: "/nowhere/renderer".into(), ..config() }).err();
    let message = missing.map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("/nowhere/renderer") && message.contains("built from renderer/"), "{message}");
    let other = pool(|config| config.worker = "/bin/true".into())?;
    let Err(error) = render(&other, good(), "c").await else { unreachable!("true renders nothing") };
    assert!(error.class().is_retry(), "{error}");
    let launcher = pool(|config| config.launcher = "/bin/false".into())?;
    let Err(error) = render(&launcher, good(), "c").await else { unreachable!("false starts nothing") };
    assert!(matches!(error, RenderError::Start(_)), "{error}");
    Ok(())
}

/// The same question about trees that answer it alike is answered once.
#[tokio::test]
async fn the_cache_knows_renders_by_what_they_looked_at() -> Result {
    let pool = pool(|_| {})?;
    let ask = |repo: &'static str, tree: MemoryTree| {
        let tree: Arc<dyn Tree> = Arc::new(tree);
        pool.render_cached(asker(repo), repo, request("c", RendererKind::Auto), tree, CancellationToken::new())
    };
    let first = ask("one", good()).await?;
    let again = ask("one", good().file("elsewhere/b.yaml", config_map("b"))).await?;
    assert!(Arc::ptr_eq(&first, &again));
    let changed = ask("one", good().file("c/b.yaml", config_map("b"))).await?;
    assert_eq!(changed.manifests.len(), 2);
    assert_ne!(first.identity, changed.identity);
    let back = ask("one", good()).await?;
    assert!(Arc::ptr_eq(&first, &back), "a revert is known");
    let other_repo = ask("two", good()).await?;
    assert!(!Arc::ptr_eq(&first, &other_repo));
    assert_eq!(first.identity, other_repo.identity);
    Ok(())
}
