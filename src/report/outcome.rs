//! What a merged pull request tells of its apps. Pure. Events are only added: the first end of a merge stays, and what happens later stands below it.

use crate::ids::Oid;
use crate::report::preview::AppEnd;

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
    is_settled(end) || matches!(end, AppEnd::Failed { .. } | AppEnd::Drifted { .. })
}

/// Whether nothing that follows has to do with the merge.
pub fn is_settled(end: &AppEnd) -> bool {
    matches!(
        end,
        AppEnd::Healthy { .. } | AppEnd::Kept | AppEnd::Pruned | AppEnd::Superseded { .. } | AppEnd::Withdrawn { .. } | AppEnd::Unchanged
    )
}

/// What an end of a sync adds to the events of a merge that is contained in its revision. `removes`: the pull request took the app's definition
/// away.
pub fn added(events: &[Event], removes: bool, event: Event) -> Option<Event> {
    let last = events.last();
    if events.len() >= MOST || events.iter().any(|event| is_settled(&event.end)) {
        return None;
    }
    let end = match (last.map(|last| &last.end), event.end) {
        // It is there again, so that the objects of the removed one were never deleted.
        (_, AppEnd::Healthy { .. } | AppEnd::Drifted { .. }) if removes => AppEnd::Superseded { by: event.revision.clone() },
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
        (Some(AppEnd::Waiting { deletes }), AppEnd::Healthy { removed: 0, .. }) => AppEnd::Withdrawn { deletes: *deletes },
        (_, end) => end,
    };
    let event = Event { end, ..event };
    let repeats = last.is_some_and(|last| match (&last.end, &event.end) {
        // A retry that words its failure in another way tells nothing new.
        (AppEnd::Failed { .. }, AppEnd::Failed { .. }) => last.revision == event.revision,
        (before, now) => before == now,
    });
    (!repeats && !is_passing(&event.end)).then_some(event)
}

/// Whether a sync has applied what the merge brought, with something left to confirm or to report.
fn is_applied(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.end, AppEnd::Waiting { .. } | AppEnd::Drifted { .. }))
}

/// Where an app stands is no event.
fn is_passing(end: &AppEnd) -> bool {
    matches!(end, AppEnd::Running | AppEnd::Progressing { .. } | AppEnd::Manual | AppEnd::Never | AppEnd::Paused | AppEnd::Pinned)
}

/// The event that the first line tells: the first end, or, while there is none, the last thing that was heard.
pub fn first(events: &[Event]) -> Option<usize> {
    events.iter().position(|event| is_end(&event.end)).or(events.len().checked_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    fn event(revision: &str, end: AppEnd) -> Event {
        Event { revision: oid(revision), end }
    }

    fn healthy(removed: u32) -> AppEnd {
        AppEnd::Healthy { after_seconds: 2, removed }
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
        let ends = vec![event("a", failed("no")), event("a", failed("still no")), event("b", healthy(0)), event("c", failed("another"))];
        assert_eq!(told(false, ends.clone()), [failed("no"), healthy(0)]);
        assert_eq!(first(&ends), Some(0));
    }

    /// T1: what an app that was removed by the pull request does later, under a new definition, is no outcome of the removal.
    #[test]
    fn an_app_that_comes_back_was_not_deleted() {
        let ends = vec![event("a", AppEnd::Waiting { deletes: 3 }), event("b", healthy(0)), event("c", healthy(0))];
        assert_eq!(told(true, ends), [AppEnd::Waiting { deletes: 3 }, AppEnd::Superseded { by: oid("b") }]);
        let ends = vec![event("a", AppEnd::Waiting { deletes: 3 }), event("a", AppEnd::Pruned), event("b", healthy(0))];
        assert_eq!(told(true, ends), [AppEnd::Waiting { deletes: 3 }, AppEnd::Pruned]);
    }

    /// T1: a deletion that was held and then taken back in Git never happened.
    #[test]
    fn a_deletion_that_never_happened_is_not_told_as_done() {
        let ends = vec![event("a", AppEnd::Waiting { deletes: 5 }), event("b", healthy(0))];
        assert_eq!(told(false, ends), [AppEnd::Waiting { deletes: 5 }, AppEnd::Withdrawn { deletes: 5 }]);
        let ends = vec![event("a", AppEnd::Waiting { deletes: 5 }), event("a", healthy(5))];
        assert_eq!(told(false, ends), [AppEnd::Waiting { deletes: 5 }, healthy(5)]);
    }

    /// B10+: a merge that waits for confirmation was applied; what a later one breaks is not its failure.
    #[test]
    fn a_later_commits_failure_is_not_this_ones() {
        let ends = vec![event("a", AppEnd::Waiting { deletes: 1 }), event("b", failed("of another")), event("b", healthy(1))];
        assert_eq!(told(false, ends), [AppEnd::Waiting { deletes: 1 }, healthy(1)]);
        let ends = vec![event("a", AppEnd::Waiting { deletes: 1 }), event("a", failed("its deletion"))];
        assert_eq!(told(false, ends), [AppEnd::Waiting { deletes: 1 }, failed("its deletion")]);
        let ends = vec![event("b", failed("both"))];
        assert_eq!(told(false, ends), [failed("both")], "it was never applied without the other");
    }

    #[test]
    fn where_an_app_stands_is_no_event() {
        let passing = [AppEnd::Running, AppEnd::Manual, AppEnd::Paused, AppEnd::Pinned, AppEnd::Never];
        assert_eq!(told(false, passing.map(|end| event("a", end)).to_vec()), []);
        assert_eq!(first(&[event("a", AppEnd::Waiting { deletes: 1 })]), Some(0), "until there is an end");
    }
}
