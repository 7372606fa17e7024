//! Finds out what the apps want that are not synced at their heads.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};

use super::defined::{Defined, Heads, passing};
use super::texts;
use crate::app::App;
use crate::ids::{AppId, RepoName};
use crate::jobs::Context;
use crate::jobs::context::blocking;
use crate::jobs::desired::identity::ids;
use crate::jobs::desired::{identity, render};
use crate::jobs::remembered::could::Could;
use crate::jobs::remembered::unclaimed::{UnclaimedObjects, Unknown, Unseen};
use crate::manifest::ObjectId;
use crate::queue::JobError;
use crate::render::Purpose;
use crate::store::apps::AppRow;
use crate::store::apps::TRACE;
use crate::trace::Trace;
use crate::tree::Tree;

/// Apps that are looked at at once; the renderer's own pool decides how many of them are really rendered.
const AT_ONCE: usize = 8;

pub(in crate::jobs) async fn make(
    context: &Context,
    defined: &Defined,
    heads: &Heads,
    unseen: &Unseen,
) -> Result<UnclaimedObjects, JobError> {
    let looking = &Looking {
        context,
        defined,
        heads,
        unseen,
        rows: context
            .store
            .apps_defined_by(&defined.repo)
            .await?
            .into_iter()
            .map(|row| (row.app.id.clone(), row))
            .collect(),
        traces: traces(context, heads).await?,
    };
    let each: Vec<_> = defined.apps().map(|app| async move { (app, looking.wants(app).await) }.boxed()).collect();
    let answers: Vec<_> = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let mut wanted = UnclaimedObjects { passes: !unseen.is_empty(), ..UnclaimedObjects::default() };
    for (app, answer) in answers {
        match answer {
            Ok(Answer { known, unknown }) => {
                for id in known {
                    wanted.by.entry(id).or_default().insert(app.id.clone());
                }
                wanted.unknown.extend(unknown.map(|(why, could)| Unknown { app: app.id.clone(), why, could }));
            }
            Err(error) => {
                wanted.passes = true;
                wanted.unknown.push(Unknown { app: app.id.clone(), why: passing(&error)?, could: Could::Anything });
            }
        }
    }
    wanted.unknown.sort_by(|a, b| a.app.cmp(&b.app));
    Ok(wanted)
}

async fn traces(context: &Context, heads: &Heads) -> Result<BTreeMap<AppId, String>, JobError> {
    let mut traces = BTreeMap::new();
    let mut repos: Vec<&RepoName> = heads.keys().map(|(repo, _)| repo).collect();
    repos.dedup();
    for repo in repos {
        traces.extend(
            context.store.traces_reading(repo).await?.into_iter().filter_map(|(app, trace)| Some((app, trace?))),
        );
    }
    Ok(traces)
}

#[derive(Default)]
struct Answer {
    /// Nothing of an app that is synced: it owns what it wants.
    known: Vec<ObjectId>,
    /// Why not all of it is known, and what else it could be.
    unknown: Option<(String, Could)>,
}

impl Answer {
    fn broken(&mut self, why: String, could: Could) {
        self.unknown = Some(match self.unknown.take() {
            Some((first, before)) => (first, before.or(could)),
            None => (why, could),
        });
    }
}

struct Looking<'a> {
    context: &'a Context,
    defined: &'a Defined,
    heads: &'a Heads,
    unseen: &'a Unseen,
    rows: BTreeMap<AppId, AppRow>,
    traces: BTreeMap<AppId, String>,
}

impl Looking<'_> {
    async fn wants(&self, app: &App) -> Result<Answer, JobError> {
        let (mut wanted, pinned) = (Answer::default(), self.defined.pinned(&app.id));
        if let Some(why) = self.unseen.get(&app.source.repo) {
            return Ok(Answer { unknown: Some((why.clone(), Could::Anything)), ..wanted });
        }
        // A ref that is nowhere asks for nothing.
        let source = (app.source.repo.clone(), app.source.ref_name.clone());
        let head = self.heads.get(&source).cloned().flatten();
        for revision in head.iter().chain(pinned) {
            let tree = self.context.mirrors.tree(&app.source.repo, revision).await?;
            if pinned.is_none() && self.is_synced(app, Arc::clone(&tree)).await? {
                continue;
            }
            match render::render(self.context, app, Arc::clone(&tree), Purpose::Sync, self.context.tasks.hard()).await?
            {
                Ok(rendered) => wanted.known.extend(rendered.manifests.iter().flat_map(|manifest| ids(app, manifest))),
                Err(error) => {
                    // What it rendered while it did is still its own.
                    wanted.known.extend(self.context.store.wants_of(&app.destination.cluster, &app.id).await?);
                    let why = format!("it does not render at {}: {error}", revision.short());
                    wanted.broken(why, self.could(app, tree, error.trace().cloned()).await?);
                }
            }
        }
        Ok(wanted)
    }

    /// What an app that does not render could render.
    async fn could(&self, app: &App, tree: Arc<dyn Tree>, failed: Option<Trace>) -> Result<Could, JobError> {
        let last = self.traces.get(&app.id).and_then(|text| TRACE.read(&app.id, text).ok());
        let (app, traces) = (app.clone(), [failed, last]);
        let look = move || texts::of(&app, tree.as_ref(), &traces.iter().flatten().collect::<Vec<_>>());
        Ok(blocking(look).await??)
    }

    /// Whether what is applied is what the app, defined so, renders to at this tree.
    async fn is_synced(&self, app: &App, tree: Arc<dyn Tree>) -> Result<bool, JobError> {
        let applied = self.rows.get(&app.id).and_then(|row| row.applied_identity.as_ref());
        let trace = self.traces.get(&app.id).and_then(|text| TRACE.read(&app.id, text).ok());
        let (Some(applied), Some(trace)) = (applied, trace) else { return Ok(false) };
        let request = render::request(self.context, app).await?;
        let may_be = self.context.renderer.identifier().identities(&request, &trace);
        if !may_be.iter().any(|identity| identity::identity_of(app, identity) == *applied) {
            return Ok(false);
        }
        Ok(blocking(move || trace.differs(tree.as_ref())).await??.is_none())
    }
}
