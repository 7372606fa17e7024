//! What a hostile pull request may cost the server's memory.

use std::io::Write;

use super::shop;
use crate::support::world::{Files, Setup, World};

/// What one pull request may add to the server, in KiB.
const MOST: u64 = 200 << 10;

fn object(name: &str, values: usize) -> String {
    let list = "0,".repeat(values - 1) + "0";
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{}},"x":[{list}]}}"#)
}

/// Apps on whatever is in their folders.
fn apps(world: &World, count: usize, folder: impl Fn(usize) -> String) -> Files {
    (0..count)
        .fold(Files::new(), |files, number| files.file(format!("apps/h{number}.yaml"), world.app(&format!("h{number}"), &folder(number))))
}

async fn added_by(world: &World, branch: &str, files: Files, says: &str) -> u64 {
    let (before, _) = world.memory();
    world.forget_peak();
    let pull = world.open_pull(branch, files).await;
    let status = world.status(&pull.head).await;
    assert_eq!(status.state, "failure", "{status:?}");
    world.comment(pull.number, says).await;
    let (_, peak) = world.memory();
    let added = peak.saturating_sub(before);
    // The figure is worth knowing where the test passes, too.
    writeln!(std::io::stdout(), "{branch}: {} MiB more at most", added >> 10).expect("written");
    added
}

/// X10: 5 MB of a pull request, made to take as much memory as can be, raise the server by less than 200 MiB. Once as one object that six apps
/// render, once as objects that each stay below every limit of their own.
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
        (0..3)
            .fold(files, |files, part| files.file(format!("{}/{part}.json", folder(number)), object(&format!("h{number}-{part}"), 95_000)))
    });
    let added = added_by(&world, "many-objects", many, "more than 800000 values in all").await;
    assert!(added < MOST, "many objects: {added} KiB");
}
