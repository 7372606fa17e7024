//! Waits for health: rows with deadlines, so that a wait outlives its process.

use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::jobs::CLOCKS_DIFFER;
use super::runs::RunId;
use super::skipped::Skipped;
use super::stored::Stored;
use super::transaction::Query;
use super::words::words;
use super::{Connection, Store, StoreError, decoded};
use crate::ids::{AppId, ClusterName};
use crate::manifest::ObjectKey;
use crate::redact::Shown;

words! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum WaitPurpose {
        /// Until all objects are as they should be.
        Health,
        /// Until all objects are gone.
        Deletion,
    }
}

/// An object that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitObject {
    #[serde(flatten)]
    pub key: ObjectKey,
    pub uid: Option<String>,
    /// What the apply left; an older version of the object says nothing of it.
    pub resource_version: Option<String>,
    /// Left out where it says nothing, so that a row of an earlier release reads and writes as it is.
    #[serde(default, skip_serializing_if = "Touched::is_unchanged")]
    pub touched: Touched,
}

/// What a sync did to an object before it waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Touched {
    /// It was as it should be: what its status says holds.
    #[default]
    Unchanged,
    /// Its controller may not have looked at it since.
    Written,
    /// Git wants it while it is being deleted, which nobody can take back: it will go, and be made again.
    Dying,
}

impl Touched {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
    fn is_unchanged(&self) -> bool {
        *self == Self::Unchanged
    }
}

/// An app has at most one wait of each purpose: a newer one takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub app: AppId,
    pub purpose: WaitPurpose,
    pub run: RunId,
    pub cluster: ClusterName,
    pub objects: Vec<WaitObject>,
    /// Milliseconds since 1970.
    pub deadline: i64,
}

/// How a wait ended. What a server or a controller has said is in it as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    Done,
    /// An object that was being deleted when it was applied is gone: it has to be made again.
    Gone(Shown),
    /// An object will not get better by waiting; the worst first.
    Failed(Shown),
    /// The deadline has passed, with what was still waited for.
    TimedOut(Shown),
}

/// The end of a wait. Its row stays in the store until its app's job has acted on it and called [`Store::end_wait`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitEnded {
    pub wait: Wait,
    pub outcome: WaitOutcome,
}

words! {
    /// The same without what is said of it, as it is stored.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    pub enum Ended {
        Done,
        Gone,
        Failed,
        TimedOut,
    }
}

impl WaitOutcome {
    fn columns(&self) -> (Ended, &str) {
        match self {
            Self::Done => (Ended::Done, ""),
            Self::Gone(text) => (Ended::Gone, text),
            Self::Failed(text) => (Ended::Failed, text),
            Self::TimedOut(text) => (Ended::TimedOut, text),
        }
    }

    fn read(ended: Ended, detail: String) -> Result<Self, StoreError> {
        let shown = |detail: String| {
            let read = Shown::deserialize(detail.into_deserializer());
            read.map_err(|error: serde::de::value::Error| StoreError::corrupt("an end of a wait", error))
        };
        match ended {
            Ended::Done => Ok(Self::Done),
            Ended::Gone => shown(detail).map(Self::Gone),
            Ended::Failed => shown(detail).map(Self::Failed),
            Ended::TimedOut => shown(detail).map(Self::TimedOut),
        }
    }
}

const OBJECTS: Stored<Vec<WaitObject>> =
    Stored::new("waits.objects", 1, "The next sync of the app waits for its objects again");

#[derive(FromRow)]
struct Raw {
    app: String,
    purpose: WaitPurpose,
    run: String,
    cluster: String,
    objects: String,
    deadline: i64,
    outcome: Option<Ended>,
    detail: String,
}

impl Raw {
    /// The wait, and how it ended if it did.
    fn read(mut self) -> Result<(Wait, Option<WaitOutcome>), StoreError> {
        let (outcome, detail) = (self.outcome.take(), std::mem::take(&mut self.detail));
        let outcome = outcome.map(|outcome| WaitOutcome::read(outcome, detail)).transpose()?;
        Ok((self.try_into()?, outcome))
    }
}

impl TryFrom<Raw> for Wait {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            app: raw.app.parse().map_err(|error| StoreError::corrupt("a wait", error))?,
            purpose: raw.purpose,
            run: RunId::new(raw.run),
            cluster: ClusterName::new(raw.cluster),
            objects: OBJECTS.read(format!("app {}", raw.app), &raw.objects)?,
            deadline: raw.deadline,
        })
    }
}

