//! The refs and pull requests of the repos, as last seen.

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection};

use super::skipped::Skipped;
use super::stored::Stored;
use super::words::words;
use super::{Connection, Store, StoreError, decoded};
use crate::ids::{AppId, Oid, RepoName};

/// A pull request with what was last shown on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    pub repo: RepoName,
    pub number: u64,
    pub state: PullRow,
    pub head: Oid,
    /// The branch that it targets, as a full ref.
    pub base_ref: String,
    /// The base's commit that the last finished preview compared with.
    pub base: Option<Oid>,
    pub merge_commit: Option<Oid>,
    pub apps: Vec<AppId>,
    /// JSON of [`crate::report::PreviewReport`]; the store does not look into it.
    pub report: Option<String>,
    /// Merged, and what became of it may still change.
    pub unfinished: bool,
    /// The forge itself says that it is merged. Until it does, a push has told so.
    pub merge_confirmed: bool,
}

impl Pull {
    /// An open one of which nothing was shown yet.
    pub fn open(repo: &RepoName, number: u64, head: Oid, base_ref: String) -> Self {
        Self {
            repo: repo.clone(),
            number,
            state: PullRow::Open,
            head,
            base_ref,
            base: None,
            merge_commit: None,
            apps: Vec::new(),
            report: None,
            unfinished: false,
            merge_confirmed: false,
        }
    }

    #[cfg(test)]
    pub(crate) fn sample(repo: &RepoName, number: u64, state: PullRow) -> Self {
        let head = "a".repeat(40).parse().expect("an id");
        Self { state, ..Self::open(repo, number, head, "refs/heads/main".into()) }
    }
}

/// What it means that the forge's API calls a pull request open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledOpen {
    /// Nobody has told otherwise.
    Open,
    /// The API is behind: the forge has said that it is merged, or a push has merged this very head.
    Behind,
    /// A push has merged another head. Whether this one is merged as well, its base tells.
    Unclear,
}

impl Pull {
    /// What it means that the forge's API calls it open with this head.
    pub fn called_open(&self, head: &Oid) -> CalledOpen {
        match self.state {
            PullRow::Open | PullRow::Closed => CalledOpen::Open,
            PullRow::Merged if self.merge_confirmed || self.head == *head => CalledOpen::Behind,
            PullRow::Merged => CalledOpen::Unclear,
        }
    }
}

words! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    pub enum PullRow {
        Open,
        Merged,
        Closed,
    }
}

#[derive(FromRow)]
struct Row {
    repo: String,
    number: i64,
    state: PullRow,
    head: String,
    base_ref: String,
    base: Option<String>,
    merge_commit: Option<String>,
    apps: String,
    report: Option<String>,
    unfinished: i64,
    merge_confirmed: i64,
}

const APPS: Stored<Vec<AppId>> = Stored::new("pulls.apps", 1, "The next preview of the pull request writes it again");

const COLUMNS: &str =
    "repo, number, state, head, base_ref, base, merge_commit, apps, report, unfinished, merge_confirmed";

impl TryFrom<Row> for Pull {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { repo, number, state, head, base_ref, base, merge_commit, apps, report, unfinished, merge_confirmed } =
            row;
        let what = || format!("a pull request ({repo}#{number})");
        let oid = |text: String| text.parse::<Oid>().map_err(|error| StoreError::corrupt(what(), error));
        Ok(Self {
            number: u64::try_from(number).map_err(|error| StoreError::corrupt(what(), error))?,
            state,
            head: oid(head)?,
            base: base.map(oid).transpose()?,
            merge_commit: merge_commit.map(oid).transpose()?,
            apps: APPS.read_if_known(what(), &apps).unwrap_or_default(),
            base_ref,
            report,
            unfinished: unfinished != 0,
            merge_confirmed: merge_confirmed != 0,
            repo: RepoName::new(repo),
        })
    }
}

