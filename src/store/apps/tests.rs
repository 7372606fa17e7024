use std::collections::BTreeSet;
use std::sync::Arc;

use super::holds::{Hold, PauseNote, Resumed};
use super::{AppHealth, AppRow, AppState, Applied, Defined, Failure, HealCount, Heals};
use crate::app::{Adopt, App, Destination, DriftPolicy, OnDelete, Origin, Source, SyncPolicy};
use crate::clock::ManualClock;
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::render::RenderOptions;
use crate::store::Store;
use crate::store::transition::Transition;

/// A store in a directory that goes with the test.
pub(in crate::store) async fn store() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at_millis(1_000));
    (Store::open(&dir.path().join("driftless.db"), clock).await.expect("opens"), dir)
}

pub(in crate::store) fn app_id(text: &str) -> AppId {
    text.parse().expect("an app's id")
}

pub(in crate::store) fn oid(digit: &str) -> Oid {
    digit.repeat(40).parse().expect("an object id")
}

pub(in crate::store) fn app(id: &str, source: &str) -> App {
    App {
        id: app_id(id),
        source: Source { repo: RepoName::new(source), ref_name: "refs/heads/main".into(), path: "deploy".into() },
        render: RenderOptions::default(),
        destination: Destination { cluster: ClusterName::new("prod"), namespace: "shop".into() },
        sync: SyncPolicy::Auto,
        drift: DriftPolicy::Heal,
        on_delete: OnDelete::Keep,
        adopt: Adopt(false),
        ignore_differences: Vec::new(),
        origin: Origin { file: ".driftless/shop.yaml".into(), line: 3, definitions_ref: "refs/heads/main".into() },
    }
}

/// As every definition here is, at the commit `a`.
fn defined(app: &App) -> Defined<'_> {
    static COMMIT: std::sync::LazyLock<Oid> = std::sync::LazyLock::new(|| oid("a"));
    Defined { app, commit: &COMMIT }
}

#[tokio::test]
async fn a_definition_is_replaced_and_what_is_known_of_the_app_stays() {
    let (store, _dir) = store().await;
    let (web, id) = (app("shop/web", "shop"), app_id("shop/web"));
    store.put_app(&web, &oid("a")).await.expect("stored");
    let new = store.app(&id).await.expect("read").expect("there");
    assert_eq!((new.app, new.state, new.health), (web.clone(), AppState::Active, AppHealth::Unknown));
    assert_eq!((new.applied_revision, new.synced_ok), (None, false));

    store.set_rendered(&id, &oid("b"), "identity", "{\"version\":1}").await.expect("stored");
    store.set_applied(defined(&web), &oid("b"), "identity").await.expect("stored");
    store.set_app_state(&id, AppState::Missing, "no path deploy").await.expect("stored");
    store.put_app(&web, &oid("c")).await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.state, row.state_message.as_str()), (AppState::Active, ""));
    assert_eq!(row.definition_commit, oid("c"));
    assert_eq!((row.applied_revision, row.applied_at, row.synced_ok), (Some(oid("b")), Some(1_000), true));
    assert_eq!((row.identity, row.applied_identity.as_deref()), (None, Some("identity")), "it has to be rendered anew");
    assert_eq!(store.trace(&id).await.expect("read"), None);
    assert_eq!(store.app(&app_id("shop/none")).await.expect("read"), None);
}

