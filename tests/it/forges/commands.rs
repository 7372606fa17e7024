//! Commands in comments.

use driftless::dev::forge::{ApiFault, DeliveryFault, Dialect};
use driftless::store::commands::CommandResult;

use super::{on_each_forge, settings, up, up_with};
use crate::story::manifests::{config_map, kustomization};
use crate::support::world::{Files, PROJECT, Pull, Setup, World};

on_each_forge!(
    what_is_approved_is_deleted_with_the_merge,
    an_approval_is_for_what_was_shown,
    what_was_pushed_after_the_approval_is_held,
    what_is_held_is_confirmed_where_it_was_proposed,
    a_gate_that_blocks_passes_with_the_approval,
    only_who_may_is_obeyed,
    what_nobody_can_tell_is_refused,
    a_command_is_done_once_and_answered,
    an_edited_comment_is_no_command,
);

const MAPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A world with more objects, where Ann may maintain, Will may write, and Rita may read.
async fn staffed(words: &str, setup: Setup) -> World {
    let (world, _) = up_with(words, setup).await;
    world.forge.set(|settings| {
        for (login, level) in [("ann", 40), ("will", 30), ("rita", 10)] {
            settings.members.insert(login.to_owned(), level);
        }
    });
    let base = world.push(with_maps()).await;
    world.healthy("shop", &base).await;
    world.settled().await;
    world
}

/// What the shop consists of without more.
const SHOP: [&str; 3] = ["web.yaml", "service.yaml", "settings.yaml"];

fn with_maps() -> Files {
    let names = MAPS.map(|name| format!("{name}.yaml"));
    let all: Vec<&str> = SHOP.into_iter().chain(names.iter().map(String::as_str)).collect();
    MAPS.iter().fold(Files::new().file("deploy/kustomization.yaml", kustomization(&all)), |files, name| {
        files.file(format!("deploy/{name}.yaml"), config_map(name, name))
    })
}

/// A pull request that deletes most of the app.
async fn most_removed(world: &World) -> Pull {
    let pull = world.open_pull("most", without_most()).await;
    world.status_is(&pull.head, "success", "6 to delete, needs confirmation").await;
    world.comment(pull.number, "/driftless approve shop").await;
    pull
}

fn without_most() -> Files {
    Files::new().file("deploy/kustomization.yaml", kustomization(&SHOP))
}

fn say(world: &World, number: u64, who: &str, body: &str) -> u64 {
    world.forge.comment_as(PROJECT, number, who, body).expect("a comment")
}

/// The reactions to a comment, once there are any.
async fn reaction(world: &World, number: u64, id: u64) -> String {
    world
        .eventually("a reaction", async || {
            let comments = world.forge.comments(PROJECT, number);
            comments.into_iter().find(|comment| comment.id == id)?.reactions.first().cloned()
        })
        .await
}

fn thumbs(dialect: Dialect) -> [&'static str; 3] {
    match dialect {
        Dialect::GitHub => ["+1", "-1", "confused"],
        Dialect::GitLab => ["thumbsup", "thumbsdown", "confused"],
    }
}

async fn count(world: &World) -> usize {
    world.inventory("shop").await.len()
}

async fn what_is_approved_is_deleted_with_the_merge(dialect: Dialect) {
    let world = staffed("approve", Setup { dialect, ..Setup::default() }).await;
    let pull = most_removed(&world).await;
    let id = say(&world, pull.number, "ann", "Fine with me.\n\n/driftless approve");
    world.status_is(&pull.head, "success", "6 to delete, approved").await;
    let comment = world.comment(pull.number, "approved by `ann`").await;
    assert!(comment.contains("merging deletes or replaces 6 objects of `shop`"), "{comment}");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[0]);
    assert_eq!(count(&world).await, 9, "nothing happens before the merge");
    let merge = world.merge_pull(pull.number).await;
    let run = world.healthy("shop", &merge).await;
    world.eventually("the deletions", async || (count(&world).await == 3).then_some(())).await;
    assert_eq!(run.error.unwrap_or_default(), "", "{}", world.story().await);
    let comment = world.comment(pull.number, "healthy after").await;
    assert!(
        !comment.contains("need confirmation") && comment.contains("were approved by `ann` before the merge"),
        "{comment}"
    );

    // It was for that merge: what comes later needs a word of its own.
    let base = world.push(with_maps()).await;
    world.healthy("shop", &base).await;
    world.push(without_most()).await;
    world
        .eventually("that it waits", async || {
            let run = world.runs("/shop").await.into_iter().next()?;
            run.error.filter(|text| text.contains("--allow-destructive"))
        })
        .await;
    assert_eq!(count(&world).await, 9);
}

