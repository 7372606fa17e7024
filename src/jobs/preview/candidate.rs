//! An app that a pull request may affect, as each side defines it.

use super::comparison::MergeTrees;
use super::invalid::Invalid;
use crate::app::App;
use crate::ids::{AppId, RepoName};
use crate::trace::Trace;
use crate::tree::TreeError;

pub(super) struct Candidate {
    pub base: Option<App>,
    pub change: Option<App>,
    pub trace: Option<Trace>,
    /// Why the configuration does not allow it as the pull request has it.
    pub refused: Option<String>,
    pub mistake: Mistake,
}

/// A mistake in its definition.
#[derive(Clone, Default)]
pub(super) enum Mistake {
    #[default]
    None,
    /// The base has it, and the pull request does not.
    Repaired,
    /// The pull request has it: nothing of the app is applied, and why.
    Made(String),
    /// Both have it.
    Stays(String),
}

impl Mistake {
    pub fn of(id: &AppId, invalid: &mut Invalid) -> Self {
        match invalid.stays.remove(id) {
            Some(why) if invalid.stayed.contains(id) => Self::Stays(why),
            Some(why) => Self::Made(why),
            None if invalid.repaired.contains(id) => Self::Repaired,
            None => Self::None,
        }
    }

    pub fn why(&self) -> Option<&String> {
        match self {
            Self::Made(why) | Self::Stays(why) => Some(why),
            Self::None | Self::Repaired => None,
        }
    }
}

impl Candidate {
    pub fn new(base: Option<App>, change: Option<App>, trace: Option<Trace>) -> Self {
        Self { base, change, trace, refused: None, mistake: Mistake::None }
    }

    /// Nobody renders it any more, so that its trace may be of long ago.
    fn is_not_rendered(&self) -> bool {
        self.refused.is_some() || self.mistake.why().is_some()
    }

    /// Whether a pull request touches it, as far as that can be told without a render.
    pub fn is_touched(&self, repo: &RepoName, trees: &MergeTrees) -> Result<bool, TreeError> {
        let (Some(base), Some(change)) = (&self.base, &self.change) else { return Ok(true) };
        if !base.same_definition(change) {
            return Ok(true);
        }
        if change.source.repo != *repo || change.source.ref_name != trees.base_ref {
            return Ok(false);
        }
        let sides = [trees.base.as_ref(), trees.change.as_ref()];
        if let Mistake::Made(_) | Mistake::Repaired = self.mistake {
            return Ok(true);
        }
        if self.mistake.why().is_some() && sides[0].entry(&base.origin.file)? != sides[1].entry(&base.origin.file)? {
            return Ok(true);
        }
        match &self.trace {
            Some(trace) if self.is_not_rendered() => trace.differs_between(sides[0], sides[1]),
            None if self.is_not_rendered() => {
                Ok(sides[0].entry(&change.source.path)? != sides[1].entry(&change.source.path)?)
            }
            Some(trace) => Ok(trace.differs(sides[1])?.is_some() || trace.differs(sides[0])?.is_some()),
            None => Ok(true),
        }
    }
}
