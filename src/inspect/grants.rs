//! Whether a credential has the rights at the forge that reports need. Pure.

use super::Findings;
use crate::forge::{ForgeError, Grants};

/// What an App needs, and what for (README, "The token needs").
const PERMISSIONS: [(&str, &str, &str); 3] = [
    ("contents", "read", "to fetch"),
    ("pull_requests", "write", "to comment"),
    ("statuses", "write", "to set the gate"),
];

pub fn judge(repo: &str, project: &str, grants: Result<Grants, ForgeError>, findings: &mut Findings) {
    let grants = match grants {
        Ok(grants) => grants,
        Err(error) => {
            return findings
                .problems
                .push(format!("repo {repo}: the rights of the credential could not be checked: {error}"));
        }
    };
    let mut wrong = Vec::new();
    if grants.suspended {
        wrong.push(
            "the App's installation is suspended: its owner can unsuspend it in the settings of installed Apps"
                .to_owned(),
        );
    }
    if let Some(permissions) = &grants.permissions {
        for (name, level, why) in PERMISSIONS {
            let given = permissions.get(name).map_or("none", String::as_str);
            if !(given == level || given == "write") {
                wrong.push(format!(
                    "the App has {name}: {given} and needs {name}: {level} {why}; grant it and accept it for the \
                     installation"
                ));
            }
        }
    }
    if let Some(scopes) = &grants.scopes
        && !writes(scopes, grants.private.unwrap_or(true))
    {
        let (needed, has) = (if grants.private == Some(false) { "public_repo" } else { "repo" }, scopes.join(", "));
        wrong.push(format!(
            "the token needs the scope {needed}, to fetch, comment and set the gate; it has {}",
            or_none(&has)
        ));
    }
    if grants.may_push == Some(false) {
        wrong.push(
            "the token's user may not push to it, which a commit status needs: give the user the role write".to_owned(),
        );
    }
    if wrong.is_empty() {
        findings.passed.push(passed(repo, project, &grants));
        if grants.permissions.is_none() && grants.scopes.is_none() {
            findings.notes.push(format!(
                "repo {repo}: the forge does not say what a fine-grained token may do; it needs Contents: read, Pull \
                 requests: write, Commit statuses: write"
            ));
        }
    }
    findings.problems.extend(wrong.into_iter().map(|text| format!("repo {repo} ({project}): {text}")));
}

fn passed(repo: &str, project: &str, grants: &Grants) -> String {
    let by = if grants.permissions.is_some() {
        "the App may fetch, comment and set statuses"
    } else if grants.scopes.is_some() {
        "the token may fetch, comment and set statuses"
    } else {
        "the token can read it"
    };
    format!("repo {repo}: {project} exists, and {by}")
}

/// `repo` covers all that we do; `public_repo` does in public repositories.
fn writes(scopes: &[String], private: bool) -> bool {
    let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
    has("repo") || (!private && has("public_repo"))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(grants: Grants) -> Vec<String> {
        let mut findings = Findings::default();
        judge("shop", "acme/shop", Ok(grants), &mut findings);
        assert_eq!(findings.passed.is_empty(), !findings.problems.is_empty());
        findings.problems
    }

    fn scopes(scopes: &[&str], private: bool) -> Grants {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Grants { scopes: Some(scopes), private: Some(private), may_push: Some(true), ..Grants::default() }
    }

    #[test]
    fn a_token_needs_its_scope_and_its_user_the_right_to_push() {
        assert_eq!(problems(scopes(&["repo"], true)), Vec::<String>::new());
        assert_eq!(problems(scopes(&["public_repo"], false)), Vec::<String>::new());
        assert_eq!(
            problems(Grants { may_push: Some(true), ..Grants::default() }),
            Vec::<String>::new(),
            "nothing is told of it"
        );
        let all = [
            problems(scopes(&["public_repo", "repo:status"], true)),
            problems(Grants { may_push: Some(false), ..scopes(&[], false) }),
        ];
        insta::assert_snapshot!(all.concat().join("\n"));
    }

    #[test]
    fn an_app_needs_its_permissions() {
        let app = |permissions: &[(&str, &str)]| {
            let permissions =
                permissions.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
            Grants { permissions: Some(permissions), ..Grants::default() }
        };
        assert_eq!(
            problems(app(&[("contents", "write"), ("pull_requests", "write"), ("statuses", "write")])),
            Vec::<String>::new()
        );
        let few = Grants { suspended: true, ..app(&[("statuses", "write"), ("pull_requests", "read")]) };
        insta::assert_snapshot!(problems(few).join("\n"));
    }
}
