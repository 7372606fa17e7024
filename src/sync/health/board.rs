//! The waits and the known states of their objects. Pure: watches write into it, and it tells which waits are over.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::judge::{Known, Seen, Standing, is_job, judge};
use crate::ids::{AppId, ClusterName};
use crate::manifest::{ObjectId, ObjectKey};
use crate::store::waits::{Wait, WaitPurpose};

/// One kind in one cluster: what one watch is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kind {
    pub cluster: ClusterName,
    pub group: String,
    pub name: String,
}

type WaitKey = (AppId, WaitPurpose);

/// How long controllers have for a first look at what was written, in milliseconds. What has said nothing by then may
/// never do so.
pub(super) const GRACE: i64 = 10_000;

struct Waiting {
    wait: Wait,
    /// When the grace ends; None once it has.
    grace_until: Option<i64>,
    /// When it is over: its deadline, or later where its objects have to be seen first. The wait itself stays as its
    /// row has it.
    ends_at: i64,
}

impl Waiting {
    fn next(&self) -> i64 {
        self.grace_until.map_or(self.ends_at, |grace| grace.min(self.ends_at))
    }
}

#[derive(Default)]
struct Watched {
    objects: HashMap<ObjectId, Seen>,
    /// Filled between the beginning of a list and its end.
    listing: Option<HashMap<ObjectId, Seen>>,
    synced: bool,
    /// Awaited objects that were looked for and not found, or were seen to go. One that is in neither may only not have
    /// been seen yet.
    gone: HashSet<ObjectId>,
    /// Nobody tells of changes: each object is asked about by itself.
    polled: bool,
    /// Why nothing was seen yet.
    trouble: Option<String>,
}

#[derive(Default)]
pub(super) struct Board {
    waits: HashMap<WaitKey, Waiting>,
    by_object: HashMap<(ClusterName, ObjectId), BTreeSet<WaitKey>>,
    kinds: HashMap<Kind, Watched>,
}

impl Watched {
    fn known(&self, object: &ObjectKey, purpose: WaitPurpose) -> Known<'_> {
        let id = object.id();
        if let Some(seen) = self.objects.get(&id) {
            return Known::Seen(seen);
        }
        // What was deleted may have gone before anybody waited for it; a Job that was made just now may not have been
        // seen yet, and one that is gone has ended.
        let may_be_unseen = self.polled || (purpose == WaitPurpose::Health && is_job(object));
        if may_be_unseen && !self.gone.contains(&id) { Known::Unknown } else { Known::Missing }
    }
}

/// A wait that is over, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Over {
    pub wait: Wait,
    pub standing: Standing,
}

impl Board {
    /// Takes a wait in, in the place of an older one of the same app and purpose. Returns the kinds that nobody watches
    /// yet.
    #[cfg(test)]
    pub(super) fn add(&mut self, wait: Wait, now: i64) -> Vec<Kind> {
        let ends_at = wait.deadline;
        self.add_until(wait, now, ends_at)
    }

    /// `ends_at` is the wait's deadline by the time that `now` is of.
    pub(super) fn add_until(&mut self, wait: Wait, now: i64, ends_at: i64) -> Vec<Kind> {
        let key = (wait.app.clone(), wait.purpose);
        self.remove(&key);
        let mut unwatched = BTreeSet::new();
        for object in &wait.objects {
            self.by_object.entry((wait.cluster.clone(), object.key.id())).or_default().insert(key.clone());
            let kind = kind_of(&wait.cluster, &object.key);
            match self.kinds.get_mut(&kind) {
                // It was applied since.
                Some(watched) => drop(watched.gone.remove(&object.key.id())),
                None => drop(unwatched.insert(kind)),
            }
        }
        for kind in &unwatched {
            self.kinds.insert(kind.clone(), Watched::default());
        }
        let grace_until = Some(now.saturating_add(GRACE).min(ends_at));
        self.waits.insert(key, Waiting { wait, grace_until, ends_at });
        unwatched.into_iter().collect()
    }

    /// Keeps a wait from running out of time before this.
    pub(super) fn ends_not_before(&mut self, app: &AppId, purpose: WaitPurpose, time: i64) {
        if let Some(waiting) = self.waits.get_mut(&(app.clone(), purpose)) {
            waiting.ends_at = waiting.ends_at.max(time);
        }
    }

