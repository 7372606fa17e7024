//! Measures the time from a push to the live objects, and compares it with a floor from the same run: the same fetch,
//! and the same objects applied by bare requests with the same concurrency.
//!
//! All of it runs on this machine: a real control plane, the embedded forge with Git over HTTPS, and the server as a
//! process of its own. `DRIFTLESS_BENCH_APPS` sets the number of apps; the default is 1,000.

#![allow(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures, and they are small"
)]

mod support;

use std::time::Duration;

use support::figures::{Line, median, millis, seconds};
use support::floor::Floor;
use support::repos::{Repo, many, one};
use support::server::Server;
use support::world::World;
use support::{Outcome, server};
use tokio::time::Instant;

/// Objects of each app.
const OBJECTS: usize = support::repos::OBJECTS;
const QUICK_ROUNDS: usize = 15;
const SLOW_ROUNDS: usize = 3;
/// A while after the last work: the spare renderer has ended.
const REST: Duration = Duration::from_secs(50);
/// The server checks everything once within five seconds of its start, and later stops unused renderers.
const FIRST_LOOK: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Outcome<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, word, config] = arguments.as_slice()
        && word == server::WORD
    {
        return server::run(config.as_ref()).await;
    }
    let apps = std::env::var("DRIFTLESS_BENCH_APPS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let world = World::start().await?;
    let result = measure(&world, apps).await;
    world.stop().await;
    result
}

async fn measure(world: &World, apps: usize) -> Outcome<()> {
    let (mut small, mut large) = (one(world).await?, many(world, apps).await?);
    let mut lines = Vec::new();

    let server = Server::start(world, &world.counted_kubeconfig()).await?;
    lines.extend(first_syncs(world, &server, &mut small, &mut large).await?);
    lines.extend(requests(world, &server, &mut large).await?);
    server.stop().await?;

    let server = Server::start(world, world.kubeconfig()).await?;
    tokio::time::sleep(FIRST_LOOK).await;
    server.settle().await?;
    lines.push(memory(&server, &format!("memory at rest, {apps} apps, after a start"))?);
    let floor = Floor::new(world, &small, &large)?;
    lines.push(one_app(world, &floor, &mut small).await?);
    lines.push(one_of_many(world, &floor, &mut large).await?);
    lines.extend(all_apps(world, &server, &floor, &mut large).await?);
    lines.extend(resync(&server, apps).await?);
    lines.push(memory(&server, &format!("memory, {apps} apps, at the end of all this"))?);
    tokio::time::sleep(REST).await;
    lines.push(memory(&server, &format!("memory at rest, {apps} apps, {} s later", REST.as_secs()))?);
    server.stop().await?;

    println!("\n{}", Line::table(&lines));
    Ok(())
}

/// Everything new: discovered, rendered, created. Through the proxy that counts.
async fn first_syncs(world: &World, server: &Server, small: &mut Repo, large: &mut Repo) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for repo in [small, large] {
        let begun = world.changes.begin();
        world.proxy.forget_counts();
        let started = Instant::now();
        world.pushed(repo).await?;
        world.changes.wait(begun, repo.prefix(), repo.apps * OBJECTS).await?;
        let took = started.elapsed();
        server.settle().await?;
        if repo.apps > 1 {
            lines.push(Line::new(format!("{} new apps by one push", repo.apps), seconds(took)));
        }
        println!("{} new apps: {}, through the proxy; requests:\n{}", repo.apps, seconds(took), world.proxy.counts());
    }
    Ok(lines)
}

/// Requests to the API server, per app.
async fn requests(world: &World, server: &Server, large: &mut Repo) -> Outcome<Vec<Line>> {
    let apps = large.apps;
    world.proxy.forget_counts();
    let begun = world.changes.begin();
    large.change_all()?;
    world.pushed(large).await?;
    world.changes.wait(begun, large.prefix(), apps * OBJECTS).await?;
    server.settle().await?;
    let changed = world.proxy.counts();
    println!("requests for {apps} changed apps:\n{changed}");
    world.proxy.forget_counts();
    server.resync().await?;
    server.settle().await?;
    let looked = world.proxy.counts();
    println!("requests for a resync of {apps} apps:\n{looked}");
    let per_app = |total: u64| total as f64 / apps as f64;
    Ok(vec![
        Line::new(
            format!("requests per app, {apps} apps changed by one push"),
            format!("{:.2}", per_app(changed.total())),
        )
        .floor(format!("{OBJECTS}"), per_app(changed.total()) / OBJECTS as f64),
        Line::new(
            format!("requests per app, a resync of {apps} unchanged apps"),
            format!("{:.3}", per_app(looked.total())),
        )
        .aim("0.05"),
    ])
}

