//! What a merged pull request tells of its apps. Pure. Events are only added: the first end of a merge stays, and what
//! happens later stands below it.

use std::collections::BTreeSet;

use crate::ids::{AppId, Oid};
use crate::plan::Action;
use crate::report::preview::{AppEnd, AppResult, DefinitionChange, PreviewReport};

/// So many events of one app are told.
const MOST: usize = 20;

/// Something that came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub revision: Oid,
    pub end: AppEnd,
}

/// Whether this is how a merge ended, for good or ill. What is not is told until it is over.
pub fn is_end(end: &AppEnd) -> bool {
    is_settled(end) || failure(end).is_some() || matches!(end, AppEnd::Drifted { .. } | AppEnd::Healthy { .. })
}

/// Whether nothing that follows has to do with the merge.
pub fn is_settled(end: &AppEnd) -> bool {
    match end {
        // What is kept now may be deleted later.
        AppEnd::Healthy { kept, .. } => kept.is_empty(),
        AppEnd::Removed { lost, all, .. } => lost.is_none() && *all,
        AppEnd::Kept
        | AppEnd::Pruned { .. }
        | AppEnd::Superseded { .. }
        | AppEnd::Replaced { .. }
        | AppEnd::Withdrawn { .. }
        | AppEnd::Unchanged => true,
        _ => false,
    }
}

/// Whether a deletion took what Git still has: for whoever reads it, the merge has failed.
pub fn failure(end: &AppEnd) -> Option<&str> {
    match end {
        AppEnd::Failed { message } | AppEnd::Removed { lost: Some(message), .. } => Some(message),
        _ => None,
    }
}

/// What an end of a sync adds to the events of a merge that is contained in its revision. `removes`: the pull request
/// took the app's definition away.
pub fn added(events: &[Event], removes: bool, event: Event) -> Option<Event> {
    let last = events.last();
    if events.len() >= MOST || events.iter().any(|event| is_settled(&event.end)) {
        return None;
    }
    let kept = kept(events);
    let end = match (last.map(|last| &last.end), event.end) {
        (_, end @ (AppEnd::Confirmed { .. } | AppEnd::Removed { .. })) => deleted(events, removes, end)?,
        // All is told but what becomes of the objects that were kept.
        (_, end @ AppEnd::Waiting { .. }) if !kept.is_empty() && meets(&kept, named(&end)) => end,
        _ if !kept.is_empty() => return None,
        // How it ended is said.
        (Some(_), AppEnd::Replaced { .. }) => return None,
        // That the deletion failed the app is said.
        (Some(AppEnd::Removed { lost: Some(_), .. }), AppEnd::Failed { .. })
            if last.is_some_and(|last| last.revision == event.revision) =>
        {
            return None;
        }
        // It is there again, so that the objects of the removed one were never deleted.
        (_, AppEnd::Healthy { .. } | AppEnd::Drifted { .. }) if removes => {
            AppEnd::Superseded { by: event.revision.clone() }
        }
        // Nor is how the new one fails.
        (Some(_), AppEnd::Failed { .. } | AppEnd::Waiting { .. })
            if removes && events.iter().all(|told| told.revision != event.revision) =>
        {
            return None;
        }
        // What the merge brought is applied: how a later commit fares is for the pull request of that one to tell.
        (Some(_), AppEnd::Failed { .. } | AppEnd::Waiting { .. } | AppEnd::Drifted { .. })
            if is_applied(events) && events.iter().all(|told| told.revision != event.revision) =>
        {
            return None;
        }
        (Some(AppEnd::Waiting { deletes, objects, .. }), AppEnd::Healthy { removed, kept, .. })
            if kept.is_empty() && (removed == 0 || !objects.is_empty()) =>
        {
            AppEnd::Withdrawn { deletes: *deletes, objects: objects.clone() }
        }
        // The others that were held are done.
        (Some(AppEnd::Removed { .. }), AppEnd::Healthy { kept, .. })
            if kept.is_empty() && !never_confirmed(events).is_empty() =>
        {
            let objects = never_confirmed(events);
            AppEnd::Withdrawn { deletes: u32::try_from(objects.len()).unwrap_or(u32::MAX), objects }
        }
        (_, AppEnd::Pruned { .. }) => AppEnd::Pruned { by: last_confirmed_by(events) },
        (_, end) => end,
    };
    let event = Event { end, ..event };
    let repeats = last.is_some_and(|last| match (&last.end, &event.end) {
        // A retry that words its failure in another way tells nothing new.
        (AppEnd::Failed { .. }, AppEnd::Failed { .. }) => last.revision == event.revision,
        (AppEnd::Waiting { deletes, objects, .. }, AppEnd::Waiting { deletes: now, objects: which, .. }) => {
            deletes == now && (objects == which || objects.is_empty())
        }
        (before, now) => before == now,
    });
    (!repeats && !is_passing(&event.end)).then_some(event)
}