impl Store {
    /// Stores a wait, in the place of an older one of the same app and purpose, whose end means nothing from then on.
    pub async fn put_wait(&self, wait: &Wait) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO waits (app, purpose, run, cluster, objects, deadline, begun) VALUES ($1, $2, $3, $4, $5, $6, \
             $7) \
             ON CONFLICT (app, purpose) DO UPDATE SET run = excluded.run, cluster = excluded.cluster, objects = \
             excluded.objects, \
             deadline = excluded.deadline, begun = excluded.begun, outcome = NULL, detail = ''",
        )
        .bind(wait.app.to_string())
        .bind(wait.purpose)
        .bind(wait.run.as_str())
        .bind(wait.cluster.as_str())
        .bind(OBJECTS.write(&wait.objects)?)
        .bind(wait.deadline)
        .bind(self.now())
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// After the clock was set back, what an earlier process has begun to wait for would be waited for until it is
    /// again as late as it was: such deadlines are moved by as much. Only for a process that waits for nothing yet, as
    /// a wait is known by its deadline.
    pub async fn waits_follow_clock(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let moved =
            "UPDATE waits SET deadline = deadline - (begun - $1), begun = $1 WHERE begun > $2 AND outcome IS NULL";
        let moved = sqlx::query(moved).bind(now).bind(now + CLOCKS_DIFFER).execute(self.write()).await?;
        Ok(moved.rows_affected())
    }

    /// The run of an app that waits, if there is one.
    pub async fn waiting_run(&self, app: &AppId) -> Result<Option<RunId>, StoreError> {
        let query = sqlx::query_scalar::<_, String>("SELECT run FROM waits WHERE app = $1 LIMIT 1");
        Ok(query.bind(app.to_string()).fetch_optional(self.read()).await?.map(RunId::new))
    }

    /// What an app waits for: its health, or else what it deletes.
    pub async fn wait_of(&self, app: &AppId) -> Result<Option<Wait>, StoreError> {
        of_app(&mut *self.read().acquire().await?, app).await
    }

    /// Writes down how a wait ended; the first end counts. False when it is not waited for any more, or a newer wait
    /// has taken its place: then its end means nothing. A wait is known by all that it is, as one run may wait for the
    /// same purpose several times.
    pub async fn note_wait_end(&self, ended: &WaitEnded) -> Result<bool, StoreError> {
        let (outcome, detail) = ended.outcome.columns();
        let statement = "UPDATE waits SET detail = CASE WHEN outcome IS NULL THEN $7 ELSE detail END, outcome = \
                         COALESCE(outcome, $6) \
             WHERE app = $1 AND purpose = $2 AND run = $3 AND deadline = $4 AND objects = $5";
        let query = of_wait(sqlx::query(statement), &ended.wait)?.bind(outcome).bind(detail);
        Ok(query.execute(self.write()).await?.rows_affected() > 0)
    }

    /// The ends of an app's waits that nobody has acted on yet.
    pub async fn ended_waits(&self, app: &AppId) -> Result<Vec<WaitEnded>, StoreError> {
        let query =
            sqlx::query_as::<_, Raw>("SELECT * FROM waits WHERE app = $1 AND outcome IS NOT NULL ORDER BY purpose");
        let raw = query.bind(app.to_string()).fetch_all(self.read()).await?;
        let ended = self.readable(raw.into_iter().map(Raw::read));
        Ok(ended.into_iter().filter_map(|(wait, outcome)| Some(WaitEnded { wait, outcome: outcome? })).collect())
    }

    /// Forgets a wait whose end was acted on. False when a newer one has taken its place, which stays.
    pub async fn end_wait(&self, wait: &Wait) -> Result<bool, StoreError> {
        let statement =
            "DELETE FROM waits WHERE app = $1 AND purpose = $2 AND run = $3 AND deadline = $4 AND objects = $5";
        Ok(of_wait(sqlx::query(statement), wait)?.execute(self.write()).await?.rows_affected() > 0)
    }

    /// Forgets what an app waits for: a newer revision is on its way. Returns the runs that waited.
    pub async fn drop_waits(&self, app: &AppId) -> Result<Vec<RunId>, StoreError> {
        let runs: Vec<String> = sqlx::query_scalar("DELETE FROM waits WHERE app = $1 RETURNING run")
            .bind(app.to_string())
            .fetch_all(self.write())
            .await?;
        Ok(runs.into_iter().map(RunId::new).collect())
    }

    /// All that is waited for, and what has ended and was not acted on yet; the nearest deadline first.
    pub async fn waits(&self) -> Result<Vec<Wait>, StoreError> {
        Ok(self.waits_and_ends().await?.into_iter().map(|(wait, _)| wait).collect())
    }

    /// The same with how they ended. What cannot be read is named in the log and left out: the others go on.
    pub async fn waits_and_ends(&self) -> Result<Vec<(Wait, Option<WaitOutcome>)>, StoreError> {
        all(&mut *self.read().acquire().await?, &self.0.skipped).await
    }
}

pub(super) async fn of_app(conn: &mut Connection, app: &AppId) -> Result<Option<Wait>, StoreError> {
    let query = sqlx::query_as::<_, Raw>("SELECT * FROM waits WHERE app = $1 ORDER BY purpose DESC LIMIT 1");
    query.bind(app.to_string()).fetch_optional(conn).await?.map(Wait::try_from).transpose()
}

pub(super) async fn all(
    conn: &mut Connection,
    skipped: &Skipped,
) -> Result<Vec<(Wait, Option<WaitOutcome>)>, StoreError> {
    let rows = sqlx::query("SELECT * FROM waits ORDER BY deadline, app, purpose").fetch_all(conn).await?;
    Ok(skipped.readable(decoded::<Raw>(&rows, "waits", &["app", "purpose"]).into_iter().map(|raw| raw?.read())))
}

/// `$1` to `$5`: all that a wait is known by.
fn of_wait<'q>(query: Query<'q>, wait: &'q Wait) -> Result<Query<'q>, StoreError> {
    let query = query
        .bind(wait.app.to_string())
        .bind(wait.purpose)
        .bind(wait.run.as_str())
        .bind(wait.deadline)
        .bind(OBJECTS.write(&wait.objects)?);
    Ok(query)
}

#[cfg(test)]
mod tests;
