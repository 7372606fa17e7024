use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::app::{Authority, Refusal, Verb};
use crate::app_status::tests::row;
use crate::ids::{ClusterName, Oid};
use crate::plan::{NotValidated, OtherApps, PruneLimit, RefusedBy};
use crate::store::inventory::ObjectState;
use crate::store::runs::RunId;
use crate::sync::Purpose;

fn key(kind: &str, name: &str) -> ObjectKey {
    let namespace = (kind != "Namespace").then(|| "shop".to_owned());
    ObjectKey { group: String::new(), version: "v1".into(), kind: kind.into(), namespace, name: name.into() }
}

fn map(name: &str) -> ObjectKey {
    key("ConfigMap", name)
}

fn change(key: ObjectKey, action: Action) -> Change {
    Change::new(key, action, Verdict::Accepted)
}

fn oid() -> Oid {
    "0123456789012345678901234567890123456789".parse().expect("an id")
}

fn owned(key: &ObjectKey, state: ObjectState) -> ObjectRow {
    ObjectRow {
        key: key.clone(),
        app: "shop/web".parse().expect("an app"),
        state,
        uid: Some("u".into()),
        manifest_hash: None,
        fingerprint: None,
        resource_version: None,
        applied_revision: Some(oid()),
        job_done: false,
        held_of: None,
    }
}

/// The gate asks nothing of it.
struct NotAsked;

impl Authority for NotAsked {
    fn ask(&self, verb: Verb, object: &ObjectId) -> Result<(), Refusal> {
        panic!("{verb:?} of {object}")
    }
}

struct How {
    changes: Vec<Change>,
    allow: AllowDestructive,
    adopt: bool,
}

impl How {
    fn new(changes: Vec<Change>) -> Self {
        Self { changes, allow: AllowDestructive::No, adopt: false }
    }