#[tokio::test]
async fn apps_are_found_by_who_defines_them_and_by_what_they_read() {
    let (store, _dir) = store().await;
    store.put_app(&app("fleet/web", "shop"), &oid("a")).await.expect("stored");
    store.put_app(&app("fleet/api", "api"), &oid("a")).await.expect("stored");
    let names = |rows: Vec<super::AppRow>| rows.into_iter().map(|row| row.app.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(store.apps().await.expect("read")), ["fleet/api", "fleet/web"]);
    assert_eq!(names(store.apps_defined_by(&RepoName::new("fleet")).await.expect("read")), ["fleet/api", "fleet/web"]);
    assert_eq!(names(store.apps_reading(&RepoName::new("shop")).await.expect("read")), ["fleet/web"]);
    assert_eq!(names(store.apps_on(&ClusterName::new("prod")).await.expect("read")).len(), 2);
    store.set_rendered(&app_id("fleet/api"), &oid("b"), "i", "traced").await.expect("stored");
    let followers = store.followers(&RepoName::new("api")).await.expect("read");
    assert_eq!(followers.iter().map(|(_, trace)| trace.as_deref()).collect::<Vec<_>>(), [Some("traced")]);
    assert_eq!(names(followers.into_iter().map(|(row, _)| row).collect()), ["fleet/api"]);
    store.set_app_state(&app_id("fleet/api"), AppState::Missing, "gone").await.expect("stored");
    assert_eq!(store.followers(&RepoName::new("api")).await.expect("read"), []);
    assert_eq!(names(store.missing_reading(&RepoName::new("api")).await.expect("read")), ["fleet/api"]);
    assert_eq!(names(store.missing_reading(&RepoName::new("shop")).await.expect("read")), [""; 0]);
}

#[tokio::test]
async fn heals_are_forgotten_when_another_identity_is_applied() {
    let (store, _dir) = store().await;
    let id = app_id("shop/web");
    store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
    store.set_applied(defined(&app("shop/web", "shop")), &oid("a"), "one").await.expect("stored");
    let count =
        HealCount { fields: vec!["spec.replicas".into()], manager: Some("hpa".into()), count: 2, is_left_gone: false };
    let heals = Heals::from([("Deployment shop/web".to_owned(), count)]);
    store.set_heals(&id, &heals).await.expect("stored");
    store.set_applied(defined(&app("shop/web", "shop")), &oid("a"), "one").await.expect("stored");
    assert_eq!(store.app(&id).await.expect("read").expect("there").heals, heals);
    store.set_applied(defined(&app("shop/web", "shop")), &oid("b"), "two").await.expect("stored");
    assert_eq!(store.app(&id).await.expect("read").expect("there").heals, Heals::new());

    store.set_heals(&id, &heals).await.expect("stored");
    let prod = ClusterName::new("prod");
    store.forget_heals_except(&prod, &BTreeSet::from([id.clone()])).await.expect("nothing to forget");
    assert_eq!(store.app(&id).await.expect("read").expect("there").heals, heals);
    store.forget_heals_except(&prod, &BTreeSet::new()).await.expect("forgotten");
    assert_eq!(store.app(&id).await.expect("read").expect("there").heals, Heals::new());
}

#[tokio::test]
async fn a_pause_ends_by_itself_and_takes_no_pin_with_it() {
    let (store, _dir) = store().await;
    let note = |until| PauseNote { until: Some(until), reason: Some("the database moves".into()) };
    for (name, until) in [("shop/over", 999), ("shop/not-yet", 1_001)] {
        store.put_app(&app(name, "shop"), &oid("a")).await.expect("stored");
        store.pause(&app_id(name), "ada", &note(until)).await.expect("stored");
        store.pin(&app_id(name), &oid("d"), Some("bob")).await.expect("stored");
    }
    let row = store.app(&app_id("shop/over")).await.expect("read").expect("there");
    assert_eq!((row.paused_until, row.pause_reason.as_deref()), (Some(999), Some("the database moves")));
    assert_eq!(store.pauses_over().await.expect("read"), [app_id("shop/over")]);
    assert!(!store.end_pause(&app_id("shop/not-yet")).await.expect("stored"));
    assert!(store.end_pause(&app_id("shop/over")).await.expect("stored"));
    assert!(!store.end_pause(&app_id("shop/over")).await.expect("stored"), "the pin stays");
    let row = store.app(&app_id("shop/over")).await.expect("read").expect("there");
    assert_eq!((row.paused, row.paused_until, row.pause_reason), (false, None, None));
    assert_eq!(row.pinned_revision, Some(oid("d")));
    // Whoever pauses it again says when it ends, or that nobody knows.
    store.pause(&app_id("shop/not-yet"), "eve", &PauseNote::default()).await.expect("stored");
    let row = store.app(&app_id("shop/not-yet")).await.expect("read").expect("there");
    assert_eq!((row.paused_until, row.paused_by.as_deref()), (None, Some("ada")));
}

