//! What a person types: `driftless sync`, `runs` and `apps`, as the program itself, against a server's socket.

use serde_json::Value;

use super::manifests::config_map;
use super::push::shop;
use crate::support::git::git;
use crate::support::world::{Files, PROJECT, World};

/// T2: a commit may be named by the digits that `apps` prints, by a branch or by a tag; what is acknowledged is in
/// `runs`.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_found_before_it_is_promised() {
    let world = World::start("by-hand").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    git(&world.forge.repo_dir(PROJECT), &["tag", "v1", first.as_str()]);
    let second = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.healthy("shop", &second).await;
    let third = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.healthy("shop", &third).await;
    let side = world.commit("side", &Files::new().file("deploy/settings.yaml", config_map("settings", "side")));

    for (said, meant) in [
        (first.short(), &first),
        (second.as_str(), &second),
        ("v1", &first),
        ("side", &side),
        ("refs/heads/main", &third),
    ] {
        let more = if said == "side" { &["--not-on-branch"][..] } else { &[] };
        let (told, code) = world.cli(&[&["sync", "shop", "--revision", said], more].concat()).await;
        assert_eq!(code, 0, "{said}: {told}");
        assert!(told.contains(&format!("shop/shop is being synced to {}", meant.short())), "{said}: {told}");
        world.healthy("shop", meant).await;
        let (told, _) = world.cli(&["runs", "shop", "-n", "1", "-o", "json"]).await;
        let runs: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(runs[0]["revision"], meant.as_str(), "{said}: {told}");
    }
}

/// T2: what is not there is an error at once, and no queued jobs for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_not_there_is_an_error_at_once() {
    let world = World::start("by-hand-unknown").await;
    let revision = world.push(shop(&world)).await;
    world.healthy("shop", &revision).await;
    world.settled().await;
    let before = world.runs("/shop").await.len();
    for said in ["nobody", "0123456789", &"ab".repeat(20), "refs/heads/nobody", "HEAD~1", "--upload-pack=x", ""] {
        let (told, code) = world.cli(&["sync", "shop", &format!("--revision={said}")]).await;
        assert_eq!(code, 1, "{said}: {told}");
        assert!(told.contains("has no commit, branch or tag"), "{said}: {told}");
    }
    world.settled().await;
    let row = world.app_row("shop").await.expect("the app");
    assert_eq!((world.runs("/shop").await.len(), row.pinned_revision), (before, None));

    world.push(Files::new().without("apps/shop.yaml")).await;
    world
        .eventually("the app removed", async || {
            let row = world.app_row("shop").await?;
            (row.state == driftless::store::apps::AppState::Removed).then_some(())
        })
        .await;
    let (told, code) = world.cli(&["sync", "shop"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("cannot be synced: its definition was removed"), "{told}");
}

/// T9: in JSON a run lasts at least as long as its steps took. L2: a pull request's runs are found by its name. L6: one
/// spelling of keys.
#[tokio::test(flavor = "multi_thread")]
async fn runs_in_json_are_what_happened() {
    let world = World::start("by-hand-json").await;
    let revision = world.push(shop(&world)).await;
    world.healthy("shop", &revision).await;
    let pull = world.open_pull("more", Files::new().file("deploy/settings.yaml", config_map("settings", "more"))).await;
    world.status(&pull.head).await;
    world.settled().await;
    let (told, code) = world.cli(&["runs", "-o", "json"]).await;
    assert_eq!(code, 0, "{told}");
    let runs: Value = serde_json::from_str(&told).expect("JSON");
    for run in runs.as_array().expect("a list") {
        let at = |key: &str| run[key].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).expect("a time");
        let lasted = at("finishedAt").as_millisecond() - at("startedAt").as_millisecond();
        let steps: i64 =
            run["steps"].as_array().expect("steps").iter().filter_map(|step| step["millis"].as_i64()).sum();
        // Each step and both ends are rounded.
        assert!(lasted + 5 >= steps, "{run}");
    }
    let (told, _) = world.cli(&["runs", &format!("shop#{}", pull.number), "-o", "json"]).await;
    let runs: Value = serde_json::from_str(&told).expect("JSON");
    let kinds: Vec<&str> = runs.as_array().expect("a list").iter().filter_map(|run| run["kind"].as_str()).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| *kind == "preview"), "{told}");
}

