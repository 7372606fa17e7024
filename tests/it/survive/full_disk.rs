//! A disk that takes nothing for a while: what is acknowledged is kept, what is not is refused, and all goes on by
//! itself.

use super::{change, shop};
use crate::support::world::{PROJECT, Setup, World};

/// A1: after a moment in which nothing could be written, a 202 means again that the delivery is there, also after a
/// kill.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_after_a_full_disk_is_kept() {
    let mut world = World::with_process("full-disk", Setup { limited: true, ..Setup::default() }).await;
    let base = world.push(shop(&world)).await;
    super::succeeded(&world, &base).await;
    assert_eq!(world.ready().await, 200);

    world.limit_files(Some(1));
    for number in 0..5 {
        world.push(change(&format!("lost {number}"))).await;
        world.forge.delivered().await;
        assert_eq!(world.forge.last_answer(PROJECT), Some(503), "nothing is acknowledged that is not stored");
    }
    world.eventually("that it says so", async || (world.ready().await == 503).then_some(())).await;

    world.limit_files(None);
    world.eventually("that it is ready again", async || (world.ready().await == 200).then_some(())).await;
    let mut last = base;
    for number in 0..20 {
        last = world.push(change(&format!("kept {number}"))).await;
        world.forge.delivered().await;
        assert_eq!(world.forge.last_answer(PROJECT), Some(202));
    }
    world.kill();
    world.spawn().await;
    super::succeeded(&world, &last).await;
    let store = world.end().await;
    let kept = store.deliveries(100).await.expect("the store").len();
    assert!(kept >= 21, "{kept} deliveries are stored of 21 that were acknowledged");
    store.close().await;
}