    pub(super) fn remove(&mut self, key: &WaitKey) -> Option<Wait> {
        let Waiting { wait, .. } = self.waits.remove(key)?;
        for object in &wait.objects {
            let place = (wait.cluster.clone(), object.key.id());
            if let Some(waiting) = self.by_object.get_mut(&place) {
                waiting.remove(key);
                if waiting.is_empty() {
                    self.by_object.remove(&place);
                }
            }
        }
        Some(wait)
    }

    /// Whether an app waits for something here.
    pub(super) fn has(&self, app: &AppId, purpose: WaitPurpose) -> bool {
        self.waits.contains_key(&(app.clone(), purpose))
    }

    pub(super) fn remove_app(&mut self, app: &AppId) {
        for purpose in [WaitPurpose::Health, WaitPurpose::Deletion] {
            self.remove(&(app.clone(), purpose));
        }
    }

    /// A wait that may have been over before it began.
    pub(super) fn look(&mut self, app: &AppId, purpose: WaitPurpose) -> Option<Over> {
        self.settle(&(app.clone(), purpose))
    }

    pub(super) fn list_begins(&mut self, kind: &Kind) {
        if let Some(watched) = self.kinds.get_mut(kind) {
            watched.listing = Some(HashMap::new());
        }
    }

    pub(super) fn seen(&mut self, kind: &Kind, id: ObjectId, seen: Seen) -> Vec<Over> {
        let Some(watched) = self.kinds.get_mut(kind) else { return Vec::new() };
        if let Some(listing) = &mut watched.listing {
            listing.insert(id, seen);
            return Vec::new();
        }
        watched.objects.insert(id.clone(), seen);
        self.settle_object(kind, &id)
    }

    pub(super) fn gone(&mut self, kind: &Kind, id: &ObjectId) -> Vec<Over> {
        let is_awaited = self.by_object.contains_key(&(kind.cluster.clone(), id.clone()));
        let Some(watched) = self.kinds.get_mut(kind) else { return Vec::new() };
        watched.objects.remove(id);
        if is_awaited {
            watched.gone.insert(id.clone());
        }
        if let Some(listing) = &mut watched.listing {
            listing.remove(id);
        }
        self.settle_object(kind, id)
    }

    pub(super) fn list_ends(&mut self, kind: &Kind) -> Vec<Over> {
        let awaited = self.awaited(kind);
        let Some(watched) = self.kinds.get_mut(kind) else { return Vec::new() };
        if let Some(listing) = watched.listing.take() {
            watched.objects = listing;
        }
        let missing = awaited.into_iter().map(|key| key.id()).filter(|id| !watched.objects.contains_key(id));
        watched.gone.extend(missing);
        (watched.synced, watched.polled, watched.trouble) = (true, false, None);
        self.settle_kind(kind)
    }

    /// What is waited for of a kind.
    pub(super) fn awaited(&self, kind: &Kind) -> Vec<ObjectKey> {
        let waits = self.waits.values().map(|waiting| &waiting.wait).filter(|wait| wait.cluster == kind.cluster);
        let keys: BTreeSet<&ObjectKey> = waits
            .flat_map(|wait| &wait.objects)
            .map(|object| &object.key)
            .filter(|key| is_of(kind, &kind.cluster, &key.id()))
            .collect();
        keys.into_iter().cloned().collect()
    }

    /// What was found of objects that were asked about one by one.
    pub(super) fn polled(&mut self, kind: &Kind, found: Vec<(ObjectId, Option<Seen>)>) -> Vec<Over> {
        let Some(watched) = self.kinds.get_mut(kind) else { return Vec::new() };
        for (id, seen) in found {
            match seen {
                Some(seen) => drop(watched.objects.insert(id, seen)),
                None => {
                    watched.objects.remove(&id);
                    watched.gone.insert(id);
                }
            }
        }
        (watched.synced, watched.polled, watched.trouble) = (true, true, None);
        self.settle_kind(kind)
    }

