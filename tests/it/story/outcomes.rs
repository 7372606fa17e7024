//! What a merged pull request tells, and goes on telling.

use driftless::dev::forge::DeliveryFault;
use driftless::ids::RepoName;
use driftless::queue::{Key, Request, Trigger};
use driftless::store::runs::{RunKind, RunState};

use super::manifests::{config_map, deployment};
use super::push::shop;
use super::states::nowhere;
use crate::support::git::git;
use crate::support::world::{Files, PROJECT, Pull, REPO, Setup, World, app_id};

/// A pull request that was merged although its gate is red, and has failed.
async fn broken_merge(world: &World) -> Pull {
    let base = world.push(shop(world)).await;
    world.healthy("shop", &base).await;
    let broken = config_map("settings", "two").replace("data:", "dta:");
    let pull = world.open_pull("broken", Files::new().file("deploy/settings.yaml", broken)).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "**FAILED** for `shop` on `prod`").await;
    pull
}

/// T1: a failure stays on its pull request when another one mends it, and its people are told by a comment of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_not_erased_by_a_later_fix() {
    let world = World::start("outcome-failed").await;
    let pull = broken_merge(&world).await;
    world.eventually("people are told", async || world.notices(pull.number).into_iter().next()).await;

    let fix = world.open_pull("fix", Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.status_is(&fix.head, "success", "1 to update").await;
    let merge = world.merge_pull(fix.number).await;
    world.healthy("shop", &merge).await;
    world.comment(fix.number, "healthy after").await;
    let comment = world.comment(pull.number, "Since then").await;
    assert!(comment.contains("**FAILED** for `shop` on `prod`"), "{comment}");
    assert!(comment.contains(&format!("applied as `{}`, healthy after", merge.short())), "{comment}");
    let notices = world.notices(pull.number);
    assert!(
        notices.len() == 1 && notices[0].contains("@you") && notices[0].contains("**failed** for `shop` on `prod`"),
        "{notices:?}"
    );
    assert_eq!(world.notices(fix.number), Vec::<String>::new());
}

/// T1: an app that the pull request removed and that is there again was not deleted, and is no success of the removal.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_taken_back_is_told_as_that() {
    let world = World::start("outcome-back").await;
    let app = world.app_with("shop", "deploy", "  onDelete: prune\n");
    let base = world.push(shop(&world).file("apps/shop.yaml", app.clone())).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("drop", Files::new().without("apps/shop.yaml")).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "**3 deletions need confirmation** for").await;
    let back = world.push(Files::new().file("apps/shop.yaml", app)).await;
    world.healthy("shop", &back).await;
    let comment = world.comment(pull.number, "**not applied** (reverted by a later commit)").await;
    assert!(!comment.contains("healthy after"), "{comment}");
}

/// B10: merged and reverted before the sync: it ends as taken back, and no later sync makes it a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_is_reverted_before_its_sync_ends_as_superseded() {
    let world = World::with("outcome-reverted", Setup { webhooks: false, ..Setup::default() }).await;
    world.push(shop(&world)).await;
    world.poll().await;
    world.eventually("the app", async || world.live("v1 ConfigMap", "settings").await).await;
    world.settled().await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.merge_pull(pull.number).await;
    world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.poll().await;
    world.comment(pull.number, "**not applied** (reverted by a later commit): `shop` on `prod`").await;
    let next = world.push(Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:2", 2))).await;
    world.poll().await;
    world.healthy("shop", &next).await;
    world.settled().await;
    let comment = world.comment(pull.number, "**not applied**").await;
    assert!(!comment.contains("healthy after"), "{comment}");
}

/// T4: what merging does for a paused app is said before, after, and until it is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_is_told_as_paused() {
    let world = World::start("outcome-paused").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world.ask("apps/shop+shop/pause", Some(serde_json::json!({}))).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "not applied automatically: 1 app").await;
    let merge = world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "not applied (**paused**): `shop` on `prod`").await;
    assert!(comment.contains("`driftless resume shop/shop`"), "{comment}");
    let (state, _, message) = world
        .eventually("that it is behind", async || {
            Some(world.stands("shop").await).filter(|(_, _, message)| message.contains("behind: main"))
        })
        .await;
    assert!(state == "paused" && message.contains(merge.short()) && message.contains("paused since"), "{message}");
    // Its drift is seen, and left.
    world.api("v1 ConfigMap").await.delete("settings", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.resync().await;
    world.settled().await;
    let (state, _, message) = world.stands("shop").await;
    assert!(state == "paused" && message.contains("settings is missing"), "{message}");
    assert!(world.live("v1 ConfigMap", "settings").await.is_none());

    world.ask("apps/shop+shop/resume", Some(serde_json::json!({}))).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
    assert_eq!(world.stands("shop").await.0, "synced");
}

