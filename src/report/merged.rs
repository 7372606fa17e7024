//! The data about a merged pull request: how the sync of each app ended, and where it differs from the preview.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AppId, ClusterName, Oid};
use crate::plan::Action;

/// What became of the merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub merged_as: Oid,
    pub apps: Vec<AppOutcome>,
    /// Who is told of a failure: the logins of the pull request's author and of who merged it.
    #[serde(default)]
    pub people: Vec<String>,
    /// Where what is applied is not what was previewed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Differs>,
    /// What the merge has made wrong in the definitions of apps: those that these files define stay as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<String>,
    /// What the report shows besides what was compared after the merge.
    #[serde(default)]
    pub previewed: Previewed,
    /// The head that was merged, where it is known: it may be a newer one than was previewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Oid>,
    /// What was compared after the merge, as its preview had not shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedAfter>,
}

/// What people had before the merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Previewed {
    /// The report, with the commits and the time that it bears.
    #[default]
    Shown,
    /// A preview of the commits that the report bears, which affected no app.
    NoApp,
    /// Nothing: it was merged before it was previewed.
    Never,
}

/// Apps as the merge itself has them, compared with the commit of the base that it was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedAfter {
    pub base: Oid,
    pub at: Timestamp,
    pub apps: Vec<AppId>,
}

/// An app of which a merge does more than its preview has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differs {
    pub app: AppId,
    pub at: DiffersAt,
    /// The objects that change in a way that was not shown. Empty where the app can't be planned as merged.
    pub objects: Vec<String>,
    /// Those of them that are made, and those that are deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub created: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deleted: BTreeSet<String>,
}

impl Differs {
    /// With what is done to each of the objects, as far as it is known.
    pub fn new<'a>(
        app: AppId,
        at: DiffersAt,
        objects: Vec<String>,
        actions: impl Iterator<Item = (String, Action)> + 'a,
    ) -> Self {
        let (mut created, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for (object, action) in actions.filter(|(object, _)| objects.contains(object)) {
            match action {
                Action::Create => drop(created.insert(object)),
                Action::Prune => drop(deleted.insert(object)),
                Action::Update | Action::Replace | Action::None => {}
            }
        }
        Self { app, at, objects, created, deleted }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "at")]
pub enum DiffersAt {
    /// It was merged before there was a preview.
    NeverPreviewed,
    /// It was merged into another commit of the base than the preview compared with.
    BaseMoved { from: Oid, to: Oid },
    /// Other files were merged than the preview compared.
    Merge,
    /// The merge is as previewed, and its sync finds the cluster otherwise, or brings other commits too.
    Sync,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOutcome {
    pub app: AppId,
    pub cluster: ClusterName,
    /// How the merge ended first; until it has, where the app stands.
    pub end: AppEnd,
    /// What has happened since, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<LaterEnd>,
}

/// What happened after a merge had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterEnd {
    pub at: Timestamp,
    pub revision: Oid,
    pub end: AppEnd,
}

/// Objects that another app has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    pub app: AppId,
    pub objects: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "end")]
pub enum AppEnd {
    /// Not begun, or under way.
    Running,
    /// Applied, and not healthy yet.
    Progressing {
        /// The worst object and why.
        message: String,
        /// When it counts as failed.
        until: Option<Timestamp>,
    },
    Healthy {
        after_seconds: u64,
        /// How many objects were deleted or replaced on the way.
        #[serde(default)]
        removed: u32,
        /// What an earlier change has taken out of Git and still needs confirmation.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        held: Vec<String>,
        /// What is no longer in Git and was kept, as another app may want it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
    },
    Failed {
        message: String,
    },
    /// It is applied, and its objects are otherwise all the same: drift that is only reported, or a fight that was
    /// given up.
    Drifted {
        message: String,
    },
    /// Applied and healthy, save that so many objects wait for `--allow-destructive` to be deleted or replaced.
    Waiting {
        #[serde(default)]
        deletes: u32,
        /// Which: none where another version has written it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        objects: Vec<String>,
        /// What an earlier change has taken out of Git, of the same.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        held: Vec<String>,
        /// As for `Healthy`, which it is to whoever has nothing to do with these.
        #[serde(default)]
        after_seconds: u64,
        #[serde(default)]
        removed: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<String>,
    },
    /// What needed confirmation has got it, and is deleted or replaced once the app is healthy.
    Confirmed {
        objects: Vec<String>,
        /// By whom; none where another version has written it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Objects are gone, or were replaced.
    Removed {
        objects: Vec<String>,
        #[serde(default)]
        replaced: bool,
        /// What went with them although Git still has it, and what to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<String>,
        /// They had needed confirmation.
        #[serde(default)]
        confirmed: bool,
        /// Who confirmed, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Nothing of what the merge removes is left.
        #[serde(default)]
        all: bool,
    },
    /// The app is synced by hand only.
    Manual,
    /// The app is defined with `sync: never`.
    Never,
    /// The app is paused.
    Paused,
    /// The app is held at another revision.
    Pinned,
    /// It takes objects of an app that is paused or pinned, and waits until that one is resumed.
    Waits {
        owner: AppId,
        pinned: bool,
    },
    /// Nothing had to be applied: what was there before is the same.
    Unchanged,
    /// A later commit took the change back before it was applied, or undid the removal before it was done.
    Superseded {
        by: Oid,
    },
    /// It was applied, and a later commit that no longer has it was applied before it came to an end.
    Replaced {
        by: Oid,
        /// It was healthy by then, and its deletions were not done.
        #[serde(default)]
        healthy: bool,
    },
    /// The deletions that needed confirmation were not done, and are no longer wanted.
    Withdrawn {
        deletes: u32,
        /// Which: none where another version has written it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        objects: Vec<String>,
        /// Some had got it, and were not done yet.
        #[serde(default)]
        confirmed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// It was applied, and a person has pinned the app to a revision that has nothing of it.
    RolledBack {
        to: Oid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Its definition was removed, and its objects stay.
    Kept {
        /// It had none.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        nothing: bool,
        /// Which apps take them, as it was previewed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        moves: Vec<HandedOver>,
        /// Some stay nobody's.
        #[serde(default)]
        stay: bool,
    },
    /// Its definition was removed, and its objects are gone, or other apps' now.
    Pruned {
        /// How many objects were deleted.
        #[serde(default)]
        removed: u32,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        handed_over: Vec<HandedOver>,
        /// How many others are about to take.
        #[serde(default)]
        left: u32,
        /// Who confirmed that, where it needed confirmation and that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

#[cfg(test)]
impl AppEnd {
    /// Deletions that nobody had confirmed.
    pub fn withdrawn(deletes: u32, objects: Vec<String>) -> Self {
        Self::Withdrawn { deletes, objects, confirmed: false, by: None }
    }

    /// The end of an app that is removed with all of its objects.
    pub fn pruned_by(by: Option<String>) -> Self {
        Self::Pruned { removed: 1, handed_over: Vec::new(), left: 0, by }
    }
}
