//! How the changes of a plan are shown: the values of its Secrets are removed from every text about its objects.

use serde_json::Value;

use super::change::{Cause, Change, NotValidated, Verdict};
use super::diff::{self, ObjectDiff};
use crate::manifest::{Manifest, ObjectKey};
use crate::redact::{Known, Shown};

/// Everything that leaves a plan goes through here.
#[derive(Debug, Default)]
pub struct Redactor(Known);

impl Redactor {
    /// For what is said of these changes, and of whatever else was made of these manifests.
    pub fn new<'a>(
        changes: impl IntoIterator<Item = &'a Change>,
        manifests: impl IntoIterator<Item = &'a Manifest>,
    ) -> Self {
        Self::beside(changes, manifests, &[])
    }

    /// The same with objects that are in neither.
    pub fn beside<'a>(
        changes: impl IntoIterator<Item = &'a Change>,
        manifests: impl IntoIterator<Item = &'a Manifest>,
        objects: &'a [(ObjectKey, Value)],
    ) -> Self {
        let of_change = |change: &'a Change| {
            let desired = change.desired.as_ref().map(|desired| &desired.object);
            [change.before.as_ref(), change.after.as_ref(), desired]
                .into_iter()
                .flatten()
                .map(|object| (&change.key, object))
        };
        let changes = changes.into_iter().flat_map(of_change);
        let manifests = manifests.into_iter().map(|manifest| (&manifest.key, &manifest.object));
        let objects = objects.iter().map(|(key, object)| (key, object));
        Self(Known::of(changes.chain(manifests).chain(objects).collect::<Vec<(&ObjectKey, &Value)>>()))
    }

    /// What is to be said where the Secrets hold more than can be searched for.
    pub fn withholds(&self) -> Option<String> {
        let text = "Texts about the app's objects are hidden: its Secrets are too large to be searched for in them. \
                    Split the app, or make \
                    its Secrets smaller, to see what changes.";
        self.0.withholds_all().then(|| text.to_owned())
    }

    pub fn text(&self, text: &str) -> Shown {
        self.0.hide(text)
    }

    pub fn texts<'a>(&self, texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        texts.into_iter().map(|text| self.text(text).into()).collect()
    }

    pub fn diff(&self, change: &Change) -> ObjectDiff {
        diff::diff(change, &self.0)
    }

    /// A server, or a webhook behind it, may quote any value of what it was asked about.
    pub fn verdict(&self, verdict: &Verdict) -> Verdict {
        let hide = |text: &str| String::from(self.text(text));
        match verdict {
            Verdict::Accepted => Verdict::Accepted,
            Verdict::Rejected { message, causes } => {
                let cause =
                    |cause: &Cause| Cause { field: cause.field.as_deref().map(hide), message: hide(&cause.message) };
                Verdict::Rejected { message: hide(message), causes: causes.iter().map(cause).collect() }
            }
            Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message } } => {
                Verdict::NotValidated { reason: NotValidated::WebhookWithoutDryRun { message: hide(message) } }
            }
            Verdict::NotValidated { reason: NotValidated::Drifted { message } } => {
                Verdict::NotValidated { reason: NotValidated::Drifted { message: hide(message) } }
            }
            Verdict::NotValidated { reason: NotValidated::Unread { message } } => {
                Verdict::NotValidated { reason: NotValidated::Unread { message: hide(message) } }
            }
            Verdict::NotValidated { reason } => Verdict::NotValidated { reason: reason.clone() },
        }
    }
}
