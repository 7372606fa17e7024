//! A status is where GitLab looks for it, also when a pipeline starts after it was set.

use driftless::dev::forge::{Dialect, PipelineKind};
use driftless::forge::{GitLab, GitLabConfig};

use super::*;
use crate::support::forge::{Setup, live};

struct Gate {
    forge: Forge,
    outbox: Outbox,
    number: u64,
    repo: RepoName,
    _dir: tempfile::TempDir,
}

impl Gate {
    async fn start(check_status: Duration) -> Self {
        let forge = Forge::with(Setup { dialect: Dialect::GitLab, ..Setup::default() }).await;
        let number = forge.forge.open_pull(PROJECT, "topic", "main", "t").await.expect("opened");
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(&dir.path().join("store.db"), Arc::new(SystemClock)).await.expect("opened");
        let config = GitLabConfig {
            api_url: forge.forge.api_url(),
            token: live("t0ken"),
            ca: None,
            timeout: Duration::from_secs(2),
        };
        let client = GitLab::new(&config, Arc::new(SystemClock)).expect("a sound configuration");
        let to = Destination { forge: Arc::new(client), project: PROJECT.to_owned() };
        let repo = RepoName::new("shop");
        let options = OutboxOptions { check_status, ..options() };
        let outbox = Outbox::new(store, HashMap::from([(repo.clone(), to)]), options);
        outbox.run_sender(&Tasks::new());
        Self { forge, outbox, number, repo, _dir: dir }
    }

    async fn put(&self, state: StatusState, text: &str) {
        let (sha, context, description) = (self.forge.head("topic"), "driftless".to_owned(), text.to_owned());
        let status = NewStatus { sha, context, state, description, target_url: None };
        self.outbox.put_gate(&self.repo, self.number, &status).await.expect("put");
    }

    async fn shows(&self, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while self.forge.forge.gate(PROJECT, self.number) != Some(wanted) {
            let gate = self.forge.forge.gate(PROJECT, self.number);
            assert!(Instant::now() < deadline, "the gate shows {gate:?}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A pipeline of GitLab's own that decides from now on, and succeeds.
    async fn outrank(&self) {
        self.forge.forge.add_pipeline(PROJECT, self.number, PipelineKind::MergeRequest).await.expect("added");
        assert_ne!(self.forge.forge.gate(PROJECT, self.number), Some("failed"));
    }

    fn posts(&self) -> usize {
        self.forge.forge.faults().requests().iter().filter(|line| line.starts_with("POST")).count()
    }
}

#[tokio::test]
async fn a_status_is_set_again_where_a_later_pipeline_gates() {
    let gate = Gate::start(Duration::from_millis(300)).await;
    gate.put(StatusState::Failure, "1 rejected (shop)").await;
    gate.shows("failed").await;
    gate.outrank().await;
    gate.shows("failed").await;
    assert_eq!(gate.posts(), 2);
}

#[tokio::test]
async fn a_pipeline_that_starts_long_after_is_found_by_the_resync() {
    let gate = Gate::start(Duration::from_millis(20)).await;
    gate.put(StatusState::Error, "preview failed; retrying").await;
    gate.shows("failed").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.posts(), 1, "it is where it should be");
    gate.outrank().await;
    gate.outbox.check_gates(&gate.repo).await.expect("asked");
    gate.shows("failed").await;
    gate.outbox.check_gates(&gate.repo).await.expect("asked");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.posts(), 2, "and is not set where it is");
}

/// GitLab refuses another text for the same state, and that is no reason to try for ever.
#[tokio::test]
async fn a_pending_status_keeps_its_first_text() {
    let gate = Gate::start(Duration::from_millis(20)).await;
    gate.put(StatusState::Pending, "computing the preview").await;
    gate.shows("pending").await;
    gate.put(StatusState::Pending, "retrying since 10:00 UTC: x").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let posts = gate.posts();
    assert!(posts <= 4, "{posts} posts");
    gate.put(StatusState::Success, "1 to update").await;
    gate.shows("success").await;
}
