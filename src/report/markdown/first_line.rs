//! The first line: the effect of merging.

use super::escape::span;
use crate::plan::{Action, RefusedBy, Verdict};
use crate::report::preview::{AppReport, AppResult, Counts, DefinitionChange, PreviewReport, Stopped};
use crate::report::words::{count, join};

/// How many apps are named.
const NAMED: usize = 3;

pub(super) fn text(report: &PreviewReport, pull_request: &str) -> String {
    match &report.stopped {
        Some(stopped) => stopped_text(stopped, &report.base_ref, pull_request),
        None => merging(report),
    }
}

fn stopped_text(stopped: &Stopped, base: &str, pull_request: &str) -> String {
    match stopped {
        Stopped::MergeConflict { files } => {
            format!(
                "**Merging would fail: the branch conflicts with {} in {}.**",
                span(base),
                count(files.len(), "file")
            )
        }
        Stopped::UnrelatedHistory => {
            format!("**Merging would fail: the branch has no common history with {}.**", span(base))
        }
        Stopped::Fork => {
            format!("**Not previewed:** this {pull_request} comes from a fork, and Driftless does not preview forks.")
        }
        Stopped::Definitions { errors } => {
            format!("**Merging would fail: {} in app definitions.**", count(errors.len(), "error"))
        }
        Stopped::Unavailable { .. } => "**The preview could not be computed yet.** Driftless keeps retrying.".into(),
    }
}

fn merging(report: &PreviewReport) -> String {
    let problems = problems(report);
    let failures = failures(report);
    let subject = subject(report);
    let mut text = match (&subject, failures.is_empty()) {
        (Some(does), true) => does.clone(),
        (Some(does), false) => {
            let does = format!("{}{}", does[..1].to_lowercase(), &does[1..]);
            format!("Merging would fail: {}. Apart from that, {does}", failures.join("; "))
        }
        (None, false) => format!("Merging would fail: {}", failures.join("; ")),
        (None, true) => match report.apps_that(|_| true) {
            0 => "Merging affects no app".to_owned(),
            // Only where everything was validated may it say that nothing changes.
            all if problems.is_empty() => format!("Merging changes no objects of {}", count(all, "affected app")),
            all => format!("Merging affects {}", count(all, "app")),
        },
    };
    let Counts { moves, deletes, replaces, .. } = report.applied_counts();
    if moves > 0 {
        text.push_str(&format!(" and moves {} from one app to another", count(moves, "object")));
    }
    if deletes > 0 {
        text.push_str(&format!(" and DELETES {}{}", count(deletes, "object"), with_contents(report)));
    }
    if replaces > 0 {
        text.push_str(&format!(" and REPLACES {}", count(replaces, "object")));
    }
    for problem in problems {
        text.push_str("; ");
        text.push_str(&problem);
    }
    format!("**{text}.**")
}

/// The deleted objects that others are deleted with.
fn with_contents(report: &PreviewReport) -> String {
    let deleted = report.apps.iter().filter(|app| report.applies(&app.app)).flat_map(AppReport::objects);
    let holders = deleted.filter(|object| object.action == Action::Prune && !object.kept && object.moves_to.is_none());
    let said: Vec<String> = holders
        .filter_map(|object| {
            let contents = match object.key.kind.as_str() {
                "Namespace" => "everything in it",
                "CustomResourceDefinition" => "every object of its kind",
                _ => return None,
            };
            Some(format!("{} with {contents}", span(&object.key.to_string())))
        })
        .collect();
    if said.is_empty() { String::new() } else { format!(" ({})", join(&said, NAMED)) }
}

