//! One app on the two sides of a pull request.

use std::sync::Arc;

use super::reads::Reads;
use crate::app::App;
use crate::class::{Class, Classified};
use crate::ids::{AppId, Oid};
use crate::render::{RenderError, Rendered};
use crate::tree::Tree;

/// The trees that a pull request's merge takes from one to the other.
#[derive(Clone)]
pub(in crate::jobs) struct MergeTrees {
    /// The branch that it merges into, as a full ref.
    pub base_ref: String,
    pub base_commit: Oid,
    /// What the change is known by: the head of the pull request or merge group, or the merge commit.
    pub change_commit: Oid,
    pub base: Arc<dyn Tree>,
    pub change: Arc<dyn Tree>,
    /// What else is read.
    pub reads: Arc<Reads>,
}

/// One app whose manifests or definition differ between the sides.
pub(in crate::jobs) struct AppComparison {
    pub id: AppId,
    pub base: Option<AppVersion>,
    pub change: Option<AppVersion>,
    /// The pull request adds, edits or removes the definition itself.
    pub definition_changed: bool,
    /// The definition is invalid on the base, and is not with the pull request.
    pub repairs: bool,
    /// Why nothing is applied of it, where its definition is invalid as the pull request has it.
    pub invalid: Option<String>,
    /// Why the configuration does not allow it as the pull request has it, as it will be said after the merge.
    pub refused: Option<String>,
}

impl AppComparison {
    /// The app as it is before, if the pull request moves it to another cluster.
    pub fn leaves(&self) -> Option<&App> {
        let (Some(base), Some(change)) = (&self.base, &self.change) else { return None };
        (base.app.destination.cluster != change.app.destination.cluster).then_some(&base.app)
    }

    /// Whether what it has where it leaves is decided about with the merge: nothing is, where nothing of it is applied
    /// where it goes to.
    pub fn arrives(&self) -> bool {
        self.change.as_ref().is_some_and(|change| match &change.rendered {
            Ok(_) => true,
            // What may pass is no reason to be silent about deletions.
            Err(error) => error.class() != Class::Fail,
        })
    }
}

/// An app on one side, and what it renders to there.
pub(in crate::jobs) struct AppVersion {
    pub app: App,
    pub rendered: Result<Arc<Rendered>, RenderError>,
}
