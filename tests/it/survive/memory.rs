//! What a hostile pull request may cost the server's memory.

use std::io::Write;

use super::{config_map, shop};
use crate::support::world::{Files, Setup, World};

/// What one pull request may add to the server, in KiB.
const MOST: u64 = 200 << 10;

fn object(name: &str, values: usize) -> String {
    let list = "0,".repeat(values - 1) + "0";
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{}},"x":[{list}]}}"#)
}

/// Apps on whatever is in their folders.
fn apps(world: &World, count: usize, folder: impl Fn(usize) -> String) -> Files {
    (0..count).fold(Files::new(), |files, number| {
        files.file(format!("apps/h{number}.yaml"), world.app(&format!("h{number}"), &folder(number)))
    })
}

async fn added_by(world: &World, branch: &str, files: Files, says: &str) -> u64 {
    let (before, _) = world.memory();
    world.forget_peak();
    let pull = world.open_pull(branch, files).await;
    let status = world.status(&pull.head).await;
    assert_eq!(status.state, "failure", "{status:?}");
    // It may be in several parts.
    let told = async || world.comments(pull.number).concat().contains(says).then_some(());
    world.eventually(&format!("a comment that says {says:?}"), told).await;
    let (_, peak) = world.memory();
    let added = peak.saturating_sub(before);
    // The figure is worth knowing where the test passes, too.
    writeln!(std::io::stdout(), "{branch}: {} MiB more at most", added >> 10).expect("written");
    added
}

/// X10: 5 MB of a pull request, made to take as much memory as can be, raise the server by less than 200 MiB. Once as
/// one object that six apps render, once as objects that each stay below every limit of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_pull_request_costs_little_memory() {
    let world = World::with_process("memory", Setup::default()).await;
    let base = world.push(shop(&world)).await;
    world.eventually("the first sync", async || world.live("apps/v1 Deployment", "web").await.map(|_| ())).await;
    assert!(!base.as_str().is_empty());

    let one = apps(&world, 6, |_| "bomb".to_owned()).file("bomb/a.json", object("a", 2_500_000));
    let added = added_by(&world, "one-object", one, "has more than 100000 values").await;
    assert!(added < MOST, "one object: {added} KiB");

    let folder = |number: usize| format!("bombs/{number}");
    let many = (0..9).fold(apps(&world, 9, folder), |files, number| {
        (0..3).fold(files, |files, part| {
            files.file(format!("{}/{part}.json", folder(number)), object(&format!("h{number}-{part}"), 95_000))
        })
    });
    let added = added_by(&world, "many-objects", many, "more than 800000 values").await;
    assert!(added < MOST, "many objects: {added} KiB");
}

/// A Secret of so many keys, each with a value of its own.
fn secret(name: &str, keys: usize) -> String {
    let value = |key: usize| format!("{:016x}", (key as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let entries: Vec<String> = (0..keys).map(|key| format!("\"key{key}\":\"{}\"", value(key))).collect();
    let entries = entries.join(",");
    format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"{name}"}},"stringData":{{{entries}}}}}"#)
}

/// X10+: Secrets of very many keys, whose values are searched for in all texts about an app, take little memory and
/// hold up nobody: an automaton over all their forms took 1.1 GB, and was built on the threads that serve everybody.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_many_keys_cost_little_and_hold_up_nobody() {
    let world = World::with_process("many-keys", Setup::default()).await;
    world.push(shop(&world)).await;
    world.eventually("the first sync", async || world.live("apps/v1 Deployment", "web").await.map(|_| ())).await;
    let (before, _) = world.memory();
    world.forget_peak();
    let files = apps(&world, 2, |number| format!("keys/{number}"))
        .file("keys/0/a.json", secret("a", 5_000))
        .file("keys/0/map.yaml", config_map("beside-a", "plain"))
        .file("keys/1/b.json", secret("b", 20_000))
        .file("keys/1/map.yaml", config_map("beside-b", "plain"));
    let pull = world.open_pull("keys", files).await;
    let mut slowest = std::time::Duration::ZERO;
    let previewed = async {
        let status = world.status(&pull.head).await;
        let parts = async || Some(world.comments(pull.number).concat()).filter(|all| all.contains("beside-b"));
        (status, world.eventually("what the second app changes", parts).await)
    };
    tokio::pin!(previewed);
    let (status, comment) = loop {
        tokio::select! {
            end = &mut previewed => break end,
            took = world.answers_after() => slowest = slowest.max(took),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let added = world.memory().1.saturating_sub(before);
    writeln!(std::io::stdout(), "many keys: {} MiB more at most, the slowest probe took {slowest:?}", added >> 10)
        .expect("written");
    assert_eq!(status.state, "success", "{comment}");
    assert!(!comment.contains("9e3779b97f4a7c15"), "{comment}");
    assert!(added < MOST, "{added} KiB");
    assert!(slowest < std::time::Duration::from_secs(1), "a probe took {slowest:?}");
}
