//! What people look for first, as words, right below the first lines.

use std::collections::BTreeMap;

use super::document::{Block, Document};
use super::escape::span;
use crate::plan::Highlight;
use crate::report::preview::{AppReport, ObjectReport, PreviewReport};
use crate::report::words::{count, join, natural};

/// How many things one line names.
const NAMED: usize = 5;

pub(super) fn write(report: &PreviewReport, document: &mut Document) {
    let apps = report.apps.iter().filter(|app| report.applies(&app.app));
    let objects: Vec<&ObjectReport> = apps.flat_map(AppReport::objects).filter(|object| !object.kept).collect();
    let lines: Vec<String> =
        [images(&objects), replicas(&objects), restarts(&objects), hosts(&objects), rights(&objects)]
            .into_iter()
            .flatten()
            .collect();
    if !lines.is_empty() {
        document.head(Block::Lines(lines.join("\n")));
    }
}

fn line(word: &str, things: &[String]) -> Option<String> {
    (!things.is_empty()).then(|| format!("- **{word}**: {}", join(things, NAMED)))
}

/// `web` `1` → `2` (14 objects).
fn images(objects: &[&ObjectReport]) -> Option<String> {
    let mut changes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for object in objects {
        for highlight in &object.highlights {
            if let Highlight::Image { from, to } = highlight {
                *changes.entry((from, to)).or_default() += 1;
            }
        }
    }
    let mut things: Vec<String> = changes.into_iter().map(|((from, to), times)| image(from, to, times)).collect();
    things.sort_by(|a, b| natural(a, b));
    line("Images", &things)
}

fn image(from: &str, to: &str, times: usize) -> String {
    let times = if times > 1 { format!(" ({})", count(times, "container")) } else { String::new() };
    match (tagged(from), tagged(to)) {
        ((name, Some(old)), (same, Some(new))) if name == same => {
            let short = name.rsplit('/').next().unwrap_or(name);
            format!("{} {} → {}{times}", span(short), span(old), span(new))
        }
        _ => format!("{} → {}{times}", span(from), span(to)),
    }
}

/// The name of an image and its tag. A digest is no tag that anybody reads.
fn tagged(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        // The colon of a port stands before a slash.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

fn replicas(objects: &[&ObjectReport]) -> Option<String> {
    let changed = objects.iter().flat_map(|object| {
        object.highlights.iter().filter_map(|highlight| match highlight {
            Highlight::Replicas { from, to } => Some(format!("{} {from} → {to}", span(&object.key.to_string()))),
            _ => None,
        })
    });
    line("Replicas", &changed.collect::<Vec<_>>())
}

fn restarts(objects: &[&ObjectReport]) -> Option<String> {
    line("Restarts the pods of", &named(objects, |highlight| *highlight == Highlight::Restart))
}

fn hosts(objects: &[&ObjectReport]) -> Option<String> {
    let mut names: Vec<String> = objects
        .iter()
        .flat_map(|object| &object.highlights)
        .filter_map(|highlight| match highlight {
            Highlight::Host { name } => Some(span(name)),
            _ => None,
        })
        .collect();
    names.sort_by(|a, b| natural(a, b));
    names.dedup();
    line("New hosts", &names)
}

fn rights(objects: &[&ObjectReport]) -> Option<String> {
    line("Changes who may do what", &named(objects, |highlight| *highlight == Highlight::Access))
}

fn named(objects: &[&ObjectReport], which: impl Fn(&Highlight) -> bool) -> Vec<String> {
    let found = objects.iter().filter(|object| object.highlights.iter().any(&which));
    let mut names: Vec<String> = found.map(|object| object.key.to_string()).collect();
    names.sort_by(|a, b| natural(a, b));
    names.iter().map(|name| span(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::GITHUB;
    use crate::plan::Action;
    use crate::report::sample::{app, key, object, report};

    #[test]
    fn what_is_looked_for_first_stands_first() {
        let with = |name: &str, highlights: Vec<Highlight>| ObjectReport {
            highlights,
            ..object(Action::Update, key("Deployment", name), "")
        };
        let image = |from: &str, to: &str| Highlight::Image { from: from.into(), to: to.into() };
        let web = || image("example.test:5000/shop/web:1", "example.test:5000/shop/web:2");
        let objects = vec![
            with("web-2", vec![web(), Highlight::Restart]),
            with("web-10", vec![web(), Highlight::Replicas { from: 2, to: 0 }, Highlight::Restart]),
            with("db", vec![image("db@sha256:0123", "db@sha256:4567"), image("a`b:1", "other:1")]),
            with("in", vec![Highlight::Host { name: "shop.test".into() }]),
            with("admins", vec![Highlight::Access]),
        ];
        let mut document = Document::new(&GITHUB);
        write(&report(vec![app("shop", objects)]), &mut document);
        insta::assert_snapshot!(document.parts(1, None).join("\n"));
        let mut nothing = Document::new(&GITHUB);
        write(&report(vec![app("shop", vec![with("web", vec![])])]), &mut nothing);
        assert_eq!(nothing.parts(1, None), [""]);
    }
}
