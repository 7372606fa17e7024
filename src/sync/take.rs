//! Takes over fields before an apply, so that the apply drops them: those of client-side apply, leftovers of others,
//! and renamed items. A rejected apply changes nothing: what was taken over for it is given back.

use serde_json::Value;

use crate::cluster::{ApplyError, Cluster, ClusterError};
use crate::manifest::ObjectKey;
use crate::plan::{adoption_patch, bears_same_mark, give_back};

/// How often an object that changes under our hands is tried.
const TRIES: usize = 4;

/// What was taken over so far for one apply.
pub(super) struct Takes<'a> {
    cluster: &'a Cluster,
    key: &'a ObjectKey,
    /// The object before and after each.
    done: Vec<(Value, Value)>,
}

impl<'a> Takes<'a> {
    pub(super) fn new(cluster: &'a Cluster, key: &'a ObjectKey) -> Self {
        Self { cluster, key, done: Vec::new() }
    }

    /// Makes the fields of client-side apply ours.
    pub(super) async fn adopt(&mut self) -> Result<(), ApplyError> {
        let manager = self.cluster.field_manager();
        self.patch(|live| adoption_patch(live, manager)).await.map(drop)
    }

    /// Makes ours what others have left in an object of ours: what the server does not take beside what we apply, or
    /// what was ours under another name. `takes` finds it in the live object, and is the patch for that. Whether there
    /// was any.
    pub(super) async fn take(
        &mut self,
        desired: &Value,
        takes: impl Fn(&Value) -> Option<Value>,
    ) -> Result<bool, ApplyError> {
        self.patch(|live| bears_same_mark(live, desired).then(|| takes(live)).flatten()).await
    }

    async fn patch(&mut self, patch: impl Fn(&Value) -> Option<Value>) -> Result<bool, ApplyError> {
        for _ in 0..TRIES {
            let Some(live) = self.cluster.get(self.key).await? else { return Ok(false) };
            let Some(patch) = patch(&live) else { return Ok(false) };
            match self.cluster.patch_json(self.key, &patch, false).await {
                Ok(taken) => {
                    self.done.push((live, taken));
                    return Ok(true);
                }
                Err(ClusterError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApplyError::Stale { message: "it changes too fast to be taken over".to_owned() })
    }

    /// Gives it back. Where that fails the next sync finds it as ours, and the error of the apply is what is told.
    pub(super) async fn undo(self) {
        for (before, taken) in self.done.iter().rev() {
            if let Err(error) = self.give_back(before, taken).await {
                tracing::warn!(object = %self.key, %error,
                    "an object that was taken over for a rejected apply could not be given back");
            }
        }
    }

    async fn give_back(&self, before: &Value, taken: &Value) -> Result<(), ClusterError> {
        let mut last = Ok(());
        for _ in 0..TRIES {
            let Some(now) = self.cluster.get(self.key).await? else { return Ok(()) };
            let Some(patch) = give_back(before, taken, &now, self.cluster.field_manager()) else { return Ok(()) };
            match self.cluster.patch_json(self.key, &patch, false).await {
                Ok(_) => return Ok(()),
                Err(error @ ClusterError::Conflict { .. }) => last = Err(error),
                Err(error) => return Err(error),
            }
        }
        last
    }
}
