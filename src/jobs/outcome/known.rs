//! Where apps stand whose sync has not come to an end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::app::SyncPolicy;
use crate::ids::{AppId, Oid};
use crate::jobs::Engine;
use crate::queue::{JobError, Key};
use crate::report::preview::AppEnd;
use crate::store::apps::{AppHealth, AppRow, AppState};

/// What is known of all apps, read in one go.
pub(in crate::jobs) struct Known {
    /// Where the refs were last seen, before anything else was read: what they had queued is among `busy`, or has ended.
    pub heads: HashMap<String, Oid>,
    /// The keys of the jobs that are not over.
    pub busy: BTreeSet<String>,
    pub rows: BTreeMap<AppId, AppRow>,
    /// When what an app waits for counts as failed.
    pub deadlines: HashMap<AppId, i64>,
}

impl Known {
    pub async fn load(engine: &Engine) -> Result<Self, JobError> {
        let busy = engine.store.unfinished_keys().await?;
        let rows = engine.store.apps().await?.into_iter().map(|row| (row.app.id.clone(), row)).collect();
        let deadlines = engine.store.waits().await?.into_iter().map(|wait| (wait.app, wait.deadline)).collect();
        Ok(Self { heads: HashMap::new(), busy, rows, deadlines })
    }

    /// Where an app stands whose sync has not come to an end.
    pub fn stands(&self, app: &AppId) -> AppEnd {
        let Some(row) = self.rows.get(app).filter(|row| row.state == AppState::Active) else { return AppEnd::Running };
        match row.app.sync {
            SyncPolicy::Never => AppEnd::Never,
            _ if row.health == AppHealth::Progressing => {
                let until = self.deadlines.get(app).and_then(|until| Timestamp::from_millisecond(*until).ok());
                AppEnd::Progressing { message: row.health_message.clone(), until }
            }
            _ if row.paused => AppEnd::Paused,
            _ if row.pinned_revision.is_some() => AppEnd::Pinned,
            SyncPolicy::Manual => AppEnd::Manual,
            SyncPolicy::Auto => AppEnd::Running,
        }
    }

    pub fn is_busy(&self, row: &AppRow) -> bool {
        let source = &row.app.source;
        let push = Key::Push { repo: source.repo.clone(), ref_name: source.ref_name.clone() };
        [Key::Sync(row.app.id.clone()), push].iter().any(|key| self.busy.contains(&key.to_string()))
    }
}

/// How an app stands that is applied already.
pub(in crate::jobs) fn as_it_is(row: &AppRow) -> AppEnd {
    match row.health {
        AppHealth::Progressing => AppEnd::Running,
        _ if !row.drift.is_empty() => AppEnd::Drifted { message: row.drift.clone() },
        AppHealth::Degraded => AppEnd::Drifted { message: row.health_message.clone() },
        _ => AppEnd::Healthy { after_seconds: 0, removed: 0 },
    }
}
