//! A required status never stays pending, whoever is away.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::dev::forge::ApiFault;
use driftless::store::jobs::State;
use http::{Method, StatusCode};

use super::{asked, change, shop};
use crate::support::world::{Pull, Setup, World};

/// A server that gives up soon, in which the app is up.
async fn up(words: &str) -> World {
    let world = World::with(words, Setup { give_up: "2s", ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    world.healthy("shop", &base).await;
    world.first_looks().await;
    world
}

/// The gate says that we are at fault, and why; once all is well again, it is what it should be.
async fn error_then_success(world: &World, pull: &Pull, why: &str) {
    let status = world.status(&pull.head).await;
    assert_eq!(status.state, "error", "{status:?}");
    if !why.is_empty() {
        world.comment(pull.number, why).await;
    }
    // Long enough for another try, which fails as well: nobody is told to wait again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let states = world.states(&pull.head);
    assert_eq!(states.last().map(String::as_str), Some("error"), "{states:?}");
    world.proxy.clear();
    world.forge.faults().clear();
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "Merging changes 1 app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_resets_every_connection() {
    let world = up("gate-reset").await;
    world.proxy.add(Rule::all(Fault::Reset));
    let pull = world.open_pull("topic", change("two")).await;
    error_then_success(&world, &pull, "prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_takes_us_for_nobody() {
    let world = up("gate-nobody").await;
    world.proxy.add(Rule::all(Fault::status(StatusCode::UNAUTHORIZED)));
    let pull = world.open_pull("topic", change("two")).await;
    error_then_success(&world, &pull, "prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_push_while_the_api_server_is_away() {
    let world = up("gate-away-twice").await;
    world.proxy.add(Rule::all(Fault::Reset));
    let pull = world.open_pull("topic", change("two")).await;
    assert_eq!(world.status(&pull.head).await.state, "error");
    let head = world.push_to("topic", change("three")).await;
    error_then_success(&world, &Pull { head, ..pull }, "prod").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_forbids_everything() {
    let world = up("gate-forbidden").await;
    world.proxy.add(Rule::all(Fault::status(StatusCode::FORBIDDEN)).containing("/namespaces/"));
    let pull = world.open_pull("topic", change("two")).await;
    let status = world.status(&pull.head).await;
    assert!(status.state == "error" || status.state == "failure", "{status:?}");
    world.settled().await;
    // Another look that finds the same says nothing: a forge takes only so many statuses for one commit.
    let told = || (world.states(&pull.head), asked(&world, "POST", "/statuses/"), asked(&world, "PATCH", "/comments/"));
    let before = told();
    world.poll().await;
    world.settled().await;
    assert_eq!(told(), before);
    // T17: nothing has failed, and a delivery that comes twice is a duplicate.
    let jobs = world.context().store.jobs(100).await.expect("the store");
    assert!(jobs.iter().all(|job| job.state == State::Done && job.error.is_none()), "{jobs:#?}");
    world.proxy.clear();
    // Nothing tells that somebody has granted something: the next look tries once more.
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_takes_no_reports_for_a_while() {
    let world = up("gate-deaf").await;
    world.forge.faults().add(Some(Method::POST), "/statuses/", usize::MAX, ApiFault::Status(502));
    world.forge.faults().add(Some(Method::POST), "/comments", usize::MAX, ApiFault::Status(503));
    let pull = world.open_pull("topic", change("two")).await;
    world.eventually("several tries", async || (asked(&world, "POST", "/statuses/") >= 3).then_some(())).await;
    world.settled().await;
    assert!(world.gate(&pull.head).is_none() && world.comments(pull.number).is_empty());
    world.forge.faults().clear();
    world.status_is(&pull.head, "success", "1 to update").await;
    world.comment(pull.number, "Merging changes 1 app").await;
    // It may wait for its comment.
    let states = world.states(&pull.head);
    let is_short = states.last().is_some_and(|state| state == "success") && states.len() <= 2;
    assert!(is_short, "what is out of date is not said any more: {states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_does_not_show_the_pull_request() {
    let world = up("gate-blind").await;
    world.forge.faults().add(Some(Method::GET), "/pulls/1", usize::MAX, ApiFault::Status(502));
    let pull = world.open_pull("topic", change("two")).await;
    error_then_success(&world, &pull, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_does_not_show_the_pull_request_s_new_head() {
    let world = up("gate-blind-later").await;
    let pull = world.open_pull("topic", change("two")).await;
    world.status_is(&pull.head, "success", "1 to update").await;
    world.settled().await;
    world.forge.faults().add(Some(Method::GET), "/pulls/1", usize::MAX, ApiFault::Status(502));
    let head = world.push_to("topic", change("three")).await;
    error_then_success(&world, &Pull { head, ..pull }, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_denies_the_pull_request() {
    let world = up("gate-denied").await;
    world.forge.faults().add(Some(Method::GET), "/pulls/1", usize::MAX, ApiFault::Status(404));
    let pull = world.open_pull("topic", change("two")).await;
    assert_eq!(world.status(&pull.head).await.state, "error");
    world.settled().await;
    world.forge.faults().clear();
    world.poll().await;
    world.status_is(&pull.head, "success", "1 to update").await;
}
