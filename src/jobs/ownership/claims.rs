//! What an app renders at its head and does not own: nobody else may take it meanwhile.

use std::collections::BTreeSet;

use crate::app::{App, Verb};
use crate::jobs::Engine;
use crate::jobs::desired::identity;
use crate::manifest::{Manifest, ObjectId};
use crate::queue::JobError;

/// Remembers what an app renders at its head and does not own: nobody else may take it meanwhile. An app that was
/// applied owns all of it.
pub(in crate::jobs) async fn keep_wants(engine: &Engine, app: &App, manifests: &[Manifest]) -> Result<(), JobError> {
    let cluster = &app.destination.cluster;
    let owned: BTreeSet<ObjectId> =
        engine.store.inventory_of(cluster, &app.id).await?.iter().map(|row| row.key.id()).collect();
    let names = manifests.iter().map(|manifest| identity::ids(app, manifest));
    let mut wants: BTreeSet<ObjectId> =
        names.filter(|names| !names.iter().any(|id| owned.contains(id))).flatten().collect();
    wants.retain(|id| may_have(engine, app, id));
    Ok(engine.store.put_wants(cluster, &app.id, &wants.into_iter().collect::<Vec<_>>()).await?)
}

/// Whether the configuration lets an app write an object: what it may not write it cannot claim, whatever it renders.
pub(in crate::jobs) fn may_have(engine: &Engine, app: &App, object: &ObjectId) -> bool {
    let Ok(grants) = engine.grants(&app.id.repo) else { return false };
    engine.permitted(app).is_ok() && grants.object(Verb::Write, &app.destination.cluster, object).is_ok()
}
