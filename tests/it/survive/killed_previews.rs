//! The server is killed at each step of a preview, and started again on the same store: one comment set, one status
//! that is final.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule};
use driftless::dev::forge::ApiFault;
use driftless::dev::git_http::GitFault;
use driftless::ids::Oid;
use http::Method;

use super::{asked, change, left_in_order, previewed, shop, succeeded};
use crate::support::world::{Pull, Setup, World};

const EVENTS: [&str; 3] = ["pull_request", "push", "push"];

/// A server in which the app is up.
async fn up(words: &str) -> (World, Oid) {
    let world = World::with_process(words, Setup::default()).await;
    let base = world.push(shop(&world)).await;
    succeeded(&world, &base).await;
    (world, base)
}

async fn open(world: &World) -> Pull {
    let pull = world.open_pull("topic", change("two")).await;
    world.forge.delivered().await;
    pull
}

/// Kills the server, starts another, and looks at what it makes of it.
async fn kill_and_look(mut world: World, pull: &Pull, base: &Oid) {
    world.kill();
    world.spawn().await;
    previewed(&world, pull).await;
    left_in_order(&mut world, &EVENTS, base).await;
    let finals = world.states(&pull.head).into_iter().filter(|state| state != "pending").count();
    assert!(finals >= 1, "a final status");
}

/// Opens a pull request with a fault of the forge's API, and kills the server once it has struck.
async fn killed_at(words: &str, method: Method, path: &str, fault: ApiFault) {
    let (world, base) = up(words).await;
    let before = asked(&world, method.as_str(), path);
    world.forge.faults().add(Some(method.clone()), path, usize::MAX, fault);
    let pull = open(&world).await;
    world
        .eventually("that the step is reached", async || (asked(&world, method.as_str(), path) > before).then_some(()))
        .await;
    // What the forge does without a word, it has done by then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    kill_and_look(world, &pull, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_soon_as_the_delivery_is_answered() {
    let (world, base) = up("killp-accepted").await;
    let pull = open(&world).await;
    kill_and_look(world, &pull, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_reads_the_pull_request() {
    killed_at("killp-read", Method::GET, "/pulls/1", ApiFault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_fetches() {
    let (world, base) = up("killp-fetch").await;
    world.git_faults.always(Some(GitFault::Hang));
    let before = world.git_faults.requests();
    let pull = open(&world).await;
    world.eventually("that it fetches", async || (world.git_faults.requests() > before + 1).then_some(())).await;
    kill_and_look(world, &pull, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_compares() {
    let (world, base) = up("killp-compare").await;
    let rule = world.proxy.add(Rule::all(Fault::Hang).method(Method::PATCH).containing("dryRun=All"));
    let pull = open(&world).await;
    world.eventually("that it compares", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    kill_and_look(world, &pull, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_status_is_there() {
    killed_at("killp-status", Method::POST, "/statuses/", ApiFault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_status_is_there_and_nobody_has_said_so() {
    killed_at("killp-status-done", Method::POST, "/statuses/", ApiFault::Swallow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_comment_is_there() {
    killed_at("killp-comment", Method::POST, "/comments", ApiFault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_comment_is_there_and_nobody_has_said_so() {
    killed_at("killp-comment-done", Method::POST, "/comments", ApiFault::Swallow).await;
}

/// The status that ends the preview is the second one: the first must be there before the fault is.
async fn killed_at_the_last_status(words: &str, fault: ApiFault) {
    let (world, base) = up(words).await;
    world
        .proxy
        .add(Rule::all(Fault::Delay(Duration::from_secs(2))).method(Method::PATCH).containing("dryRun=All").times(1));
    let pull = open(&world).await;
    world
        .eventually("a pending status", async || world.gate(&pull.head).filter(|status| status.state == "pending"))
        .await;
    world.forge.faults().add(Some(Method::POST), "/statuses/", usize::MAX, fault);
    world.eventually("the last status", async || (asked(&world, "POST", "/statuses/") == 2).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    kill_and_look(world, &pull, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_last_status_is_there() {
    killed_at_the_last_status("killp-final", ApiFault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_status_is_there_and_nobody_has_said_so() {
    killed_at_the_last_status("killp-final-done", ApiFault::Swallow).await;
}

/// Twice in a row: what was running at three kills in a row is set aside until something new comes (X10).
#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment_again_and_again() {
    let (mut world, base) = up("killp-again").await;
    let pull = open(&world).await;
    for after in [30, 400] {
        tokio::time::sleep(Duration::from_millis(after)).await;
        world.kill();
        world.spawn().await;
    }
    previewed(&world, &pull).await;
    left_in_order(&mut world, &EVENTS, &base).await;
}
