//! The rows of the outbox and of the gates. What they mean is decided in `report`; here they are read and written.

use sqlx::FromRow;

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
    pub doubt: i64,
    pub attempts: i64,
    pub due: Option<i64>,
    pub error: Option<String>,
}

/// What is to be shown from now on.
#[derive(Debug, Clone, Copy)]
pub struct WantedReport<'a> {
    pub target: &'a str,
    pub lane: &'a str,
    pub rank: i64,
    pub repo: &'a str,
    pub wanted: &'a str,
}

/// What a pull request says of its head.
#[derive(Debug, Clone, Copy)]
pub struct GateRow<'a> {
    pub repo: &'a str,
    pub number: i64,
    pub context: &'a str,
    pub sha: &'a str,
    pub status: &'a str,
}

const COLUMNS: &str = "target, repo, version, sent_version, wanted, remote, doubt, attempts, due, error";

const PUT: &str = "INSERT INTO reports (target, lane, rank, repo, version, sent_version, wanted, doubt, attempts, due, changed_at)
    VALUES ($1, $2, $3, $4, 1, 0, $5, 0, 0, $6, $6)
    ON CONFLICT (target) DO UPDATE SET
        lane = excluded.lane, wanted = excluded.wanted, version = reports.version + 1, attempts = 0, due = excluded.due,
        changed_at = excluded.changed_at
    WHERE reports.wanted <> excluded.wanted OR (reports.due IS NULL AND reports.sent_version < reports.version)";

const FINISH: &str = "UPDATE reports SET sent_version = $2, remote = $3, doubt = $4, attempts = 0, error = NULL,
        due = CASE WHEN version > $2 THEN $6 ELSE $5 END
    WHERE target = $1";

const GATE: &str = "INSERT INTO gates (repo, number, context, sha, status, changed_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (repo, number, context) DO UPDATE SET sha = excluded.sha, status = excluded.status, changed_at = excluded.changed_at";

impl Store {
    /// Makes this what is to be shown. The same as before changes nothing, unless it was given up. True if there is something to send.
    pub async fn put_report(&self, report: WantedReport<'_>) -> Result<bool, StoreError> {
        let done = sqlx::query(PUT)
            .bind(report.target)
            .bind(report.lane)
            .bind(report.rank)
            .bind(report.repo)
            .bind(report.wanted)
            .bind(self.now())
            .execute(self.write())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    pub async fn report(&self, target: &str) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM reports WHERE target = $1");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(target).fetch_optional(self.read()).await?)
    }

    /// What to send next in this lane, if anything is due: by rank, then by who waits longest.
    pub async fn due_report(&self, lane: &str) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM reports WHERE lane = $1 AND due <= $2 ORDER BY rank, due LIMIT 1");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(lane).bind(self.now()).fetch_optional(self.read()).await?)
    }

    /// When the next report of this lane becomes due.
    pub async fn next_report_due(&self, lane: &str) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar("SELECT MIN(due) FROM reports WHERE lane = $1").bind(lane).fetch_one(self.read()).await?)
    }

    /// Written before a request that changes the forge: until its answer is noted, we don't know what the forge has.
    pub async fn doubt_report(&self, target: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE reports SET doubt = 1 WHERE target = $1").bind(target).execute(self.write()).await?;
        Ok(())
    }

    /// Notes what the forge has now. There may be more to do.
    pub async fn note_report(&self, target: &str, remote: &str) -> Result<(), StoreError> {
        let sql = "UPDATE reports SET remote = $2, doubt = 0 WHERE target = $1";
        sqlx::query(sql).bind(target).bind(remote).execute(self.write()).await?;
        Ok(())
    }

    /// The forge shows `version`. `again` is when to look once more; a newer version is due at once.
    pub async fn finish_report(&self, target: &str, version: i64, remote: &str, again: Option<i64>) -> Result<(), StoreError> {
        let doubt = if again.is_some() { 2_i64 } else { 0 };
        sqlx::query(FINISH).bind(target).bind(version).bind(remote).bind(doubt).bind(again).bind(self.now()).execute(self.write()).await?;
        Ok(())
    }

    /// Tries again at `due`; `used` attempts were used up. If something else is wanted by now, that is tried then.
    pub async fn postpone_report(&self, target: &str, due: i64, used: i64, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE reports SET due = $2, attempts = attempts + $3, error = $4 WHERE target = $1";
        sqlx::query(sql).bind(target).bind(due).bind(used).bind(error).execute(self.write()).await?;
        Ok(())
    }

    /// Does not try `version` again.
    pub async fn give_up_report(&self, target: &str, version: i64, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE reports SET due = NULL, attempts = 0, error = $3 WHERE target = $1 AND version = $2";
        sqlx::query(sql).bind(target).bind(version).bind(error).execute(self.write()).await?;
        Ok(())
    }

    /// Removes what has not changed since `before` and has nothing left to do. Its comments are found again by their marker.
    pub async fn forget_reports(&self, before: i64) -> Result<u64, StoreError> {
        let reports = sqlx::query("DELETE FROM reports WHERE changed_at < $1 AND due IS NULL").bind(before).execute(self.write()).await?;
        let gates = sqlx::query("DELETE FROM gates WHERE changed_at < $1").bind(before).execute(self.write()).await?;
        Ok(reports.rows_affected() + gates.rows_affected())
    }

    /// Notes a pull request's gate and returns the statuses of all that share its head, itself included.
    pub async fn put_gate(&self, gate: GateRow<'_>) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(GATE)
            .bind(gate.repo)
            .bind(gate.number)
            .bind(gate.context)
            .bind(gate.sha)
            .bind(gate.status)
            .bind(self.now())
            .execute(&mut *transaction)
            .await?;
        let statuses = sqlx::query_scalar("SELECT status FROM gates WHERE repo = $1 AND sha = $2 AND context = $3 ORDER BY number")
            .bind(gate.repo)
            .bind(gate.sha)
            .bind(gate.context)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(statuses)
    }

    /// The head that a pull request's gate was last noted for.
    pub async fn gate_sha(&self, repo: &str, number: i64, context: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT sha FROM gates WHERE repo = $1 AND number = $2 AND context = $3");
        Ok(query.bind(repo).bind(number).bind(context).fetch_optional(self.read()).await?)
    }

    /// Removes a closed pull request's gate and returns the statuses of those that share its head.
    pub async fn drop_gate(&self, repo: &str, number: i64, context: &str) -> Result<Vec<String>, StoreError> {
        let mut transaction = self.begin().await?;
        let sha: Option<String> = sqlx::query_scalar("DELETE FROM gates WHERE repo = $1 AND number = $2 AND context = $3 RETURNING sha")
            .bind(repo)
            .bind(number)
            .bind(context)
            .fetch_optional(&mut *transaction)
            .await?;
        let statuses = sqlx::query_scalar("SELECT status FROM gates WHERE repo = $1 AND sha = $2 AND context = $3 ORDER BY number")
            .bind(repo)
            .bind(sha)
            .bind(context)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(statuses)
    }
}
