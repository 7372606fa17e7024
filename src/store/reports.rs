//! The rows of the outbox and of the gates: only reads and writes. `report` decides what they mean.

mod gates;
mod put;

use sqlx::FromRow;

pub use gates::{CommentShown, GateRow, GateSaid, GateShown, GateWanted, LastWord, Rests};
pub use put::{RANK_AWAITED, RANK_EDIT, RANK_NEWS, RANK_STATUS, WantedReport};

use gates::show_resting;
use put::put;

use super::{Store, StoreError};

/// What a forge should show at one place; times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ReportRow {
    pub target: String,
    pub repo: String,
    pub version: i64,
    pub sent_version: i64,
    pub wanted: String,
    pub remote: Option<String>,
    #[sqlx(try_from = "i64")]
    pub remote_state: RemoteState,
    pub attempts: i64,
    pub due: Option<i64>,
    pub error: Option<String>,
    /// How urgent it is, as of now: a comment that nobody has seen yet goes before what was shown before.
    pub rank: i64,
}

/// Whether `remote` is what the forge has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteState {
    Known = 0,
    /// A request was sent, and its answer is not noted.
    Unknown = 1,
    /// It was listed after a lost answer, and is listed once more: what was sent may have come late.
    LookAgain = 2,
}

impl From<i64> for RemoteState {
    /// What a newer version may write is as good as unknown.
    fn from(column: i64) -> Self {
        match column {
            0 => Self::Known,
            2 => Self::LookAgain,
            _ => Self::Unknown,
        }
    }
}

const COLUMNS: &str = "target, repo, version, sent_version, wanted, remote, remote_state, attempts, due, error,
    CASE WHEN rank > 1 AND sent_version = 0 THEN 1 ELSE rank END AS rank";

/// A row's rank of now, in a condition.
const RANK: &str = "(CASE WHEN rank > 1 AND sent_version = 0 THEN 1 ELSE rank END)";

const FINISH: &str =
    "UPDATE reports SET sent_version = $2, remote = $3, remote_state = $4, attempts = 0, error = NULL, held_until = NULL,
        due = CASE WHEN version > $2 THEN $6 ELSE $5 END
    WHERE target = $1";

impl Store {
    /// Makes this what is to be shown. The same as before changes nothing, unless it was given up. True if there is
    /// something to send.
    pub async fn put_report(&self, report: WantedReport<'_>) -> Result<bool, StoreError> {
        let mut conn = self.write().acquire().await?;
        put(&mut conn, report, self.now(), 0).await
    }

