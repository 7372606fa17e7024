//! The tables: what their columns refuse, and that a store of an earlier release has all that it had.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePool;
use sqlx::{Encode, Sqlite, Type};

use super::apps::holds::Hold;
use super::apps::tests::{app_id, store};
use super::apps::{AppHealth, AppState};
use super::commands::CommandResult;
use super::inventory::ObjectState;
use super::jobs::State;
use super::pulls::PullRow;
use super::reports::RemoteState;
use super::runs::{RunKind, RunState};
use super::waits::{Ended, WaitPurpose};
use super::{MIGRATIONS, Store, options};
use crate::clock::ManualClock;
use crate::ids::{Oid, RepoName};

/// The migration that has given the columns their checks.
const CHECKS: i64 = 180;

/// Rows of each table that was made once more, as the release before wrote them.
const FILLED: &str = include_str!("schema_tests/filled.sql");

/// The stored words of an enumeration.
async fn words_of<T>(store: &Store, all: &[T]) -> BTreeSet<String>
where
    T: Copy + Send + Type<Sqlite> + for<'q> Encode<'q, Sqlite>,
{
    let mut words = BTreeSet::new();
    for one in all {
        words.insert(sqlx::query_scalar("SELECT $1").bind(*one).fetch_one(store.read()).await.expect("a word"));
    }
    assert_eq!(words.len(), all.len(), "each has a word of its own");
    words
}

async fn columns(store: &Store) -> BTreeMap<(&'static str, &'static str), BTreeSet<String>> {
    BTreeMap::from([
        (("apps", "state"), words_of(store, AppState::ALL).await),
        (("apps", "health"), words_of(store, AppHealth::ALL).await),
        (("commands", "result"), words_of(store, CommandResult::ALL).await),
        (("holds", "what"), words_of(store, Hold::ALL).await),
        (("jobs", "state"), words_of(store, State::ALL).await),
        (("objects", "state"), words_of(store, ObjectState::ALL).await),
        (("pulls", "state"), words_of(store, PullRow::ALL).await),
        (("runs", "kind"), words_of(store, RunKind::ALL).await),
        (("runs", "state"), words_of(store, RunState::ALL).await),
        (("waits", "outcome"), words_of(store, Ended::ALL).await),
        (("waits", "purpose"), words_of(store, WaitPurpose::ALL).await),
    ])
}

/// The lists that a table checks its columns by.
fn checks(table: &str) -> BTreeMap<String, BTreeSet<String>> {
    let list = |part: &str| {
        let (column, rest) = part.split_once(" IN (")?;
        let words = rest.split_once(')')?.0.split(',');
        Some((column.to_owned(), words.map(|word| word.trim().trim_matches('\'').to_owned()).collect()))
    };
    table.split("CHECK (").skip(1).filter_map(list).collect()
}

async fn tables(pool: &SqlitePool) -> Vec<(String, String)> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    sqlx::query_as(sql).fetch_all(pool).await.expect("tables")
}

/// S2: what a column may hold is what its enumeration has, in both directions.
#[tokio::test]
async fn s2_the_checks_are_the_enumerations() {
    let (store, _dir) = store().await;
    let mut known = columns(&store).await;
    for (table, sql) in tables(store.read()).await {
        for (column, words) in checks(&sql) {
            if words.iter().all(|word| word.parse::<u8>().is_ok()) {
                continue;
            }
            let ours = known.iter().find(|((of, name), _)| *of == table && *name == column);
            let ours = ours.map(|(key, words)| (*key, words.clone()));
            let (key, expected) = ours.unwrap_or_else(|| panic!("{table}.{column} is of no enumeration"));
            assert_eq!(words, expected, "{table}.{column}");
            known.remove(&key);
        }
    }
    assert_eq!(known.keys().collect::<Vec<_>>(), [] as [&(&str, &str); 0], "these have no check");
}

