//! Whatever happens in whatever order: one pending and one running row per key, and no event is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::clock::ManualClock;
use crate::ids::RepoName;
use crate::lifecycle::Tasks;
use crate::queue::lease::{Claimed, Ended};
use crate::queue::row::Requeue;
use crate::queue::{Finish, Key, Queue, QueueConfig, Request, Trigger};
use crate::store::Store;
use crate::store::jobs::{JobRow, State};

#[derive(Debug, Clone)]
enum Op {
    Event { key: u64, webhook: bool },
    Claim,
    Finish { which: usize, how: How },
    Crash,
    Pass { millis: u64 },
}

#[derive(Debug, Clone, Copy)]
enum How {
    Done,
    Failed,
    Cancelled,
    Failing {
        wait: i64,
    },
    /// The store failed just then.
    Unwritten,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Done),
        1 => Just(How::Failed),
        2 => Just(How::Cancelled),
        2 => (0..5_000_i64).prop_map(|wait| How::Failing { wait }),
        1 => Just(How::Unwritten),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..4_u64, any::<bool>()).prop_map(|(key, webhook)| Op::Event { key, webhook }),
        5 => Just(Op::Claim),
        4 => (0..8_usize, how()).prop_map(|(which, how)| Op::Finish { which, how }),
        1 => Just(Op::Crash),
        4 => (1..4_000_u64).prop_map(|millis| Op::Pass { millis }),
    ]
}

/// What has to be true, by the events and claims alone.
#[derive(Default)]
struct Model {
    events: u64,
    last_event: HashMap<Key, u64>,
    answered: HashMap<Key, u64>,
    /// The run, and the events that had come when it began.
    running: Vec<(Claimed, u64)>,
}

struct World {
    store: Store,
    queue: Queue,
    clock: ManualClock,
    tasks: Tasks,
    model: Model,
}

fn key(number: u64) -> Key {
    Key::Preview { repo: RepoName::new(format!("repo{}", number % 2)), number }
}

impl World {
    async fn new(dir: &std::path::Path) -> Self {
        let clock = ManualClock::at_millis(1_000_000);
        let store = Store::open(&dir.join("driftless.db"), Arc::new(clock.clone())).await.expect("opens");
        let tasks = Tasks::new();
        let queue = Queue::start(store.clone(), QueueConfig::default(), &tasks).await.expect("starts");
        Self { store, queue, clock, tasks, model: Model::default() }
    }

    async fn apply(&mut self, op: &Op) {
        match op {
            Op::Event { key: number, webhook } => self.event(key(*number), *webhook).await,
            Op::Claim => {
                self.claim().await;
            }
            Op::Finish { which, how } => self.finish(*which, *how).await,
            Op::Crash => {
                self.model.running.clear();
                self.queue =
                    Queue::start(self.store.clone(), QueueConfig::default(), &self.tasks).await.expect("starts");
            }
            Op::Pass { millis } => self.clock.advance(Duration::from_millis(*millis)),
        }
    }

    async fn event(&mut self, key: Key, webhook: bool) {
        self.model.events += 1;
        let number = self.model.events;
        let cause =
            if webhook { Trigger::Webhook { hook: "h".into(), delivery: number.to_string() } } else { Trigger::Resync };
        let request = Request::new(key.clone(), cause).with_hint(number.to_string());
        self.queue.enqueue(&[request]).await.expect("enqueued");
        self.model.last_event.insert(key, number);
    }

    async fn claim(&mut self) -> bool {
        let Some(claimed) = self.queue.claim(&CancellationToken::new()).await.expect("claims") else { return false };
        let key = claimed.job.key.clone();
        assert!(self.model.running.iter().all(|(other, _)| other.job.key != key), "{key} runs already");
        assert_eq!(claimed.job.hint, Some(self.model.last_event[&key].to_string()), "the newest hint");
        self.model.running.push((claimed, self.model.events));
        true
    }

    async fn finish(&mut self, which: usize, how: How) {
        if self.model.running.is_empty() {
            return;
        }
        let (claimed, seen) = self.model.running.remove(which % self.model.running.len());
        let key = claimed.job.key.clone();
        let ended = match how {
            How::Done => Ended::Done(Finish::Done),
            How::Failed => Ended::Failed { error: "no".into(), reported: "- no".into() },
            How::Cancelled => Ended::Requeue(Requeue::Cancelled { pause: 0 }),
            How::Failing { wait } => {
                Ended::Requeue(Requeue::Failing { pause: 1_000, wait, error: "later".into(), reported: None })
            }
            How::Unwritten => {
                self.queue.0.committer.runs.end(&key, &claimed.run);
                assert_eq!(self.queue.reclaim(false).await.expect("reclaims"), 1);
                return;
            }
        };
        self.queue.finish(&claimed, &ended).await.expect("finishes");
        if matches!(how, How::Done | How::Failed) {
            self.model.answered.insert(key, seen);
        }
    }

    async fn rows(&self) -> Vec<JobRow> {
        self.store.jobs(1_000).await.expect("lists")
    }

    async fn check(&self) {
        let rows = self.rows().await;
        for (key, last) in &self.model.last_event {
            let of_key =
                |state: State| rows.iter().filter(|row| row.key == key.to_string() && row.state == state).count();
            let (pending, running) = (of_key(State::Pending), of_key(State::Running));
            assert!(pending <= 1 && running <= 1, "{key}: {pending} pending, {running} running");
            let run = self.model.running.iter().find(|(claimed, _)| claimed.job.key == *key);
            assert_eq!(running, usize::from(run.is_some()), "{key}");
            let answered = self.model.answered.get(key).is_some_and(|seen| seen >= last);
            let being_answered = run.is_some_and(|(_, seen)| seen >= last);
            assert!(answered || being_answered || pending == 1, "{key}: event {last} is lost");
        }
        for row in rows.iter().filter(|row| row.state == State::Pending && row.attempt == 0) {
            let bound = (row.first_event + 15_000).max(row.changed_at + 1_000).max(row.not_before);
            assert!(row.due <= bound, "waits too long: {row:?}");
        }
    }

    /// With time and workers enough everything is answered.
    async fn drain(&mut self) {
        for _ in 0..100 {
            while !self.model.running.is_empty() {
                self.finish(0, How::Done).await;
            }
            self.clock.advance(Duration::from_secs(20));
            while self.claim().await {}
            if self.model.running.is_empty() {
                break;
            }
        }
        for (key, last) in &self.model.last_event {
            assert!(self.model.answered.get(key).is_some_and(|seen| seen >= last), "{key} was never answered");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn keys_keep_their_promises(ops in proptest::collection::vec(op(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a directory");
            let mut world = World::new(dir.path()).await;
            for op in &ops {
                world.apply(op).await;
                world.check().await;
            }
            world.drain().await;
        });
    }
}
