//! The triggers of a run, and who requested it, in words. Pure.

use crate::ids::{AppId, ClusterName};
use crate::queue::{Manual, Trigger};
use crate::report::words::join;

/// How many kinds, and how many apps, are named.
const KINDS: usize = 3;

/// All causes, each once.
pub(super) fn text(causes: &[Trigger]) -> String {
    each_once(causes.iter().map(one))
}

fn one(cause: &Trigger) -> String {
    match cause {
        Trigger::Webhook { hook, .. } => format!("webhook of {hook}"),
        Trigger::Poll => "poll".to_owned(),
        Trigger::Resync => "resync".to_owned(),
        Trigger::Manual(manual) => format!("{} by {}", asked(manual), manual.by),
        Trigger::Cluster { cluster, gained, lost, by } => of_cluster(cluster, [gained, lost], by),
        Trigger::Follow { key } => key.kind().name.to_owned(),
    }
}

fn of_cluster(cluster: &ClusterName, [gained, lost]: [&Vec<String>; 2], by: &[AppId]) -> String {
    let part = |kinds: &Vec<String>, what: &str| {
        (!kinds.is_empty()).then(|| format!("cluster {cluster} {what} {}", join(kinds, KINDS)))
    };
    let parts: Vec<String> =
        [part(gained, "now serves"), part(lost, "no longer serves")].into_iter().flatten().collect();
    if parts.is_empty() {
        return format!("cluster {cluster} or Driftless was upgraded");
    }
    let apps: Vec<String> = by.iter().map(ToString::to_string).collect();
    let by = if apps.is_empty() { String::new() } else { format!(" (CRD of {})", join(&apps, KINDS)) };
    format!("{}{by}", parts.join(" and "))
}

fn asked(manual: &Manual) -> &'static str {
    match manual {
        Manual { resume: true, .. } | Manual { unpause: true, .. } => "resumed",
        Manual { revision: Some(_), .. } => "pinned",
        Manual { allow_destructive: true, .. } => "deletions confirmed",
        Manual { adopt: true, .. } => "adoption requested",
        _ => "requested",
    }
}

/// The people who asked, if any did.
pub(super) fn people(causes: &[Trigger]) -> Option<String> {
    listed(causes, |_| true)
}

/// Those of them who confirmed what is deleted or replaced.
pub(super) fn confirmed(causes: &[Trigger]) -> Option<String> {
    listed(causes, |manual| manual.allow_destructive)
}

fn listed(causes: &[Trigger], counts: impl Fn(&Manual) -> bool) -> Option<String> {
    let manual =
        causes.iter().filter_map(|cause| if let Trigger::Manual(manual) = cause { Some(manual) } else { None });
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

    /// A14+: an app that was rendered otherwise says what made it so, and whose CRD.
    #[test]
    fn a_cluster_that_serves_something_else_is_named() {
        let cluster = |gained: &[&str], lost: &[&str], by: &[&str]| {
            let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let by = by.iter().map(|app| app.parse().expect("an app")).collect();
            let cause =
                Trigger::Cluster { cluster: ClusterName::new("dev"), gained: kinds(gained), lost: kinds(lost), by };
            text(&[cause])
        };
        insta::assert_snapshot!(
            [
                cluster(&["evil.io/v1/Evil"], &[], &["a/crd"]),
                cluster(&["a.io/v2/A"], &["a.io/v1/A"], &[]),
                cluster(&[], &[], &[]),
            ]
            .join("\n"),
            @r"
        cluster dev now serves evil.io/v1/Evil (CRD of a/crd)
        cluster dev now serves a.io/v2/A and cluster dev no longer serves a.io/v1/A
        cluster dev or Driftless was upgraded
        "
        );
    }

    /// Who asked is told with what was asked for; who confirmed is not whoever only asked for a sync.
    #[test]
    fn people_are_named_with_what_they_asked_for() {
        let by = |by: &str, change: &dyn Fn(&mut Manual)| {
            let mut manual = Manual { by: by.into(), ..Manual::default() };
            change(&mut manual);
            Trigger::Manual(manual)
        };
        let causes = [
            Trigger::Webhook { hook: "forge".into(), delivery: "1".into() },
            by("uid 1000 (ada)", &|_| {}),
            by("uid 1001 (bob)", &|manual| manual.allow_destructive = true),
            by("uid 1001 (bob)", &|manual| manual.revision = Some("a".repeat(40))),
            by("uid 1000 (ada)", &|manual| manual.resume = true),
            Trigger::Resync,
            Trigger::Webhook { hook: "forge".into(), delivery: "2".into() },
        ];
        insta::assert_snapshot!(text(&causes).replace(", ", "\n"), @r"
        webhook of forge
        requested by uid 1000 (ada)
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
