//! The refs that open previews used besides their bases and heads.

use sqlx::types::Json;

use super::{Store, StoreError};
use crate::ids::{Oid, RepoName};

/// Where a ref was when a preview read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRow {
    pub repo: RepoName,
    pub ref_name: String,
    /// None where it was not there.
    pub commit: Option<Oid>,
}

/// Pull requests by repo and number; one that cannot be read is left out.
fn pulls(found: Vec<(String, i64)>) -> Vec<(RepoName, u64)> {
    found.into_iter().filter_map(|(repo, number)| Some((RepoName::new(&repo), u64::try_from(number).ok()?))).collect()
}

impl Store {
    /// Sets what the preview of a pull request read.
    pub async fn put_preview_reads(&self, repo: &RepoName, number: u64, reads: &[ReadRow]) -> Result<(), StoreError> {
        let number = number_column(number);
        let rows: Vec<_> = reads
            .iter()
            .map(|read| (read.repo.as_str(), &*read.ref_name, read.commit.as_ref().map(Oid::as_str)))
            .collect();
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM preview_reads WHERE repo = $1 AND number = $2")
            .bind(repo.as_str())
            .bind(number)
            .execute(&mut *tx)
            .await?;
        let all = "INSERT INTO preview_reads (repo, number, of_repo, ref_name, oid)
             SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2 FROM json_each($3)";
        sqlx::query(all).bind(repo.as_str()).bind(number).bind(Json(rows)).execute(&mut *tx).await?;
        tx.commit().await
    }

    /// The preview says the same with these refs where they are now.
    pub async fn move_preview_reads(&self, repo: &RepoName, number: u64, reads: &[ReadRow]) -> Result<(), StoreError> {
        for read in reads {
            let sql =
                "UPDATE preview_reads SET oid = $5 WHERE repo = $1 AND number = $2 AND of_repo = $3 AND ref_name = $4";
            let query = sqlx::query(sql)
                .bind(repo.as_str())
                .bind(number_column(number))
                .bind(read.repo.as_str())
                .bind(&read.ref_name);
            query.bind(read.commit.as_ref().map(Oid::as_str)).execute(self.write()).await?;
        }
        Ok(())
    }

    /// The open pull requests whose previews read a ref when it was elsewhere than at `now`.
    pub async fn pulls_that_read(
        &self,
        repo: &RepoName,
        ref_name: &str,
        now: Option<&Oid>,
    ) -> Result<Vec<(RepoName, u64)>, StoreError> {
        let sql = "SELECT r.repo, r.number FROM preview_reads r JOIN pulls p ON p.repo = r.repo AND p.number = r.number
             WHERE r.of_repo = $1 AND r.ref_name = $2 AND r.oid IS DISTINCT FROM $3 AND p.state = 'open' ORDER BY \
                   r.repo, r.number";
        let query = sqlx::query_as(sql).bind(repo.as_str()).bind(ref_name).bind(now.map(Oid::as_str));
        Ok(pulls(query.fetch_all(self.read()).await?))
    }

    /// The refs of a repo that previews of open pull requests and of merge groups were made from.
    pub async fn refs_that_previews_read(&self, repo: &RepoName) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT r.ref_name FROM preview_reads r JOIN pulls p ON p.repo = r.repo AND p.number = r.number
             WHERE r.of_repo = $1 AND p.state = 'open' UNION SELECT ref_name FROM group_reads WHERE of_repo = $1 ORDER \
                   BY 1";
        Ok(sqlx::query_scalar(sql).bind(repo.as_str()).fetch_all(self.read()).await?)
    }

    /// The open pull requests of a repo whose previews were made when the configuration granted something else.
    pub async fn pulls_granted_otherwise(
        &self,
        repo: &RepoName,
        granted: &str,
    ) -> Result<Vec<(RepoName, u64)>, StoreError> {
        let sql = "SELECT p.repo, p.number FROM pulls p JOIN previews v ON v.repo = p.repo AND v.number = p.number
             WHERE p.repo = $1 AND p.state = 'open' AND v.granted IS DISTINCT FROM $2 ORDER BY p.number";
        Ok(pulls(sqlx::query_as(sql).bind(repo.as_str()).bind(granted).fetch_all(self.read()).await?))
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
    use crate::store::pulls::{Pull, PullRow};

    /// X12: who has read a ref is known by where it was.
    #[tokio::test]
    async fn previews_are_found_by_what_they_read() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let oid = |digit: &str| digit.repeat(40).parse::<Oid>();
        let (shop, library, feature) = (RepoName::new("shop"), RepoName::new("library"), "refs/heads/feature");
        let mut pull = Pull::sample(&shop, 7, PullRow::Open);
        store.put_pull(&pull).await?;
        let read = |commit| ReadRow { repo: library.clone(), ref_name: feature.to_owned(), commit };
        store.put_preview_reads(&shop, 7, &[read(Some(oid("b")?))]).await?;
        let nobody: Vec<(RepoName, u64)> = Vec::new();
        assert_eq!(store.pulls_that_read(&library, feature, Some(&oid("b")?)).await?, nobody);
        assert_eq!(store.pulls_that_read(&library, feature, Some(&oid("c")?)).await?, [(shop.clone(), 7)]);
        assert_eq!(store.pulls_that_read(&library, feature, None).await?, [(shop.clone(), 7)]);
        assert_eq!(store.pulls_that_read(&shop, feature, None).await?, nobody);
        assert_eq!(store.refs_that_previews_read(&library).await?, [feature]);
        store.move_preview_reads(&shop, 7, &[read(None)]).await?;
        assert_eq!(store.pulls_that_read(&library, feature, None).await?, nobody);
        assert_eq!(store.pulls_that_read(&library, feature, Some(&oid("b")?)).await?, [(shop.clone(), 7)]);
        pull.state = PullRow::Closed;
        store.put_pull(&pull).await?;
        assert_eq!(store.pulls_that_read(&library, feature, Some(&oid("c")?)).await?, nobody);
        assert!(store.refs_that_previews_read(&library).await?.is_empty());
        Ok(())
    }
}
