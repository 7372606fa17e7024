//! What is confirmed before the merge has come to an end, and what is taken back after that.

use super::*;

fn event(revision: &str, end: AppEnd) -> Event {
    Event { revision: revision.repeat(40).parse().expect("an id"), end }
}

fn told(ends: Vec<Event>) -> Vec<AppEnd> {
    let mut events = Vec::new();
    for end in ends {
        events.extend(added(&events, false, end));
    }
    events.into_iter().map(|event| event.end).collect()
}

fn names() -> Vec<String> {
    vec!["PersistentVolumeClaim shop/cache".to_owned()]
}

fn ada() -> String {
    "uid 1000 (ada)".to_owned()
}

fn confirmed() -> AppEnd {
    AppEnd::Confirmed { objects: names(), by: Some(ada()) }
}

fn healthy() -> AppEnd {
    AppEnd::Healthy { after_seconds: 2, removed: 0, held: Vec::new(), kept: Vec::new() }
}

/// T18+: a deletion may be confirmed while the health of what came with it is waited for: who did is told at once, and
/// with its end.
#[test]
fn a_confirmation_before_the_merge_is_healthy_is_told() {
    let gone = |by| AppEnd::Removed { objects: names(), replaced: false, lost: None, confirmed: true, by, all: true };
    let ends = vec![event("a", confirmed()), event("a", gone(None)), event("a", healthy())];
    assert_eq!(told(ends), [confirmed(), gone(Some(ada()))]);
}

/// T18+: what was confirmed, and is wanted again before it is done, was not deleted.
#[test]
fn a_confirmed_deletion_that_is_called_off_was_not_done() {
    let off = AppEnd::Withdrawn { deletes: 1, objects: names(), confirmed: true, by: Some(ada()) };
    let replaced = AppEnd::Replaced { by: "b".repeat(40).parse().expect("an id"), healthy: false };
    let ends = vec![event("a", confirmed()), event("a", replaced), event("b", healthy())];
    assert_eq!(told(ends), [confirmed(), off]);
}

/// T4+: what was applied and rolled back was applied, whatever holds the app since.
#[test]
fn what_was_rolled_back_was_applied() {
    let back = AppEnd::RolledBack { to: "c".repeat(40).parse().expect("an id"), by: Some(ada()) };
    let ends = vec![event("a", back.clone()), event("a", healthy())];
    assert_eq!(told(ends.clone()), [back.clone(), healthy()]);
    assert_eq!(first(&ends), Some(0), "which is told first");
    assert!(may_be_taken_back(&ends[..1], &healthy()), "what comes after it may not have it");
    assert_eq!(told(vec![event("a", healthy()), event("a", back)]), [healthy()], "it was well before");
}
