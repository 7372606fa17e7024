//! The sections above and below the changes: the comparison and one line per app, which are always complete, then
//! deletions and notes.

use super::document::{Block, Document, Fold};
use super::escape::{html, span};
use super::{compared, first_line, held, highlights, outcome, reviewed, table, unvalidated};
use crate::plan::{Action, Cause, RefusedBy, TakeOver, Verdict};
use crate::report::preview::{
    AppReport, AppResult, CalledOff, DefinitionChange, DifferenceKind, Move, ObjectReport, PreviewReport, Stopped,
};
use crate::report::words::join;

/// How many objects are named that still refer to a deleted one.
const REFERRERS: usize = 10;

/// How many reasons are unfolded.
const UNFOLDED: usize = 3;

pub(super) fn write(report: &PreviewReport, document: &mut Document) {
    let first = report.outcome.as_ref().map_or_else(|| first_line::text(report, document.pull_request), outcome::text);
    document.must(Block::Lines(first));
    document.must(Block::Lines(compared::text(report, document.pull_request)));
    document.head_all(compared::elsewhere(report).map(Block::Lines));
    if let Some(outcome) = &report.outcome {
        if let Some(taken) = outcome::taken_over(report, outcome) {
            document.head(Block::Lines(taken));
        }
        reviewed::write(outcome, document);
        outcome::failures(outcome, document);
    }
    // What kept it from being compared is over with the merge, and what the merge broke is told with its outcome.
    if let Some(stopped) = report.stopped.as_ref().filter(|_| report.outcome.is_none()) {
        write_stopped(stopped, document);
    }
    highlights::write(report, document);
    table::write(report, document);
    let mut reasons = 0;
    for app in &report.apps {
        trouble(app, &mut reasons, document);
    }
    deletes(report, document);
    called_off(report, document);
    moves(report, document);
    careful(report, document);
    definitions(report, document);
    for app in &report.apps {
        held::write(report, app, document);
    }
}

/// What stands below the changes.
pub(super) fn write_tail(report: &PreviewReport, document: &mut Document) {
    unvalidated::write(report, document);
    notes(report, "Fields taken over from other field managers", conflicts, document);
    notes(report, "Objects that already exist", take_overs, document);
    notes(report, "Warnings", warnings, document);
    before(report, document);
}

fn write_stopped(stopped: &Stopped, document: &mut Document) {
    let lines = match stopped {
        Stopped::MergeConflict { files } => {
            files.iter().map(|file| format!("- {}", span(file))).collect::<Vec<_>>().join("\n")
        }
        Stopped::UnrelatedHistory => "Rebase the branch onto its base, and push it again.".to_owned(),
        Stopped::Fork => "Push the branch to this repository to have it previewed.".to_owned(),
        Stopped::Definitions { errors } => {
            for error in errors {
                document.head(Block::Fold(Fold::new("Error in a definition".into(), "text", error).opened(true)));
            }
            return;
        }
        Stopped::Unavailable { message } => {
            document.head(Block::Fold(Fold::new("What failed".into(), "text", message).opened(true)));
            return;
        }
    };
    document.head(Block::Lines(lines));
}

