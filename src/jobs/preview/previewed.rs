//! The stored inputs of a preview: with them, a moved base is checked in Git alone, and a merge is compared with what
//! was reviewed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::comparison::AppVersion;
use super::reads::Read;
use super::{granted, rests};
use crate::app::App;
use crate::config::Repo;
use crate::ids::{AppId, Oid};
use crate::jobs::Context;
use crate::plan::{self, Action, Change, Verdict};
use crate::queue::JobError;
use crate::reconcile::ChangePlan;
use crate::report::preview::{AppResult, DefinitionChange, PreviewReport};
use crate::store::apps::as_stored;
use crate::store::previews::PreviewRow;
use crate::store::stored::Stored;
use crate::trace::Trace;

/// The change of each object of an app: its name, and a hash of what is sent, or [`DELETED`].
pub(in crate::jobs) type Steps = BTreeMap<String, String>;

const DELETED: &str = "deleted";

/// The version of the stored form; another version counts as nothing stored.
const VERSION: u32 = 1;

const LOOKED: Stored<Looked> = Stored::new("previews.looked", 1, "The pull request is previewed again");

/// What was shown of an app, for the sync that carries it out.
pub(in crate::jobs) const SHOWN: Stored<Shown> =
    Stored::new("previewed_steps.shown", 1, "The sync is not compared with it");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct Looked {
    version: u32,
    pub author: String,
    /// The preview is valid as long as its inputs are the same: nothing was rejected, left open or out of reach.
    pub settled: bool,
    /// The paths that could not be merged.
    pub conflicts: Vec<String>,
    pub apps: Vec<LookedAt>,
    /// What it read besides the commits that it compares.
    #[serde(default)]
    pub reads: Vec<Read>,
    /// The facts outside of Git that it depends on: [`rests`].
    #[serde(skip)]
    pub rests: BTreeSet<String>,
}

/// One app that was rendered, also where it turned out to be the same on both sides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct LookedAt {
    pub app: AppId,
    pub base: Option<Seen>,
    pub change: Option<Seen>,
    #[serde(default)]
    pub shown: Shown,
}

/// What a preview shows of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) struct Shown {
    /// What merging does.
    #[serde(default)]
    pub steps: Steps,
    /// Objects that were different before, whatever is merged.
    #[serde(default)]
    pub already: BTreeSet<String>,
    /// A hash of what would be sent of each object that the pull request touches, also where the server would make
    /// nothing of it.
    #[serde(default)]
    pub sent: Steps,
    /// A hash of what the server would make of it, as far as it was asked.
    #[serde(default)]
    pub results: BTreeMap<String, String>,
}

impl Shown {
    pub fn of(changes: &[Change]) -> Self {
        let named = |change: &Change| change.key.id().to_string();
        let sent =
            changes.iter().filter_map(|change| Some((named(change), change.desired.as_ref()?.hash.clone()))).collect();
        let results =
            changes.iter().filter_map(|change| Some((named(change), result(change.after.as_ref()?)))).collect();
        Self { steps: steps(changes), already: BTreeSet::new(), sent, results }
    }

    fn add(&mut self, more: Self) {
        self.steps.extend(more.steps);
        self.already.extend(more.already);
        self.sent.extend(more.sent);
        self.results.extend(more.results);
    }
}

/// A hash of what an object comes to, without what the server notes about it.
fn result(after: &Value) -> String {
    let mut object = after.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "labels" | "annotations"));
    }
    object.sort_all_objects();
    hex::encode(Sha256::digest(object.to_string()))
}

/// An app on one side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::jobs) struct Seen {
    #[serde(with = "as_stored")]
    pub app: App,
    /// What its render asked of the side's tree. None where it reads another repo or ref, or where nobody knows.
    pub trace: Option<Trace>,
    /// What a chart was told of its cluster, as a hash.
    #[serde(default)]
    pub cluster: Option<String>,
}

impl Seen {
    pub fn of(side: Option<&AppVersion>, of_the_branch: bool) -> Option<Self> {
        let side = side?;
        let trace = match &side.rendered {
            Ok(rendered) => Some(rendered.trace.clone()),
            Err(error) => error.trace().cloned(),
        };
        let cluster = side.rendered.as_ref().ok().and_then(|rendered| rendered.cluster.clone());
        Some(Self { app: side.app.clone(), trace: trace.filter(|_| of_the_branch), cluster })
    }
}

/// Collects what the plans of a preview would do, app by app.
#[derive(Default)]
pub(in crate::jobs) struct Collected(Mutex<All>);

#[derive(Default)]
struct All {
    shown: BTreeMap<AppId, Shown>,
    /// What it all rests on.
    rests: BTreeSet<String>,
}

impl Collected {
    pub fn add(&self, app: &AppId, planned: &ChangePlan) {
        let (changes, already) = (&planned.changes.changes, &planned.already.changes);
        let mut all = self.lock();
        let shown = all.shown.entry(app.clone()).or_default();
        shown.add(Shown::of(changes));
        shown.already.extend(already.iter().map(|change| change.key.id().to_string()));
        let is_shown = |change: &&Change| {
            change.action != Action::None || change.verdict != Verdict::Accepted || change.left_for.is_some()
        };
        for change in changes.iter().filter(is_shown) {
            let (cluster, id) = (&planned.changes.cluster, change.key.id());
            all.rests.extend(rests::of_change(cluster, &id));
            all.rests.extend(plan::asks_for_single(change).then(|| rests::singles(cluster)));
        }
        all.rests.extend(planned.counted.iter().filter_map(|id| rests::counted(&planned.changes.cluster, id)));
        // What it says is different already is not so any more once somebody has written the object.
        for change in already.iter().filter(|change| change.action != Action::None) {
            all.rests.insert(rests::object(&planned.already.cluster, &change.key.id()));
        }
    }

