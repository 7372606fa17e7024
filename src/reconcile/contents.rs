//! Reads from the cluster which objects the deletion or replacement of a Namespace or a CRD also deletes.

use std::collections::HashSet;

use super::apply::PlanSide;
use crate::cluster::Listed;
use crate::manifest::ObjectId;
use crate::plan::contents::{Contents, Viewer, has_contents};
use crate::plan::{Change, is_terminating, keep_for, who_stays};

/// So many of a plan are looked into. What holds others is rarely deleted, and hardly ever many at once.
const LOOKED_INTO: usize = 8;

impl PlanSide<'_> {
    /// Finds out what goes with what a plan removes. What can't be found out is told as unknown, and fails nothing.
    /// What asks to stay keeps what it would go with: nothing of that is deleted.
    pub(super) async fn look_into(&self, changes: &mut [Change]) {
        let wanted: HashSet<ObjectId> = self.wanted().map(|wanted| wanted.key.id()).collect();
        let removed = |change: &&mut Change| {
            !change.is_rejected() && !is_terminating(change) && change.removes().is_some_and(has_contents)
        };
        for change in changes.iter_mut().filter(removed).take(LOOKED_INTO) {
            let Some(holder) = change.removes().cloned() else { continue };
            let Listed { found, unseen, unlisted } = self.cluster.contents(&holder).await;
            if let Some((id, mark)) = who_stays(&found) {
                let who = if self.may_name(id) { id.to_string() } else { "an object of others".to_owned() };
                keep_for(change, &who, mark);
                continue;
            }
            let viewer = Viewer {
                marks: self.input.marks,
                uid: &|id| self.owned.get(id)?.uid.clone(),
                wanted: &wanted,
                may_name: &|id| self.may_name(id),
            };
            change.contents = Some(Box::new(Contents::of(&found, &viewer, unseen, unlisted)));
        }
    }

    fn may_name(&self, id: &ObjectId) -> bool {
        self.input.reveals || self.input.allow.object(&self.input.app.id.repo, id).is_ok()
    }
}
