//! A row of the table of apps: its type, and its stored form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use crate::app::{App, OnDelete};
use crate::ids::Oid;
use crate::store::skipped::Skipped;
use crate::store::stored::Stored;
use crate::store::words::words;
use crate::store::{StoreError, decoded};
use crate::trace::Trace;

use super::definition::{APPLIED, DEFINITION};

words! {
    /// Whether an app is still defined.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum AppState {
        Active,
        /// Its ref or definition is not there, and nobody has said that this is meant.
        Missing,
        /// A commit on the unchanged definitions branch has deleted its definition.
        Removed,
        /// Its definition can't be read.
        Broken,
    }
}

words! {
    /// How the objects of an app are, all together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum AppHealth {
        Unknown,
        Progressing,
        Healthy,
        Degraded,
    }
}

/// How a note begins that tells of objects that are suspended, and of those whose health nobody knows: an app is
/// *healthy* all the same, as nothing is left to wait for, and is never called so.
pub const SUSPENDED: &str = "suspended: ";
pub const HEALTH_UNKNOWN: &str = "health unknown: ";

/// What comes before what an `onDelete: keep` says in the message of a removed app: who has its objects by then may be
/// another one.
pub const STAYS: &str = "; its objects stay";
/// The same of an `onDelete: prune`.
pub const GOES: &str = "; its objects are deleted";

/// How often in a row the same fields of an object were healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealCount {
    pub fields: Vec<String>,
    /// Who changed them, where that is known.
    pub manager: Option<String>,
    pub count: u32,
    /// The whole object is missing, and is not put back by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_left_gone: bool,
}

/// By object, as its id is written: `Deployment shop/web`.
pub type Heals = BTreeMap<String, HealCount>;

/// One app, without its trace, which may be large.
#[expect(clippy::struct_excessive_bools, reason = "the facts of a row, each by itself")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppRow {
    pub app: App,
    pub definition_commit: Oid,
    pub state: AppState,
    /// Why it is in that state; empty when active.
    pub state_message: String,
    /// The source identity of the last render, and the revision that it was made of.
    pub identity: Option<String>,
    pub rendered_revision: Option<Oid>,
    pub applied_revision: Option<Oid>,
    pub applied_identity: Option<String>,
    pub applied_at: Option<i64>,
    /// The definition that was applied last. None where nothing was, or where another release wrote it.
    pub applied_app: Option<Box<App>>,
    /// The commit that had defined it so, where that is known.
    pub applied_definition_commit: Option<Oid>,
    pub synced_ok: bool,
    pub paused: bool,
    pub paused_since: Option<i64>,
    /// Who paused it, where that is known.
    pub paused_by: Option<String>,
    /// When the pause ends by itself, in milliseconds since 1970. None: a person ends it.
    pub paused_until: Option<i64>,
    pub pause_reason: Option<String>,
    pub pinned_revision: Option<Oid>,
    pub pinned_by: Option<String>,
    pub pinned_since: Option<i64>,
    /// Whether that revision is not in the history of the app's ref.
    pub pinned_off_branch: bool,
    pub health: AppHealth,
    pub health_message: String,
    /// How the cluster differs from what was applied, where that is reported and not healed.
    pub drift: String,
    pub drift_since: Option<i64>,
    /// When what is applied was last compared with the cluster although syncs fail.
    pub drift_looked: Option<i64>,
    /// Why syncs fail, since when, and at which revision; empty once one succeeds.
    pub failure: String,
    pub failing_since: Option<i64>,
    pub failed_revision: Option<Oid>,
    /// What failed is what is applied: it does not become healthy.
    pub failed_applied: bool,
    /// Since when it is in its state, where that is known.
    pub state_since: Option<i64>,
    pub heals: Heals,
}

/// A definition, and the commit that has it.
#[derive(Debug, Clone, Copy)]
pub struct Defined<'a> {
    pub app: &'a App,
    pub commit: &'a Oid,
}

impl AppRow {
    /// Known by the commit that had defined it as it was applied: what is said of what was applied is said there.
    #[must_use]
    pub fn at_applied_definition(&self) -> Self {
        let definition_commit = self.applied_definition_commit.as_ref().unwrap_or(&self.definition_commit).clone();
        Self { definition_commit, ..self.clone() }
    }

