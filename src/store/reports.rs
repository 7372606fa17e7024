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
    /// How urgent it is, as of now: a comment that nobody has seen yet goes before what was shown before.
    pub rank: i64,
}

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
    /// It lets the merge pass.
    pub passes: bool,
}

/// Whether the forge shows the comment that a gate rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentShown {
    Yes,
    NotYet,
    /// It was tried often enough, and nothing more is done about it before the next resync.
    GivenUp,
}

/// What one pull request says of its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSaid {
    pub status: String,
    pub comment: CommentShown,
}

/// What is to be shown at a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateWanted {
    pub status: String,
    /// It stands in for one that waits for its comment: it is shown where that takes longer than so many milliseconds.
    pub after: i64,
}

/// Where and how the gates of a head are shown.
#[derive(Clone, Copy)]
pub struct GateShown<'a> {
    pub lane: &'a str,
    /// The place of the status of a commit, by repo, commit and context.
    pub target: fn(&str, &str, &str) -> String,
    /// What is shown of what they say. The number is how long a comment may take, in milliseconds.
    pub worst: fn(&[GateSaid], i64) -> Option<GateWanted>,
    pub grace: i64,
}

const COLUMNS: &str = "target, repo, version, sent_version, wanted, remote, doubt, attempts, due, error,
    CASE WHEN rank > 1 AND sent_version = 0 THEN 1 ELSE rank END AS rank";

/// A row's rank of now, in a condition.
const RANK: &str = "(CASE WHEN rank > 1 AND sent_version = 0 THEN 1 ELSE rank END)";

const PUT: &str =
    "INSERT INTO reports (target, lane, rank, repo, version, sent_version, wanted, doubt, attempts, due, \
                   changed_at)
    VALUES ($1, $2, $3, $4, 1, 0, $5, 0, 0, $6, $7)
    ON CONFLICT (target) DO UPDATE SET
        lane = excluded.lane, rank = excluded.rank, held_until = NULL, wanted = excluded.wanted, version = \
                   reports.version + 1, attempts = 0, due = excluded.due,
        changed_at = excluded.changed_at
    WHERE reports.wanted <> excluded.wanted OR (reports.due IS NULL AND reports.sent_version < reports.version)";

const FINISH: &str =
    "UPDATE reports SET sent_version = $2, remote = $3, doubt = $4, attempts = 0, error = NULL, held_until = NULL,
        due = CASE WHEN version > $2 THEN $6 ELSE $5 END
    WHERE target = $1";

const GATE: &str = "INSERT INTO gates (repo, number, context, sha, status, changed_at, comment_version) VALUES ($1, \
                    $2, $3, $4, $5, $6, $7)
    ON CONFLICT (repo, number, context) DO UPDATE SET sha = excluded.sha, status = excluded.status, changed_at = \
                    excluded.changed_at,
        comment_version = excluded.comment_version";

