//! What people see: comments, statuses, live objects, the history. All of it waits, for a bounded time.

use std::fmt::Write as _;
use std::time::Duration;

use driftless::dev::forge::StatusView;
use driftless::ids::Oid;
use driftless::store::apps::{AppHealth, AppRow};
use driftless::store::jobs::State;
use driftless::store::runs::{RunRow, RunState};
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use tokio::time::Instant;

use super::{PROJECT, REPO, World, app_id};
use crate::support::cluster;

/// Nothing that is waited for takes longer, on a machine that does other things as well.
pub const BOUND: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Our name at the forge.
const BOT: &str = "driftless-bot";

impl World {
    /// Looks until there is an answer; else ends the test with what the server knows.
    pub async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + BOUND;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}\n{}", self.story().await);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// The pull request's one comment of ours, once it says this.
    pub async fn comment(&self, number: u64, says: &str) -> String {
        self.eventually(&format!("a comment on #{number} that says {says:?}"), async || {
            let comments = self.comments(number);
            assert!(comments.len() <= 1, "more than one comment: {comments:#?}");
            comments.into_iter().find(|body| body.contains(says))
        })
        .await
    }

    /// The comments of ours, without those that only tell people of a failure.
    pub fn comments(&self, number: u64) -> Vec<String> {
        self.bodies(number).into_iter().filter(|body| !is_notice(body)).collect()
    }

    /// The comments that tell people of a failure.
    pub fn notices(&self, number: u64) -> Vec<String> {
        self.bodies(number).into_iter().filter(|body| is_notice(body)).collect()
    }

    fn bodies(&self, number: u64) -> Vec<String> {
        let comments = self.forge.comments(PROJECT, number).into_iter();
        comments.filter(|comment| comment.author == BOT).map(|comment| comment.body).collect()
    }

    /// What `driftless apps` says of an app: its state, its health and the message.
    pub async fn stands(&self, app: &str) -> (String, String, String) {
        let apps = self.ask("apps", None).await;
        let found =
            apps.as_array().and_then(|apps| apps.iter().find(|view| view["app"] == format!("{REPO}/{app}"))).cloned();
        let text = |name: &str| found.as_ref().and_then(|view| view[name].as_str()).unwrap_or_default().to_owned();
        (text("state"), text("health"), text("message"))
    }

    /// Asks the server's socket; with a body it is told something.
    pub async fn ask(&self, path: &str, body: Option<Value>) -> Value {
        let client = reqwest::Client::builder().unix_socket(self.socket()).no_proxy().build().expect("a client");
        let url = format!("http://driftless/api/v1/{path}");
        let request = body.map_or_else(|| client.get(&url), |body| client.post(&url).json(&body));
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The gate of a commit, once it is no longer pending.
    pub async fn status(&self, sha: &Oid) -> StatusView {
        self.eventually(&format!("a terminal status of {sha}"), async || {
            self.gate(sha).filter(|status| status.state != "pending")
        })
        .await
    }

    /// The gate of a commit, once it is this one.
    pub async fn status_is(&self, sha: &Oid, state: &str, text: &str) {
        let what = format!("the status {state} {text:?} of {sha}");
        self.eventually(&what, async || {
            self.gate(sha).filter(|status| status.state == state && status.description == text)
        })
        .await;
    }

    /// What the gate says now.
    pub fn gate(&self, sha: &Oid) -> Option<StatusView> {
        self.forge.latest_status(PROJECT, sha, "driftless")
    }

    /// The states that the gate of a commit went through, oldest first.
    pub fn states(&self, sha: &Oid) -> Vec<String> {
        self.forge.statuses(PROJECT, sha).into_iter().rev().map(|status| status.state).collect()
    }

    pub async fn app_row(&self, name: &str) -> Option<AppRow> {
        self.context().store.app(&app_id(name)).await.expect("the store")
    }

    /// The newest runs first.
    pub async fn runs(&self, target: &str) -> Vec<RunRow> {
        self.context().store.runs(Some(&format!("{REPO}{target}")), 50).await.expect("the store")
    }

    /// Waits until an app is applied at a revision and healthy; its last run.
    pub async fn healthy(&self, app: &str, revision: &Oid) -> RunRow {
        self.eventually(&format!("{app} healthy at {revision}"), async || {
            let row = self.app_row(app).await?;
            let there =
                row.applied_revision.as_ref() == Some(revision) && row.health == AppHealth::Healthy && row.synced_ok;
            let run = self.runs(&format!("/{app}")).await.into_iter().next()?;
            (there && run.state == RunState::Succeeded).then_some(run)
        })
        .await
    }

    /// Waits until no queued jobs, runs or is waited for, and the forge has told all that it had to tell.
    pub async fn settled(&self) {
        // Where a delivery is held back by a test, what follows of it is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.forge.delivered()).await;
        self.eventually("that there is nothing left to do", async || {
            let store = &self.context().store;
            let jobs = store.jobs(1000).await.expect("the store");
            let busy = jobs.iter().any(|job| matches!(job.state, State::Pending | State::Running));
            let waits = !store.waits().await.expect("the store").is_empty();
            (!busy && !waits).then_some(())
        })
        .await;
    }

    /// Waits until the looks that follow a start are over.
    pub async fn first_looks(&self) {
        self.eventually("the looks that follow a start", async || {
            let store = &self.context().store;
            for key in [format!("poll:{REPO}"), format!("deliveries:{REPO}"), "resync:prod".to_owned()] {
                store.job(&key, State::Done).await.expect("the store")?;
            }
            Some(())
        })
        .await;
        self.settled().await;
    }

    /// A live object of the world's namespace, read as the administrator.
    pub async fn live(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).await.get_opt(name).await.expect("an answer");
        found.map(|object| serde_json::to_value(object).expect("JSON"))
    }

    /// A live object in the world's namespace of the second cluster.
    pub async fn live_in_west(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api_in_west(kind).await.get_opt(name).await.expect("an answer");
        found.map(|object| serde_json::to_value(object).expect("JSON"))
    }

    pub async fn api_in_west(&self, kind: &str) -> Api<DynamicObject> {
        self.api_of(cluster::client_for(cluster::west().await.kubeconfig()).await, kind)
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        self.eventually(&format!("{kind} {name} gone"), async || self.live(kind, name).await.is_none().then_some(()))
            .await;
    }

    /// The administrator's way to a kind in the world's namespace: `apps/v1 Deployment`.
    pub async fn api(&self, kind: &str) -> Api<DynamicObject> {
        self.api_of(cluster::client().await, kind)
    }

    fn api_of(&self, client: kube::Client, kind: &str) -> Api<DynamicObject> {
        let (group_version, kind) = kind.split_once(' ').expect("a group, a version and a kind");
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(client, &self.namespace, &resource)
    }

    /// The inventory of an app, as `Kind name`, sorted.
    pub async fn inventory(&self, app: &str) -> Vec<String> {
        let rows = self.context().store.inventory(&app_id(app)).await.expect("the store");
        let mut names: Vec<String> = rows.iter().map(|row| format!("{} {}", row.key.kind, row.key.name)).collect();
        names.sort();
        names
    }

    /// How many runs of jobs of a kind ended this way, by the server's own count.
    pub async fn jobs_ended(&self, kind: &str, outcome: &str) -> u64 {
        self.measured(&format!("driftless_job_runs_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} ")).await
    }

    /// How many jobs of a kind fail.
    pub async fn jobs_failing(&self, kind: &str) -> u64 {
        self.measured(&format!("driftless_jobs_failing{{kind=\"{kind}\"}} ")).await
    }

    async fn measured(&self, start: &str) -> u64 {
        let url = format!("http://{}/metrics", self.server.as_ref().expect("a server in this process").probes);
        let text = reqwest::get(url).await.expect("an answer").text().await.expect("metrics");
        text.lines().filter_map(|line| line.strip_prefix(start)?.parse::<u64>().ok()).sum()
    }

    /// All that the server's history and the forge know, for a test that failed.
    pub async fn story(&self) -> String {
        let mut story = format!("in {}\n", self.namespace);
        if let Some(server) = &self.server {
            let store = &server.context.store;
            for run in store.runs(None, 30).await.unwrap_or_default() {
                let steps: Vec<_> = run.steps.iter().map(|step| format!("{} {} ms", step.name, step.millis)).collect();
                let _ = writeln!(
                    story,
                    "run  {:?} {} {:?} {:?} {:?} [{}]",
                    run.kind,
                    run.target,
                    run.state,
                    run.error,
                    run.counts,
                    steps.join(", ")
                );
            }
            for job in store.jobs(100).await.unwrap_or_default() {
                let _ = writeln!(
                    story,
                    "job  {} {:?} attempt {} {:?} {:?} {}",
                    job.key, job.state, job.attempt, job.hint, job.error, job.causes
                );
            }
            for row in store.apps().await.unwrap_or_default() {
                let applied = row.applied_revision.as_ref().map(Oid::short);
                let _ = writeln!(
                    story,
                    "app  {} {:?} {:?} {:?} {:?} ok {}",
                    row.app.id, row.state, row.state_message, applied, row.health, row.synced_ok
                );
            }
            for wait in store.waits().await.unwrap_or_default() {
                let _ = writeln!(story, "wait {} {:?} {:?}", wait.app, wait.purpose, wait.objects);
            }
            for delivery in store.deliveries(20).await.unwrap_or_default() {
                let _ = writeln!(story, "got  {} {}", delivery.event, delivery.delivery_id);
            }
        }
        if let Some(process) = &self.process {
            story.push_str(&process.tail());
        }
        for request in self.forge.faults().requests().iter().rev().take(15) {
            let _ = writeln!(story, "api  {request}");
        }
        story
    }
}

fn is_notice(body: &str) -> bool {
    body.lines().next().is_some_and(|line| line.contains("%2bnotice part "))
}