async fn an_approval_is_for_what_was_shown(dialect: Dialect) {
    let world = staffed("shown", Setup { dialect, ..Setup::default() }).await;
    let pull = most_removed(&world).await;
    say(&world, pull.number, "ann", "/driftless approve");
    world.status_is(&pull.head, "success", "6 to delete, approved").await;
    // Another head is another plan.
    let head = world.push_to("most", Files::new().file("deploy/settings.yaml", config_map("settings", "two"))).await;
    world.status_is(&head, "success", "1 to update, 6 to delete, needs confirmation").await;
    say(&world, pull.number, "ann", "/driftless approve shop");
    world.status_is(&head, "success", "1 to update, 6 to delete, approved").await;
    say(&world, pull.number, "ann", "/driftless unapprove");
    world.status_is(&head, "success", "1 to update, 6 to delete, needs confirmation").await;
    let merge = world.merge_pull(pull.number).await;
    world.comment(pull.number, "6 deletions need confirmation").await;
    world.settled().await;
    assert_eq!(world.app_row("shop").await.expect("an app").applied_revision, Some(merge));
    assert_eq!(count(&world).await, 9);
}

/// Nobody has told of the push before the merge: what was approved is not what is merged.
async fn what_was_pushed_after_the_approval_is_held(dialect: Dialect) {
    let world = staffed("pushed", Setup { dialect, ..Setup::default() }).await;
    let pull = most_removed(&world).await;
    say(&world, pull.number, "ann", "/driftless approve");
    world.status_is(&pull.head, "success", "6 to delete, approved").await;
    world.settled().await;
    world.forge.delivered().await;
    world.forge.fail_deliveries([DeliveryFault::Drop; 2]);
    let more = kustomization(&["web.yaml", "settings.yaml"]);
    world.push_to("most", Files::new().file("deploy/kustomization.yaml", more)).await;
    let merge = world.merge_pull(pull.number).await;
    world
        .eventually("that it waits", async || {
            let run = world.runs("/shop").await.into_iter().next()?;
            (run.revision.as_deref() == Some(merge.as_str())).then_some(())?;
            run.error.filter(|text| text.contains("--allow-destructive"))
        })
        .await;
    world.settled().await;
    assert_eq!(count(&world).await, 9, "{}", world.story().await);
}

async fn what_is_held_is_confirmed_where_it_was_proposed(dialect: Dialect) {
    let world = staffed("held", Setup { dialect, ..Setup::default() }).await;
    let pull = most_removed(&world).await;
    world.merge_pull(pull.number).await;
    world.comment(pull.number, "6 deletions need confirmation").await;
    world.settled().await;
    let id = say(&world, pull.number, "will", "/driftless approve");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[1]);
    let comment = world.comment(pull.number, "**not done**").await;
    assert!(comment.contains("`approve` needs the role maintain, and yours is write"), "{comment}");
    assert_eq!(count(&world).await, 9);
    say(&world, pull.number, "ann", "/driftless approve shop");
    world.eventually("the deletions", async || (count(&world).await == 3).then_some(())).await;
    world.comment(pull.number, "confirmed deletions are done").await;
    let run =
        world.runs("/shop").await.into_iter().find_map(|run| run.error.filter(|text| text.contains("confirmed by")));
    assert!(run.as_deref().is_some_and(|text| text.contains("confirmed by ann on shop#")), "{run:?}");
}

async fn a_gate_that_blocks_passes_with_the_approval(dialect: Dialect) {
    let world = staffed("block", Setup { dialect, destructive: "{gate: block}", ..Setup::default() }).await;
    // GitLab cannot say anything else of what is pending.
    let waits = if dialect == Dialect::GitLab { "failed" } else { "pending" };
    let pull = world.open_pull("most", without_most()).await;
    world.status_is(&pull.head, waits, "deletions need approval (shop): comment /driftless approve; 6 to delete").await;
    world.comment(pull.number, "/driftless approve shop").await;
    // A base that moves makes it say nothing else.
    world.push(Files::new().file("README", "words")).await;
    world.settled().await;
    world.status_is(&pull.head, waits, "deletions need approval (shop): comment /driftless approve; 6 to delete").await;
    say(&world, pull.number, "ann", "/driftless approve");
    world.status_is(&pull.head, "success", "6 to delete, approved").await;
    say(&world, pull.number, "ann", "/driftless unapprove");
    world.status_is(&pull.head, waits, "deletions need approval (shop): comment /driftless approve; 6 to delete").await;
    // Who merges it all the same leaves no status that waits for ever.
    world.merge_pull(pull.number).await;
    if dialect == Dialect::GitHub {
        world.status_is(&pull.head, "success", "6 to delete, needs confirmation").await;
    }
}

