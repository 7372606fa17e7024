//! Shares the workers between repos: one tenant's renders, however long, leave room for all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::RenderError;

/// How long a render waits for a place. Each render has a limit of its own.
const WAIT: Duration = Duration::from_mins(10);

/// What a render is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Preview,
    Sync,
    /// Somebody asked for it and waits: what is remembered of earlier attempts does not count.
    ByHand,
}

/// For whom a render is, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Who has to share with the others: the repo whose app it is.
    pub tenant: &'a str,
    pub purpose: Purpose,
}

/// The places of a pool.
///
/// `size` of them are for everybody. One more is for a tenant that has none, and one more beside that for a sync of a
/// tenant that has none: so a tenant whose charts never end can hold `size` places, and neither another tenant's
/// preview nor its sync waits for them.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

struct State {
    size: usize,
    /// Renders of one tenant that may wait.
    queue: usize,
    held: HashMap<String, usize>,
    waiting: Vec<Waiter>,
    /// When each tenant last got a place, counted in places given.
    served: HashMap<String, u64>,
    given: u64,
    arrived: u64,
}

struct Waiter {
    number: u64,
    tenant: String,
    purpose: Purpose,
    place: oneshot::Sender<Place>,
}

/// A place that is held. Dropping it gives it to the next.
pub(super) struct Place {
    places: Places,
    tenant: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let placed = {
            let mut state = self.places.lock();
            if let Some(held) = state.held.get_mut(&self.tenant) {
                *held -= 1;
                if *held == 0 {
                    state.held.remove(&self.tenant);
                }
            }
            state.next()
        };
        self.places.hand_out(placed);
    }
}

/// Takes a waiter out of the queue that does not wait any more.
struct Leave<'a>(&'a Places, u64);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting.retain(|waiter| waiter.number != self.1);
    }
}

