//! The rows of the queue: only reads and writes. `queue` decides what they mean.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::types::Json;
use sqlx::{FromRow, SqliteConnection};

use super::words::words;
use super::{Store, StoreError, decoded};

/// A clock that is set back by less than this is a clock that is kept right.
pub(super) const CLOCKS_DIFFER: i64 = 60_000;
/// No forge asks a report to wait for longer.
const LONGEST_REPORT_PAUSE: i64 = 6 * 3_600_000;

words! {
    /// A key has at most one row in each state.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    #[serde(rename_all = "lowercase")]
    pub enum State {
        /// Waits to become due.
        Pending,
        /// A worker has it, under a lease.
        Running,
        /// Its last run failed in a way that trying again does not mend.
        Failed,
        /// Its last run succeeded.
        Done,
    }
}

/// One row; times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct JobRow {
    pub key: String,
    pub state: State,
    pub priority: i64,
    pub tenant: String,
    /// The commit that the last event spoke of.
    pub hint: Option<String>,
    /// JSON: a list of causes, oldest first.
    pub causes: String,
    pub first_event: i64,
    pub last_event: i64,
    pub due: i64,
    /// No event makes the job due before this.
    pub not_before: i64,
    pub attempt: i64,
    pub failing_since: Option<i64>,
    pub error: Option<String>,
    /// The error that people were last shown.
    pub reported: Option<String>,
    pub lease_owner: Option<String>,
    pub lease_until: Option<i64>,
    pub changed_at: i64,
    /// How many processes in a row have ended while it was running.
    pub kills: i64,
    /// 1 for a done job that the next look at its tenant does once more.
    pub unsettled: i64,
}

/// The due jobs of one tenant and priority, in one line.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DueGroup {
    pub tenant: String,
    pub priority: i64,
    /// When the first of them became due.
    pub due: i64,
}

/// How many jobs run for a tenant at a priority.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RunningCount {
    pub tenant: String,
    pub priority: i64,
    pub running: i64,
}

/// What the metrics show of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromRow)]
pub struct Depth {
    pub pending: i64,
    pub running: i64,
    pub failed: i64,
    /// When the first pending job became due, or will.
    pub first_due: Option<i64>,
}

/// All rows of a key, one per state.
pub async fn of_key(conn: &mut SqliteConnection, key: &str) -> Result<Vec<JobRow>, StoreError> {
    Ok(sqlx::query_as("SELECT * FROM jobs WHERE key = $1").bind(key).fetch_all(conn).await?)
}

/// All rows of some keys.
pub async fn of_keys(conn: &mut SqliteConnection, keys: &[String]) -> Result<Vec<JobRow>, StoreError> {
    let rows = sqlx::query_as("SELECT * FROM jobs WHERE key IN (SELECT value FROM json_each($1))").bind(Json(keys));
    Ok(rows.fetch_all(conn).await?)
}

/// Writes many rows in one statement, each in place of the one of the same key and state. No two of them have both
/// alike.
pub async fn put_all(conn: &mut SqliteConnection, rows: &[JobRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO jobs (key, state, priority, tenant, hint, causes, first_event, last_event, due, not_before, \
         attempt,
                           failing_since, error, reported, lease_owner, lease_until, changed_at, kills, unsettled)
         SELECT value ->> 'key', value ->> 'state', value ->> 'priority', value ->> 'tenant', value ->> 'hint', value \
         ->> 'causes',
                value ->> 'first_event', value ->> 'last_event', value ->> 'due', value ->> 'not_before', value ->> \
         'attempt',
                value ->> 'failing_since', value ->> 'error', value ->> 'reported', value ->> 'lease_owner', value ->> \
         'lease_until',
                value ->> 'changed_at', value ->> 'kills', value ->> 'unsettled'
         FROM json_each($1) WHERE true
         ON CONFLICT (key, state) DO UPDATE SET
             hint = excluded.hint, causes = excluded.causes, first_event = excluded.first_event,
             last_event = excluded.last_event, due = excluded.due, not_before = excluded.not_before,
             attempt = excluded.attempt, failing_since = excluded.failing_since, error = excluded.error,
             reported = excluded.reported, lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
             changed_at = excluded.changed_at, kills = excluded.kills, unsettled = excluded.unsettled",
    )
    .bind(Json(rows))
    .execute(conn)
    .await?;
    Ok(())
}

