//! The lower half: each changed object with its diff, folded. Identical changes are shown once.

use std::collections::BTreeSet;

use super::document::{Block, Document, Fold};
use super::escape::{html, span};
use super::unvalidated;
use crate::plan::{Action, RefusedBy, TakeOver, Verdict};
use crate::report::preview::{AppReport, ObjectReport, PreviewReport};
use crate::report::words::{count, join, natural};

/// How many objects a group names.
const NAMED: usize = 50;

struct Entry<'a> {
    app: &'a AppReport,
    object: &'a ObjectReport,
    diff: &'a str,
}

pub(super) fn write(report: &PreviewReport, document: &mut Document) {
    let entries: Vec<Entry<'_>> = report.apps.iter().flat_map(entries).collect();
    let groups = groups(&entries);
    let is_only = entries.len() == 1;
    let in_group = |at: usize| groups.iter().any(|group| group.contains(&at));
    for group in &groups {
        let members: Vec<&Entry<'_>> = group.iter().map(|at| &entries[*at]).collect();
        write_group(&members, document);
    }
    for (_, Entry { app, object, diff }) in entries.iter().enumerate().filter(|(at, _)| !in_group(*at)) {
        let fold = Fold::new(summary(object), "diff", diff).with_notes(notes(object));
        let block = Block::Fold(fold.opened(is_only));
        document.may(&heading(app), &name(object), block);
    }
}

fn entries(app: &AppReport) -> impl Iterator<Item = Entry<'_>> {
    app.objects().iter().filter_map(move |object| Some(Entry { app, object, diff: object.diff.as_deref()? }))
}

fn heading(app: &AppReport) -> String {
    format!("#### {} on {}", span(&app.app.name), span(app.cluster.as_str()))
}

fn name(object: &ObjectReport) -> String {
    format!("{} {}", action(object), object.key)
}

/// The places of entries that are the same update, where there is more than one.
fn groups(entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    let mut places: std::collections::HashMap<&str, Vec<usize>> = std::collections::HashMap::new();
    let plain = |object: &ObjectReport| {
        object.action == Action::Update
            && object.verdict == Verdict::Accepted
            && object.takes_over.is_none()
            && object.replaces_name.is_none()
            && object.live.is_empty()
    };
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| plain(entry.object)) {
        places.entry(entry.diff).or_default().push(at);
    }
    let mut groups: Vec<Vec<usize>> = places.into_values().filter(|places| places.len() > 1).collect();
    groups.sort();
    groups
}

fn write_group(members: &[&Entry<'_>], document: &mut Document) {
    let kinds: BTreeSet<&str> = members.iter().map(|member| member.object.key.kind.as_str()).collect();
    let mut apps: Vec<&AppReport> = Vec::new();
    for member in members {
        if !apps.iter().any(|app| app.app == member.app.app && app.cluster == member.app.cluster) {
            apps.push(member.app);
        }
    }
    let what = match kinds.iter().next() {
        Some(kind) if kinds.len() == 1 => format!("{} × update {}", members.len(), html(kind)),
        _ => format!("{} × update", members.len()),
    };
    let heading = match apps.as_slice() {
        [app] => heading(app),
        _ => "#### The same in several apps".to_owned(),
    };
    let mut objects: Vec<String> = members.iter().map(|member| member.object.key.to_string()).collect();
    objects.sort_by(|a, b| natural(a, b));
    let mut notes = join(&objects.iter().map(|object| span(object)).collect::<Vec<_>>(), NAMED);
    if apps.len() > 1 {
        let mut names: Vec<String> = apps.iter().map(|app| app.app.name.clone()).collect();
        names.sort_by(|a, b| natural(a, b));
        names.dedup();
        let names: Vec<String> = names.iter().map(|name| span(name)).collect();
        notes = format!("Apps: {}.\n\nObjects: {notes}.", join(&names, NAMED));
    }
    let origins: BTreeSet<&String> = members.iter().filter_map(|member| member.object.origin.as_ref()).collect();
    if !origins.is_empty() {
        let origins: Vec<String> = origins.into_iter().map(|file| span(file)).collect();
        notes = format!("{notes}\n\nFrom {}.", join(&origins, NAMED));
    }
    let in_apps = if apps.len() > 1 { format!(" in {}", count(apps.len(), "app")) } else { String::new() };
    let fold = Fold::new(format!("{what}{in_apps}"), "diff", members[0].diff).with_notes(notes);
    let block = Block::Fold(fold);
    let name = members.iter().map(|member| name(member.object)).collect::<Vec<_>>().join("\n");
    document.may(&heading, &name, block);
}

fn action(object: &ObjectReport) -> &'static str {
    match object.action {
        _ if matches!(object.takes_over, Some(TakeOver::HandedOver { .. })) => "take over",
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Prune if object.kept => "keep",
        Action::Prune => "delete",
        Action::None => "keep",
    }
}

fn summary(object: &ObjectReport) -> String {
    let word = match action(object) {
        heavy @ ("replace" | "delete") => format!("<b>{heavy}</b>"),
        light => light.to_owned(),
    };
    let verdict = match object.verdict {
        Verdict::Accepted => "",
        Verdict::Rejected { .. } if object.refused_by == RefusedBy::Configuration => ", <b>not allowed</b>",
        Verdict::Rejected { .. } => ", <b>rejected</b>",
        Verdict::NotValidated { .. } => ", not validated",
    };
    format!("{word} {}{verdict}", html(&object.key.to_string()))
}

fn notes(object: &ObjectReport) -> String {
    let origin = object.origin.as_ref().map(|file| format!("From {}.", span(file)));
    let renamed = object
        .replaces_name
        .as_ref()
        .map(|key| format!("Replaces {}, which is deleted after the sync.", span(&key.to_string())));
    let why = unvalidated::why(object).map(|why| format!("Not validated: {why}."));
    origin.into_iter().chain(renamed).chain(why).collect::<Vec<_>>().join(" ")
}
