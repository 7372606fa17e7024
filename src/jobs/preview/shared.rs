//! An object belongs to one app: two apps of a pull request that would both begin to write it are told so.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectId;
use crate::plan::{Action, RefusedBy, Verdict};
use crate::report::preview::{AppReport, AppResult, ObjectReport};

/// An object belongs to one app. Two that would both begin to write one are told so before the merge, not by the second
/// one's sync.
pub(in crate::jobs) fn refuse_shared(reports: &mut [AppReport]) {
    let mut writers: BTreeMap<(ClusterName, ObjectId), BTreeSet<AppId>> = BTreeMap::new();
    let writes = |object: &ObjectReport| !matches!(object.action, Action::Prune | Action::None);
    for report in reports.iter() {
        for object in report.objects().iter().filter(|object| writes(object)) {
            writers.entry((report.cluster.clone(), object.key.id())).or_default().insert(report.app.clone());
        }
    }
    for report in reports {
        let AppResult::Planned { objects } = &mut report.result else { continue };
        for object in objects.iter_mut().filter(|object| writes(object)) {
            let Some(apps) = writers.get(&(report.cluster.clone(), object.key.id())) else { continue };
            if let Some(other) = apps.iter().find(|app| **app != report.app) {
                let message = format!(
                    "{} is rendered by app {other} as well. Two apps cannot own one object: remove it from one of \
                     them.",
                    object.key
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
        refuse_shared(&mut reports);
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
}
