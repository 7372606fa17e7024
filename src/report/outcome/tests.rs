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
    let ends = vec![event("a", waiting(3, &[])), event("a", AppEnd::pruned_by(None)), event("b", healthy(0))];
    assert_eq!(told(true, ends), [waiting(3, &[]), AppEnd::pruned_by(None)]);
}

/// T1: a deletion that was held and then taken back in Git never happened.
#[test]
fn a_deletion_that_never_happened_is_not_told_as_done() {
    let ends = vec![event("a", waiting(5, &[])), event("b", healthy(0))];
    assert_eq!(told(false, ends), [waiting(5, &[]), AppEnd::withdrawn(5, Vec::new())]);
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
        ends.iter().filter_map(|one| Some(Event { end: seen_from(own, one.end.clone())?, ..one.clone() })).collect(),
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
    let later = AppEnd::Healthy { after_seconds: 3, removed: 0, held: names(&["Namespace shop"]), kept: Vec::new() };
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
    assert_eq!(told[2..], [AppEnd::withdrawn(1, names(&["a"]))]);
    // What waited only with the one that is taken back is done without a confirmation.
    let freed =
        AppEnd::Removed { objects: names(&["b"]), replaced: false, lost: None, confirmed: false, by: None, all: false };
    let ends = [event("a", waiting(2, &["a", "b"])), event("b", freed.clone()), event("b", healthy(1))];
    let off = AppEnd::withdrawn(1, names(&["a"]));
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
    let off = AppEnd::withdrawn(1, space());
    assert_eq!(told_by(&own(&["Namespace shop"]), &ends), [kept, waiting(1, &["Namespace shop"]), off]);
}

/// T2+: who confirmed the deletion of a removed app is told on the pull request that removed it.
#[test]
fn who_confirmed_a_removal_is_told_with_its_end() {
    let by = || Some("uid 1000 (ada)".to_owned());
    let ends = vec![
        event("a", waiting(1, &["ConfigMap shop/x"])),
        event("a", AppEnd::Confirmed { objects: names(&["ConfigMap shop/x"]), by: by() }),
        event("a", AppEnd::pruned_by(None)),
    ];
    assert_eq!(told(true, ends).last(), Some(&AppEnd::pruned_by(by())));
}

/// H2: what was kept, because another app may want it, is told to be gone once it is; nothing else is added.
#[test]
fn what_was_kept_is_told_once_it_is_deleted() {
    let kept = AppEnd::Healthy { after_seconds: 2, removed: 0, held: Vec::new(), kept: names(&["ConfigMap shop/x"]) };
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
