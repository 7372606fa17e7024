//! The state of apps whose sync has not ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::app::SyncPolicy;
use crate::ids::{AppId, Oid, RepoName};
use crate::jobs::Context;
use crate::queue::{JobError, Key};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppHealth, AppRow, AppState};
use crate::store::ends::EndRow;
use crate::store::inventory::KeptBy;
use crate::store::pulls::Pull;

/// What is known of all apps, as of one moment.
pub(in crate::jobs) struct Known {
    /// Where the bases were last seen: what that had queued is among `busy`, or is among `ends`.
    pub heads: HashMap<String, Oid>,
    pub rows: BTreeMap<AppId, AppRow>,
    /// The keys of the jobs that are not over.
    pub busy: BTreeSet<String>,
    /// When what an app waits for counts as failed.
    pub deadlines: HashMap<AppId, i64>,
    /// Who waits for what another app keeps, as a person holds that one.
    pub kept: HashMap<AppId, (AppId, KeptBy)>,
    /// How syncs have ended that pull requests of the repo may wait for.
    pub ends: Vec<EndRow>,
}

impl Known {
    /// What pull requests of a repo into these branches may wait for.
    pub async fn load(context: &Context, repo: &RepoName, base_refs: &BTreeSet<&str>) -> Result<Self, JobError> {
        let mut now = context.store.snapshot().await?;
        let mut heads = HashMap::new();
        for base_ref in base_refs {
            heads.extend(now.last_seen(repo, base_ref).await?.map(|head| ((*base_ref).to_owned(), head)));
        }
        let rows = now.apps().await?.into_iter().map(|row| (row.app.id.clone(), row)).collect();
        let deadlines = now.waits().await?.into_iter().map(|wait| (wait.app, wait.deadline)).collect();
        let kept = now.waiting_for_kept().await?.into_iter().map(|(app, owner, by)| (app, (owner, by))).collect();
        Ok(Self { heads, rows, busy: now.unfinished_keys().await?, deadlines, kept, ends: now.ends(repo).await? })
    }

    /// What one pull request may wait for.
    pub async fn about(context: &Context, pull: &Pull) -> Result<Self, JobError> {
        Self::load(context, &pull.repo, &BTreeSet::from([pull.base_ref.as_str()])).await
    }

    /// Where an app stands whose sync has not come to an end. What it waits for is the merge's only if what is applied
    /// has it: it may be older.
    pub fn stands(&self, app: &AppId, has_merge: bool) -> AppEnd {
        let Some(row) = self.rows.get(app) else { return AppEnd::Running };
        match row.app.sync {
            // What becomes of its objects waits for the same.
            _ if row.state == AppState::Removed && row.paused => AppEnd::Paused,
            _ if row.state == AppState::Removed && row.pinned_revision.is_some() => AppEnd::Pinned,
            _ if row.state != AppState::Active => AppEnd::Running,
            SyncPolicy::Never => AppEnd::Never,
            _ if row.health == AppHealth::Progressing && has_merge => {
                let until = self.deadlines.get(app).and_then(|until| Timestamp::from_millisecond(*until).ok());
                AppEnd::Progressing { message: row.health_message.clone(), until }
            }
            _ if row.paused => AppEnd::Paused,
            _ if row.pinned_revision.is_some() => AppEnd::Pinned,
            _ if let Some((owner, by)) = self.kept.get(app) => {
                AppEnd::Waits { owner: owner.clone(), pinned: *by == KeptBy::Pinned }
            }
            SyncPolicy::Manual => AppEnd::Manual,
            SyncPolicy::Auto => AppEnd::Running,
        }
    }

    /// Whether what is applied of an app has a merge: its source is at it, or the definition that was merged is what
    /// was applied.
    pub async fn has_merge(&self, context: &Context, pull: &Pull, app: &AppId) -> Result<bool, JobError> {
        // Only a wait asks.
        let row = self.rows.get(app).filter(|row| row.health == AppHealth::Progressing);
        let (Some(row), Some(merge)) = (row, &pull.merge_commit) else { return Ok(false) };
        let follows = row.app.source.repo == pull.repo;
        if let Some(applied) = row.applied_revision.as_ref().filter(|_| follows)
            && context.mirrors.is_ancestor(&pull.repo, merge, applied).await?
        {
            return Ok(true);
        }
        let as_defined = row.applied_app.as_ref().is_some_and(|applied| applied.same_definition(&row.app));
        let is_defined = app.repo == pull.repo && is_defined_elsewhere(context, row) && as_defined;
        Ok(is_defined && context.mirrors.is_ancestor(&pull.repo, merge, &row.definition_commit).await?)
    }

    pub fn is_busy(&self, row: &AppRow) -> bool {
        let source = &row.app.source;
        let push = Key::Push { repo: source.repo.clone(), ref_name: source.ref_name.clone() };
        [Key::Sync(row.app.id.clone()), push].iter().any(|key| self.busy.contains(&key.to_string()))
    }
}

/// Whether an app's definition is on another branch, or in another repo, than what it renders.
pub(in crate::jobs) fn is_defined_elsewhere(context: &Context, row: &AppRow) -> bool {
    let source = &row.app.source;
    let defined_on = context.repo(&row.app.id.repo).map(|repo| &repo.definitions_ref);
    row.app.id.repo != source.repo || defined_on.is_ok_and(|defined_on| *defined_on != source.ref_name)
}

/// How an app stands that is applied already.
pub(in crate::jobs) fn as_it_is(row: &AppRow) -> AppEnd {
    match row.health {
        AppHealth::Progressing => AppEnd::Running,
        _ if !row.drift.is_empty() => AppEnd::Drifted { message: row.drift.clone() },
        AppHealth::Degraded => AppEnd::Drifted { message: row.health_message.clone() },
        _ => AppEnd::Healthy { after_seconds: 0, removed: 0, held: Vec::new(), kept: Vec::new() },
    }
}
