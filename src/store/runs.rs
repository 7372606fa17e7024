//! The history: each run for an app or a pull request, and how it ended.

mod again;
mod id;
pub mod step;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;

use super::stored::Stored;
use super::words::words;
use super::{Store, StoreError, decoded};
use crate::ids::Oid;

pub use id::RunId;
pub(super) use id::RunIds;

words! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum RunKind {
        Sync,
        Preview,
        Heal,
    }
}

words! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum RunState {
        Running,
        /// For health, for deletions, or for confirmation.
        Waiting,
        Succeeded,
        Failed,
        Cancelled,
    }
}

/// How many objects met which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    pub created: u32,
    pub updated: u32,
    pub replaced: u32,
    pub unchanged: u32,
    pub pruned: u32,
    /// Left in the cluster although they are no longer wanted, for a reason that the run names.
    pub kept: u32,
    pub failed: u32,
}

/// One step of a run and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub millis: u64,
}

/// What is known when a run begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    pub kind: RunKind,
    /// `REPO/NAME` of an app, or `REPO#NUMBER` of a pull request.
    pub target: String,
    /// What asked for it.
    pub cause: Value,
    pub revision: Option<Oid>,
    /// What it begins from: what was applied before, or the base that a preview is compared with.
    pub from_revision: Option<Oid>,
    pub author: Option<String>,
    /// When the work began, in milliseconds since 1970: it is written down later, once it is known to do something.
    pub begun: i64,
}

/// One run; times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    pub id: RunId,
    pub kind: RunKind,
    pub target: String,
    pub cause: Value,
    pub revision: Option<String>,
    pub from_revision: Option<String>,
    pub author: Option<String>,
    pub state: RunState,
    pub error: Option<String>,
    pub counts: Counts,
    pub steps: Vec<Step>,
    pub started: i64,
    pub finished: Option<i64>,
    /// How many runs in a row failed the same way, of which this is the last, and when the first of them began.
    pub times: i64,
    pub since: Option<i64>,
}

#[derive(FromRow)]
struct Raw {
    id: String,
    kind: RunKind,
    target: String,
    cause: String,
    revision: Option<String>,
    from_revision: Option<String>,
    author: Option<String>,
    state: RunState,
    error: Option<String>,
    counts: String,
    steps: String,
    started: i64,
    finished: Option<i64>,
    times: i64,
    since: Option<i64>,
}

const REMEDY: &str = "The run is shown without it";
const CAUSE: Stored<Value> = Stored::new("runs.cause", 1, REMEDY);
const COUNTS: Stored<Counts> = Stored::new("runs.counts", 1, REMEDY);
const STEPS: Stored<Vec<Step>> = Stored::new("runs.steps", 1, REMEDY);

impl Raw {
    fn cause(&self) -> Value {
        CAUSE.read_if_known(&self.id, &self.cause).unwrap_or_default()
    }

    fn counts(&self) -> Counts {
        COUNTS.read_if_known(&self.id, &self.counts).unwrap_or_default()
    }
}

impl From<Raw> for RunRow {
    fn from(raw: Raw) -> Self {
        Self {
            cause: raw.cause(),
            counts: raw.counts(),
            steps: STEPS.read_if_known(&raw.id, &raw.steps).unwrap_or_default(),
            id: RunId::new(raw.id),
            kind: raw.kind,
            target: raw.target,
            revision: raw.revision,
            from_revision: raw.from_revision,
            author: raw.author,
            state: raw.state,
            // What was taken back is nothing.
            error: raw.error.filter(|text| !text.is_empty()),
            started: raw.started,
            finished: raw.finished,
            times: raw.times,
            since: raw.since,
        }
    }
}

/// Said of a run that had applied its changes when a newer one began, and of one whose changes were all held.
const SUPERSEDED: &str = "applied its changes, and was superseded by a newer run before it ended";
const REPLACED: &str = "applied nothing, and was superseded by a newer run";

/// Both are asked for all day, with 50 runs of each app in the table: the index answers.
const OF_TARGET: &str = "SELECT * FROM runs WHERE target = $2 ORDER BY started DESC, id DESC LIMIT $1";
const LAST_OF_APPS: &str = "SELECT runs.* FROM apps JOIN runs ON runs.id = \
                            (SELECT id FROM runs WHERE target = apps.id ORDER BY started DESC, id DESC LIMIT 1)";

/// What is said of a run whose deletions have not begun because its app was paused. It holds only while the app is.
pub const PAUSED_BEFORE_DELETIONS: &str = "its deletions have not begun because the app is paused";

/// A run's text without the parts that begin so.
pub fn without(text: &str, note: &str) -> String {
    text.split("; ").filter(|part| !part.starts_with(note)).collect::<Vec<_>>().join("; ")
}

/// What precedes the command that confirms, in a run's text.
pub const TO_CONFIRM: &str = "to confirm: ";

