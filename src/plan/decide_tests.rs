use serde_json::json;

use super::super::change::{Conflict, Desired, NotValidated};
use super::*;
use crate::ids::{AppId, RepoName};

fn marks(app: &str) -> Marks {
    Marks::new("driftless", &AppId::new(&RepoName::new("shop"), app))
}

fn wanted(data: &Value) -> PreparedObject {
    let manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": data});
    let key = ObjectKey::of(&manifest).expect("a name");
    let mut object = manifest.clone();
    marks("web").put(&mut object, &key.id());
    let hash = crate::manifest::Manifest::new(manifest.clone(), None).expect("a name").hash();
    PreparedObject { key, manifest, desired: Desired { object, hash }, origin: None, notes: Vec::new(), replace: false }
}

/// The object as a server holds it after an apply of ours.
fn live(data: &Value) -> Value {
    let mut object = wanted(data).desired.object;
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["resourceVersion"] = json!("7");
    object
}

fn accepted(result: Value) -> DryRun {
    DryRun { result: Some(result), ..DryRun::without_result(Verdict::Accepted) }
}

fn claim(marks: &Marks, in_inventory: bool, adopt: bool) -> Claim<'_> {
    Claim { marks, uid: in_inventory.then_some("u"), applied_hash: None, adopt, reveals: false, handed_over_by: None }
}

fn message(change: &Change) -> &str {
    match &change.verdict {
        Verdict::Rejected { message, .. } => message,
        _ => "",
    }
}

#[test]
fn the_servers_answer_against_what_is_live_is_the_action() {
    let ours = marks("web");
    let (old, new) = (json!({"k": "1"}), json!({"k": "2"}));
    let create = decide(&wanted(&new), None, accepted(live(&new)), claim(&ours, false, false));
    assert_eq!((create.action, create.before, create.after), (Action::Create, None, Some(wanted(&new).manifest)));
    let mut same = live(&new);
    same["metadata"]["resourceVersion"] = json!("8");
    let none = decide(&wanted(&new), Some(&live(&new)), accepted(same), claim(&ours, true, false));
    assert_eq!(none.action, Action::None);
    let update = decide(&wanted(&new), Some(&live(&old)), accepted(live(&new)), claim(&ours, true, false));
    assert_eq!((update.action, update.before), (Action::Update, Some(live(&old))));
}

#[test]
fn an_object_that_lost_its_marks_is_updated() {
    let ours = marks("web");
    let data = json!({"k": "1"});
    let mut bare = live(&data);
    super::super::marks::strip(&mut bare);
    let change = decide(&wanted(&data), Some(&bare), accepted(live(&data)), claim(&ours, true, false));
    assert_eq!((change.action, &change.takes_over), (Action::Update, &None));
    assert!(super::super::Redactor::default().diff(&change).is_empty(), "but there is nothing to show");
}

#[test]
fn nothing_of_another_owners_object_is_shown() {
    let ours = marks("web");
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"},
        "data": {"theirs": "hidden-value"}});
    let mut other_app = theirs.clone();
    marks("api").put(&mut other_app, &wanted(&json!({})).key.id());
    let mut helm = theirs.clone();
    helm["metadata"]["annotations"] = json!({"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "n"});
    let mut said = Vec::new();
    for object in [&theirs, &other_app, &helm] {
        for adopt in [false, true] {
            let mut merged = object.clone();
            merged["data"]["k"] = json!("1");
            let wanted = wanted(&json!({"k": "1"}));
            let both = [
                decide(&wanted, Some(object), accepted(merged.clone()), claim(&ours, false, adopt)),
                decide_change(
                    &wanted,
                    Some(object),
                    Some((&wanted, &accepted(merged.clone()))),
                    accepted(merged),
                    claim(&ours, false, adopt),
                ),
            ];
            for change in both {
                assert!(change.takes_over.is_some());
                let shown =
                    format!("{:?}{:?}{}", change.before, change.after, super::super::Redactor::default().diff(&change));
                assert!(!shown.contains("hidden-value"), "{shown}");
                said.push(format!("adopt {adopt}: {}", message(&change)));
            }
        }
    }
    said.dedup();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_refusal_of_a_take_over_does_not_quote_the_other_owner() {
    let (ours, theirs) = (marks("web"), json!({"metadata": {"name": "a"}, "data": {"theirs": "hidden-value"}}));
    let cause = Cause { field: Some("data.theirs".to_owned()), message: "Invalid value: hidden-value".to_owned() };
    let verdict =
        Verdict::Rejected { message: "data.theirs: Invalid value: hidden-value".to_owned(), causes: vec![cause] };
    let conflict = Conflict { field: ".data.k".to_owned(), manager: "somebody".to_owned() };
    let asked = DryRun { conflicts: vec![conflict], ..DryRun::without_result(verdict) };
    let change = decide(&wanted(&json!({"k": "1"})), Some(&theirs), asked, claim(&ours, false, true));
    assert!(change.is_rejected() && change.conflicts.is_empty());
    assert!(!format!("{:?}", change.verdict).contains("hidden-value"));
}

#[test]
fn what_could_not_be_asked_is_unchanged_only_where_the_same_was_applied() {
    let ours = marks("web");
    let data = json!({"k": "1"});
    let verdict = Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message: "w".to_owned() } };
    let decide = |wanted: &PreparedObject, applied: Option<&str>| {
        let claim = Claim { applied_hash: applied, ..claim(&ours, true, false) };
        decide(wanted, Some(&live(&data)), DryRun::without_result(verdict.clone()), claim)
    };
    let same = wanted(&data);
    assert_eq!(decide(&same, Some(&same.desired.hash)).action, Action::None);
    // A field may have been dropped since.
    assert_eq!(decide(&same, Some("another")).action, Action::Update);
    let other = wanted(&json!({"k": "2"}));
    let change = decide(&other, Some(&other.desired.hash));
    assert_eq!((change.action, &change.verdict), (Action::Update, &verdict));
}

