use super::{Touched, Wait, WaitEnded, WaitObject, WaitOutcome, WaitPurpose};
use crate::ids::ClusterName;
use crate::manifest::ObjectKey;
use crate::store::apps::tests::{app_id, store};
use crate::store::runs::RunId;

fn wait(run: &str, purpose: WaitPurpose, deadline: i64) -> Wait {
    let key = ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("shop".into()),
        name: "a".into(),
    };
    Wait {
        app: app_id("shop/web"),
        purpose,
        run: RunId::new(run),
        cluster: ClusterName::new("prod"),
        objects: vec![WaitObject {
            key,
            uid: Some("u".into()),
            resource_version: Some("7".into()),
            touched: Touched::Written,
        }],
        deadline,
    }
}

#[tokio::test]
async fn a_newer_wait_takes_the_place_of_an_older_one_whose_end_means_nothing_then() {
    let (store, _dir) = store().await;
    store.put_wait(&wait("1", WaitPurpose::Health, 100)).await.expect("stored");
    store.put_wait(&wait("2", WaitPurpose::Health, 200)).await.expect("stored");
    store.put_wait(&wait("1", WaitPurpose::Deletion, 50)).await.expect("stored");
    assert_eq!(
        store.waits().await.expect("read"),
        [wait("1", WaitPurpose::Deletion, 50), wait("2", WaitPurpose::Health, 200)]
    );
    let id = app_id("shop/web");
    assert!(!store.end_wait(&wait("1", WaitPurpose::Health, 100)).await.expect("nothing"));
    assert!(store.end_wait(&wait("2", WaitPurpose::Health, 200)).await.expect("ended"));
    assert!(!store.end_wait(&wait("2", WaitPurpose::Health, 200)).await.expect("once"));
    assert_eq!(store.drop_waits(&id).await.expect("dropped"), [RunId::new("1")]);
    assert_eq!(store.waits().await.expect("read"), []);
}

#[test]
fn a_row_of_an_earlier_release_is_read() {
    let old =
        r#"{"group":"","version":"v1","kind":"Pod","namespace":"shop","name":"a","uid":"u","resourceVersion":"7"}"#;
    let object: WaitObject = serde_json::from_str(old).expect("a row");
    assert_eq!(serde_json::to_string(&object).expect("written"), old);
    assert_eq!(
        object,
        WaitObject { touched: Touched::Unchanged, ..wait("1", WaitPurpose::Health, 1).objects.remove(0) }
    );
}

/// A2, A3: an end counts only while the row is that very wait's, though the run and the purpose be the same.
#[tokio::test]
async fn the_end_of_a_wait_is_that_wait_s_alone() {
    let (store, _dir) = store().await;
    let id = app_id("shop/web");
    let first = wait("1", WaitPurpose::Deletion, 100);
    let ended = |wait: &Wait, outcome| WaitEnded { wait: wait.clone(), outcome };
    store.put_wait(&first).await.expect("stored");
    assert_eq!(store.ended_waits(&id).await.expect("read"), []);
    assert!(store.note_wait_end(&ended(&first, WaitOutcome::Failed("no".into()))).await.expect("noted"));
    assert!(store.note_wait_end(&ended(&first, WaitOutcome::Done)).await.expect("told twice"), "it is known");
    let failed = [ended(&first, WaitOutcome::Failed("no".into()))];
    assert_eq!(store.ended_waits(&id).await.expect("read"), failed, "the first end counts");

    // Acting on it begins the next wait of the same run and purpose: the end of the first takes nothing of it away.
    let second = Wait { deadline: 101, ..first.clone() };
    store.put_wait(&second).await.expect("stored");
    assert_eq!(store.ended_waits(&id).await.expect("read"), [], "the second has not ended");
    assert!(!store.note_wait_end(&failed[0]).await.expect("too late"));
    assert!(!store.end_wait(&first).await.expect("too late"));
    assert_eq!(store.waits().await.expect("read"), std::slice::from_ref(&second));
    assert!(store.note_wait_end(&ended(&second, WaitOutcome::TimedOut("slow".into()))).await.expect("noted"));
    assert_eq!(store.ended_waits(&id).await.expect("read"), [ended(&second, WaitOutcome::TimedOut("slow".into()))]);
    assert!(store.end_wait(&second).await.expect("acted on"));
    assert_eq!(store.waits().await.expect("read"), []);
}

/// A19+: a wait that began in what is the future now ends as long after its beginning as it was to.
#[tokio::test]
async fn a_deadline_follows_a_clock_that_was_set_back() {
    let (store, _dir) = store().await;
    let now = store.now();
    let hour = 3_600_000;
    store.put_wait(&wait("1", WaitPurpose::Health, now + 600_000)).await.expect("stored");
    store.put_wait(&wait("1", WaitPurpose::Deletion, now + 300_000)).await.expect("stored");
    assert_eq!(store.waits_follow_clock().await.expect("nothing"), 0, "the clock is right");
    let later = "UPDATE waits SET begun = begun + $1, deadline = deadline + $1 WHERE purpose = 'health'";
    sqlx::query(later).bind(hour).execute(store.write()).await.expect("as if the clock had been set back since");
    assert_eq!(store.waits_follow_clock().await.expect("moved"), 1);
    let deadlines: Vec<i64> = store.waits().await.expect("read").into_iter().map(|wait| wait.deadline).collect();
    assert_eq!(deadlines, [now + 300_000, now + 600_000]);
}
