//! Stores a report that is to be shown.

use crate::store::{Connection, StoreError};

/// Statuses hold up merges, so they go first, and have no limit as comments have.
pub const RANK_STATUS: i64 = 0;
/// A first comment, and what became of a merge.
pub const RANK_NEWS: i64 = 1;
/// An edit of a comment that a gate waits for.
pub const RANK_AWAITED: i64 = 2;
/// Any other edit.
pub const RANK_EDIT: i64 = 3;

/// What is to be shown from now on.
#[derive(Debug, Clone, Copy)]
pub struct WantedReport<'a> {
    pub target: &'a str,
    /// Whose limits it counts against: one identity at one forge.
    pub scope: &'a str,
    pub rank: i64,
    pub repo: &'a str,
    pub wanted: &'a str,
}

const PUT: &str =
    "INSERT INTO reports (target, rate_limit_scope, rank, repo, version, sent_version, wanted, remote_state, attempts, due, \
                   changed_at)
    VALUES ($1, $2, $3, $4, 1, 0, $5, 0, 0, $6, $7)
    ON CONFLICT (target) DO UPDATE SET
        rate_limit_scope = excluded.rate_limit_scope, rank = excluded.rank, held_until = NULL, wanted = excluded.wanted, version = \
                   reports.version + 1, attempts = 0, due = excluded.due,
        changed_at = excluded.changed_at
    WHERE reports.wanted <> excluded.wanted OR (reports.due IS NULL AND reports.sent_version < reports.version)";

pub(super) async fn put(
    conn: &mut Connection,
    report: WantedReport<'_>,
    now: i64,
    after: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(PUT)
        .bind(report.target)
        .bind(report.scope)
        .bind(report.rank)
        .bind(report.repo)
        .bind(report.wanted)
        .bind(now.saturating_add(after))
        .bind(now)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