/// S2: a word that nobody knows cannot be written, nor a flag that is neither yes nor no.
#[tokio::test]
async fn s2_a_wrong_word_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let pool = at(&dir.path().join("driftless.db"), CHECKS).await;
    let filled = FILLED.split_once("-- Words that no release has written.").expect("both parts").0;
    let rows: String = filled.lines().filter(|line| !line.starts_with("INSERT INTO ends")).collect();
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.expect("filled");
    migrate(&pool, i64::MAX).await;
    let later = "INSERT INTO commands VALUES ('shop', 7, 9, 1, 1, 'ann', '1', 'help', 'done', '')";
    sqlx::raw_sql(later).execute(&pool).await.expect("filled");
    let mut refused = 0;
    for (table, sql) in tables(&pool).await {
        for column in checks(&sql).into_keys() {
            for value in ["'from-the-future'", "7", "''"] {
                let sql = format!("UPDATE {table} SET {column} = {value}");
                let done = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await;
                let error = done.expect_err("refused").to_string();
                assert!(error.contains("CHECK constraint failed"), "{table}.{column} = {value}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

/// A store as it was at a migration.
async fn at(path: &Path, version: i64) -> SqlitePool {
    let pool = SqlitePool::connect_with(options(path).create_if_missing(true)).await.expect("opens");
    migrate(&pool, version).await;
    pool
}

async fn migrate(pool: &SqlitePool, version: i64) {
    let known = MIGRATIONS.iter().filter(|one| one.version <= version).cloned().collect();
    let migrator = Migrator { migrations: Cow::Owned(known), ..Migrator::DEFAULT };
    migrator.run(pool).await.expect("migrates");
}

/// Each index, trigger, view and table, by what it is and its name.
async fn names(pool: &SqlitePool) -> BTreeSet<(String, String)> {
    let query = sqlx::query_as("SELECT type, name FROM sqlite_master");
    query.fetch_all(pool).await.expect("names").into_iter().collect()
}

/// The rows of each table, with their columns by name.
async fn rows(pool: &SqlitePool) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for (table, _) in tables(pool).await.into_iter().filter(|(table, _)| table != "_sqlx_migrations") {
        let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name");
        let columns: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(columns)).fetch_all(pool).await.expect("columns");
        let fields: Vec<String> = columns.iter().map(|column| format!("'{column}', \"{column}\"")).collect();
        let sql = format!("SELECT json_object({}) FROM {table}", fields.join(", "));
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.expect("rows");
        all.insert(table, rows.into_iter().collect());
    }
    all
}

/// S2: a store of the release before has all of its rows, indexes, triggers and views again.
#[tokio::test]
async fn s2_nothing_is_lost_when_the_tables_are_made_once_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("driftless.db");
    let pool = at(&path, CHECKS - 1).await;
    let (known, odd) = FILLED.split_once("-- Words that no release has written.").expect("both parts");
    sqlx::raw_sql(sqlx::AssertSqlSafe(known)).execute(&pool).await.expect("filled");
    let (names_before, rows_before) = (names(&pool).await, rows(&pool).await);
    sqlx::raw_sql(sqlx::AssertSqlSafe(odd)).execute(&pool).await.expect("filled");
    let touched = rows(&pool).await["touched"].clone();
    migrate(&pool, CHECKS).await;

    let gone: BTreeSet<(String, String)> = names_before.difference(&names(&pool).await).cloned().collect();
    let ends = [("index", "ends_by_repo"), ("index", "sqlite_autoindex_ends_1"), ("table", "ends")];
    assert_eq!(gone, ends.map(|(kind, name)| (kind.to_owned(), name.to_owned())).into());
    let after = rows(&pool).await;
    for (table, before) in rows_before.iter().filter(|(table, _)| *table != "ends" && *table != "touched") {
        assert!(!before.is_empty() || !FILLED.contains(&format!("INSERT INTO {table} ")), "{table}");
        assert!(before.is_subset(&after[table]), "{table}: {before:?} is not within {:?}", after[table]);
    }
    assert_eq!(after["touched"], touched, "nothing has changed hands");
    // What no release has written is looked at again, or left out.
    let odd = "SELECT (SELECT state FROM apps WHERE id = 'shop/odd'), (SELECT health FROM apps WHERE id = 'shop/odd'), \
               (SELECT state FROM objects WHERE name = 'odd'), (SELECT state FROM pulls WHERE number = 99), \
               (SELECT state FROM runs WHERE id = 'odd'), (SELECT COUNT(*) FROM runs WHERE id = 'odder'), \
               (SELECT COUNT(*) FROM waits WHERE app = 'shop/odd'), (SELECT COUNT(*) FROM holds WHERE app = 'shop/odd')";
    let odd: (String, String, String, String, String, i64, i64, i64) =
        sqlx::query_as(odd).fetch_one(&pool).await.expect("read");
    let words = ["missing", "unknown", "claimed", "closed", "cancelled"];
    assert_eq!([odd.0, odd.1, odd.2, odd.3, odd.4], words.map(str::to_owned));
    assert_eq!((odd.5, odd.6, odd.7), (0, 0, 0));
    pool.close().await;

    let store = Store::open(&path, Arc::new(ManualClock::at_millis(9_000))).await.expect("opens");
    let (web, repo) = (app_id("shop/web"), RepoName::new("shop"));
    let row = store.app(&web).await.expect("read").expect("there");
    assert_eq!((row.state, row.health, row.paused), (AppState::Active, AppHealth::Healthy, true));
    assert_eq!(store.inventory(&web).await.expect("read").len(), 2);
    assert_eq!(store.runs(Some("shop/web"), 10).await.expect("read").len(), 2);
    assert_eq!(store.waits().await.expect("read").len(), 1);
    assert_eq!(store.pulls(&repo, PullRow::Open).await.expect("read").len(), 1);
    assert_eq!(store.holds(None, 10).await.expect("read").len(), 1);
    assert_eq!(
        store.report("comment:shop:7").await.expect("read").expect("there").remote_state,
        RemoteState::LookAgain
    );
    assert_eq!(store.jobs(10).await.expect("read").len(), 1);
    // The trigger, the view and the counter are those of the new tables.
    let seq = store.last_touch().await.expect("read");
    store.prune_all(&crate::ids::ClusterName::new("prod"), &web).await.expect("pruned");
    sqlx::query("DELETE FROM objects WHERE app = 'shop/web'").execute(store.write()).await.expect("gone");
    assert_eq!(store.last_touch().await.expect("read"), seq + 2);
    store.pin(&web, &"a".repeat(40).parse::<Oid>().expect("an id"), None).await.expect("pinned");
    assert_eq!(store.holds(None, 1).await.expect("read")[0].id, 42, "ids go on");
}