#[test]
fn both_sides_through_the_server_cancel_what_it_fills_in() {
    let ours = marks("web");
    let (base, change) = (wanted(&json!({"k": "1"})), wanted(&json!({"k": "2"})));
    let answer = |data: Value, cluster_ip: &str| {
        let mut object = live(&data);
        object["spec"] = json!({"clusterIP": cluster_ip, "default": true});
        accepted(object)
    };
    let (a, b) = (answer(json!({"k": "1"}), "10.0.0.1"), answer(json!({"k": "2"}), "10.0.0.2"));
    let found = decide_change(&change, None, Some((&base, &a)), b.clone(), claim(&ours, true, false));
    assert_eq!(
        super::super::Redactor::default().diff(&found).fields,
        ["data.k"],
        "it does not exist yet: what was allocated is not shown"
    );
    let same = decide_change(
        &change,
        Some(&live(&json!({"k": "0"}))),
        Some((&base, &b)),
        b.clone(),
        claim(&ours, true, false),
    );
    assert_eq!(same.action, Action::None, "two ways to write one object");
    let rejected = DryRun::without_result(Verdict::Rejected { message: "no".to_owned(), causes: Vec::new() });
    let found =
        decide_change(&change, Some(&live(&json!({"k": "0"}))), Some((&base, &rejected)), b, claim(&ours, true, false));
    assert_eq!(found.before, Some(live(&json!({"k": "0"}))), "live takes the place of a base that is refused");
}

#[test]
fn what_another_app_of_the_repo_lets_go_is_taken_with_the_servers_word() {
    let (ours, theirs) = (marks("web"), AppId::new(&RepoName::new("shop"), "api"));
    let mut object = live(&json!({"k": "1"}));
    marks("api").put(&mut object, &wanted(&json!({})).key.id());
    let let_go = |by| Claim { handed_over_by: Some(by), ..claim(&ours, false, false) };
    let change = decide(&wanted(&json!({"k": "2"})), Some(&object), accepted(object.clone()), let_go(&theirs));
    assert_eq!((change.action, &change.verdict, &change.before), (Action::Update, &Verdict::Accepted, &None));
    assert_eq!(change.takes_over, Some(TakeOver::HandedOver { app: "shop/api".to_owned() }));
    let refused = Verdict::Rejected { message: "no".to_owned(), causes: Vec::new() };
    let change = decide(&wanted(&json!({"k": "2"})), Some(&object), DryRun::without_result(refused), let_go(&theirs));
    assert_eq!(message(&change), "no");
    // Only by the app whose mark it bears.
    let other = AppId::new(&RepoName::new("shop"), "cart");
    let change = decide(&wanted(&json!({"k": "2"})), Some(&object), accepted(object.clone()), let_go(&other));
    assert_eq!(
        message(&change),
        "ConfigMap shop/a belongs to app shop/api of the Driftless instance driftless, and app shop/web renders it as \
         well. Two apps cannot own one object: remove it from one of them."
    );
}

