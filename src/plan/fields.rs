//! Sets of fields as managedFields write them (`FieldsV1`), walked along an object.
//!
//! `f:NAME` is a field, `k:{…}` the item of a list that has these keys, `v:VALUE` an item of a set, `i:N` an item by its place, and `.` the
//! field itself.

use serde_json::Value;

/// One step into an object.
enum Step<'a> {
    Field(&'a str),
    Keys(Value),
    Item(Value),
    Place(usize),
}

fn step(text: &str) -> Option<Step<'_>> {
    let (kind, rest) = text.split_once(':')?;
    Some(match kind {
        "f" => Step::Field(rest),
        "k" => Step::Keys(serde_json::from_str(rest).ok()?),
        "v" => Step::Item(serde_json::from_str(rest).ok()?),
        "i" => Step::Place(rest.parse().ok()?),
        _ => return None,
    })
}

impl Step<'_> {
    fn place(&self, items: &[Value]) -> Option<usize> {
        match self {
            Self::Field(_) => None,
            Self::Keys(keys) => {
                let keys = keys.as_object()?;
                items.iter().position(|item| keys.iter().all(|(name, value)| item.get(name).is_some_and(|own| own == value)))
            }
            Self::Item(value) => items.iter().position(|item| item == value),
            Self::Place(place) => (*place < items.len()).then_some(*place),
        }
    }

    fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match (self, value) {
            (Self::Field(name), value) => value.get(name),
            (step, Value::Array(items)) => step.place(items).map(|place| &items[place]),
            _ => None,
        }
    }

    fn get_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match (self, value) {
            (Self::Field(name), value) => value.get_mut(name),
            (step, Value::Array(items)) => step.place(items).map(|place| &mut items[place]),
            _ => None,
        }
    }

    fn remove(&self, value: &mut Value) -> bool {
        match (self, value) {
            (Self::Field(name), Value::Object(fields)) => fields.shift_remove(*name).is_some(),
            (step, Value::Array(items)) => step.place(items).map(|place| items.remove(place)).is_some(),
            _ => false,
        }
    }
}

/// Takes out of `object` the fields of the set `theirs` that neither `manifest` has nor any of the sets `kept`: what goes when a manager's
/// fields become ours and our manifest does not name them. Returns whether anything went.
pub fn subtract(object: &mut Value, theirs: &Value, manifest: Option<&Value>, kept: &[&Value]) -> bool {
    let Some(theirs) = theirs.as_object() else { return false };
    let mut gone = false;
    for (text, below) in theirs {
        let Some(step) = step(text) else { continue };
        let wanted = manifest.and_then(|manifest| step.get(manifest));
        let held: Vec<&Value> = kept.iter().filter_map(|kept| kept.get(text)).collect();
        let is_unwanted = wanted.is_none() && held.is_empty();
        let below_it: Vec<_> = below.as_object().into_iter().flatten().filter(|(key, _)| *key != ".").collect();
        // Who owns the field itself takes all of it away, and with it what the server filled in.
        if below_it.is_empty() || (is_unwanted && below.get(".").is_some()) {
            gone |= is_unwanted && step.remove(object);
            continue;
        }
        let Some(inner) = step.get_mut(object) else { continue };
        gone |= subtract(inner, below, wanted, &held);
        if is_unwanted && is_empty(inner) {
            step.remove(object);
        }
    }
    gone
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_else_wants_goes() {
        let theirs = json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}, "f:b": {}, "f:c": {}}}, "f:spec": {
            "f:replicas": {},
            "f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}, "f:args": {}}, "k:{\"name\":\"old\"}": {".": {}, "f:name": {}, "f:image": {}}},
            "f:finalizers": {"v:\"x\"": {}, "v:\"y\"": {}},
        }});
        let manifest =
            json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "web", "image": "i"}], "finalizers": ["x"]}});
        let kept = json!({"f:metadata": {"f:labels": {"f:c": {}}}});
        let mut object = json!({"metadata": {"labels": {"a": "1", "b": "2", "c": "3"}}, "spec": {
            "replicas": 2,
            "containers": [{"name": "web", "image": "i", "args": ["z"]}, {"name": "old", "image": "o"}],
            "finalizers": ["x", "y"],
        }});
        assert!(subtract(&mut object, &theirs, Some(&manifest), &[&kept]));
        let left = json!({"metadata": {"labels": {"a": "1", "c": "3"}}, "spec": {
            "containers": [{"name": "web", "image": "i"}],
            "finalizers": ["x"],
        }});
        assert_eq!(object, left);
        assert!(!subtract(&mut object, &theirs, Some(&manifest), &[&kept]), "nothing is left to go");
    }

    #[test]
    fn odd_sets_take_nothing() {
        let mut object = json!({"spec": {"a": 1}});
        for odd in
            [json!(null), json!([]), json!({"x": {}}), json!({"k:{": {}}), json!({"f:spec": {"k:{\"a\":1}": {}}}), json!({"i:9": {}})]
        {
            assert!(!subtract(&mut object, &odd, None, &[]), "{odd}");
        }
        assert_eq!(object, json!({"spec": {"a": 1}}));
    }
}
