use jiff::Timestamp;
use serde_json::{Value, json};

use super::compare::{Comparison, Differs, compare};
use super::fingerprint::fingerprint;
use crate::cluster::PartialMeta;
use crate::manifest::ObjectKey;
use crate::store::inventory::{ObjectRow, ObjectState};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn meta(version: &str, changed: &str, generation: Option<i64>) -> PartialMeta {
    let object: Value = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": version,
        "generation": generation,
        "managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "v1", "time": changed,
        "fieldsV1": {"f:data": {}}}]}});
    PartialMeta::of(&object).expect("metadata")
}

/// As an apply at `at` left it.
fn row(meta: &PartialMeta, at: Timestamp) -> ObjectRow {
    ObjectRow {
        key: ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        },
        app: "shop/web".parse().expect("an app"),
        state: ObjectState::Applied,
        uid: Some("u".into()),
        manifest_hash: Some("h".into()),
        fingerprint: Some(fingerprint(meta, at)),
        resource_version: Some(meta.resource_version.clone()),
        applied_revision: None,
        job_done: false,
        held_of: None,
    }
}

const APPLIED: &str = "2026-11-21T12:00:00Z";

fn look(row: &ObjectRow, meta: PartialMeta, at: &str) -> Comparison {
    compare(std::slice::from_ref(row), vec![meta], time(at))
}

#[test]
fn an_unchanged_version_is_an_unchanged_object() {
    let applied = meta("1", APPLIED, Some(1));
    let found = look(&row(&applied, time(APPLIED)), applied, "2026-11-21T12:10:00Z");
    assert!(found.drifted.is_empty() && found.refreshed.is_empty(), "{found:?}");
}

#[test]
fn a_new_version_with_the_same_fingerprint_is_only_remembered() {
    let applied = meta("1", APPLIED, Some(1));
    let found = look(&row(&applied, time(APPLIED)), meta("2", APPLIED, Some(1)), "2026-11-21T12:10:00Z");
    assert!(found.drifted.is_empty(), "{found:?}");
    assert_eq!(found.refreshed[0].2, "2");
}

#[test]
fn another_fingerprint_is_looked_into() {
    let applied = meta("1", APPLIED, Some(1));
    let found = look(&row(&applied, time(APPLIED)), meta("2", APPLIED, Some(2)), "2026-11-21T12:10:00Z");
    assert!(
        matches!(&found.drifted[0].differs, Differs::Changed { resource_version, .. } if resource_version == "2"),
        "{found:?}"
    );
}

#[test]
fn a_kind_without_generation_that_changed_within_the_second_of_its_apply_is_looked_into() {
    let applied = meta("1", APPLIED, None);
    let young = row(&applied, time(APPLIED));
    assert!(!young.fingerprint.as_ref().expect("there").settled);
    let found = look(&young, meta("2", APPLIED, None), "2026-11-21T12:10:00Z");
    assert_eq!(found.drifted.len(), 1, "the same metadata, another object perhaps");
    // Unchanged since, it settles; after that a new version with the same entry can't be a change.
    let found = look(&young, applied.clone(), "2026-11-21T12:10:00Z");
    assert!(found.drifted.is_empty() && found.refreshed[0].1.settled, "{found:?}");
    let found = look(&row(&applied, time("2026-11-21T12:10:00Z")), meta("2", APPLIED, None), "2026-11-21T12:20:00Z");
    assert!(found.drifted.is_empty(), "{found:?}");
}

#[test]
fn what_is_gone_is_missing_unless_it_is_a_job_that_is_done() {
    let applied = meta("1", APPLIED, Some(1));
    let mut row = row(&applied, time(APPLIED));
    assert_eq!(compare(std::slice::from_ref(&row), vec![], time(APPLIED)).drifted[0].differs, Differs::Missing);
    row.job_done = true;
    assert!(compare(std::slice::from_ref(&row), vec![], time(APPLIED)).drifted.is_empty());
    row.job_done = false;
    for state in
        [ObjectState::Claimed, ObjectState::Pruning, ObjectState::Moving, ObjectState::Deleting, ObjectState::Held]
    {
        row.state = state;
        assert!(compare(std::slice::from_ref(&row), vec![], time(APPLIED)).drifted.is_empty(), "{state:?}");
    }
    // What waits to be replaced is made anew once somebody deletes it; that it differs is known.
    row.state = ObjectState::Outdated;
    assert_eq!(compare(std::slice::from_ref(&row), vec![], time(APPLIED)).drifted.len(), 1);
    let other = meta("2", "2026-01-01T00:00:05Z", Some(2));
    assert!(compare(std::slice::from_ref(&row), vec![other], time(APPLIED)).drifted.is_empty());
}

#[test]
fn another_object_of_the_same_name_is_not_ours_unchanged() {
    let applied = meta("1", APPLIED, Some(1));
    let other = PartialMeta { uid: "other".into(), ..meta("2", APPLIED, Some(1)) };
    assert_eq!(look(&row(&applied, time(APPLIED)), other, APPLIED).drifted.len(), 1);
    let dying = PartialMeta { deletion_timestamp: Some(APPLIED.into()), ..meta("2", APPLIED, Some(1)) };
    assert_eq!(look(&row(&applied, time(APPLIED)), dying, APPLIED).drifted.len(), 1);
}
