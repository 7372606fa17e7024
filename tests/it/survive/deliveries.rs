//! Deliveries that are doubled, late, out of order or tampered with, and answers of the forge that are lost: the same
//! end.

use std::time::Duration;

use driftless::dev::forge::{ApiFault, DeliveryFault};
use driftless::store::runs::RunKind;
use http::Method;

use super::{asked, change, previewed, shop, value};
use crate::support::world::{PROJECT, World};

/// A server in this process, in which the app is up.
async fn up(words: &str) -> World {
    let world = World::start(words).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world
}

async fn runs_of(world: &World, kind: RunKind) -> usize {
    world.context().store.runs(None, 100).await.expect("the store").iter().filter(|run| run.kind == kind).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn doubled_deliveries_do_everything_once() {
    let world = up("doubled").await;
    world.forge.fail_deliveries([DeliveryFault::Double; 3]);
    let next = world.push(change("two")).await;
    world.healthy("shop", &next).await;
    let pull = world.open_pull("topic", change("three")).await;
    world.forge.delivered().await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "Merging changes 1 app").await;
    world.settled().await;
    assert_eq!(
        (runs_of(&world, RunKind::Sync).await, runs_of(&world, RunKind::Preview).await),
        (2, 1),
        "{}",
        world.story().await
    );
    let deliveries = world.context().store.deliveries(10).await.expect("the store");
    let mut copies: Vec<i64> = deliveries.iter().map(|delivery| delivery.copies).collect();
    copies.sort_unstable();
    assert_eq!(copies, [1, 2, 2, 2], "the first push, and three that came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_out_of_order_end_at_the_newest() {
    let world = up("reordered").await;
    world.forge.fail_deliveries([DeliveryFault::Reorder]);
    world.push(change("older")).await;
    let newest = world.push(change("newest")).await;
    world.forge.delivered().await;
    world.healthy("shop", &newest).await;
    world.settled().await;
    assert_eq!(value(&world, "settings").await.as_deref(), Some("newest"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_delivery_changes_nothing_any_more() {
    let world = up("late").await;
    world.forge.fail_deliveries([DeliveryFault::Late(Duration::from_secs(2))]);
    world.push(change("older")).await;
    let newest = world.push(change("newest")).await;
    world.healthy("shop", &newest).await;
    world.settled().await;
    let (writes, runs) = (world.proxy.counts().writes(), runs_of(&world, RunKind::Sync).await);
    world.forge.delivered().await;
    world.settled().await;
    assert_eq!(value(&world, "settings").await.as_deref(), Some("newest"));
    assert_eq!((world.proxy.counts().writes(), runs_of(&world, RunKind::Sync).await), (writes, runs));
    assert_eq!(world.context().store.deliveries(10).await.expect("the store").len(), 3, "it came all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_delivery_is_refused_and_nothing_happens() {
    let world = up("tampered").await;
    let store = world.context().store.clone();
    let (deliveries, jobs) =
        (store.deliveries(10).await.expect("the store"), store.jobs(100).await.expect("the store"));
    world.forge.fail_deliveries([DeliveryFault::Tamper]);
    let pushed = world.push(change("two")).await;
    world.forge.delivered().await;
    assert_eq!(world.forge.last_answer(PROJECT), Some(401));
    assert_eq!(store.deliveries(10).await.expect("the store"), deliveries);
    assert_eq!(store.jobs(100).await.expect("the store"), jobs);
    assert_eq!(value(&world, "settings").await.as_deref(), Some("one"));
    // What it would have said is found by the slow look.
    world.poll().await;
    world.healthy("shop", &pushed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_whose_answer_is_lost_is_there_once() {
    let world = up("lost-comment").await;
    world.forge.faults().add(Some(Method::POST), "/comments", 1, ApiFault::LoseAnswer);
    let pull = world.open_pull("topic", change("two")).await;
    previewed(&world, &pull).await;
    world.eventually("that it is looked for", async || (asked(&world, "GET", "/comments") >= 2).then_some(())).await;
    assert_eq!((world.comments(pull.number).len(), asked(&world, "POST", "/comments")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_whose_answer_is_lost_is_there_once() {
    let world = up("lost-status").await;
    world.forge.faults().add(Some(Method::POST), "/statuses/", 2, ApiFault::LoseAnswer);
    let pull = world.open_pull("topic", change("two")).await;
    previewed(&world, &pull).await;
    let states = world.states(&pull.head);
    assert_eq!(states.iter().filter(|state| *state == "success").count(), 1, "{states:?}");
}