/// Those that can be read; the others are named in the log.
fn rows(skipped: &Skipped, found: &[SqliteRow]) -> Vec<Pull> {
    skipped.readable(decoded::<Row>(found, "pulls", &["repo", "number"]).into_iter().map(|row| row?.try_into()))
}

/// One that cannot be read counts as not looked at: the next poll looks, and writes it again.
pub(super) async fn last_seen(
    conn: &mut Connection,
    skipped: &Skipped,
    repo: &RepoName,
    ref_name: &str,
) -> Result<Option<Oid>, StoreError> {
    let sql = "SELECT looked FROM refs WHERE repo = $1 AND ref_name = $2";
    match ref_column(conn, sql, repo, ref_name).await {
        Err(error @ StoreError::Corrupt { .. }) => {
            skipped.note(&error);
            Ok(None)
        }
        seen => seen,
    }
}

async fn ref_column(
    conn: &mut Connection,
    sql: &'static str,
    repo: &RepoName,
    ref_name: &str,
) -> Result<Option<Oid>, StoreError> {
    let query = sqlx::query_scalar::<_, Option<String>>(sql).bind(repo.as_str()).bind(ref_name);
    let oid = query.fetch_optional(conn).await?.flatten();
    oid.map(|oid| oid.parse().map_err(|error| StoreError::corrupt(format!("{ref_name} of {repo}"), error))).transpose()
}

impl Store {
    /// Writes down where a ref is, as soon as that is known. Jobs read it here and nowhere else: a mirror is fetched
    /// into by whoever needs a commit, and says only what it holds.
    pub async fn see_ref(&self, repo: &RepoName, ref_name: &str, oid: &Oid) -> Result<(), StoreError> {
        let sql = "INSERT INTO refs (repo, ref_name, oid, seen_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (repo, ref_name) DO UPDATE SET oid = excluded.oid, seen_at = excluded.seen_at WHERE refs.oid \
                   <> excluded.oid";
        let query = sqlx::query(sql).bind(repo.as_str()).bind(ref_name).bind(oid.as_str()).bind(self.now());
        query.execute(self.write()).await?;
        Ok(())
    }

    /// Where a ref is.
    pub async fn ref_head(&self, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, StoreError> {
        let sql = "SELECT oid FROM refs WHERE repo = $1 AND ref_name = $2";
        ref_column(&mut *self.read().acquire().await?, sql, repo, ref_name).await
    }

    /// Writes down that all was done about where a ref is; None is a ref that is gone. Says whether that is news.
    pub async fn set_ref(&self, repo: &RepoName, ref_name: &str, oid: Option<&Oid>) -> Result<bool, StoreError> {
        let changed = match oid {
            Some(oid) => {
                let statement = "INSERT INTO refs (repo, ref_name, oid, looked, seen_at) VALUES ($1, $2, $3, $3, $4)
                     ON CONFLICT (repo, ref_name) DO UPDATE SET looked = excluded.looked, seen_at = excluded.seen_at
                     WHERE refs.looked IS DISTINCT FROM excluded.looked";
                let query =
                    sqlx::query(statement).bind(repo.as_str()).bind(ref_name).bind(oid.as_str()).bind(self.now());
                query.execute(self.write()).await?
            }
            None => {
                let query = sqlx::query("DELETE FROM refs WHERE repo = $1 AND ref_name = $2");
                query.bind(repo.as_str()).bind(ref_name).execute(self.write()).await?
            }
        };
        Ok(changed.rows_affected() > 0)
    }

    /// Where a ref was when all was last done about it.
    pub async fn last_seen(&self, repo: &RepoName, ref_name: &str) -> Result<Option<Oid>, StoreError> {
        last_seen(&mut *self.read().acquire().await?, &self.0.skipped, repo, ref_name).await
    }

    pub async fn pull(&self, repo: &RepoName, number: u64) -> Result<Option<Pull>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM pulls WHERE repo = $1 AND number = $2");
        let query = sqlx::query_as::<_, Row>(sqlx::AssertSqlSafe(sql)).bind(repo.as_str()).bind(number_column(number));
        query.fetch_optional(self.read()).await?.map(Pull::try_from).transpose()
    }

