//! What is told of a merge, when, and on which pull request.

use axum::http::StatusCode;
use driftless::dev::git_http::GitFault;
use driftless::ids::RepoName;
use driftless::queue::{Key, Request, Trigger};

use super::manifests::{config_map, deployment, kustomization};
use super::push::shop;
use crate::support::world::{Files, REPO, Setup, World};

/// A Deployment whose pods run nowhere.
fn nowhere(image: &str) -> String {
    deployment("web", image, 1).replace("    spec:\n", "    spec:\n      nodeSelector: {no: where}\n")
}

/// The comment and the history name the same comparison, also where a later preview found the same changes and another
/// difference in the cluster.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_has_the_comparison_that_the_comment_names() {
    let world = World::start("told-compared").await;
    let app = world.app_with("shop", "deploy", "  drift: report\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    let previews = async || world.runs(&format!("#{}", pull.number)).await.len();
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    let again = async || {
        world.context().queue.enqueue(&[Request::new(key.clone(), Trigger::Poll)]).await.expect("queued");
        world.settled().await;
    };
    again().await;
    assert_eq!(previews().await, 1, "nothing new was found: {}", world.story().await);
    let patch = serde_json::json!({"spec": {"replicas": 5}});
    let params = kube::api::PatchParams { field_manager: Some("someone".into()), ..Default::default() };
    world
        .api("apps/v1 Deployment")
        .await
        .patch("web", &params, &kube::api::Patch::Merge(&patch))
        .await
        .expect("edited by hand");
    again().await;
    world.comment(pull.number, "Already different in the cluster").await;
    assert_eq!(previews().await, 2, "{}", world.story().await);
}

/// T18: a confirmed deletion that took what Git still has is told on the pull request that brought it, and on no later
/// one.
#[tokio::test(flavor = "multi_thread")]
async fn t18_what_a_confirmed_deletion_took_along_is_told_where_it_was_proposed() {
    let world = World::start("told-namespace").await;
    let namespace = format!("{}-own", world.namespace);
    let app =
        world.app("own", "own").replace(&format!("namespace: {}", world.namespace), &format!("namespace: {namespace}"));
    let space = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n");
    let files = Files::new()
        .file("apps/own.yaml", app)
        .file("own/namespace.yaml", space.clone())
        .file("own/map.yaml", config_map("own", "x"));
    let base = world.push(files).await;
    world.healthy("own", &base).await;
    world.first_looks().await;
    let drop = world.open_pull("drop", Files::new().without("own/namespace.yaml")).await;
    world.status_is(&drop.head, "success", "1 to delete, needs confirmation").await;
    world.merge_pull(drop.number).await;
    world.comment(drop.number, "**1 deletion needs confirmation** for `own` on `prod`").await;
    let later = world.open_pull("later", Files::new().file("own/map.yaml", config_map("own", "y"))).await;
    world.status_is(&later.head, "success", "1 to update").await;
    world.merge_pull(later.number).await;
    let comment = world.comment(later.number, ": applied for `own` on `prod`, healthy after").await;
    let held = format!("`Namespace {namespace}`, removed by an earlier change, still needed confirmation");
    assert!(comment.contains(&held) && !comment.contains("1 deletion needs"), "{comment}");

    world.sync_by_hand("own", true).await;
    let comment = world.comment(drop.number, "**FAILED** for `own` on `prod`").await;
    assert!(comment.contains("also deleted 1 object that Git still has"), "{comment}");
    world.eventually("people are told", async || world.notices(drop.number).into_iter().next()).await;
    world.settled().await;
    let comment = world.comment(later.number, "healthy after").await;
    assert!(!comment.contains("FAILED") && !comment.contains("also deleted"), "{comment}");
    assert_eq!(world.notices(later.number), Vec::<String>::new());

    let back = world.push(Files::new().file("own/namespace.yaml", space)).await;
    world.healthy("own", &back).await;
    let comment = world.comment(drop.number, "**Since then**").await;
    assert!(
        comment.contains("**FAILED** for `own`") && !comment.contains("1 deletion needs confirmation"),
        "{comment}"
    );
}

/// T19: what is merged while an app is paused is told as not applied, also while an older sync of it is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn t19_an_older_wait_is_not_the_merges() {
    let world = World::with("told-paused", Setup { health: "50s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.push(Files::new().file("deploy/web.yaml", nowhere("example.test/web:2"))).await;
    world
        .eventually("a wait for health", async || {
            (!world.context().store.waits().await.expect("the store").is_empty()).then_some(())
        })
        .await;
    world.ask("apps/shop+shop/pause", Some(serde_json::json!({}))).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "not applied (**paused**): `shop` on `prod`").await;
    assert!(!comment.contains("waiting for health"), "{comment}");
}