/// Why there is no plan, or why the server does not take it.
fn trouble(app: &AppReport, reasons: &mut usize, document: &mut Document) {
    let name = html(&app.app.name);
    let mut fold = |summary: String, text: &str| {
        // What keeps it from being merged is not a click away.
        document.head(Block::Fold(Fold::new(summary, "text", text).opened(*reasons < UNFOLDED)));
        *reasons += 1;
    };
    match &app.result {
        AppResult::RenderFailed { message, file } => {
            let place = file.as_ref().map(|file| format!(" in {}", html(file))).unwrap_or_default();
            fold(format!("Render error of {name}{place}"), message);
        }
        AppResult::NotAllowed { message } => fold(format!("Destination of {name} not allowed"), message),
        AppResult::Invalid { message } => fold(format!("Definition of {name} invalid"), message),
        AppResult::Unavailable { message } => {
            fold(format!("Preview of {name} failed; Driftless keeps retrying"), message);
        }
        AppResult::Planned { objects } => {
            for object in objects {
                if let Verdict::Rejected { message, causes } = &object.verdict {
                    let place = object.origin.as_ref().map(|file| format!(" from {}", html(file))).unwrap_or_default();
                    let by = match object.refused_by {
                        RefusedBy::Server => format!("Rejected by {}", html(app.cluster.as_str())),
                        RefusedBy::Configuration => "Not allowed by the configuration of Driftless".to_owned(),
                        RefusedBy::Driftless => "Refused by Driftless".to_owned(),
                    };
                    fold(format!("{by}: {}{place}", html(&object.key.to_string())), &refusal(message, causes));
                }
            }
        }
    }
}

/// A line for each cause. The message goes first where it says something else than they do, and last what it says
/// beyond them.
fn refusal(message: &str, causes: &[Cause]) -> String {
    let mut lines: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field.as_deref().unwrap_or("(no field)"), cause.message))
        .collect();
    let summed = |shown: usize, rest: &str| message.strip_prefix(&format!("{}{rest}", lines[..shown].join("; ")));
    let beyond = match lines.len() {
        0 => None,
        few @ 1..=3 => summed(few, ""),
        many => summed(3, &format!("; and {} more", many - 3)),
    };
    match beyond {
        Some("") => {}
        Some(more) if more.starts_with(". ") => lines.push(more[2..].to_owned()),
        _ => lines.insert(0, message.to_owned()),
    }
    lines.join("\n")
}

fn deletes(report: &PreviewReport, document: &mut Document) {
    let place = Place::of(report);
    let lines: Vec<String> = report.apps.iter().flat_map(|app| deletes_of(app, place)).collect();
    if !lines.is_empty() {
        document.head(Block::Lines("**Deletes**".into()));
        document.head(Block::Lines(lines.join("\n")));
    }
}

/// Whether a line has to say which cluster is meant.
#[derive(Clone, Copy)]
struct Place(bool);

impl Place {
    fn of(report: &PreviewReport) -> Self {
        Self(report.apps.iter().any(|app| app.cluster != report.apps[0].cluster))
    }

    fn on(self, app: &AppReport) -> String {
        if self.0 { format!(" on {}", span(app.cluster.as_str())) } else { String::new() }
    }
}

fn deletes_of(app: &AppReport, place: Place) -> Vec<String> {
    // A sync applies all of an app or nothing.
    let once = if app.counts().rejected > 0 { ", only once the rejected objects of the app are fixed" } else { "" };
    let goes = |object: &&ObjectReport| matches!(object.action, Action::Prune | Action::Replace) && !object.kept;
    let line = |object: &ObjectReport| {
        let how = if object.action == Action::Replace { " (deleted and created again)" } else { "" };
        let referrers: Vec<String> = object.referrers.iter().map(|key| span(&key.to_string())).collect();
        let rest = if referrers.is_empty() {
            String::new()
        } else {
            format!("{} {}", still(&object.key.kind), join(&referrers, REFERRERS))
        };
        let on = place.on(app);
        format!("- {} of {}{on}{how}{rest}{once}", span(&object.key.to_string()), span(&app.app.name))
    };
    app.objects().iter().filter(goes).map(line).collect()
}

/// What the rest of the app has to do with an object that is deleted.
fn still(kind: &str) -> &'static str {
    match kind {
        "Namespace" => " with everything in it; still used by",
        "CustomResourceDefinition" => " with every object of its kind; still used by",
        _ => ", still referenced by",
    }
}

/// What changes hands and is not deleted.
fn moves(report: &PreviewReport, document: &mut Document) {
    let line = |one: &Move| {
        let on = span(one.cluster.as_str());
        format!("- {} on {on}, from {} to {}", span(&one.key.to_string()), span(&one.from), span(&one.to))
    };
    let lines: Vec<String> = report.moves().iter().map(line).collect();
    if !lines.is_empty() {
        document.head(Block::Lines("**Moves**".into()));
        document.head(Block::Lines(lines.join("\n")));
    }
}

