//! Waits that end, are replaced and are taken up again.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::*;
use crate::clock::Clock;
use crate::manifest::ObjectKey;
use crate::store::runs::RunId;
use crate::store::waits::{Touched, WaitObject};

struct SetBack(AtomicI64);

impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).expect("a time")
    }
}

/// A19+: a clock that is set back while something is waited for makes the wait no longer.
#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_wait_longer() {
    let (clock, folder) = (Arc::new(SetBack(AtomicI64::new(10_000_000))), tempfile::tempdir().expect("a folder"));
    let store = Store::open(&folder.path().join("store.db"), clock.clone()).await.expect("a store");
    let (tasks, (sender, mut ended)) = (Tasks::new(), mpsc::channel(4));
    let waits = Waits::start(store.clone(), tasks.clone(), HashMap::new(), sender);
    let key = ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("shop".into()),
        name: "a".into(),
    };
    let wait = |app: &str| Wait {
        app: app.parse().expect("an app"),
        purpose: WaitPurpose::Health,
        run: RunId::new("1"),
        cluster: ClusterName::new("prod"),
        objects: vec![WaitObject { key: key.clone(), uid: None, resource_version: None, touched: Touched::Written }],
        deadline: store.now() + 300,
    };
    waits.add(wait("shop/web")).await.expect("a wait");
    clock.0.fetch_sub(3_600_000, Ordering::SeqCst);
    // What begins afterwards has its time as well.
    waits.add(wait("shop/cart")).await.expect("a wait");
    let mut apps = Vec::new();
    for _ in 0..2 {
        let end = tokio::time::timeout(Duration::from_secs(20), ended.recv()).await.expect("in time").expect("an end");
        assert!(matches!(end.outcome, WaitOutcome::TimedOut(_)), "{end:?}");
        apps.push(end.wait.app.to_string());
    }
    apps.sort();
    assert_eq!(apps, ["shop/cart", "shop/web"]);
}
