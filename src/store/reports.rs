//! The rows of the outbox and of the gates. What they mean is decided in `report`; here they are read and written.

use sqlx::FromRow;

use super::{Connection, Store, StoreError};

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

/// Where and how the gates of a head are shown.
pub struct GateShown<'a> {
    pub lane: &'a str,
    pub rank: i64,
    /// The place of the status of a commit.
    pub target: &'a (dyn Fn(&str) -> String + Sync),
    /// Which of these is shown.
    pub worst: fn(&[String]) -> Option<usize>,
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
        let mut conn = self.write().acquire().await?;
        put(&mut conn, report, self.now()).await
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

    /// Notes a pull request's gate, and makes the worst of all that share its head what is to be shown there; the same of the head that it has
    /// left. In one transaction: of two that note theirs at once, the second one sees both. True if there is something to send.
    pub async fn put_gate(&self, gate: GateRow<'_>, shown: &GateShown<'_>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let query = sqlx::query_scalar::<_, String>("SELECT sha FROM gates WHERE repo = $1 AND number = $2 AND context = $3");
        let before = query.bind(gate.repo).bind(gate.number).bind(gate.context).fetch_optional(&mut *tx).await?;
        sqlx::query(GATE)
            .bind(gate.repo)
            .bind(gate.number)
            .bind(gate.context)
            .bind(gate.sha)
            .bind(gate.status)
            .bind(self.now())
            .execute(&mut *tx)
            .await?;
        let mut news = false;
        // Who shares the head that it has left must not be held up by what it said there.
        for sha in before.iter().map(String::as_str).filter(|before| *before != gate.sha).chain([gate.sha]) {
            news |= show_worst(&mut tx, gate.repo, gate.context, sha, shown, self.now()).await?;
        }
        tx.commit().await?;
        Ok(news)
    }

    /// Removes a closed pull request's gate; what the others say of its head is shown there now. True if there is something to send.
    pub async fn drop_gate(&self, repo: &str, number: i64, context: &str, shown: &GateShown<'_>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let sha: Option<String> = sqlx::query_scalar("DELETE FROM gates WHERE repo = $1 AND number = $2 AND context = $3 RETURNING sha")
            .bind(repo)
            .bind(number)
            .bind(context)
            .fetch_optional(&mut *tx)
            .await?;
        let news = match sha {
            Some(sha) => show_worst(&mut tx, repo, context, &sha, shown, self.now()).await?,
            None => false,
        };
        tx.commit().await?;
        Ok(news)
    }

    /// Has reports of a repo tried once more that were given up: those of open pull requests, and those that are younger than `young`. True if
    /// there are any.
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

/// Makes the worst of the statuses of a head what is to be shown there.
async fn show_worst(
    conn: &mut Connection,
    repo: &str,
    context: &str,
    sha: &str,
    shown: &GateShown<'_>,
    now: i64,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar("SELECT status FROM gates WHERE repo = $1 AND sha = $2 AND context = $3 ORDER BY number");
    let statuses: Vec<String> = query.bind(repo).bind(sha).bind(context).fetch_all(&mut *conn).await?;
    let Some(worst) = (shown.worst)(&statuses).and_then(|worst| statuses.get(worst)) else { return Ok(false) };
    let target = (shown.target)(sha);
    put(conn, WantedReport { target: &target, lane: shown.lane, rank: shown.rank, repo, wanted: worst }, now).await
}

async fn put(conn: &mut Connection, report: WantedReport<'_>, now: i64) -> Result<bool, StoreError> {
    let done = sqlx::query(PUT)
        .bind(report.target)
        .bind(report.lane)
        .bind(report.rank)
        .bind(report.repo)
        .bind(report.wanted)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