/// Where what is live makes of the change something else than it looks like.
fn careful(report: &PreviewReport, document: &mut Document) {
    let of = |(_, object): (&AppReport, &ObjectReport)| {
        let key = span(&object.key.to_string());
        object.live.iter().map(|sentence| format!("- {key}: {}", span(sentence))).collect::<Vec<_>>()
    };
    let lines: Vec<String> = objects(report).flat_map(of).collect();
    if !lines.is_empty() {
        document.head(Block::Lines("**Careful: the cluster differs from Git in fields that this changes**".into()));
        document.head(Block::Lines(lines.join("\n")));
    }
}

fn definitions(report: &PreviewReport, document: &mut Document) {
    let lines: Vec<String> = report
        .apps
        .iter()
        .flat_map(|app| app.policies.iter().map(move |policy| format!("- {}: {}", span(&app.app.name), policy)))
        .collect();
    if !lines.is_empty() {
        document.head(Block::Lines("**Policies**".into()));
        document.head(Block::Lines(lines.join("\n")));
    }
    for app in &report.apps {
        let how = match app.definition {
            DefinitionChange::Edited => "changed",
            DefinitionChange::Repaired => "repaired, compared with the last valid one",
            DefinitionChange::None | DefinitionChange::Added | DefinitionChange::Removed => continue,
        };
        let Some(diff) = &app.definition_diff else { continue };
        let summary = format!("Definition of {} {how}", html(&app.app.name));
        document.head(Block::Fold(Fold::new(summary, "diff", diff)));
    }
}

/// What an earlier change has taken out of Git, and this one puts back.
fn called_off(report: &PreviewReport, document: &mut Document) {
    let place = Place::of(report);
    let line = |app: &AppReport, one: &CalledOff| {
        let (what, why) = if one.replacement {
            ("replacement", "a replacement is no longer necessary")
        } else {
            ("deletion", "the object is in Git again")
        };
        format!(
            "- {what} of {} of {}{}, waiting for {}: {why}",
            span(&one.key.to_string()),
            span(&app.app.name),
            place.on(app),
            if one.confirmed { "the app's health" } else { "confirmation" }
        )
    };
    let lines: Vec<String> =
        report.apps.iter().flat_map(|app| app.called_off.iter().map(move |one| line(app, one))).collect();
    if !lines.is_empty() {
        document.head(Block::Lines("**Cancels**".into()));
        document.head(Block::Lines(lines.join("\n")));
    }
}

fn objects(report: &PreviewReport) -> impl Iterator<Item = (&AppReport, &ObjectReport)> {
    report.apps.iter().flat_map(|app| app.objects().iter().map(move |object| (app, object)))
}

fn notes(report: &PreviewReport, title: &str, of: fn(&AppReport) -> Vec<String>, document: &mut Document) {
    let lines: Vec<String> = report.apps.iter().flat_map(of).collect();
    if !lines.is_empty() {
        document.tail(Block::Lines(format!("**{title}**")));
        document.tail(Block::Lines(lines.join("\n")));
    }
}

fn conflicts(app: &AppReport) -> Vec<String> {
    let line = |object: &ObjectReport| -> Vec<String> {
        let key = span(&object.key.to_string());
        object
            .conflicts
            .iter()
            .map(|conflict| format!("- {key}: {} is managed by {}", span(&conflict.field), span(&conflict.manager)))
            .collect()
    };
    app.objects().iter().flat_map(line).collect()
}

