//! The loop over manifests that others wrote, from the folder that `DRIFTLESS_SAMPLES` names; else over some of that
//! sort that stand here.

use std::path::{Path, PathBuf};

use super::manifests::{config_map, deployment, kustomization, service};
use crate::support::world::{Files, World};

fn samples() -> Option<PathBuf> {
    std::env::var_os("DRIFTLESS_SAMPLES").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty())
}

/// A folder's files, below `to`.
fn folder(files: Files, from: &Path, to: &str) -> Files {
    let mut files = files;
    for entry in std::fs::read_dir(from).expect("a folder of samples") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), format!("{to}/{}", entry.file_name().to_string_lossy()));
        if path.is_dir() {
            files = folder(files, &path, &name);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files = files.file(name, text);
        }
    }
    files
}

/// Twelve services, each a Deployment with a Service; built by a base and an overlay.
fn written_here(files: Files) -> Files {
    let names = [
        "ads",
        "cart",
        "catalogue",
        "checkout",
        "currency",
        "email",
        "front",
        "load",
        "payment",
        "advice",
        "shipping",
        "store",
    ];
    let mut files = files.file("shop/kustomization.yaml", kustomization(&["base"]));
    let mut members = Vec::new();
    for name in names {
        let text = format!("{}---\n{}", deployment(name, &format!("example.test/{name}:1"), 1), service(name));
        files = files.file(format!("shop/base/{name}.yaml"), text);
        members.push(format!("{name}.yaml"));
    }
    files = files.file("shop/base/settings.yaml", config_map("settings", "one"));
    members.push("settings.yaml".to_owned());
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    files.file("shop/base/kustomization.yaml", kustomization(&members))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_of_many_services() {
    let world = World::start("boutique").await;
    let definition = Files::new().file("apps/boutique.yaml", world.app("boutique", "shop"));
    let (files, changed, objects) = match samples() {
        Some(path) => {
            (folder(definition, &path.join("online-boutique/kustomize"), "shop"), "shop/base/cartservice.yaml", 35)
        }
        None => (written_here(definition), "shop/base/cart.yaml", 25),
    };
    let begun = tokio::time::Instant::now();
    let base = world.push(files).await;
    let run = world.healthy("boutique", &base).await;
    let took = begun.elapsed();
    assert_eq!(usize::try_from(run.counts.created).expect("a number"), objects, "{}", world.story().await);
    assert_eq!(world.inventory("boutique").await.len(), objects);
    tracing::info!("pushed, applied and healthy: {objects} objects within {took:?}; {}", steps(&run));

    // One component changes.
    let text = std::fs::read_to_string(
        samples().map_or_else(PathBuf::new, |path| path.join("online-boutique/kustomize/base/cartservice.yaml")),
    );
    let text =
        text.unwrap_or_else(|_| format!("{}---\n{}", deployment("cart", "example.test/cart:1", 1), service("cart")));
    let text = text.replacen("    spec:\n", "      annotations: {changed: \"yes\"}\n    spec:\n", 1);
    let pull = world.open_pull("change-cart", Files::new().file(changed, text)).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let comment = world.comment(pull.number, "Merging").await;
    if samples().is_some() {
        insta::assert_snapshot!("one_component_of_online_boutique", super::pull::redacted(&world, &comment));
    }
    let begun = tokio::time::Instant::now();
    let merge = world.merge_pull(pull.number).await;
    let run = world.healthy("boutique", &merge).await;
    assert_eq!(
        (run.counts.updated, run.counts.unchanged),
        (1, u32::try_from(objects - 1).expect("a number")),
        "{}",
        world.story().await
    );
    tracing::info!("merged and healthy within {:?}; {}", begun.elapsed(), steps(&run));
    world.comment(pull.number, "healthy after").await;
}

fn steps(run: &driftless::store::runs::RunRow) -> String {
    run.steps.iter().map(|step| format!("{} {} ms", step.name, step.millis)).collect::<Vec<_>>().join(", ")
}

/// A small app that an autoscaler looks after: what it sets is no drift, and a new image goes through a pull request.
#[tokio::test(flavor = "multi_thread")]
async fn podinfo() {
    let world = World::start("podinfo").await;
    let definition = Files::new().file("apps/podinfo.yaml", world.app("podinfo", "podinfo"));
    let written_here =
        || format!("{}---\n{}", deployment("podinfo", "example.test/podinfo:6.14.1", 1), service("podinfo"));
    let (files, path, text) = match samples() {
        Some(samples) => {
            let text = std::fs::read_to_string(samples.join("podinfo/kustomize/deployment.yaml"))
                .expect("podinfo's deployment");
            (folder(definition, &samples.join("podinfo/kustomize"), "podinfo"), "podinfo/deployment.yaml", text)
        }
        None => {
            let files = definition.file("podinfo/kustomization.yaml", kustomization(&["all.yaml"]));
            (files.file("podinfo/all.yaml", written_here()), "podinfo/all.yaml", written_here())
        }
    };
    let base = world.push(files).await;
    let run = world.healthy("podinfo", &base).await;
    let objects = run.counts.created;
    assert!(objects >= 2, "{run:?}");
    world.settled().await;
    world.resync().await;
    world.settled().await;
    assert_eq!(world.runs("/podinfo").await.len(), 1, "nothing is healed: {}", world.story().await);

    let newer = text.replace(":6.14.1", ":6.14.2");
    assert_ne!(newer, text);
    let pull = world.open_pull("newer", Files::new().file(path, newer)).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let comment = world.comment(pull.number, "Merging changes 1 app").await;
    assert!(comment.contains(":6.14.1\n+") && comment.contains(":6.14.2"), "{comment}");
    assert!(
        !comment.contains("-  replicas:") && !comment.contains("drifted"),
        "the autoscaler's work is not shown: {comment}"
    );
    let merge = world.merge_pull(pull.number).await;
    let run = world.healthy("podinfo", &merge).await;
    assert_eq!((run.counts.updated, run.counts.unchanged), (1, objects - 1), "{}", world.story().await);
    world.comment(pull.number, "healthy after").await;
}
