//! Finds items of keyed lists by their keys. Each key and each item is read once, however many there are. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

/// A list has one set of key fields; a few more are of versions of its kind. What has more is not looked into.
const KEY_SETS: usize = 4;
/// No kind of Kubernetes has keys of more fields. Which of them an item leaves out is tried one by one.
const KEY_FIELDS: usize = 6;

/// `k:{…}` of a set of fields, taken apart.
pub(super) struct Key(Map<String, Value>);

impl Key {
    pub(super) fn parse(text: &str) -> Option<Self> {
        tests_count(1);
        let key: Map<String, Value> = serde_json::from_str(text.strip_prefix("k:")?).ok()?;
        (!key.is_empty()).then_some(Self(key))
    }

    /// Whether an item of a list is the one that is named. What the item leaves out has its default.
    pub(super) fn is(&self, item: &Value) -> bool {
        tests_count(1);
        let known = self.0.iter().filter(|(name, value)| item.get(*name) == Some(*value)).count();
        known > 0 && self.0.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value))
    }

    /// The fields that tell the items of the list apart.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    fn part(&self, names: &[&String], mask: u32) -> Option<String> {
        part(names, mask, |name| self.0.get(name))
    }
}

/// The first item that each of some keys names, by its place.
pub(super) fn by_key<'k>(keys: impl IntoIterator<Item = &'k String>, items: &[Value]) -> HashMap<&'k str, usize> {
    let mut sets: BTreeMap<BTreeSet<String>, Vec<(&'k str, Key)>> = BTreeMap::new();
    for text in keys {
        if let Some(key) = Key::parse(text) {
            sets.entry(key.names().cloned().collect()).or_default().push((text, key));
        }
    }
    let mut found = HashMap::new();
    for (names, keys) in sets.iter().filter(|(names, _)| names.len() <= KEY_FIELDS).take(KEY_SETS) {
        let names: Vec<&String> = names.iter().collect();
        let mut places: HashMap<(u32, String), usize> = HashMap::new();
        let mut masks = BTreeSet::new();
        for (place, item) in items.iter().enumerate() {
            let mask = mask(&names, item);
            let Some(part) = part(&names, mask, |name| item.get(name)) else { continue };
            masks.insert(mask);
            places.entry((mask, part)).or_insert(place);
        }
        for (text, key) in keys {
            let place = |mask: &u32| places.get(&(*mask, key.part(&names, *mask)?)).copied();
            if let Some(place) = masks.iter().filter_map(place).min() {
                found.insert(*text, place);
            }
        }
    }
    found
}

/// What each key of a set of fields stands for in a value: a field, an item of a list, a member of a set.
pub(super) fn children<'k, 'v>(fields: &'k Map<String, Value>, value: &'v Value) -> HashMap<&'k str, &'v Value> {
    match value {
        Value::Object(value) => {
            let field = |key: &'k String| Some((key.as_str(), value.get(key.strip_prefix("f:")?)?));
            fields.keys().filter_map(field).collect()
        }
        Value::Array(items) => {
            let places = by_key(fields.keys().filter(|key| key.starts_with("k:")), items);
            let mut found: HashMap<&str, &Value> = places.into_iter().map(|(key, at)| (key, &items[at])).collect();
            if fields.keys().any(|key| key.starts_with("v:")) {
                let by_value: HashMap<String, &Value> = items.iter().map(|item| (canonical(item), item)).collect();
                let wanted = |key: &str| serde_json::from_str::<Value>(key.strip_prefix("v:")?).ok();
                let member = |key: &'k String| Some((key.as_str(), *by_value.get(&canonical(&wanted(key)?))?));
                found.extend(fields.keys().filter_map(member));
            }
            found
        }
        _ => HashMap::new(),
    }
}

/// Which of the names an item has.
fn mask(names: &[&String], item: &Value) -> u32 {
    names.iter().enumerate().filter(|(_, name)| item.get(name.as_str()).is_some()).map(|(at, _)| 1 << at).sum()
}

/// The values of those names that a mask picks, as one text. None where it picks none.
fn part<'v>(names: &[&String], mask: u32, value: impl Fn(&str) -> Option<&'v Value>) -> Option<String> {
    tests_count(1);
    let picked = names.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, name)| name.as_str());
    let values: Option<Vec<&Value>> = picked.map(value).collect();
    values.filter(|values| !values.is_empty()).and_then(|values| serde_json::to_string(&values).ok())
}

/// Texts of values that are equal where these are, whatever the order of their fields.
pub(super) fn canonical(value: &Value) -> String {
    tests_count(1);
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

#[cfg(not(test))]
const fn tests_count(_: usize) {}

#[cfg(test)]
thread_local! {
    /// How often a key or an item was read: what a test can count, as a clock tells of the machine.
    pub(super) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
fn tests_count(more: usize) {
    WORK.with(|work| work.set(work.get() + more));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(keys: &[&str], items: &Value) -> Vec<(String, usize)> {
        let keys: Vec<String> = keys.iter().map(|key| format!("k:{key}")).collect();
        let found = by_key(&keys, items.as_array().expect("items"));
        let mut found: Vec<_> = found.into_iter().map(|(key, place)| (key.to_owned(), place)).collect();
        found.sort();
        found
    }

    #[test]
    fn an_item_is_found_by_what_it_says_of_its_key() {
        let one = r#"{"port":80,"protocol":"TCP"}"#;
        let other = r#"{"port":80,"protocol":"UDP"}"#;
        let items = json!([{"port": 81}, {"port": 80, "protocol": "UDP"}, {"port": 80}, {"more": 1}]);
        let key = |text: &str| format!("k:{text}");
        assert_eq!(places(&[one, other], &items), [(key(one), 2), (key(other), 1)]);
        assert!(places(&["{}", "no JSON", r#"{"name":"x"}"#], &items).is_empty());
        let by = |text: &str| Key::parse(&key(text)).expect("a key");
        assert!(by(one).is(&items[2]) && !by(one).is(&items[1]) && !by(one).is(&items[3]));
    }

    /// Each key and each item is read a few times, not each with each.
    #[test]
    fn thousands_of_items_are_found_at_once() {
        let keys: Vec<String> = (0..3000).map(|n| format!(r#"k:{{"name":"X{n}"}}"#)).collect();
        let items: Vec<Value> = (0..3000).rev().map(|n| json!({"name": format!("X{n}")})).collect();
        WORK.with(|work| work.set(0));
        let found = by_key(&keys, &items);
        assert_eq!(found.get(keys[7].as_str()), Some(&2992));
        assert_eq!(found.len(), 3000);
        assert!(WORK.with(std::cell::Cell::get) <= 10_000);
    }
}
