//! The type of a plan. A preview shows it, a sync applies it, and drift is a plan that is not empty.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contents::Contents;
use super::owner::TakeOver;
use super::taken::Taken;
use crate::ids::{AppId, ClusterName, Oid};
use crate::manifest::{ObjectId, ObjectKey};

/// What one app at one revision would change in its cluster, in the order in which it would be applied; prunes come
/// last.
#[derive(Debug, Clone)]
pub struct Plan {
    pub app: AppId,
    pub cluster: ClusterName,
    pub revision: Oid,
    pub changes: Vec<Change>,
}

/// What would happen to one object.
///
/// `before` and `after` are the objects as the server holds and would hold them, save where that may not be shown or is
/// not known: of an object that is not in the app's inventory there is no `before`, and `after` is the manifest. They
/// may contain secrets: whatever is shown goes through [`crate::plan::Redactor`], and that is why this type does not
/// serialize.
#[derive(Clone)]
pub struct Change {
    pub key: ObjectKey,
    pub action: Action,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub verdict: Verdict,
    /// Who has rejected it, where it is rejected.
    pub refused_by: RefusedBy,
    /// The file that the manifest came from, from the root of the repo.
    pub origin: Option<String>,
    /// Fields that another manager holds and that the sync would take.
    pub conflicts: Vec<Conflict>,
    /// Items of others that were ours under another name, and that the sync would take over to drop them.
    pub takes: Option<Box<Taken>>,
    /// Fields that change and have another value in the cluster than Git has now, one sentence each.
    pub live: Vec<String>,
    /// What a person should know even where nothing of the object changes, one sentence each.
    pub remarks: Vec<String>,
    /// What the server warned of, such as a deprecated API.
    pub warnings: Vec<String>,
    /// Set when the object exists and is not this app's yet.
    pub takes_over: Option<TakeOver>,
    /// The paths of fields that taking it over would delete.
    pub drops: Vec<String>,
    /// The object that this one stands in for: the same name with another generator's hash suffix.
    pub replaces_name: Option<ObjectKey>,
    /// Which rendered objects still refer to an object that would be pruned.
    pub referrers: Vec<ObjectKey>,
    /// What goes with an object that holds others and is deleted or replaced, where the cluster was asked.
    pub contents: Option<Box<Contents>>,
    /// What a sync would send. None for a prune, and where it can not be sent.
    pub desired: Option<Desired>,
    /// What the server would make of a new object, where quotas measure that.
    pub made: Option<Value>,
    /// The app of the same repo for which an object that is no longer rendered is left, instead of being pruned.
    pub left_for: Option<AppId>,
    /// A prune that does not happen yet, as it is unknown whether another app of the repo wants the object.
    pub put_off: bool,
    /// Why an object is deleted or replaced although no commit says so: nobody has reviewed that.
    pub unreviewed: Option<String>,
    /// What was done to the manifest before it was sent, or why an object that is no longer rendered is kept.
    pub notes: Vec<String>,
}

/// What to do where the conversion of a kind keeps an object from being read.
pub const REPAIR_CONVERSION: &str = "Repair the conversion webhook of its kind, or `spec.conversion` of its CRD: until \
                                     then it is not deleted";

/// A manifest as a sync sends it.
#[derive(Clone)]
pub struct Desired {
    /// Normalised, with its namespace and our marks.
    pub object: Value,
    /// [`crate::manifest::Manifest::hash`] of it without the marks: what the inventory keeps.
    pub hash: String,
}

impl Change {
    /// A change about which nothing more is known: not asked, no objects.
    pub fn new(key: ObjectKey, action: Action, verdict: Verdict) -> Self {
        Self {
            key,
            action,
            before: None,
            after: None,
            verdict,
            refused_by: RefusedBy::Server,
            origin: None,
            conflicts: Vec::new(),
            takes: None,
            live: Vec::new(),
            remarks: Vec::new(),
            warnings: Vec::new(),
            takes_over: None,
            drops: Vec::new(),
            replaces_name: None,
            referrers: Vec::new(),
            contents: None,
            desired: None,
            made: None,
            left_for: None,
            put_off: false,
            unreviewed: None,
            notes: Vec::new(),
        }
    }