/// The objects that a confirmation is about.
fn named(end: &AppEnd) -> &[String] {
    match end {
        AppEnd::Waiting { objects, .. } | AppEnd::Confirmed { objects, .. } | AppEnd::Removed { objects, .. } => {
            objects
        }
        _ => &[],
    }
}

fn meets(some: &BTreeSet<&String>, others: &[String]) -> bool {
    others.iter().any(|other| some.contains(other))
}

/// What was kept at the end of the merge, and is kept still: neither gone nor held by now.
fn kept(events: &[Event]) -> BTreeSet<&String> {
    let mut kept = BTreeSet::new();
    for event in events {
        if let AppEnd::Healthy { kept: now, .. } = &event.end {
            kept.extend(now);
        }
        for decided in named(&event.end) {
            kept.remove(decided);
        }
    }
    kept
}

fn all_named(events: &[Event], which: impl Fn(&AppEnd) -> bool) -> BTreeSet<&String> {
    events.iter().filter(|event| which(&event.end)).flat_map(|event| named(&event.end)).collect()
}

/// What was held, and was neither confirmed nor done.
fn never_confirmed(events: &[Event]) -> Vec<String> {
    let held = all_named(events, |end| matches!(end, AppEnd::Waiting { .. }));
    let decided = all_named(events, |end| matches!(end, AppEnd::Confirmed { .. } | AppEnd::Removed { .. }));
    held.difference(&decided).map(|object| (*object).clone()).collect()
}

/// Who confirmed last, whatever it was.
fn last_confirmed_by(events: &[Event]) -> Option<String> {
    events.iter().rev().find_map(|event| if let AppEnd::Confirmed { by, .. } = &event.end { by.clone() } else { None })
}

/// Who confirmed some of these last.
fn confirmed_by(events: &[Event], objects: &[String]) -> Option<String> {
    events.iter().rev().find_map(|event| match &event.end {
        AppEnd::Confirmed { objects: confirmed, by } if objects.iter().any(|object| confirmed.contains(object)) => {
            by.clone()
        }
        _ => None,
    })
}

/// What the end of a deletion adds: only what was told to be held or kept is told to be gone, once.
fn deleted(events: &[Event], removes: bool, end: AppEnd) -> Option<AppEnd> {
    let held = all_named(events, |end| matches!(end, AppEnd::Waiting { .. }));
    let gone = all_named(events, |end| matches!(end, AppEnd::Removed { .. }));
    let open: BTreeSet<&String> = held.union(&kept(events)).copied().filter(|object| !gone.contains(object)).collect();
    match end {
        AppEnd::Confirmed { objects, by } => {
            let objects: Vec<String> = objects.into_iter().filter(|object| open.contains(object)).collect();
            (!objects.is_empty()).then_some(AppEnd::Confirmed { objects, by })
        }
        // The end of an app that was removed is told as that.
        AppEnd::Removed { lost: None, .. } if removes => None,
        AppEnd::Removed { objects, replaced, lost, confirmed, by, .. } => {
            let objects: Vec<String> = objects.into_iter().filter(|object| open.contains(object)).collect();
            let now: BTreeSet<&String> = objects.iter().collect();
            let confirmed = (confirmed || by.is_some()) && meets(&held, &objects);
            let all = open.is_subset(&now);
            let by = by.or_else(|| confirmed_by(events, &objects)).filter(|_| confirmed);
            (!objects.is_empty()).then_some(AppEnd::Removed { objects, replaced, lost, confirmed, by, all })
        }
        end => Some(end),
    }
}

