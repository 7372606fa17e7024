//! Who has agreed on a pull request to deletions and replacements.

use std::collections::BTreeSet;

use sqlx::FromRow;

use super::stored::Stored;
use super::{Store, StoreError, decoded};
use crate::ids::{AppId, Oid, RepoName};

const OBJECTS: Stored<BTreeSet<String>> =
    Stored::new("approvals.objects", 1, "What was approved needs confirmation again");

/// One app of a pull request that somebody has approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub repo: RepoName,
    pub number: u64,
    pub app: AppId,
    /// The commit that was shown.
    pub head: Oid,
    /// A hash of what was shown.
    pub digest: String,
    /// The objects whose deletion or replacement it is for, with their clusters.
    pub objects: BTreeSet<String>,
    pub who: String,
    pub who_id: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// An approval whose pull request is merged, and which no sync has carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedApproval {
    pub approval: Approval,
    pub merge_commit: Oid,
}

#[derive(FromRow)]
struct Row {
    repo: String,
    number: i64,
    app: String,
    head: String,
    digest: String,
    objects: String,
    who: String,
    who_id: String,
    at: i64,
    merge_commit: Option<String>,
}

impl Row {
    fn approval(self) -> Result<(Approval, Option<Oid>), StoreError> {
        let what = format!("an approval of {} on {}#{}", self.app, self.repo, self.number);
        let oid = |text: String| text.parse::<Oid>().map_err(|error| StoreError::corrupt(what.clone(), error));
        let approval = Approval {
            number: u64::try_from(self.number).map_err(|error| StoreError::corrupt(what.clone(), error))?,
            app: self.app.parse().map_err(|error| StoreError::corrupt(what.clone(), error))?,
            head: oid(self.head)?,
            digest: self.digest,
            objects: OBJECTS.read(what.clone(), &self.objects)?,
            repo: RepoName::new(self.repo),
            who: self.who,
            who_id: self.who_id,
            at: self.at,
        };
        Ok((approval, self.merge_commit.map(oid).transpose()?))
    }
}

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// In place of an earlier one of the same app.
    pub async fn put_approval(&self, approval: &Approval) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO approvals (repo, number, app, head, digest, objects, who, who_id, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (repo, number, app) DO UPDATE SET head = excluded.head, digest = excluded.digest,
                 objects = excluded.objects, who = excluded.who, who_id = excluded.who_id, at = excluded.at,
                 used_at = NULL",
        )
        .bind(approval.repo.as_str())
        .bind(column(approval.number))
        .bind(approval.app.to_string())
        .bind(approval.head.as_str())
        .bind(&approval.digest)
        .bind(OBJECTS.write(&approval.objects)?)
        .bind(&approval.who)
        .bind(&approval.who_id)
        .bind(approval.at)
        .execute(self.write())
        .await?;
        self.sync().await
    }

    /// Says whether there was one.
    pub async fn drop_approval(&self, repo: &RepoName, number: u64, app: &AppId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM approvals WHERE repo = $1 AND number = $2 AND app = $3";
        let query = sqlx::query(sql).bind(repo.as_str()).bind(column(number)).bind(app.to_string());
        let dropped = query.execute(self.write()).await?.rows_affected() > 0;
        self.sync().await?;
        Ok(dropped)
    }

    /// A sync has carried it out: it is for nothing that comes later.
    pub async fn use_approval(&self, repo: &RepoName, number: u64, app: &AppId) -> Result<(), StoreError> {
        let sql = "UPDATE approvals SET used_at = $4 WHERE repo = $1 AND number = $2 AND app = $3 AND used_at IS NULL";
        let query = sqlx::query(sql).bind(repo.as_str()).bind(column(number)).bind(app.to_string()).bind(self.now());
        query.execute(self.write()).await?;
        Ok(())
    }

    /// Those of one pull request.
    pub async fn approvals_of(&self, repo: &RepoName, number: u64) -> Result<Vec<Approval>, StoreError> {
        let sql = "SELECT *, NULL AS merge_commit FROM approvals WHERE repo = $1 AND number = $2 ORDER BY app";
        let rows = sqlx::query(sql).bind(repo.as_str()).bind(column(number)).fetch_all(self.read()).await?;
        Ok(self.approvals(&rows).into_iter().map(|(approval, _)| approval).collect())
    }

    /// Those of one app whose pull requests are merged with the commit that was approved.
    pub async fn merged_approvals(&self, app: &AppId) -> Result<Vec<MergedApproval>, StoreError> {
        let sql = "SELECT approvals.*, pulls.merge_commit FROM approvals JOIN pulls ON pulls.repo = approvals.repo
                 AND pulls.number = approvals.number
             WHERE approvals.app = $1 AND approvals.used_at IS NULL AND pulls.state = 'merged'
                 AND pulls.head = approvals.head AND pulls.merge_commit IS NOT NULL
             ORDER BY approvals.number";
        let rows = sqlx::query(sql).bind(app.to_string()).fetch_all(self.read()).await?;
        let merged = |(approval, merge_commit): (Approval, Option<Oid>)| {
            Some(MergedApproval { approval, merge_commit: merge_commit? })
        };
        Ok(self.approvals(&rows).into_iter().filter_map(merged).collect())
    }

    fn approvals(&self, rows: &[sqlx::sqlite::SqliteRow]) -> Vec<(Approval, Option<Oid>)> {
        let decoded = decoded::<Row>(rows, "approvals", &["repo", "number", "app"]);
        self.readable(decoded.into_iter().map(|row| row?.approval()))
    }
}
