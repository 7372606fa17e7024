//! Decides what a sync job does, from the state of the app and the triggers of the job. Pure.

use crate::app::{DriftPolicy, OnDelete, SyncPolicy};
use crate::ids::Oid;
use crate::queue::{Key, Manual, Trigger};
use crate::store::apps::{AppRow, AppState};

/// The combined request of the triggers of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::jobs) struct Intent {
    /// What people asked for, in one.
    pub manual: Option<Manual>,
    /// Who confirmed, and who asked for the revision: others may have asked for a sync since.
    confirmed_by: Option<String>,
    pinned_by: Option<String>,
    /// The only trigger is the periodic check.
    only_resync: bool,
    /// The only trigger is the end of a wait of the app.
    only_wait: bool,
}

impl Intent {
    pub fn of(app: &Key, causes: &[Trigger]) -> Self {
        let waited = |cause: &Trigger| matches!(cause, Trigger::Follow { key } if key == app);
        let asked = || causes.iter().filter(|cause| !waited(cause));
        let only_wait = asked().next().is_none();
        let only_resync = !only_wait && asked().all(|cause| *cause == Trigger::Resync);
        let mut intent = Self { only_resync, only_wait, ..Self::default() };
        for cause in causes {
            let Trigger::Manual(manual) = cause else { continue };
            let merged = intent.manual.get_or_insert_with(Manual::default);
            merged.by.clone_from(&manual.by);
            if manual.resume {
                merged.revision = None;
            }
            merged.resume |= manual.resume;
            merged.revision = manual.revision.clone().or(merged.revision.take());
            merged.allow_destructive |= manual.allow_destructive;
            merged.adopt |= manual.adopt;
            if manual.allow_destructive {
                intent.confirmed_by = Some(manual.by.clone());
            }
            if manual.revision.is_some() {
                intent.pinned_by = Some(manual.by.clone());
            }
        }
        intent
    }

    pub fn allows_destructive(&self) -> bool {
        self.manual.as_ref().is_some_and(|manual| manual.allow_destructive)
    }

    pub fn confirmed_by(&self) -> Option<&str> {
        self.confirmed_by.as_deref()
    }

    pub fn pinned_by(&self) -> Option<&str> {
        self.pinned_by.as_deref()
    }

    pub fn adopts(&self) -> bool {
        self.manual.as_ref().is_some_and(|manual| manual.adopt)
    }

    /// Whether the periodic check is the only trigger: Git has not changed, and nobody waits for an answer.
    pub fn is_resync(&self) -> bool {
        self.only_resync
    }

    /// Whether a person has let the app go on: it is pinned to nothing, unless to what was asked for since.
    pub fn resumes(&self) -> bool {
        self.manual.as_ref().is_some_and(|manual| manual.resume)
    }

    /// Whether Git may say something new: neither the periodic look nor the end of a wait is all that asks.
    pub fn is_news(&self) -> bool {
        !self.only_resync && !self.only_wait
    }

    pub fn revision(&self) -> Option<&str> {
        self.manual.as_ref()?.revision.as_deref()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Goal {
    Skip,
    /// Bring the app to the head of its ref, or to the revision that it is pinned to.
    Apply,
    /// Restore the state that was applied last.
    Heal {
        revision: Oid,
        report_only: bool,
    },
    /// Its drift is ignored, but objects that were kept for another app may have to be pruned.
    PruneLeftovers {
        revision: Oid,
    },
    /// Its definition was removed with `onDelete: prune`: its objects are deleted.
    Remove,
    /// Its definition was removed with `onDelete: keep`: its objects stay, except those whose held deletion is
    /// confirmed now.
    Confirm,
}

pub(in crate::jobs) fn decide(row: &AppRow, intent: &Intent) -> Goal {
    let asked = intent.manual.is_some();
    if intent.only_wait {
        return Goal::Skip;
    }
    if row.paused && !asked {
        return paused(row, intent);
    }
    match row.state {
        AppState::Active => {}
        // A pin ends with `resume`, as a pause does.
        AppState::Removed if row.pinned_revision.is_some() && !asked => return Goal::Skip,
        AppState::Removed if row.on_delete() == OnDelete::Prune => return Goal::Remove,
        AppState::Removed if intent.allows_destructive() => return Goal::Confirm,
        AppState::Removed | AppState::Missing | AppState::Broken => return Goal::Skip,
    }
    if row.app.sync == SyncPolicy::Never {
        return Goal::Skip;
    }
    match &row.applied_revision {
        Some(revision) if intent.only_resync && row.synced_ok => match row.app.drift {
            DriftPolicy::Ignore => Goal::PruneLeftovers { revision: revision.clone() },
            policy => Goal::Heal { revision: revision.clone(), report_only: policy == DriftPolicy::Report },
        },
        _ if row.app.sync == SyncPolicy::Manual && !asked => Goal::Skip,
        _ => Goal::Apply,
    }
}

/// Nothing is written for a paused app, but its drift is reported.
fn paused(row: &AppRow, intent: &Intent) -> Goal {
    let is_looked_at =
        row.state == AppState::Active && row.app.sync != SyncPolicy::Never && row.app.drift != DriftPolicy::Ignore;
    match &row.applied_revision {
        Some(revision) if intent.only_resync && row.synced_ok && is_looked_at => {
            Goal::Heal { revision: revision.clone(), report_only: true }
        }
        _ => Goal::Skip,
    }
}

#[cfg(test)]
#[path = "goal_tests.rs"]
mod tests;
