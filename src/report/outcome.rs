//! The outcomes of a merged pull request's apps. Pure. Events are only appended: the first outcome of a merge stays,
//! and later events follow below it.

use std::collections::BTreeSet;

use crate::ids::{AppId, Oid};
use crate::plan::Action;
use crate::report::placed;
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
    let is_applied = matches!(end, AppEnd::Drifted { .. } | AppEnd::Healthy { .. } | AppEnd::RolledBack { .. });
    is_applied || is_settled(end) || failure(end).is_some()
}

/// Whether nothing that follows has to do with the merge.
pub fn is_settled(end: &AppEnd) -> bool {
    match end {
        // What is kept now may be deleted later.
        AppEnd::Healthy { kept, .. } => kept.is_empty(),
        AppEnd::Removed { lost, all, .. } => lost.is_none() && *all,
        AppEnd::Kept { .. }
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
            // Those that no longer needed confirmation are done.
            let deletes = deletes.saturating_sub(removed).max(1);
            AppEnd::Withdrawn { deletes, objects: objects.clone(), confirmed: false, by: None }
        }
        // The others that were held are done. What was confirmed and waited for health is not, unless that was told.
        (Some(AppEnd::Removed { .. } | AppEnd::Confirmed { .. }), AppEnd::Healthy { kept, .. })
            if kept.is_empty() && !never_done(events).is_empty() =>
        {
            let objects = never_done(events);
            let by = confirmed_by(events, &objects);
            let confirmed = meets(&all_named(events, |end| matches!(end, AppEnd::Confirmed { .. })), &objects);
            let deletes = u32::try_from(objects.len()).unwrap_or(u32::MAX);
            AppEnd::Withdrawn { deletes, objects, confirmed, by }
        }
        (_, AppEnd::Pruned { removed, handed_over, left, .. }) => {
            AppEnd::Pruned { removed, handed_over, left, by: last_confirmed_by(events) }
        }
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

/// What was held or confirmed, and was not done.
fn never_done(events: &[Event]) -> Vec<String> {
    let held = held(events);
    let done = all_named(events, |end| matches!(end, AppEnd::Removed { .. }));
    held.difference(&done).map(|object| (*object).clone()).collect()
}

/// What was told to wait for confirmation. It may have got that while the app's health was waited for, which is told
/// first.
fn held(events: &[Event]) -> BTreeSet<&String> {
    all_named(events, |end| matches!(end, AppEnd::Waiting { .. } | AppEnd::Confirmed { .. }))
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
    let held = held(events);
    let gone = all_named(events, |end| matches!(end, AppEnd::Removed { .. }));
    let open: BTreeSet<&String> = held.union(&kept(events)).copied().filter(|object| !gone.contains(object)).collect();
    match end {
        // Nobody can confirm what was not shown.
        AppEnd::Confirmed { objects, by } => {
            let objects: Vec<String> = objects.into_iter().filter(|object| !gone.contains(object)).collect();
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
                let left = report.leaves.then_some(&report.cluster);
                own.objects.extend(goes.into_iter().chain(&object.replaces_name).map(|key| placed::name(key, left)));
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
    let is_open =
        |told: &Event| matches!(told.end, AppEnd::Failed { .. } | AppEnd::Drifted { .. } | AppEnd::RolledBack { .. });
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
        AppEnd::Running
            | AppEnd::Progressing { .. }
            | AppEnd::Manual
            | AppEnd::Never
            | AppEnd::Paused
            | AppEnd::Pinned
            | AppEnd::Waits { .. }
    )
}

/// The event that the first line tells: the first end, or, while there is none, the last thing that was heard.
pub fn first(events: &[Event]) -> Option<usize> {
    events.iter().position(|event| is_end(&event.end)).or(events.len().checked_sub(1))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod called_off_tests;
