//! The refs that previews of merge groups used besides their bases and heads.

use sqlx::types::Json;

use super::reads::ReadRow;
use super::{Store, StoreError};
use crate::ids::{Oid, RepoName};

/// A merge group whose checks were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    pub repo: RepoName,
    pub ref_name: String,
    pub head: Oid,
}

impl Store {
    /// Sets what the preview of a merge group read.
    pub async fn put_group_reads(&self, group: &GroupRow, reads: &[ReadRow]) -> Result<(), StoreError> {
        let rows: Vec<_> = reads
            .iter()
            .map(|read| (read.repo.as_str(), &*read.ref_name, read.commit.as_ref().map(Oid::as_str)))
            .collect();
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM group_reads WHERE repo = $1 AND group_ref = $2")
            .bind(group.repo.as_str())
            .bind(&group.ref_name)
            .execute(&mut *tx)
            .await?;
        let all = "INSERT INTO group_reads (repo, group_ref, head, of_repo, ref_name, oid, read_at)
             SELECT $1, $2, $3, value ->> 0, value ->> 1, value ->> 2, $5 FROM json_each($4)";
        let query = sqlx::query(all).bind(group.repo.as_str()).bind(&group.ref_name).bind(group.head.as_str());
        query.bind(Json(rows)).bind(self.now()).execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Nobody waits for the checks of a merge group any more.
    pub async fn forget_group_reads(&self, repo: &RepoName, ref_name: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM group_reads WHERE repo = $1 AND group_ref = $2";
        sqlx::query(sql).bind(repo.as_str()).bind(ref_name).execute(self.write()).await?;
        Ok(())
    }

    /// The groups of a repo that were merged, as a branch is now at their head.
    pub async fn forget_merged_groups(&self, repo: &RepoName, head: &Oid) -> Result<(), StoreError> {
        let sql = "DELETE FROM group_reads WHERE repo = $1 AND head = $2";
        sqlx::query(sql).bind(repo.as_str()).bind(head.as_str()).execute(self.write()).await?;
        Ok(())
    }

    /// The merge groups whose previews read a ref when it was elsewhere than at `now`.
    pub async fn groups_that_read(
        &self,
        repo: &RepoName,
        ref_name: &str,
        now: Option<&Oid>,
    ) -> Result<Vec<GroupRow>, StoreError> {
        let sql = "SELECT repo, group_ref, head FROM group_reads WHERE of_repo = $1 AND ref_name = $2 AND oid IS \
                   DISTINCT FROM $3 ORDER BY repo, group_ref";
        let query = sqlx::query_as(sql).bind(repo.as_str()).bind(ref_name).bind(now.map(Oid::as_str));
        let found: Vec<(String, String, String)> = query.fetch_all(self.read()).await?;
        let row = |(repo, ref_name, head): (String, String, String)| {
            let head = head.parse::<Oid>();
            let head = head.map_err(|error| StoreError::corrupt(format!("the merge group {ref_name}"), error))?;
            Ok(GroupRow { repo: RepoName::new(&repo), ref_name, head })
        };
        found.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;

    /// X12+: the merge groups that have read a ref are known by where it was, until they are gone.
    #[tokio::test]
    async fn merge_groups_are_found_by_what_they_read() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let oid = |digit: &str| digit.repeat(40).parse::<Oid>();
        let (shop, library, side) = (RepoName::new("shop"), RepoName::new("library"), "refs/heads/side");
        let group = GroupRow { repo: shop.clone(), ref_name: "refs/heads/queue/7".into(), head: oid("a")? };
        let read = |commit| ReadRow { repo: library.clone(), ref_name: side.to_owned(), commit };
        store.put_group_reads(&group, &[read(Some(oid("b")?))]).await?;
        assert_eq!(store.groups_that_read(&library, side, Some(&oid("b")?)).await?, []);
        assert_eq!(store.groups_that_read(&library, side, Some(&oid("c")?)).await?, std::slice::from_ref(&group));
        assert_eq!(store.groups_that_read(&shop, side, Some(&oid("c")?)).await?, []);
        assert_eq!(store.refs_that_previews_read(&library).await?, [side]);
        store.put_group_reads(&group, &[read(None)]).await?;
        assert_eq!(store.groups_that_read(&library, side, None).await?, []);
        store.forget_group_reads(&shop, &group.ref_name).await?;
        assert_eq!(store.groups_that_read(&library, side, Some(&oid("c")?)).await?, []);
        assert!(store.refs_that_previews_read(&library).await?.is_empty());

        // A branch that is at its head has it merged.
        store.put_group_reads(&group, &[read(None)]).await?;
        store.forget_merged_groups(&shop, &oid("b")?).await?;
        assert_eq!(store.refs_that_previews_read(&library).await?, [side]);
        store.forget_merged_groups(&shop, &group.head).await?;
        assert!(store.refs_that_previews_read(&library).await?.is_empty());
        Ok(())
    }
}