/// L15: `sync: never` is told as what it is, and not as something to be done by hand.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_never_synced_is_not_told_to_be_synced_by_hand() {
    let world = World::start("outcome-never").await;
    let app = world.app_with("shop", "deploy", "  sync: never\n");
    world.push(shop(&world).file("apps/shop.yaml", app)).await;
    world.settled().await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status(&pull.head).await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "not applied (`sync: never`): `shop` on `prod`").await;
    assert!(!comment.contains("driftless sync"), "{comment}");
    assert!(
        world
            .context()
            .store
            .app(&app_id("shop"))
            .await
            .expect("the store")
            .is_some_and(|row| row.applied_revision.is_none())
    );
    assert_eq!(world.stands("shop").await.0, "never");
}

/// B10+: the base has the merge, and the forge's API still calls the pull request open: whoever looks at it then says
/// that it was merged, and not that merging affects no app.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_the_forge_does_not_know_yet_has_its_outcome() {
    let world = World::start("outcome-behind").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    let merge = world.merge_with(&pull, &Files::new());
    git(&world.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/main", merge.as_str()]);
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
    world.comment(pull.number, "Merged as").await;
    world.settled().await;
    let comment = world.comment(pull.number, "Merged as").await;
    assert!(comment.contains("`shop` on `prod`") && !comment.contains("affected no app"), "{comment}");
    world.show(&merge).await;
    world.healthy("shop", &merge).await;
    world.comment(pull.number, "healthy after").await;
}

/// B10+: nothing was shown of it before it was merged: its gate does not stay pending until the forge's API has caught
/// up.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_the_forge_does_not_know_yet_leaves_no_gate_pending() {
    let world = World::start("outcome-gate").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.settled().await;
    world.forge.fail_deliveries([DeliveryFault::Drop, DeliveryFault::Drop]);
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.forge.delivered().await;
    let merge = world.merge_with(&pull, &Files::new());
    git(&world.forge.repo_dir(PROJECT), &["update-ref", "refs/heads/main", merge.as_str()]);
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key, Trigger::Poll)]).await.expect("queued");
    world.status_is(&pull.head, "error", "merged before it was previewed").await;
    world.comment(pull.number, "Merged as").await;
}

/// B10+: a squash that the forge does not tell of yet looks like a pull request that changes nothing: what was shown
/// stays until the forge says more.
#[tokio::test(flavor = "multi_thread")]
async fn a_squash_that_the_forge_does_not_know_yet_takes_nothing_back() {
    let world = World::start("outcome-squash").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let pull = world.open_pull("two", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    // As the forge squashes it, a moment before its API says so.
    let squash = world.commit("main", &Files::new().file("deploy/settings.yaml", config_map("settings", "two")));
    let key = Key::Preview { repo: RepoName::new(REPO), number: pull.number };
    world.context().queue.enqueue(&[Request::new(key.clone(), Trigger::Poll)]).await.expect("queued");
    world
        .eventually("the forge is asked again", async || {
            let job = world
                .context()
                .store
                .job(&key.to_string(), driftless::store::jobs::State::Pending)
                .await
                .expect("the store")?;
            (job.attempt >= 1).then_some(())
        })
        .await;
    let comment = world.comment(pull.number, "Merging changes 1 app.").await;
    assert!(!comment.contains("affects no app"), "{comment}");
    world.show(&squash).await;
    world.healthy("shop", &squash).await;
    // The forge goes on calling it open: somebody else has done the same.
    world.comment(pull.number, "Merging affects no app").await;
}

/// B10+: a merge that breaks a definition says so, and tells its people.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_breaks_a_definition_says_so() {
    let world = World::start("outcome-definition").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let broken = world.app("shop", "deploy").replace("destination:", "destnation:");
    let files = Files::new()
        .file("apps/shop.yaml", broken)
        .file("apps/other.yaml", world.app("other", "other"))
        .file("other/map.yaml", config_map("other", "x"));
    let pull = world.open_pull("broken", files).await;
    world.status_is(&pull.head, "failure", "2 errors in app definitions").await;
    let merge = world.merge_pull(pull.number).await;
    world.healthy("other", &merge).await;
    let comment = world.comment(pull.number, "**2 errors in app definitions**").await;
    assert!(comment.contains("destnation") && !comment.contains("affected no app"), "{comment}");
    world.comment(pull.number, "applied for `other` on `prod`").await;
    let notice = world.eventually("people are told", async || world.notices(pull.number).into_iter().next()).await;
    assert!(notice.contains("@you") && notice.contains("destnation"), "{notice}");
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(!comment.contains("definition removed"), "{comment}");
}

