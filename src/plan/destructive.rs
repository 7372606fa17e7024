//! Changes that need confirmation, because they cannot be undone or look like an accident.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::asks::asks_for_confirmation;
use super::change::{Action, Change};
use super::contents::Contents;
use crate::manifest::{ObjectId, ObjectKey};

/// How many objects a reason names.
const NAMED: usize = 3;

/// How much of an app may be pruned without confirmation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruneLimit {
    /// More than this share of the inventory waits, from 0 to 1.
    pub share: f64,
    /// The share counts for apps with more objects than this.
    pub above: usize,
}

impl Default for PruneLimit {
    fn default() -> Self {
        Self { share: 0.5, above: 4 }
    }
}

/// One reason why a run needs confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destructive {
    /// What is in it, or belongs to it, goes with it.
    Object { key: ObjectKey, action: Action, contents: Option<Box<Contents>> },
    /// No commit has said that they go, so nobody has reviewed it. `why` is what has.
    Unreviewed { keys: Vec<ObjectKey>, replaced: bool, why: String },
    /// It asks for that itself, by this mark.
    Asks { key: ObjectKey, mark: &'static str },
    /// More of the app's objects than one change usually removes; `all`: those that may be deleted, each of them.
    Many { pruned: usize, of: usize, all: bool },
    /// All that the app has, apart from what moves to other apps.
    All { of: usize },
}

impl Destructive {
    /// The number of objects of which so many are deleted that this needs confirmation, where that is the reason.
    pub fn number(&self) -> Option<usize> {
        match self {
            Self::Object { .. } | Self::Asks { .. } | Self::Unreviewed { .. } => None,
            Self::Many { pruned, all: true, .. } => Some(*pruned),
            Self::Many { of, .. } | Self::All { of } => Some(*of),
        }
    }
}

impl fmt::Display for Destructive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { key, action, contents } => {
                let verb = if *action == Action::Replace { "replaces" } else { "deletes" };
                write!(f, "{verb} {key} and with it {}", what_goes(&key.kind))?;
                contents.as_ref().map_or(Ok(()), |contents| write!(f, ": {contents}"))
            }
            Self::Unreviewed { keys, replaced, why } => {
                let verb = if *replaced { "replaces" } else { "deletes" };
                write!(f, "{verb} {}, which no commit requests: {why}", named(keys))
            }
            Self::Asks { key, mark } => write!(f, "deletes {key}, whose {mark} requires confirmation"),
            Self::Many { pruned, of, .. } => write!(f, "deletes {pruned} of the app's {of} objects"),
            Self::All { of: 1 } => f.write_str("deletes the last object of the app"),
            Self::All { of } => write!(f, "deletes all {of} objects of the app"),
        }
    }
}

/// The first few, and how many more.
pub fn named(keys: &[ObjectKey]) -> String {
    let shown: Vec<String> = keys.iter().take(NAMED).map(ToString::to_string).collect();
    match keys.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn what_goes(kind: &str) -> &'static str {
    match kind {
        "Namespace" => "everything in it",
        "CustomResourceDefinition" => "every object of its kind",
        "PersistentVolumeClaim" => "its data",
        _ => "its pods and what they hold",
    }
}

/// `inventory` is that before the run. Names that are paired by a generator's hash are no prunes. What moves to another
/// app counts on neither side, as it may have moved already when a sync comes to this.
pub fn destructive<'a>(
    changes: impl IntoIterator<Item = &'a Change>,
    inventory: &[ObjectId],
    limit: PruneLimit,
) -> Vec<Destructive> {
    let changes: Vec<&Change> = changes.into_iter().collect();
    let mut found = destructive_objects(changes.iter().copied());
    let owned: BTreeSet<&ObjectId> = inventory.iter().collect();
    let number = |counts: &dyn Fn(&Change) -> bool| {
        changes.iter().filter(|change| counts(change) && owned.contains(&change.key.id())).count()
    };
    let pruned = number(&deletes);
    let of = inventory.len().saturating_sub(number(&|change| change.left_for.is_some() || change.put_off));
    let kept = number(&|change| {
        change.action == Action::None && change.desired.is_none() && change.left_for.is_none() && !change.put_off
    });
    if of > 0 && pruned == of {
        found.push(Destructive::All { of });
    } else if pruned > 0 && pruned + kept >= of {
        // What is kept on purpose makes it no smaller.
        found.push(Destructive::Many { pruned, of, all: true });
    } else if is_too_many(pruned, of, limit) {
        found.push(Destructive::Many { pruned, of, all: false });
    }
    found
}

