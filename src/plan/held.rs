//! Which deletions need confirmation themselves, and which are only held together with those. Pure.

use std::collections::BTreeMap;

use super::change::Change;
use super::destructive::{Destructive, PruneLimit, deletes, is_destructive, is_too_many};
use crate::manifest::{ObjectId, ObjectKey};

/// Why a deletion is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldFor {
    /// What it deletes, or who says that it is the app's, needs confirmation. That is so as long as it is to be
    /// deleted.
    Itself,
    /// So many of so many objects go at once. That stays so, however much the app grows, until fewer of them go.
    Number { of: usize },
    /// Others are held, and may refer to it.
    Others,
}

/// The deletions of a plan by what they are held for.
#[derive(Debug, Default)]
pub struct AwaitingConfirmation {
    /// Those that were held by an earlier run and still are, whatever else goes.
    pub earlier: Vec<ObjectKey>,
    /// Those that need no confirmation: they wait only if others do.
    pub others: Vec<ObjectKey>,
    /// What to remember of each that is in the inventory, where they are held.
    pub held_for: BTreeMap<ObjectId, HeldFor>,
}

/// `rows`: the inventory, with what its deletions are held for by now. `reasons`: why the plan needs confirmation.
pub fn held<'a>(
    changes: impl IntoIterator<Item = &'a Change>,
    rows: &BTreeMap<ObjectId, Option<HeldFor>>,
    reasons: &[Destructive],
    limit: PruneLimit,
) -> AwaitingConfirmation {
    let goes: Vec<&Change> = changes.into_iter().filter(|change| deletes(change)).collect();
    let so_far = |change: &Change| rows.get(&change.key.id()).copied().flatten();
    let counted: Vec<usize> = goes
        .iter()
        .filter_map(|change| if let Some(HeldFor::Number { of }) = so_far(change) { Some(of) } else { None })
        .collect();
    let of = counted.iter().copied().min().unwrap_or_default();
    // Those that are wanted again are still held by their rows; those that moved to other apps have none.
    let waiting = rows.values().filter(|held| matches!(held, Some(HeldFor::Number { .. }))).count();
    let is_still_many = counted.len() >= waiting.min(of) || is_too_many(counted.len(), of, limit);
    let now_many = reasons.iter().find_map(Destructive::number);
    let mut found = AwaitingConfirmation::default();
    for change in &goes {
        let before = so_far(change);
        let stays = match before {
            Some(HeldFor::Itself) => true,
            Some(HeldFor::Number { .. }) => is_still_many,
            Some(HeldFor::Others) | None => false,
        };
        let held_for = match (before, now_many) {
            (Some(held), _) if stays => held,
            _ if is_destructive(change) => HeldFor::Itself,
            (_, Some(of)) => HeldFor::Number { of },
            _ => HeldFor::Others,
        };
        if stays {
            found.earlier.push(change.key.clone());
        }
        if !rows.contains_key(&change.key.id()) {
            // What only its marks tell of is asked about by itself.
            continue;
        }
        if held_for == HeldFor::Others {
            found.others.push(change.key.clone());
        }
        found.held_for.insert(change.key.id(), held_for);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::change::{Action, Verdict};
    use super::super::destructive::destructive;
    use super::*;

    fn map(name: &str) -> Change {
        of("", "ConfigMap", name)
    }

    fn of(group: &str, kind: &str, name: &str) -> Change {
        let (group, namespace) = (group.to_owned(), (kind != "Namespace").then(|| "shop".to_owned()));
        let key = ObjectKey { group, version: "v1".into(), kind: kind.into(), namespace, name: name.into() };
        Change::new(key, Action::Prune, Verdict::Accepted)
    }

    /// What is held of these prunes: whether anything is, and each with its reason. Those that are only in `before` are
    /// wanted again.
    fn look(prunes: &[Change], before: &[Option<HeldFor>], others: usize) -> (bool, Vec<(String, HeldFor)>) {
        let mut rows: BTreeMap<ObjectId, Option<HeldFor>> =
            prunes.iter().zip(before).map(|(change, held)| (change.key.id(), *held)).collect();
        let back = before.iter().skip(prunes.len()).enumerate();
        rows.extend(back.map(|(n, held)| (map(&format!("back-{n}")).key.id(), *held)));
        rows.extend((0..others).map(|n| (map(&format!("other-{n}")).key.id(), None)));
        let ids: Vec<ObjectId> = rows.keys().cloned().collect();
        let reasons = destructive(prunes, &ids, PruneLimit::default());
        let held = held(prunes, &rows, &reasons, PruneLimit::default());
        let waits = !reasons.is_empty() || !held.earlier.is_empty();
        (waits, held.held_for.into_iter().map(|(id, held)| (id.name, held)).collect())
    }

    fn named(all: &[(&str, HeldFor)]) -> Vec<(String, HeldFor)> {
        all.iter().map(|(name, held)| ((*name).to_owned(), *held)).collect()
    }

    /// X2+: harmless deletions wait with a destructive one, and no longer than that.
    #[test]
    fn what_only_waits_with_others_is_free_without_them() {
        let (a, b, space) = (map("a"), map("b"), of("", "Namespace", "space"));
        let all = [a.clone(), b.clone(), space];
        let held = [("a", HeldFor::Others), ("b", HeldFor::Others), ("space", HeldFor::Itself)];
        assert_eq!(look(&all, &[None; 3], 9), (true, named(&held)));
        assert!(!look(&[a, b], &[Some(HeldFor::Others); 2], 9).0, "the Namespace is in Git again");
    }

    /// X2+: what only waited with others is held for its own reason once there is one.
    #[test]
    fn what_waited_with_others_may_get_a_reason_of_its_own() {
        let all = ["a", "b", "c", "d"].map(map);
        let (waits, held) = look(&all, &[Some(HeldFor::Others); 4], 2);
        assert!(waits && held.iter().all(|(_, held)| *held == HeldFor::Number { of: 6 }), "{held:?}");
        let space = of("", "Namespace", "space");
        let (_, held) = look(std::slice::from_ref(&space), &[Some(HeldFor::Others)], 9);
        assert_eq!(held, named(&[("space", HeldFor::Itself)]));
    }

    /// X2+: what is held for how many go stays held while the app grows, until fewer of them go.
    #[test]
    fn what_is_held_for_its_number_stays_so_while_the_app_grows() {
        let all = ["a", "b", "c", "d"].map(map);
        let six = Some(HeldFor::Number { of: 6 });
        let (waits, held) = look(&all, &[None; 4], 2);
        assert!(waits && held.iter().all(|(_, held)| Some(*held) == six), "{held:?}");
        let (waits, held) = look(&all, &[six; 4], 40);
        assert!(waits && held.iter().all(|(_, held)| Some(*held) == six), "{held:?}");
        let more = ["a", "b", "c", "d", "e"].map(map);
        let (waits, held) = look(&more, &[six, six, six, six, None], 40);
        assert!(waits, "{held:?}");
        assert_eq!(held.last(), Some(&("e".to_owned(), HeldFor::Others)));
        assert!(!look(&all[..3], &[six; 4], 40).0, "half of them is no more too many, once one is called off");
        assert!(look(&all[..3], &[six; 3], 40).0, "one has moved to another app");
        let three = Some(HeldFor::Number { of: 3 });
        assert!(look(&all[..3], &[three; 3], 40).0, "all of it is");
        assert!(look(&all[..1], &[Some(HeldFor::Itself)], 40).0, "what an earlier release has held");
    }
}
