//! Objects that an earlier run deleted to recreate them, and that are missing. After each attempt of the app to apply
//! Git's version, the old objects are restored, and reported as missing until either exists.

use crate::app::OnDelete;
use crate::class::Class;
use crate::jobs::Context;
use crate::queue::JobError;
use crate::store::apps::{AppRow, AppState};
use crate::store::inventory::{ObjectRow, ObjectState};
use crate::store::replaced::Replaced;
use crate::sync;
use crate::sync::{Lost, Secrets, SeenSecrets, SyncDeps};

#[derive(Default)]
struct Found {
    put_back: Vec<String>,
    missing: Vec<String>,
}

/// For an app of which nothing is applied now: its state says what is missing, or that it is there again.
pub(super) async fn look(context: &Context, row: &AppRow, missing: &[Replaced]) -> Result<(), JobError> {
    let Found { put_back, missing } = find(context, row, missing).await?;
    if !put_back.is_empty() || !missing.is_empty() {
        let text = missing.into_iter().chain(put_back).collect::<Vec<_>>().join("; ");
        if row.failure != text {
            context.store.set_failure(&row.app.id, &text, None).await?;
        }
    }
    Ok(())
}

/// The error of a try, with what is missing beside it.
pub(super) async fn told(
    context: &Context,
    row: &AppRow,
    missing: &[Replaced],
    error: JobError,
) -> Result<JobError, JobError> {
    // What is newer looks for itself.
    if error.class == Class::Cancelled {
        return Ok(error);
    }
    let Found { put_back, missing } = find(context, row, missing).await?;
    let said: Vec<String> = missing.into_iter().chain(put_back).collect();
    Ok(if said.is_empty() { error } else { error.reworded(|text| format!("{text}; {}", said.join("; "))) })
}

/// A try that has come to its end has made what it wanted; where it did not look at an object, that is missing still.
pub(super) async fn after_success(context: &Context, row: &AppRow, missing: &[Replaced]) -> Result<(), JobError> {
    let Found { missing, .. } = find(context, row, missing).await?;
    if missing.is_empty() { Ok(()) } else { Err(JobError::new(Class::Fail, missing.join("; "))) }
}

async fn find(context: &Context, row: &AppRow, missing: &[Replaced]) -> Result<Found, JobError> {
    let mut found = Found::default();
    // Nothing is written for a paused app, and what was said of it when it failed stands.
    if missing.is_empty() || context.app_row(&row.app.id).await?.paused {
        return Ok(found);
    }
    let marks = context.marks(&row.app.id);
    for replaced in missing {
        // Another app may have claimed it since, and puts it back.
        if context.store.replaced_of(&row.app.id).await?.iter().all(|now| now.key != replaced.key) {
            continue;
        }
        let cluster = match context.cluster_for(&row.app.id, &replaced.cluster) {
            Ok(cluster) => cluster.clone(),
            Err(denied) => {
                found.missing.push(format!("{} may be missing in the cluster: {denied}", replaced.key));
                continue;
            }
        };
        let deps = SyncDeps { store: context.store.clone(), cluster };
        let authority = context.grants(&row.app.id.repo)?.on(&replaced.cluster);
        let inventory = context.store.inventory_of(&replaced.cluster, &row.app.id).await?;
        match sync::look_for(&deps, &authority, &marks, replaced, is_wanted(row, &inventory, replaced)).await? {
            Lost::No => {}
            Lost::PutBack(key) => {
                found.put_back.push(format!("{key} was missing in the cluster and was restored"));
            }
            Lost::Missing { why, .. } => {
                let place = (&replaced.cluster, context.clusters.get(&replaced.cluster));
                let secrets = Secrets::read(&context.store, place, &row.app.id, SeenSecrets::default()).await;
                found.missing.push(secrets.show(&why).into());
            }
        }
    }
    Ok(found)
}

/// Whether the app has not given the object up since.
fn is_wanted(row: &AppRow, inventory: &[ObjectRow], replaced: &Replaced) -> bool {
    let goes = row.state == AppState::Removed && row.on_delete() == OnDelete::Prune;
    let of_it = inventory.iter().find(|row| row.key.id() == replaced.key.id());
    // What moves is this app's until the other one has claimed it, which may fail.
    let is_given_up = |state| matches!(state, ObjectState::Pruning | ObjectState::Deleting | ObjectState::Held);
    !goes && of_it.is_some_and(|row| !is_given_up(row.state))
}
