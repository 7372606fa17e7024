//! Decides whether an object may be deleted: one rule for all deletions. Pure.
//!
//! A delete request takes a [`MayDelete`], which only this module creates. It takes two steps, because they are known
//! at different times: the object belongs to this app ([`deletable`]), and either no other app renders it
//! ([`NotWanted`]), or it is created again at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::asks::{asks_to_outlive, has_keep_policy};
use super::marks::{APP_LABEL, Marked, Marks, OWNER_ANNOTATION};
use super::owner::{TakeOver, controller, other_tool};
use crate::manifest::ObjectId;

/// What our records say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// We applied the object with this uid.
    Applied { uid: &'a str },
    /// We have claimed it, and were stopped before what became of that was recorded: the mark, which names the object,
    /// has to be enough.
    Claimed,
    /// Nothing: it is missing from the inventory.
    None,
}

impl<'a> Record<'a> {
    /// What an inventory's row says, by the uid in it.
    pub fn of_row(uid: Option<&'a str>) -> Self {
        uid.map_or(Self::Claimed, |uid| Self::Applied { uid })
    }
}

/// Why an object is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Controller(String),
    OtherTool {
        tool: String,
        name: String,
    },
    OtherApp {
        instance: String,
        app: String,
    },
    /// These of our marks are not on it any more: who wants to keep an object takes one off.
    Unmarked {
        label: bool,
        annotation: bool,
    },
    /// By this mark.
    AsksToStay(&'static str),
    /// Somebody made it anew under its name.
    Another,
    Unrecorded,
    /// The app wants it under another name: a kind may be served under several groups.
    WantedAs(ObjectId),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller(owner) => write!(f, "{owner} controls it"),
            Self::OtherTool { tool, name } => write!(f, "it is managed by {tool} ({name})"),
            Self::OtherApp { instance, app } => {
                write!(f, "it belongs to app {app} of the Driftless instance {instance}")
            }
            Self::Unmarked { label: true, annotation: false } => write!(f, "its label `{APP_LABEL}` is not this app's"),
            Self::Unmarked { label: false, .. } => {
                write!(f, "its annotation `{OWNER_ANNOTATION}` is not this object's")
            }
            Self::Unmarked { label: true, annotation: true } => {
                write!(f, "neither its label `{APP_LABEL}` nor its annotation `{OWNER_ANNOTATION}` is this app's")
            }
            Self::AsksToStay(mark) => write!(f, "it has the {mark}"),
            Self::Another => f.write_str("it is not the object that was applied, but another one of the same name"),
            Self::Unrecorded => f.write_str("it is missing from the inventory"),
            Self::WantedAs(other) => {
                write!(
                    f,
                    "it is the same object as {other} of the group {}, which Git still contains",
                    group(&other.group)
                )
            }
        }
    }
}

fn group(group: &str) -> &str {
    if group.is_empty() { "core" } else { group }
}

/// The objects that an app wants, by their uids: whatever name one of them has elsewhere, it is not deleted.
#[derive(Debug, Default)]
pub struct WantedUids {
    uids: BTreeMap<String, ObjectId>,
    ends: bool,
}

impl WantedUids {
    pub fn of(wanted: impl IntoIterator<Item = (String, ObjectId)>) -> Self {
        Self { uids: wanted.into_iter().collect(), ends: false }
    }

    /// The app wants nothing any more where it was: it is removed, or has left.
    #[must_use]
    pub fn ended(self, ends: bool) -> Self {
        Self { ends, ..self }
    }
}

/// An object that is clearly ours to delete, in the very version that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletable {
    id: ObjectId,
    uid: String,
    resource_version: Option<String>,
}

/// The permission to delete one object in one version.
#[derive(Debug, PartialEq, Eq)]
pub struct MayDelete {
    object: Deletable,
    replaced: bool,
}

/// Whether a live object that is not wanted under this name any more is clearly ours to delete, and not wanted under
/// another one.
pub fn prunable(
    live: &Value,
    id: &ObjectId,
    marks: &Marks,
    record: Record<'_>,
    wanted: &WantedUids,
) -> Result<Deletable, Kept> {
    // First, as its mark may name it as it is wanted by now.
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
    match uid.and_then(|uid| wanted.uids.get(uid)) {
        Some(other) if other != id => return Err(Kept::WantedAs(other.clone())),
        _ => {}
    }
    let ours = deletable(live, id, marks, record)?;
    match asks_to_outlive(live).filter(|_| wanted.ends) {
        Some(mark) => Err(Kept::AsksToStay(mark)),
        None => Ok(ours),
    }
}

