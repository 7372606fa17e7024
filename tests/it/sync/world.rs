//! An app, a store and the real API server behind a proxy that counts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use driftless::app::{
    Adopt, Allow, App, Authority, ClusterScoped, Destination, DriftPolicy, Grants, OnDelete, Origin, Pattern, Source,
    SyncPolicy,
};
use driftless::clock::SystemClock;
use driftless::cluster::{Cluster, ClusterConfig};
use driftless::dev::Access;
use driftless::dev::fault_proxy::FaultProxy;
use driftless::ids::{AppId, ClusterName, Oid, RepoName};
use driftless::lifecycle::Tasks;
use driftless::manifest::{Manifest, ObjectId, ObjectKey};
use driftless::plan::deletion::NotWanted;
use driftless::plan::{Marks, OtherApps, Plan, PruneLimit};
use driftless::reconcile::{PlanInput, plan_apply};
use driftless::render::RenderOptions;
use driftless::store::Store;
use driftless::store::inventory::ObjectRow;
use driftless::store::runs::RunId;
use driftless::store::waits::{Wait, WaitObject, WaitPurpose};
use driftless::sync::health::{WaitEnded, WaitOutcome, Waits};
use driftless::sync::{
    self, AllowDestructive, AppliedSync, Known, PendingConfirmation, Permits, Pruned, Purpose, ShownError, SyncDeps,
    SyncError, SyncInput, Trust,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::support::cluster;

pub struct World {
    pub deps: SyncDeps,
    pub proxy: FaultProxy,
    pub namespace: String,
    pub app: App,
    pub marks: Marks,
    pub allow: Allow,
    pub tasks: Tasks,
    pub waits: Waits,
    pub ended: mpsc::Receiver<WaitEnded>,
    _directory: tempfile::TempDir,
}

/// How a test departs from an ordinary sync.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a departure of its own")]
pub struct How {
    pub adopt: bool,
    pub by_hand: bool,
    pub allow: AllowDestructive,
    /// What a look found to differ; the run is a heal then.
    pub drifted: Option<BTreeSet<ObjectId>>,
    pub given_up: BTreeSet<ObjectId>,
    pub cancel_at_first_write: bool,
    /// Something newer is wanted before the first write.
    pub superseded: bool,
    /// Asked instead of `allow`.
    pub authority: Option<Box<dyn Authority + Send>>,
    /// Whose history the run is in; in none otherwise.
    pub run: Option<RunId>,
}

pub fn oid(digit: char) -> Oid {
    digit.to_string().repeat(40).parse().expect("an object id")
}

pub fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

pub fn deployment(name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web",
        "image": "example.test/web:1"}]}}}})
}

impl World {
    pub async fn new(words: &str) -> Self {
        let namespace = cluster::namespace(words).await;
        Self::in_namespace(namespace).await
    }

    /// As another identity than the administrator's.
    pub async fn new_as(words: &str, access: &Access) -> Self {
        Self::in_namespace_as(cluster::namespace(words).await, access).await
    }

    /// In a namespace that may not be there yet.
    pub async fn in_namespace(namespace: String) -> Self {
        Self::in_namespace_as(namespace, cluster::control_plane().await.access()).await
    }

    pub async fn in_namespace_as(namespace: String, access: &Access) -> Self {
        cluster::install_crypto();
        let tasks = Tasks::new();
        let proxy = FaultProxy::start(access, &tasks).await.expect("a proxy");
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("kubeconfig");
        proxy.write_kubeconfig(&kubeconfig).expect("a kubeconfig");
        let name = ClusterName::new("prod");
        let cluster = Cluster::connect(ClusterConfig::new(name.clone(), Some(kubeconfig))).await.expect("a cluster");
        let store = Store::open(&directory.path().join("driftless.db"), Arc::new(SystemClock)).await.expect("a store");
        let (ends, ended) = mpsc::channel(16);
        let waits = Waits::start(store.clone(), tasks.clone(), HashMap::from([(name, cluster.clone())]), ends);
        let app = app("web", &namespace);
        store.put_app(&app, &oid('a')).await.expect("stored");
        let marks = Marks::new("driftless", &app.id);
        let deps = SyncDeps { store, cluster };
        Self { deps, proxy, namespace, app, marks, allow: everything(), tasks, waits, ended, _directory: directory }
    }

