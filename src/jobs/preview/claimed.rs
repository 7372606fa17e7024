//! Objects that a pull request would take and that belong to another app: by the inventory, or because that app renders
//! them and was not applied yet.

use std::collections::BTreeMap;

use super::moves::Moves;
use crate::app::{App, SyncPolicy};
use crate::ids::{AppId, ClusterName};
use crate::jobs::Engine;
use crate::jobs::ownership::claims::may_have;
use crate::manifest::ObjectId;
use crate::plan::{Action, RefusedBy, Verdict};
use crate::queue::JobError;
use crate::report::preview::{AppReport, AppResult, ObjectReport};
use crate::store::apps::AppState;

/// Refuses what belongs to apps that the pull request does not touch. What its own apps have in common is looked for
/// among their reports.
pub(in crate::jobs) async fn refuse(engine: &Engine, reports: &mut [AppReport], moves: &Moves) -> Result<(), JobError> {
    for report in reports.iter_mut().filter(|report| !report.leaves) {
        let handed_over = moves.to(&report.app);
        let begins = |object: &&ObjectReport| {
            (object.action == Action::Create || object.takes_over.is_some())
                && !matches!(object.verdict, Verdict::Rejected { .. })
                && handed_over.is_none_or(|taken| !taken.contains_key(&object.key.id()))
        };
        let begun: Vec<ObjectId> = report.objects().iter().filter(begins).map(|object| object.key.id()).collect();
        let others = others(engine, &report.app, &report.cluster, moves, &begun).await?;
        let AppResult::Planned { objects } = &mut report.result else { continue };
        for object in objects {
            if let Some(why) = others.get(&object.key.id()) {
                let message =
                    format!("{} {why}. Two apps cannot own one object: remove it from one of them.", object.key);
                object.verdict = Verdict::Rejected { message, causes: Vec::new() };
                object.refused_by = RefusedBy::Driftless;
            }
        }
    }
    Ok(())
}

/// Whose the objects are that an app would begin to own.
async fn others(
    engine: &Engine,
    app: &AppId,
    cluster: &ClusterName,
    moves: &Moves,
    begun: &[ObjectId],
) -> Result<BTreeMap<ObjectId, String>, JobError> {
    let mut others = BTreeMap::new();
    for (object, other) in engine.store.wanted_by_others(cluster, app, begun).await? {
        let row = engine.store.app(&other).await?;
        let is_ours = moves.touches(&other);
        let counts = |app: &App| {
            app.destination.cluster == *cluster && app.sync != SyncPolicy::Never && may_have(engine, app, &object)
        };
        if row.is_some_and(|row| !is_ours && counts(&row.app)) {
            others.insert(object, format!("is rendered by app {other} as well, which has not applied it yet"));
        }
    }
    for (object, owner) in engine.store.owners(cluster, app, begun).await? {
        // What a removed app has kept is nobody's where it is gone, and where it is there its marks say whose it is.
        let row = engine.store.app(&owner).await?;
        let is_there = row.is_some_and(|row| row.state != AppState::Removed);
        if is_there && owner.repo != app.repo {
            let why = format!("belongs to app {owner}, and objects are handed over only between apps of one repo");
            others.insert(object, why);
        } else if is_there {
            others.insert(object, format!("belongs to app {owner}, which still renders it"));
        }
    }
    Ok(others)
}
