//! How long each table keeps what is in it: the one place that says so, and that forgets what is over.

use super::apps::Change;
use super::{Store, StoreError};

const DAY: i64 = 24 * 3_600_000;

/// Until when the rows of a table are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    /// So many days; `$1` of the statement is the time before which a row is forgotten.
    Days(i64, &'static str),
    /// As long as what they are about: an app, a repo, a pull request.
    With(&'static str),
    /// They are bounded by what writes them, as said here.
    Bounded(#[cfg_attr(not(test), expect(dead_code, reason = "it is for whoever reads this"))] &'static str),
}

use Keep::{Bounded, Days, With};

macro_rules! of_no_app {
    ($table:literal) => {
        With(concat!("DELETE FROM ", $table, " WHERE NOT EXISTS (SELECT 1 FROM apps WHERE apps.id = ", $table, ".app)"))
    };
}

macro_rules! of_no_pull {
    ($table:literal) => {
        With(concat!(
            "DELETE FROM ",
            $table,
            " WHERE NOT EXISTS (SELECT 1 FROM pulls WHERE pulls.repo = ",
            $table,
            ".repo AND pulls.number = ",
            $table,
            ".number)"
        ))
    };
}

/// Each table, those first that others go with. A table may have several rules.
pub(super) const RULES: &[(&str, Keep)] = &[
    // One that owns nothing any more; an app that was removed with its objects kept owns them until it gives them up.
    (
        "apps",
        Days(
            90,
            "DELETE FROM apps WHERE state = 'removed' AND state_since < $1 AND paused = 0 AND pinned_revision IS NULL \
             AND NOT EXISTS (SELECT 1 FROM objects WHERE objects.app = apps.id)",
        ),
    ),
    ("objects", Bounded("a row for each object that an app owns, until the object is deleted or given up")),
    ("wants", of_no_app!("wants")),
    ("waits", of_no_app!("waits")),
    ("shown_deletes", of_no_app!("shown_deletes")),
    ("replaced", of_no_app!("replaced")),
    ("put_back", Days(90, "DELETE FROM put_back WHERE last < $1")),
    // Besides, the last 20 of an app and repo.
    ("app_ends", of_no_app!("app_ends")),
    // Besides, the last 50 of an app.
    ("holds", of_no_app!("holds")),
    // Besides, the last 50 of an app or pull request. An app's last run is told as long as the app is.
    (
        "runs",
        Days(
            90,
            "DELETE FROM runs WHERE started < $1 AND (kind <> 'preview' OR state NOT IN ('running', 'waiting')) \
             AND NOT EXISTS (SELECT 1 FROM apps WHERE apps.id = runs.target)",
        ),
    ),
    (
        "told_facts",
        With("DELETE FROM told_facts WHERE NOT EXISTS (SELECT 1 FROM apps WHERE apps.applied_facts = told_facts.key)"),
    ),
    (
        "kinds_seen",
        With(
            "DELETE FROM kinds_seen WHERE NOT EXISTS (SELECT 1 FROM apps WHERE apps.cluster = kinds_seen.cluster) \
             AND NOT EXISTS (SELECT 1 FROM objects WHERE objects.cluster = kinds_seen.cluster)",
        ),
    ),
    // As long as what was reported of them.
    ("pulls", Days(90, "DELETE FROM pulls WHERE state <> 'open' AND updated_at < $1")),
    // One that is open in a repo that is still looked at is found again by the next look.
    ("pulls", Days(365, "DELETE FROM pulls WHERE updated_at < $1")),
    // Besides, the last 50 of a pull request.
    ("commands", Days(90, "DELETE FROM commands WHERE at < $1")),
    ("approvals", of_no_pull!("approvals")),
    ("previews", of_no_pull!("previews")),
    ("previewed_steps", of_no_pull!("previewed_steps")),
    ("preview_rests", of_no_pull!("preview_rests")),
    ("preview_reads", of_no_pull!("preview_reads")),
    ("outcome_events", of_no_pull!("outcome_events")),
    // A merge group lives for hours, and its end is told by a delivery, which may be lost.
    ("group_reads", Days(14, "DELETE FROM group_reads WHERE read_at < $1")),
    // Of a repo that nothing is known of any more. Should it be looked at all the same, its refs are news once.
    (
        "refs",
        Days(
            90,
            "DELETE FROM refs WHERE seen_at < $1 AND NOT EXISTS (SELECT 1 FROM apps WHERE apps.repo = refs.repo OR \
             apps.source_repo = refs.repo) AND NOT EXISTS (SELECT 1 FROM pulls WHERE pulls.repo = refs.repo)",
        ),
    ),
    // What is over and said. Comments are found again by their markers.
    ("reports", Days(90, "DELETE FROM reports WHERE changed_at < $1 AND due IS NULL")),
    ("gates", Days(90, "DELETE FROM gates WHERE changed_at < $1")),
    ("jobs", Days(1, "DELETE FROM jobs WHERE state = 'done' AND changed_at < $1")),
    // Each resync tries what has failed: this was left by a repo or a cluster that is gone.
    ("jobs", Days(7, "DELETE FROM jobs WHERE state = 'failed' AND changed_at < $1")),
    // Forges redeliver for three days.
    ("deliveries", Days(14, "DELETE FROM deliveries WHERE last_at < $1")),
    ("touched", Bounded("the 100 000 last changes that the open pull requests were told of")),
    ("touched_told", Bounded("one row")),
    ("probe", Bounded("one row")),
    ("_sqlx_migrations", Bounded("a row for each migration")),
];

impl Store {
    /// Forgets all that is over, as each table has its rule. Says how many rows that were.
    pub async fn forget_what_is_over(&self) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for (table, keep) in RULES {
            let query = match *keep {
                Days(days, sql) => sqlx::query(sql).bind(self.now() - days * DAY),
                With(sql) => sqlx::query(sql),
                Bounded(_) => continue,
            };
            let rows = query.execute(self.write()).await?.rows_affected();
            if *table == "apps" && rows > 0 {
                drop(Change::of(&self.0.definition_changes));
            }
            forgotten += rows;
        }
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    /// A row of each table, written at the moment 1000, of things that are over.
    const OVER: &str = include_str!("retention/over.sql");

    async fn store() -> (Store, Arc<ManualClock>, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at_millis(1_000));
        let store = Store::open(&dir.path().join("driftless.db"), clock.clone()).await.expect("opens");
        (store, clock, dir)
    }

    async fn count(store: &Store, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(store.read()).await.expect("a count")
    }

    async fn run(store: &Store, sql: &'static str) {
        sqlx::raw_sql(sql).execute(store.write()).await.expect("written");
    }

    fn days(days: u64) -> Duration {
        Duration::from_hours(days * 24) + Duration::from_secs(1)
    }

    async fn tables(store: &Store) -> BTreeSet<String> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        sqlx::query_scalar(sql).fetch_all(store.read()).await.expect("tables").into_iter().collect()
    }

    /// S4: no table is without a rule, and no rule without its table.
    #[tokio::test]
    async fn s4_each_table_has_its_rule() {
        let (store, _clock, _dir) = store().await;
        assert_eq!(RULES.iter().map(|(table, _)| (*table).to_owned()).collect::<BTreeSet<_>>(), tables(&store).await);
        for (table, keep) in RULES {
            match keep {
                Days(_, sql) => {
                    assert!(sql.starts_with(&format!("DELETE FROM {table} ")) && sql.contains("$1"), "{sql}");
                }
                With(sql) => assert!(sql.starts_with(&format!("DELETE FROM {table} ")), "{sql}"),
                Bounded(how) => assert!(how.len() > 5, "{table}"),
            }
        }
    }

    /// S4: what is over goes from each table that does not say that it is bounded otherwise.
    #[tokio::test]
    async fn s4_what_is_over_goes() {
        let (store, clock, _dir) = store().await;
        run(&store, OVER).await;
        let bounded: BTreeSet<&str> =
            RULES.iter().filter(|(_, keep)| matches!(keep, Bounded(_))).map(|(table, _)| *table).collect();
        let forgets = tables(&store).await.into_iter().filter(|table| !bounded.contains(table.as_str()));
        let forgets: Vec<String> = forgets.collect();
        for table in &forgets {
            assert!(count(&store, table).await > 0, "there is a row in {table}");
        }
        store.forget_what_is_over().await.expect("forgotten");
        for table in ["apps", "runs", "pulls", "previews", "reports", "jobs", "deliveries", "refs", "holds"] {
            assert!(count(&store, table).await > 0, "{table}: it is young");
        }
        clock.advance(days(366));
        let forgotten = store.forget_what_is_over().await.expect("forgotten");
        for table in &forgets {
            assert_eq!(count(&store, table).await, 0, "{table}");
        }
        assert!(forgotten >= forgets.len() as u64);
        assert_eq!(store.forget_what_is_over().await.expect("again"), 0);
    }

    /// S4: what is not over stays, however old it is.
    #[tokio::test]
    async fn s4_what_is_in_use_stays() {
        let (store, clock, _dir) = store().await;
        run(&store, OVER).await;
        run(
            &store,
            "UPDATE apps SET state = 'active'; UPDATE pulls SET state = 'open'; UPDATE jobs SET state = 'pending'; \
             UPDATE reports SET due = 5;",
        )
        .await;
        clock.advance(days(300));
        store.forget_what_is_over().await.expect("forgotten");
        for table in [
            "apps",
            "wants",
            "waits",
            "shown_deletes",
            "replaced",
            "app_ends",
            "holds",
            "runs",
            "told_facts",
            "kinds_seen",
            "pulls",
            "previews",
            "previewed_steps",
            "preview_rests",
            "preview_reads",
            "outcome_events",
            "refs",
            "reports",
            "jobs",
        ] {
            assert_eq!(count(&store, table).await, 1, "{table}");
        }
        // One that was removed with its objects kept, one that is pinned, and one that is paused.
        for held in ["pinned_revision = 'a'", "paused = 1"] {
            let sql = format!(
                "UPDATE apps SET state = 'removed', paused = 0, pinned_revision = NULL; UPDATE apps SET {held}"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(store.write()).await.expect("written");
            store.forget_what_is_over().await.expect("forgotten");
            assert_eq!(count(&store, "apps").await, 1, "{held}");
        }
        run(
            &store,
            "UPDATE apps SET paused = 0; INSERT INTO objects (cluster, api_group, kind, namespace, name, version, app, \
             state) VALUES ('prod', '', 'Secret', 'a', 'b', 'v1', 'shop/web', 'applied')",
        )
        .await;
        store.forget_what_is_over().await.expect("forgotten");
        assert_eq!(count(&store, "apps").await, 1, "it owns something");
    }

    /// S4: how long exactly, for those that count days.
    #[tokio::test]
    async fn s4_days_are_days() {
        let (store, clock, _dir) = store().await;
        run(&store, OVER).await;
        run(
            &store,
            "UPDATE apps SET state = 'active'; INSERT INTO jobs SELECT key, 'failed', priority, tenant, hint, \
                     causes, first_event, last_event, due, not_before, attempt, failing_since, error, reported, \
                     lease_owner, lease_until, changed_at, kills, unsettled FROM jobs",
        )
        .await;
        let steps: [(u64, &[(&str, i64)]); 4] = [
            (1, &[("jobs", 1), ("deliveries", 1)]),
            (6, &[("jobs", 0), ("deliveries", 1), ("group_reads", 1)]),
            (7, &[("deliveries", 0), ("group_reads", 0), ("pulls", 1), ("reports", 1)]),
            (76, &[("pulls", 0), ("previews", 0), ("outcome_events", 0), ("reports", 0), ("gates", 0), ("refs", 1)]),
        ];
        for (more, left) in steps {
            clock.advance(days(more));
            store.forget_what_is_over().await.expect("forgotten");
            for (table, rows) in left {
                assert_eq!(count(&store, table).await, *rows, "{table} after {more} more days");
            }
        }
    }
}
