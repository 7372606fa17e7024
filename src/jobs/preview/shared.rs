//! Rejects an object that two apps of a pull request would both create: an object belongs to one app.

use std::collections::BTreeMap;

use super::names::{Names, under, writes};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;
use crate::plan::{RefusedBy, Verdict};
use crate::report::preview::{AppReport, AppResult, ObjectReport};

/// An object belongs to one app. Two that would both begin to write one are told so before the merge, not by the second
/// one's sync; also where they write it under two API groups.
pub(in crate::jobs) fn refuse_shared(reports: &mut [AppReport], names: &Names) {
    let mut writers: BTreeMap<(ClusterName, ObjectId), BTreeMap<AppId, String>> = BTreeMap::new();
    let one = |report: &AppReport, object: &ObjectReport| {
        (report.cluster.clone(), names.one(&report.cluster, &object.key.id()))
    };
    for report in reports.iter() {
        for object in report.objects().iter().filter(|object| writes(object)) {
            let apps = writers.entry(one(report, object)).or_default();
            apps.insert(report.app.clone(), object.key.group.clone());
        }
    }
    for report in reports {
        let (app, cluster) = (report.app.clone(), report.cluster.clone());
        let AppResult::Planned { objects } = &mut report.result else { continue };
        for object in objects.iter_mut().filter(|object| writes(object)) {
            let Some(apps) = writers.get(&(cluster.clone(), names.one(&cluster, &object.key.id()))) else { continue };
            if let Some((other, group)) = apps.iter().find(|(other, _)| **other != app) {
                let message = format!(
                    "{} is rendered by app {other} as well{}. Two apps cannot own one object: remove it from one of \
                     them.",
                    object.key,
                    under(group, &object.key.group)
                );
                object.verdict = Verdict::Rejected { message, causes: Vec::new() };
                object.refused_by = RefusedBy::Driftless;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RepoName;
    use crate::manifest::ObjectKey;
    use crate::plan::Action;
    use crate::report::preview::DefinitionChange;

    fn report(app: &str, cluster: &str, action: Action) -> AppReport {
        let key = ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: "a".into(),
        };
        let object = ObjectReport {
            key,
            action,
            verdict: Verdict::Accepted,
            refused_by: RefusedBy::Server,
            diff: None,
            origin: None,
            conflicts: Vec::new(),
            live: Vec::new(),
            takes_over: None,
            drops: Vec::new(),
            moves_to: None,
            kept: false,
            warnings: Vec::new(),
            highlights: Vec::new(),
            replaces_name: None,
            referrers: Vec::new(),
        };
        let result = AppResult::Planned { objects: vec![object] };
        AppReport::new(
            AppId::new(&RepoName::new("shop"), app),
            ClusterName::new(cluster),
            DefinitionChange::None,
            result,
        )
    }

    fn rejected(mut reports: Vec<AppReport>) -> usize {
        refuse_shared(&mut reports, &Names::default());
        reports.iter().map(|report| report.counts().rejected).sum()
    }

    #[test]
    fn an_object_has_one_writer_in_each_cluster() {
        assert_eq!(rejected(vec![report("web", "eu", Action::Create), report("cart", "eu", Action::Create)]), 2);
        assert_eq!(rejected(vec![report("web", "eu", Action::Create), report("cart", "us", Action::Create)]), 0);
        assert_eq!(
            rejected(vec![report("web", "eu", Action::Prune), report("cart", "eu", Action::Create)]),
            0,
            "it moves"
        );
    }

    /// C3+: one object under two API groups is one object. Kinds that are only called the same are not.
    #[test]
    fn one_object_under_two_groups_has_one_writer() {
        let under = |app: &str, group: &str| {
            let mut report = report(app, "eu", Action::Create);
            let AppResult::Planned { objects } = &mut report.result else { panic!("planned") };
            (objects[0].key.group, objects[0].key.kind) = (group.to_owned(), "Event".to_owned());
            report
        };
        let mut reports = vec![under("web", ""), under("cart", "events.k8s.io")];
        refuse_shared(&mut reports, &Names::of(&ClusterName::new("eu"), ["", "events.k8s.io"], "Event"));
        let said = |report: &AppReport| match &report.objects()[0].verdict {
            Verdict::Rejected { message, .. } => message.clone(),
            other => format!("{other:?}"),
        };
        insta::assert_snapshot!(reports.iter().map(said).collect::<Vec<_>>().join("\n"), @r"
        Event shop/a is rendered by app shop/cart as well under the API group events.k8s.io. Two apps cannot own one object: remove it from one of them.
        Event shop/a is rendered by app shop/web as well under the core API group. Two apps cannot own one object: remove it from one of them.
        ");
        assert_eq!(rejected(vec![under("web", ""), under("cart", "events.k8s.io")]), 0);
    }
}
