//! The objects that the apps of a repo render, by the state of Git.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::could::Could;
use crate::app::Discovered;
use crate::ids::{AppId, Oid, RepoName};
use crate::manifest::ObjectId;

/// Ids that are remembered, of all repos together; each app that is not synced brings two for each of its objects.
const MOST_IDS: u64 = 1_000_000;

/// Definitions branches whose apps are remembered.
const MOST_BRANCHES: u64 = 16;

/// A push that takes something from a thousand apps asks Git once and not a thousand times; a delete that waits for
/// health asks again.
const ASKED_HOLDS: Duration = Duration::from_secs(5);

const MOST_ASKED: u64 = 256;

/// What was found out before, by the commits that it was found out of.
pub struct UnclaimedCache {
    pub(in crate::jobs) wanted: Cache<String, Arc<UnclaimedObjects>>,
    /// What Git said a moment ago, by what was known before.
    pub(in crate::jobs) asked: Cache<String, Arc<Fetched>>,
    pub(in crate::jobs) definitions: Cache<(RepoName, Oid), Arc<Discovered>>,
}

impl Default for UnclaimedCache {
    fn default() -> Self {
        let weigh = |_: &String, wanted: &Arc<UnclaimedObjects>| {
            let unknown: usize = wanted.unknown.iter().map(|unknown| unknown.could.weight()).sum();
            u32::try_from(wanted.by.len() + unknown).unwrap_or(u32::MAX).saturating_add(100)
        };
        Self {
            wanted: Cache::builder().max_capacity(MOST_IDS).weigher(weigh).build(),
            asked: Cache::builder().max_capacity(MOST_ASKED).time_to_live(ASKED_HOLDS).build(),
            definitions: Cache::builder().max_capacity(MOST_BRANCHES).build(),
        }
    }
}

/// What the apps of one repo want in one cluster, of which it is not known that they have claimed it.
#[derive(Default)]
pub(in crate::jobs) struct UnclaimedObjects {
    pub by: HashMap<ObjectId, BTreeSet<AppId>>,
    /// Apps of which it can't be known what they want.
    pub unknown: Vec<Unknown>,
    /// Somebody's fault that passes: it is found out anew the next time.
    pub passes: bool,
}

/// An app that does not render, or cannot be looked at.
#[derive(Debug, Clone)]
pub(in crate::jobs) struct Unknown {
    pub app: AppId,
    pub why: String,
    /// Nothing else is held for it.
    pub could: Could,
}

/// Why an object that an app no longer wants is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::jobs) struct LeftFor {
    pub app: AppId,
    /// None where it is known that the app wants it.
    pub unknown: Option<String>,
}

impl LeftFor {
    const HELD: &str = "held: ";

    /// Whether a note says that something is left because it is not known who wants it.
    pub fn is_held(note: &str) -> bool {
        note.starts_with(Self::HELD)
    }
}

impl std::fmt::Display for LeftFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.unknown {
            None => write!(f, "kept for app {}, which renders it", self.app),
            Some(why) => write!(f, "{}it is unknown whether app {} renders it: {why}", Self::HELD, self.app),
        }
    }
}

impl UnclaimedObjects {
    /// For whom an object has to be left, if for anybody.
    pub fn left_for(&self, id: &ObjectId, counts: impl Fn(&AppId) -> bool) -> Option<LeftFor> {
        let known = self.by.get(id).into_iter().flatten().find(|app| counts(app));
        let known = known.map(|app| LeftFor { app: app.clone(), unknown: None });
        let unknown = || self.unknown.iter().find(|unknown| counts(&unknown.app) && unknown.could.render(id));
        known.or_else(|| {
            unknown().map(|Unknown { app, why, .. }| LeftFor { app: app.clone(), unknown: Some(why.clone()) })
        })
    }
}

/// Where Git says that refs are. One that is gone is not among them: what an app wanted of it last still counts.
pub(in crate::jobs) type Seen = BTreeMap<(RepoName, String), Oid>;

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppId {
        AppId::new(&RepoName::new("shop"), name)
    }

    fn id(name: &str) -> ObjectId {
        ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: Some("shop".into()), name: name.into() }
    }

    #[test]
    fn what_is_known_comes_before_what_may_be() {
        let wanted = UnclaimedObjects {
            by: HashMap::from([(id("a"), BTreeSet::from([app("web"), app("api")]))]),
            unknown: vec![
                Unknown { app: app("lib"), why: "no such file".into(), could: Could::Of("kind: Service".into()) },
                Unknown { app: app("cart"), why: "no such file".into(), could: Could::Anything },
            ],
            passes: false,
        };
        let not = |name: &'static str| move |other: &AppId| *other != app(name);
        let text = |left: Option<LeftFor>| left.map(|left| left.to_string()).unwrap_or_default();
        assert_eq!(text(wanted.left_for(&id("a"), not("api"))), "kept for app shop/web, which renders it");
        assert_eq!(
            text(wanted.left_for(&id("b"), not("api"))),
            "held: it is unknown whether app shop/cart renders it: no such file",
            "and not for one that could not"
        );
        assert_eq!(wanted.left_for(&id("b"), not("cart")), None, "an app's own error keeps nothing of its own");
    }
}

/// Repos that could not be asked, and why.
pub(in crate::jobs) type Unseen = BTreeMap<RepoName, String>;

/// What Git said.
#[derive(Default)]
pub(in crate::jobs) struct Fetched {
    pub seen: Seen,
    pub unseen: Unseen,
}