/// Whether a live object is clearly ours to delete.
pub fn deletable(live: &Value, id: &ObjectId, marks: &Marks, record: Record<'_>) -> Result<Deletable, Kept> {
    if let Some(owner) = controller(live) {
        return Err(Kept::Controller(owner));
    }
    if let Some(TakeOver::OtherTool { tool, name }) = other_tool(live, id) {
        return Err(Kept::OtherTool { tool, name });
    }
    match marks.read(live, id) {
        Marked::Ours => {}
        Marked::Other { instance, app } => return Err(Kept::OtherApp { instance, app }),
        Marked::No => return Err(Kept::Unmarked { label: !marks.has_label(live), annotation: true }),
    }
    if !marks.has_label(live) {
        return Err(Kept::Unmarked { label: true, annotation: false });
    }
    if let Some(annotation) = has_keep_policy(live) {
        return Err(Kept::AsksToStay(annotation));
    }
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let uid = text("/metadata/uid").ok_or(Kept::Another)?;
    match record {
        Record::Applied { uid: applied } if applied != uid => return Err(Kept::Another),
        Record::Applied { .. } | Record::Claimed => {}
        Record::None => return Err(Kept::Unrecorded),
    }
    let resource_version = text("/metadata/resourceVersion").map(str::to_owned);
    Ok(Deletable { id: id.clone(), uid: uid.to_owned(), resource_version })
}

impl Deletable {
    pub fn uid(&self) -> &str {
        &self.uid
    }

    pub fn resource_version(&self) -> Option<&str> {
        self.resource_version.as_deref()
    }

    /// None where another app wants it, or nobody has looked whether one does.
    pub fn pruned(self, not_wanted: &NotWanted) -> Option<MayDelete> {
        not_wanted.has(&self.id).then_some(MayDelete { object: self, replaced: false })
    }

    /// It is made anew at once, as its manifest asks for it.
    pub fn replaced(self) -> MayDelete {
        MayDelete { object: self, replaced: true }
    }
}

impl MayDelete {
    /// Whether the object is made anew at once.
    pub fn is_replaced(&self) -> bool {
        self.replaced
    }
}

impl std::ops::Deref for MayDelete {
    type Target = Deletable;

    fn deref(&self) -> &Deletable {
        &self.object
    }
}

/// Objects of an app that no other app wants, by a look that was made for these very objects.
#[derive(Debug, Default)]
pub struct NotWanted(BTreeSet<ObjectId>);