async fn only_who_may_is_obeyed(dialect: Dialect) {
    let world = staffed("who", Setup { dialect, ..Setup::default() }).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.comment(pull.number, "Merging changes 1 app.").await;
    for (who, why) in [
        ("rita", "`pause` needs the role write, and yours is read"),
        ("mallory", "only members of the project may give commands"),
    ] {
        let id = say(&world, pull.number, who, "/driftless pause");
        assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[1]);
        world.comment(pull.number, why).await;
    }
    assert!(!world.app_row("shop").await.expect("an app").paused);
    // A role is what it is at the time of acting.
    world.forge.set(|settings| settings.members.extend([("rita".into(), 30)]));
    let id = say(&world, pull.number, "rita", "/driftless pause 2h the database moves");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[0]);
    let row = world.app_row("shop").await.expect("an app");
    assert!(row.paused && row.paused_until.is_some(), "{row:?}");
    let said = (row.paused_by.as_deref(), row.pause_reason.as_deref());
    assert_eq!(said, (Some("rita on shop#1"), Some("the database moves")));
    // What Driftless itself writes is no command.
    say(&world, pull.number, "driftless-bot", "/driftless resume");
    world.forge.delivered().await;
    world.settled().await;
    assert!(world.app_row("shop").await.expect("an app").paused);
}

async fn what_nobody_can_tell_is_refused(dialect: Dialect) {
    let world = staffed("unknown", Setup { dialect, ..Setup::default() }).await;
    let pull = world.open_pull("two", settings("two")).await;
    world.comment(pull.number, "Merging changes 1 app.").await;
    let path = match dialect {
        Dialect::GitHub => "/collaborators/",
        Dialect::GitLab => "/members/all/",
    };
    world.forge.faults().add(None, path, 100, ApiFault::Status(403));
    let id = say(&world, pull.number, "ann", "/driftless pause");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[1]);
    world.comment(pull.number, "does not say what you may do here").await;
    assert!(!world.app_row("shop").await.expect("an app").paused);
}

async fn a_command_is_done_once_and_answered(dialect: Dialect) {
    let world = staffed("once", Setup { dialect, ..Setup::default() }).await;
    let pull = world.open_pull("docs", Files::new().file("README", "words")).await;
    world.status_is(&pull.head, "success", "no app is affected").await;
    let id = say(&world, pull.number, "will", "/driftless aprove");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[2]);
    world.comment(pull.number, "there is no command `aprove`; did you mean `approve`?").await;
    // Two lines are two commands, in their order.
    let id = say(&world, pull.number, "will", "- /driftless pause shop\n- /driftless help");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[0]);
    let comment = world.comment(pull.number, "`shop` is paused until `/driftless resume`").await;
    assert!(comment.contains("`/driftless approve [APP…]` approves"), "{comment}");
    say(&world, pull.number, "will", "/driftless resume shop");
    world.comment(pull.number, "`shop` is no longer paused").await;
    world.settled().await;

    // A delivery that comes again, or an old job, does nothing again.
    let repo = driftless::ids::RepoName::new("shop");
    let key = driftless::queue::Key::Comment { repo: repo.clone(), number: pull.number, id };
    let request = driftless::queue::Request::new(key, driftless::queue::Trigger::Resync);
    world.context().queue.enqueue(&[request]).await.expect("queued");
    world.settled().await;
    assert!(!world.app_row("shop").await.expect("an app").paused);
    let rows = world.context().store.commands_of(&repo, pull.number).await.expect("read");
    let results: Vec<_> = rows.iter().map(|row| row.result).collect();
    assert_eq!(results, [CommandResult::Mistaken, CommandResult::Done, CommandResult::Done, CommandResult::Done]);
    assert_eq!(world.comments(pull.number).len(), 1, "one comment has all the answers");
    let (said, _) = world.cli(&["runs", &format!("shop#{}", pull.number)]).await;
    assert!(said.contains("pause shop by will"), "{said}");
}

async fn an_edited_comment_is_no_command(dialect: Dialect) {
    let (world, _) = up("edited", dialect).await;
    world.forge.set(|settings| settings.members.extend([("will".into(), 30)]));
    let pull = world.open_pull("two", settings("two")).await;
    world.comment(pull.number, "Merging changes 1 app.").await;
    let id = say(&world, pull.number, "will", "nothing");
    world.forge.edit_comment(PROJECT, id, "/driftless pause");
    world.forge.delivered().await;
    world.settled().await;
    assert!(!world.app_row("shop").await.expect("an app").paused);
    // It was one, and is another one before it is read.
    let id = say(&world, pull.number, "will", "/driftless help");
    world.forge.edit_comment(PROJECT, id, "/driftless pause");
    assert_eq!(reaction(&world, pull.number, id).await, thumbs(dialect)[1]);
    world.comment(pull.number, "the comment was edited").await;
    assert!(!world.app_row("shop").await.expect("an app").paused);
}