    /// Nothing can be seen of a kind now.
    pub(super) fn trouble(&mut self, kind: &Kind, why: &str) {
        if let Some(watched) = self.kinds.get_mut(kind) {
            watched.trouble = Some(why.to_owned());
        }
    }

    /// The cluster serves no such kind: nothing of it is there.
    pub(super) fn not_served(&mut self, kind: &Kind) -> Vec<Over> {
        self.list_begins(kind);
        self.list_ends(kind)
    }

    /// Forgets a kind that nobody waits for any more. False when somebody does.
    pub(super) fn forget_if_idle(&mut self, kind: &Kind) -> bool {
        let idle = !self.by_object.keys().any(|(cluster, id)| is_of(kind, cluster, id));
        if idle {
            self.kinds.remove(kind);
        }
        idle
    }

    /// The waits that are over because time has passed: the grace, after which silence is no longer waited for, or the
    /// deadline, with what was still waited for.
    pub(super) fn expired(&mut self, now: i64) -> Vec<Over> {
        let due = |waiting: &&mut Waiting| waiting.grace_until.is_some_and(|until| until <= now);
        self.waits.values_mut().filter(due).for_each(|waiting| waiting.grace_until = None);
        let keys: BTreeSet<WaitKey> = self
            .waits
            .iter()
            .filter(|(_, waiting)| waiting.grace_until.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        let mut over: Vec<Over> = keys.iter().filter_map(|key| self.settle(key)).collect();
        let late: Vec<WaitKey> =
            self.waits.iter().filter(|(_, waiting)| waiting.ends_at <= now).map(|(key, _)| key.clone()).collect();
        over.extend(late.iter().filter_map(|key| {
            let standing = self.standing(key)?;
            Some(Over { wait: self.remove(key)?, standing })
        }));
        over
    }

    /// What is waited for, and for which object and why, the worst first.
    pub(super) fn waiting(&self) -> Vec<(AppId, ClusterName, String)> {
        let cluster = |key: &WaitKey| Some(self.waits.get(key)?.wait.cluster.clone());
        let text = |key: &WaitKey| match self.standing(key)? {
            Standing::Waiting(text) => Some((key.0.clone(), cluster(key)?, text)),
            Standing::Done(_) | Standing::Gone(_) | Standing::Failed(_) => None,
        };
        self.waits.keys().filter_map(text).collect()
    }

    /// When [`Board::expired`] has something to say.
    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.waits.values().map(Waiting::next).min()
    }

    fn settle_kind(&mut self, kind: &Kind) -> Vec<Over> {
        let keys: BTreeSet<WaitKey> = self
            .by_object
            .iter()
            .filter(|((cluster, id), _)| is_of(kind, cluster, id))
            .flat_map(|(_, keys)| keys.iter().cloned())
            .collect();
        keys.iter().filter_map(|key| self.settle(key)).collect()
    }

    fn settle_object(&mut self, kind: &Kind, id: &ObjectId) -> Vec<Over> {
        let keys = self.by_object.get(&(kind.cluster.clone(), id.clone())).cloned().unwrap_or_default();
        keys.iter().filter_map(|key| self.settle(key)).collect()
    }

    fn settle(&mut self, key: &WaitKey) -> Option<Over> {
        match self.standing(key)? {
            Standing::Waiting(_) => None,
            standing => Some(Over { wait: self.remove(key)?, standing }),
        }
    }

    fn standing(&self, key: &WaitKey) -> Option<Standing> {
        let Waiting { wait, grace_until, .. } = self.waits.get(key)?;
        Some(judge(wait, grace_until.is_none(), |object| match self.kinds.get(&kind_of(&wait.cluster, object)) {
            Some(watched) if watched.synced => watched.known(object, wait.purpose),
            Some(Watched { trouble: Some(why), .. }) => Known::Hidden(why),
            _ => Known::Unknown,
        }))
    }
}

fn kind_of(cluster: &ClusterName, key: &ObjectKey) -> Kind {
    Kind { cluster: cluster.clone(), group: key.group.clone(), name: key.kind.clone() }
}

fn is_of(kind: &Kind, cluster: &ClusterName, id: &ObjectId) -> bool {
    *cluster == kind.cluster && id.group == kind.group && id.kind == kind.name
}