impl Places {
    pub(super) fn new(size: usize, queue: usize) -> Self {
        let (held, served) = (HashMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(State { size, queue, held, waiting: Vec::new(), served, given: 0, arrived: 0 })))
    }

    /// Waits for a place, in a queue that has an end for each tenant.
    pub(super) async fn acquire(&self, asker: Asker<'_>, cancel: &CancellationToken) -> Result<Place, RenderError> {
        let (number, place) = {
            let mut state = self.lock();
            if state.may_start(asker.tenant, asker.purpose) {
                state.give(asker.tenant);
                return Ok(self.place(asker.tenant.to_owned()));
            }
            if state.waiting.iter().filter(|waiter| waiter.tenant == asker.tenant).count() >= state.queue {
                return Err(RenderError::Overloaded);
            }
            state.arrived += 1;
            let number = state.arrived;
            let (sender, place) = oneshot::channel();
            state.waiting.push(Waiter {
                number,
                tenant: asker.tenant.to_owned(),
                purpose: asker.purpose,
                place: sender,
            });
            (number, place)
        };
        let _leave = Leave(self, number);
        tokio::select! {
            place = place => place.map_err(|_| RenderError::Cancelled),
            () = cancel.cancelled() => Err(RenderError::Cancelled),
            () = tokio::time::sleep(WAIT) => Err(RenderError::Busy { seconds: WAIT.as_secs() }),
        }
    }

    fn place(&self, tenant: String) -> Place {
        Place { places: self.clone(), tenant }
    }

    /// Gives places to those whose turn it is. One who went away meanwhile drops his, which gives it to the next.
    fn hand_out(&self, placed: Vec<Waiter>) {
        for Waiter { tenant, place, .. } in placed {
            drop(place.send(self.place(tenant)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held_by(&self, tenant: &str) -> usize {
        self.held.get(tenant).copied().unwrap_or(0)
    }

    fn may_start(&self, tenant: &str, purpose: Purpose) -> bool {
        let held: usize = self.held.values().sum();
        let spare = match purpose {
            _ if self.held_by(tenant) > 0 => 0,
            Purpose::Preview => 1,
            Purpose::Sync | Purpose::ByHand => 2,
        };
        held < self.size + spare
    }

    fn give(&mut self, tenant: &str) {
        self.given += 1;
        *self.held.entry(tenant.to_owned()).or_default() += 1;
        self.served.insert(tenant.to_owned(), self.given);
    }

    /// Takes out of the queue who may start now: tenants with the fewest places first, then those that waited longest
    /// for one; of one tenant syncs before previews, then the oldest.
    fn next(&mut self) -> Vec<Waiter> {
        let mut chosen = Vec::new();
        loop {
            let ready =
                self.waiting.iter().enumerate().filter(|(_, waiter)| self.may_start(&waiter.tenant, waiter.purpose));
            let first = ready.min_by_key(|(_, waiter)| {
                let served = self.served.get(&waiter.tenant).copied().unwrap_or(0);
                (self.held_by(&waiter.tenant), served, waiter.purpose == Purpose::Preview, waiter.number)
            });
            let Some((index, _)) = first else { return chosen };
            let waiter = self.waiting.remove(index);
            self.give(&waiter.tenant);
            chosen.push(waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::class::Classified;

    async fn ask(places: &Places, tenant: &str, purpose: Purpose) -> Option<Place> {
        let cancel = CancellationToken::new();
        let asked = places.acquire(Asker { tenant, purpose }, &cancel);
        tokio::time::timeout(Duration::from_millis(10), asked).await.ok().and_then(Result::ok)
    }

    /// X9: a tenant that holds all places holds up neither a preview nor a sync of another one.
    #[tokio::test(start_paused = true)]
    async fn another_tenant_finds_a_place() {
        let places = Places::new(2, 10);
        let hostile = [ask(&places, "hostile", Purpose::Sync).await, ask(&places, "hostile", Purpose::Sync).await];
        assert!(hostile.iter().all(Option::is_some));
        assert!(ask(&places, "hostile", Purpose::ByHand).await.is_none(), "it has its share");
        let preview = ask(&places, "shop", Purpose::Preview).await;
        assert!(preview.is_some());
        assert!(ask(&places, "docs", Purpose::Preview).await.is_none(), "previews have one place more");
        assert!(ask(&places, "shop", Purpose::Sync).await.is_none(), "shop has a place already");
        assert!(ask(&places, "docs", Purpose::Sync).await.is_some(), "one place is kept for syncs");
    }

    /// X9: whose turn it is depends on how much one has and had, not on how many wait.
    #[tokio::test(start_paused = true)]
    async fn tenants_take_turns() {
        let places = Places::new(1, 100);
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = ask(&places, "a", Purpose::Preview).await;
        let mut tasks = tokio::task::JoinSet::new();
        let asked = [
            ("a", Purpose::Preview),
            ("a", Purpose::Preview),
            ("a", Purpose::Sync),
            ("b", Purpose::Preview),
            ("c", Purpose::Preview),
        ];
        for (tenant, purpose) in asked {
            let (places, order) = (places.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                let place = places.acquire(Asker { tenant, purpose }, &CancellationToken::new()).await;
                order.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{tenant} {purpose:?}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(place);
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(first);
        while tasks.join_next().await.is_some() {}
        let order = order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of = |what: &str| order.iter().position(|one| one == what);
        assert!(of("b Preview") < of("a Preview") && of("c Preview") < of("a Preview"), "{order:?}");
        assert!(of("a Sync") < of("a Preview"), "{order:?}");
    }

    /// A9+: whoever has waited for long is tried again, so that its worker is free for others.
    #[tokio::test(start_paused = true)]
    async fn a_place_is_not_waited_for_for_ever() {
        let places = Places::new(1, 1);
        let _held = ask(&places, "a", Purpose::Sync).await;
        let asker = Asker { tenant: "a", purpose: Purpose::Sync };
        let Err(busy) = places.acquire(asker, &CancellationToken::new()).await else { panic!("it is held") };
        assert!(busy.class().is_retry());
        insta::assert_snapshot!(busy.to_string(), @"the render did not begin within 600 s, because other renders take all workers that are left to this repo. Driftless retries");
        assert!(places.lock().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_no_trace() {
        let places = Places::new(1, 1);
        let first = ask(&places, "a", Purpose::Sync).await;
        assert!(ask(&places, "a", Purpose::Sync).await.is_none(), "it waited and went away");
        assert!(places.lock().waiting.is_empty());
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let asker = Asker { tenant: "a", purpose: Purpose::Sync };
        assert!(matches!(places.acquire(asker, &cancelled).await, Err(RenderError::Cancelled)));
        let going_on = CancellationToken::new();
        let again = places.acquire(asker, &going_on);
        let waiting = async {
            tokio::task::yield_now().await;
            let overloaded = places.acquire(asker, &CancellationToken::new()).await;
            assert!(matches!(overloaded, Err(RenderError::Overloaded)), "the queue has an end");
            drop(first);
        };
        let (again, ()) = tokio::join!(again, waiting);
        assert!(again.is_ok());
        drop(again);
        assert!(places.lock().held.is_empty());
    }
}
