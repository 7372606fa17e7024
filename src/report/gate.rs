//! The commit status of a preview: may this pull request be merged? Pure.

use super::preview::{AppReport, AppResult, Counts, DefinitionChange, PreviewReport, Stopped};
use super::words::{count, join};
use crate::forge::{Flavour, NewStatus, StatusState};
use crate::ids::Oid;

/// How many apps are named.
const NAMED: usize = 3;

/// The status of a preview that is done. Drift never fails it; what could honestly not be validated does not either.
pub fn gate(report: &PreviewReport, context: &str, target_url: Option<&str>, flavour: &Flavour) -> NewStatus {
    let (state, text) = judge(report, flavour);
    status(&report.head, context, target_url, state, &cut(&text, flavour.description_limit))
}

/// The same where what nobody has approved must not be merged. A merge group was approved with its pull requests.
pub fn blocking(passes: NewStatus, report: &PreviewReport, flavour: &Flavour) -> NewStatus {
    let apps = named(report, AppReport::waits_for_approval);
    if passes.state != StatusState::Success || apps.is_empty() || report.number.is_none() {
        return passes;
    }
    let what = passes.description.replace(NEEDS_CONFIRMATION, "");
    let text = format!("{AWAITS_APPROVAL} ({}): comment /driftless approve; {what}", names(&apps));
    let state = if flavour.pending_can_change { StatusState::Pending } else { StatusState::Failure };
    NewStatus { state, description: cut(&text, flavour.description_limit), ..passes }
}

/// What the text of a status begins with that waits for a person.
pub const AWAITS_APPROVAL: &str = "deletions need approval";

/// Whoever merges it has something to do afterwards.
const NEEDS_CONFIRMATION: &str = ", needs confirmation";

/// The status while a preview is made.
pub fn pending(head: &Oid, context: &str, target_url: Option<&str>) -> NewStatus {
    status(head, context, target_url, StatusState::Pending, "computing the preview")
}

fn status(sha: &Oid, context: &str, target_url: Option<&str>, state: StatusState, text: &str) -> NewStatus {
    NewStatus {
        sha: sha.clone(),
        context: context.to_owned(),
        state,
        description: text.to_owned(),
        target_url: target_url.map(str::to_owned),
    }
}

fn judge(report: &PreviewReport, flavour: &Flavour) -> (StatusState, String) {
    if let Some(stopped) = &report.stopped {
        return judge_stopped(stopped, &report.base_ref, flavour);
    }
    let failed = faults(report);
    if !failed.is_empty() {
        return (StatusState::Failure, join_counts(failed, report.applied_counts()));
    }
    let unavailable = named(report, |app| matches!(app.result, AppResult::Unavailable { .. }));
    if !unavailable.is_empty() {
        return (StatusState::Error, format!("preview failed for {}; retrying", names(&unavailable)));
    }
    (StatusState::Success, success(report))
}

fn judge_stopped(stopped: &Stopped, base: &str, flavour: &Flavour) -> (StatusState, String) {
    match stopped {
        Stopped::MergeConflict { files } => {
            let first = files.first().map(|file| format!(": {file}")).unwrap_or_default();
            (StatusState::Failure, format!("conflicts with {base} in {}{first}", count(files.len(), "file")))
        }
        Stopped::UnrelatedHistory => (StatusState::Failure, format!("no common history with {base}")),
        Stopped::Fork => {
            let text = format!("not previewed: {}s from forks are not previewed", flavour.pull_request);
            (StatusState::Failure, text)
        }
        Stopped::Definitions { errors } => {
            (StatusState::Failure, format!("{} in app definitions", count(errors.len(), "error")))
        }
        Stopped::Unavailable { .. } => (StatusState::Error, "preview failed; retrying".into()),
    }
}

