//! The server is killed at each step of a run, and started again on the same store: the run comes to its end.

use std::time::Duration;

use driftless::dev::fault_proxy::{Fault, Rule, RuleId};
use driftless::dev::git_http::GitFault;
use http::Method;

use super::{change, left_in_order, shop, succeeded, value};
use crate::support::world::{Files, Setup, World};

/// Pushes the app to a server that `hold` holds up somewhere, kills it there, and looks at what the next one makes of
/// it.
async fn killed(words: &str, hold: impl FnOnce(&World) -> Option<RuleId>) {
    let mut world = World::with_process(words, Setup::default()).await;
    let rule = hold(&world);
    let before = world.git_faults.requests();
    let revision = world.push(shop(&world)).await;
    world.forge.delivered().await;
    let reached = || rule.map_or_else(|| world.git_faults.requests() > before + 1, |rule| world.proxy.struck(rule) > 0);
    world.eventually("that the step is reached", async || reached().then_some(())).await;
    world.kill();
    world.spawn().await;
    succeeded(&world, &revision).await;
    assert_eq!(value(&world, "settings").await.as_deref(), Some("one"));
    assert_eq!(value(&world, "more").await.as_deref(), Some("one"));
    assert_eq!(world.live("apps/v1 Deployment", "web").await.expect("applied")["status"]["availableReplicas"], 1);
    left_in_order(&mut world, &["push"], &revision).await;
}

fn on(world: &World, fault: Fault, method: Method, containing: &str) -> RuleId {
    world.proxy.add(Rule::all(fault).method(method).containing(containing))
}

#[tokio::test(flavor = "multi_thread")]
async fn as_soon_as_the_delivery_is_answered() {
    let mut world = World::with_process("kill-accepted", Setup::default()).await;
    let revision = world.push(shop(&world)).await;
    world.forge.delivered().await;
    world.kill();
    world.spawn().await;
    succeeded(&world, &revision).await;
    left_in_order(&mut world, &["push"], &revision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_fetches() {
    killed("kill-fetch", |world| {
        world.git_faults.always(Some(GitFault::Hang));
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_validates() {
    killed("kill-validate", |world| Some(on(world, Fault::Hang, Method::PATCH, "dryRun=All"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_object_is_applied() {
    killed("kill-apply", |world| Some(on(world, Fault::Hang, Method::PATCH, "force=true"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_way_through_the_apply() {
    killed("kill-half", |world| {
        Some(world.proxy.add(Rule::all(Fault::Hang).method(Method::PATCH).containing("force=true").after(1)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_objects_were_applied_and_nobody_has_said_so() {
    killed("kill-applied", |world| Some(on(world, Fault::Swallow, Method::PATCH, "force=true"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_waits_for_health() {
    killed("kill-health", |world| Some(on(world, Fault::Hang, Method::GET, "watch=true"))).await;
}

/// The same for an object that is to be pruned.
async fn killed_while_it_prunes(words: &str, fault: Fault) {
    let mut world = World::with_process(words, Setup::default()).await;
    let first = world.push(shop(&world)).await;
    succeeded(&world, &first).await;
    let rule = on(&world, fault, Method::DELETE, "configmaps/more");
    let second = world.push(Files::new().without("deploy/more.yaml")).await;
    world.forge.delivered().await;
    world.eventually("that it prunes", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    world.kill();
    world.spawn().await;
    world.gone("v1 ConfigMap", "more").await;
    succeeded(&world, &second).await;
    left_in_order(&mut world, &["push", "push"], &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_an_object_is_pruned() {
    killed_while_it_prunes("kill-prune", Fault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_an_object_was_pruned_and_nobody_has_said_so() {
    killed_while_it_prunes("kill-pruned", Fault::Swallow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment_again_and_again() {
    let mut world = World::with_process("kill-again", Setup::default()).await;
    let mut revision = world.push(shop(&world)).await;
    succeeded(&world, &revision).await;
    let moments = [0, 10, 20, 40, 60, 90, 130, 200, 300, 500];
    for after in moments {
        revision = world.push(change(&format!("after {after} ms"))).await;
        world.forge.delivered().await;
        tokio::time::sleep(Duration::from_millis(after)).await;
        world.kill();
        world.spawn().await;
    }
    succeeded(&world, &revision).await;
    assert_eq!(value(&world, "settings").await.as_deref(), Some("after 500 ms"));
    left_in_order(&mut world, &["push"; 11], &revision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_locks_in_its_mirror() {
    let mut world = World::with_process("kill-locks", Setup::default()).await;
    let first = world.push(shop(&world)).await;
    succeeded(&world, &first).await;
    world.kill();
    for lock in ["packed-refs.lock", "HEAD.lock", "refs/mirror.lock"] {
        std::fs::write(world.mirror().join(lock), "").expect("written");
    }
    world.spawn().await;
    let second = world.push(change("two")).await;
    succeeded(&world, &second).await;
    left_in_order(&mut world, &["push", "push"], &second).await;
}

/// Not killed, but stopped by an error between the apply and the wait for health.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_the_apply_leaves_out_neither_the_wait_nor_the_prune() {
    let world = World::start("after-apply").await;
    let first = world.push(shop(&world)).await;
    world.healthy("shop", &first).await;
    world.first_looks().await;
    let rule = world
        .proxy
        .add(Rule::all(Fault::Delay(Duration::from_secs(1))).method(Method::PATCH).containing("force=true").times(1));
    let second = world.push(change("two").without("deploy/more.yaml")).await;
    world.eventually("that it applies", async || (world.proxy.struck(rule) > 0).then_some(())).await;
    let lock = world.mirror().join("packed-refs.lock");
    std::fs::write(&lock, "").expect("written");
    world
        .eventually("that the commit can't be kept", async || {
            let runs = world.runs("/shop").await;
            runs[0].error.as_ref().filter(|error| error.contains("packed-refs.lock")).map(|_| ())
        })
        .await;
    std::fs::remove_file(&lock).expect("removed");
    world.healthy("shop", &second).await;
    world.gone("v1 ConfigMap", "more").await;
}