/// T20: an app that is defined here and renders another branch has its outcome here, and says what its preview has not
/// shown.
#[tokio::test(flavor = "multi_thread")]
async fn t20_an_app_of_another_branch_has_its_outcome_where_it_is_defined() {
    let world = World::start("told-branch").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.push_to("feature", Files::new().file("feat/map.yaml", config_map("feat", "reviewed"))).await;
    let app = world.app("feat", "feat").replace("{path: feat}", "{path: feat, ref: feature}");
    let pull = world.open_pull("adds", Files::new().file("apps/feat.yaml", app.clone())).await;
    world.status_is(&pull.head, "success", "1 to create").await;
    world.comment(pull.number, "Rendered from another ref: `feat` from `feature` at ").await;
    let next = world.push_to("feature", Files::new().file("feat/map.yaml", config_map("feat", "other"))).await;
    world.settled().await;
    world.merge_pull(pull.number).await;
    world.healthy("feat", &next).await;
    let comment = world.comment(pull.number, ": applied for `feat` on `prod`, healthy after").await;
    // The push to the other branch is heard before the merge or after it: what is applied first is what is shown, or
    // the pull request says so.
    let shows = comment.contains("other") || comment.contains("Not as previewed");
    let as_shown = world.runs("/feat").await.iter().any(|run| run.counts.updated == 1);
    assert!(shows || as_shown, "{comment}{}", world.story().await);
    // A change of its definition that changes no object is over as well.
    let edit = world.open_pull("edits", Files::new().file("apps/feat.yaml", format!("{app}  drift: report\n"))).await;
    world.status_is(&edit.head, "success", "1 definition changed; no objects change").await;
    world.merge_pull(edit.number).await;
    let is_over = |body: &String| body.contains("Merged as") && !body.contains("being applied");
    world.eventually("its end", async || world.comments(edit.number).into_iter().find(is_over)).await;
}

/// H2: an object that is kept, because another app may want it, is no delete; that it was deleted later is told where
/// that was proposed.
#[tokio::test(flavor = "multi_thread")]
async fn h2_what_is_kept_is_no_delete_and_its_end_is_told() {
    let world = World::start("told-kept").await;
    let files = shop(&world)
        .file("deploy/extra.yaml", config_map("extra", "x"))
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml", "extra.yaml"]))
        .file("apps/other.yaml", world.app("other", "other"))
        // It does not render, and what it is made from has the same object.
        .file("other/kustomization.yaml", kustomization(&["extra.yaml", "none.yaml"]))
        .file("other/extra.yaml", config_map("extra", "y"));
    world.push(files).await;
    world.eventually("the object", async || world.live("v1 ConfigMap", "extra").await).await;
    world.first_looks().await;
    world.settled().await;
    let without_extra = Files::new()
        .without("deploy/extra.yaml")
        .file("deploy/kustomization.yaml", kustomization(&["web.yaml", "service.yaml", "settings.yaml"]));
    let pull = world.open_pull("drop", without_extra).await;
    world.status_is(&pull.head, "success", "1 kept").await;
    let comment = world.comment(pull.number, "kept for now, though no longer rendered: 1 object").await;
    assert!(
        !comment.contains("DELETES") && comment.contains("it is unknown whether app shop/other renders it"),
        "{comment}"
    );
    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, ": applied for `shop` on `prod`, healthy").await;
    assert!(comment.contains("/extra` was **not deleted**. It is kept until Driftless knows"), "{comment}");
    assert!(world.live("v1 ConfigMap", "extra").await.is_some());

    world
        .push(Files::new().without("other/kustomization.yaml").file("other/extra.yaml", config_map("other", "x")))
        .await;
    world.settled().await;
    world.resync().await;
    world.gone("v1 ConfigMap", "extra").await;
    let comment = world.comment(pull.number, "**Since then**").await;
    assert!(comment.contains("/extra` was deleted, because it is no longer kept"), "{comment}");
}

/// A19+: what a push that cannot be read means is told where people look, also on the pull request that was merged by
/// it; and that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_be_read_says_what_that_means() {
    let world = World::with("push-fails", Setup { give_up: "1s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let change = Files::new().file("deploy/settings.yaml", config_map("settings", "two"));
    let pull = world.open_pull("change", change).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    world.git_faults.always(Some(GitFault::Refuse(StatusCode::SERVICE_UNAVAILABLE)));
    let merge = world.merge_pull(pull.number).await;
    let told = format!("the last push to main of repo {REPO} is not applied: the forge answered 503");
    world
        .eventually("that the app says so", async || {
            Some(world.stands("shop").await.2).filter(|message| message.contains(&told))
        })
        .await;
    let jobs = world.ask("jobs", None).await.to_string();
    assert!(jobs.contains(&told) && jobs.contains("stay at the commit that was applied last"), "{jobs}");
    world.comment(pull.number, "is not applied").await;
    world.git_faults.clear();
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    assert!(!world.stands("shop").await.2.contains("not applied"));
}