fn take_overs(app: &AppReport) -> Vec<String> {
    let whose = |take_over: &TakeOver| match take_over {
        TakeOver::Unmarked => Some("has no owner and would be adopted".to_owned()),
        TakeOver::OtherTool { tool, name } => Some(format!("is managed by {} ({})", span(tool), span(name))),
        TakeOver::OtherApp { instance, app } => {
            Some(format!("belongs to app {} of Driftless instance {} and is not taken over", span(app), span(instance)))
        }
        // It stands among the moves.
        TakeOver::HandedOver { .. } => None,
    };
    app.objects()
        .iter()
        // A refusal says it already.
        .filter(|object| {
            !matches!(object.verdict, Verdict::Rejected { .. }) || object.refused_by != RefusedBy::Driftless
        })
        .filter_map(|object| {
            let drops: Vec<String> = object.drops.iter().map(|path| span(path)).collect();
            let drops = if drops.is_empty() { String::new() } else { format!("; **this drops** {}", drops.join(", ")) };
            Some(format!("- {} {}{drops}", span(&object.key.to_string()), whose(object.takes_over.as_ref()?)?))
        })
        .collect()
}

fn warnings(app: &AppReport) -> Vec<String> {
    let own = app.warnings.iter().map(|warning| format!("- {}: {}", span(&app.app.name), span(warning)));
    let objects = app.objects().iter().flat_map(|object| {
        let key = span(&object.key.to_string());
        object.warnings.iter().map(move |warning| format!("- {key}: {}", span(warning)))
    });
    own.chain(objects).collect()
}

fn before(report: &PreviewReport, document: &mut Document) {
    let lines: Vec<String> = report
        .apps
        .iter()
        .flat_map(|app| app.before.iter().map(move |difference| (app, difference)))
        .map(|(app, difference)| {
            let kind = match difference.kind {
                DifferenceKind::Pending => "not applied yet",
                DifferenceKind::Drift => "drifted",
                DifferenceKind::Waiting => "held until confirmed",
                DifferenceKind::Foreign => "owned by another app",
            };
            format!(
                "- {} of {}, {kind}: {}",
                span(&difference.key.to_string()),
                span(&app.app.name),
                span(&difference.detail)
            )
        })
        .collect();
    if !lines.is_empty() {
        let cause = document.pull_request;
        document.tail(Block::Lines(format!("**Already different in the cluster (not caused by this {cause})**")));
        document.tail(Block::Lines(lines.join("\n")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_nothing_twice() {
        let causes: Vec<Cause> =
            (1..=5).map(|n| Cause { field: Some(format!("f{n}")), message: "bad".into() }).collect();
        assert_eq!(refusal("f1: bad", &causes[..1]), "f1: bad");
        assert_eq!(refusal("f1: bad; f2: bad", &causes[..2]), "f1: bad\nf2: bad");
        assert_eq!(
            refusal("f1: bad; f2: bad; f3: bad; and 2 more", &causes),
            "f1: bad\nf2: bad\nf3: bad\nf4: bad\nf5: bad"
        );
        let more = "f1: bad; f2: bad; f3: bad; and 9 more";
        assert!(refusal(more, &causes).starts_with(&format!("{more}\nf1: bad")));
        assert_eq!(refusal("no kind", &[]), "no kind");
        // P10+: what to do about it comes after the causes.
        assert_eq!(refusal("f1: bad; f2: bad. Replace it.", &causes[..2]), "f1: bad\nf2: bad\nReplace it.");
        assert_eq!(
            refusal("f1: bad; f2: bad; f3: bad; and 2 more. Do.", &causes),
            "f1: bad\nf2: bad\nf3: bad\nf4: bad\nf5: bad\nDo."
        );
        assert_eq!(refusal("f1: badly", &causes[..1]), "f1: badly\nf1: bad");
        // P10: what is refused before the server is asked.
        let own = [Cause { field: Some("stringData.pin".into()), message: "must be a string: quote the value".into() }];
        assert_eq!(
            refusal("stringData.pin: must be a string: quote the value", &own),
            "stringData.pin: must be a string: quote the value"
        );
        assert_eq!(refusal("a webhook refuses", &causes[..1]), "a webhook refuses\nf1: bad");
    }
}
