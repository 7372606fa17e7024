//! Recognises objects that are not healed any longer because Kubernetes itself deletes them.

use crate::app::Authority;
use crate::cluster::Cluster;
use crate::jobs::lost_owners;
use crate::plan::Plan;
use crate::sync::heal::Judgement;

/// Names the owners of what was given up on because it is deleted each time.
pub(super) async fn name_lost(cluster: &Cluster, authority: &dyn Authority, plan: &Plan, judgement: &mut Judgement) {
    let Judgement { drifted, given_up, .. } = judgement;
    for drifted in drifted.iter_mut().filter(|one| one.is_gone() && given_up.contains(&one.object)) {
        let change = plan.changes.iter().find(|change| change.key.id() == drifted.object);
        if let Some(change) = change {
            drifted.lost_owners = lost_owners::of(cluster, authority, change).await;
        }
    }
}
