//! Changes to objects that no preview has shown. Pure.

use crate::jobs::preview::previewed::Shown;

/// What is done to objects that none of the previews has shown so.
pub(in crate::jobs) fn unseen(now: &Shown, shown: &[&Shown]) -> Vec<String> {
    let is_shown = |(object, what): &(&String, &String)| {
        let result = now.results.get(*object);
        shown.iter().any(|one| {
            let known = [one.steps.get(*object), one.sent.get(*object)];
            // Another spelling of what was shown comes to the same.
            let comes_to_the_same = result.is_some() && one.results.get(*object) == result;
            known.contains(&Some(*what)) || comes_to_the_same || one.already.contains(*object)
        })
    };
    now.steps.iter().filter(|step| !is_shown(step)).map(|(object, _)| object.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(steps: &[(&str, &str)], already: &[&str]) -> Shown {
        Shown {
            steps: steps.iter().map(|(object, what)| ((*object).to_owned(), (*what).to_owned())).collect(),
            already: already.iter().map(|object| (*object).to_owned()).collect(),
            ..Shown::default()
        }
    }

    /// "Reviewed is applied": what a sync does and no preview has shown is told, whether the base or the cluster moved.
    #[test]
    fn what_no_preview_has_shown_is_told() {
        let one = shown(&[("ConfigMap a", "1"), ("ConfigMap b", "deleted")], &["ConfigMap d"]);
        let two = shown(&[("ConfigMap c", "3")], &[]);
        let now = shown(
            &[
                ("ConfigMap a", "2"),
                ("ConfigMap b", "deleted"),
                ("ConfigMap c", "3"),
                ("ConfigMap d", "4"),
                ("ConfigMap e", "5"),
            ],
            &[],
        );
        assert_eq!(unseen(&now, &[&one, &two]), ["ConfigMap a", "ConfigMap e"]);
        assert_eq!(unseen(&one, &[&one]), Vec::<String>::new());
    }

    /// X1+: `1000m` for `1` is the same object in the cluster, whether it was shown as no change or as another spelling
    /// of the same one.
    #[test]
    fn another_spelling_is_what_was_shown() {
        let named = |what: &str| std::collections::BTreeMap::from([("Deployment web".to_owned(), what.to_owned())]);
        let now = Shown { results: named("same"), ..shown(&[("Deployment web", "2")], &[]) };
        let no_change = Shown { sent: named("2"), ..Shown::default() };
        let spelled_otherwise = Shown { results: named("same"), ..shown(&[("Deployment web", "1")], &[]) };
        let another = Shown { results: named("other"), ..shown(&[("Deployment web", "1")], &[]) };
        assert_eq!(unseen(&now, &[&no_change]), Vec::<String>::new());
        assert_eq!(unseen(&now, &[&spelled_otherwise]), Vec::<String>::new());
        assert_eq!(unseen(&now, &[&another]), ["Deployment web"]);
    }
}