impl NotWanted {
    /// `wanted`: those of the objects that a look has found to be wanted by other apps.
    pub fn of<'a>(
        looked_at: impl IntoIterator<Item = ObjectId>,
        wanted: impl IntoIterator<Item = &'a ObjectId>,
    ) -> Self {
        let mut objects: BTreeSet<ObjectId> = looked_at.into_iter().collect();
        for id in wanted {
            objects.remove(id);
        }
        Self(objects)
    }

    pub fn has(&self, id: &ObjectId) -> bool {
        self.0.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ids::{AppId, RepoName};

    fn id() -> ObjectId {
        ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: Some("shop".into()), name: "web".into() }
    }

    fn marks(app: &str) -> Marks {
        Marks::new("driftless", &AppId::new(&RepoName::new("shop"), app))
    }

    fn live() -> Value {
        let metadata = json!({"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"});
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        marks("web").put(&mut object, &id());
        object
    }

    const APPLIED: Record<'_> = Record::Applied { uid: "u" };

    fn said(object: &Value, marks: &Marks, record: Record<'_>) -> String {
        match deletable(object, &id(), marks, record) {
            Ok(Deletable { uid, resource_version, .. }) => format!("deleted: {uid} in version {resource_version:?}"),
            Err(kept) => format!("kept: {kept}"),
        }
    }

    /// C3: the one rule, as a table.
    #[test]
    fn only_what_is_clearly_ours_may_be_deleted() {
        let at = |field: &str, name: &str, value: Value| {
            let mut object = live();
            object["metadata"][field][name] = value;
            object
        };
        let with = |field: &str, value: Value| {
            let mut object = live();
            object["metadata"][field] = value;
            object
        };
        let ours = marks("web");
        let owner = json!([{"kind": "ReplicaSet", "name": "r", "controller": true}]);
        let plain_owner = json!([{"kind": "ReplicaSet", "name": "r"}]);
        let mut copied = live();
        copied["metadata"]["annotations"] = json!({});
        let mut bare = copied.clone();
        bare["metadata"]["labels"] = json!({});
        let rows = [
            ("ours", said(&live(), &ours, APPLIED)),
            ("claimed and never recorded", said(&live(), &ours, Record::Claimed)),
            ("in no inventory", said(&live(), &ours, Record::None)),
            ("made anew", said(&live(), &ours, Record::Applied { uid: "other" })),
            ("no uid", said(&with("uid", json!("")), &ours, Record::Claimed)),
            ("no version", said(&with("resourceVersion", json!("")), &ours, APPLIED)),
            ("without annotation", said(&copied, &ours, APPLIED)),
            ("without label", said(&with("labels", json!({})), &ours, APPLIED)),
            ("with another's label", said(&at("labels", "driftless.dev/app", json!("x")), &ours, APPLIED)),
            ("without marks", said(&bare, &ours, APPLIED)),
            ("another app's", said(&live(), &marks("api"), APPLIED)),
            (
                "another instance's",
                said(&live(), &Marks::new("staging", &AppId::new(&RepoName::new("shop"), "web")), APPLIED),
            ),
            ("a controller's", said(&with("ownerReferences", owner), &ours, APPLIED)),
            ("with an owner that does not control it", said(&with("ownerReferences", plain_owner), &ours, APPLIED)),
            ("Argo CD's", said(&at("labels", "argocd.argoproj.io/instance", json!("store")), &ours, APPLIED)),
            ("Flux'", said(&at("labels", "kustomize.toolkit.fluxcd.io/name", json!("apps")), &ours, APPLIED)),
            ("Helm's", said(&at("annotations", "meta.helm.sh/release-name", json!("r")), &ours, APPLIED)),
            ("asks to stay", said(&at("annotations", "helm.sh/resource-policy", json!("keep")), &ours, APPLIED)),
            (
                "asks Argo CD",
                said(
                    &at("annotations", "argocd.argoproj.io/sync-options", json!("Validate=false, Prune=false")),
                    &ours,
                    APPLIED,
                ),
            ),
            (
                "asks Flux",
                said(&at("annotations", "kustomize.toolkit.fluxcd.io/prune", json!("disabled")), &ours, APPLIED),
            ),
        ];
        let table: Vec<String> = rows.iter().map(|(what, said)| format!("{what}: {said}")).collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        ours: deleted: u in version Some("7")
        claimed and never recorded: deleted: u in version Some("7")
        in no inventory: kept: it is missing from the inventory
        made anew: kept: it is not the object that was applied, but another one of the same name
        no uid: kept: it is not the object that was applied, but another one of the same name
        no version: deleted: u in version None
        without annotation: kept: its annotation `driftless.dev/owner` is not this object's
        without label: kept: its label `driftless.dev/app` is not this app's
        with another's label: kept: its label `driftless.dev/app` is not this app's
        without marks: kept: neither its label `driftless.dev/app` nor its annotation `driftless.dev/owner` is this app's
        another app's: kept: it belongs to app shop/web of the Driftless instance driftless
        another instance's: kept: it belongs to app shop/web of the Driftless instance driftless
        a controller's: kept: ReplicaSet/r controls it
        with an owner that does not control it: deleted: u in version Some("7")
        Argo CD's: kept: it is managed by Argo CD (store)
        Flux': kept: it is managed by Flux (kustomize /apps)
        Helm's: kept: it is managed by Helm (/r)
        asks to stay: kept: it has the annotation `helm.sh/resource-policy: keep`
        asks Argo CD: kept: it has the annotation `argocd.argoproj.io/sync-options: Prune=false`
        asks Flux: kept: it has the annotation `kustomize.toolkit.fluxcd.io/prune: disabled`
        "#);
    }

    /// C3+: one object under two API groups is one object.
    #[test]
    fn what_is_wanted_under_another_group_is_not_deleted() {
        let other = ObjectId { group: "other.test".into(), ..id() };
        let asked = |wanted: &[(&str, &ObjectId)]| {
            let wanted = WantedUids::of(wanted.iter().map(|(uid, id)| ((*uid).to_owned(), (*id).clone())));
            prunable(&live(), &id(), &marks("web"), APPLIED, &wanted).map(|ours| ours.uid().to_owned())
        };
        assert_eq!(asked(&[("u", &other)]), Err(Kept::WantedAs(other.clone())));
        assert_eq!(asked(&[("v", &other), ("u", &id())]), Ok("u".to_owned()));
    }

    /// X2+: what Argo CD keeps when its app goes is kept when the app wants nothing any more, and not before.
    #[test]
    fn what_outlives_its_app_is_kept_when_that_ends() {
        let mut object = live();
        object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] = json!("Delete=false");
        let asked = |ends: bool| {
            let wanted = WantedUids::of([]).ended(ends);
            prunable(&object, &id(), &marks("web"), APPLIED, &wanted).map(drop)
        };
        assert_eq!(asked(false), Ok(()));
        assert!(matches!(asked(true), Err(Kept::AsksToStay(_))));
    }

    /// C4: what nobody has looked for, and what another app wants, is not pruned.
    #[test]
    fn nothing_is_pruned_that_another_app_wants() {
        let ours = || deletable(&live(), &id(), &marks("web"), APPLIED).expect("ours");
        let other = ObjectId { name: "other".into(), ..id() };
        assert!(ours().pruned(&NotWanted::default()).is_none(), "nobody has looked");
        assert!(ours().pruned(&NotWanted::of([other.clone()], [])).is_none(), "somebody has looked for something else");
        assert!(ours().pruned(&NotWanted::of([id(), other.clone()], [&id()])).is_none(), "another app wants it");
        let pruned = ours().pruned(&NotWanted::of([id(), other.clone()], [&other])).expect("nobody wants it");
        assert_eq!((pruned.uid(), pruned.resource_version(), pruned.is_replaced()), ("u", Some("7"), false));
        let replaced = ours().replaced();
        assert_eq!((replaced.uid(), replaced.resource_version(), replaced.is_replaced()), ("u", Some("7"), true));
    }
}