#[tokio::test]
async fn pins_pauses_and_health_are_kept() {
    let (store, _dir) = store().await;
    let id = app_id("shop/web");
    store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
    store.pause(&id, "ada", &PauseNote::default()).await.expect("stored");
    store.pin(&id, &oid("d"), Some("bob")).await.expect("stored");
    store.set_app_health(&id, AppHealth::Degraded, "Deployment shop/web makes no progress").await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.paused, row.pinned_revision, row.health), (true, Some(oid("d")), AppHealth::Degraded));
    assert_eq!((row.paused_by.as_deref(), row.pinned_by.as_deref()), (Some("ada"), Some("bob")));
    store.pause(&id, "eve", &PauseNote::default()).await.expect("stored");
    let again = store.app(&id).await.expect("read").expect("there");
    assert_eq!((again.paused_by.as_deref(), again.paused_since), (Some("ada"), row.paused_since), "who paused first");
    store.pin(&id, &oid("d"), Some("bob")).await.expect("stored");
    assert_eq!(again.pinned_since, Some(1_000));
    // F7: a pause and a pin end one after the other.
    assert_eq!(store.resume(&id, "eve").await.expect("stored"), Some(Resumed::Pause));
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.paused, row.pinned_revision), (false, Some(oid("d"))));
    assert_eq!(store.resume(&id, "eve").await.expect("stored"), Some(Resumed::Pin));
    assert_eq!(store.resume(&id, "eve").await.expect("stored"), None);
    store.set_sync_failed(&id).await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.pinned_revision, row.synced_ok), (None, false));
    assert_eq!((row.paused_by, row.pinned_by, row.pinned_since), (None, None, None));
    let done = store.holds(Some("shop/web"), 10).await.expect("read");
    let done: Vec<_> = done.iter().map(|hold| (hold.what, hold.who.as_deref(), hold.revision.is_some())).collect();
    assert_eq!(
        done,
        [
            (Hold::Resume, Some("eve"), true),
            (Hold::Resume, Some("eve"), false),
            (Hold::Pin, Some("bob"), true),
            (Hold::Pause, Some("ada"), false)
        ],
        "F9: each is in the history once, with who did it"
    );
    assert_eq!(store.holds(Some("shop/api"), 10).await.expect("read"), []);
    assert_eq!(store.holds(None, 2).await.expect("read").len(), 2);
}

/// A4: what healing goes by is the definition that was applied, whatever the definition says since.
#[tokio::test]
async fn the_applied_definition_stays_when_the_definition_moves_on() {
    let (store, _dir) = store().await;
    let (old, id) = (app("shop/web", "shop"), app_id("shop/web"));
    store.put_app(&old, &oid("a")).await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.as_applied(), row.on_delete()), (None, OnDelete::Keep));
    store.set_applied(defined(&old), &oid("b"), "identity").await.expect("stored");
    let mut new = old.clone();
    (new.source.path, new.sync, new.on_delete) = ("other".into(), SyncPolicy::Manual, OnDelete::Prune);
    store.put_app(&new, &oid("c")).await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    let applied = row.as_applied().expect("known").app;
    assert_eq!(
        (applied.source.path.as_str(), applied.sync),
        ("deploy", SyncPolicy::Manual),
        "its policy is that of now"
    );
    assert_eq!(row.on_delete(), OnDelete::Keep, "the form that was applied last decides");
}