/// An end as it looks from one pull request: what other changes have brought is named as theirs. None: it has nothing
/// to do with this one.
pub fn seen_from(own: &Own, end: AppEnd) -> Option<AppEnd> {
    let of = |objects: Vec<String>| -> (Vec<String>, Vec<String>) {
        objects.into_iter().partition(|object| own.has(object))
    };
    Some(match end {
        AppEnd::Waiting { deletes, objects, after_seconds, removed, kept, .. } if !objects.is_empty() => {
            let ((objects, held), (kept, _)) = (of(objects), of(kept));
            if objects.is_empty() {
                return Some(AppEnd::Healthy { after_seconds, removed, held, kept });
            }
            let deletes = if held.is_empty() { deletes } else { u32::try_from(objects.len()).unwrap_or(u32::MAX) };
            AppEnd::Waiting { deletes, objects, held, after_seconds, removed, kept }
        }
        AppEnd::Healthy { after_seconds, removed, held, kept } => {
            AppEnd::Healthy { after_seconds, removed, held, kept: of(kept).0 }
        }
        AppEnd::Confirmed { objects, by } => AppEnd::Confirmed { objects: some(of(objects).0)?, by },
        AppEnd::Removed { objects, replaced, lost, confirmed, by, all } => {
            AppEnd::Removed { objects: some(of(objects).0)?, replaced, lost, confirmed, by, all }
        }
        end => end,
    })
}

fn some(objects: Vec<String>) -> Option<Vec<String>> {
    (!objects.is_empty()).then_some(objects)
}

/// The objects of an app that a pull request deletes or replaces, as it was previewed.
#[derive(Debug, Default)]
pub struct Own {
    objects: BTreeSet<String>,
    /// All of the app's: it takes its definition away, or what it does is not known.
    all: bool,
}

impl Own {
    pub fn of(report: &PreviewReport, app: &AppId) -> Self {
        let mut own = Self::default();
        let mut reports = report.apps.iter().filter(|report| report.app == *app).peekable();
        own.all = reports.peek().is_none();
        for report in reports {
            own.all |=
                report.definition == DefinitionChange::Removed || !matches!(report.result, AppResult::Planned { .. });
            for object in report.objects() {
                let goes = matches!(object.action, Action::Prune | Action::Replace).then_some(&object.key);
                own.objects.extend(goes.into_iter().chain(&object.replaces_name).map(ToString::to_string));
            }
        }
        own
    }

    fn has(&self, object: &str) -> bool {
        self.all || self.objects.contains(object)
    }
}

/// Whether a sync has applied what the merge brought, with something left to confirm or to report.
fn is_applied(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.end, AppEnd::Waiting { .. } | AppEnd::Drifted { .. }))
}

/// Whether what a later revision comes to, which has nothing of the merge any more, is told as that of the merge being
/// taken back: nothing of it was told to be applied and well.
pub fn may_be_taken_back(events: &[Event], end: &AppEnd) -> bool {
    let is_open = |told: &Event| matches!(told.end, AppEnd::Failed { .. } | AppEnd::Drifted { .. });
    match end {
        AppEnd::Healthy { .. } | AppEnd::Unchanged | AppEnd::Failed { .. } | AppEnd::Drifted { .. } => {
            events.iter().all(is_open)
        }
        AppEnd::Waiting { .. } | AppEnd::Replaced { .. } => events.is_empty(),
        _ => false,
    }
}

