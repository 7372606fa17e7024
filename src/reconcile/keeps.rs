//! Fields that an update keeps and that a new object would not have, such as a default derived from a removed field. No
//! field manager owns them, so only the API server can tell.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};

use super::apply::PlanSide;
use super::ask;
use super::input::ReconcileError;
use crate::manifest::ObjectId;
use crate::plan::{self, Action, Change, Kept, PreparedObject, Verdict};

/// So many objects of an app are asked about, each with one request.
const MOST: usize = 50;

/// Adds to each object that stays in place, and of which the change takes something away, what of it remains.
pub(super) async fn look(
    base: &PlanSide<'_>,
    change: &PlanSide<'_>,
    changes: &mut [Change],
    absent: &HashSet<ObjectId>,
) -> Result<(), ReconcileError> {
    let before: HashMap<ObjectId, &PreparedObject> = base.wanted().map(|wanted| (wanted.key.id(), wanted)).collect();
    let after: HashMap<ObjectId, &PreparedObject> = change.wanted().map(|wanted| (wanted.key.id(), wanted)).collect();
    let picked = changes.iter().enumerate().filter_map(|(at, change)| {
        let id = change.key.id();
        let (before, after) = (before.get(&id)?, after.get(&id)?);
        let in_place = matches!(change.action, Action::Update | Action::None) && !absent.contains(&id);
        let is_plain = change.verdict == Verdict::Accepted && change.takes_over.is_none();
        let asks = in_place && is_plain && plan::may_keep(&change.key, &before.manifest, &after.manifest);
        let desired = change.desired.clone().filter(|_| asks)?;
        Some((at, PreparedObject { desired, ..(*after).clone() }))
    });
    let picked: Vec<(usize, PreparedObject)> = picked.take(MOST).collect();
    let each = picked.iter().map(async |(at, wanted)| {
        let fresh = ask::fresh(change.cluster, wanted).await?;
        Ok::<_, ReconcileError>(fresh.map(|fresh| (*at, wanted, fresh)))
    });
    let asked: Vec<_> = futures::stream::iter(each.collect::<Vec<_>>())
        .buffer_unordered(change.cluster.concurrency())
        .try_collect()
        .await?;
    for (at, wanted, fresh) in asked.into_iter().flatten() {
        let change = &mut changes[at];
        let (Some(before), Some(after)) = (&change.before, &change.after) else { continue };
        let found = plan::keeps(&Kept { before, after, fresh: &fresh, manifest: &wanted.manifest });
        change.remarks.extend(found);
    }
    Ok(())
}
