//! The input and the result of a sync.

use std::collections::{BTreeMap, BTreeSet};

use super::remains::Remains;
use crate::app::{App, Authority};
use crate::cluster::Cluster;
use crate::ids::{AppId, Oid};
use crate::manifest::{ObjectId, ObjectKey};
use crate::plan::{HeldFor, PruneLimit, SettledPlan};
use crate::store::Store;
use crate::store::runs::{Counts, RunId, TO_CONFIRM};
use crate::store::waits::WaitObject;

/// What a sync works with.
#[derive(Clone)]
pub struct SyncDeps {
    pub store: Store,
    pub cluster: Cluster,
}

/// Whether a person has agreed to what can't be undone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowDestructive {
    #[default]
    No,
    /// To the deletion of these objects, which were shown; not to that of any other.
    Shown(BTreeSet<ObjectId>),
}

/// Why a sync is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Git says something new, or a person asked.
    Sync,
    /// The cluster is not as it was left. These objects were given up on: others change them back each time.
    Heal { given_up: &'a BTreeSet<ObjectId> },
}

#[derive(Clone, Copy)]
pub struct SyncInput<'a> {
    pub app: &'a App,
    /// Asked before each write, as what was granted when the plan was made may be revoked.
    pub authority: &'a dyn Authority,
    pub run: &'a RunId,
    pub revision: &'a Oid,
    /// Every object of the app, also the unchanged ones, with what would be sent.
    pub plan: &'a SettledPlan,
    /// Apps that are known not to render any more what they still claim.
    pub released: &'a BTreeSet<AppId>,
    pub allow_destructive: &'a AllowDestructive,
    pub prune_limit: PruneLimit,
    /// Whether objects of nobody, or of another tool, may be taken over.
    pub adopt: bool,
    pub purpose: Purpose<'a>,
    /// A person asks for this very sync.
    pub by_hand: bool,
}

/// The part of a sync that a person has to agree to. All else of it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingConfirmation {
    /// What is destructive about it, in words.
    pub reasons: Vec<String>,
    /// What it would delete or replace, and leaves as it is: the confirmation holds for these.
    pub deletes: Vec<ObjectKey>,
    /// What to type.
    pub command: String,
    /// What each deletion of an object of the inventory is held for.
    pub held_for: BTreeMap<ObjectId, HeldFor>,
}

impl PendingConfirmation {
    pub(super) fn held(&self) -> BTreeSet<ObjectId> {
        self.deletes.iter().map(ObjectKey::id).collect()
    }
}

impl std::fmt::Display for PendingConfirmation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {TO_CONFIRM}{}", self.reasons.join("; "), self.command)
    }
}

/// What was done, and what to wait for next.
#[derive(Debug, Default)]
pub struct AppliedSync {
    pub counts: Counts,
    /// The objects whose health has to be awaited before anything is pruned.
    pub health: Vec<WaitObject>,
    /// Objects that were left as they are on purpose, with the reason.
    pub skipped: Vec<(ObjectKey, String)>,
    /// What of the objects that were written is not as it was meant to be.
    pub remains: BTreeMap<ObjectId, Remains>,
    /// What the server warned of.
    pub warnings: Vec<(ObjectKey, String)>,
    /// Whether anything is to be pruned once all is healthy.
    pub prunes: bool,
    /// What was left out of it until a person agrees.
    pub pending_confirmation: Option<PendingConfirmation>,
}
