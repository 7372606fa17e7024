//! What people do at a forge, and what they see of it there.

use driftless::dev::forge::{DeliveryFault, Dialect};

use super::{failed, on_each_forge, settings, up};
use crate::story::manifests::kustomization;
use crate::support::world::{Files, PROJECT};

on_each_forge!(
    a_push_is_applied,
    a_pull_request_is_previewed_and_merged,
    a_change_at_fault_fails_the_gate_until_the_head_moves,
    a_pull_request_that_gets_another_base_is_looked_at_again,
    a_pull_request_that_is_closed_changes_nothing,
    a_squash_has_its_outcome,
    what_no_webhook_told_is_found_by_a_poll,
    the_comment_of_somebody_else_is_left_alone,
    a_command_whose_webhook_was_lost_is_carried_out,
);

async fn a_push_is_applied(dialect: Dialect) {
    let (world, _) = up("push", dialect).await;
    let next = world.push(settings("two")).await;
    let run = world.healthy("shop", &next).await;
    assert_eq!((run.counts.updated, run.counts.failed), (1, 0), "{}", world.story().await);
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "two");
}

async fn a_pull_request_is_previewed_and_merged(dialect: Dialect) {
    let (world, _) = up("pull", dialect).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    let comment = world.comment(pull.number, "Merging changes 1 app.").await;
    assert!(comment.contains("ConfigMap") && comment.contains("+  key: two"), "{comment}");
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "one");

    let merge = world.merge_pull(pull.number).await;
    world.healthy("shop", &merge).await;
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(comment.contains(&format!("Merged as `{}`", merge.short())), "{comment}");
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "two");
    world.settled().await;
    assert_eq!(world.gate(&pull.head).expect("a status").state, "success");
}

async fn a_change_at_fault_fails_the_gate_until_the_head_moves(dialect: Dialect) {
    let (world, _) = up("head", dialect).await;
    let missing = kustomization(&["web.yaml", "service.yaml", "settings.yaml", "missing.yaml"]);
    let pull = world.open_pull("change", Files::new().file("deploy/kustomization.yaml", missing)).await;
    world.status_is(&pull.head, failed(dialect), "1 render error (shop)").await;
    world.comment(pull.number, "missing.yaml").await;

    let whole = kustomization(&["web.yaml", "service.yaml", "settings.yaml"]);
    let head = world.push_to("change", settings("two").file("deploy/kustomization.yaml", whole)).await;
    world.status_is(&head, "success", "1 to update").await;
    let comment = world.comment(pull.number, "Merging changes 1 app.").await;
    assert!(comment.contains(head.short()), "{comment}");
    assert_eq!(world.gate(&pull.head).expect("a status").state, failed(dialect), "the old head keeps its own");
}

async fn a_pull_request_that_gets_another_base_is_looked_at_again(dialect: Dialect) {
    let (world, _) = up("base", dialect).await;
    world.push_to("release", Files::new().file("RELEASE", "one")).await;
    let head = world.commit("two", &settings("two"));
    let number = world.forge.open_pull(PROJECT, "two", "release", "Two").await.expect("opened");
    world.status_is(&head, "success", "no app is affected").await;
    world.forge.retarget_pull(PROJECT, number, "main").expect("retargeted");
    world.status_is(&head, "success", "1 to update").await;
    world.comment(number, "Merging changes 1 app.").await;
}

async fn a_pull_request_that_is_closed_changes_nothing(dialect: Dialect) {
    let (world, base) = up("closed", dialect).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.forge.close_pull(PROJECT, pull.number);
    world.forge.delivered().await;
    world.settled().await;
    assert_eq!(world.app_row("shop").await.expect("an app").applied_revision, Some(base));

    // Opened again, it is looked at again.
    let base = world.push(settings("two")).await;
    world.healthy("shop", &base).await;
    world.forge.reopen_pull(PROJECT, pull.number).await.expect("open");
    world.status_is(&pull.head, "success", "no app is affected").await;
}

