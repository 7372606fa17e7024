//! Plans for objects that carry the app's marks and are missing from the inventory.

use tokio_util::sync::CancellationToken;

use super::apply::PlanSide;
use super::input::{PlanInput, ReconcileError, until};
use super::kinds::Kinds;
use crate::cluster::Cluster;
use crate::plan::deletion::WantedUids;
use crate::plan::{Action, Change};

/// What a person reads beside such a prune.
const NOTE: &str = "it carries this app's label but is missing from Driftless' inventory (for example after its \
                    database was lost): its deletion needs confirmation";

/// The prunes of objects that bear the app's marks, are in no inventory, and are not rendered. The input's inventory is
/// these objects. What may not be deleted, because others look after it, is left out.
pub async fn plan_unrecorded(
    cluster: &Cluster,
    input: PlanInput<'_>,
    cancel: &CancellationToken,
) -> Result<Vec<Change>, ReconcileError> {
    until(cancel, async {
        let kinds = Kinds::of(cluster, input.manifests.iter()).await?;
        let side = PlanSide::new(cluster, input, &kinds);
        let removals = side.removals(side.leftovers(), &WantedUids::default()).await?;
        let mut prunes = side.finish(removals).changes;
        prunes.retain(|change| change.action == Action::Prune);
        side.look_into(&mut prunes).await;
        for change in &mut prunes {
            change.notes.push(NOTE.to_owned());
        }
        Ok(prunes)
    })
    .await
}