/// From the push to the new objects, one app that is alone in its repo.
async fn one_app(world: &World, floor: &Floor, repo: &mut Repo) -> Outcome<Line> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=QUICK_ROUNDS {
        repo.change_all()?;
        let took = push_to_live(world, repo, OBJECTS).await?;
        let least = floor.fetch_and_apply(repo, 1).await?;
        // The first warms up.
        if round > 0 {
            ours.push(took);
            bare.push(least);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    Ok(Line::compared("push to applied, one app".to_owned(), median(ours), median(bare), millis).aim("50 ms"))
}

/// The same for one app of many in the same repo, of which only this one changes.
async fn one_of_many(world: &World, floor: &Floor, repo: &mut Repo) -> Outcome<Line> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=QUICK_ROUNDS {
        repo.change_first()?;
        let took = push_to_live(world, repo, OBJECTS).await?;
        let least = floor.fetch_and_apply(repo, 1).await?;
        if round > 0 {
            ours.push(took);
            bare.push(least);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let what = format!("push to applied, one app of {} in its repo", repo.apps);
    Ok(Line::compared(what, median(ours), median(bare), millis))
}

async fn push_to_live(world: &World, repo: &mut Repo, objects: usize) -> Outcome<Duration> {
    let begun = world.changes.begin();
    let started = Instant::now();
    world.pushed(repo).await?;
    world.changes.wait(begun, repo.prefix(), objects).await?;
    Ok(started.elapsed())
}

/// One push that changes every object of every app.
async fn all_apps(world: &World, server: &Server, floor: &Floor, repo: &mut Repo) -> Outcome<Vec<Line>> {
    let (mut ours, mut settled, mut bare, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=SLOW_ROUNDS {
        repo.change_all()?;
        let before = server.cpu()?;
        let started = Instant::now();
        ours.push(push_to_live(world, repo, repo.apps * OBJECTS).await?);
        server.settle().await?;
        settled.push(started.elapsed());
        cpu.push(server.cpu()?.saturating_sub(before));
        bare.push(floor.fetch_and_apply(repo, repo.apps).await?);
        let last = |times: &[Duration]| times.last().copied().map(seconds).unwrap_or_default();
        println!(
            "round {round}: ours {}, settled after {}, CPU {}, floor {}",
            last(&ours),
            last(&settled),
            last(&cpu),
            last(&bare)
        );
    }
    let what = format!("push to applied, {} apps", repo.apps);
    let bare = median(bare);
    Ok(vec![
        Line::compared(what.clone(), median(ours), bare, seconds).aim("20 s"),
        Line::compared(format!("{what}, all ends written down"), median(settled), bare, seconds),
        Line::new(format!("{what}: CPU of the server and its renderers"), seconds(median(cpu))),
    ])
}

/// Nothing has changed.
async fn resync(server: &Server, apps: usize) -> Outcome<Vec<Line>> {
    let (mut cpu, mut times) = (Vec::new(), Vec::new());
    for _ in 0..SLOW_ROUNDS {
        let (before, started) = (server.cpu()?, Instant::now());
        server.resync().await?;
        server.settle().await?;
        times.push(started.elapsed());
        cpu.push(server.cpu()?.saturating_sub(before));
    }
    let what = format!("a resync of {apps} unchanged apps");
    Ok(vec![
        Line::new(format!("{what}: CPU"), seconds(median(cpu))).aim("1 s"),
        Line::new(format!("{what}: time"), seconds(median(times))),
    ])
}

fn memory(server: &Server, what: &str) -> Outcome<Line> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (server, renderers) = server.memory()?;
    let shown = format!("{:.0} MiB and {:.0} MiB of renderers", mib(server), mib(renderers));
    println!("{what}: {shown}");
    Ok(Line::new(what.to_owned(), shown).aim("100 MiB"))
}
