//! Approvals of what a preview shows: what one is for, and whether it still holds.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::previewed::{Looked, Shown};
use crate::ids::{AppId, ClusterName, RepoName};
use crate::jobs::Context;
use crate::manifest::ObjectId;
use crate::plan::Action;
use crate::queue::JobError;
use crate::report::preview::{AppReport, DifferenceKind, PreviewReport};
use crate::store::approvals::Approval;

/// What an approval is for.
pub(in crate::jobs) struct Approvable {
    /// A hash of what the preview shows of the app.
    pub digest: String,
    /// What needs confirmation, each object with its cluster.
    pub objects: BTreeSet<String>,
}

/// An object that goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::jobs) struct Going {
    pub cluster: ClusterName,
    pub id: ObjectId,
    /// It is made anew at once.
    pub replaced: bool,
}

impl Going {
    /// How it is named in an approval: whoever approves a replacement approves no deletion.
    pub fn named(&self) -> String {
        let how = if self.replaced { "replace" } else { "delete" };
        format!("{} {how} {}", self.cluster, self.id)
    }
}

/// What there is to approve of an app; None where nothing needs it.
pub(in crate::jobs) fn approvable(report: &PreviewReport, looked: &Looked, app: &AppId) -> Option<Approvable> {
    let apps: Vec<&AppReport> = report.apps.iter().filter(|one| one.app == *app).collect();
    if !report.applies(app) || !apps.iter().any(|app| app.needs_approval()) {
        return None;
    }
    let objects: BTreeSet<String> = going(report, app).map(|one| one.named()).collect();
    let digest = digest(&looked.app(app)?.shown, &objects);
    Some(Approvable { digest, objects })
}

/// All of an app that goes with the merge: what stays behind may refer to any of it, so it is held and approved as one.
pub(in crate::jobs) fn going<'r>(report: &'r PreviewReport, app: &AppId) -> impl Iterator<Item = Going> + use<'r> {
    let app = app.clone();
    report.apps.iter().filter(move |one| one.app == app).flat_map(|one| {
        let gone = one.objects().iter().filter_map(|object| match object.action {
            Action::Prune => Some((&object.key, false)),
            Action::Replace => Some((&object.key, true)),
            _ => Some((object.replaces_name.as_ref()?, false)),
        });
        let held = one.before.iter().filter(|before| before.kind == DifferenceKind::Waiting);
        let all = gone.chain(held.map(|before| (&before.key, false)));
        all.map(|(key, replaced)| Going { cluster: one.cluster.clone(), id: key.id(), replaced })
    })
}

/// What merging sends, and what goes. What the cluster makes of it may change every minute, as with replicas.
fn digest(shown: &Shown, objects: &BTreeSet<String>) -> String {
    let mut hash = Sha256::new();
    for (object, what) in &shown.steps {
        hash.update(format!("{object}\0{what}\0"));
    }
    for object in objects {
        hash.update(format!("{object}\0"));
    }
    hex::encode(hash.finalize())
}

/// Notes in a report who has approved what it shows, and drops the approvals of what it does not show any more.
pub(in crate::jobs) async fn note(
    context: &Context,
    repo: &RepoName,
    report: &mut PreviewReport,
    looked: &Looked,
) -> Result<(), JobError> {
    let Some(number) = report.number else { return Ok(()) };
    for approval in context.store.approvals_of(repo, number).await? {
        if holds(&approval, report, looked) {
            let apps = report.apps.iter_mut().filter(|app| app.app == approval.app);
            apps.for_each(|app| app.approved_by = Some(approval.who.clone()));
        } else {
            tracing::info!(%repo, number, app = %approval.app, who = approval.who,
                "an approval no longer holds: the preview shows something else");
            context.store.drop_approval(repo, number, &approval.app).await?;
        }
    }
    Ok(())
}

fn holds(approval: &Approval, report: &PreviewReport, looked: &Looked) -> bool {
    let now = approvable(report, looked, &approval.app);
    approval.head == report.head && now.is_some_and(|now| now.digest == approval.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_manifest_or_another_deletion_is_another_plan() {
        let steps = |hash: &str| Shown {
            steps: [("ConfigMap shop/a".to_owned(), hash.to_owned())].into(),
            results: [("ConfigMap shop/a".to_owned(), hash.to_owned())].into(),
            ..Shown::default()
        };
        let objects = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let known = digest(&steps("1"), &objects(&["prod Namespace shop"]));
        assert_eq!(known, digest(&Shown { results: [].into(), ..steps("1") }, &objects(&["prod Namespace shop"])));
        assert_ne!(known, digest(&steps("2"), &objects(&["prod Namespace shop"])));
        assert_ne!(known, digest(&steps("1"), &objects(&["prod Namespace shop", "prod Secret shop/a"])));
        assert_ne!(known, digest(&steps("1"), &objects(&["eu Namespace shop"])));
    }
}
