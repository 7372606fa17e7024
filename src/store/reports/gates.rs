//! The rows of the gates: the status of each pull request for its head, and the combined status of pull requests with
//! the same head.

use sqlx::FromRow;

use super::put::{RANK_AWAITED, RANK_STATUS, WantedReport, put};
use crate::store::{Connection, Store, StoreError};

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

/// What is shown of a commit once no pull request says anything of it.
#[derive(Debug, Clone, Copy)]
pub struct LastWord<'a> {
    pub sha: &'a str,
    pub status: &'a str,
}

/// Where and how the gates of a head are shown.
#[derive(Clone, Copy)]
pub struct GateShown<'a> {
    pub scope: &'a str,
    /// The place of the status of a commit, by repo, commit and context.
    pub target: fn(&str, &str, &str) -> String,
    /// What is shown of what they say. The number is how long a comment may take, in milliseconds.
    pub worst: fn(&[GateSaid], i64) -> Option<GateWanted>,
    pub grace: i64,
}

/// The pull request whose gate rests on a comment.
#[derive(Clone, Copy)]
pub struct Rests<'a> {
    pub repo: &'a str,
    pub number: i64,
    pub shown: GateShown<'a>,
}

const GATE: &str = "INSERT INTO gates (repo, number, context, sha, status, changed_at, comment_version) VALUES ($1, \
                    $2, $3, $4, $5, $6, $7)
    ON CONFLICT (repo, number, context) DO UPDATE SET sha = excluded.sha, status = excluded.status, changed_at = \
                    excluded.changed_at,
        comment_version = excluded.comment_version";

const SAID: &str = "SELECT status, comment_version, reports.version, sent_version, due
    FROM gates LEFT JOIN reports ON target = 'comment:' || gates.repo || ':' || number
    WHERE gates.repo = $1 AND sha = $2 AND context = $3 ORDER BY number";

impl Store {
    /// The pull requests whose gate the status of a commit is.
    pub async fn pulls_of_gate(&self, repo: &str, sha: &str, context: &str) -> Result<Vec<u64>, StoreError> {
        let sql =
            "SELECT number FROM gates WHERE repo = $1 AND sha = $2 AND context = $3 AND number > 0 ORDER BY number";
        let numbers: Vec<i64> =
            sqlx::query_scalar(sql).bind(repo).bind(sha).bind(context).fetch_all(self.read()).await?;
        Ok(numbers.into_iter().map(i64::unsigned_abs).collect())
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

    /// Removes a closed pull request's gate. What the others say of its head is shown there now; where there are none,
    /// the last word about it, if any, which rests on nothing any more. True if there is something to send.
    pub async fn drop_gate(
        &self,
        repo: &str,
        number: i64,
        context: &str,
        last: Option<LastWord<'_>>,
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
        let mut news = match sha {
            Some(sha) => show_worst(&mut tx, repo, context, &sha, shown, self.now()).await?,
            None => false,
        };
        if let Some(LastWord { sha, status }) = last {
            let sql = "SELECT COUNT(*) FROM gates WHERE repo = $1 AND sha = $2 AND context = $3";
            let others: i64 = sqlx::query_scalar(sql).bind(repo).bind(sha).bind(context).fetch_one(&mut *tx).await?;
            let target = (shown.target)(repo, sha, context);
            let report = WantedReport { target: &target, scope: shown.scope, rank: RANK_STATUS, repo, wanted: status };
            news |= others == 0 && put(&mut tx, report, self.now(), 0).await?;
        }
        tx.commit().await?;
        Ok(news)
    }
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
pub(super) async fn show_resting(conn: &mut Connection, rests: Option<Rests<'_>>, now: i64) -> Result<(), StoreError> {
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
        WantedReport { target: &target, scope: shown.scope, rank: RANK_STATUS, repo, wanted: &worst.status },
        now,
        worst.after,
    )
    .await
}
