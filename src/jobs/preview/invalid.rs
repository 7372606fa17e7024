//! Apps whose definition is invalid, on the base or in the pull request. An invalid definition neither defines nor
//! removes an app: the applied objects stay, by the last valid definition.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::{App, DefinitionError};
use crate::ids::AppId;
use crate::store::apps::{AppRow, AppState};

/// What stands in for definitions that are missing for a mistake.
#[derive(Debug, Default)]
pub(super) struct Invalid {
    /// Whose definition on the base was invalid, and is right or removed with the pull request.
    pub repaired: BTreeSet<AppId>,
    /// Whose definition is invalid as the pull request has it, or may be: nothing of it is applied, and why.
    pub stays: BTreeMap<AppId, String>,
    /// Those of them that nothing was applied of before, either.
    pub stayed: BTreeSet<AppId>,
}

/// One side of the definitions.
pub(super) struct Side<'a> {
    pub apps: &'a mut BTreeMap<AppId, App>,
    pub errors: &'a [DefinitionError],
}

impl Side<'_> {
    /// What is wrong with the definition of an app that is not among the others.
    fn own(&self, app: &App) -> Option<String> {
        let is_own = |error: &&DefinitionError| {
            error.app.as_deref().map_or(error.file == app.origin.file, |name| *name == *app.id.name)
        };
        let own: Vec<String> = self.errors.iter().filter(is_own).map(ToString::to_string).collect();
        (!own.is_empty()).then(|| own.join("; "))
    }
}

/// Completes both sides by what is stored of apps that are defined on none of them, or on one, for a mistake in a
/// definition.
pub(super) fn complete(rows: &[AppRow], base: &mut Side<'_>, change: &mut Side<'_>) -> Invalid {
    let mut found = Invalid::default();
    if base.errors.is_empty() && change.errors.is_empty() {
        return found;
    }
    for row in rows.iter().filter(|row| row.state != AppState::Removed) {
        let (id, app) = (&row.app.id, &row.app);
        let was = base.apps.contains_key(id);
        match (was, change.apps.get(id)) {
            (true, Some(_)) => {}
            (false, Some(_)) => {
                if base.own(app).is_some() {
                    base.apps.insert(id.clone(), app.clone());
                    found.repaired.insert(id.clone());
                }
            }
            (true, None) => stay(&mut found, base, change, app),
            // Without any error left, it is removed.
            (false, None) if change.errors.is_empty() => {
                base.apps.insert(id.clone(), app.clone());
                found.repaired.insert(id.clone());
            }
            (false, None) => {
                if base.own(app).is_some() && change.own(app).is_some() {
                    base.apps.insert(id.clone(), app.clone());
                    found.stayed.insert(id.clone());
                    stay(&mut found, base, change, app);
                }
            }
        }
    }
    found
}

/// As long as any definition is invalid, none counts as removed.
fn stay(found: &mut Invalid, base: &Side<'_>, change: &mut Side<'_>, stored: &App) {
    let id = &stored.id;
    let Some(app) = base.apps.get(id) else { return };
    let why = match (change.own(app), change.errors.first()) {
        (Some(error), _) => format!("{error}; its objects stay as they are"),
        (None, Some(error)) => format!(
            "its definition is gone from {}, but {error}, so this may not be a removal; its objects stay as they are",
            app.origin.file
        ),
        (None, None) => return,
    };
    change.apps.insert(id.clone(), app.clone());
    found.stays.insert(id.clone(), why);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_status::tests::row;

    fn error(app: Option<&str>, file: &str) -> DefinitionError {
        DefinitionError { file: file.into(), line: 3, message: "wrong".into(), app: app.map(str::to_owned) }
    }

    /// What comes of one stored app: whether each side has it, and what is said of it. `defined` and `errors` are of
    /// the base and of the pull request.
    fn of(defined: [bool; 2], errors: [&[DefinitionError]; 2]) -> ([bool; 2], Invalid) {
        let row = row();
        let side = |defined: bool| -> BTreeMap<AppId, App> {
            defined.then(|| (row.app.id.clone(), row.app.clone())).into_iter().collect()
        };
        let (mut base, mut change) = (side(defined[0]), side(defined[1]));
        let found = complete(
            std::slice::from_ref(&row),
            &mut Side { apps: &mut base, errors: errors[0] },
            &mut Side { apps: &mut change, errors: errors[1] },
        );
        ([!base.is_empty(), !change.is_empty()], found)
    }

    /// X16+: an app whose definition is invalid is neither new nor removed, on whichever side it is.
    #[test]
    fn what_is_invalid_neither_adds_nor_removes() {
        let app = row().app;
        let own = [error(Some(&app.id.name), "elsewhere.yaml")];
        let of_the_file = [error(None, &app.origin.file)];
        let other = [error(Some("other"), &app.origin.file)];
        let why = |found: &Invalid| found.stays.get(&app.id).cloned().unwrap_or_default();
        for own in [&own[..], &of_the_file[..]] {
            let (sides, found) = of([false, true], [own, &[]]);
            assert_eq!((sides, found.repaired.len(), why(&found).as_str()), ([true, true], 1, ""), "it is repaired");
            let (sides, found) = of([true, false], [&[], own]);
            assert_eq!((sides, found.repaired.len(), found.stayed.len()), ([true, true], 0, 0), "it is broken");
            assert!(why(&found).contains(":3: wrong; its objects stay"), "{}", why(&found));
            let (sides, found) = of([false, false], [own, own]);
            assert_eq!((sides, found.stayed.len()), ([true, true], 1), "it stays broken");
            let (sides, found) = of([false, false], [own, &[]]);
            assert_eq!((sides, found.repaired.len()), ([true, false], 1), "it is removed");
        }
        // A mistake in another definition: what is gone may only have been moved, and what is new is new.
        let (sides, found) = of([true, false], [&other, &other]);
        assert_eq!(sides, [true, true]);
        assert!(why(&found).contains("this may not be a removal"), "{}", why(&found));
        assert_eq!(of([false, true], [&other, &[]]).0, [false, true]);
        assert_eq!(of([false, false], [&other, &other]).0, [false, false]);
        assert_eq!(of([true, false], [&[], &[]]).0, [true, false], "without any error it is removed");
    }
}
