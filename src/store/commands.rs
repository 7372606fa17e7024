//! Commands of comments, and what came of them.

use sqlx::FromRow;

use super::words::words;
use super::{Store, StoreError, decoded};
use crate::ids::RepoName;

/// Of each pull request, so many are remembered.
const KEPT: i64 = 50;

words! {
    /// What came of a command.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    pub enum CommandResult {
        /// It is being carried out, or the process was stopped while it was.
        Begun,
        Done,
        /// Its author may not do it, or it cannot be done as things stand.
        Refused,
        /// It is no command.
        Mistaken,
    }
}

/// One line of a comment.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct CommandRow {
    pub repo: String,
    #[sqlx(try_from = "i64")]
    pub number: u64,
    #[sqlx(try_from = "i64")]
    pub comment: u64,
    #[sqlx(try_from = "i64")]
    pub line: u64,
    /// When the comment was written, in milliseconds since 1970.
    pub at: i64,
    pub who: String,
    /// The forge's id of the author, which stays when the login changes.
    pub who_id: String,
    /// As it was written, without `/driftless`.
    pub command: String,
    pub result: CommandResult,
    /// Markdown; a stranger's words in it are code.
    pub answer: String,
}

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Writes a command down, or what came of it.
    pub async fn put_command(&self, row: &CommandRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO commands (repo, number, comment, line, at, who, who_id, command, result, answer)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (repo, number, comment, line) DO UPDATE SET result = excluded.result, answer = excluded.answer",
        )
        .bind(&row.repo)
        .bind(column(row.number))
        .bind(column(row.comment))
        .bind(column(row.line))
        .bind(row.at)
        .bind(&row.who)
        .bind(&row.who_id)
        .bind(&row.command)
        .bind(row.result)
        .bind(&row.answer)
        .execute(&mut *tx)
        .await?;
        // A comment that is gone from here is not carried out again: those after it are newer.
        sqlx::query(
            "DELETE FROM commands WHERE repo = $1 AND number = $2 AND comment NOT IN (SELECT comment FROM commands
             WHERE repo = $1 AND number = $2 ORDER BY comment DESC, line DESC LIMIT $3)",
        )
        .bind(&row.repo)
        .bind(column(row.number))
        .bind(KEPT)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.sync().await
    }

    /// Those of one pull request, the oldest first.
    pub async fn commands_of(&self, repo: &RepoName, number: u64) -> Result<Vec<CommandRow>, StoreError> {
        let sql = "SELECT * FROM commands WHERE repo = $1 AND number = $2 ORDER BY comment, line";
        let rows = sqlx::query(sql).bind(repo.as_str()).bind(column(number)).fetch_all(self.read()).await?;
        Ok(self.readable(decoded(&rows, "commands", &["repo", "number", "comment", "line"])))
    }

    /// Those of all pull requests, or of one as `REPO#NUMBER`, the newest first.
    pub async fn commands(&self, target: Option<&str>, limit: u32) -> Result<Vec<CommandRow>, StoreError> {
        let sql = "SELECT * FROM commands WHERE $1 IS NULL OR repo || '#' || number = $1
             ORDER BY at DESC, comment DESC, line DESC LIMIT $2";
        let rows = sqlx::query(sql).bind(target).bind(i64::from(limit)).fetch_all(self.read()).await?;
        Ok(self.readable(decoded(&rows, "commands", &["repo", "number", "comment", "line"])))
    }
}