    /// Pull requests of a repo in one state, newest first.
    pub async fn pulls(&self, repo: &RepoName, state: PullRow) -> Result<Vec<Pull>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM pulls WHERE repo = $1 AND state = $2 ORDER BY number DESC LIMIT 5000");
        let found =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(repo.as_str()).bind(state).fetch_all(self.read()).await?;
        Ok(rows(&self.0.skipped, &found))
    }

    /// The highest number of a pull request of a repo that was ever seen and is not forgotten.
    pub async fn highest_pull(&self, repo: &RepoName) -> Result<Option<u64>, StoreError> {
        let highest: Option<i64> = sqlx::query_scalar("SELECT MAX(number) FROM pulls WHERE repo = $1")
            .bind(repo.as_str())
            .fetch_one(self.read())
            .await?;
        Ok(highest.and_then(|number| u64::try_from(number).ok()))
    }

    /// Merged pull requests whose outcome may still change, oldest first; those that nothing was heard of since `after`
    /// are left out.
    pub async fn unfinished_pulls(&self, repo: &RepoName, after: i64) -> Result<Vec<Pull>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM pulls WHERE repo = $1 AND unfinished = 1 AND updated_at > $2 ORDER BY number LIMIT \
             500"
        );
        let found =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(repo.as_str()).bind(after).fetch_all(self.read()).await?;
        Ok(rows(&self.0.skipped, &found))
    }

    /// Writes the whole row. Whoever wants that takes a [`super::Turn`].
    pub(super) async fn put_pull(&self, pull: &Pull) -> Result<(), StoreError> {
        let mut conn = self.write().acquire().await?;
        put(&mut conn, pull, self.now()).await
    }
}