async fn a_squash_has_its_outcome(dialect: Dialect) {
    let (world, _) = up("squash", dialect).await;
    let mut fast_forward = vec![false];
    if dialect == Dialect::GitLab {
        fast_forward.push(true);
    }
    for (round, fast_forward) in fast_forward.into_iter().enumerate() {
        world.forge.set(|settings| settings.fast_forward = fast_forward);
        let pull = world.open_pull(&format!("squashed-{round}"), settings(&format!("squashed-{round}"))).await;
        world.status_is(&pull.head, "success", "1 to update").await;
        let tip = world.forge.squash_pull(PROJECT, pull.number).await.expect("merged");
        world.healthy("shop", &tip).await;
        let comment = world.comment(pull.number, "healthy after").await;
        assert!(comment.contains("applied for `shop` on `prod`"), "{comment}");
    }
}

async fn what_no_webhook_told_is_found_by_a_poll(dialect: Dialect) {
    let (world, _) = up("lost", dialect).await;
    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    let head = world.commit("two", &settings("two"));
    let number = world.forge.open_pull(PROJECT, "two", "main", "Two").await.expect("opened");
    world.forge.delivered().await;
    world.settled().await;
    assert!(world.gate(&head).is_none(), "nobody has told");
    world.poll().await;
    world.status_is(&head, "success", "1 to update").await;
    world.settled().await;

    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    let merge = world.merge_pull(number).await;
    world.forge.delivered().await;
    world.poll().await;
    world.healthy("shop", &merge).await;
    world.comment(number, "healthy after").await;
}

async fn the_comment_of_somebody_else_is_left_alone(dialect: Dialect) {
    let (world, _) = up("others", dialect).await;
    let pull = world.open_pull("two", settings("two")).await;
    let ours = world.comment(pull.number, "Merging changes 1 app.").await;
    // Anybody can write what ours begins with.
    world.forge.comment_as(PROJECT, pull.number, "mallory", &ours).expect("written");
    let head = world.push_to("two", settings("three")).await;
    world.status_is(&head, "success", "1 to update").await;
    world
        .eventually("ours is edited, and the other one is not", async || {
            let comments = world.forge.comments(PROJECT, pull.number);
            let [first, second] = &comments[..] else { panic!("{comments:#?}") };
            (first.body.contains(head.short()) && second.body == ours && second.author == "mallory").then_some(())
        })
        .await;

    // Also where it was there before ours, and ours has to be looked for.
    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    world.commit("four", &settings("four"));
    let number = world.forge.open_pull(PROJECT, "four", "main", "Four").await.expect("opened");
    world.forge.delivered().await;
    world.forge.comment_as(PROJECT, number, "mallory", &ours).expect("written");
    world.poll().await;
    world
        .eventually("ours is written beside the other one", async || {
            let comments = world.forge.comments(PROJECT, number);
            (comments.len() == 2 && comments[0].body == ours && comments[1].author == "driftless-bot").then_some(())
        })
        .await;
}

/// No poll finds a comment: only the forge knows that its webhook was lost.
async fn a_command_whose_webhook_was_lost_is_carried_out(dialect: Dialect) {
    let (world, _) = up("resent", dialect).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.comment(pull.number, "Merging changes 1 app.").await;
    world.settled().await;
    world.forge.delivered().await;
    world.forge.fail_deliveries([DeliveryFault::Drop]);
    world.forge.comment_as(PROJECT, pull.number, "you", "/driftless pause shop").expect("a comment");
    world.forge.delivered().await;
    world.poll().await;
    world.settled().await;
    assert!(!world.app_row("shop").await.expect("an app").paused, "it was lost");
    world.look_for_deliveries().await;
    world.comment(pull.number, "`shop` is paused").await;
    assert!(world.app_row("shop").await.expect("an app").paused);
    // What came is not asked for again.
    let requests = || world.forge.faults().requests().into_iter().filter(|one| one.starts_with("POST")).count();
    world.settled().await;
    let before = requests();
    world.look_for_deliveries().await;
    world.settled().await;
    assert_eq!(requests(), before);
}
