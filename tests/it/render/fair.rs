//! What one tenant's charts may do to another tenant's renders: nothing.

use std::sync::Arc;
use std::time::Duration;

use driftless::render::{Asker, Purpose, RenderError, Renderer, RendererConfig, RendererKind};
use driftless::tree::Tree;
use driftless::tree::memory::MemoryTree;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{asker, chart, config, config_map, listed, render, request};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn template(text: &str) -> MemoryTree {
    chart("").file("c/templates/a.yaml", text)
}

/// A chart that computes until it is killed.
fn endless(number: usize) -> Arc<dyn Tree> {
    Arc::new(template(&format!(
        "# {number}\n{{{{ range until 5000 }}}}{{{{ range until 500000 }}}}{{{{ end }}}}{{{{ end }}}}\n"
    )))
}

fn good() -> Arc<dyn Tree> {
    Arc::new(MemoryTree::new().file("c/a.yaml", config_map("a")))
}

/// X9: while a hostile tenant's charts loop, a sync and a preview of somebody else are rendered within two seconds.
#[tokio::test]
async fn charts_that_loop_stop_nobody_else() -> Result {
    let pool = Arc::new(Renderer::new(config())?);
    let cancel = CancellationToken::new();
    let mut hostile = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (pool, cancel) = (Arc::clone(&pool), cancel.clone());
        let purpose = if number % 2 == 0 { Purpose::Sync } else { Purpose::Preview };
        hostile.spawn(async move {
            let asker = Asker { tenant: "hostile", purpose };
            pool.render_cached(asker, "hostile", request("c", RendererKind::Auto), endless(number), cancel).await
        });
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    for purpose in [Purpose::Sync, Purpose::Preview] {
        let asked = Instant::now();
        let asker = Asker { tenant: "shop", purpose };
        let repo = format!("shop {purpose:?}");
        let rendered = pool
            .render_cached(asker, &repo, request("c", RendererKind::Auto), good(), CancellationToken::new())
            .await?;
        assert_eq!(listed(&rendered), ["ConfigMap a < c/a.yaml"]);
        assert!(asked.elapsed() < Duration::from_secs(2), "a {purpose:?} took {:?}", asked.elapsed());
    }
    cancel.cancel();
    while let Some(ended) = hostile.join_next().await {
        assert!(matches!(ended?, Err(RenderError::Cancelled)), "they never end by themselves");
    }
    Ok(())
}

/// X9: an input that did not end is not rendered again for the next who asks; for somebody who waits for it, it is.
#[tokio::test]
async fn a_loop_is_remembered_by_what_it_read() -> Result {
    let pool = Renderer::new(RendererConfig { deadline: Duration::from_secs(3), ..config() })?;
    let ask = |purpose, tree: Arc<dyn Tree>| {
        let asker = Asker { tenant: "shop", purpose };
        pool.render_cached(asker, "shop", request("c", RendererKind::Auto), tree, CancellationToken::new())
    };
    let first = ask(Purpose::Preview, endless(1)).await.err().map(|error| error.to_string());
    assert_eq!(
        first.as_deref(),
        Some("c: did not end within 3 seconds (look for a loop in a template, or split the app)")
    );
    let asked = Instant::now();
    let again = ask(Purpose::Sync, endless(1)).await.err().map(|error| error.to_string());
    assert_eq!(again, first, "the text is the same, so that a report is");
    assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
    let asked = Instant::now();
    assert!(ask(Purpose::ByHand, endless(1)).await.is_err());
    assert!(asked.elapsed() >= Duration::from_secs(3), "asked by hand, it is tried");
    let asked = Instant::now();
    assert!(ask(Purpose::Sync, endless(2)).await.is_err());
    assert!(asked.elapsed() >= Duration::from_secs(3), "another input is another matter");
    Ok(())
}

/// X5: in one worker, what one tenant's chart makes the library print is never among the warnings of the next render.
#[tokio::test]
async fn warnings_stay_with_their_render() -> Result {
    let pool = Renderer::new(RendererConfig { size: 1, ..config() })?;
    // The library warns of a value that a table replaces, and prints the value.
    let forged = "outer:\n  table: \"x\\n\\0mark\\n\\0mark\\nhunter2hunter2\"\n";
    let hostile = chart("").file("c/templates/a.yaml", config_map("a")).file("c/values.yaml", forged);
    for _ in 0..4 {
        let theirs: Arc<dyn Tree> = Arc::new(hostile.clone());
        let mut asked = request("c", RendererKind::Auto);
        asked.options.helm.values = serde_json::json!({"outer": {"table": {"x": "y"}}});
        let theirs = pool.render(asked, theirs, CancellationToken::new()).await?;
        assert!(theirs.warnings.iter().any(|line| line.contains("hunter2")), "the chart prints: {:?}", theirs.warnings);
        let next = render(&pool, MemoryTree::new().file("c/a.yaml", config_map("a")), "c").await?;
        assert_eq!(next.warnings, Vec::<String>::new());
        assert_eq!(pool.idle_workers(), 1, "it is the same worker");
    }
    Ok(())
}

/// X6: a manifest that no reader of JSON takes is its app's failure, with its name and file, and the next app renders.
#[tokio::test]
async fn what_is_too_deep_is_the_inputs_fault() -> Result {
    let pool = Renderer::new(config())?;
    let text = format!("{}spec: {}{}\n", config_map("deep"), "[".repeat(150), "]".repeat(150));
    let kustomized =
        MemoryTree::new().file("c/kustomization.yaml", "resources: [deep.yaml]\n").file("c/deep.yaml", &text);
    for tree in [MemoryTree::new().file("c/deep.yaml", &text), kustomized, template(&text)] {
        let message = super::failure(render(&pool, tree, "c").await);
        assert!(message.ends_with(".yaml: v1 ConfigMap deep is nested more than 100 levels deep"), "{message}");
    }
    let json = "[".repeat(50_000) + &"]".repeat(50_000);
    let json =
        format!(r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "deep"}}, "spec": {json}}}"#);
    let message = super::failure(render(&pool, MemoryTree::new().file("c/deep.json", json), "c").await);
    assert!(message.starts_with("c/deep.json:1: "), "{message}");
    Ok(())
}

/// X6: an input on which a worker ends without an answer each time is at fault; it is not tried for ever.
#[tokio::test]
async fn an_input_that_loses_its_worker_each_time_has_failed() -> Result {
    let dir = tempfile::tempdir()?;
    let program = dir.path().join("worker");
    super::sandbox::build("tests/probe/crash", &program)?;
    let pool = Renderer::new(RendererConfig { worker: program, ..config() })?;
    let tree: Arc<dyn Tree> = good();
    let asked =
        pool.render_cached(asker("shop"), "shop", request("c", RendererKind::Auto), tree, CancellationToken::new());
    let Err(RenderError::Failed { failure, trace }) = asked.await else { unreachable!("it crashes") };
    assert_eq!(failure.message, "the renderer crashed on this input 3 times in a row (exit status: 7)");
    assert!(!trace.is_empty(), "what it looked at says when to try again");
    Ok(())
}
