//! An app that would take over objects of a paused or pinned app waits until that app is resumed.

use std::collections::BTreeMap;

use crate::jobs::history::History;
use crate::jobs::ownership::claims;
use crate::jobs::{Context, outcome};
use crate::manifest::{Manifest, ObjectId};
use crate::plan::{Action, Change, Plan};
use crate::queue::JobError;
use crate::report::words::{count, join};
use crate::store::apps::AppRow;
use crate::store::inventory::{Kept, KeptBy};
use crate::store::runs::RunState;

/// So many objects are named.
const NAMED: usize = 3;

/// Whether a sync waits for apps that keep what it would take. Says so in the history, and to the pull requests; with
/// the next look, and once one of these apps is resumed, it is tried again.
pub(in crate::jobs) async fn waits(
    context: &Context,
    row: &AppRow,
    plan: &Plan,
    manifests: &[Manifest],
    history: &mut History<'_>,
    waits_for_health: bool,
) -> Result<bool, JobError> {
    // What another app has claimed may not be there, so that no mark tells of it.
    let is_anothers = |change: &&Change| change.takes_over.is_some() || change.action == Action::Create;
    let ids: Vec<ObjectId> = plan.changes.iter().filter(is_anothers).map(|change| change.key.id()).collect();
    let kept = context.store.kept_by_others(&plan.cluster, &plan.app, &ids).await?;
    if kept.is_empty() {
        return Ok(false);
    }
    // The next look applies what Git says, instead of looking for drift from what is applied.
    context.store.set_sync_failed(&row.app.id).await?;
    // What was applied before is told first, as long as its health is waited for.
    if !waits_for_health {
        history.end_once(RunState::Waiting, &text(&kept)).await?;
    }
    claims::keep_wants(context, &row.app, manifests).await?;
    outcome::stands(context, row).await?;
    Ok(true)
}

fn text(kept: &[Kept]) -> String {
    let mut owners: BTreeMap<String, (KeptBy, Vec<String>)> = BTreeMap::new();
    for one in kept {
        owners.entry(one.owner.to_string()).or_insert((one.by, Vec::new())).1.push(one.object.to_string());
    }
    let one = |(owner, (by, objects)): (String, (KeptBy, Vec<String>))| {
        format!(
            "nothing is applied before app {owner} is resumed: it is {} and owns {} that this app renders ({}); to \
             continue: driftless resume {owner}",
            by.as_str(),
            count(objects.len(), "object"),
            join(&objects, NAMED)
        )
    };
    owners.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AppId, RepoName};

    #[test]
    fn whom_to_resume_is_said_once_for_each_app() {
        let one = |name: &str, owner: &str, by| Kept {
            object: ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: None, name: name.into() },
            owner: AppId::new(&RepoName::new("shop"), owner),
            by,
        };
        let kept = [one("a", "web", KeptBy::Paused), one("b", "web", KeptBy::Paused), one("c", "api", KeptBy::Pinned)];
        insta::assert_snapshot!(text(&kept), @"nothing is applied before app shop/api is resumed: it is pinned and owns 1 object that this app renders (ConfigMap c); to continue: driftless resume shop/api; nothing is applied before app shop/web is resumed: it is paused and owns 2 objects that this app renders (ConfigMap a, ConfigMap b); to continue: driftless resume shop/web");
    }
}
