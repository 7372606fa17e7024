//! Objects that an app renders at its head and does not own yet: no other app may take them meanwhile.

use std::collections::BTreeSet;

use crate::app::{App, Verb};
use crate::jobs::Context;
use crate::jobs::desired::identity;
use crate::manifest::{Manifest, ObjectId};
use crate::queue::JobError;

/// Remembers what an app renders at its head and does not own: nobody else may take it meanwhile. An app that was
/// applied owns all of it.
pub(in crate::jobs) async fn keep_wants(context: &Context, app: &App, manifests: &[Manifest]) -> Result<(), JobError> {
    let cluster = &app.destination.cluster;
    let owned: BTreeSet<ObjectId> =
        context.store.inventory_of(cluster, &app.id).await?.iter().map(|row| row.key.id()).collect();
    let names = manifests.iter().map(|manifest| identity::ids(app, manifest));
    let mut wants: BTreeSet<ObjectId> =
        names.filter(|names| !names.iter().any(|id| owned.contains(id))).flatten().collect();
    wants.retain(|id| may_have(context, app, id));
    Ok(context.store.put_wants(cluster, &app.id, &wants.into_iter().collect::<Vec<_>>()).await?)
}

/// Whether the configuration lets an app write an object: what it may not write it cannot claim, whatever it renders.
pub(in crate::jobs) fn may_have(context: &Context, app: &App, object: &ObjectId) -> bool {
    let Ok(grants) = context.grants(&app.id.repo) else { return false };
    context.permitted(app).is_ok() && grants.object(Verb::Write, &app.destination.cluster, object).is_ok()
}
