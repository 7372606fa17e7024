//! The inputs of the last preview of each pull request.

use sqlx::FromRow;
use sqlx::types::Json;

use super::{Store, StoreError};
use crate::ids::{AppId, Oid, RepoName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    pub repo: RepoName,
    pub number: u64,
    pub head: Oid,
    pub base: Oid,
    /// The tree that merging gives; none where it can't be merged.
    pub change_tree: Option<Oid>,
    /// A hash of what the configuration granted then.
    pub granted: Option<String>,
    /// JSON; the store does not look into it.
    pub looked: String,
}

/// What a merged pull request has shown of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRow {
    pub number: u64,
    pub merge_commit: Oid,
    /// JSON; the store does not look into it.
    pub shown: String,
}

#[derive(FromRow)]
struct Raw {
    head: String,
    base: String,
    change_tree: Option<String>,
    granted: Option<String>,
    looked: String,
}

impl Store {
    /// Keeps a preview, with what it shows of each app.
    pub async fn put_preview(&self, row: &PreviewRow, shown: &[(AppId, String)]) -> Result<(), StoreError> {
        let sql = "INSERT INTO previews (repo, number, head, base, change_tree, looked, granted) VALUES ($1, $2, $3, \
                   $4, $5, $6, $7)
             ON CONFLICT (repo, number) DO UPDATE SET head = excluded.head, base = excluded.base, change_tree = \
                   excluded.change_tree,
                 looked = excluded.looked, granted = excluded.granted";
        let (repo, number) = (row.repo.as_str(), number_column(row.number));
        let mut tx = self.begin().await?;
        sqlx::query(sql)
            .bind(repo)
            .bind(number)
            .bind(row.head.as_str())
            .bind(row.base.as_str())
            .bind(row.change_tree.as_ref().map(Oid::as_str))
            .bind(&row.looked)
            .bind(row.granted.as_deref())
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM previewed_steps WHERE repo = $1 AND number = $2")
            .bind(repo)
            .bind(number)
            .execute(&mut *tx)
            .await?;
        let shown: Vec<(String, &String)> = shown.iter().map(|(app, shown)| (app.to_string(), shown)).collect();
        let all = "INSERT INTO previewed_steps (repo, number, app, shown)
             SELECT $1, $2, value ->> 0, value ->> 1 FROM json_each($3)";
        sqlx::query(all).bind(repo).bind(number).bind(Json(shown)).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The preview says the same of another base.
    pub async fn move_preview(
        &self,
        repo: &RepoName,
        number: u64,
        base: &Oid,
        change_tree: &Oid,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE previews SET base = $3, change_tree = $4 WHERE repo = $1 AND number = $2";
        let query = sqlx::query(sql)
            .bind(repo.as_str())
            .bind(number_column(number))
            .bind(base.as_str())
            .bind(change_tree.as_str());
        query.execute(self.write()).await?;
        Ok(())
    }

    /// What merged pull requests have shown of an app whose outcome may still change; those that nothing was heard of
    /// since `after` are left out.
    pub async fn shown_of(&self, repo: &RepoName, app: &AppId, after: i64) -> Result<Vec<ShownRow>, StoreError> {
        let sql =
            "SELECT s.number, p.merge_commit, s.shown FROM previewed_steps s JOIN pulls p ON p.repo = s.repo AND \
                   p.number = s.number
             WHERE s.repo = $1 AND s.app = $2 AND p.unfinished = 1 AND p.updated_at > $3 AND p.merge_commit IS NOT \
                   NULL ORDER BY s.number";
        let query =
            sqlx::query_as::<_, (i64, String, String)>(sql).bind(repo.as_str()).bind(app.to_string()).bind(after);
        let what = || format!("what was shown of {app}");
        let row = |(number, merge_commit, shown): (i64, String, String)| {
            let number = u64::try_from(number).map_err(|error| StoreError::corrupt(what(), error))?;
            let merge_commit = merge_commit.parse().map_err(|error| StoreError::corrupt(what(), error))?;
            Ok(ShownRow { number, merge_commit, shown })
        };
        Ok(self.readable(query.fetch_all(self.read()).await?.into_iter().map(row)))
    }

    pub async fn preview(&self, repo: &RepoName, number: u64) -> Result<Option<PreviewRow>, StoreError> {
        let sql = "SELECT head, base, change_tree, granted, looked FROM previews WHERE repo = $1 AND number = $2";
        let query = sqlx::query_as::<_, Raw>(sql).bind(repo.as_str()).bind(number_column(number));
        let Some(raw) = query.fetch_optional(self.read()).await? else { return Ok(None) };
        let oid = |text: String| {
            text.parse::<Oid>().map_err(|error| StoreError::corrupt(format!("the preview of {repo}#{number}"), error))
        };
        Ok(Some(PreviewRow {
            repo: repo.clone(),
            number,
            head: oid(raw.head)?,
            base: oid(raw.base)?,
            change_tree: raw.change_tree.map(oid).transpose()?,
            granted: raw.granted,
            looked: raw.looked,
        }))
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

    #[tokio::test]
    async fn a_preview_reads_as_it_was_written() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        let oid = |digit: &str| digit.repeat(40).parse::<Oid>();
        let repo = RepoName::new("shop");
        let (head, base, granted) = (oid("a")?, oid("b")?, Some("all".into()));
        let mut row =
            PreviewRow { repo: repo.clone(), number: 7, head, base, change_tree: None, granted, looked: "{}".into() };
        let web = AppId::new(&repo, "web");
        store.put_preview(&row, &[(web.clone(), "old".into())]).await?;
        row.change_tree = Some(oid("c")?);
        store.put_preview(&row, &[(web.clone(), "new".into())]).await?;
        assert_eq!(store.preview(&repo, 7).await?, Some(row.clone()));
        store.move_preview(&repo, 7, &oid("d")?, &oid("e")?).await?;
        assert_eq!(
            store.preview(&repo, 7).await?,
            Some(PreviewRow { base: oid("d")?, change_tree: Some(oid("e")?), ..row })
        );
        assert_eq!(store.shown_of(&repo, &web, 0).await?, [], "it is not merged");
        let pull = Pull { merge_commit: Some(oid("f")?), unfinished: true, ..Pull::sample(&repo, 7, PullRow::Merged) };
        store.put_pull(&pull).await?;
        let shown = ShownRow { number: 7, merge_commit: oid("f")?, shown: "new".into() };
        assert_eq!(store.shown_of(&repo, &web, 0).await?, [shown]);
        assert_eq!(store.shown_of(&repo, &AppId::new(&repo, "api"), 0).await?, []);
        Ok(())
    }
}