/// The pending row of a key becomes the running one. There must be no other running one.
pub async fn start(conn: &mut SqliteConnection, running: &JobRow) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE jobs SET state = 'running', attempt = $2, lease_owner = $3, lease_until = $4, changed_at = $5
         WHERE key = $1 AND state = 'pending'",
    )
    .bind(&running.key)
    .bind(running.attempt)
    .bind(&running.lease_owner)
    .bind(running.lease_until)
    .bind(running.changed_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the running row away and returns it, if it still is of this lease.
pub async fn take_running(conn: &mut SqliteConnection, lease: &JobRow) -> Result<Option<JobRow>, StoreError> {
    let row = sqlx::query_as(
        "DELETE FROM jobs WHERE key = $1 AND state = 'running' AND lease_owner = $2 AND attempt = $3 RETURNING *",
    )
    .bind(&lease.key)
    .bind(&lease.lease_owner)
    .bind(lease.attempt)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Writes a row in place of the one of the same key and state.
pub async fn put(conn: &mut SqliteConnection, row: &JobRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO jobs (key, state, priority, tenant, hint, causes, first_event, last_event, due, not_before, \
         attempt,
                           failing_since, error, reported, lease_owner, lease_until, changed_at, kills, unsettled)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
         ON CONFLICT (key, state) DO UPDATE SET
             hint = excluded.hint, causes = excluded.causes, first_event = excluded.first_event,
             last_event = excluded.last_event, due = excluded.due, not_before = excluded.not_before,
             attempt = excluded.attempt, failing_since = excluded.failing_since, error = excluded.error,
             reported = excluded.reported, lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
             changed_at = excluded.changed_at, kills = excluded.kills, unsettled = excluded.unsettled",
    )
    .bind(&row.key)
    .bind(row.state)
    .bind(row.priority)
    .bind(&row.tenant)
    .bind(&row.hint)
    .bind(&row.causes)
    .bind(row.first_event)
    .bind(row.last_event)
    .bind(row.due)
    .bind(row.not_before)
    .bind(row.attempt)
    .bind(row.failing_since)
    .bind(&row.error)
    .bind(&row.reported)
    .bind(&row.lease_owner)
    .bind(row.lease_until)
    .bind(row.changed_at)
    .bind(row.kills)
    .bind(row.unsettled)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn delete(conn: &mut SqliteConnection, key: &str, state: State) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM jobs WHERE key = $1 AND state = $2").bind(key).bind(state).execute(conn).await?;
    Ok(())
}

/// Due at `now` and free to run, summed up by tenant and priority. Of the jobs during which so many processes have
/// ended, one runs at a time: so it is known which one ends the next.
pub async fn due_groups(conn: &mut SqliteConnection, now: i64, suspicious: i64) -> Result<Vec<DueGroup>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT tenant, priority, MIN(due) AS due FROM jobs
         WHERE state = 'pending' AND due <= $1
           AND key NOT IN (SELECT key FROM jobs WHERE state = 'running')
           AND (kills < $2 OR NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND kills >= $2))
         GROUP BY tenant, priority",
    )
    .bind(now)
    .bind(suspicious)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The job of a group that has been due for longest.
pub async fn first_due(
    conn: &mut SqliteConnection,
    group: &DueGroup,
    now: i64,
    suspicious: i64,
) -> Result<Option<JobRow>, StoreError> {
    let row = sqlx::query_as(
        "SELECT * FROM jobs
         WHERE state = 'pending' AND tenant = $1 AND priority = $2 AND due <= $3
           AND key NOT IN (SELECT key FROM jobs WHERE state = 'running')
           AND (kills < $4 OR NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND kills >= $4))
         ORDER BY due, key LIMIT 1",
    )
    .bind(&group.tenant)
    .bind(group.priority)
    .bind(now)
    .bind(suspicious)
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// When the next job becomes due that is free to run.
pub async fn next_due(conn: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let due = sqlx::query_scalar(
        "SELECT MIN(due) FROM jobs
         WHERE state = 'pending'
           AND key NOT IN (SELECT key FROM jobs WHERE state = 'running')",
    )
    .fetch_one(conn)
    .await?;
    Ok(due)
}

pub async fn running_counts(conn: &mut SqliteConnection) -> Result<Vec<RunningCount>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT tenant, priority, COUNT(*) AS running FROM jobs WHERE state = 'running' GROUP BY tenant, priority",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

pub async fn count(conn: &mut SqliteConnection, state: State) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = $1").bind(state).fetch_one(conn).await?)
}

/// All rows in a state.
pub async fn in_state(conn: &mut SqliteConnection, state: State) -> Result<Vec<JobRow>, StoreError> {
    Ok(sqlx::query_as("SELECT * FROM jobs WHERE state = $1 ORDER BY key").bind(state).fetch_all(conn).await?)
}

