//! The clusters of the objects in an outcome: not always the cluster of their app.

use super::escape::span;
use crate::report::placed::by_cluster;
use crate::report::preview::{AppEnd, AppOutcome, HandedOver};
use crate::report::words::{count, join};

/// How many are named.
pub(super) const NAMED: usize = 5;

/// What an end names.
pub(super) fn named(end: &AppEnd) -> &[String] {
    match end {
        AppEnd::Waiting { objects, .. }
        | AppEnd::Confirmed { objects, .. }
        | AppEnd::Removed { objects, .. }
        | AppEnd::Withdrawn { objects, .. } => objects,
        _ => &[],
    }
}

/// An app on the clusters that have these objects; where it is, if none are named.
pub(super) fn place(app: &AppOutcome, objects: &[String]) -> String {
    let here = app.cluster.as_str();
    let mut clusters: Vec<String> =
        by_cluster(objects).into_keys().map(|cluster| span(cluster.unwrap_or(here))).collect();
    if clusters.is_empty() {
        clusters.push(span(here));
    }
    format!("{} on {}", span(&app.app.name), clusters.join(" and "))
}

/// The first few of each cluster, which is named where there are several.
pub(super) fn names(app: &AppOutcome, objects: &[String]) -> String {
    let groups = by_cluster(objects);
    let are_several = groups.len() > 1;
    let one = |(cluster, objects): (Option<&str>, Vec<&str>)| {
        let list = join(&objects.into_iter().map(span).collect::<Vec<_>>(), NAMED);
        let cluster = cluster.unwrap_or(app.cluster.as_str());
        if are_several { format!("{list} on {}", span(cluster)) } else { list }
    };
    groups.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Which apps have the objects of a removed one.
pub(super) fn handed_over(to: &[HandedOver], left: u32) -> Option<String> {
    let number = |objects: u32| count(usize::try_from(objects).unwrap_or(usize::MAX), "object");
    let one = |HandedOver { app, objects }: &HandedOver| {
        let belong = if *objects == 1 { "belongs" } else { "belong" };
        format!("{} now {belong} to {}", number(*objects), span(&app.to_string()))
    };
    let left = (left > 0).then(|| {
        format!(
            "{} {} kept for other apps, which take {} over",
            number(left),
            is(left),
            if left == 1 { "it" } else { "them" }
        )
    });
    let said: Vec<String> = to.iter().map(one).chain(left).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

fn is(number: u32) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{is_decided, text};
    use super::*;
    use crate::report::markdown;
    use crate::report::preview::{LaterEnd, Outcome, PreviewReport};
    use crate::report::sample;

    fn merged(ends: Vec<AppEnd>) -> PreviewReport {
        let mut report = sample::merged("");
        report.apps.truncate(1);
        report.apps[0].destructive = vec!["deletes Namespace shop and with it everything in it".to_owned()];
        let outcome = report.outcome.take().expect("an outcome");
        let app = outcome.apps[0].clone();
        let revision = outcome.merged_as.clone();
        let mut ends = ends.into_iter();
        let end = ends.next().expect("an end");
        let later = ends.map(|end| LaterEnd { at: jiff::Timestamp::UNIX_EPOCH, revision: revision.clone(), end });
        let app = AppOutcome { end, later: later.collect(), ..app };
        PreviewReport { outcome: Some(Outcome { apps: vec![app], ..outcome }), ..report }
    }

    fn names_of(objects: &[&str]) -> Vec<String> {
        objects.iter().map(|object| (*object).to_owned()).collect()
    }

    /// T19+: what is waited for after a deletion was done asks nobody to confirm it once more.
    #[test]
    fn what_is_decided_is_not_asked_for_again() {
        let objects = || names_of(&["Namespace shop"]);
        let gone = AppEnd::Removed {
            objects: objects(),
            replaced: false,
            lost: Some("it took what Git has".into()),
            confirmed: true,
            by: None,
            all: false,
        };
        let waits = AppEnd::Progressing { message: String::new(), until: None };
        let decided = |ends: Vec<AppEnd>| {
            let report = merged(ends);
            is_decided(&report, &report.apps[0])
        };
        assert!(decided(vec![gone, waits.clone()]));
        assert!(decided(vec![AppEnd::Confirmed { objects: objects(), by: None }, waits.clone()]));
        assert!(!decided(vec![waits.clone()]) && !decided(vec![sample::waiting(1, &["Namespace shop"]), waits]));
        let healthy = AppEnd::Healthy { after_seconds: 1, removed: 0, held: Vec::new(), kept: objects() };
        assert!(!decided(vec![healthy, sample::waiting(1, &["Namespace shop"])]), "held since");
    }

    /// X2+, F20+: the cluster of what is confirmed, what became of a removed app's objects, and who is waited for.
    #[test]
    fn ends_name_where_their_objects_are() {
        let elsewhere = ["ConfigMap shop/a on cluster west", "Namespace shop on cluster west"];
        let both = ["Namespace shop", "Namespace shop on cluster west"];
        let kit = |objects| HandedOver { app: "shop/kit".parse().expect("an app"), objects };
        let by = || Some("uid 1000 (ada)".to_owned());
        let ends = [
            sample::waiting(2, &elsewhere),
            sample::waiting(2, &both),
            AppEnd::Confirmed { objects: names_of(&both), by: by() },
            AppEnd::Pruned { removed: 0, handed_over: vec![kit(4), kit(1)], left: 0, by: None },
            AppEnd::Pruned { removed: 1, handed_over: vec![kit(4)], left: 2, by: by() },
            AppEnd::Kept { nothing: false, moves: vec![kit(2)], stay: false },
            AppEnd::Waits { owner: "shop/kit".parse().expect("an app"), pinned: false },
            AppEnd::Withdrawn { deletes: 1, objects: names_of(&both[..1]), confirmed: true, by: by() },
            AppEnd::RolledBack { to: "d".repeat(40).parse().expect("an id"), by: by() },
        ];
        let told = ends.map(|end| {
            let report = merged(vec![end.clone(), end]);
            let first = text(report.outcome.as_ref().expect("an outcome"));
            let whole = markdown::whole(&report);
            let lines = whole.lines().filter(|line| line.starts_with("- ") && line.contains("`shop-eu`"));
            std::iter::once(first).chain(lines.map(str::to_owned)).collect::<Vec<_>>().join("\n")
        });
        insta::assert_snapshot!(told.join("\n\n"));
    }
}
