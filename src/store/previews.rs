//! What the last preview of each pull request looked at.

use sqlx::FromRow;

use super::{Store, StoreError};
use crate::ids::{Oid, RepoName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    pub repo: RepoName,
    pub number: u64,
    pub head: Oid,
    pub base: Oid,
    /// The tree that merging gives; none where it can't be merged.
    pub change_tree: Option<Oid>,
    /// JSON; the store does not look into it.
    pub looked: String,
}

#[derive(FromRow)]
struct Raw {
    head: String,
    base: String,
    change_tree: Option<String>,
    looked: String,
}

impl Store {
    pub async fn put_preview(&self, row: &PreviewRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO previews (repo, number, head, base, change_tree, looked) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (repo, number) DO UPDATE SET head = excluded.head, base = excluded.base, change_tree = excluded.change_tree,
                 looked = excluded.looked";
        sqlx::query(sql)
            .bind(row.repo.as_str())
            .bind(number_column(row.number))
            .bind(row.head.as_str())
            .bind(row.base.as_str())
            .bind(row.change_tree.as_ref().map(Oid::as_str))
            .bind(&row.looked)
            .execute(self.write())
            .await?;
        Ok(())
    }

    pub async fn preview(&self, repo: &RepoName, number: u64) -> Result<Option<PreviewRow>, StoreError> {
        let sql = "SELECT head, base, change_tree, looked FROM previews WHERE repo = $1 AND number = $2";
        let query = sqlx::query_as::<_, Raw>(sql).bind(repo.as_str()).bind(number_column(number));
        let Some(raw) = query.fetch_optional(self.read()).await? else { return Ok(None) };
        let oid = |text: String| text.parse::<Oid>().map_err(|error| StoreError::corrupt(format!("the preview of {repo}#{number}"), error));
        Ok(Some(PreviewRow {
            repo: repo.clone(),
            number,
            head: oid(raw.head)?,
            base: oid(raw.base)?,
            change_tree: raw.change_tree.map(oid).transpose()?,
            looked: raw.looked,
        }))
    }

    pub async fn forget_preview(&self, repo: &RepoName, number: u64) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM previews WHERE repo = $1 AND number = $2");
        query.bind(repo.as_str()).bind(number_column(number)).execute(self.write()).await?;
        Ok(())
    }
}

/// SQL has no unsigned numbers; no forge counts this far.
fn number_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn a_preview_reads_as_it_was_written() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let oid = |digit: &str| digit.repeat(40).parse::<Oid>();
        let repo = RepoName::new("shop");
        let mut row =
            PreviewRow { repo: repo.clone(), number: 7, head: oid("a")?, base: oid("b")?, change_tree: None, looked: "{}".into() };
        store.put_preview(&row).await?;
        row.change_tree = Some(oid("c")?);
        store.put_preview(&row).await?;
        assert_eq!(store.preview(&repo, 7).await?, Some(row));
        store.forget_preview(&repo, 7).await?;
        assert_eq!(store.preview(&repo, 7).await?, None);
        Ok(())
    }
}
