//! Names that end in a generator's hash: a new hash is a new object for the cluster, and an update for its author.

use std::collections::{HashMap, HashSet};

use crate::manifest::{ObjectId, ObjectKey};

/// kustomize's hash: ten hexadecimal digits, some of them replaced so that they spell nothing.
const DIGITS: &[u8] = b"2456789bcdfghkmt";
const LENGTH: usize = 10;

/// The name without its hash, if it has one.
pub fn stem(name: &str) -> Option<&str> {
    let (stem, hash) = name.rsplit_once('-')?;
    (!stem.is_empty() && hash.len() == LENGTH && hash.bytes().all(|byte| DIGITS.contains(&byte))).then_some(stem)
}

/// Pairs each new object with an old one that is it with another hash. Every object is in at most one pair; where
/// several old ones are left of a stem, the last of them by name is taken and the others stay unpaired.
pub fn pair(old: &[ObjectKey], new: &[ObjectKey]) -> Vec<(ObjectKey, ObjectKey)> {
    let ids = |keys: &[ObjectKey]| -> HashSet<ObjectId> { keys.iter().map(ObjectKey::id).collect() };
    let (old_ids, new_ids) = (ids(old), ids(new));
    let mut left: Vec<&ObjectKey> = old.iter().filter(|key| !new_ids.contains(&key.id())).collect();
    left.sort();
    let mut families: HashMap<ObjectId, Vec<&ObjectKey>> = HashMap::new();
    for key in left {
        if let Some(family) = family(&key.id()) {
            families.entry(family).or_default().push(key);
        }
    }
    let fresh = new.iter().filter(|key| !old_ids.contains(&key.id()));
    fresh.filter_map(|key| Some((families.get_mut(&family(&key.id())?)?.pop()?.clone(), key.clone()))).collect()
}

/// Only what a generator makes has a hash for a name: whatever else is called so holds something of its own, and its
/// delete is one.
fn family(id: &ObjectId) -> Option<ObjectId> {
    let generated = id.group.is_empty() && matches!(id.kind.as_str(), "ConfigMap" | "Secret");
    if !generated {
        return None;
    }
    Some(ObjectId { name: stem(&id.name)?.to_owned(), ..id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, name: &str) -> ObjectKey {
        let namespace = Some("shop".to_owned());
        ObjectKey {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace,
            name: name.to_owned(),
        }
    }

    #[test]
    fn only_a_hash_is_a_hash() {
        assert_eq!(stem("env-5c4ff2h9m6"), Some("env"));
        assert_eq!(stem("env-file-m5ct8tk2bf"), Some("env-file"));
        for name in ["env", "env-production", "env-aaaaaaaaaa", "-5c4ff2h9m6", "env-5c4ff2h9m", "5c4ff2h9m6"] {
            assert_eq!(stem(name), None, "{name}");
        }
    }

    /// X2: a Namespace, a `StatefulSet` or a kind that is only called `ConfigMap` is no generated object, whatever its
    /// name looks like.
    #[test]
    fn only_what_a_generator_makes_is_paired() {
        for kind in ["Namespace", "PersistentVolumeClaim", "StatefulSet", "Service"] {
            assert_eq!(pair(&[key(kind, "data-2222222222")], &[key(kind, "data-4444444444")]), [], "{kind}");
        }
        let foreign = |name: &str| ObjectKey { group: "example.io".to_owned(), ..key("ConfigMap", name) };
        assert_eq!(pair(&[foreign("data-2222222222")], &[foreign("data-4444444444")]), []);
        assert_eq!(pair(&[key("Secret", "data-2222222222")], &[key("Secret", "data-4444444444")]).len(), 1);
    }

    #[test]
    fn each_object_is_in_one_pair_at_most() {
        let old =
            [key("ConfigMap", "env-2222222222"), key("ConfigMap", "env-4444444444"), key("Secret", "env-5555555555")];
        let new = [
            key("ConfigMap", "env-6666666666"),
            key("ConfigMap", "env-7777777777"),
            key("ConfigMap", "env-8888888888"),
        ];
        let pairs = pair(&old, &new);
        let names: Vec<_> = pairs.iter().map(|(old, new)| (old.name.as_str(), new.name.as_str())).collect();
        assert_eq!(names, [("env-4444444444", "env-6666666666"), ("env-2222222222", "env-7777777777")]);
        assert_eq!(pair(&old, &old), []);
    }
}
