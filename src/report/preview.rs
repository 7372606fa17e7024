//! The data about a pull request: the input of the comment and of the gate.
//!
//! Everything here may be shown: secrets were masked when it was made. Texts from a repository, a cluster or a tool are
//! raw; the code that writes them into a comment escapes them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::merged::{
    AppEnd, AppOutcome, ComparedAfter, Differs, DiffersAt, HandedOver, LaterEnd, Outcome, Previewed,
};
pub use super::object::{Counts, ObjectReport};
use crate::ids::{AppId, ClusterName, Oid, RepoName};
use crate::manifest::ObjectKey;
use crate::plan::TakeOver;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReport {
    pub repo: RepoName,
    /// None for a merge group, which has no place for a comment.
    pub number: Option<u64>,
    pub head: Oid,
    pub base: Oid,
    /// The branch that it would be merged into, without `refs/heads/`.
    pub base_ref: String,
    pub at: Timestamp,
    /// Set when the preview as a whole could not be made.
    pub stopped: Option<Stopped>,
    /// The affected apps.
    pub apps: Vec<AppReport>,
    /// Set once it is merged.
    pub outcome: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "stopped")]
pub enum Stopped {
    /// Git cannot merge it.
    MergeConflict { files: Vec<String> },
    /// The head and the base share no commit, so that Git refuses to merge them.
    UnrelatedHistory,
    /// The head not previewed: pull requests from forks are not previewed.
    Fork,
    /// Definitions that cannot be read, one message each.
    Definitions { errors: Vec<String> },
    /// Our fault, or the forge's. It is tried again.
    Unavailable { message: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReport {
    pub app: AppId,
    pub cluster: ClusterName,
    /// It is about a cluster that the app leaves: what it has there is deleted. Where it goes to is another report of
    /// the same app.
    #[serde(default)]
    pub leaves: bool,
    pub definition: DefinitionChange,
    /// What the pull request changes in the definition, as lines of a diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_diff: Option<String>,
    /// What that means for how the app is looked after, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// How many objects stay in the cluster, unmanaged, where the definition is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<usize>,
    pub result: AppResult,
    /// Why the deletes will need confirmation, one sentence each. Empty: they will not.
    pub destructive: Vec<String>,
    /// Who has approved them before the merge: then they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// The deletions and replacements of earlier changes that wait for confirmation and that merging takes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub called_off: Vec<CalledOff>,
    /// What is different already, whatever this pull request does.
    pub before: Vec<Difference>,
    /// About the app as a whole.
    pub warnings: Vec<String>,
    /// Why merging applies nothing of it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
    /// Whom it waits for, where that is another app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// Where it is rendered from, if that is no commit of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendered_from: Option<RenderedFrom>,
}

/// A commit of another repo or ref than the pull request merges into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderedFrom {
    pub repo: RepoName,
    /// As a full ref.
    pub ref_name: String,
    pub commit: Oid,
}

/// Why a merge is not applied by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldBack {
    Paused,
    Pinned,
    Manual,
    Never,
    /// It takes objects of an app that is paused or pinned.
    Owner,
}

/// An app that a person holds, and whose objects do not go to another one before it is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    pub app: AppId,
    pub pinned: bool,
}

impl WaitsFor {
    /// `is paused`, or `is pinned`.
    pub fn is_held(&self) -> &'static str {
        if self.pinned { "is pinned" } else { "is paused" }
    }
}

/// What the pull request does to the definition of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefinitionChange {
    None,
    Added,
    Edited,
    /// It was invalid on the base, and is valid with the pull request.
    Repaired,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum AppResult {
    Planned {
        objects: Vec<ObjectReport>,
    },
    RenderFailed {
        message: String,
        file: Option<String>,
    },
    /// The message names the rule.
    NotAllowed {
        message: String,
    },
    /// Its definition is invalid as the pull request has it, whoever made it so: nothing of it is applied.
    Invalid {
        message: String,
    },
    /// The cluster or Driftless is at fault. It is tried again.
    Unavailable {
        message: String,
    },
}

/// A deletion or a replacement that is no longer wanted before it was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledOff {
    pub key: ObjectKey,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replacement: bool,
    /// It needs no confirmation any more, and waits for health.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

