use super::tests::{facts, row};
use super::*;
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectKey;
use crate::store::apps::{GOES, STAYS};

/// F20+: who has the objects of a removed app is told; an app without objects is not healthy. B19+: what is missing of
/// a paused app.
#[test]
fn whose_the_objects_of_a_removed_app_are() {
    let removed = format!("its definition was removed by aaaaaaaaaa{STAYS} in the cluster (`onDelete: keep`)");
    let said = removed.clone();
    let removed = AppRow { state: AppState::Removed, state_message: removed, ..row() };
    let paused = AppRow { paused: true, paused_since: Some(2_000), ..row() };
    let store: AppId = "shop/store".parse().expect("an app");
    let left = |objects, taken: usize| Removal {
        objects,
        taken_over: (taken > 0).then(|| (store.clone(), taken)).into_iter().collect(),
        ..Removal::default()
    };
    let left = [left(0, 6), left(2, 6), left(2, 0), left(0, 0), left(1, 0)];
    let pruned = said.replace(STAYS, GOES).replace(" in the cluster (`onDelete: keep`)", " (`onDelete: prune`)");
    let pruned = AppRow { state: AppState::Removed, state_message: pruned, ..row() };
    let west = Removal { objects: 5, held: vec![(ClusterName::new("west"), 3)], moving: 1, ..Removal::default() };
    let key = ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some("shop".into()),
        name: "x".into(),
    };
    let facts = facts(&removed);
    let cases = [
        Facts { removal: &left[0], ..facts },
        Facts { removal: &left[1], objects: 2, ..facts },
        Facts { removal: &left[2], objects: 2, ..facts },
        Facts { removal: &left[3], ..facts },
        Facts { row: &paused, missing: std::slice::from_ref(&key), objects: 1, removal: &left[4], ..facts },
        // F20+: what went to another app did not go with the removed one.
        Facts { row: &pruned, removal: &left[0], ..facts },
        Facts { row: &pruned, removal: &left[1], objects: 2, ..facts },
        Facts { row: &pruned, removal: &west, objects: 2, ..facts },
    ];
    let line = |facts: Facts<'_>| {
        format!("{}: {}", health(facts).unwrap_or("-"), app_status(facts).message.unwrap_or_default())
    };
    insta::assert_snapshot!(cases.into_iter().map(line).collect::<Vec<_>>().join("\n"));
}

/// T12: a removed app is listed for a day, and longer only while something is to be decided.
#[test]
fn removed_apps_are_listed_for_a_day() {
    let row = AppRow { state: AppState::Removed, state_since: Some(1_000), ..row() };
    let facts = facts(&row);
    assert!(!is_over(facts, 1_000 + REMOVED_LISTED));
    assert!(is_over(facts, 1_001 + REMOVED_LISTED));
    assert!(!is_over(Facts { held: Some("2 to be deleted"), ..facts }, 1_001 + REMOVED_LISTED));
    let active = AppRow { state: AppState::Active, ..row.clone() };
    assert!(!is_over(Facts { row: &active, ..facts }, i64::MAX));
}