/// What is wrong with the change itself.
fn faults(report: &PreviewReport) -> Vec<String> {
    let mut parts = Vec::new();
    let rejected = named(report, |app| app.counts().rejected > app.counts().not_allowed);
    if !rejected.is_empty() {
        let counts = report.counts();
        parts.push(format!("{} rejected ({})", counts.rejected - counts.not_allowed, names(&rejected)));
    }
    let not_allowed = named(report, |app| app.counts().not_allowed > 0);
    if !not_allowed.is_empty() {
        parts.push(format!("{} not allowed ({})", report.counts().not_allowed, names(&not_allowed)));
    }
    let render = named(report, |app| matches!(app.result, AppResult::RenderFailed { .. }));
    if !render.is_empty() {
        parts.push(format!("{} ({})", count(render.len(), "render error"), names(&render)));
    }
    let invalid = named(report, |app| matches!(app.result, AppResult::Invalid { .. }));
    if !invalid.is_empty() {
        parts.push(format!("{} ({})", count(invalid.len(), "invalid definition"), names(&invalid)));
    }
    let refused = named(report, |app| matches!(app.result, AppResult::NotAllowed { .. }));
    if !refused.is_empty() {
        parts.push(format!("destination not allowed ({})", names(&refused)));
    }
    parts
}

fn success(report: &PreviewReport) -> String {
    if report.apps.is_empty() {
        return "no app is affected".into();
    }
    let counts = report.counts();
    let mut parts = changes(counts);
    if report.apps.iter().any(AppReport::waits_for_approval) {
        parts.push(NEEDS_CONFIRMATION.trim_start_matches(", ").to_owned());
    } else if report.apps.iter().any(AppReport::needs_approval) {
        parts.push("approved".to_owned());
    }
    let called_off: usize = report.apps.iter().map(|app| app.called_off.len()).sum();
    if called_off > 0 {
        parts.push(format!("{} cancelled", count(called_off, "deletion")));
    }
    if counts.kept > 0 {
        parts.push(format!("{} kept", counts.kept));
    }
    if counts.not_validated > 0 {
        let apps = named(report, |app| app.counts().not_validated > 0);
        parts.push(format!("{} not validated ({})", counts.not_validated, names(&apps)));
    }
    parts.extend(unmanaged(report));
    if !parts.is_empty() {
        return parts.join(", ");
    }
    match report.apps_that(|app| app.definition != DefinitionChange::None) {
        0 => format!("no changes in {}", count(report.apps_that(|_| true), "affected app")),
        defined => format!("{} changed; no objects change", count(defined, "definition")),
    }
}

/// Apps whose definition goes while their objects stay.
fn unmanaged(report: &PreviewReport) -> Option<String> {
    let is_left = |app: &AppReport| app.definition == DefinitionChange::Removed && app.stays.is_some();
    let apps = named(report, is_left);
    let stay: usize = report.apps.iter().filter(|app| is_left(app)).filter_map(|app| app.stays).sum();
    match (apps.len(), stay) {
        (0, _) => None,
        // They move to other apps, or there were none.
        (_, 0) => Some(format!("{} removed ({})", count(apps.len(), "definition"), names(&apps))),
        (_, stay) => Some(format!("stops managing {}; {} stay", names(&apps), count(stay, "object"))),
    }
}

fn join_counts(mut parts: Vec<String>, counts: Counts) -> String {
    parts.extend(changes(counts));
    parts.join(", ")
}

/// `3 to update`, `1 to delete` and so on, as far as there are any.
fn changes(counts: Counts) -> Vec<String> {
    let renamed = if counts.renames > 0 { format!(" ({} under a new name)", counts.renames) } else { String::new() };
    [
        (counts.creates, "create", ""),
        (counts.updates, "update", renamed.as_str()),
        (counts.replaces, "replace", ""),
        (counts.deletes, "delete", ""),
        (counts.moves, "move", ""),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, verb, more)| format!("{number} to {verb}{more}"))
    .collect()
}

fn named(report: &PreviewReport, which: impl Fn(&AppReport) -> bool) -> Vec<&str> {
    report.apps.iter().filter(|app| which(app)).map(|app| app.app.name.as_str()).collect()
}

fn names(apps: &[&str]) -> String {
    join(apps, NAMED)
}