/// What it does to apps, if it does anything to any.
fn subject(report: &PreviewReport) -> Option<String> {
    let planned = |app: &AppReport| matches!(app.result, AppResult::Planned { .. });
    let changed = report.apps_that(|app| app.counts().changes() > 0 && report.applies(&app.app));
    let is_kept = |app: &AppReport| app.definition == DefinitionChange::Removed && app.stays.is_some();
    let kept: Vec<&AppReport> = report.apps.iter().filter(|app| is_kept(app)).collect();
    let edited = |app: &AppReport| {
        let defines = !matches!(app.definition, DefinitionChange::None | DefinitionChange::Removed);
        defines && planned(app) && app.counts().changes() == 0 && app.counts().rejected == 0
    };
    let defined = report.apps_that(|app| {
        edited(app) && !report.apps.iter().any(|other| other.app == app.app && other.counts().changes() > 0)
    });
    let stay: usize = kept.iter().filter_map(|app| app.stays).sum();
    if let ([app], 0, 0) = (kept.as_slice(), changed, defined) {
        return Some(format!("App {} stops being managed; {}", span(&app.app.name), its_objects(stay)));
    }
    let mut does = Vec::new();
    if changed > 0 {
        does.push(format!("changes {}", count(changed, "app")));
    }
    does.extend(called_off(report));
    if defined > 0 {
        does.push(format!("changes the definition of {}", count(defined, "app")));
    }
    if !kept.is_empty() {
        does.push(match stay {
            // They move to other apps, or there were none.
            0 => format!("removes the definition of {}", count(kept.len(), "app")),
            stay => format!("stops managing {}, whose {} stay", count(kept.len(), "app"), count(stay, "object")),
        });
    }
    (!does.is_empty()).then(|| format!("Merging {}", does.join(" and ")))
}

/// The deletions and replacements that wait for confirmation, and do not after the merge.
pub(super) fn called_off(report: &PreviewReport) -> Option<String> {
    let all = || report.apps.iter().flat_map(|app| &app.called_off);
    let replacements = all().filter(|one| one.replacement).count();
    let confirmed = all().filter(|one| one.confirmed).count();
    let held = all().count() - replacements - confirmed;
    let numbers = [(held, "held deletion"), (confirmed, "pending deletion"), (replacements, "held replacement")];
    let said: Vec<String> =
        numbers.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(number, what)).collect();
    (!said.is_empty()).then(|| format!("cancels {}", said.join(" and ")))
}

fn its_objects(number: usize) -> String {
    match number {
        0 => "it has no objects".to_owned(),
        1 => "its object stays".to_owned(),
        more => format!("its {more} objects stay"),
    }
}

/// What would not be taken, and what does not happen for it.
fn refused(report: &PreviewReport) -> Option<String> {
    let all = report.apps.iter().flat_map(|app| app.objects().iter().map(move |object| (app, object)));
    let mut rejected = all.filter(|(_, object)| matches!(object.verdict, Verdict::Rejected { .. }));
    let (app, object) = rejected.next()?;
    let more = rejected.count();
    let others = if more > 0 { format!(" and {}", count(more, "more object")) } else { String::new() };
    let apps: Vec<String> =
        report.apps.iter().filter(|app| app.counts().rejected > 0).map(|app| span(&app.app.name)).collect();
    let (key, cluster) = (span(&object.key.to_string()), span(app.cluster.as_str()));
    let refuses = match object.refused_by {
        RefusedBy::Configuration => "the configuration of Driftless does not allow".to_owned(),
        RefusedBy::Driftless => "Driftless refuses".to_owned(),
        RefusedBy::Server => format!("{cluster} rejects"),
    };
    Some(format!("{refuses} {key}{others}, so nothing of {} would be applied", join(&apps, NAMED)))
}

/// What keeps apps from being applied at all.
fn failures(report: &PreviewReport) -> Vec<String> {
    let apps = |which: fn(&AppReport) -> bool| -> Vec<String> {
        report.apps.iter().filter(|app| which(app)).map(|app| span(&app.app.name)).collect()
    };
    let said = [
        (apps(|app| matches!(app.result, AppResult::RenderFailed { .. })), "render error in"),
        (apps(|app| matches!(app.result, AppResult::Invalid { .. })), "invalid definition of"),
        (apps(|app| matches!(app.result, AppResult::NotAllowed { .. })), "destination not allowed for"),
    ];
    let said = said.into_iter().filter(|(apps, _)| !apps.is_empty());
    refused(report).into_iter().chain(said.map(|(apps, what)| format!("{what} {}", join(&apps, NAMED)))).collect()
}

fn problems(report: &PreviewReport) -> Vec<String> {
    let counts = report.counts();
    let apps = |which: fn(&AppReport) -> bool| report.apps_that(which);
    [
        (apps(|app| matches!(app.result, AppResult::Unavailable { .. })), "no result yet for", "app"),
        (counts.not_validated, "not validated:", "object"),
        (counts.kept, "kept for now, though no longer rendered:", "object"),
        (apps(|app| app.held_back.is_some()), "not applied automatically:", "app"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, what, word)| format!("{what} {}", count(number, word)))
    .collect()
}
