//! Whether a credential has the rights at the forge that Driftless needs, as its forge judges. Pure.

use super::Findings;
use crate::forge::{ForgeError, Grants};

pub fn judge(repo: &str, project: &str, grants: Result<Grants, ForgeError>, findings: &mut Findings) {
    let grants = match grants {
        Ok(grants) => grants,
        Err(error) => {
            return findings
                .problems
                .push(format!("repo {repo}: the rights of the credential could not be checked: {error}"));
        }
    };
    if grants.wrong.is_empty() {
        findings.passed.push(format!("repo {repo}: {project} exists, and {}", grants.may));
        findings.notes.extend(grants.notes.into_iter().map(|text| format!("repo {repo}: {text}")));
    }
    findings.problems.extend(grants.wrong.into_iter().map(|text| format!("repo {repo} ({project}): {text}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_missing_is_a_problem_and_nothing_else_is() {
        let found = |wrong: &[&str]| {
            let wrong = wrong.iter().map(|text| (*text).to_owned()).collect();
            let grants = Grants { wrong, notes: vec!["it expires".into()], may: "the token may read it" };
            let mut findings = Findings::default();
            judge("shop", "acme/shop", Ok(grants), &mut findings);
            findings
        };
        let sound = found(&[]);
        assert_eq!(sound.passed, ["repo shop: acme/shop exists, and the token may read it"]);
        assert_eq!((sound.notes, sound.problems), (vec!["repo shop: it expires".to_owned()], Vec::new()));
        let wrong = found(&["it may not"]);
        assert_eq!((wrong.passed, wrong.problems), (Vec::new(), vec!["repo shop (acme/shop): it may not".to_owned()]));
    }
}