    pub fn defined(&self) -> Defined<'_> {
        Defined { app: &self.app, commit: &self.definition_commit }
    }

    /// The app as it was applied last: its source, renderer and destination are what healing goes by; what is to become
    /// of it is for its definition as it is now to say. None where that was not written down.
    pub fn as_applied(&self) -> Option<Self> {
        let applied = self.applied_app.as_deref()?.clone();
        let now = &self.app;
        let app =
            App { sync: now.sync, drift: now.drift, on_delete: now.on_delete, origin: now.origin.clone(), ..applied };
        Some(Self { app, ..self.at_applied_definition() })
    }

    /// Whether its objects go with its definition, by the form that was applied last.
    pub fn on_delete(&self) -> OnDelete {
        self.applied_app.as_ref().map_or(self.app.on_delete, |app| app.on_delete)
    }
}

/// What the last render looked at. An app without one is rendered.
pub const TRACE: Stored<Trace> = Stored::new("apps.trace", 1, "The app is rendered again");

pub(super) const HEALS: Stored<Heals> = Stored::new("apps.heals", 1, "They are counted from 0 again");

#[derive(FromRow)]
pub(super) struct Raw {
    id: String,
    definition: String,
    definition_commit: String,
    state: AppState,
    state_message: String,
    identity: Option<String>,
    rendered_revision: Option<String>,
    applied_revision: Option<String>,
    applied_identity: Option<String>,
    applied_at: Option<i64>,
    applied_definition: Option<String>,
    applied_definition_commit: Option<String>,
    synced_ok: i64,
    paused: i64,
    paused_since: Option<i64>,
    paused_by: Option<String>,
    paused_until: Option<i64>,
    pause_reason: Option<String>,
    pinned_revision: Option<String>,
    pinned_by: Option<String>,
    pinned_since: Option<i64>,
    pinned_off_branch: i64,
    health: AppHealth,
    health_message: String,
    drift: String,
    drift_since: Option<i64>,
    drift_looked: Option<i64>,
    failure: String,
    failing_since: Option<i64>,
    failed_revision: Option<String>,
    failed_applied: i64,
    state_since: Option<i64>,
    heals: String,
}

impl TryFrom<Raw> for AppRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        let what = |column: &str| format!("a {column} of app {}", raw.id);
        let oid = |column: &str, text: Option<String>| {
            text.map(|text| text.parse::<Oid>()).transpose().map_err(|error| StoreError::corrupt(what(column), error))
        };
        Ok(Self {
            app: DEFINITION.read(&raw.id, &raw.definition)?.into(),
            definition_commit: raw
                .definition_commit
                .parse()
                .map_err(|error| StoreError::corrupt(what("definition commit"), error))?,
            state: raw.state,
            state_message: raw.state_message,
            identity: raw.identity,
            rendered_revision: oid("rendered revision", raw.rendered_revision)?,
            applied_revision: oid("applied revision", raw.applied_revision)?,
            applied_identity: raw.applied_identity,
            applied_at: raw.applied_at,
            // What cannot be read is as good as unknown: it is written again with the next sync.
            applied_app: raw
                .applied_definition
                .and_then(|text| APPLIED.read_if_known(&raw.id, &text))
                .map(|form| Box::new(form.into())),
            applied_definition_commit: oid("applied definition's commit", raw.applied_definition_commit)?,
            synced_ok: raw.synced_ok != 0,
            paused: raw.paused != 0,
            paused_since: raw.paused_since,
            paused_by: raw.paused_by,
            paused_until: raw.paused_until,
            pause_reason: raw.pause_reason,
            pinned_by: raw.pinned_by,
            pinned_since: raw.pinned_since,
            pinned_off_branch: raw.pinned_off_branch != 0,
            pinned_revision: oid("pinned revision", raw.pinned_revision)?,
            health: raw.health,
            health_message: raw.health_message,
            drift: raw.drift,
            drift_since: raw.drift_since,
            drift_looked: raw.drift_looked,
            failure: raw.failure,
            failing_since: raw.failing_since,
            failed_revision: oid("failed revision", raw.failed_revision)?,
            failed_applied: raw.failed_applied != 0,
            state_since: raw.state_since,
            heals: HEALS.read_if_known(&raw.id, &raw.heals).unwrap_or_default(),
        })
    }
}

/// Those that can be read: an app whose row another version has written keeps no other one from being looked after.
pub(super) fn rows(skipped: &Skipped, found: &[SqliteRow]) -> Vec<AppRow> {
    skipped.readable(decoded::<Raw>(found, "apps", &["id"]).into_iter().map(|raw| raw?.try_into()))
}
