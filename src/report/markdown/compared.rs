//! What was compared: which commits, when, and whether before or after the merge.

use super::escape::span;
use crate::report::preview::{Outcome, PreviewReport, Previewed, RenderedFrom, Stopped};
use crate::report::words::join;

/// How many apps of one ref are named.
const NAMED: usize = 10;

pub(super) fn text(report: &PreviewReport, pull_request: &str) -> String {
    match &report.outcome {
        Some(outcome) => merged(report, outcome, pull_request),
        None => open(report),
    }
}

/// Of what was not compared it is not said that it was.
fn open(report: &PreviewReport) -> String {
    let head = span(report.head.short());
    match &report.stopped {
        Some(Stopped::MergeConflict { .. } | Stopped::UnrelatedHistory) => {
            let (base, at) = (span(&report.base_ref), span(report.base.short()));
            format!("Not compared: {head} cannot be merged into {base} at {at}, {}.", time(report.at))
        }
        Some(Stopped::Fork | Stopped::Unavailable { .. }) => format!("Not compared: {head}, {}.", time(report.at)),
        Some(Stopped::Definitions { .. }) | None => format!("Compared: {}.", sides(report)),
    }
}

/// The head, the base and the time.
fn sides(report: &PreviewReport) -> String {
    format!("{}, {}", into_base(report), time(report.at))
}

fn into_base(report: &PreviewReport) -> String {
    let (head, base) = (span(report.head.short()), span(report.base.short()));
    format!("{head} merged into {} at {base}", span(&report.base_ref))
}

fn merged(report: &PreviewReport, outcome: &Outcome, pull_request: &str) -> String {
    let mut said = vec![match outcome.previewed {
        Previewed::Never => format!("This {pull_request} was not previewed before the merge."),
        Previewed::NoApp => {
            format!("Compared before the merge: {}; no app was affected.", into_base(report))
        }
        Previewed::Shown if does_not_merge(report) => {
            format!(
                "Before the merge, {} could not be merged into {} at {}, {}.",
                span(report.head.short()),
                span(&report.base_ref),
                span(report.base.short()),
                time(report.at)
            )
        }
        Previewed::Shown => format!("Compared before the merge: {}.", sides(report)),
    }];
    if let Some(head) = outcome.head.as_ref().filter(|head| **head != report.head && is_previewed(outcome)) {
        said.push(format!("The merge contains {}, which was not previewed.", span(head.short())));
    }
    if let Some(after) = &outcome.compared {
        let (merge, base) = (span(outcome.merged_as.short()), span(after.base.short()));
        let apps: Vec<String> = after.apps.iter().map(|app| span(&app.name)).collect();
        said.push(format!(
            "After the merge, {merge} was compared with {} at {base} for {}, {}.",
            span(&report.base_ref),
            join(&apps, NAMED),
            time(after.at)
        ));
    }
    said.join(" ")
}

fn is_previewed(outcome: &Outcome) -> bool {
    outcome.previewed != Previewed::Never
}

fn does_not_merge(report: &PreviewReport) -> bool {
    matches!(report.stopped, Some(Stopped::MergeConflict { .. } | Stopped::UnrelatedHistory))
}

/// The commits of other refs that apps are rendered from: neither side of the pull request has them.
pub(super) fn elsewhere(report: &PreviewReport) -> Option<String> {
    let mut refs: Vec<(&RenderedFrom, Vec<String>)> = Vec::new();
    for app in &report.apps {
        let Some(from) = &app.rendered_from else { continue };
        let name = span(&app.app.name);
        match refs.iter_mut().find(|(known, _)| *known == from) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => refs.push((from, vec![name])),
        }
    }
    let line = |(from, names): (&RenderedFrom, Vec<String>)| {
        let RenderedFrom { repo, ref_name, commit } = from;
        let ref_name = span(ref_name.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/"));
        let of = if *repo == report.repo { String::new() } else { format!(" of {}", span(repo.as_str())) };
        format!("{} from {ref_name}{of} at {}", join(&names, NAMED), span(commit.short()))
    };
    let lines: Vec<String> = refs.into_iter().map(line).collect();
    (!lines.is_empty()).then(|| format!("Rendered from another ref: {}.", lines.join("; ")))
}

fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(report: &PreviewReport) -> String {
        text(report, "pull request")
    }
    use crate::ids::{AppId, Oid, RepoName};
    use crate::report::preview::ComparedAfter;
    use crate::report::sample;

    fn oid(digits: &str) -> Oid {
        digits.repeat(20).parse().expect("an id")
    }

    /// T21+: what is said to have been compared before a merge was, with those commits; what was not is said to be so.
    #[test]
    fn what_was_compared_and_when() {
        let open = sample::everything("");
        let shown = sample::merged("");
        let with = |change: fn(&mut PreviewReport, &mut Outcome)| {
            let mut report = shown.clone();
            let mut outcome = report.outcome.take().expect("an outcome");
            change(&mut report, &mut outcome);
            said(&PreviewReport { outcome: Some(outcome), ..report })
        };
        let compared = |apps: &[&str]| {
            let apps = apps.iter().map(|name| AppId::new(&RepoName::new("shop"), *name)).collect();
            Some(ComparedAfter { base: oid("d4"), at: "2026-03-04T06:00:00Z".parse().expect("a time"), apps })
        };
        let never = |outcome: &mut Outcome| outcome.previewed = Previewed::Never;
        insta::assert_snapshot!(
            [
                said(&open),
                said(&PreviewReport { stopped: Some(Stopped::UnrelatedHistory), ..open.clone() }),
                said(&PreviewReport { stopped: Some(Stopped::Fork), ..open.clone() }),
                said(&shown),
                with(|_, outcome| outcome.previewed = Previewed::NoApp),
                with(|_, outcome| outcome.head = Some(oid("e5"))),
                with(|report, _| report.stopped = Some(Stopped::UnrelatedHistory)),
                {
                    let mut report = shown.clone();
                    let outcome = report.outcome.as_mut().expect("an outcome");
                    outcome.compared = compared(&["shop-eu", "shop-us"]);
                    said(&report)
                },
                {
                    let mut report = shown.clone();
                    let outcome = report.outcome.as_mut().expect("an outcome");
                    never(outcome);
                    (outcome.head, outcome.compared) = (Some(oid("e5")), compared(&["shop-eu"]));
                    said(&report)
                },
                with(|_, outcome| outcome.previewed = Previewed::Never),
            ]
            .join("\n")
        );
    }

    /// T20+: an app that is rendered from another ref or repo names the commit; apps of one ref stand together.
    #[test]
    fn the_commits_of_other_refs_are_named() {
        let mut report = sample::everything("");
        assert_eq!(elsewhere(&report), None);
        let from = |repo: &str, ref_name: &str| RenderedFrom {
            repo: RepoName::new(repo),
            ref_name: ref_name.into(),
            commit: oid("f6"),
        };
        report.apps[0].rendered_from = Some(from("shop", "refs/heads/release"));
        report.apps[1].rendered_from = Some(from("shop", "refs/heads/release"));
        report.apps[2].rendered_from = Some(from("library", "refs/tags/v1"));
        insta::assert_snapshot!(elsewhere(&report).expect("a line"));
    }
}