#[test]
fn nothing_is_handed_over_between_repos() {
    let ours = marks("web");
    let mut object = live(&json!({"k": "1"}));
    Marks::new("driftless", &AppId::new(&RepoName::new("bank"), "api")).put(&mut object, &wanted(&json!({})).key.id());
    let change =
        decide(&wanted(&json!({"k": "2"})), Some(&object), accepted(object.clone()), claim(&ours, false, true));
    assert_eq!(
        message(&change),
        "ConfigMap shop/a belongs to app bank/api of the Driftless instance driftless, and app shop/web renders it as \
         well. Two apps cannot own one object: remove it from one of them. Objects are handed over only between apps \
         of one repo."
    );
}

fn not_validated() -> Verdict {
    Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message: "w".to_owned() } }
}

/// P2: what the server says beside its answer stays with the change, whichever side is looked at.
#[test]
fn what_the_server_says_stays_with_the_change() {
    let ours = marks("web");
    let (old, new, other) = (json!({"k": "1"}), json!({"k": "2"}), json!({"k": "3"}));
    let conflict = Conflict { field: ".data.k".to_owned(), manager: "somebody".to_owned() };
    let (wanted, base) = (wanted(&new), wanted(&old));
    // An admission webhook sets it otherwise than the manifest has it.
    let said = || DryRun { conflicts: vec![conflict.clone()], warnings: vec!["w".into()], ..accepted(live(&other)) };
    let own = || claim(&ours, true, false);
    let before = live(&old);
    let sides = Some((&base, &accepted(live(&old))));
    let changes = [
        ("create", decide(&wanted, None, said(), own())),
        ("update", decide(&wanted, Some(&before), said(), own())),
        ("as applied", decide_as_applied(&wanted, said())),
        ("change", decide_change(&wanted, Some(&before), sides, said(), own())),
    ];
    for (what, change) in changes {
        assert_eq!((&change.conflicts, &change.warnings), (&vec![conflict.clone()], &vec!["w".to_owned()]), "{what}");
        assert!(change.remarks.len() == 1 && change.remarks[0].contains("data.k"), "{what}: {:?}", change.remarks);
        let after = if what == "create" { wanted.manifest.clone() } else { live(&other) };
        assert_eq!(change.after, Some(after), "{what}");
    }
    let plain = decide(&wanted, Some(&before), accepted(live(&new)), own());
    assert!(plain.remarks.is_empty() && plain.conflicts.is_empty() && plain.warnings.is_empty());
}

/// An apply does not take a delete back, which is said whether the server could be asked or not.
#[test]
fn what_is_being_deleted_is_told() {
    let ours = marks("web");
    let (old, new) = (json!({"k": "1"}), json!({"k": "2"}));
    let (wanted, base) = (wanted(&new), wanted(&old));
    let mut going = live(&old);
    going["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    let own = || claim(&ours, true, false);
    let sides = Some((&base, &accepted(going.clone())));
    let changes = [
        decide(&wanted, Some(&going), accepted(live(&new)), own()),
        decide(&wanted, Some(&going), DryRun::without_result(not_validated()), own()),
        decide_change(&wanted, Some(&going), sides, accepted(live(&new)), own()),
    ];
    for change in changes {
        assert_eq!(change.remarks, ["It is being deleted in the cluster. It is created again once it is gone"]);
    }
}

/// P3: what could not be asked is compared with what is live, and what is as applied is as good as accepted.
#[test]
fn what_could_not_be_asked_is_laid_over_what_is_live() {
    let ours = marks("web");
    let (old, new) = (json!({"k": "1", "theirs": "x"}), json!({"k": "2"}));
    let laid = |wanted: &PreparedObject| {
        let claim = Claim { applied_hash: Some(&wanted.desired.hash), ..claim(&ours, true, false) };
        decide(wanted, Some(&live(&old)), DryRun::without_result(not_validated()), claim)
    };
    let same = laid(&wanted(&json!({"k": "1"})));
    assert_eq!((same.action, &same.verdict), (Action::None, &Verdict::Accepted));
    assert_eq!((same.before, same.after), (Some(live(&old)), Some(live(&old))));
    let other = laid(&wanted(&new));
    let after = other.after.expect("what it comes to");
    assert_eq!((other.before, &after["data"]), (Some(live(&old)), &json!({"k": "2", "theirs": "x"})));
    let claim = Claim { applied_hash: Some(&wanted(&old).desired.hash), ..claim(&ours, true, false) };
    let no = DryRun::without_result(Verdict::Rejected { message: "no".to_owned(), causes: Vec::new() });
    assert!(decide(&wanted(&old), Some(&live(&old)), no, claim).is_rejected(), "it is what the server says");
}

/// C3: what belongs to another is shown only where the app may read it, and what taking it over drops is named.
#[test]
fn a_take_over_shows_what_it_drops_and_no_more() {
    let ours = marks("web");
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop",
        "labels": {"team": "red"}, "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update",
        "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:theirs": {}, "f:k": {}}}}]},
        "data": {"k": "1", "theirs": "x"}});
    let new = json!({"k": "2"});
    let taken = |adopt, reveals| {
        let claim = Claim { reveals, ..claim(&ours, false, adopt) };
        decide(&wanted(&new), Some(&theirs), accepted(live(&new)), claim)
    };
    let hidden = taken(true, false);
    assert_eq!((&hidden.before, &hidden.after), (&None, &Some(wanted(&new).manifest)));
    assert_eq!((hidden.takes_over, hidden.refused_by), (Some(TakeOver::Unmarked), RefusedBy::Server));
    assert_eq!(hidden.drops, ["data.theirs"]);
    let refused = taken(false, false);
    assert_eq!((refused.is_rejected(), refused.refused_by), (true, RefusedBy::Driftless));
    let shown = taken(true, true);
    assert_eq!((shown.action, &shown.before), (Action::Update, &Some(theirs.clone())));
    assert_eq!((&shown.takes_over, shown.is_rejected()), (&Some(TakeOver::Unmarked), false));
}