    /// The same cluster and store, as another app of the same repo.
    pub async fn become_app(&mut self, name: &str) {
        self.app = app(name, &self.namespace);
        self.marks = Marks::new("driftless", &self.app.id);
        self.deps.store.put_app(&self.app, &oid('a')).await.expect("stored");
    }

    /// What the repo of the app may do.
    pub fn grants(&self) -> Grants<'_> {
        Grants { repo: &self.app.id.repo, allow: &self.allow, may_read: &[] }
    }

    /// As after the loss of the store: the objects stay in the cluster, and only their marks tell whose they are.
    pub async fn lose_inventory(&self) {
        let (store, cluster, app) = (&self.deps.store, self.deps.cluster.name(), &self.app.id);
        let ids: Vec<_> = self.inventory().await.iter().map(|row| row.key.id()).collect();
        store.prune_all(cluster, app).await.expect("the store");
        store.forget_objects(cluster, app, &ids).await.expect("the store");
    }

    pub async fn inventory(&self) -> Vec<ObjectRow> {
        self.deps.store.inventory(&self.app.id).await.expect("the inventory")
    }

    pub async fn names(&self) -> Vec<String> {
        self.inventory().await.into_iter().map(|row| row.key.to_string().replace(&self.namespace, "NS")).collect()
    }

    pub async fn plan(&self, revision: char, objects: &[Value], how: &How) -> Plan {
        let manifests: Vec<Manifest> = objects
            .iter()
            .map(|object| Manifest::new(object.clone(), Some("deploy/app.yaml".into())).expect("a manifest"))
            .collect();
        let rows = self.inventory().await;
        let known = Known::of(&rows, if how.drifted.is_some() { Trust::Nothing } else { Trust::Applied });
        let unchanged = |id: &ObjectId, hash: &str| known.is_unchanged(id, hash);
        let input = PlanInput {
            app: &self.app,
            marks: &self.marks,
            allow: &self.allow,
            revision: &oid(revision),
            manifests: &manifests,
            inventory: &known.owned,
            unchanged: &unchanged,
            handed_over: None,
            adopt: how.adopt,
            reveals: false,
            siblings: None,
        };
        plan_apply(&self.deps.cluster, input, &CancellationToken::new()).await.expect("a plan")
    }

    pub async fn sync_with(&self, revision: char, objects: &[Value], how: How) -> Result<AppliedSync, SyncError> {
        let plan = self.plan(revision, objects, &how).await;
        self.apply(revision, &plan, how).await
    }

    /// Carries out a plan, whatever has become of the cluster since it was made.
    pub async fn apply(&self, revision: char, plan: &Plan, how: How) -> Result<AppliedSync, SyncError> {
        let cancel = CancellationToken::new();
        let authority = self.grants().on(&self.app.destination.cluster);
        let nowhere = RunId::new("run");
        let input = SyncInput {
            app: &self.app,
            authority: how.authority.as_deref().unwrap_or(&authority),
            run: how.run.as_ref().unwrap_or(&nowhere),
            revision: &oid(revision),
            plan: &plan.clone().settle(OtherApps::default()),
            released: &BTreeSet::new(),
            allow_destructive: &how.allow,
            prune_limit: PruneLimit::default(),
            adopt: how.adopt,
            purpose: if how.drifted.is_some() { Purpose::Heal { given_up: &how.given_up } } else { Purpose::Sync },
            by_hand: how.by_hand,
        };
        // A permit that was given out lasts; the next one is refused.
        let ask = || {
            let wanted = !cancel.is_cancelled();
            if how.cancel_at_first_write {
                cancel.cancel();
            }
            wanted.then(allowed)
        };
        if how.superseded {
            cancel.cancel();
        }
        Ok(sync::apply(&self.deps, &input, Permits::new(&ask)).await?.0)
    }

    /// A sync that is expected to succeed, up to its health.
    pub async fn sync(&self, revision: char, objects: &[Value]) -> AppliedSync {
        let done = self.sync_with(revision, objects, How::default()).await.expect("synced");
        assert_eq!(done.pending_confirmation, None);
        done
    }

    /// A sync of which something needs confirmation.
    pub async fn sync_held(&self, revision: char, objects: &[Value], how: How) -> PendingConfirmation {
        let done = self.sync_with(revision, objects, how).await.expect("synced");
        done.pending_confirmation.expect("something needs confirmation")
    }

    pub async fn prune(&self) -> Pruned {
        self.try_prune().await.expect("pruned")
    }

    /// With no other app that wants any of it.
    pub async fn try_prune(&self) -> Result<Pruned, ShownError> {
        self.prune_as(&self.grants().on(&self.app.destination.cluster)).await
    }

    pub async fn prune_as(&self, authority: &dyn Authority) -> Result<Pruned, ShownError> {
        let (not_wanted, allowed) = (self.not_wanted().await, || Some(allowed()));
        sync::prune(&self.deps, &self.app, &self.marks, &not_wanted, authority, Permits::new(&allowed)).await
    }

    pub async fn not_wanted(&self) -> NotWanted {
        NotWanted::of(self.inventory().await.into_iter().map(|row| row.key.id()), [])
    }

    pub async fn wait(&mut self, purpose: WaitPurpose, objects: Vec<WaitObject>, within: Duration) -> WaitOutcome {
        let wait = self.wait_row(purpose, objects, within);
        self.waits.add(wait).await.expect("a wait");
        self.end().await
    }

    pub fn wait_row(&self, purpose: WaitPurpose, objects: Vec<WaitObject>, within: Duration) -> Wait {
        let deadline = self.deps.store.now() + i64::try_from(within.as_millis()).expect("a short time");
        let (app, run, cluster) = (self.app.id.clone(), RunId::new("run"), ClusterName::new("prod"));
        Wait { app, purpose, run, cluster, objects, deadline }
    }

    /// The next end of a wait, which nobody has acted on.
    pub async fn next_end(&mut self) -> WaitEnded {
        tokio::time::timeout(Duration::from_mins(1), self.ended.recv())
            .await
            .expect("an end within a minute")
            .expect("a sender")
    }

    /// The next end of a wait, acted on.
    pub async fn end(&mut self) -> WaitOutcome {
        let WaitEnded { wait, outcome } = self.next_end().await;
        assert!(self.deps.store.end_wait(&wait).await.expect("ended"));
        outcome
    }

    /// Syncs and waits until all is healthy.
    pub async fn sync_healthy(&mut self, revision: char, objects: &[Value]) -> AppliedSync {
        let done = self.sync(revision, objects).await;
        let outcome = self.wait(WaitPurpose::Health, done.health.clone(), Duration::from_mins(1)).await;
        assert_eq!(outcome, WaitOutcome::Done);
        done
    }

    pub fn key(&self, group: &str, kind: &str, name: &str) -> ObjectKey {
        let namespace = Some(self.namespace.clone());
        ObjectKey { group: group.into(), version: "v1".into(), kind: kind.into(), namespace, name: name.into() }
    }

    pub async fn live(&self, group: &str, kind: &str, name: &str) -> Option<Value> {
        self.deps.cluster.get(&self.key(group, kind, name)).await.expect("an answer")
    }
}

/// What holds a permit open: nothing, as nobody stops these runs.
pub fn allowed() -> Box<dyn Send + Sync> {
    Box::new(())
}

fn app(name: &str, namespace: &str) -> App {
    let repo = RepoName::new("shop");
    App {
        id: AppId::new(&repo, name),
        source: Source { repo, ref_name: "refs/heads/main".into(), path: "deploy".into() },
        render: RenderOptions::default(),
        destination: Destination { cluster: ClusterName::new("prod"), namespace: namespace.to_owned() },
        sync: SyncPolicy::Auto,
        drift: DriftPolicy::Heal,
        on_delete: OnDelete::Keep,
        adopt: Adopt(false),
        ignore_differences: Vec::new(),
        origin: Origin { file: ".driftless/apps.yaml".into(), line: 1, definitions_ref: String::new() },
    }
}

fn everything() -> Allow {
    let any = ClusterScoped { group: None, kind: Pattern::any(), name: Pattern::any() };
    Allow { clusters: vec![Pattern::any()], namespaces: vec![Pattern::any()], cluster_scoped: vec![any] }
}