    pub async fn report(&self, target: &str) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM reports WHERE target = $1");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(target).fetch_optional(self.read()).await?)
    }

    /// What to send next within this rate limit, if anything of at most this rank is due: by rank, then by who waits
    /// longest.
    pub async fn due_report(&self, scope: &str, most: i64) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM reports WHERE rate_limit_scope = $1 AND due <= $2 AND {RANK} <= $3 ORDER BY {RANK}, due LIMIT 1"
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(scope).bind(self.now()).bind(most);
        Ok(query.fetch_optional(self.read()).await?)
    }

    /// When the next report within this rate limit becomes due, of those of at most this rank.
    pub async fn next_report_due(&self, scope: &str, most: i64) -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT MIN(due) FROM reports WHERE rate_limit_scope = $1 AND {RANK} <= $2");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(scope).bind(most).fetch_one(self.read()).await?)
    }

    /// Notes of what is due within this rate limit, and is of a higher rank, that it is held back until then. How many
    /// are held back only now.
    pub async fn hold_reports(&self, scope: &str, most: i64, until: i64) -> Result<u64, StoreError> {
        let due = format!("rate_limit_scope = $1 AND due <= $2 AND {RANK} > $3");
        let sql = format!("SELECT COUNT(*) FROM reports WHERE {due} AND held_until IS NULL");
        let (mut tx, now) = (self.begin().await?, self.now());
        let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).bind(scope).bind(now).bind(most);
        let new = query.fetch_one(&mut *tx).await?;
        let sql = format!("UPDATE reports SET held_until = $4 WHERE {due} AND (held_until IS NULL OR held_until < $2)");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(scope).bind(now).bind(most).bind(until).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(new.unsigned_abs())
    }

    /// What is left to send within each rate limit, by its name.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let sql = "SELECT rate_limit_scope AS scope, COUNT(CASE WHEN due <= $1 THEN 1 END) AS due, COUNT(CASE WHEN due <= $1 THEN \
                   held_until END) AS held
             FROM reports GROUP BY rate_limit_scope ORDER BY rate_limit_scope";
        Ok(sqlx::query_as(sql).bind(self.now()).fetch_all(self.read()).await?)
    }

    /// What could not be sent, or is held back by the limits on comments.
    pub async fn late_reports(&self, limit: i64) -> Result<Vec<LateReport>, StoreError> {
        let sql = "SELECT target, due, attempts, error, held_until, changed_at FROM reports
             WHERE sent_version < version AND (error IS NOT NULL OR held_until IS NOT NULL) ORDER BY changed_at LIMIT \
                   $1";
        Ok(sqlx::query_as(sql).bind(limit).fetch_all(self.read()).await?)
    }

    /// Written before a request that changes the forge: until its answer is noted, we don't know what the forge has.
    pub async fn begin_request(&self, target: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE reports SET remote_state = 1 WHERE target = $1").bind(target).execute(self.write()).await?;
        Ok(())
    }

    /// Notes what the forge has now. There may be more to do.
    pub async fn note_report(&self, target: &str, remote: &str) -> Result<(), StoreError> {
        let sql = "UPDATE reports SET remote = $2, remote_state = 0 WHERE target = $1";
        sqlx::query(sql).bind(target).bind(remote).execute(self.write()).await?;
        Ok(())
    }

    /// The forge shows `version`. `again` is when to look once more; a newer version is due at once. What a gate says
    /// that waited for this comment is to be shown now.
    pub async fn finish_report(
        &self,
        target: &str,
        version: i64,
        remote: &str,
        again: Option<i64>,
        rests: Option<Rests<'_>>,
    ) -> Result<(), StoreError> {
        let state = if again.is_some() { RemoteState::LookAgain } else { RemoteState::Known };
        let mut tx = self.begin().await?;
        sqlx::query(FINISH)
            .bind(target)
            .bind(version)
            .bind(remote)
            .bind(state as i64)
            .bind(again)
            .bind(self.now())
            .execute(&mut *tx)
            .await?;
        show_resting(&mut tx, rests, self.now()).await?;
        tx.commit().await
    }

    /// Tries again at `due`; `used` attempts were used up. If something else is wanted by now, that is tried then.
    pub async fn postpone_report(&self, target: &str, due: i64, used: i64, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE reports SET due = $2, attempts = attempts + $3, error = $4 WHERE target = $1";
        sqlx::query(sql).bind(target).bind(due).bind(used).bind(error).execute(self.write()).await?;
        Ok(())
    }

    /// Does not try `version` again. A gate that waited for this comment says so.
    pub async fn give_up_report(
        &self,
        target: &str,
        version: i64,
        error: &str,
        rests: Option<Rests<'_>>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE reports SET due = NULL, attempts = 0, error = $3, held_until = NULL WHERE target = $1 AND \
                   version = $2";
        sqlx::query(sql).bind(target).bind(version).bind(error).execute(&mut *tx).await?;
        show_resting(&mut tx, rests, self.now()).await?;
        tx.commit().await
    }

    /// Has the statuses of open pull requests looked for, where they may have lost their place. True if there are
    /// any.
    pub async fn look_for_statuses(&self, repo: &str) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE reports SET due = $2, remote_state = $3
             WHERE repo = $1 AND due IS NULL AND sent_version = version AND EXISTS (
                 SELECT 1 FROM gates WHERE gates.repo = $1 AND gates.number > 0
                     AND reports.target = 'status:' || $1 || ':' || gates.sha || ':' || gates.context)",
        )
        .bind(repo)
        .bind(self.now())
        .bind(RemoteState::LookAgain as i64)
        .execute(self.write())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Has reports of a repo tried once more that were given up: those of open pull requests, and those that are
    /// younger than `young`. True if there are any.
    pub async fn retry_given_up(&self, repo: &str, attempts: i64, young: i64) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE reports SET due = $2, attempts = $3
             WHERE repo = $1 AND due IS NULL AND sent_version < version AND (changed_at > $4 OR EXISTS (
                 SELECT 1 FROM pulls WHERE pulls.repo = $1 AND pulls.state = 'open' AND (
                     reports.target = 'comment:' || $1 || ':' || pulls.number
                     OR reports.target LIKE 'status:' || $1 || ':' || pulls.head || ':%')))",
        )
        .bind(repo)
        .bind(self.now())
        .bind(attempts)
        .bind(young)
        .execute(self.write())
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// What one forge has yet to be told.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Backlog {
    pub scope: String,
    pub due: i64,
    /// Of these: what the limits on comments hold back.
    pub held: i64,
}

/// A report that is not where it should be, and why.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LateReport {
    pub target: String,
    /// None: it was given up.
    pub due: Option<i64>,
    pub attempts: i64,
    pub error: Option<String>,
    pub held_until: Option<i64>,
    pub changed_at: i64,
}