    fn ask<T>(self, ask: impl FnOnce(&SyncInput<'_>) -> T) -> T {
        let app = row().app;
        let plan =
            Plan { app: app.id.clone(), cluster: ClusterName::new("prod"), revision: oid(), changes: self.changes };
        let plan = plan.settle(OtherApps::default());
        ask(&SyncInput {
            app: &app,
            authority: &NotAsked,
            run: &RunId::new("1"),
            revision: &plan.revision,
            plan: &plan,
            released: &BTreeSet::new(),
            allow_destructive: &self.allow,
            prune_limit: PruneLimit::default(),
            adopt: self.adopt,
            purpose: Purpose::Sync,
            by_hand: false,
        })
    }
}

/// The reasons, and what is held.
fn held(how: How, inventory: &[ObjectRow]) -> Option<(Vec<String>, Vec<String>)> {
    let waits = how.ask(|input| pending_confirmation(input, inventory))?;
    Some((waits.reasons, waits.deletes.into_iter().map(|key| key.name).collect()))
}

fn foreign(takes_over: Option<TakeOver>, adopt: bool, owners: &BTreeMap<ObjectId, AppId>) -> String {
    let mut one = change(map("settings"), Action::Update);
    one.takes_over = takes_over;
    match (How { adopt, ..How::new(vec![one]) }).ask(|input| refuse_foreign(input, owners)) {
        Ok(()) => "taken".to_owned(),
        Err(SyncError::NotAdopted { owner: None, .. }) => "not adopted".to_owned(),
        Err(SyncError::NotAdopted { owner: Some(owner), .. }) => format!("not adopted from {owner}"),
        Err(SyncError::OtherOwner { app, instance, .. }) => format!("owned by {app} of {instance}"),
        Err(error) => error.to_string(),
    }
}

/// C3, A20: what belongs to nobody or to another tool is taken with `adopt` alone, and what another app has never.
#[test]
fn only_what_may_be_adopted_is_taken() {
    let none = BTreeMap::new();
    let tool = || Some(TakeOver::OtherTool { tool: "Helm".into(), name: "shop/store".into() });
    let other = || Some(TakeOver::OtherApp { instance: "driftless".into(), app: "shop/api".into() });
    let handed = || Some(TakeOver::HandedOver { app: "shop/api".into() });
    assert_eq!([false, true].map(|adopt| foreign(None, adopt, &none)), ["taken"; 2]);
    assert_eq!([false, true].map(|adopt| foreign(Some(TakeOver::Unmarked), adopt, &none)), ["not adopted", "taken"]);
    assert_eq!([false, true].map(|adopt| foreign(tool(), adopt, &none)), ["not adopted from Helm shop/store", "taken"]);
    assert_eq!([false, true].map(|adopt| foreign(other(), adopt, &none)), ["owned by shop/api of driftless"; 2]);
    assert_eq!([false, true].map(|adopt| foreign(handed(), adopt, &none)), ["taken"; 2], "the claims say more");
    let claimed = |app: &str| BTreeMap::from([(map("settings").id(), app.parse().expect("an app"))]);
    assert_eq!(foreign(other(), false, &claimed("shop/api")), "taken", "its mark is as its claim: the claims say more");
    assert_eq!(foreign(other(), false, &claimed("shop/cart")), "owned by shop/api of driftless");
}

/// P1: one rejected object refuses all of the plan, and each that is rejected is named.
#[test]
fn what_is_rejected_refuses_the_plan() {
    let with = |name: &str, verdict: Verdict| Change::new(map(name), Action::Update, verdict);
    let rejected = || Verdict::Rejected { message: "no".into(), causes: Vec::new() };
    let not_validated =
        with("late", Verdict::NotValidated { reason: NotValidated::NamespaceInPlan { namespace: "shop".into() } });
    let fine = [with("fine", Verdict::Accepted), not_validated];
    assert!(refuse_rejected(&fine).is_ok());
    let all = [with("a", rejected()), fine[0].clone(), with("b", rejected())];
    let Err(SyncError::Rejected(found)) = refuse_rejected(&all) else { panic!("accepted") };
    let names: Vec<_> = found.iter().map(|one| (one.object.name.as_str(), one.message.as_str())).collect();
    assert_eq!(names, [("a", "no"), ("b", "no")]);
    assert!(found.iter().all(|one| one.by == RefusedBy::Server));

    let taken = |takes_over: TakeOver| {
        let mut one = with("a", rejected());
        one.takes_over = Some(takes_over);
        (is_other_apps(&one), refuse_rejected([&one]).is_ok())
    };
    assert_eq!(taken(TakeOver::OtherApp { instance: "driftless".into(), app: "shop/api".into() }), (true, true));
    assert_eq!(taken(TakeOver::HandedOver { app: "shop/api".into() }), (true, true));
    assert_eq!(taken(TakeOver::Unmarked), (false, false));
}

/// X2: what is destructive is held with all that goes beside it, and a confirmation is for what was shown alone.
#[test]
fn a_confirmation_is_for_what_was_shown() {
    let (space, old) = (key("Namespace", "data"), map("old"));
    let changes = || {
        vec![
            change(space.clone(), Action::Prune),
            change(old.clone(), Action::Prune),
            change(map("new"), Action::Create),
        ]
    };
    let mut rows: Vec<_> = ["a", "b", "c", "d"].map(|name| owned(&map(name), ObjectState::Applied)).into();
    assert_eq!(held(How::new(vec![change(map("a"), Action::Prune)]), &rows), None, "one of many is no question");
    rows.extend([&space, &old].map(|key| owned(key, ObjectState::Applied)));
    let destructive = "deletes Namespace data and with it everything in it".to_owned();
    assert_eq!(
        held(How::new(changes()), &rows),
        Some((vec![destructive.clone(), "also deletes ConfigMap shop/old".into()], vec!["data".into(), "old".into()]))
    );
    let shown = |keys: &[&ObjectKey]| {
        let allow = AllowDestructive::Shown(keys.iter().map(|key| key.id()).collect());
        held(How { allow, ..How::new(changes()) }, &rows)
    };
    assert_eq!(shown(&[&space, &old]), None);
    assert_eq!(
        shown(&[&old]),
        Some((
            vec!["deletes Namespace data, which was not listed when the deletions were confirmed".into()],
            vec!["data".into()]
        ))
    );
    let (reasons, names) = shown(&[&map("another")]).expect("held");
    assert_eq!((reasons[0].clone(), names.len()), (destructive, 2), "nothing of it was shown");
}

/// X2+: what an earlier run has held stays held by itself, and is said so where nothing else is.
#[test]
fn what_was_held_stays_held() {
    let old = map("old");
    let mut rows: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| owned(&map(name), ObjectState::Applied)).into();
    rows.push(owned(&old, ObjectState::Held));
    let prune = || How::new(vec![change(old.clone(), Action::Prune)]);
    let earlier = vec!["deletes ConfigMap shop/old, held by an earlier run".to_owned()];
    assert_eq!(held(prune(), &rows), Some((earlier, vec!["old".into()])));
    rows.last_mut().expect("a row").state = ObjectState::Applied;
    assert_eq!(held(prune(), &rows), None);
}

