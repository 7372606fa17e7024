//! Repeated identical failures are one row of the history, with the first time and the count, so that they do not
//! displace other runs.

use serde_json::Value;

use super::{Raw, RunId, RunKind, RunState};
use crate::store::{Connection, StoreError};

/// Numbers of so many digits are ports, versions and times, which are others each time.
const COUNTED: usize = 4;

/// Lets a run that has failed stand for the one before it as well, if that failed in the same way at the same revision
/// and nobody has asked for either. What began it is told as the first one's cause.
pub(super) async fn fold_failure(conn: &mut Connection, run: &RunId) -> Result<(), StoreError> {
    let this: Option<Raw> =
        sqlx::query_as("SELECT * FROM runs WHERE id = $1").bind(run.as_str()).fetch_optional(&mut *conn).await?;
    let Some(this) = this else { return Ok(()) };
    let before = "SELECT * FROM runs WHERE target = $1 AND (started < $2 OR (started = $2 AND id < $3)) \
                      ORDER BY started DESC, id DESC LIMIT 1";
    let before: Option<Raw> =
        sqlx::query_as(before).bind(&this.target).bind(this.started).bind(&this.id).fetch_optional(&mut *conn).await?;
    if let Some(before) = before.filter(|before| is_again(before, &this)) {
        sqlx::query("UPDATE runs SET times = $2, since = $3, cause = $4 WHERE id = $1")
            .bind(&this.id)
            .bind(before.times + this.times)
            .bind(before.since.unwrap_or(before.started))
            .bind(&before.cause)
            .execute(&mut *conn)
            .await?;
        sqlx::query("DELETE FROM runs WHERE id = $1").bind(&before.id).execute(&mut *conn).await?;
    }
    Ok(())
}

fn is_again(before: &Raw, this: &Raw) -> bool {
    let has_failed = |run: &Raw| run.state == RunState::Failed && run.kind != RunKind::Preview;
    let text = |run: &Raw| uncounted(run.error.as_deref().unwrap_or_default());
    has_failed(before)
        && has_failed(this)
        && before.kind == this.kind
        && before.revision == this.revision
        && before.counts() == this.counts()
        && ![before, this].iter().any(|run| is_asked_for(&run.cause()))
        && text(before) == text(this)
}

/// Who asked for a run finds it in the history.
fn is_asked_for(cause: &Value) -> bool {
    cause.as_array().into_iter().flatten().any(|cause| cause["kind"] == "manual")
}

/// A text without the numbers that are others each time.
fn uncounted(text: &str) -> String {
    let mut short = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        short += if digits.len() < COUNTED { &digits } else { "#" };
        digits.clear();
        short.push(c);
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::apps::tests::{oid, store};
    use crate::store::runs::step::RunStep;
    use crate::store::runs::{Counts, NewRun};

    /// F25+: the same failure is one row; another one, another revision, and what a person asked for are not.
    #[tokio::test]
    async fn the_same_failure_is_one_row() {
        let (store, _dir) = store().await;
        let fails = async |text: &str, revision: &str, cause: Value| {
            let new = NewRun {
                kind: RunKind::Heal,
                target: "shop/web".into(),
                cause,
                revision: Some(oid(revision)),
                from_revision: None,
                author: None,
                begun: 1_000,
            };
            let run = store.begin_run(&new, 50).await.expect("begun");
            let did = Some((&[][..], Some(&Counts::default())));
            let step = RunStep { run: &run, state: RunState::Failed, error: Some(text), did };
            store.write_run(step).await.expect("written");
            store.runs(Some("shop/web"), 10).await.expect("read")
        };
        let looked = || json!([{"kind": "resync"}]);
        assert_eq!(fails("port 40001 is refused", "a", looked()).await[0].times, 1);
        let rows = fails("port 40001 is refused", "a", looked()).await;
        assert_eq!((rows.len(), rows[0].times, rows[0].since), (1, 2, Some(1_000)));
        let rows = fails("port 51234 is refused", "a", looked()).await;
        assert_eq!((rows.len(), rows[0].times), (1, 3), "a number that is another one each time");
        assert_eq!(rows[0].error.as_deref(), Some("port 51234 is refused"), "it says what it was last");
        assert_eq!(fails("web-2 is refused", "a", looked()).await.len(), 2);
        assert_eq!(fails("web-3 is refused", "a", looked()).await.len(), 3, "another one");
        assert_eq!(fails("web-3 is refused", "b", looked()).await.len(), 4);
        let asked = json!([{"kind": "manual", "by": "ada"}]);
        let rows = fails("web-3 is refused", "b", asked).await;
        assert_eq!((rows.len(), rows[0].times), (5, 1));
        assert_eq!(fails("web-3 is refused", "b", looked()).await.len(), 6, "who asked stays told");
        let pushed = json!([{"kind": "webhook", "hook": "forge", "delivery": "1"}]);
        fails("web-4 is refused", "b", pushed.clone()).await;
        let rows = fails("web-4 is refused", "b", looked()).await;
        assert_eq!((rows[0].times, &rows[0].cause), (2, &pushed), "what began it");
    }
}