    /// Makes of a prune that the object is left for another app.
    pub fn leave(&mut self, app: AppId) {
        self.action = Action::None;
        self.verdict = Verdict::Accepted;
        self.before = None;
        self.referrers.clear();
        self.contents = None;
        self.left_for = Some(app);
    }

    /// The object that goes with this change: a pruned or replaced one, and the old one of two names that were paired.
    /// Whether something is destructive is asked about this one.
    pub fn removes(&self) -> Option<&ObjectKey> {
        match self.action {
            Action::Prune | Action::Replace => Some(&self.key),
            Action::Create | Action::Update | Action::None => self.replaces_name.as_ref(),
        }
    }

    pub fn is_rejected(&self) -> bool {
        matches!(self.verdict, Verdict::Rejected { .. })
    }
}

impl Plan {
    /// Whether nothing would happen: no object changes, and none was refused.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::None && change.verdict == Verdict::Accepted)
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the objects: a debug line may end in a log.
        f.debug_struct("Change")
            .field("key", &self.key)
            .field("action", &self.action)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Update,
    /// Deleted and created again, because a field that cannot change did.
    Replace,
    Prune,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    Accepted,
    /// The server refused the object, and the object is at fault.
    Rejected {
        message: String,
        causes: Vec<Cause>,
    },
    /// The server could honestly not be asked.
    NotValidated {
        reason: NotValidated,
    },
}

/// Who does not take an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusedBy {
    /// The cluster that was asked.
    #[default]
    Server,
    /// A rule of `allow` in our configuration.
    Configuration,
    /// We ourselves, because of what the object says or of whose it is.
    Driftless,
}

/// One field that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub field: Option<String>,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "reason")]
pub enum NotValidated {
    /// The namespace comes with this change.
    NamespaceInPlan { namespace: String },
    /// The CRD comes with, or changes in, this change.
    CrdInPlan { crd: String },
    /// An object of this change, maybe another app's, has to be there first.
    SiblingInPlan { needs: ObjectId },
    /// An object of this change, maybe another app's, decides over it more strictly than the server was asked under.
    LimitedInPlan { by: ObjectId },
    /// What is live has been changed by others so that the server refuses what is applied as well.
    Drifted { message: String },
    /// An admission webhook does not support dry-run.
    WebhookWithoutDryRun { message: String },
    /// It is to be deleted, and the conversion of its kind keeps it from being read.
    Unread { message: String },
    /// It is deleted and made anew, and can't be made on trial beside the one that is there.
    Replaced,
}

impl NotValidated {
    /// The reason in words. `quote` formats what is named or quoted.
    pub fn describe(&self, quote: impl Fn(&str) -> String) -> String {
        match self {
            Self::NamespaceInPlan { namespace } => {
                format!("its namespace {} is created by this change", quote(namespace))
            }
            Self::CrdInPlan { crd } => format!("its CRD {} is added or changed by this change", quote(crd)),
            Self::SiblingInPlan { needs } => {
                format!("it needs {}, which is part of this change", quote(&needs.to_string()))
            }
            Self::LimitedInPlan { by } => format!(
                "{}, which this change adds or tightens, decides whether it is accepted",
                quote(&by.to_string())
            ),
            Self::Drifted { message } => format!(
                "the object was changed in the cluster, and the cluster rejects the applied manifest as well: {}",
                quote(message)
            ),
            Self::WebhookWithoutDryRun { message } => {
                format!("an admission webhook does not support dry runs: {}", quote(message))
            }
            Self::Unread { message } => {
                format!("the object cannot be read from the cluster: {}. {REPAIR_CONVERSION}", quote(message))
            }
            Self::Replaced => {
                "it is deleted and created again, and cannot be validated while the existing object is present"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for NotValidated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(str::to_owned))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Conflict {
    pub field: String,
    pub manager: String,
}
