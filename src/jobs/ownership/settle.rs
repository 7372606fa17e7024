//! Who keeps what of a plan: what other apps own, need or have released is looked up, and the plan is settled by it.

use std::collections::BTreeMap;

use super::{handover, stale, unrecorded};
use crate::jobs::Context;
use crate::plan::{Plan, SettledPlan};
use crate::queue::JobError;
use crate::store::apps::AppRow;

/// `takes_over`: whether the sync may take what other apps have released.
pub(in crate::jobs) async fn settle(
    context: &Context,
    row: &AppRow,
    plan: Plan,
    takes_over: bool,
) -> Result<SettledPlan, JobError> {
    let mut others = handover::needed_by_others(context, row, &plan).await?;
    others.released = if takes_over { stale::find(context, &plan).await? } else { BTreeMap::new() };
    let plan = plan.settle(others);
    let cluster = context.cluster_for(&row.app.id, &row.app.destination.cluster)?;
    unrecorded::hand_on(context, cluster, &plan).await?;
    Ok(plan)
}
