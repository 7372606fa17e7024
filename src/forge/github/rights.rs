//! Whether a credential has the rights that Driftless needs at GitHub. Pure.

use std::collections::BTreeMap;

use crate::forge::Grants;

/// What an App needs, and what for (docs/forges.md).
const PERMISSIONS: [(&str, &str, &str); 3] = [
    ("contents", "read", "to fetch"),
    ("pull_requests", "write", "to comment"),
    ("statuses", "write", "to set the gate"),
];

/// An App's installation has permissions such as `statuses: write`.
pub(super) fn of_app(permissions: &BTreeMap<String, String>, suspended: bool) -> Grants {
    let mut grants = Grants { may: "the App may fetch, comment and set statuses", ..Grants::default() };
    if suspended {
        grants.wrong.push(
            "the App's installation is suspended: its owner can unsuspend it in the settings of installed Apps"
                .to_owned(),
        );
    }
    for (name, level, why) in PERMISSIONS {
        let given = permissions.get(name).map_or("none", String::as_str);
        if !(given == level || given == "write") {
            grants.wrong.push(format!(
                "the App has {name}: {given} and needs {name}: {level} {why}; grant it and accept it for the \
                 installation"
            ));
        }
    }
    grants
}

/// Only a token of the old kind has scopes.
pub(super) fn of_token(scopes: Option<&[String]>, may_push: Option<bool>, private: bool) -> Grants {
    let may = if scopes.is_some() { "the token may fetch, comment and set statuses" } else { "the token can read it" };
    let mut grants = Grants { may, ..Grants::default() };
    match scopes {
        Some(scopes) if !writes(scopes, private) => {
            let (needed, has) = (if private { "repo" } else { "public_repo" }, scopes.join(", "));
            grants.wrong.push(format!(
                "the token needs the scope {needed}, to fetch, comment and set the gate; it has {}",
                if has.is_empty() { "none" } else { &has }
            ));
        }
        Some(_) => {}
        None => grants.notes.push(
            "the forge does not say what a fine-grained token may do; it needs Contents: read, Pull requests: write, \
             Commit statuses: write"
                .to_owned(),
        ),
    }
    if may_push == Some(false) {
        grants.wrong.push(
            "the token's user may not push to it, which a commit status needs: give the user the role write".to_owned(),
        );
    }
    grants
}

/// `repo` covers all that we do; `public_repo` does in public repositories.
fn writes(scopes: &[String], private: bool) -> bool {
    let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
    has("repo") || (!private && has("public_repo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(scopes: &[&str], may_push: bool, private: bool) -> Vec<String> {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        of_token(Some(&scopes), Some(may_push), private).wrong
    }

    #[test]
    fn a_token_needs_its_scope_and_its_user_the_right_to_push() {
        assert_eq!(token(&["repo"], true, true), Vec::<String>::new());
        assert_eq!(token(&["public_repo"], true, false), Vec::<String>::new());
        let untold = of_token(None, Some(true), true);
        assert_eq!((untold.wrong.len(), untold.notes.len()), (0, 1), "nothing is told of it");
        let all = [token(&["public_repo", "repo:status"], true, true), token(&[], false, false)];
        insta::assert_snapshot!(all.concat().join("\n"));
    }

    #[test]
    fn an_app_needs_its_permissions() {
        let app = |suspended, permissions: &[(&str, &str)]| {
            let named = |(name, level): &(&str, &str)| ((*name).to_owned(), (*level).to_owned());
            of_app(&permissions.iter().map(named).collect(), suspended).wrong
        };
        let enough = app(false, &[("contents", "write"), ("pull_requests", "write"), ("statuses", "write")]);
        assert_eq!(enough, Vec::<String>::new());
        let few = app(true, &[("statuses", "write"), ("pull_requests", "read")]);
        insta::assert_snapshot!(few.join("\n"));
    }
}