/// T10: a failure that repeats has the time of the first, until there is a success.
#[tokio::test]
async fn a_failure_keeps_its_first_time_until_a_success() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(ManualClock::at_millis(1_000));
    let store = Store::open(&dir.path().join("driftless.db"), clock.clone()).await.expect("opens");
    let id = app_id("shop/web");
    store.put_app(&app("shop/web", "shop"), &oid("a")).await.expect("stored");
    store.set_failure(&id, "no", Some(&oid("a"))).await.expect("stored");
    clock.advance(std::time::Duration::from_mins(10));
    store.set_failure(&id, "still no", Some(&oid("b"))).await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!(
        (row.failure.as_str(), row.failing_since, row.failed_revision, row.synced_ok),
        ("still no", Some(1_000), Some(oid("b")), false)
    );
    store.set_app_health(&id, AppHealth::Healthy, "").await.expect("stored");
    let row = store.app(&id).await.expect("read").expect("there");
    assert_eq!((row.failure.as_str(), row.failing_since), ("", None));
}

/// T5+: what could not be applied is over once it is; what was applied and failed then is not over by applying it
/// again.
#[tokio::test]
async fn a_failure_to_apply_is_over_with_the_apply() {
    let (store, _dir) = store().await;
    let app = app("shop/web", "shop");
    let id = &app.id;
    store.put_app(&app, &oid("a")).await.expect("stored");
    let (commit, revision) = (oid("a"), oid("b"));
    let defined = || Defined { app: &app, commit: &commit };
    let apply = async || {
        let applied =
            Applied { defined: defined(), revision: &revision, identity: "one", health: Some(AppHealth::Progressing) };
        let applied = store.record(id, &Transition { applied: Some(applied), ..Transition::default() }).await;
        applied.expect("stored");
        store.app(id).await.expect("read").expect("there").failure
    };
    store.set_failure(id, "refused", Some(&revision)).await.expect("stored");
    // The end of the job tells the same again.
    store.set_failure(id, "refused", None).await.expect("stored");
    assert_eq!(apply().await, "");
    store.set_failure(id, "could not be deleted", None).await.expect("stored");
    store.set_failure(id, "could not be deleted", None).await.expect("stored");
    assert_eq!(apply().await, "could not be deleted", "it had been applied by that very try");
    let failure = Failure { message: "not healthy", revision: Some(&revision), of_applied: true };
    store.record(id, &Transition { failure: Some(failure), ..Transition::default() }).await.expect("stored");
    assert_eq!(apply().await, "not healthy");
    store.set_failure(id, "refused", Some(&oid("c"))).await.expect("stored");
    assert_eq!(apply().await, "");
}

/// C7: an app that another version has written, or that is broken, is left out and named; it stops no other one, and
/// its definition is read anew.
#[tokio::test]
async fn a_row_that_cannot_be_read_stops_no_other() {
    let (store, _dir) = store().await;
    let (good, bad, odd) = (app("shop/web", "shop"), app("shop/api", "shop"), app("shop/job", "shop"));
    for app in [&good, &bad, &odd] {
        store.put_app(app, &oid("a")).await.expect("stored");
    }
    let spoil =
        "UPDATE apps SET definition = json_set(definition, '$.data.sync', 'fromTheFuture') WHERE id = 'shop/api'";
    sqlx::query(spoil).execute(store.write()).await.expect("spoilt");
    sqlx::query("UPDATE apps SET definition_commit = 'elsewhere' WHERE id = 'shop/job'")
        .execute(store.write())
        .await
        .expect("spoilt");
    let names = |rows: Vec<AppRow>| rows.into_iter().map(|row| row.app.id.name).collect::<Vec<_>>();
    let repo = RepoName::new("shop");
    assert_eq!(names(store.apps().await.expect("read")), ["web"]);
    assert_eq!(names(store.apps_defined_by(&repo).await.expect("read")), ["web"]);
    assert_eq!(names(store.apps_reading(&good.source.repo).await.expect("read")), ["web"]);
    assert_eq!(names(store.apps_on(&good.destination.cluster).await.expect("read")), ["web"]);
    assert_eq!(store.followers(&good.source.repo).await.expect("read").len(), 1);
    let error = store.app(&bad.id).await.expect_err("it is asked for by name");
    assert!(error.to_string().contains("shop/api") && error.to_string().contains("fromTheFuture"), "{error}");
    store.put_app(&bad, &oid("b")).await.expect("its definition is read once more");
    assert_eq!(names(store.apps().await.expect("read")), ["api", "web"]);
}