/// Where an app stands is no event.
fn is_passing(end: &AppEnd) -> bool {
    matches!(
        end,
        AppEnd::Running | AppEnd::Progressing { .. } | AppEnd::Manual | AppEnd::Never | AppEnd::Paused | AppEnd::Pinned
    )
}

/// The event that the first line tells: the first end, or, while there is none, the last thing that was heard.
pub fn first(events: &[Event]) -> Option<usize> {
    events.iter().position(|event| is_end(&event.end)).or(events.len().checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::waiting;

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    fn event(revision: &str, end: AppEnd) -> Event {
        Event { revision: oid(revision), end }
    }

    fn healthy(removed: u32) -> AppEnd {
        AppEnd::Healthy { after_seconds: 2, removed, held: Vec::new(), kept: Vec::new() }
    }

    fn failed(message: &str) -> AppEnd {
        AppEnd::Failed { message: message.into() }
    }

    /// All that a pull request comes to tell.
    fn told(removes: bool, ends: Vec<Event>) -> Vec<AppEnd> {
        let mut events = Vec::new();
        for end in ends {
            events.extend(added(&events, removes, end));
        }
        events.into_iter().map(|event| event.end).collect()
    }

    /// T1: what failed stays failed, and a later fix is told beside it.
    #[test]
    fn a_failure_is_never_erased() {
        let ends = vec![
            event("a", failed("no")),
            event("a", failed("still no")),
            event("b", healthy(0)),
            event("c", failed("another")),
        ];
        assert_eq!(told(false, ends.clone()), [failed("no"), healthy(0)]);
        assert_eq!(first(&ends), Some(0));
    }

    /// T1: what an app that was removed by the pull request does later, under a new definition, is no outcome of the
    /// removal.
    #[test]
    fn an_app_that_comes_back_was_not_deleted() {
        let ends = vec![event("a", waiting(3, &[])), event("b", healthy(0)), event("c", healthy(0))];
        assert_eq!(told(true, ends), [waiting(3, &[]), AppEnd::Superseded { by: oid("b") }]);
        let ends = vec![event("a", waiting(3, &[])), event("a", AppEnd::Pruned { by: None }), event("b", healthy(0))];
        assert_eq!(told(true, ends), [waiting(3, &[]), AppEnd::Pruned { by: None }]);
    }

    /// T1: a deletion that was held and then taken back in Git never happened.
    #[test]
    fn a_deletion_that_never_happened_is_not_told_as_done() {
        let ends = vec![event("a", waiting(5, &[])), event("b", healthy(0))];
        assert_eq!(told(false, ends), [waiting(5, &[]), AppEnd::Withdrawn { deletes: 5, objects: Vec::new() }]);
        let ends = vec![event("a", waiting(5, &[])), event("a", healthy(5))];
        assert_eq!(told(false, ends), [waiting(5, &[]), healthy(5)]);
    }

    /// B10+: a merge that waits for confirmation was applied; what a later one breaks is not its failure.
    #[test]
    fn a_later_commits_failure_is_not_this_ones() {
        let ends = vec![event("a", waiting(1, &[])), event("b", failed("of another")), event("b", healthy(1))];
        assert_eq!(told(false, ends), [waiting(1, &[]), healthy(1)]);
        let ends = vec![event("a", waiting(1, &[])), event("a", failed("its deletion"))];
        assert_eq!(told(false, ends), [waiting(1, &[]), failed("its deletion")]);
        let ends = vec![event("b", failed("both"))];
        assert_eq!(told(false, ends), [failed("both")], "it was never applied without the other");
    }

    /// F4: what was replaced before it was healthy stays so, whatever the later one comes to; what failed before has
    /// failed.
    #[test]
    fn what_was_replaced_is_not_told_as_healthy() {
        let replaced = AppEnd::Replaced { by: oid("b"), healthy: false };
        let ends = vec![event("a", replaced.clone()), event("b", healthy(0)), event("b", failed("of another"))];
        assert_eq!(told(false, ends), std::slice::from_ref(&replaced));
        assert_eq!(told(false, vec![event("a", failed("no")), event("a", replaced)]), [failed("no")]);
        let ends = [event("a", failed("no"))];
        for end in [healthy(0), failed("b"), AppEnd::Unchanged] {
            assert!(may_be_taken_back(&ends, &end) && may_be_taken_back(&[], &end), "{end:?}");
            assert!(!may_be_taken_back(&[event("a", waiting(1, &[]))], &end), "it was applied, and is told as that");
        }
        assert!(may_be_taken_back(&[], &waiting(1, &[])) && !may_be_taken_back(&ends, &waiting(1, &[])));
    }

    #[test]
    fn where_an_app_stands_is_no_event() {
        let passing = [AppEnd::Running, AppEnd::Manual, AppEnd::Paused, AppEnd::Pinned, AppEnd::Never];
        assert_eq!(told(false, passing.map(|end| event("a", end)).to_vec()), []);
        assert_eq!(first(&[event("a", waiting(1, &[]))]), Some(0), "until there is an end");
    }

    fn names(objects: &[&str]) -> Vec<String> {
        objects.iter().map(|object| (*object).to_owned()).collect()
    }

    fn gone(objects: &[&str], lost: Option<&str>) -> AppEnd {
        AppEnd::Removed {
            objects: names(objects),
            replaced: false,
            lost: lost.map(Into::into),
            confirmed: true,
            by: None,
            all: false,
        }
    }

    fn own(objects: &[&str]) -> Own {
        Own { objects: names(objects).into_iter().collect(), all: false }
    }

    /// All that a pull request that deletes these comes to tell.
    fn told_by(own: &Own, ends: &[Event]) -> Vec<AppEnd> {
        told(
            false,
            ends.iter()
                .filter_map(|one| Some(Event { end: seen_from(own, one.end.clone())?, ..one.clone() }))
                .collect(),
        )
    }

    /// T18: a deletion that was confirmed ends where it was proposed, and nothing of it is put to a pull request that
    /// came later.
    #[test]
    fn a_deletion_ends_on_the_pull_request_that_brought_it() {
        let ends = [
            event("a", waiting(1, &["Namespace shop"])),
            event("b", waiting(1, &["Namespace shop"])),
            event("b", AppEnd::Confirmed { objects: names(&["Namespace shop"]), by: Some("uid 1000 (ada)".into()) }),
            event("b", gone(&["Namespace shop"], None)),
            event("b", healthy(1)),
        ];
        let done = AppEnd::Removed {
            objects: names(&["Namespace shop"]),
            replaced: false,
            lost: None,
            confirmed: true,
            by: Some("uid 1000 (ada)".into()),
            all: true,
        };
        let confirmed = ends[2].end.clone();
        let brought = told_by(&own(&["Namespace shop"]), &ends);
        assert_eq!(brought, [waiting(1, &["Namespace shop"]), confirmed.clone(), done]);
        let later =
            AppEnd::Healthy { after_seconds: 3, removed: 0, held: names(&["Namespace shop"]), kept: Vec::new() };
        assert_eq!(told_by(&own(&[]), &ends[1..]), std::slice::from_ref(&later));

        // It took what Git still has, and a later push mends that.
        let lost = "deleting Namespace shop also deleted 5 objects that Git still has";
        let ends = [
            &ends[..3],
            &[event("b", gone(&["Namespace shop"], Some(lost))), event("b", failed(lost)), event("c", healthy(0))],
        ]
        .concat();
        let brought = told_by(&own(&["Namespace shop"]), &ends);
        assert_eq!(brought[2..].iter().map(failure).collect::<Vec<_>>(), [Some(lost), None]);
        assert_eq!(brought.last(), Some(&healthy(0)));
        assert_eq!(told_by(&own(&[]), &ends[1..]), [later]);
    }

    /// T18: of two deletions, one is confirmed and the other is taken back in Git.
    #[test]
    fn each_deletion_has_its_own_end() {
        let own = own(&["a", "b"]);
        let ends = [
            event("a", waiting(2, &["a", "b"])),
            event("b", waiting(1, &["b"])),
            event("b", gone(&["b"], None)),
            event("b", healthy(1)),
        ];
        let told = told_by(&own, &ends);
        assert!(matches!(told[1], AppEnd::Removed { all: false, confirmed: true, .. }), "{told:?}");
        assert_eq!(told[2..], [AppEnd::Withdrawn { deletes: 1, objects: names(&["a"]) }]);
        // What waited only with the one that is taken back is done without a confirmation.
        let freed = AppEnd::Removed {
            objects: names(&["b"]),
            replaced: false,
            lost: None,
            confirmed: false,
            by: None,
            all: false,
        };
        let ends = [event("a", waiting(2, &["a", "b"])), event("b", freed.clone()), event("b", healthy(1))];
        let off = AppEnd::Withdrawn { deletes: 1, objects: names(&["a"]) };
        assert_eq!(told_by(&own, &ends), [waiting(2, &["a", "b"]), freed, off]);
        // Somebody else's deletion is no end of one that was taken back.
        let ends = [event("a", waiting(2, &["a", "x"])), event("b", gone(&["x"], None)), event("b", healthy(1))];
        assert!(matches!(
            told_by(&own, &ends)[..],
            [AppEnd::Waiting { deletes: 1, .. }, AppEnd::Withdrawn { deletes: 1, .. }]
        ));
    }

    /// H2+: what was kept and is held by then may be called off: that no confirmation is needed any more is told.
    #[test]
    fn what_was_kept_and_then_held_may_be_called_off() {
        let space = || names(&["Namespace shop"]);
        let kept = AppEnd::Healthy { after_seconds: 2, removed: 0, held: Vec::new(), kept: space() };
        // Another deletion of the app waits on.
        let ends = [
            event("a", kept.clone()),
            event("b", waiting(1, &["Namespace shop"])),
            event("c", waiting(1, &["ConfigMap shop/x"])),
            event("d", healthy(1)),
        ];
        let off = AppEnd::Withdrawn { deletes: 1, objects: space() };
        assert_eq!(told_by(&own(&["Namespace shop"]), &ends), [kept, waiting(1, &["Namespace shop"]), off]);
    }

    /// T2+: who confirmed the deletion of a removed app is told on the pull request that removed it.
    #[test]
    fn who_confirmed_a_removal_is_told_with_its_end() {
        let by = || Some("uid 1000 (ada)".to_owned());
        let ends = vec![
            event("a", waiting(1, &["ConfigMap shop/x"])),
            event("a", AppEnd::Confirmed { objects: names(&["ConfigMap shop/x"]), by: by() }),
            event("a", AppEnd::Pruned { by: None }),
        ];
        assert_eq!(told(true, ends).last(), Some(&AppEnd::Pruned { by: by() }));
    }

    /// H2: what was kept, because another app may want it, is told to be gone once it is; nothing else is added.
    #[test]
    fn what_was_kept_is_told_once_it_is_deleted() {
        let kept =
            AppEnd::Healthy { after_seconds: 2, removed: 0, held: Vec::new(), kept: names(&["ConfigMap shop/x"]) };
        let ends = [
            event("a", kept.clone()),
            event("b", healthy(0)),
            event("b", failed("of another")),
            event("b", gone(&["ConfigMap shop/x", "ConfigMap shop/y"], None)),
            event("c", healthy(0)),
        ];
        let x = names(&["ConfigMap shop/x"]);
        let done = AppEnd::Removed { objects: x, replaced: false, lost: None, confirmed: false, by: None, all: true };
        assert_eq!(told_by(&own(&["ConfigMap shop/x"]), &ends), [kept, done]);
        assert_eq!(told_by(&own(&[]), &ends), [healthy(0)], "it is nobody else's");
    }
}