/// X4+: a merge of an app that is not allowed where it wants to go says so, and waits for no sync of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_goes_where_it_may_not_says_so() {
    let world = World::start("outcome-refused").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    let elsewhere =
        world.app("other", "other").replace(&format!("namespace: {}", world.namespace), "namespace: kube-system");
    let files = Files::new().file("apps/other.yaml", elsewhere).file("other/map.yaml", config_map("other", "x"));
    let pull = world.open_pull("refused", files).await;
    world.status_is(&pull.head, "failure", "destination not allowed (other)").await;
    world.merge_pull(pull.number).await;
    let comment = world.comment(pull.number, "**1 error in app definitions**").await;
    assert!(
        comment.contains("destination namespace kube-system is not allowed") && !comment.contains("affected no app"),
        "{comment}"
    );
    let notice = world.eventually("people are told", async || world.notices(pull.number).into_iter().next()).await;
    assert!(notice.contains("@you") && notice.contains("kube-system"), "{notice}");
    world.settled().await;
    let comment = world.comments(pull.number).concat();
    assert!(!comment.contains("syncing"), "nothing is waited for: {comment}");
}

/// F4: what was merged and applied, never became healthy, and was replaced by its revert is told as just that, however
/// often it was healed meanwhile. F5: healing it gives it no more time. F6: what was healed stays in the history.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_before_it_was_healthy_is_told_as_that() {
    let world = World::with("outcome-replaced", Setup { health: "50s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let pull = world.open_pull("nowhere", Files::new().file("deploy/web.yaml", nowhere())).await;
    world.status(&pull.head).await;
    // The base moves on before the merge.
    let moved = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.healthy("shop", &moved).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "not healthy yet: `shop` on `prod`").await;
    let waits = async || world.context().store.waits().await.expect("the store").pop();
    let begun = world.eventually("a wait", waits).await;
    world.api("v1 Service").await.delete("web", &kube::api::DeleteParams::default()).await.expect("deleted");
    world.resync().await;
    let healing = async || {
        let heal = world.runs("/shop").await.into_iter().find(|run| run.kind == RunKind::Heal)?;
        (heal.state == RunState::Waiting && heal.error.is_some()).then_some(heal)
    };
    let heal = world.eventually("a heal that waits", healing).await;
    let healed = heal.error.clone().unwrap_or_default();
    assert!(healed.starts_with("healed: Service ") && healed.contains("was missing"), "{healed}");
    let again = async || waits().await.filter(|wait| wait.run == heal.id);
    let again = world.eventually("the wait of the heal", again).await;
    assert_eq!(again.deadline, begun.deadline, "F5: a heal gives no more time");

    let web = || Files::new().file("deploy/web.yaml", deployment("web", "example.test/web:1", 2));
    let replaced = |by: &driftless::ids::Oid| {
        format!("applied for `shop` on `prod`, and **replaced** by `{}` before the app was healthy.", by.short())
    };
    let revert = world.push(web()).await;
    world.healthy("shop", &revert).await;
    world.settled().await;
    let comment = world.comment(pull.number, &replaced(&revert)).await;
    assert!(!comment.contains("healthy after") && !comment.contains("not applied"), "{comment}");
    let heal = world.context().store.run(&heal.id).await.expect("the store").expect("a run");
    let said = heal.error.unwrap_or_default();
    assert_eq!(heal.state, RunState::Cancelled);
    assert!(said.starts_with(&healed) && said.ends_with("superseded by a newer run before it ended"), "F6: {said}");

    // The same with nothing healed; and as long as what comes later has the change as well, it is waited for.
    let pull = world.open_pull("nowhere-2", Files::new().file("deploy/web.yaml", nowhere())).await;
    world.status(&pull.head).await;
    let merge = world.merge_pull(pull.number).await;
    let waited_for = async |revision: &driftless::ids::Oid| {
        let applied = world.app_row("shop").await?.applied_revision;
        waits().await.filter(|_| applied.as_ref() == Some(revision))
    };
    world.eventually("the wait for the merge", async || waited_for(&merge).await).await;
    let more = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "three"))).await;
    world.eventually("the wait for the push", async || waited_for(&more).await).await;
    assert!(!world.comments(pull.number).concat().contains("**replaced**"), "{:?}", world.comments(pull.number));
    let revert = world.push(web()).await;
    world.healthy("shop", &revert).await;
    world.settled().await;
    let comment = world.comment(pull.number, &replaced(&revert)).await;
    assert!(!comment.contains("healthy after") && !comment.contains("not applied"), "{comment}");
}

/// F4+: what fails after the merge was taken back is not the merge's failure, and what failed does not become healthy
/// by being taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_is_taken_back_is_told_as_that() {
    let world = World::start("outcome-failed-back").await;
    let pull = broken_merge(&world).await;
    let revert = world.push(Files::new().file("deploy/settings.yaml", config_map("settings", "one"))).await;
    world.healthy("shop", &revert).await;
    let comment = world.comment(pull.number, &format!("reverted by `{}`", revert.short())).await;
    assert!(comment.contains("**FAILED** for `shop` on `prod`"), "{comment}");
    assert!(!comment.contains("healthy after"), "{comment}");
}
