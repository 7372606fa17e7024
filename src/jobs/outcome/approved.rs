//! The deletions and replacements that were approved on pull requests whose merges a sync brings.

use std::collections::BTreeSet;

use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::preview::approved::named;
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{Change, Plan};
use crate::queue::JobError;
use crate::store::approvals::{Approval, MergedApproval};
use crate::store::apps::AppRow;

/// What a sync may do without confirmation.
#[derive(Default)]
pub(in crate::jobs) struct Approved {
    /// Those of the plan.
    pub objects: BTreeSet<ObjectId>,
    approvals: Vec<Approval>,
}

impl Approved {
    /// The approvals whose merges are in the revision that is synced, or in the definition that it is synced by.
    pub async fn find(context: &Context, row: &AppRow, revision: &Oid, plan: &Plan) -> Result<Self, JobError> {
        let mut found = Self::default();
        for MergedApproval { approval, merge_commit } in context.store.merged_approvals(&row.app.id).await? {
            let of_source = approval.repo == row.app.source.repo;
            let brought_by = if of_source { revision } else { &row.definition_commit };
            if context.mirrors.is_ancestor(&approval.repo, &merge_commit, brought_by).await? {
                found.objects.extend(
                    going(plan).filter(|id| approval.objects.contains(&named(plan.cluster.as_str(), &id.to_string()))),
                );
                found.approvals.push(approval);
            }
        }
        Ok(found)
    }

    /// Who has approved.
    pub fn by(&self) -> Option<String> {
        let names: BTreeSet<&str> = self.approvals.iter().map(|approval| approval.who.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// A sync has carried them out: they are for nothing that comes later.
    pub async fn used(&self, context: &Context) -> Result<(), JobError> {
        for approval in &self.approvals {
            context.store.use_approval(&approval.repo, approval.number, &approval.app).await?;
        }
        Ok(())
    }
}

/// All that a plan deletes or replaces.
fn going(plan: &Plan) -> impl Iterator<Item = ObjectId> {
    plan.changes.iter().filter_map(Change::removes).map(ObjectKey::id)
}
