//! Objects that a pull request would take from another app: one that owns them, or that renders them and is not applied
//! yet.

use std::collections::{BTreeMap, BTreeSet};

use super::moves::Moves;
use super::names::{Names, under};
use crate::app::{App, SyncPolicy};
use crate::ids::{AppId, ClusterName};
use crate::jobs::Context;
use crate::jobs::ownership::claims::may_have;
use crate::manifest::ObjectId;
use crate::plan::{Action, RefusedBy, Verdict};
use crate::queue::JobError;
use crate::report::preview::{AppReport, AppResult, ObjectReport};
use crate::store::apps::AppState;

/// Refuses what belongs to apps that the pull request does not touch. What its own apps have in common is looked for
/// among their reports.
pub(in crate::jobs) async fn refuse(
    context: &Context,
    reports: &mut [AppReport],
    moves: &Moves,
    names: &Names,
) -> Result<(), JobError> {
    let gone: BTreeSet<(AppId, ObjectId)> = reports.iter().flat_map(releases).collect();
    for report in reports.iter_mut().filter(|report| !report.leaves) {
        let handed_over = moves.to(&report.app);
        let begins = |object: &&ObjectReport| {
            (object.action == Action::Create || object.takes_over.is_some())
                && !matches!(object.verdict, Verdict::Rejected { .. })
                && handed_over.is_none_or(|taken| !taken.contains_key(&object.key.id()))
        };
        let begun: Vec<ObjectId> = report.objects().iter().filter(begins).map(|object| object.key.id()).collect();
        let mut aliases = BTreeMap::new();
        for id in &begun {
            aliases.extend(names.others(&report.cluster, id).map(|other| (other, id.clone())));
        }
        let all: Vec<ObjectId> = begun.iter().chain(aliases.keys()).cloned().collect();
        let mut others = BTreeMap::new();
        for (id, owner) in others_of(context, &report.app, &report.cluster, moves, &all).await? {
            match aliases.get(&id) {
                // One that the pull request itself takes from there moves.
                Some(_) if gone.contains(&(owner.app.clone(), id.clone())) => {}
                Some(own) => drop(others.entry(own.clone()).or_insert(owner.why(&under(&id.group, &own.group)))),
                None => drop(others.insert(id, owner.why(""))),
            }
        }
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

/// What an app no longer renders with the pull request.
fn releases(report: &AppReport) -> Vec<(AppId, ObjectId)> {
    let gone = report.objects().iter().filter(|object| object.action == Action::Prune || object.moves_to.is_some());
    gone.map(|object| (report.app.clone(), object.key.id())).collect()
}

/// Whose an object is.
struct Other {
    app: AppId,
    claim: Claim,
}

enum Claim {
    Renders,
    Owns,
    OwnsInOtherRepo,
}

impl Other {
    fn why(&self, under: &str) -> String {
        let app = &self.app;
        match self.claim {
            Claim::Renders => format!("is rendered by app {app} as well{under}, which has not applied it yet"),
            Claim::Owns => format!("belongs to app {app}{under}, which still renders it"),
            Claim::OwnsInOtherRepo => {
                format!("belongs to app {app}{under}, and objects are handed over only between apps of one repo")
            }
        }
    }
}

/// Whose the objects are that an app would begin to own.
async fn others_of(
    context: &Context,
    app: &AppId,
    cluster: &ClusterName,
    moves: &Moves,
    begun: &[ObjectId],
) -> Result<BTreeMap<ObjectId, Other>, JobError> {
    let mut others = BTreeMap::new();
    for (object, other) in context.store.wanted_by_others(cluster, app, begun).await? {
        let row = context.store.app(&other).await?;
        let is_ours = moves.touches(&other);
        let counts = |app: &App| {
            app.destination.cluster == *cluster && app.sync != SyncPolicy::Never && may_have(context, app, &object)
        };
        if row.is_some_and(|row| !is_ours && counts(&row.app)) {
            others.insert(object, Other { app: other, claim: Claim::Renders });
        }
    }
    for (object, owner) in context.store.owners(cluster, app, begun).await? {
        // What a removed app has kept is nobody's where it is gone, and where it is there its marks say whose it is.
        let row = context.store.app(&owner).await?;
        let is_there = row.is_some_and(|row| row.state != AppState::Removed);
        if is_there {
            let claim = if owner.repo == app.repo { Claim::Owns } else { Claim::OwnsInOtherRepo };
            others.insert(object, Other { app: owner, claim });
        }
    }
    Ok(others)
}