const SAID: &str = "SELECT status, comment_version, reports.version, sent_version, due
    FROM gates LEFT JOIN reports ON target = 'comment:' || gates.repo || ':' || number
    WHERE gates.repo = $1 AND sha = $2 AND context = $3 ORDER BY number";

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

    /// What to send next in this lane, if anything of at most this rank is due: by rank, then by who waits longest.
    pub async fn due_report(&self, lane: &str, most: i64) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM reports WHERE lane = $1 AND due <= $2 AND {RANK} <= $3 ORDER BY {RANK}, due LIMIT 1"
        );
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(lane).bind(self.now()).bind(most);
        Ok(query.fetch_optional(self.read()).await?)
    }

    /// When the next report of this lane becomes due, of those of at most this rank.
    pub async fn next_report_due(&self, lane: &str, most: i64) -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT MIN(due) FROM reports WHERE lane = $1 AND {RANK} <= $2");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(lane).bind(most).fetch_one(self.read()).await?)
    }

    /// Notes of what is due in this lane, and is of a higher rank, that it is held back until then. How many are held
    /// back only now.
    pub async fn hold_reports(&self, lane: &str, most: i64, until: i64) -> Result<u64, StoreError> {
        let due = format!("lane = $1 AND due <= $2 AND {RANK} > $3");
        let sql = format!("SELECT COUNT(*) FROM reports WHERE {due} AND held_until IS NULL");
        let (mut tx, now) = (self.begin().await?, self.now());
        let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).bind(lane).bind(now).bind(most);
        let new = query.fetch_one(&mut *tx).await?;
        let sql = format!("UPDATE reports SET held_until = $4 WHERE {due} AND (held_until IS NULL OR held_until < $2)");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(lane).bind(now).bind(most).bind(until).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(new.unsigned_abs())
    }

    /// What each lane has left to send, by the lane's name.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let sql = "SELECT lane, COUNT(CASE WHEN due <= $1 THEN 1 END) AS due, COUNT(CASE WHEN due <= $1 THEN \
                   held_until END) AS held
             FROM reports GROUP BY lane ORDER BY lane";
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
        let doubt = if again.is_some() { 2_i64 } else { 0 };
        let mut tx = self.begin().await?;
        sqlx::query(FINISH)
            .bind(target)
            .bind(version)
            .bind(remote)
            .bind(doubt)
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

    /// Removes what has not changed since `before` and has nothing left to do. Its comments are found again by their
    /// marker.
    pub async fn forget_reports(&self, before: i64) -> Result<u64, StoreError> {
        let reports = sqlx::query("DELETE FROM reports WHERE changed_at < $1 AND due IS NULL")
            .bind(before)
            .execute(self.write())
            .await?;
        let gates = sqlx::query("DELETE FROM gates WHERE changed_at < $1").bind(before).execute(self.write()).await?;
        Ok(reports.rows_affected() + gates.rows_affected())
    }

    /// Notes a pull request's gate, and makes the worst of all that share its head what is to be shown there; the same
    /// of the head that it has left. In one transaction: of two that note theirs at once, the second one sees both.
    /// True if there is something to send.
    pub async fn put_gate(&self, gate: GateRow<'_>, shown: &GateShown<'_>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let query =
            sqlx::query_scalar::<_, String>("SELECT sha FROM gates WHERE repo = $1 AND number = $2 AND context = $3");
        let before = query.bind(gate.repo).bind(gate.number).bind(gate.context).fetch_optional(&mut *tx).await?;
        let comment = format!("comment:{}:{}", gate.repo, gate.number);
        // What may be merged is what people can read.
        let sql = "UPDATE reports SET rank = CASE WHEN $2 AND rank > $3 THEN $3 ELSE rank END WHERE target = $1 \
                   RETURNING version";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(&comment).bind(gate.passes).bind(RANK_AWAITED);
        let version = query.fetch_optional(&mut *tx).await?;
        sqlx::query(GATE)
            .bind(gate.repo)
            .bind(gate.number)
            .bind(gate.context)
            .bind(gate.sha)
            .bind(gate.status)
            .bind(self.now())
            .bind(version)
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

    /// Removes a closed pull request's gate; what the others say of its head is shown there now. True if there is
    /// something to send.
    pub async fn drop_gate(
        &self,
        repo: &str,
        number: i64,
        context: &str,
        shown: &GateShown<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let sha: Option<String> =
            sqlx::query_scalar("DELETE FROM gates WHERE repo = $1 AND number = $2 AND context = $3 RETURNING sha")
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

/// The pull request whose gate rests on a comment.
#[derive(Clone, Copy)]
pub struct Rests<'a> {
    pub repo: &'a str,
    pub number: i64,
    pub shown: GateShown<'a>,
}

/// What one forge has yet to be told.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Backlog {
    pub lane: String,
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

#[derive(FromRow)]
struct RawSaid {
    status: String,
    comment_version: Option<i64>,
    version: Option<i64>,
    sent_version: Option<i64>,
    due: Option<i64>,
}

impl From<RawSaid> for GateSaid {
    fn from(raw: RawSaid) -> Self {
        let comment = match (raw.comment_version, raw.version, raw.sent_version) {
            (Some(rests_on), Some(_), Some(sent)) if sent < rests_on && raw.due.is_some() => CommentShown::NotYet,
            (Some(rests_on), Some(version), Some(sent)) if sent < rests_on && version > sent => CommentShown::GivenUp,
            _ => CommentShown::Yes,
        };
        Self { status: raw.status, comment }
    }
}

/// Shows what a pull request says of its head, now that its comment is where it is.
async fn show_resting(conn: &mut Connection, rests: Option<Rests<'_>>, now: i64) -> Result<(), StoreError> {
    let Some(Rests { repo, number, shown }) = rests else { return Ok(()) };
    let query = sqlx::query_as(
        "SELECT sha, context FROM gates WHERE repo = $1 AND number = $2 AND comment_version IS NOT NULL",
    );
    let heads: Vec<(String, String)> = query.bind(repo).bind(number).fetch_all(&mut *conn).await?;
    for (sha, context) in heads {
        show_worst(conn, repo, &context, &sha, &shown, now).await?;
    }
    Ok(())
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
    let said: Vec<RawSaid> = sqlx::query_as(SAID).bind(repo).bind(sha).bind(context).fetch_all(&mut *conn).await?;
    let said: Vec<GateSaid> = said.into_iter().map(GateSaid::from).collect();
    let Some(worst) = (shown.worst)(&said, shown.grace) else { return Ok(false) };
    let target = (shown.target)(repo, sha, context);
    put(
        conn,
        WantedReport { target: &target, lane: shown.lane, rank: RANK_STATUS, repo, wanted: &worst.status },
        now,
        worst.after,
    )
    .await
}

async fn put(conn: &mut Connection, report: WantedReport<'_>, now: i64, after: i64) -> Result<bool, StoreError> {
    let done = sqlx::query(PUT)
        .bind(report.target)
        .bind(report.lane)
        .bind(report.rank)
        .bind(report.repo)
        .bind(report.wanted)
        .bind(now.saturating_add(after))
        .bind(now)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}