/// A difference that was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub key: ObjectKey,
    pub kind: DifferenceKind,
    /// The fields, or what else there is to say.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// The head of the base branch is not applied yet.
    Pending,
    /// It is applied, and the cluster is different all the same.
    Drift,
    /// It is to be deleted or replaced, and that needs confirmation.
    Waiting,
    /// Another app of this or another instance has it by its marks.
    Foreign,
}

impl AppReport {
    /// A report that says this and nothing else yet.
    pub fn new(app: AppId, cluster: ClusterName, definition: DefinitionChange, result: AppResult) -> Self {
        Self {
            app,
            cluster,
            leaves: false,
            definition,
            definition_diff: None,
            policies: Vec::new(),
            stays: None,
            result,
            destructive: Vec::new(),
            approved_by: None,
            called_off: Vec::new(),
            before: Vec::new(),
            warnings: Vec::new(),
            held_back: None,
            waits_for: None,
            rendered_from: None,
        }
    }

    pub fn objects(&self) -> &[ObjectReport] {
        match &self.result {
            AppResult::Planned { objects } => objects,
            _ => &[],
        }
    }

    pub fn counts(&self) -> Counts {
        Counts::of(self.objects())
    }

    /// Whether merging deletes or replaces something that a person has to agree to.
    pub fn needs_approval(&self) -> bool {
        !self.destructive.is_empty() && self.counts().deletes + self.counts().replaces > 0
    }

    /// The same, and nobody has agreed.
    pub fn waits_for_approval(&self) -> bool {
        self.needs_approval() && self.approved_by.is_none()
    }
}

/// An object that goes from one app to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    pub cluster: ClusterName,
    pub key: ObjectKey,
    /// `REPO/APP`, both.
    pub from: String,
    pub to: String,
}

impl PreviewReport {
    /// Whether merging applies anything of an app: where one of its objects is rejected, or its definition or its
    /// render is wrong, nothing of it is applied, on whichever cluster.
    pub fn applies(&self, app: &AppId) -> bool {
        self.apps.iter().filter(|one| one.app == *app).all(|one| match &one.result {
            AppResult::Planned { .. } => one.counts().rejected == 0,
            AppResult::Unavailable { .. } => true,
            AppResult::RenderFailed { .. } | AppResult::NotAllowed { .. } | AppResult::Invalid { .. } => false,
        })
    }

    /// How many apps there are of some kind; one that goes from one cluster to another is one app.
    pub fn apps_that(&self, which: impl Fn(&AppReport) -> bool) -> usize {
        let apps: std::collections::BTreeSet<&AppId> =
            self.apps.iter().filter(|app| which(app)).map(|app| &app.app).collect();
        apps.len()
    }

    pub fn counts(&self) -> Counts {
        let sum = self.apps.iter().map(AppReport::counts).fold(Counts::default(), std::ops::Add::add);
        // Both of its apps tell of a move.
        Counts { moves: self.moves().len(), ..sum }
    }

    /// What merging does as things stand: where something is rejected nothing of its app is applied, so nothing of it
    /// is written, moved or deleted either.
    pub fn applied_counts(&self) -> Counts {
        let is_rejected = |app: &&AppReport| !self.applies(&app.app);
        let rejected: BTreeSet<String> = self.apps.iter().filter(is_rejected).map(|app| app.app.to_string()).collect();
        let applied = self.apps.iter().filter(|app| !is_rejected(app)).map(AppReport::counts);
        let sum = applied.fold(Counts::default(), std::ops::Add::add);
        let moves = self.moves();
        let moved = moves.iter().filter(|one| !rejected.contains(&one.from) && !rejected.contains(&one.to));
        Counts { moves: moved.count(), ..sum }
    }

    pub fn moves(&self) -> BTreeSet<Move> {
        let objects = self.apps.iter().flat_map(|app| app.objects().iter().map(move |object| (app, object)));
        let one = |(app, object): (&AppReport, &ObjectReport)| {
            let own = app.app.to_string();
            let (from, to) = match (&object.moves_to, &object.takes_over) {
                (Some(to), _) => (own, to.to_string()),
                (None, Some(TakeOver::HandedOver { app })) => (app.clone(), own),
                _ => return None,
            };
            Some(Move { cluster: app.cluster.clone(), key: object.key.clone(), from, to })
        };
        objects.filter_map(one).collect()
    }
}
