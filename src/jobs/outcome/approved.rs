//! The deletions and replacements that were approved on pull requests whose merges a sync brings.

use std::collections::BTreeSet;

use crate::ids::Oid;
use crate::jobs::Context;
use crate::jobs::preview::approved::Going;
use crate::manifest::ObjectId;
use crate::plan::{Action, Plan};
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
                let approved = going(plan).filter(|one| approval.objects.contains(&one.named()));
                found.objects.extend(approved.map(|one| one.id));
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
fn going(plan: &Plan) -> impl Iterator<Item = Going> {
    plan.changes.iter().filter_map(|change| {
        let id = change.removes()?.id();
        Some(Going { cluster: plan.cluster.clone(), id, replaced: change.action == Action::Replace })
    })
}
