//! Pauses and pins of apps, with who requested them and when. Past ones stay in the history.

use sqlx::FromRow;

use crate::ids::{AppId, Oid};
use crate::store::transaction::Tx;
use crate::store::words::words;
use crate::store::{Store, StoreError, decoded};

/// Of each app, so many are remembered.
const KEPT: i64 = 50;

const UNPIN: &str = "UPDATE apps SET pinned_revision = NULL, pinned_by = NULL, pinned_since = NULL, \
                     pinned_off_branch = 0 WHERE id = $1";

/// What was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// What the app is pinned to stays.
    Pause,
    Pin,
}

words! {
    /// What somebody did to hold an app, or to let it go.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
    #[sqlx(rename_all = "lowercase")]
    pub enum Hold {
        Pause,
        Resume,
        Pin,
    }
}

/// One of them, in the history.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HoldRow {
    pub id: i64,
    pub app: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub what: Hold,
    /// Who did it, where that is known.
    pub who: Option<String>,
    /// What it was pinned to; for a resume the pin that it has ended.
    pub revision: Option<String>,
}

/// What is said of a pause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PauseNote {
    /// When it ends by itself, in milliseconds since 1970.
    pub until: Option<i64>,
    pub reason: Option<String>,
}

const UNPAUSE: &str = "UPDATE apps SET paused = 0, paused_since = NULL, paused_by = NULL, paused_until = NULL, \
                       pause_reason = NULL WHERE id = $1 AND paused = 1";

impl Store {
    /// When it was paused first, and by whom, is told as long as it is. What was said last of its end and its reason
    /// counts.
    pub async fn pause(&self, id: &AppId, by: &str, note: &PauseNote) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE apps SET paused_until = $2, pause_reason = $3 WHERE id = $1";
        let query = sqlx::query(sql).bind(id.to_string()).bind(note.until).bind(note.reason.as_deref());
        query.execute(&mut *tx).await?;
        let sql = "UPDATE apps SET paused = 1, paused_since = $2, paused_by = $3 WHERE id = $1 AND paused = 0";
        let query = sqlx::query(sql).bind(id.to_string()).bind(self.now()).bind(by);
        if query.execute(&mut *tx).await?.rows_affected() > 0 {
            self.note_hold(&mut tx, id, Hold::Pause, Some(by), None).await?;
        }
        tx.commit().await?;
        // A person is told that it is so.
        self.sync().await
    }

    /// Ends a pause, and where there is none a pin: somebody who ends a pause may not know that another one has pinned
    /// the app, because what its branch has is bad.
    pub async fn resume(&self, id: &AppId, by: &str) -> Result<Option<Resumed>, StoreError> {
        let mut tx = self.begin().await?;
        let was_paused = sqlx::query(UNPAUSE).bind(id.to_string()).execute(&mut *tx).await?.rows_affected() > 0;
        let resumed = if was_paused {
            self.note_hold(&mut tx, id, Hold::Resume, Some(by), None).await?;
            Some(Resumed::Pause)
        } else {
            let pinned: Option<Option<String>> = sqlx::query_scalar("SELECT pinned_revision FROM apps WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            match pinned.flatten().and_then(|revision| revision.parse::<Oid>().ok()) {
                Some(pinned) => {
                    sqlx::query(UNPIN).bind(id.to_string()).execute(&mut *tx).await?;
                    self.note_hold(&mut tx, id, Hold::Resume, Some(by), Some(&pinned)).await?;
                    Some(Resumed::Pin)
                }
                None => None,
            }
        };
        tx.commit().await?;
        self.sync().await?;
        Ok(resumed)
    }

    /// The apps whose pause is over by itself.
    pub async fn pauses_over(&self) -> Result<Vec<AppId>, StoreError> {
        let sql = "SELECT id FROM apps WHERE paused = 1 AND paused_until <= $1 ORDER BY id";
        let ids: Vec<String> = sqlx::query_scalar(sql).bind(self.now()).fetch_all(self.read()).await?;
        let id =
            |text: String| text.parse().map_err(|error| StoreError::corrupt(format!("the name of app {text}"), error));
        Ok(self.readable(ids.into_iter().map(id)))
    }

    /// Ends a pause that is over by itself. False: somebody has changed it since.
    pub async fn end_pause(&self, id: &AppId) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let sql = format!("{UNPAUSE} AND paused_until <= $2");
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).bind(self.now());
        let is_over = query.execute(&mut *tx).await?.rows_affected() > 0;
        if is_over {
            self.note_hold(&mut tx, id, Hold::Resume, None, None).await?;
        }
        tx.commit().await?;
        self.sync().await?;
        Ok(is_over)
    }

    /// Remembers whether the revision that an app is pinned to is not in the history of its ref.
    pub async fn set_pinned_off_branch(&self, id: &AppId, off_branch: bool) -> Result<(), StoreError> {
        let sql = "UPDATE apps SET pinned_off_branch = $2 WHERE id = $1 AND pinned_off_branch <> $2";
        sqlx::query(sql).bind(id.to_string()).bind(i64::from(off_branch)).execute(self.write()).await?;
        Ok(())
    }

    /// Holds the app at a revision. Since when is told as long as it is the same.
    pub async fn pin(&self, id: &AppId, revision: &Oid, by: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE apps SET pinned_revision = $2, pinned_by = $3, pinned_since = $4 \
                   WHERE id = $1 AND (pinned_revision IS NOT $2 OR pinned_by IS NOT $3)";
        let query = sqlx::query(sql).bind(id.to_string()).bind(revision.as_str()).bind(by).bind(self.now());
        if query.execute(&mut *tx).await?.rows_affected() > 0 {
            self.note_hold(&mut tx, id, Hold::Pin, by, Some(revision)).await?;
        }
        tx.commit().await?;
        self.sync().await
    }

    /// Lets it go.
    pub async fn unpin(&self, id: &AppId) -> Result<(), StoreError> {
        sqlx::query(UNPIN).bind(id.to_string()).execute(self.write()).await?;
        self.sync().await
    }

    async fn note_hold(
        &self,
        tx: &mut Tx,
        id: &AppId,
        what: Hold,
        who: Option<&str>,
        revision: Option<&Oid>,
    ) -> Result<(), StoreError> {
        let app = id.to_string();
        let sql = "INSERT INTO holds (app, at, what, who, revision) VALUES ($1, $2, $3, $4, $5)";
        let query = sqlx::query(sql).bind(&app).bind(self.now()).bind(what).bind(who);
        query.bind(revision.map(Oid::as_str)).execute(&mut **tx).await?;
        let sql = "DELETE FROM holds WHERE app = $1 AND id NOT IN \
                   (SELECT id FROM holds WHERE app = $1 ORDER BY id DESC LIMIT $2)";
        sqlx::query(sql).bind(&app).bind(KEPT).execute(&mut **tx).await?;
        Ok(())
    }

    /// The newest first, of one app or of all.
    pub async fn holds(&self, app: Option<&str>, limit: u32) -> Result<Vec<HoldRow>, StoreError> {
        let query = match app {
            Some(app) => sqlx::query("SELECT * FROM holds WHERE app = $2 ORDER BY id DESC LIMIT $1")
                .bind(i64::from(limit))
                .bind(app),
            None => sqlx::query("SELECT * FROM holds ORDER BY id DESC LIMIT $1").bind(i64::from(limit)),
        };
        Ok(self.readable(decoded(&query.fetch_all(self.read()).await?, "holds", &["id"])))
    }
}
