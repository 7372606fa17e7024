//! Why a run was made, and who asked for it, in words. Pure.

use crate::queue::{Cause, Manual};

/// All causes, each once.
pub(super) fn text(causes: &[Cause]) -> String {
    each_once(causes.iter().map(one))
}

fn one(cause: &Cause) -> String {
    match cause {
        Cause::Webhook { hook, .. } => format!("webhook of {hook}"),
        Cause::Poll => "poll".to_owned(),
        Cause::Resync => "resync".to_owned(),
        Cause::Manual(manual) => format!("{} by {}", asked(manual), manual.by),
        Cause::Follow { key } => key.kind().to_owned(),
    }
}

fn asked(manual: &Manual) -> &'static str {
    match manual {
        Manual { resume: true, .. } | Manual { unpause: true, .. } => "resumed",
        Manual { revision: Some(_), .. } => "pinned",
        Manual { allow_destructive: true, .. } => "deletions confirmed",
        Manual { adopt: true, .. } => "adoption asked for",
        _ => "asked for",
    }
}

/// The people who asked, if any did.
pub(super) fn people(causes: &[Cause]) -> Option<String> {
    listed(causes, |_| true)
}

/// Those of them who confirmed what is deleted or replaced.
pub(super) fn confirmed(causes: &[Cause]) -> Option<String> {
    listed(causes, |manual| manual.allow_destructive)
}

fn listed(causes: &[Cause], counts: impl Fn(&Manual) -> bool) -> Option<String> {
    let manual = causes.iter().filter_map(|cause| if let Cause::Manual(manual) = cause { Some(manual) } else { None });
    let people = each_once(manual.filter(|manual| counts(manual)).map(|manual| manual.by.clone()));
    (!people.is_empty()).then_some(people)
}

fn each_once(texts: impl Iterator<Item = String>) -> String {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asked is told with what was asked for; who confirmed is not whoever only asked for a sync.
    #[test]
    fn people_are_named_with_what_they_asked_for() {
        let by = |by: &str, change: &dyn Fn(&mut Manual)| {
            let mut manual = Manual { by: by.into(), ..Manual::default() };
            change(&mut manual);
            Cause::Manual(manual)
        };
        let causes = [
            Cause::Webhook { hook: "forge".into(), delivery: "1".into() },
            by("uid 1000 (ada)", &|_| {}),
            by("uid 1001 (bob)", &|manual| manual.allow_destructive = true),
            by("uid 1001 (bob)", &|manual| manual.revision = Some("a".repeat(40))),
            by("uid 1000 (ada)", &|manual| manual.resume = true),
            Cause::Resync,
            Cause::Webhook { hook: "forge".into(), delivery: "2".into() },
        ];
        insta::assert_snapshot!(text(&causes).replace(", ", "\n"), @r"
        webhook of forge
        asked for by uid 1000 (ada)
        deletions confirmed by uid 1001 (bob)
        pinned by uid 1001 (bob)
        resumed by uid 1000 (ada)
        resync
        ");
        assert_eq!(people(&causes).as_deref(), Some("uid 1000 (ada), uid 1001 (bob)"));
        assert_eq!(confirmed(&causes).as_deref(), Some("uid 1001 (bob)"));
        assert_eq!((people(&causes[..1]), confirmed(&causes[..2])), (None, None));
    }
}