    pub fn rest_on(&self, more: BTreeSet<String>) {
        self.lock().rests.extend(more);
    }

    pub fn of(&self, app: &AppId) -> Shown {
        self.lock().shown.get(app).cloned().unwrap_or_default()
    }

    pub fn rests(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.lock().rests)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a plan does, in a form that can be compared with another one of the same app.
fn steps(changes: &[Change]) -> Steps {
    let mut steps = Steps::new();
    for change in changes.iter().filter(|change| change.left_for.is_none()) {
        let id = change.key.id().to_string();
        match (change.action, &change.desired) {
            (Action::None, _) => {}
            (Action::Prune, _) => drop(steps.insert(id, DELETED.to_owned())),
            (_, Some(desired)) => drop(steps.insert(id, desired.hash.clone())),
            (_, None) => drop(steps.insert(id, String::new())),
        }
        if let Some(old) = &change.replaces_name {
            steps.insert(old.id().to_string(), DELETED.to_owned());
        }
    }
    steps
}

impl Looked {
    /// Where nothing was rendered.
    pub fn without_apps(author: &str, report: &PreviewReport, conflicts: Vec<String>) -> Self {
        Self {
            version: VERSION,
            author: author.to_owned(),
            settled: is_settled(report),
            conflicts,
            apps: Vec::new(),
            reads: Vec::new(),
            rests: BTreeSet::new(),
        }
    }

    pub fn new(author: &str, report: &PreviewReport, looked: Vec<LookedAt>, collected: &Collected) -> Self {
        let with_plan = |one: LookedAt| LookedAt { shown: collected.of(&one.app), ..one };
        let apps = looked.into_iter().map(with_plan).collect();
        let (author, settled) = (author.to_owned(), is_settled(report));
        Self {
            version: VERSION,
            author,
            settled,
            conflicts: Vec::new(),
            apps,
            reads: Vec::new(),
            rests: collected.rests(),
        }
    }

    pub fn read(row: &PreviewRow) -> Option<Self> {
        LOOKED
            .read_if_known(format!("{}#{}", row.repo, row.number), &row.looked)
            .filter(|looked| looked.version == VERSION)
    }

    pub fn app(&self, id: &AppId) -> Option<&LookedAt> {
        self.apps.iter().find(|one| one.app == *id)
    }
}

/// Whether another preview of the same input would have the same result.
fn is_settled(report: &PreviewReport) -> bool {
    report.stopped.is_none()
        && report.apps.iter().all(|app| {
            let counts = app.counts();
            // The base may be repaired by somebody else.
            app.definition != DefinitionChange::Repaired
                && matches!(app.result, AppResult::Planned { .. })
                && counts.rejected == 0
                && counts.not_validated == 0
        })
}

/// Keeps what a preview of these commits looked at.
pub(in crate::jobs) async fn keep(
    context: &Context,
    repo: &Repo,
    number: u64,
    [head, base]: [&Oid; 2],
    change_tree: Option<Oid>,
    looked: &Looked,
) -> Result<(), JobError> {
    let shown: Vec<(AppId, String)> = looked
        .apps
        .iter()
        .map(|one| Ok((one.app.clone(), SHOWN.write(&one.shown)?)))
        .collect::<Result<_, JobError>>()?;
    let (head, base) = (head.clone(), base.clone());
    let granted = Some(granted::hash(context)?);
    let row =
        PreviewRow { repo: repo.name.clone(), number, head, base, change_tree, granted, looked: LOOKED.write(looked)? };
    Ok(context.store.put_preview(&row, &shown).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ObjectKey;
    use crate::plan::Desired;

    fn change(name: &str, action: Action, hash: Option<&str>) -> Change {
        let key = ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("a".into()),
            name: name.into(),
        };
        let desired = hash.map(|hash| Desired { object: serde_json::Value::Null, hash: hash.into() });
        Change { desired, ..Change::new(key, action, Verdict::Accepted) }
    }

    #[test]
    fn two_plans_are_the_same_when_they_send_the_same() {
        let one = steps(&[
            change("a", Action::Update, Some("1")),
            change("b", Action::Prune, None),
            change("c", Action::None, Some("3")),
        ]);
        let two = steps(&[change("b", Action::Prune, None), change("a", Action::Create, Some("1"))]);
        assert_eq!(one, two, "whether it is there already is for the cluster to say");
        assert_ne!(one, steps(&[change("a", Action::Update, Some("2")), change("b", Action::Prune, None)]));
    }

    #[test]
    fn a_name_that_stands_in_for_another_deletes_that() {
        let new = change("a-2", Action::Update, Some("1"));
        let old = change("a-1", Action::Prune, None);
        let paired = Change { replaces_name: Some(old.key.clone()), ..new.clone() };
        assert_eq!(steps(&[paired]), steps(&[new, old]));
    }
}