/// What a tenant's next look does once more: what has failed, save what was set aside, and what is done and asked for
/// it.
pub async fn to_look_at_again(
    conn: &mut SqliteConnection,
    tenant: &str,
    most_kills: i64,
) -> Result<Vec<JobRow>, StoreError> {
    let rows = sqlx::query_as(
        "SELECT * FROM jobs
         WHERE tenant = $1 AND ((state = 'failed' AND kills < $2) OR (state = 'done' AND unsettled = 1)) ORDER BY key",
    );
    Ok(rows.bind(tenant).bind(most_kills).fetch_all(conn).await?)
}

/// Whether work of the tenant has failed, or fails and is being retried.
pub async fn is_failing(conn: &mut SqliteConnection, tenant: &str) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM jobs WHERE tenant = $1 AND (state = 'failed' OR (state <> 'done' AND failing_since IS NOT \
         NULL)) LIMIT 1",
    )
    .bind(tenant)
    .fetch_optional(conn)
    .await?;
    Ok(found.is_some())
}

pub(super) async fn unfinished_keys(conn: &mut SqliteConnection) -> Result<BTreeSet<String>, StoreError> {
    let query = sqlx::query_scalar("SELECT key FROM jobs WHERE state IN ('pending', 'running', 'failed')");
    let keys: Vec<String> = query.fetch_all(conn).await?;
    Ok(keys.into_iter().collect())
}

impl Store {
    /// After the clock was set back, jobs and reports would wait until it is again as late as it was: all that was
    /// written in what is the future now is moved by as much. Says how many rows that were.
    pub async fn follow_clock(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let moved = "UPDATE jobs SET due = due - (changed_at - $1), not_before = CASE WHEN not_before > changed_at - \
                     $1 THEN not_before - (changed_at - $1) ELSE 0 END,
                 first_event = first_event - (changed_at - $1), last_event = last_event - (changed_at - $1),
                 failing_since = failing_since - (changed_at - $1), changed_at = $1
             WHERE changed_at > $2";
        let jobs = sqlx::query(moved).bind(now).bind(now + CLOCKS_DIFFER).execute(self.write()).await?;
        let moved = "UPDATE reports SET due = $1, changed_at = CASE WHEN changed_at > $1 THEN $1 ELSE changed_at END \
                     WHERE due > $2 OR (due > $1 AND changed_at > $3)";
        let reports = sqlx::query(moved)
            .bind(now)
            .bind(now + LONGEST_REPORT_PAUSE)
            .bind(now + CLOCKS_DIFFER)
            .execute(self.write())
            .await?;
        Ok(jobs.rows_affected() + reports.rows_affected())
    }

    /// Extends the leases that `owner` holds, and returns their keys.
    pub async fn renew_leases(&self, owner: &str, until: i64) -> Result<Vec<String>, StoreError> {
        let keys = sqlx::query_scalar(
            "UPDATE jobs SET lease_until = $2 WHERE state = 'running' AND lease_owner = $1 RETURNING key",
        )
        .bind(owner)
        .bind(until)
        .fetch_all(self.write())
        .await?;
        Ok(keys)
    }

    pub async fn queue_depth(&self) -> Result<Depth, StoreError> {
        let depth = sqlx::query_as(
            "SELECT COALESCE(SUM(CASE WHEN state = 'pending' THEN 1 ELSE 0 END), 0) AS pending,
                    COALESCE(SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0) AS running,
                    COALESCE(SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0) AS failed,
                    MIN(CASE WHEN state = 'pending' THEN due END) AS first_due
             FROM jobs WHERE state <> 'done'",
        )
        .fetch_one(self.read())
        .await?;
        Ok(depth)
    }

    pub async fn job(&self, key: &str, state: State) -> Result<Option<JobRow>, StoreError> {
        let row = sqlx::query_as("SELECT * FROM jobs WHERE key = $1 AND state = $2")
            .bind(key)
            .bind(state)
            .fetch_optional(self.read())
            .await?;
        Ok(row)
    }

    /// Jobs for the eye: running, then pending by due time, then failed, then done; at most `limit`.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs
             ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'pending' THEN 1 WHEN 'failed' THEN 2 ELSE 3 END, due, key
             LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        Ok(self.readable(decoded(&rows, "jobs", &["key", "state"])))
    }

    /// What fails: it is tried again soon, or by the next look.
    pub async fn failing_jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        let sql = "SELECT * FROM jobs WHERE state <> 'done' AND failing_since IS NOT NULL AND error IS NOT NULL";
        Ok(self.readable(decoded(&sqlx::query(sql).fetch_all(self.read()).await?, "jobs", &["key", "state"])))
    }
}
