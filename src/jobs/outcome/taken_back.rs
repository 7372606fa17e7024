//! Whether later revisions still contain the changes of a merge, for one app.

use std::collections::{BTreeSet, HashMap};

use crate::ids::{AppId, Oid};
use crate::jobs::Context;
use crate::jobs::preview::previewed::{Looked, Seen};
use crate::queue::JobError;
use crate::source::{Change, Changes};
use crate::store::pulls::Pull;
use crate::trace::Asked;

/// So many changed paths are compared to tell whether a merge was taken back.
const PATHS: usize = 5_000;

/// A merge. A merge of a thousand apps asks a thousand times: what it changes is read once.
pub(in crate::jobs) struct Merge<'a> {
    context: &'a Context,
    pub pull: &'a Pull,
    pub commit: &'a Oid,
    brought: Option<Brought>,
    /// The paths that differ between two commits.
    between: HashMap<(Oid, Oid), Changes>,
}

/// What it changed.
struct Brought {
    base: Option<Oid>,
    changes: Changes,
    /// What its preview has looked at.
    looked: Option<Looked>,
}

impl<'a> Merge<'a> {
    pub fn new(context: &'a Context, pull: &'a Pull, commit: &'a Oid) -> Self {
        Self { context, pull, commit, brought: None, between: HashMap::new() }
    }

    /// Whether a later revision lacks something of what it changed of an app.
    pub async fn changed_since(&mut self, app: &AppId, revision: &Oid) -> Result<bool, JobError> {
        if self.base().await?.is_none() {
            return Ok(true);
        }
        self.compare(self.commit.clone(), revision).await?;
        let (Some(brought), Some(since)) = (&self.brought, self.between.get(&(self.commit.clone(), revision.clone())))
        else {
            return Ok(true);
        };
        if brought.changes.truncated || since.truncated {
            return Ok(true);
        }
        let concerning = brought.concerning(app);
        Ok(since.changes.iter().any(|change| concerning.contains(change.path())))
    }

    /// Whether a later revision has none of what it changed of an app: it was taken back.
    pub async fn taken_back(&mut self, app: &AppId, revision: &Oid) -> Result<bool, JobError> {
        if self.commit == revision {
            return Ok(false);
        }
        let Some(base) = self.base().await? else { return Ok(false) };
        self.compare(base.clone(), revision).await?;
        let (Some(brought), Some(now)) = (&self.brought, self.between.get(&(base, revision.clone()))) else {
            return Ok(false);
        };
        if brought.changes.truncated || now.truncated || brought.changes.changes.is_empty() {
            return Ok(false);
        }
        let concerning = brought.concerning(app);
        Ok(now.changes.iter().all(|change| !concerning.contains(change.path())))
    }

    /// What the base was before the merge, as far as it is known.
    async fn base(&mut self) -> Result<Option<Oid>, JobError> {
        if self.brought.is_none() {
            self.brought = Some(self.read().await?);
        }
        Ok(self.brought.as_ref().and_then(|brought| brought.base.clone()))
    }

    async fn read(&self) -> Result<Brought, JobError> {
        let (context, pull) = (self.context, self.pull);
        let base = before(context, pull, self.commit).await?;
        let changes = match &base {
            Some(base) => context.mirrors.changed_paths(&pull.repo, base, self.commit, PATHS).await?,
            None => Changes { changes: Vec::new(), truncated: false },
        };
        let preview = context.store.preview(&pull.repo, pull.number).await?;
        Ok(Brought { base, changes, looked: preview.as_ref().and_then(Looked::read) })
    }

    async fn compare(&mut self, from: Oid, to: &Oid) -> Result<(), JobError> {
        let key = (from, to.clone());
        if !self.between.contains_key(&key) {
            let changes = self.context.mirrors.changed_paths(&self.pull.repo, &key.0, to, PATHS).await?;
            self.between.insert(key, changes);
        }
        Ok(())
    }
}

/// A merge of two parents and a squash tell what the base was before. Otherwise it is that of the preview: where it has
/// moved before the merge, nothing is called taken back that may not be.
async fn before(context: &Context, pull: &Pull, merge: &Oid) -> Result<Option<Oid>, JobError> {
    let parents = context.mirrors.parents(&pull.repo, merge).await?;
    let summary = context.mirrors.commit(&pull.repo, merge).await?.summary;
    let named = context.flavour(&pull.repo).named_pull(&summary);
    let is_one = pull.head != *merge && (parents.len() > 1 || named == Some(pull.number));
    Ok(if is_one { parents.into_iter().next() } else { pull.base.clone() })
}

impl Brought {
    /// The changed paths that concern an app: its definition, and what its preview has looked at. All of them where
    /// that is not known.
    fn concerning(&self, app: &AppId) -> BTreeSet<&str> {
        let one = self.looked.as_ref().and_then(|looked| looked.app(app));
        let sides: Vec<&Seen> = one.into_iter().flat_map(|one| one.base.iter().chain(&one.change)).collect();
        let paths = || self.changes.changes.iter().map(Change::path);
        let some: BTreeSet<&str> = paths().filter(|path| sides.iter().any(|side| concerns(side, path))).collect();
        if some.is_empty() { paths().collect() } else { some }
    }
}

fn concerns(side: &Seen, path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_looked_at =
        |(asked, how): (&str, &Asked)| asked == path || (asked == folder && matches!(how, Asked::List { .. }));
    side.app.origin.file == path || side.trace.as_ref().is_some_and(|trace| trace.iter().any(is_looked_at))
}
