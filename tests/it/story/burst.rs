//! Many pushes at once, and pushes that overtake each other.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::store::runs::{RunKind, RunState};
use tokio::time::Instant;

use super::manifests::config_map;
use super::push::shop;
use crate::support::world::{Files, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn ten_pushes_in_a_second_are_at_most_two_runs() {
    // Longer than by default, so that a slow machine's pushes are close to each other too.
    let world = World::with("burst", Setup { quiet: "3s", maximum: "15s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    let before = world.runs("/shop").await.len();
    let looks = world.jobs_ended("push", "done").await;
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let ten =
        (0..10).map(|number| Files::new().file("deploy/settings.yaml", config_map("settings", &number.to_string())));
    let commits = world.commit_hidden(ten);
    let begun = Instant::now();
    for commit in &commits {
        world.show(commit).await;
    }
    let last = commits.last().expect("ten commits").clone();
    let took = begun.elapsed();
    world.healthy("shop", &last).await;
    world.settled().await;
    let runs = world.runs("/shop").await.len() - before;
    assert!(runs <= 2, "{runs} runs for pushes within {took:?}\n{}", world.story().await);
    let looked = world.jobs_ended("push", "done").await - looks;
    assert!((1..=2).contains(&looked), "{looked} looks at the branch for pushes within {took:?}");
    assert_eq!(world.live("v1 ConfigMap", "settings").await.expect("there")["data"]["key"], "9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_push_cancels_the_preview_of_the_first() {
    let world = World::start("overtaken").await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    // The first preview hangs at the cluster.
    world.proxy.add(Rule::all(Fault::Hang).containing("dryRun=All").times(1));
    let first =
        world.open_pull("racing", Files::new().file("deploy/settings.yaml", config_map("settings", "first"))).await;
    world
        .eventually("the first preview at the cluster", async || {
            (world.gate(&first.head)?.state == "pending").then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    let second =
        world.push_to("racing", Files::new().file("deploy/settings.yaml", config_map("settings", "second"))).await;
    let pushed = begun.elapsed();
    world
        .eventually("the first preview cancelled", async || {
            (world.jobs_ended("preview", "cancelled").await == 1).then_some(())
        })
        .await;
    let took = begun.elapsed().saturating_sub(pushed);
    // What is not cancelled hangs for a minute. On a machine with nothing else to do it takes less than a second.
    assert!(took < Duration::from_secs(10), "{took:?}: {}", world.story().await);
    world.status_is(&second, "success", "1 to update").await;
    world.settled().await;
    let shown: Vec<_> =
        world.runs("#1").await.into_iter().filter(|run| run.kind == RunKind::Preview).map(|run| run.state).collect();
    assert!(shown.iter().filter(|state| **state == RunState::Succeeded).count() == 1, "{}", world.story().await);
    assert!(world.comment(first.number, &second.as_str()[..10]).await.contains("second"));
}

/// The text has all apps of a pull request: to write it anew for each that ends would take their square.
#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_many_apps_is_written_a_few_times() {
    const APPS: usize = 24;
    let world = World::with("many", Setup { quiet: "1s", maximum: "15s", ..Setup::default() }).await;
    let maps = |value: &str| {
        let add =
            |files: Files, n: usize| files.file(format!("deploy/a{n}/map.yaml"), config_map(&format!("a{n}"), value));
        (0..APPS).fold(Files::new(), add)
    };
    let apps = (0..APPS).fold(maps("one"), |files, n| {
        files.file(format!("apps/a{n}.yaml"), world.app(&format!("a{n}"), &format!("deploy/a{n}")))
    });
    let base = world.push(apps).await;
    for n in 0..APPS {
        world.healthy(&format!("a{n}"), &base).await;
    }
    let pull = world.open_pull("all", maps("two")).await;
    world.status_is(&pull.head, "success", &format!("{APPS} to update")).await;
    world.settled().await;
    let version = async || {
        let row = world.context().store.report(&format!("comment:shop:{}", pull.number)).await.expect("the store");
        row.expect("a comment").version
    };
    let before = version().await;
    let merge = world.merge_pull(pull.number).await;
    for n in 0..APPS {
        world.healthy(&format!("a{n}"), &merge).await;
    }
    let all = format!("and {} more apps, healthy after", APPS - 5);
    let comment = world.comment(pull.number, &all).await;
    assert!(!comment.contains("being applied for"), "{comment}");
    let written = version().await - before;
    assert!((1..=6).contains(&written), "{written} texts for {APPS} apps\n{}", world.story().await);
}