/// SQL has no unsigned numbers; no forge counts this far.
fn number_column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn put(conn: &mut SqliteConnection, pull: &Pull, now: i64) -> Result<(), StoreError> {
    let Pull { repo, number, state, head, base_ref, base, merge_commit, apps, report, unfinished, merge_confirmed } =
        pull;
    let apps = APPS.write(apps)?;
    let statement = "INSERT INTO pulls (repo, number, state, head, base_ref, base, merge_commit, apps, report, \
                     updated_at, unfinished, merge_confirmed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (repo, number) DO UPDATE SET
             state = excluded.state, head = excluded.head, base_ref = excluded.base_ref, base = excluded.base,
             merge_commit = excluded.merge_commit, apps = excluded.apps, report = excluded.report, updated_at = \
                     excluded.updated_at, unfinished = excluded.unfinished,
             merge_confirmed = excluded.merge_confirmed";
    sqlx::query(statement)
        .bind(repo.as_str())
        .bind(number_column(*number))
        .bind(state)
        .bind(head.as_str())
        .bind(base_ref)
        .bind(base.as_ref().map(Oid::as_str))
        .bind(merge_commit.as_ref().map(Oid::as_str))
        .bind(apps)
        .bind(report)
        .bind(now)
        .bind(i64::from(*unfinished))
        .bind(i64::from(*merge_confirmed))
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;

    async fn store() -> Result<(tempfile::TempDir, Store), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(&folder.path().join("store.db"), Arc::new(ManualClock::at_millis(1))).await?;
        Ok((folder, store))
    }

    fn oid(digit: &str) -> Oid {
        digit.repeat(40).parse().expect("an id")
    }

    #[tokio::test]
    async fn a_ref_is_news_only_when_it_moves() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, store) = store().await?;
        let (repo, main) = (RepoName::new("shop"), "refs/heads/main");
        assert!(store.set_ref(&repo, main, Some(&oid("a"))).await?);
        assert!(!store.set_ref(&repo, main, Some(&oid("a"))).await?);
        assert!(store.set_ref(&repo, main, Some(&oid("b"))).await?);
        assert_eq!(store.last_seen(&repo, main).await?, Some(oid("b")));
        assert!(store.set_ref(&repo, main, None).await?);
        assert!(!store.set_ref(&repo, main, None).await?);
        assert_eq!(store.last_seen(&repo, main).await?, None);
        Ok(())
    }

    /// S1: a column that was written by hand or by another version makes a ref one that nobody has looked at.
    #[tokio::test]
    async fn s1_a_look_that_cannot_be_read_is_made_again() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, store) = store().await?;
        let (repo, main) = (RepoName::new("shop"), "refs/heads/main");
        store.set_ref(&repo, main, Some(&oid("a"))).await?;
        sqlx::query("UPDATE refs SET looked = '{'").execute(store.write()).await?;
        assert_eq!(store.last_seen(&repo, main).await?, None);
        assert_eq!(store.snapshot().await?.last_seen(&repo, main).await?, None);
        assert_eq!(store.skipped_rows().len(), 1);
        assert!(store.set_ref(&repo, main, Some(&oid("a"))).await?, "it is written again");
        assert_eq!(store.last_seen(&repo, main).await?, Some(oid("a")));
        Ok(())
    }

    /// C5: where a ref is is known at once and in one place; a look that is stopped before it is done leaves the ref to
    /// be looked at.
    #[tokio::test]
    async fn c5_where_a_ref_is_and_what_was_done_about_it_are_two_things() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, store) = store().await?;
        let (repo, main) = (RepoName::new("shop"), "refs/heads/main");
        store.see_ref(&repo, main, &oid("a")).await?;
        assert_eq!((store.ref_head(&repo, main).await?, store.last_seen(&repo, main).await?), (Some(oid("a")), None));
        assert!(store.set_ref(&repo, main, Some(&oid("a"))).await?);
        store.see_ref(&repo, main, &oid("b")).await?;
        // The end of an older look takes nothing back.
        store.set_ref(&repo, main, Some(&oid("a"))).await?;
        assert_eq!(
            (store.ref_head(&repo, main).await?, store.last_seen(&repo, main).await?),
            (Some(oid("b")), Some(oid("a")))
        );
        store.set_ref(&repo, main, None).await?;
        assert_eq!((store.ref_head(&repo, main).await?, store.last_seen(&repo, main).await?), (None, None));
        Ok(())
    }

    /// X1+: what it means that the forge's API calls a pull request open, which may be behind.
    #[test]
    fn x1_called_open() {
        let row = |state, merge_confirmed| Pull { merge_confirmed, ..Pull::sample(&RepoName::new("shop"), 1, state) };
        for (state, confirmed, head, means) in [
            (PullRow::Open, false, "b", CalledOpen::Open),
            (PullRow::Closed, false, "a", CalledOpen::Open),
            (PullRow::Merged, false, "a", CalledOpen::Behind),
            (PullRow::Merged, false, "b", CalledOpen::Unclear),
            // An older head, of what was squashed since.
            (PullRow::Merged, true, "b", CalledOpen::Behind),
        ] {
            assert_eq!(row(state, confirmed).called_open(&oid(head)), means, "{state:?} {confirmed} {head}");
        }
    }

    #[tokio::test]
    async fn a_pull_request_reads_as_it_was_written() -> Result<(), Box<dyn std::error::Error>> {
        let (_folder, store) = store().await?;
        let repo = RepoName::new("shop");
        let mut pull = Pull { apps: vec![AppId::new(&repo, "web")], ..Pull::sample(&repo, 7, PullRow::Open) };
        store.put_pull(&pull).await?;
        pull.head = oid("b");
        pull.report = Some("{}".into());
        store.put_pull(&pull).await?;
        assert_eq!(store.pull(&repo, 7).await?, Some(pull.clone()));
        assert_eq!(store.pulls(&repo, PullRow::Open).await?, [pull]);
        assert_eq!(store.pulls(&repo, PullRow::Merged).await?, []);
        Ok(())
    }
}