/// Whether an object is deleted by a plan: it is not on its way already, nor kept until more is known.
pub fn deletes(change: &Change) -> bool {
    change.action == Action::Prune && !is_terminating(change) && !change.put_off
}

pub(super) fn is_too_many(pruned: usize, of: usize, limit: PruneLimit) -> bool {
    of > limit.above && is_more(pruned, of, limit.share)
}

/// What of some changes takes others along.
pub fn destructive_objects<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<Destructive> {
    let one = |change: &Change| {
        let (key, contents) = (change.removes()?.clone(), change.contents.clone());
        if let (Some(mark), false) = (asks(change), holds_others(&key)) {
            return Some(Destructive::Asks { key, mark });
        }
        Some(Destructive::Object { key, action: change.action, contents })
    };
    let changes: Vec<&Change> = changes.into_iter().filter(|change| is_destructive(change)).collect();
    let holding = changes.iter().copied().filter(|change| needs(change));
    holding.filter_map(one).chain(unreviewed(&changes)).collect()
}

/// What nobody has reviewed, by what has caused it.
fn unreviewed(changes: &[&Change]) -> Vec<Destructive> {
    let mut causes: BTreeMap<(bool, &str), Vec<ObjectKey>> = BTreeMap::new();
    for change in changes {
        if let Some(why) = &change.unreviewed {
            causes.entry((change.action == Action::Replace, why)).or_default().push(change.key.clone());
        }
    }
    let one = |((replaced, why), keys): ((bool, &str), _)| Destructive::Unreviewed { keys, replaced, why: why.into() };
    causes.into_iter().map(one).collect()
}

/// Whether a change needs confirmation by itself: what is in an object, or belongs to it, goes with it, the object
/// itself asks for it, or nobody has reviewed that it goes.
pub fn is_destructive(change: &Change) -> bool {
    let is_unreviewed = change.unreviewed.is_some() && matches!(change.action, Action::Prune | Action::Replace);
    // What is put off is deleted later, and nobody looks at it again then.
    (needs(change) && !change.put_off || is_unreviewed) && !is_terminating(change)
}

/// Whether it needs that for what it is about, and not for who has asked.
fn needs(change: &Change) -> bool {
    change.removes().is_some_and(holds_others) || asks(change).is_some()
}

/// The mark by which an object that goes for good asks for confirmation.
fn asks(change: &Change) -> Option<&'static str> {
    let goes = change.action == Action::Prune;
    change.before.as_ref().filter(|_| goes).and_then(asks_for_confirmation)
}

/// Whether an object is being deleted already: nobody can take that back, so it needs no confirmation.
pub fn is_terminating(change: &Change) -> bool {
    change.action == Action::Prune
        && change.before.as_ref().is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_some())
}

#[expect(clippy::cast_precision_loss, reason = "inventories are far below 2^52 objects")]
fn is_more(pruned: usize, of: usize, share: f64) -> bool {
    pruned as f64 > of as f64 * share
}

fn holds_others(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        ("", "Namespace" | "PersistentVolumeClaim")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("apps", "StatefulSet")
    )
}

#[cfg(test)]
mod tests {
    use super::super::change::{Change, Plan, Verdict};
    use super::*;
    use crate::ids::{AppId, ClusterName, RepoName};

    fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
        let namespace = (kind != "Namespace").then(|| "shop".to_owned());
        ObjectKey {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace,
            name: name.to_owned(),
        }
    }

    fn maps(count: usize) -> Vec<ObjectKey> {
        (0..count).map(|number| key("", "ConfigMap", &format!("m{number}"))).collect()
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan {
            app: AppId::new(&RepoName::new("shop"), "web"),
            cluster: ClusterName::new("prod"),
            revision: "0123456789012345678901234567890123456789".parse().expect("an id"),
            changes,
        }
    }

    fn reasons(pruned: &[ObjectKey], inventory: &[ObjectKey]) -> String {
        let plan = plan(pruned.iter().map(|key| Change::new(key.clone(), Action::Prune, Verdict::Accepted)).collect());
        let inventory: Vec<_> = inventory.iter().map(ObjectKey::id).collect();
        destructive(&plan.changes, &inventory, PruneLimit::default())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn half_of_an_app_is_not_more_than_half() {
        let six = maps(6);
        assert_eq!(reasons(&six[..3], &six), "");
        assert_eq!(reasons(&six[..4], &six), "deletes 4 of the app's 6 objects");
        assert_eq!(reasons(&six, &six), "deletes all 6 objects of the app");
    }

    #[test]
    fn a_small_app_may_lose_most_of_itself_but_not_all() {
        let four = maps(4);
        assert_eq!(reasons(&four[..3], &four), "");
        assert_eq!(reasons(&four, &four), "deletes all 4 objects of the app");
        assert_eq!(reasons(&four[..1], &four[..1]), "deletes the last object of the app");
        assert_eq!(reasons(&[], &[]), "");
    }

    /// A14+: what no commit asks for needs confirmation by itself, and says what has caused it.
    #[test]
    fn what_no_commit_asks_for_is_held() {
        let why = |cause: &str| Some(cause.to_owned());
        let of = |key: &ObjectKey, action, cause: Option<String>| Change {
            unreviewed: cause,
            ..Change::new(key.clone(), action, Verdict::Accepted)
        };
        let all = maps(9);
        let changes = [
            of(&all[0], Action::Prune, why("cluster prod now serves a.io/v1/A")),
            of(&all[1], Action::Prune, why("cluster prod now serves a.io/v1/A")),
            of(&all[2], Action::Replace, why("Driftless was upgraded")),
            of(&all[3], Action::Update, why("an update is none")),
            of(&all[4], Action::Prune, None),
        ];
        assert_eq!(changes.each_ref().map(is_destructive), [true, true, true, false, false]);
        let put_off = Change { put_off: true, ..changes[0].clone() };
        assert!(is_destructive(&put_off), "nobody looks at it again before it is deleted");
        let inventory: Vec<_> = all.iter().map(ObjectKey::id).collect();
        let reasons = destructive(&changes, &inventory, PruneLimit::default());
        let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "deletes ConfigMap shop/m0, ConfigMap shop/m1, which no commit requests: cluster prod now \
                 serves a.io/v1/A",
                "replaces ConfigMap shop/m2, which no commit requests: Driftless was upgraded",
            ]
        );
    }

    /// X2+: what is kept on purpose does not make the loss of all the rest a small one.
    #[test]
    fn all_but_what_is_kept_is_all() {
        let three = maps(3);
        let mut changes: Vec<_> =
            three[..2].iter().map(|key| Change::new(key.clone(), Action::Prune, Verdict::Accepted)).collect();
        changes.push(Change::new(three[2].clone(), Action::None, Verdict::Accepted));
        let inventory: Vec<_> = three.iter().map(ObjectKey::id).collect();
        let found = destructive(&plan(changes).changes, &inventory, PruneLimit::default());
        assert_eq!(found, [Destructive::Many { pruned: 2, of: 3, all: true }]);
    }

    /// X2+: what asks for confirmation by itself is asked about, and only when it goes for good.
    #[test]
    fn what_asks_for_confirmation_needs_it() {
        let mark = serde_json::json!({"argocd.argoproj.io/sync-options": "Prune=confirm"});
        let mut change = Change::new(key("", "ConfigMap", "a"), Action::Prune, Verdict::Accepted);
        change.before = Some(serde_json::json!({"metadata": {"annotations": mark}}));
        let said = destructive_objects([&change]).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            said,
            [
                "deletes ConfigMap shop/a, whose annotation `argocd.argoproj.io/sync-options: Prune=confirm` requires confirmation"
            ]
        );
        change.action = Action::Update;
        assert!(!is_destructive(&change));
    }

    /// X2+: an app that is renamed: what moves is no part of it any more, whether or not it has moved by then.
    #[test]
    fn what_moves_away_does_not_count() {
        let three = maps(3);
        let prune = || Change::new(three[0].clone(), Action::Prune, Verdict::Accepted);
        let left = three[1..].iter().map(|key| {
            let mut change = Change::new(key.clone(), Action::Prune, Verdict::Accepted);
            change.leave(AppId::new(&RepoName::new("shop"), "new"));
            change
        });
        let before: Vec<Change> = std::iter::once(prune()).chain(left).collect();
        let ids: Vec<_> = three.iter().map(ObjectKey::id).collect();
        let found = destructive(&before, &ids, PruneLimit::default());
        assert_eq!(found, [Destructive::All { of: 1 }]);
        assert_eq!(found, destructive(&[prune()], &ids[..1], PruneLimit::default()), "it has moved already");
        assert_eq!(destructive(&before[1..], &ids[1..], PruneLimit::default()), [], "all of it moves");
    }

    /// H2+: what is kept until it is known that no other app wants it is not deleted by this, so nothing is to confirm.
    #[test]
    fn what_is_put_off_needs_no_confirmation_yet() {
        let mut change = Change::new(key("", "Namespace", "shop"), Action::Prune, Verdict::Accepted);
        change.put_off = true;
        let ids = [change.key.id(), maps(1)[0].id()];
        assert_eq!(destructive(&[change], &ids, PruneLimit::default()), []);
    }

    /// X2: whatever a pair of names deletes is judged as a delete, should it ever be of a kind that holds others.
    #[test]
    fn the_old_name_of_a_pair_is_judged_as_a_delete() {
        let mut change = Change::new(key("", "Namespace", "data-4444444444"), Action::Update, Verdict::Accepted);
        assert!(!is_destructive(&change));
        change.replaces_name = Some(key("", "Namespace", "data-2222222222"));
        assert!(is_destructive(&change));
        let plan = plan(vec![change]);
        insta::assert_snapshot!(destructive(&plan.changes, &[], PruneLimit::default())[0].to_string(),
            @"deletes Namespace data-2222222222 and with it everything in it");
    }

    #[test]
    fn what_holds_others_is_never_deleted_by_itself() {
        let inventory: Vec<_> =
            maps(9).into_iter().chain([key("", "Namespace", "shop"), key("apps", "StatefulSet", "db")]).collect();
        insta::assert_snapshot!(reasons(&inventory[9..], &inventory),
            @
                "deletes Namespace shop and with it everything in it; deletes StatefulSet shop/db and with it its \
                 pods and what they hold");
        assert_eq!(reasons(&[key("x.io", "Namespace", "a")], &inventory), "");
    }

    /// X2: what goes along is named by kind, and what is being deleted already needs no confirmation.
    #[test]
    fn what_goes_along_is_named_by_kind() {
        let owned =
            [key("apiextensions.k8s.io", "CustomResourceDefinition", "shops"), key("", "PersistentVolumeClaim", "d")];
        let inventory: Vec<_> = owned.iter().cloned().chain(maps(9)).collect();
        insta::assert_snapshot!(reasons(&owned, &inventory),
            @"deletes CustomResourceDefinition shop/shops and with it every object of its kind; deletes PersistentVolumeClaim shop/d and with it its data");
        let terminating = |action: Action, kind: &str| {
            let mut change = Change::new(key("", kind, "shop"), action, Verdict::Accepted);
            change.before = Some(serde_json::json!({"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}}));
            (is_terminating(&change), is_destructive(&change), deletes(&change))
        };
        assert_eq!(terminating(Action::Prune, "Namespace"), (true, false, false));
        assert_eq!(terminating(Action::Replace, "Namespace"), (false, true, false));
        assert_eq!(terminating(Action::Update, "Namespace"), (false, false, false));
    }

    /// X2+: of how many it is held, which stays so while the app grows.
    #[test]
    fn the_number_that_is_too_many_is_known() {
        let many = |pruned, of, all| Destructive::Many { pruned, of, all }.number();
        assert_eq!(
            (many(4, 6, false), many(4, 6, true), Destructive::All { of: 3 }.number()),
            (Some(6), Some(4), Some(3))
        );
        let object = Destructive::Object { key: key("", "Namespace", "a"), action: Action::Prune, contents: None };
        assert_eq!(object.number(), None);
    }
}