/// What stays to be said of a run that waited when a newer one began: what it found, healed and asked for, and how that
/// was answered, but no command, which is out of date.
fn superseded(said: &str, counts: &Counts, confirmed_by: Option<&str>) -> String {
    let answered = confirmed_by.map_or_else(|| "not confirmed".to_owned(), |by| format!("confirmed by {by}"));
    let did = counts.created + counts.updated + counts.replaced + counts.pruned > 0;
    let parts = said.split("; ").filter(|part| !part.is_empty() && !part.starts_with(PAUSED_BEFORE_DELETIONS));
    let parts = parts.map(|part| if part.starts_with(TO_CONFIRM) { answered.clone() } else { part.to_owned() });
    let parts: Vec<String> = parts.chain([if did { SUPERSEDED } else { REPLACED }.to_owned()]).collect();
    parts.join("; ")
}

impl Store {
    /// Begins a run. Of its target only the newest `keep` runs stay in the history, and those that have not ended.
    pub async fn begin_run(&self, new: &NewRun, keep: u32) -> Result<RunId, StoreError> {
        let now = self.now();
        let id = self.0.run_ids.next(now);
        sqlx::query(
            "INSERT INTO runs (id, kind, target, cause, revision, author, state, started, from_revision) VALUES ($1, \
             $2, $3, $4, $5, $6, 'running', $7, $8)",
        )
        .bind(id.as_str())
        .bind(new.kind)
        .bind(&new.target)
        .bind(CAUSE.write(&new.cause)?)
        .bind(new.revision.as_ref().map(Oid::as_str))
        .bind(&new.author)
        .bind(new.begun.min(now))
        .bind(new.from_revision.as_ref().map(Oid::as_str))
        .execute(self.write())
        .await?;
        sqlx::query(
            "DELETE FROM runs WHERE target = $1 AND state NOT IN ('running', 'waiting') AND id NOT IN \
             (SELECT id FROM runs WHERE target = $1 ORDER BY started DESC, id DESC LIMIT $2)",
        )
        .bind(&new.target)
        .bind(i64::from(keep.max(1)))
        .execute(self.write())
        .await?;
        Ok(id)
    }

    /// A new run of a target begins: what its earlier runs were in the middle of, or waited for, is over. What was said
    /// of them stays. `confirmed_by`: who has confirmed with the new run what they waited for.
    pub async fn supersede_runs(&self, target: &str, confirmed_by: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "SELECT * FROM runs WHERE target = $1 AND state IN ('running', 'waiting')";
        let open: Vec<Raw> = sqlx::query_as(sql).bind(target).fetch_all(&mut *tx).await?;
        for run in open {
            // What a run waits for comes after its writes: whoever reads the history must not take it for one that did
            // nothing. What it asked for is the newer run's to ask for.
            let counts = run.counts();
            let said = run.error.unwrap_or_default();
            let text = match run.state {
                RunState::Waiting => Some(superseded(&said, &counts, confirmed_by)),
                _ => Some(said).filter(|said| !said.is_empty()),
            };
            let sql = "UPDATE runs SET state = 'cancelled', finished = $2, error = $3 WHERE id = $1";
            sqlx::query(sql).bind(run.id).bind(self.now()).bind(text).execute(&mut *tx).await?;
        }
        tx.commit().await
    }

    /// Names the revision and the author once they are known.
    pub async fn set_run_revision(&self, run: &RunId, revision: &Oid, author: Option<&str>) -> Result<(), StoreError> {
        sqlx::query("UPDATE runs SET revision = $2, author = COALESCE($3, author) WHERE id = $1")
            .bind(run.as_str())
            .bind(revision.as_str())
            .bind(author)
            .execute(self.write())
            .await?;
        Ok(())
    }

    pub async fn set_run_counts(&self, run: &RunId, counts: &Counts) -> Result<(), StoreError> {
        sqlx::query("UPDATE runs SET counts = $2 WHERE id = $1")
            .bind(run.as_str())
            .bind(COUNTS.write(counts)?)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Ends the runs that the process which died was in the middle of; what waits goes on waiting. Returns how many
    /// they were.
    pub async fn cancel_running(&self) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE runs SET state = 'cancelled', error = 'Driftless was restarted' || COALESCE('; ' || error, ''), \
             finished = $1 WHERE state = 'running'",
        )
        .bind(self.now())
        .execute(self.write())
        .await?;
        Ok(done.rows_affected())
    }

    pub async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        let raw: Option<Raw> =
            sqlx::query_as("SELECT * FROM runs WHERE id = $1").bind(run.as_str()).fetch_optional(self.read()).await?;
        Ok(raw.map(RunRow::from))
    }

    /// The newest run of each app.
    pub async fn last_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let rows = sqlx::query(LAST_OF_APPS).fetch_all(self.read()).await?;
        Ok(self.readable(decoded::<Raw>(&rows, "runs", &["id"])).into_iter().map(RunRow::from).collect())
    }

    /// The newest runs first, of one target or of all.
    pub async fn runs(&self, target: Option<&str>, limit: u32) -> Result<Vec<RunRow>, StoreError> {
        // Two statements: one with a condition for both would read every run there is.
        let query = match target {
            Some(target) => sqlx::query(OF_TARGET).bind(i64::from(limit)).bind(target),
            None => sqlx::query("SELECT * FROM runs ORDER BY started DESC, id DESC LIMIT $1").bind(i64::from(limit)),
        };
        let rows = query.fetch_all(self.read()).await?;
        Ok(self.readable(decoded::<Raw>(&rows, "runs", &["id"])).into_iter().map(RunRow::from).collect())
    }
}

#[cfg(test)]
mod tests;