/// X2+: what only its marks say is ours is held, and what is being deleted already needs nobody.
#[test]
fn what_no_inventory_has_is_held_and_what_goes_already_is_not() {
    let rows: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| owned(&map(name), ObjectState::Applied)).into();
    let stray = |live: serde_json::Value| {
        let mut one = change(map("stray"), Action::Prune);
        one.before = Some(live);
        How::new(vec![one])
    };
    let (reasons, names) = held(stray(json!({})), &rows).expect("held");
    assert!(reasons.len() == 1 && reasons[0].contains("missing from Driftless' inventory"), "{reasons:?}");
    assert_eq!(names, ["stray"]);
    assert_eq!(held(stray(json!({"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}})), &rows), None);
}

/// X2: what is replaced or renamed is held with what is destructive only if it is destructive itself, or an old name.
#[test]
fn what_goes_with_a_destructive_plan() {
    let space = key("Namespace", "data");
    let mut renamed = change(map("settings-2"), Action::Create);
    renamed.replaces_name = Some(map("settings-1"));
    let claim = change(key("PersistentVolumeClaim", "disk"), Action::Replace);
    let plain = change(map("plain"), Action::Replace);
    let mut going = change(map("going"), Action::Prune);
    going.before = Some(json!({"metadata": {"deletionTimestamp": "2030-01-01T00:00:00Z"}}));
    let update = change(map("x"), Action::Update);
    let changes = vec![change(space.clone(), Action::Prune), renamed, claim, plain, going, update];
    let rows: Vec<_> =
        ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| owned(&map(name), ObjectState::Applied)).into();
    let all: Vec<ObjectRow> = rows.into_iter().chain([owned(&space, ObjectState::Applied)]).collect();
    let (_, names) = held(How::new(changes), &all).expect("held");
    assert_eq!(names, ["data", "settings-1", "disk"]);
}

/// X7: a namespace that was applied before and is gone is made by a person's sync alone.
#[test]
fn a_lost_namespace_is_not_made_again() {
    let space = key("Namespace", "data");
    let mut applied = owned(&space, ObjectState::Applied);
    let asked = |change: Change, row: &ObjectRow| {
        How::new(vec![change]).ask(|input| refuse_lost_namespace(input, std::slice::from_ref(row)).is_ok())
    };
    assert!(!asked(change(space.clone(), Action::Create), &applied));
    assert!(asked(change(space.clone(), Action::Update), &applied), "it is there");
    assert!(asked(change(key("Namespace", "other"), Action::Create), &applied), "a new one");
    let foreign = ObjectKey { group: "example.test".into(), ..space.clone() };
    assert!(asked(change(foreign.clone(), Action::Create), &owned(&foreign, ObjectState::Applied)));
    assert!(asked(change(map("a"), Action::Create), &owned(&map("a"), ObjectState::Applied)));
    applied.applied_revision = None;
    assert!(asked(change(space, Action::Create), &applied), "it was never there");
}

#[test]
fn the_reason_names_few_of_many() {
    assert_eq!(by_marks_alone(&[]), None);
    let all = ["a", "b", "c", "d", "e"].map(map);
    let said = [by_marks_alone(&all[..1]), by_marks_alone(&all)].map(Option::unwrap_or_default).join("\n");
    insta::assert_snapshot!(said, @r"
    deletes ConfigMap shop/a, which carries this app's label but is missing from Driftless' inventory (for example after its database was lost)
    deletes ConfigMap shop/a, ConfigMap shop/b, ConfigMap shop/c and 2 more, which carry this app's label but are missing from Driftless' inventory (for example after its database was lost)
    ");
}