/// A change that is refused, or not validated, is one, however alike both sides are.
#[test]
fn both_sides_are_alike_only_where_the_server_accepts() {
    let ours = marks("web");
    let data = json!({"k": "1"});
    let wanted = wanted(&data);
    let same = || Some((&wanted, accepted(live(&data))));
    let change = |verdict: Verdict, before: Option<Value>| {
        let asked = DryRun { verdict, ..accepted(live(&data)) };
        let (base, answer) = same().expect("a base");
        decide_change(&wanted, before.as_ref(), Some((base, &answer)), asked, claim(&ours, true, false))
    };
    assert_eq!(change(Verdict::Accepted, Some(live(&data))).action, Action::None);
    assert_eq!(change(Verdict::Accepted, None).action, Action::None);
    assert_eq!(change(not_validated(), Some(live(&data))).action, Action::Update);
    let drifted = change(Verdict::Accepted, Some(live(&json!({"k": "0"}))));
    assert_eq!((drifted.action, drifted.before), (Action::None, Some(live(&data))), "drift is the other lens");
}

/// Two versions of one kind spell an object in two ways: the base is then what is live, read in the change's version.
#[test]
fn two_versions_are_compared_in_one() {
    let of = |version: &str, value: &str| json!({"apiVersion": version, "data": {"k": value}});
    let (live, base, after) = (of("v2", "live"), of("v1", "base"), of("v2", "after"));
    let before = |live: &Value, base: &Value| in_one_version(Some(live), Some(base), Some(&after));
    assert_eq!(before(&live, &of("v2", "base")), Some(of("v2", "base")));
    assert_eq!(before(&live, &base), Some(live.clone()));
    assert_eq!(before(&of("v1", "live"), &base), None, "nothing is in the version of the change");
    assert_eq!(in_one_version(Some(&live), None, Some(&after)), None);
    assert_eq!(in_one_version(Some(&live), Some(&base), None), Some(base));
}

/// C3: nothing that the server has said about another owner's object is passed on.
#[test]
fn what_the_server_says_of_anothers_object_is_not_passed_on() {
    let ours = marks("web");
    let new = json!({"k": "2"});
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}});
    let conflict = Conflict { field: ".data.k".to_owned(), manager: "somebody".to_owned() };
    // What comes back is not what was sent, which would be a remark about an object of ours.
    let said = || DryRun {
        conflicts: vec![conflict.clone()],
        warnings: vec!["w".into()],
        ..accepted(live(&json!({"k": "3"})))
    };
    let (wanted, base) = (wanted(&new), wanted(&json!({"k": "1"})));
    let sides = Some((&base, &accepted(live(&new))));
    let changes = [
        decide(&wanted, Some(&theirs), said(), claim(&ours, false, true)),
        decide_change(&wanted, Some(&theirs), sides, said(), claim(&ours, false, true)),
    ];
    for change in changes {
        assert_eq!(change.takes_over, Some(TakeOver::Unmarked));
        assert!(change.conflicts.is_empty() && change.warnings.is_empty() && change.remarks.is_empty());
        assert_eq!(change.after, Some(wanted.manifest.clone()));
    }
    let key = wanted.key.clone();
    assert_eq!(prune(key, theirs.clone(), Verdict::Accepted).before, Some(theirs));
}