/// T13+: a preview of a folder knows whose the objects are, and tells what else that app has in the cluster, apart from
/// the changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_folder_tells_what_the_folder_lacks() {
    let world = World::start("by-hand-folder").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("settings.yaml"), super::manifests::config_map("settings", "two"))
        .expect("written");
    let kubeconfig = crate::support::cluster::control_plane().await.kubeconfig().to_owned();
    let (path, kubeconfig) = (folder.path().to_string_lossy().into_owned(), kubeconfig.to_string_lossy().into_owned());
    let renderer = crate::support::tool::program("renderer").to_string_lossy().into_owned();
    let args = ["preview", &path, "--kubeconfig", &kubeconfig, "-n", &world.namespace, "--renderer", &renderer];
    let (told, code) = world.cli(&args).await;
    assert_eq!(code, 2, "{told}");
    let (changes, lacks) = told.split_once("These objects in the cluster").expect("what it lacks");
    assert!(changes.contains("update ConfigMap") && !changes.contains("delete "), "{told}");
    let namespace = &world.namespace;
    assert!(lacks.contains("of app shop/shop") && lacks.contains("a sync deletes them:"), "{told}");
    for object in [format!("Deployment {namespace}/web"), format!("Service {namespace}/web")] {
        assert!(lacks.contains(&object), "{object}: {told}");
    }
    assert!(!lacks.contains("settings") && !lacks.contains("ReplicaSet") && !lacks.contains("Endpoint"), "{told}");
}

/// F12: the folder that an app's definition names is all of the app: what it lacks is a change, and a delete.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_an_app_counts_what_a_sync_deletes() {
    let world = World::start("by-hand-app").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: String| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("apps/shop.yaml", world.app("shop", "deploy"));
    write("deploy/settings.yaml", super::manifests::config_map("settings", "one"));
    let kubeconfig = crate::support::cluster::control_plane().await.kubeconfig().to_owned();
    let kubeconfig = kubeconfig.to_string_lossy().into_owned();
    let root = folder.path().to_string_lossy().into_owned();
    let renderer = crate::support::tool::program("renderer").to_string_lossy().into_owned();
    let app = format!("{root}/apps/shop.yaml");
    let args = ["preview", "--app", &app, "--root", &root, "--kubeconfig", &kubeconfig, "--renderer", &renderer];
    let (told, code) = world.cli(&args).await;
    assert_eq!(code, 2, "{told}");
    let namespace = &world.namespace;
    for object in [format!("delete Deployment {namespace}/web"), format!("delete Service {namespace}/web")] {
        assert!(told.contains(&object), "{object}: {told}");
    }
    assert!(told.contains("2 to change, 1 unchanged") && !told.contains("If this folder"), "{told}");
}

/// F1: `preview --pr` ends as it is documented: 2 for changes, and 1 for what would go wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_pull_request_ends_by_what_it_shows() {
    let world = World::start("by-hand-pr").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let map = |value: &str| super::manifests::config_map("settings", value);
    for (branch, text, expected) in [("two", map("two"), 2), ("broken", map("two").replace("data:", "dta:"), 1)] {
        let pull = world.open_pull(branch, Files::new().file("deploy/settings.yaml", text)).await;
        world.status(&pull.head).await;
        let (told, code) = world.cli(&["preview", "--pr", &format!("shop#{}", pull.number)]).await;
        assert_eq!(code, expected, "{branch}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_by_itself() {
    let world = World::start("pause-for").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.settled().await;
    let (said, code) = world.cli(&["pause", "shop", "--for", "5s", "--reason", "the database moves"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("nothing is applied, healed or deleted until 20") && said.contains(" UTC or `driftless"),
        "{said}"
    );
    let next = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert!(state == "paused" && message.contains("(the database moves)"), "{state}: {message}");
    world.healthy("shop", &next).await;
    assert_eq!(world.stands("shop").await.0, "synced");
    let (said, code) = world.cli(&["pause", "shop", "--for", "31d"]).await;
    assert!(code == 1 && said.contains("is not a time of at most 30 days"), "{said}");
}
