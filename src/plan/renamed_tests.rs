use super::super::keyed::WORK;
use super::*;

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "fieldsV1": fields})
}

fn key(name: &str) -> String {
    format!("k:{{\"name\":\"{name}\"}}")
}

fn held(names: &[&str]) -> Value {
    let item = |name: &&str| (key(name), json!({".": {}, "f:name": {}, "f:image": {}}));
    json!({"f:spec": {"f:containers": names.iter().map(item).collect::<Map<_, _>>()}})
}

type Others<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];

fn object(others: Others<'_>, ours: &[&str], containers: &Value) -> Value {
    let others = others.iter().map(|(manager, operation, names)| entry(manager, operation, &held(names)));
    let managers: Vec<Value> = others.chain([entry("driftless", "Apply", &held(ours))]).collect();
    json!({"metadata": {"uid": "u", "resourceVersion": "7", "managedFields": managers},
        "spec": {"containers": containers}})
}

fn item(name: &str, image: &str) -> Value {
    json!({"name": name, "image": image, "imagePullPolicy": "Always"})
}

fn desired() -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "a:1"}]}})
}

/// What is found with some live containers: an apply makes ours beside them.
fn look(others: Others<'_>, live: &[Value], desired: &Value) -> Option<Renamed> {
    let made = [live, &[item("c", "a:1")]].concat();
    let (live, answer) = (object(others, &[], &json!(live)), object(others, &["c"], &json!(made)));
    renamed(&live, &answer, desired, "driftless")
}

const EDIT: (&str, &str, &[&str]) = ("kubectl-edit", "Update", &["cc"]);

/// B24+: a container that was renamed by hand is taken over, and the dry-run has it no more.
#[test]
fn what_came_of_ours_is_taken_over() {
    let live = object(&[EDIT], &[], &json!([item("cc", "a:1")]));
    let answer = object(&[EDIT], &["c"], &json!([item("c", "a:1"), item("cc", "a:1")]));
    assert!(may_be_renamed(&answer, &desired(), "driftless"));
    let found = renamed(&live, &answer, &desired(), "driftless").expect("found");
    let field = ".spec.containers[name=\"cc\"]".to_owned();
    assert_eq!(found.held, [Conflict { field, manager: "kubectl-edit".into() }]);
    let heals = found.heals(&answer).expect("a patch");
    assert_eq!(heals[1]["value"], json!({"containers": [item("c", "a:1")]}));

    let takes = found.taken.takes(&live, "driftless").expect("a patch");
    let held = |place: usize| takes[1]["value"][place].pointer("/fieldsV1/f:spec/f:containers").cloned();
    assert_eq!(held(0), Some(json!({})));
    assert!(held(1).is_some_and(|ours| ours.get(key("cc")).is_some()), "{takes}");
    // The plan's look is what counts: nothing is taken of what has become something else since.
    let other = object(&[EDIT], &[], &json!([item("cc", "a:2")]));
    assert_eq!(found.taken.takes(&other, "driftless"), None, "another image");
    assert_eq!(found.taken.takes(&answer, "driftless"), None, "ours is there again");
    let mut anew = live.clone();
    anew["metadata"]["uid"] = json!("v");
    assert_eq!(found.taken.takes(&anew, "driftless"), None, "another object");
}

/// B24+: what is not clearly ours stays: another image, two that could be it, one that somebody applies, one beside
/// ours, and one of which the answer is of another version.
#[test]
fn what_others_have_added_is_not_taken() {
    let of = |others: Others<'_>, live: &[Value]| look(others, live, &desired()).is_some();
    assert!(of(&[EDIT], &[item("cc", "a:1")]));
    assert!(!of(&[EDIT], &[item("cc", "b:1")]));
    assert!(!of(&[("x", "Update", &["cc", "cd"])], &[item("cc", "a:1"), item("cd", "a:1")]));
    assert!(!of(&[EDIT, ("mesh", "Apply", &["cc"])], &[item("cc", "a:1")]));
    assert!(!of(&[EDIT], &[item("c", "a:1"), item("cc", "a:1")]), "ours is there");
    let live = object(&[EDIT], &[], &json!([item("cc", "a:1")]));
    let mut answer = object(&[EDIT], &["c"], &json!([item("c", "a:1"), item("cc", "a:1")]));
    answer["metadata"]["resourceVersion"] = json!("8");
    assert!(renamed(&live, &answer, &desired(), "driftless").is_none());
}

/// X1+: what many items say is no evidence of whose one is.
#[test]
fn what_many_items_say_tells_nothing() {
    let of = |item: Value| tells("", &item);
    for generic in [
        json!({"emptyDir": {}}),
        json!({"value": "true"}),
        json!({"value": "yes-please"}),
        json!({"value": "averylongwordofletters"}),
        json!({"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}}),
        json!({}),
    ] {
        assert!(!of(generic.clone()), "{generic}");
    }
    for telling in [
        json!({"image": "a:1"}),
        json!({"configMap": {"name": "settings"}}),
        json!({"persistentVolumeClaim": {"claimName": "data"}}),
        json!({"value": "https://db.example.test"}),
    ] {
        assert!(of(telling.clone()), "{telling}");
    }
}

/// X20+: thousands of items of ours beside thousands of others' that say the same are looked through once, not each
/// with each.
#[test]
fn thousands_of_items_are_compared_at_once() {
    const EACH: usize = 3000;
    let names = |letter: char| (0..EACH).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    let items = |names: &[String], image: &str| names.iter().map(|name| item(name, image)).collect::<Vec<_>>();
    let (theirs, ours) = (names('x'), names('c'));
    let [held, own] = [&theirs, &ours].map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
    let others: Others<'_> = &[("team-x", "Update", &held)];
    let live = object(others, &[], &json!(items(&theirs, "a:1")));
    let made = [items(&ours, "a:1"), items(&theirs, "a:1")].concat();
    let answer = object(others, &own, &json!(made));
    let desired = json!({"spec": {"containers": items(&ours, "a:1")}});
    WORK.with(|work| work.set(0));
    assert!(may_be_renamed(&answer, &desired, "driftless"));
    assert!(renamed(&live, &answer, &desired, "driftless").is_none(), "nobody renames so many by hand");
    let work = WORK.with(std::cell::Cell::get);
    // Each with each would be millions.
    assert!(work < 100 * EACH, "{work} items and keys were read");
}