fn cut(text: &str, limit: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= limit {
        return text;
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{GITHUB, GITLAB};
    use crate::plan::{Action, NotValidated, Verdict};
    use crate::report::sample::{app, everything, key, object, report};

    fn said(report: &PreviewReport) -> String {
        let status = gate(report, "driftless", None, &GITHUB);
        assert!(status.description.chars().count() <= GITHUB.description_limit);
        format!("{:?}: {}", status.state, status.description)
    }

    #[test]
    fn what_the_status_says() {
        let update = |name: &str| object(Action::Update, key("Deployment", name), "");
        let mut removed = update("old");
        removed.action = Action::Prune;
        let mut open = update("new");
        open.verdict = Verdict::NotValidated { reason: NotValidated::CrdInPlan { crd: "things.example.com".into() } };
        let mut put_off = update("kept");
        (put_off.action, put_off.kept) = (Action::Prune, true);
        let mut held = app("shop-eu", vec![removed.clone()]);
        held.destructive = vec!["deletes Namespace shop and with it everything in it".into()];
        let same = object(Action::None, key("Deployment", "web"), "");
        let with = |result| AppReport { result, ..app("shop-eu", vec![]) };
        let stopped = |stopped| PreviewReport { stopped: Some(stopped), ..report(vec![]) };
        let mut renamed = update("cfg-2");
        renamed.replaces_name = Some(key("ConfigMap", "cfg-1"));
        let leaves = |stays| {
            let mut app = app("shop-eu", vec![]);
            (app.definition, app.stays) = (DefinitionChange::Removed, Some(stays));
            report(vec![app])
        };
        let cases = [
            report(vec![]),
            report(vec![app("shop-eu", vec![update("a"), renamed])]),
            leaves(6),
            leaves(0),
            report(vec![app("shop-eu", vec![same])]),
            report(vec![app("shop-eu", vec![update("a"), update("b"), removed]), app("shop-us", vec![open])]),
            report(vec![held]),
            report(vec![app("shop-eu", vec![put_off])]),
            everything(""),
            report(vec![with(AppResult::Unavailable { message: "x".into() })]),
            report(vec![with(AppResult::NotAllowed { message: "x".into() })]),
            report(vec![with(AppResult::Invalid { message: "x".into() })]),
            report(vec![
                with(AppResult::Unavailable { message: "x".into() }),
                with(AppResult::RenderFailed { message: "x".into(), file: None }),
            ]),
            stopped(Stopped::UnrelatedHistory),
            stopped(Stopped::Fork),
            stopped(Stopped::MergeConflict { files: vec!["apps/a.yaml".into()] }),
            stopped(Stopped::Definitions { errors: vec!["x".into(), "y".into()] }),
            stopped(Stopped::Unavailable { message: "x".into() }),
            report(
                (0..99)
                    .map(|n| {
                        app(&format!("{n}-{}", "long".repeat(12)), vec![everything("").apps[1].objects()[0].clone()])
                    })
                    .collect(),
            ),
        ];
        let lines: Vec<String> = cases.iter().map(said).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn each_forge_has_its_word_and_its_limit() {
        let fork = PreviewReport { stopped: Some(Stopped::Fork), ..report(vec![]) };
        let text = gate(&fork, "driftless", None, &GITLAB).description;
        assert_eq!(text, "not previewed: merge requests from forks are not previewed");
        let name = |n: usize| format!("{n}-{}", "long".repeat(24));
        let updates = || vec![everything("").apps[1].objects()[0].clone()];
        let long = report((0..9).map(|n| app(&name(n), updates())).collect());
        let length = |flavour| gate(&long, "driftless", None, flavour).description.chars().count();
        assert_eq!((length(&GITHUB), length(&GITLAB)), (140, 255));
    }

    #[test]
    fn the_words_of_drift_never_fail_it() {
        let mut drifted = report(vec![app("shop-eu", vec![])]);
        drifted.apps[0].before = everything("").apps[0].before.clone();
        assert_eq!(gate(&drifted, "driftless", None, &GITHUB).state, StatusState::Success);
    }
}
